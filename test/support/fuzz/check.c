#include "test/support/fuzz/check.h"

#include "codegen/compile.h"
#include "frontend/read.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "ir/quant.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "test/support/fuzz/data.h"
#include "test/support/plan_check.h"

#include <stdlib.h>
#include <string.h>

const char *fuzz_failure_text(enum fuzz_failure failure) {
    static const char *const text[FUZZ_FAILURES] = {
        "fine",        "invalid", "compression", "pruned",  "sparse", "text round trip",
        "interpreter", "passes",  "plan",        "compile", "load",   "run",
        "memory",      "repeats", "mismatch",    "crash",   "timeout"};
    return text[failure];
}

char *fuzz_plain_pipeline(void) {
    struct str text = {0};
    const char *at = strstr(pipeline_default, "assign");
    check(at);
    str_add_bytes(&text, pipeline_default, (size_t)(at - pipeline_default));
    str_add(&text, "assign(layout = plain)");
    str_add(&text, at + strlen("assign"));
    return text.text;
}

struct checked {
    const struct module *m;
    const struct fuzz_config *config;
    struct diag diag;
    struct fuzz_expected sets[FUZZ_SETS];
    struct fuzz_counts *counts;
    struct str *why;
};

static enum fuzz_failure told(struct checked *c, enum fuzz_failure failure) {
    for (uint32_t i = 0; i < c->diag.list.count; i++)
        str_printf(c->why, "%s%s", i ? "; " : "", c->diag.list.at[i].text);
    return failure;
}

/* -- text -- */
static void first_difference(const char *a, const char *b, struct str *why) {
    size_t at = 0, start = 0;
    for (; a[at] && a[at] == b[at]; at++)
        if (a[at] == '\n') start = at + 1;
    int a_length = (int)strcspn(a + start, "\n"), b_length = (int)strcspn(b + start, "\n");
    str_printf(why, "'%.*s' becomes '%.*s'", a_length, a + start, b_length, b + start);
}

static enum fuzz_failure round_trip(struct checked *c, const struct module *m, const char *what) {
    struct str first = {0}, second = {0};
    struct weight_source weights = weights_of_module(m);
    struct read_options options = {.weights = &weights};
    struct module *again = NULL;
    enum fuzz_failure failure = FUZZ_FINE;
    print_module(m, &first);
    if (read_adz_text("fuzz.adz", str_text(&first), first.length, &options, &c->diag, &again) != STATUS_OK) {
        str_printf(c->why, "the printed %s does not parse: ", what);
        failure = told(c, FUZZ_TEXT);
    } else {
        print_module(again, &second);
        if (strcmp(str_text(&first), str_text(&second))) {
            str_printf(c->why, "the printed %s prints differently after parsing: ", what);
            first_difference(str_text(&first), str_text(&second), c->why);
            failure = FUZZ_TEXT;
        }
        module_free(again);
    }
    str_free(&first);
    str_free(&second);
    return failure;
}

/* -- the interpreter -- */
static enum fuzz_failure compare_interpreter(struct checked *c, const struct module *m,
                                             enum fuzz_failure failure) {
    uint32_t n = c->m->outputs.count;
    for (uint32_t set = 0; set < FUZZ_SETS; set++) {
        struct tensor *out = xcalloc(n + 1, sizeof *out);
        struct bound_counts ignored = {0};
        bool fine = true;
        if (interp_run(m, c->sets[set].input, NULL, out, &c->diag) != STATUS_OK) return told(c, failure);
        for (uint32_t i = 0; i < n && fine; i++) {
            struct str why = {0};
            fine = bound_holds(&c->sets[set].output[i], &out[i], &ignored, &why);
            if (!fine)
                str_printf(c->why, "by the interpreter, inputs %u, output %s: %s", set,
                           c->m->outputs.at[i].name, str_text(&why));
            str_free(&why);
        }
        fuzz_free(out, n);
        if (!fine) return failure;
    }
    return FUZZ_FINE;
}

/* Where there is one right result, it is the interpreter's in f32. */
static enum fuzz_failure expect_bits(struct checked *c) {
    const struct region *root = region_get(c->m, c->m->root);
    uint32_t n = c->m->outputs.count, sums = 0;
    for (uint32_t i = 0; i < root->ops.count; i++)
        sums += op_sums_integers(c->m, op_get(c->m, root->ops.at[i]));
    c->counts->compress.integer += sums > 0;
    if (!module_has_one_result(c->m)) return FUZZ_FINE;
    for (uint32_t set = 0; set < FUZZ_SETS; set++) {
        struct tensor *out = xcalloc(n + 1, sizeof *out);
        if (interp_run(c->m, c->sets[set].input, NULL, out, &c->diag) != STATUS_OK)
            return told(c, FUZZ_INTERPRETER);
        for (uint32_t i = 0; i < n; i++) {
            struct bounded *b = &c->sets[set].output[i];
            for (int64_t k = 0; elem_is_float(b->value.elem) && k < tensor_count(&b->value); k++) {
                tensor_set_f64(&b->value, k, tensor_get_f64(&out[i], k));
                b->error[k] = 0;
            }
        }
        fuzz_free(out, n);
    }
    c->counts->compress.bits += sums > 0;
    return FUZZ_FINE;
}

static struct tensor *inputs_of_set(const struct checked *c, uint32_t set) {
    if (!c->config->inputs) return fuzz_inputs(c->m, c->config->seed, set, set && c->config->specials);
    uint32_t n = c->m->inputs.count;
    struct tensor *in = xcalloc(n + 1, sizeof *in);
    for (uint32_t i = 0; i < n; i++)
        in[i] = set ? tensor_backwards(&c->config->inputs[i]) : tensor_copy(&c->config->inputs[i]);
    return in;
}

static enum fuzz_failure expect(struct checked *c) {
    for (uint32_t set = 0; set < FUZZ_SETS; set++) {
        struct fuzz_expected *x = &c->sets[set];
        x->input = inputs_of_set(c, set);
        if (c->config->whole) fuzz_make_whole(x->input, c->m->inputs.count);
        x->output = xcalloc(c->m->outputs.count + 1, sizeof *x->output);
        if (bound_run(c->m, x->input, x->output, &c->diag) != STATUS_OK) return told(c, FUZZ_INTERPRETER);
    }
    enum fuzz_failure failure = compare_interpreter(c, c->m, FUZZ_INTERPRETER);
    return failure ? failure : expect_bits(c);
}

/* -- passes and code -- */
struct watched_pass {
    struct checked *c;
    enum fuzz_failure failure;
};

static void after_pass(void *ctx, const char *pass, struct module *m, bool changed, double seconds) {
    (void)seconds;
    struct watched_pass *w = ctx;
    if (w->failure || !changed) return;
    w->failure = compare_interpreter(w->c, m, FUZZ_PASSES);
    if (w->failure) str_printf(w->c->why, ", after the pass %s", pass);
}

static void count_ops(const struct module *m, region_id region, uint32_t count[OP_COUNT]) {
    const struct region *r = region_get(m, region);
    for (uint32_t i = 0; i < r->ops.count; i++) {
        const struct op *op = op_get(m, r->ops.at[i]);
        count[op->kind]++;
        if (op->body.i) count_ops(m, op->body, count);
    }
}

static enum fuzz_failure optimize(struct checked *c, struct module *m, const struct target *target) {
    struct pass_env env = {.target = target};
    struct watched_pass watched = {c, FUZZ_FINE};
    struct pipeline_hooks hooks = {
        .after = after_pass, .ctx = &watched, .want_changed = true, .verify_each = true};
    const char *pipeline = c->config->pipeline ? c->config->pipeline : pipeline_default;
    if (pipeline_run(m, pipeline, &env, &hooks, &c->diag) != STATUS_OK) return told(c, FUZZ_PASSES);
    if (watched.failure) return watched.failure;
    count_ops(m, m->root, c->counts->left);
    if (!plan_check(m, c->why)) return FUZZ_PLAN;
    return round_trip(c, m, "result of the passes");
}

static enum fuzz_failure compile(struct checked *c, struct module *m, const struct target *target) {
    struct str stem = {0};
    str_printf(&stem, "%s/model", c->config->folder);
    struct emit_options options = {
        .kinds = OUTPUT_BIT(OUTPUT_SHARED), .target = target, .stem = str_text(&stem)};
    enum fuzz_failure failure = FUZZ_FINE;
    if (codegen_compile(m, &options, &c->diag) != STATUS_OK) {
        failure = told(c, FUZZ_COMPILE);
    } else {
        char *path = emit_path(str_text(&stem), OUTPUT_SHARED);
        failure = fuzz_run_library(path, c->m, c->sets, &c->counts->bound, c->why);
        free(path);
    }
    str_free(&stem);
    return failure;
}

static enum fuzz_failure check_all(struct checked *c) {
    struct target target;
    struct module *copy = module_clone(c->m);
    enum fuzz_failure failure = FUZZ_FINE;
    if (verify_module(copy, true, &c->diag) != STATUS_OK) failure = told(c, FUZZ_INVALID);
    if (!failure) failure = round_trip(c, c->m, "graph");
    if (!failure) failure = expect(c);
    if (!failure && target_parse(c->config->target, &c->diag, &target) != STATUS_OK)
        failure = told(c, FUZZ_COMPILE);
    if (!failure) failure = optimize(c, copy, &target);
    if (!failure) failure = compile(c, copy, &target);
    module_free(copy);
    return failure;
}

enum fuzz_failure fuzz_check(const struct module *m, const struct fuzz_config *config,
                             struct fuzz_counts *counts, struct str *why) {
    struct fuzz_counts ignored = {0};
    struct checked c = {.m = m, .config = config, .counts = counts ? counts : &ignored, .why = why};
    enum fuzz_failure failure = FUZZ_FINE;
    struct module *smaller = NULL;
    if (config->compress || config->whole) {
        c.m = smaller = module_clone(m);
        failure = fuzz_compress(smaller, config, &c.counts->compress, why);
    }
    if (!failure) failure = check_all(&c);
    for (uint32_t set = 0; set < FUZZ_SETS; set++) {
        if (c.sets[set].input) fuzz_free(c.sets[set].input, m->inputs.count);
        if (c.sets[set].output) bounded_free(c.sets[set].output, m->outputs.count);
        free(c.sets[set].output);
    }
    diag_free(&c.diag);
    module_free(smaller);
    return failure;
}
