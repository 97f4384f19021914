/* adze run: a compiled library, or a model by compiling it on the fly or by the interpreter. */
#include "frontend/cli/compiled.h"
#include "frontend/cli/load.h"
#include "frontend/onnx/import.h"
#include "frontend/tensorfile/npy.h"
#include "frontend/tensorfile/npz.h"
#include "ir/interp.h"

#include <stdlib.h>
#include <string.h>

static enum exit_code save_outputs(struct invocation *inv, const char *const *names, struct tensor *outputs,
                                   uint32_t count) {
    const char *path = option_text(inv, "output", NULL);
    if (!path) {
        for (uint32_t i = 0; i < count; i++) {
            printf("%s %s[", names[i], elem_name(outputs[i].elem));
            for (uint32_t d = 0; d < outputs[i].rank; d++)
                printf("%s%lld", d ? ", " : "", (long long)outputs[i].dim[d]);
            puts("]");
        }
        return EXIT_OK;
    }
    if (has_suffix(path, ".npy")) {
        if (count != 1)
            return usage_error(inv, "%s holds one array, the model has %u outputs; use .npz", path, count);
        return npy_write(path, &outputs[0], &inv->diag) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
    }
    struct named_tensor *arrays = arena_array(&inv->arena, struct named_tensor, count);
    for (uint32_t i = 0; i < count; i++) arrays[i] = (struct named_tensor){names[i], outputs[i]};
    return npz_write(path, arrays, count, &inv->diag) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

static void free_all(struct tensor *tensors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) tensor_free(&tensors[i]);
}

static enum exit_code run_compiled(struct invocation *inv, const char *path, uint32_t threads) {
    struct compiled c;
    if (compiled_open(inv, path, option_text(inv, "weights-file", NULL), threads, &c) != STATUS_OK)
        return EXIT_INPUT;
    struct tensor *inputs = arena_array(&inv->arena, struct tensor, c.inputs + 1);
    struct tensor *outputs = arena_array(&inv->arena, struct tensor, c.outputs + 1);
    enum exit_code code = read_inputs(inv, 1, c.input_names, c.inputs, inputs);
    if (!code && compiled_outputs(inv, &c, inputs, outputs) != STATUS_OK) code = EXIT_INPUT;
    int error = code ? ADZE_OK : compiled_run(&c, inputs, outputs, NULL);
    if (error) {
        diag_error(&inv->diag, (struct loc){0}, "%s: %s", path, adze_error_text(error));
        code = EXIT_INPUT;
    }
    if (!code) code = save_outputs(inv, c.output_names, outputs, c.outputs);
    free_all(inputs, c.inputs);
    free_all(outputs, c.outputs);
    compiled_close(&c);
    return code;
}

/* An ONNX file is imported for the shapes of the inputs at hand, unless the user fixed shapes. */
static enum exit_code shapes_from_inputs(struct invocation *inv, const char *path) {
    const char *const *names;
    uint32_t n;
    if (!has_suffix(path, ".onnx") || option_given(inv, "shape") || option_given(inv, "dim")) return EXIT_OK;
    if (onnx_input_names(path, &inv->arena, &inv->diag, &names, &n) != STATUS_OK) return EXIT_INPUT;
    struct tensor *inputs = arena_array(&inv->arena, struct tensor, n + 1);
    enum exit_code code = read_inputs(inv, 1, names, n, inputs);
    for (uint32_t i = 0; i < n && !code; i++) {
        if (inputs[i].elem == ELEM_NONE || !inputs[i].rank) continue;
        struct str text = {0};
        str_printf(&text, "%s=", names[i]);
        for (uint32_t d = 0; d < inputs[i].rank; d++)
            str_printf(&text, "%s%lld", d ? "," : "", (long long)inputs[i].dim[d]);
        option_add(inv, "shape", arena_strdup(&inv->arena, str_text(&text)));
        str_free(&text);
    }
    free_all(inputs, n);
    return code;
}

/* A model with the inputs at hand, names and outputs in the model's order. */
struct job {
    struct module *m;
    uint32_t inputs, outputs;
    const char **input_names, **output_names;
    struct tensor *in, *out;
};

static enum exit_code job_read(struct invocation *inv, const char *path, struct job *job) {
    enum exit_code code = shapes_from_inputs(inv, path);
    if (!code) code = load_model(inv, path, &job->m);
    if (code) return code;
    const struct module *m = job->m;
    uint32_t n = job->inputs = m->inputs.count, k = job->outputs = m->outputs.count;
    job->input_names = arena_array(&inv->arena, const char *, n + 1);
    job->output_names = arena_array(&inv->arena, const char *, k + 1);
    job->in = arena_array(&inv->arena, struct tensor, n + 1);
    job->out = arena_array(&inv->arena, struct tensor, k + 1);
    for (uint32_t i = 0; i < n; i++) job->input_names[i] = value_get(m, m->inputs.at[i])->name;
    for (uint32_t i = 0; i < k; i++) job->output_names[i] = m->outputs.at[i].name;
    code = read_inputs(inv, 1, job->input_names, n, job->in);
    for (uint32_t i = 0; i < n && !code; i++)
        if (job->in[i].elem == ELEM_NONE) {
            diag_error(&inv->diag, value_get(m, m->inputs.at[i])->loc, "input %s is missing",
                       job->input_names[i]);
            code = EXIT_INPUT;
        }
    return code;
}

static enum exit_code interpret(struct invocation *inv, struct job *job) {
    struct interp_options options = {.f64 = option_given(inv, "f64")};
    return interp_run(job->m, job->in, &options, job->out, &inv->diag) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

static enum exit_code compile_and_run(struct invocation *inv, struct job *job, uint32_t threads) {
    struct compiled c;
    if (interp_bind_inputs(job->m, job->in, &inv->diag) != STATUS_OK) return EXIT_INPUT;
    enum exit_code code = compiled_make(inv, job->m, threads, &c);
    if (!code && compiled_outputs(inv, &c, job->in, job->out) != STATUS_OK) code = EXIT_INPUT;
    int error = code ? ADZE_OK : compiled_run(&c, job->in, job->out, NULL);
    if (error) {
        diag_error(&inv->diag, (struct loc){0}, "the compiled model: %s", adze_error_text(error));
        code = EXIT_INPUT;
    }
    compiled_close(&c);
    return code;
}

static enum exit_code run_model(struct invocation *inv, const char *path, uint32_t threads) {
    struct job job = {0};
    enum exit_code code = job_read(inv, path, &job);
    if (!code)
        code = option_given(inv, "interp") ? interpret(inv, &job) : compile_and_run(inv, &job, threads);
    if (!code) code = save_outputs(inv, job.output_names, job.out, job.outputs);
    free_all(job.in, job.inputs);
    free_all(job.out, job.outputs);
    module_free(job.m);
    return code;
}

enum exit_code cmd_run(struct invocation *inv) {
    const char *path = inv->arguments.at[0];
    int64_t threads;
    if (!option_int(inv, "threads", 1, 1024, 1, &threads)) return EXIT_USAGE;
    bool interp = option_given(inv, "interp"), library = has_suffix(path, ".so");
    if (option_given(inv, "f64") && !interp) return usage_error(inv, "--f64 goes with --interp");
    if (interp && library) return usage_error(inv, "--interp needs a model (.adz or .onnx), not a library");
    if (library) return run_compiled(inv, path, (uint32_t)threads);
    return run_model(inv, path, (uint32_t)threads);
}
