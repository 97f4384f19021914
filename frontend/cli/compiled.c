#include "frontend/cli/compiled.h"

#include "frontend/cli/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum elem compiled_elem(uint32_t abi_elem) {
    const char *name = adze_elem_name(abi_elem);
    return name ? elem_by_name(name) : ELEM_NONE;
}

static enum status count_ports(struct invocation *inv, struct compiled *c) {
    uint32_t n = c->model->ports;
    c->input_names = arena_array(&inv->arena, const char *, n + 1);
    c->output_names = arena_array(&inv->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct adze_port *port = c->model->port[i];
        if (port->rank > MAX_RANK || compiled_elem(port->elem) == ELEM_NONE)
            return diag_error(&inv->diag, (struct loc){0},
                              "port %s has rank %u and element type %u: too new for this adze", port->name,
                              port->rank, port->elem);
        if (port->role == ADZE_INPUT)
            c->input_names[c->inputs++] = port->name;
        else
            c->output_names[c->outputs++] = port->name;
    }
    return STATUS_OK;
}

enum status compiled_open(struct invocation *inv, const char *path, const char *weights, uint32_t workers,
                          struct compiled *out) {
    *out = (struct compiled){0};
    const char *why = NULL;
    /* dlopen looks names without a slash up in the system's folders; the user means the file. */
    const char *file = strchr(path, '/') ? path : arena_printf(&inv->arena, "./%s", path);
    int code = adze_library_open(file, &out->library, &out->model, &why);
    if (code)
        return diag_error(&inv->diag, (struct loc){0}, "%s: %s%s%s", path, adze_error_text(code),
                          why ? ": " : "", why ? why : "");
    if (!weights && out->model->weights_bytes)
        weights = arena_printf(&inv->arena, "%s.weights", stem_of(inv, path));
    code = adze_open(out->model, weights, workers, &out->session);
    if (code) {
        diag_error(&inv->diag, (struct loc){0}, "%s: %s%s%s", path, adze_error_text(code),
                   weights ? ": " : "", weights ? weights : "");
    } else if (count_ports(inv, out) == STATUS_OK) {
        return STATUS_OK;
    }
    compiled_close(out);
    return STATUS_FAILED;
}

enum exit_code compiled_make(struct invocation *inv, struct module *m, uint32_t workers,
                             struct compiled *out) {
    const char *base = getenv("TMPDIR");
    char *folder = arena_printf(&inv->arena, "%s/adze-XXXXXX", base && *base ? base : "/tmp");
    *out = (struct compiled){0};
    if (!mkdtemp(folder)) {
        diag_error(&inv->diag, (struct loc){0}, "cannot make a folder like %s: %s", folder, strerror(errno));
        return EXIT_INPUT;
    }
    const char *library = arena_printf(&inv->arena, "%s/model.so", folder);
    enum exit_code code = compile_for_host(inv, m, arena_printf(&inv->arena, "%s/model", folder));
    if (!code && compiled_open(inv, library, NULL, workers, out) != STATUS_OK) code = EXIT_INPUT;
    unlink(library);
    rmdir(folder);
    return code;
}

void compiled_close(struct compiled *c) {
    adze_close(c->session);
    adze_library_close(c->library);
    *c = (struct compiled){0};
}

struct tensor compiled_port(const struct compiled *c, uint32_t port) {
    const struct adze_port *p = c->model->port[port];
    struct tensor t = {.elem = compiled_elem(p->elem), .rank = p->rank};
    (void)c->model->shape(port, NULL, t.dim);
    return t;
}

static void add_shape(struct str *s, const struct tensor *t) {
    str_printf(s, "%s[", elem_name(t->elem));
    for (uint32_t i = 0; i < t->rank; i++) str_printf(s, "%s%lld", i ? ", " : "", (long long)t->dim[i]);
    str_add(s, "]");
}

static enum status check_input(struct invocation *inv, const struct compiled *c, uint32_t i,
                               const struct tensor *given) {
    struct tensor want = compiled_port(c, i);
    bool same = given->elem == want.elem && given->rank == want.rank;
    for (uint32_t d = 0; same && d < want.rank; d++) same = given->dim[d] == want.dim[d];
    if (same) return STATUS_OK;
    struct str found = {0}, expected = {0};
    add_shape(&found, given);
    add_shape(&expected, &want);
    if (given->elem == ELEM_NONE)
        diag_error(&inv->diag, (struct loc){0}, "input %s is missing, expected %s", c->input_names[i],
                   str_text(&expected));
    else
        diag_error(&inv->diag, (struct loc){0}, "input %s is %s, expected %s", c->input_names[i],
                   str_text(&found), str_text(&expected));
    str_free(&found);
    str_free(&expected);
    return STATUS_FAILED;
}

enum status compiled_outputs(struct invocation *inv, const struct compiled *c, const struct tensor *inputs,
                             struct tensor *outputs) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < c->inputs; i++)
        if (check_input(inv, c, i, &inputs[i]) != STATUS_OK) status = STATUS_FAILED;
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < c->outputs; i++) {
        struct tensor shape = compiled_port(c, c->inputs + i);
        outputs[i] = tensor_new(shape.elem, shape.rank, shape.dim);
    }
    return STATUS_OK;
}

int compiled_run(const struct compiled *c, const struct tensor *inputs, struct tensor *outputs,
                 uint64_t *ticks) {
    void **port = xcalloc(c->inputs + c->outputs + 1, sizeof *port);
    for (uint32_t i = 0; i < c->inputs; i++) port[i] = inputs[i].data;
    for (uint32_t i = 0; i < c->outputs; i++) port[c->inputs + i] = outputs[i].data;
    struct adze_call call = *adze_session_call(c->session);
    struct adze_exec exec = {.size = sizeof exec, .workers = 1};
    if (call.exec) exec = *call.exec;
    call.port = port;
    if (ticks) {
        exec.clock = adze_clock;
        exec.ticks = ticks;
        call.exec = &exec;
    }
    int code = c->model->run(&call);
    free(port);
    return code;
}

void compiled_poison(const struct compiled *c) {
    const struct adze_call *call = adze_session_call(c->session);
    if (call->scratch_bytes) memset(call->scratch, COMPILED_POISON, call->scratch_bytes);
}

const struct adze_variant *compiled_variant(const struct compiled *c) {
    return c->model->variant[adze_session_call(c->session)->variant & ~ADZE_SELECTED];
}

void fill_random(struct tensor *t, uint64_t seed) {
    uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
    int64_t count = tensor_count(t);
    for (int64_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = state >> 33;
        if (elem_is_float(t->elem))
            tensor_set_f64(t, i, (double)bits / 1073741824.0 - 1);
        else
            tensor_set_i64(t, i, (int64_t)(bits % (t->elem == ELEM_bool ? 2 : 10)));
    }
}
