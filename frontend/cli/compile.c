/* adze compile: the main job. */
#include "codegen/compile.h"
#include "frontend/cli/compiled.h"
#include "frontend/cli/load.h"
#include "frontend/tensorfile/npy.h"
#include "ir/interp.h"
#include "passes/pass.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EMIT_IR = 1u << OUTPUT_KINDS };

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void phase(const struct invocation *inv, const char *name, double *since) {
    double now = seconds_now();
    if (option_given(inv, "v")) fprintf(stderr, "%9.1f ms  %s\n", (now - *since) * 1e3, name);
    *since = now;
}

static enum exit_code read_kinds(struct invocation *inv, uint32_t *out) {
    const char *text = option_text(inv, "emit", "shared");
    *out = 0;
    while (*text) {
        size_t length = strcspn(text, ",");
        const char *word = arena_strndup(&inv->arena, text, length);
        enum output_kind kind = emit_kind_by_name(word);
        if (kind == OUTPUT_KINDS && strcmp(word, "ir"))
            return usage_error(inv, "--emit=%s: expected shared, static, obj, exe, llvm, asm or ir", word);
        *out |= kind == OUTPUT_KINDS ? (uint32_t)EMIT_IR : OUTPUT_BIT(kind);
        text += length + (text[length] == ',');
    }
    return *out ? EXIT_OK : usage_error(inv, "--emit names nothing to write");
}

/* The runtime library is installed beside the binary: bin/adze, lib/libadze_runtime.a. */
static const char *runtime_path(struct invocation *inv) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return "libadze_runtime.a";
    self[n] = 0;
    char *slash = strrchr(self, '/');
    if (slash) *slash = 0;
    return arena_printf(&inv->arena, "%s/../lib/libadze_runtime.a", self);
}

/* -- --verify -- */
struct errors {
    double largest, reference; /* largest absolute difference, and value */
    bool special;              /* NaN or infinities at other places */
};

static struct errors compare(const struct tensor *got, const struct tensor *want) {
    struct errors e = {0};
    for (int64_t i = 0; i < tensor_count(got); i++) {
        double a = tensor_get_f64(got, i), b = tensor_get_f64(want, i);
        if (!isfinite(a) || !isfinite(b)) {
            e.special = e.special || !(a == b || (isnan(a) && isnan(b)));
            continue;
        }
        e.largest = fmax(e.largest, fabs(a - b));
        e.reference = fmax(e.reference, fabs(b));
    }
    return e;
}

static enum status read_verify_inputs(struct invocation *inv, const struct module *m, struct tensor *inputs) {
    const char *text;
    uint32_t known = inv->arguments.count;
    for (uint32_t at = 0; (text = option_next(inv, "input", &at));) *vec_push(&inv->arguments) = text;
    uint32_t n = m->inputs.count;
    const char **names = arena_array(&inv->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) names[i] = value_get(m, m->inputs.at[i])->name;
    if (read_inputs(inv, known, names, n, inputs)) return STATUS_FAILED;
    for (uint32_t i = 0; i < n; i++)
        if (inputs[i].elem == ELEM_NONE) {
            inputs[i] = tensor_new_of(&m->types, value_get(m, m->inputs.at[i])->type);
            fill_random(&inputs[i], i + 1);
        }
    return STATUS_OK;
}

static enum status report(struct invocation *inv, const char *name, const struct tensor *got,
                          const struct tensor *want) {
    struct errors e = compare(got, want);
    double relative = e.reference > 0 ? e.largest / e.reference : e.largest;
    printf("verify %s: largest error %.3g, %.3g of the largest value%s\n", name, e.largest, relative,
           e.special ? ", NaN or infinity at other places" : "");
    double bound =
        elem_is_float(got->elem) ? got->elem == ELEM_f32 || got->elem == ELEM_f64 ? 1e-3 : 2e-2 : 0;
    if (!e.special && relative <= bound) return STATUS_OK;
    return diag_error(&inv->diag, (struct loc){0},
                      "output %s of the compiled model differs from the interpreter's", name);
}

static enum status verify_compiled(struct invocation *inv, const struct module *original, const char *stem) {
    struct compiled c;
    uint32_t n = original->inputs.count, k = original->outputs.count;
    struct tensor *inputs = arena_array(&inv->arena, struct tensor, n + 1);
    struct tensor *want = arena_array(&inv->arena, struct tensor, k + 1),
                  *got = arena_array(&inv->arena, struct tensor, k + 1);
    char *path = emit_path(stem, OUTPUT_SHARED);
    enum status status = compiled_open(inv, path, NULL, 1, &c);
    free(path);
    if (status != STATUS_OK) return status;
    struct interp_options options = {0};
    status = read_verify_inputs(inv, original, inputs);
    if (status == STATUS_OK) status = interp_run(original, inputs, &options, want, &inv->diag);
    if (status == STATUS_OK) status = compiled_outputs(inv, &c, inputs, got);
    int error = status == STATUS_OK ? compiled_run(&c, inputs, got, NULL) : ADZE_OK;
    if (error)
        status =
            diag_error(&inv->diag, (struct loc){0}, "running the compiled model: %s", adze_error_text(error));
    for (uint32_t i = 0; i < k && status == STATUS_OK; i++)
        status = report(inv, original->outputs.at[i].name, &got[i], &want[i]);
    for (uint32_t i = 0; i < n; i++) tensor_free(&inputs[i]);
    for (uint32_t i = 0; i < k; i++) tensor_free(&want[i]), tensor_free(&got[i]);
    compiled_close(&c);
    return status;
}

static enum exit_code write_outputs(struct invocation *inv, struct module *m, uint32_t kinds,
                                    const struct target *target, const char *stem) {
    if (kinds & EMIT_IR) {
        enum exit_code code = save_model(inv, m, stem);
        if (code) return code;
    }
    kinds &= ~(uint32_t)EMIT_IR;
    if (!kinds) return EXIT_OK;
    uint32_t code_kinds = OUTPUT_BIT(OUTPUT_SHARED) | OUTPUT_BIT(OUTPUT_STATIC) | OUTPUT_BIT(OUTPUT_OBJECT);
    struct emit_options options = {.kinds = kinds,
                                   .target = target,
                                   .stem = stem,
                                   .header = (kinds & code_kinds) != 0,
                                   .external_weights =
                                       !strcmp(option_text(inv, "weights", "inside"), "external"),
                                   .runtime = runtime_path(inv)};
    return codegen_compile(m, &options, &inv->diag) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

enum exit_code compile_for_host(struct invocation *inv, struct module *m, const char *stem) {
    struct target target;
    if (target_parse("host", &inv->diag, &target) != STATUS_OK) return EXIT_INPUT;
    struct pass_env env = {.target = &target};
    if (pipeline_run(m, pipeline_default, &env, NULL, &inv->diag) != STATUS_OK) return EXIT_INPUT;
    struct emit_options options = {.kinds = OUTPUT_BIT(OUTPUT_SHARED), .target = &target, .stem = stem};
    return codegen_compile(m, &options, &inv->diag) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

enum exit_code cmd_compile(struct invocation *inv) {
    uint32_t kinds;
    struct target target;
    double since = seconds_now();
    enum exit_code code = read_kinds(inv, &kinds);
    if (code) return code;
    const char *weights = option_text(inv, "weights", "inside");
    if (strcmp(weights, "inside") && strcmp(weights, "external"))
        return usage_error(inv, "--weights is %s, expected inside or external", weights);
    bool verify = option_given(inv, "verify");
    if (verify && !(kinds & OUTPUT_BIT(OUTPUT_SHARED)))
        return usage_error(inv, "--verify needs --emit=shared");
    if (target_parse(option_text(inv, "target", "host"), &inv->diag, &target) != STATUS_OK) return EXIT_INPUT;
    struct module *m, *original = NULL;
    if ((code = load_model(inv, inv->arguments.at[0], &m))) return code;
    phase(inv, "read", &since);
    if (verify) original = module_clone(m);
    const char *path = option_text(inv, "output", NULL),
               *stem = path && !strcmp(path, "-") ? path : stem_of(inv, path ? path : m->name);
    code = run_passes(inv, m, option_text(inv, "passes", pipeline_default), &target);
    phase(inv, "passes", &since);
    if (!code) code = write_outputs(inv, m, kinds, &target, stem);
    phase(inv, "code generation", &since);
    if (!code && verify) code = verify_compiled(inv, original, stem) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
    if (verify) phase(inv, "verification", &since);
    module_free(original);
    module_free(m);
    return code;
}
