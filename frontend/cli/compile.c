/* adze compile: the main job. */
#include "codegen/compile.h"
#include "frontend/cli/check.h"
#include "frontend/cli/load.h"
#include "ir/encoding.h"
#include "passes/pass.h"

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
    struct module *m, *meant = NULL;
    if ((code = load_model(inv, inv->arguments.at[0], &m))) return code;
    phase(inv, "read", &since);
    if (verify) meant = module_clone(m);
    const char *path = option_text(inv, "output", NULL),
               *stem = path && !strcmp(path, "-") ? path : stem_of(inv, path ? path : m->name);
    code = run_passes(inv, m, option_text(inv, "passes", pipeline_default), &target, verify ? &meant : NULL);
    phase(inv, "passes", &since);
    if (!code) code = write_outputs(inv, m, kinds, &target, stem);
    phase(inv, "code generation", &since);
    if (!code && verify) code = check_compiled(inv, meant, stem) == STATUS_OK ? EXIT_OK : EXIT_INPUT;
    if (verify) phase(inv, "verification", &since);
    module_free(meant);
    module_free(m);
    return code;
}
