#include "frontend/cli/eval.h"

#include "frontend/cli/load.h"
#include "ir/interp.h"
#include "runtime/include/adze_runtime.h"

/* A module with the ports of a library: what samples are read for. */
static struct module *ports_of(const struct compiled *c, const char *name) {
    struct module *m = module_new(name);
    for (uint32_t i = 0; i < c->inputs; i++) {
        struct tensor port = compiled_port(c, i);
        struct type type = type_make(port.elem, dims_from_ints(&m->types, port.dim, port.rank));
        (void)module_add_input(m, c->input_names[i], type, (struct loc){0});
    }
    for (uint32_t i = 0; i < c->outputs; i++) module_add_output(m, c->output_names[i], (value_id){0});
    return m;
}

enum exit_code runner_open(struct invocation *inv, const char *path, bool interp, struct runner *out) {
    *out = (struct runner){.inv = inv, .interp = interp, .path = path};
    if (!has_suffix(path, ".so")) return load_model(inv, path, &out->m);
    if (interp) return usage_error(inv, "--interp needs models (.adz or .onnx), not a library");
    if (compiled_open(inv, path, NULL, 1, &out->c) != STATUS_OK) return EXIT_INPUT;
    out->m = ports_of(&out->c, path);
    return EXIT_OK;
}

enum exit_code runner_start(struct runner *r, const struct tensor *inputs) {
    if (r->c.library) return EXIT_OK;
    if (interp_bind_inputs(r->m, inputs, &r->inv->diag) != STATUS_OK) return EXIT_INPUT;
    if (r->interp) return EXIT_OK;
    struct module *copy = module_clone(r->m);
    enum exit_code code = compiled_make(r->inv, copy, 1, &r->c);
    module_free(copy);
    return code;
}

enum exit_code runner_run(struct runner *r, const struct tensor *inputs, struct tensor *outputs) {
    struct diag *diag = &r->inv->diag;
    if (!r->c.library)
        return interp_run(r->m, inputs, NULL, outputs, diag) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
    if (compiled_outputs(r->inv, &r->c, inputs, outputs) != STATUS_OK) return EXIT_INPUT;
    int error = compiled_run(&r->c, inputs, outputs, NULL);
    if (!error) return EXIT_OK;
    diag_error(diag, (struct loc){0}, "%s: %s", r->path, adze_error_text(error));
    for (uint32_t i = 0; i < r->c.outputs; i++) tensor_free(&outputs[i]);
    return EXIT_INPUT;
}

void runner_close(struct runner *r) {
    if (r->c.library) compiled_close(&r->c);
    module_free(r->m);
    *r = (struct runner){0};
}
