#include "test/support/fuzz/compress.h"

#include "frontend/read.h"
#include "ir/encoding.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "passes/channel_groups.h"
#include "passes/pass.h"
#include "test/support/fuzz/check.h"
#include "test/support/fuzz/data.h"
#include "test/support/mask_channels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct compressed {
    struct module *m;
    const struct fuzz_config *config;
    struct diag diag;
    struct sample_source source; /* of config->samples; count 0: nothing can be measured */
    struct compress_counts *counts;
    struct str *why;
    struct module
        *masked; /* of the last pass: the module with the channels that went masked; NULL: none went */
};

static enum fuzz_failure told(struct compressed *c, enum fuzz_failure failure, const char *pass) {
    for (uint32_t i = 0; i < c->diag.list.count; i++)
        str_printf(c->why, "%s%s", i ? "; " : "", c->diag.list.at[i].text);
    str_printf(c->why, ", pass %s", pass);
    return failure;
}

/* -- samples -- */
enum { FIRST_SAMPLE = 100 };
static const double far_from_infinite = 1e6;

static struct tensor *inputs_of(const struct compressed *c, uint32_t set) {
    struct tensor *inputs = fuzz_inputs(c->m, c->config->seed, set, false);
    if (c->config->whole) fuzz_make_whole(inputs, c->m->inputs.count);
    return inputs;
}

static enum status read_sample(void *ctx, uint32_t i, struct tensor *out, struct diag *diag) {
    const struct compressed *c = ctx;
    (void)diag;
    struct tensor *inputs = inputs_of(c, FIRST_SAMPLE + i);
    memcpy(out, inputs, c->m->inputs.count * sizeof *out);
    free(inputs);
    return STATUS_OK;
}

/* The largest number that comes up in a run; NaN if there is one. */
struct largest {
    const struct module *m;
    double number;
};

static void note_largest(void *ctx, op_id id, const struct tensor *results) {
    struct largest *l = ctx;
    for (uint32_t r = 0; r < op_get(l->m, id)->result_count; r++)
        for (int64_t i = 0; elem_is_float(results[r].elem) && i < tensor_count(&results[r]); i++) {
            double x = fabs(tensor_get_f64(&results[r], i));
            if (!(x <= l->number) && !isnan(l->number)) l->number = x;
        }
}

/* Passes rightly refuse samples on which something is infinite, squares included; so may they once an earlier
 * layer changed, where chains of products open a gate that was shut: numbers that are far from it are asked
 * for. */
static bool samples_are_finite(struct compressed *c) {
    bool finite = true;
    for (uint32_t i = 0; i < c->config->samples && finite; i++) {
        struct largest largest = {.m = c->m};
        struct interp_options options = {.observe = note_largest, .observe_ctx = &largest};
        uint32_t n = c->m->outputs.count;
        struct tensor *inputs = inputs_of(c, FIRST_SAMPLE + i), *out = xcalloc(n + 1, sizeof *out);
        finite = interp_run(c->m, inputs, &options, out, &c->diag) == STATUS_OK &&
                 largest.number < far_from_infinite;
        fuzz_free(inputs, c->m->inputs.count);
        fuzz_free(out, n);
    }
    return finite;
}

/* -- channels: masked against taken out -- */
static void before_removal(void *ctx, const struct module *m, const struct channel_groups *groups,
                           const bool *removed) {
    struct compressed *c = ctx;
    uint64_t gone = 0;
    c->counts->groups += groups->groups.count;
    c->counts->sets += groups->sets.count;
    for (uint32_t s = 0; s < groups->sets.count; s++) gone += removed[s];
    c->counts->removed += gone;
    if (!gone) return;
    c->counts->pruned++;
    c->masked = mask_channels(m, groups, removed, &c->diag);
}

static bool exact_on_whole(const struct op *op) {
    static const enum op_kind exact[] = {
        OP_identity,   OP_relu,       OP_abs,        OP_neg,       OP_add,
        OP_sub,        OP_mul,        OP_min,        OP_max,       OP_prelu,
        OP_linear,     OP_matmul,     OP_conv1d,     OP_conv2d,    OP_conv_transpose1d,
        OP_maxpool1d,  OP_maxpool2d,  OP_reduce_sum, OP_reshape,   OP_conv_transpose2d,
        OP_reduce_max, OP_reduce_min, OP_flatten,    OP_squeeze,   OP_unsqueeze,
        OP_transpose,  OP_expand,     OP_slice,      OP_concat,    OP_split,
        OP_pad,        OP_tile,       OP_gather,     OP_embedding, OP_scatter};
    if (op->kind == OP_resize) return op_keyword(op, ATTR_mode) == KEYWORD_nearest;
    for (size_t i = 0; i < COUNT_OF(exact); i++)
        if (op->kind == exact[i]) return true;
    return false;
}

static bool all_exact(const struct module *m) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (!exact_on_whole(op_get(m, root->ops.at[i]))) return false;
    return true;
}

static bool same_numbers(const struct tensor *a, const struct tensor *b, struct str *why) {
    for (int64_t i = 0; i < tensor_count(a); i++) {
        double x = tensor_get_f64(a, i), y = tensor_get_f64(b, i);
        if (x == y) continue;
        str_printf(why, "element %lld is %.17g where channels are masked, %.17g where they are gone",
                   (long long)i, x, y);
        return false;
    }
    return true;
}

/* True if the numbers allow no such comparison. */
static bool compare_exactly(struct compressed *c, const struct tensor *inputs, bool *fine) {
    uint32_t n = c->m->outputs.count;
    struct largest largest = {.m = c->masked};
    struct interp_options wide = {.f64 = true, .observe = note_largest, .observe_ctx = &largest};
    struct tensor *a = xcalloc(n + 1, sizeof *a), *b = xcalloc(n + 1, sizeof *b);
    *fine = interp_run(c->masked, inputs, &wide, a, &c->diag) == STATUS_OK &&
            interp_run(c->m, inputs, &(struct interp_options){.f64 = true}, b, &c->diag) == STATUS_OK;
    bool possible = largest.number < 0x1p38; /* so that no sum is rounded */
    for (uint32_t i = 0; possible && i < n && *fine; i++) *fine = same_numbers(&a[i], &b[i], c->why);
    fuzz_free(a, n);
    fuzz_free(b, n);
    c->counts->exact += possible;
    return possible;
}

static bool compare_bounded(struct compressed *c, const struct tensor *inputs) {
    uint32_t n = c->m->outputs.count;
    struct bounded *a = xcalloc(n + 1, sizeof *a);
    struct tensor *b = xcalloc(n + 1, sizeof *b);
    struct bound_counts ignored = {0};
    bool fine = bound_run(c->masked, inputs, a, &c->diag) == STATUS_OK &&
                interp_run(c->m, inputs, NULL, b, &c->diag) == STATUS_OK;
    for (uint32_t i = 0; i < n && fine; i++) fine = bound_holds(&a[i], &b[i], &ignored, c->why);
    bounded_free(a, n);
    free(a);
    fuzz_free(b, n);
    c->counts->bounded++;
    return fine;
}

static enum fuzz_failure compare_masked(struct compressed *c, const char *pass) {
    bool exact = c->config->whole && all_exact(c->masked);
    for (uint32_t set = 0; set < FUZZ_SETS; set++) {
        struct tensor *inputs = inputs_of(c, set);
        bool fine;
        if (!exact || !compare_exactly(c, inputs, &fine)) fine = compare_bounded(c, inputs);
        fuzz_free(inputs, c->m->inputs.count);
        if (!fine) return told(c, FUZZ_PRUNED, pass);
    }
    return FUZZ_FINE;
}

/* -- reading back what a weights file would hold -- */
struct stored {
    VEC(struct encoded) encoded;
    struct map index; /* by name: into `tensor` + 1 */
    VEC(struct tensor) tensor;
};

static void store(struct stored *s, const char *name, const struct tensor *t) {
    *vec_push(&s->tensor) = *t;
    *map_put_str(&s->index, name, NULL) = s->tensor.count;
}

static const struct tensor *find_stored(void *ctx, const char *name) {
    struct stored *s = ctx;
    uint32_t *at = map_get_str(&s->index, name);
    return at && *at ? &s->tensor.at[*at - 1] : NULL;
}

static void each_stored(void *ctx, void (*visit)(void *to, const char *name), void *to) {
    (void)ctx, (void)visit, (void)to;
}

static void store_all(const struct module *m, struct stored *s) {
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        if (v->kind != VALUE_PARAMETER) continue;
        struct encoded e = encoding_components(&m->types, v->type, &weight_get(m, v->weight)->tensor);
        *vec_push(&s->encoded) = e;
        for (uint32_t k = 0; k < e.count; k++) {
            struct str name = {0};
            str_add(&name, v->name);
            if (e.at[k].suffix) str_printf(&name, ".%s", e.at[k].suffix);
            store(s, str_text(&name), &e.at[k].tensor);
            str_free(&name);
        }
    }
}

static void stored_free(struct stored *s) {
    for (uint32_t i = 0; i < s->encoded.count; i++) encoded_free(&s->encoded.at[i]);
    vec_free(&s->encoded);
    vec_free(&s->tensor);
    map_free(&s->index);
}

static bool same_bytes(struct compressed *c, const struct module *again) {
    uint32_t n = c->m->outputs.count;
    struct tensor *inputs = inputs_of(c, 0), *a = xcalloc(n + 1, sizeof *a), *b = xcalloc(n + 1, sizeof *b);
    bool same = interp_run(c->m, inputs, NULL, a, &c->diag) == STATUS_OK &&
                interp_run(again, inputs, NULL, b, &c->diag) == STATUS_OK;
    for (uint32_t i = 0; i < n && same; i++) same = !memcmp(a[i].data, b[i].data, tensor_bytes(&a[i]));
    fuzz_free(inputs, c->m->inputs.count);
    fuzz_free(a, n);
    fuzz_free(b, n);
    return same;
}

static enum fuzz_failure read_back(struct compressed *c, const char *pass) {
    struct stored stored = {0};
    struct str text = {0};
    struct module *again = NULL;
    store_all(c->m, &stored);
    print_module(c->m, &text);
    struct weight_source weights = {&stored, find_stored, each_stored};
    struct read_options options = {.weights = &weights};
    bool fine =
        read_adz_text("fuzz.adz", str_text(&text), text.length, &options, &c->diag, &again) == STATUS_OK;
    if (!fine) str_add(c->why, "what is printed does not read back: ");
    if (fine && !same_bytes(c, again)) {
        str_add(c->why, "what is printed and stored gives other outputs");
        fine = false;
    }
    enum fuzz_failure failure = fine ? FUZZ_FINE : told(c, FUZZ_SPARSE, pass);
    module_free(again);
    str_free(&text);
    stored_free(&stored);
    return failure;
}

/* -- one pass, then the next -- */
static enum fuzz_failure judge(struct compressed *c, const char *pass, const struct fuzz_weights *before) {
    bool alone = !c->source.count;
    if (alone && c->masked) {
        enum fuzz_failure failure = compare_masked(c, pass);
        if (failure) return failure;
    }
    if (alone && strstr(pass, "sparsify") && !fuzz_masks_hold(c->m, pass, before, c->counts, c->why))
        return FUZZ_SPARSE;
    return read_back(c, pass);
}

static enum fuzz_failure run_one(struct compressed *c, const char *pass, const struct target *target) {
    struct pass_env env = {.target = target,
                           .data = c->source.count ? &c->source : NULL,
                           .before_removal = before_removal,
                           .removal_ctx = c};
    struct pipeline_hooks hooks = {.verify_each = true};
    struct fuzz_weights before = fuzz_weights_of(c->m);
    enum fuzz_failure failure = pipeline_run(c->m, pass, &env, &hooks, &c->diag) == STATUS_OK
                                    ? judge(c, pass, &before)
                                    : told(c, FUZZ_COMPRESSION, pass);
    module_free(c->masked);
    c->masked = NULL;
    fuzz_weights_free(&before);
    return failure;
}

enum fuzz_failure fuzz_compress(struct module *m, const struct fuzz_config *config,
                                struct compress_counts *counts, struct str *why) {
    struct compressed c = {.m = m, .config = config, .counts = counts, .why = why};
    struct target target;
    struct arena arena = {0};
    enum fuzz_failure failure = FUZZ_FINE;
    if (config->whole) fuzz_make_weights_whole(m);
    c.source = (struct sample_source){config->samples, read_sample, &c};
    if (!samples_are_finite(&c)) c.source.count = 0;
    counts->graphs++;
    if (target_parse(config->target, &c.diag, &target) != STATUS_OK) failure = FUZZ_COMPILE;
    for (const char *at = config->compress ? config->compress : ""; *at && !failure;) {
        size_t length = strcspn(at, ";");
        failure = run_one(&c, arena_strndup(&arena, at + strspn(at, " "), length - strspn(at, " ")), &target);
        at += length + (at[length] == ';');
    }
    arena_free(&arena);
    diag_free(&c.diag);
    return failure;
}

/* -- random passes -- */
struct chance {
    uint64_t state;
    struct str text;
};

static const char *one_of(struct chance *c, const char *const *words, uint64_t count) {
    return words[fuzz_below(&c->state, count)];
}
#define ONE_OF(c, ...)                                                                                       \
    one_of(c, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

static const char *random_ratio(struct chance *c) {
    return ONE_OF(c, "0", "0.1", "0.25", "0.5", "0.5", "0.7", "0.9", "1");
}

static void add_prune(struct chance *c) {
    str_printf(&c->text, "prune-channels(ratio = %s, round = %s", random_ratio(c),
               ONE_OF(c, "false", "false", "true"));
    if (fuzz_below(&c->state, 5) == 0) str_printf(&c->text, ", floor = %s", ONE_OF(c, "0.3", "0.75", "1"));
    if (fuzz_below(&c->state, 3) == 0) str_add(&c->text, ", distribution = global");
    if (fuzz_below(&c->state, 5) == 0) str_printf(&c->text, ", heads = %s", ONE_OF(c, "0", "0.5", "1"));
    if (fuzz_below(&c->state, 4) == 0)
        str_printf(&c->text, ", importance = %s", ONE_OF(c, "magnitude", "activation"));
    if (fuzz_below(&c->state, 6) == 0) str_add(&c->text, ", solve = false");
    str_add(&c->text, ")");
}

static void add_sparsify(struct chance *c) {
    const char *pattern = ONE_OF(c, "", "", "", "", "2:4", "1:4", "4:8", "3:5", "1:1", "2:4", "4x1", "1x4",
                                 "2x2", "16x1", "3x5", "1x16");
    bool nm = strchr(pattern, ':'), block = strchr(pattern, 'x');
    str_printf(&c->text, "sparsify(method = %s", ONE_OF(c, "magnitude", "magnitude", "wanda", "obs"));
    str_printf(&c->text, ", ratio = %s", random_ratio(c));
    if (*pattern) str_printf(&c->text, ", pattern = %s", pattern);
    if (fuzz_below(&c->state, 2))
        str_printf(&c->text, ", format = %s", ONE_OF(c, "dense", "csr", "bitmask"));
    else if ((nm || block) && fuzz_below(&c->state, 2))
        str_printf(&c->text, ", format = %s", nm ? "nm" : "block");
    if (fuzz_below(&c->state, 4) == 0)
        str_printf(&c->text, ", distribution = %s", ONE_OF(c, "uniform", "global", "sensitivity"));
    str_add(&c->text, ")");
}

static void add_quantize(struct chance *c) {
    uint64_t kind = fuzz_below(&c->state, 6); /* integers throughout, weights alone, narrow floats */
    str_printf(&c->text, "quantize(weights = %s, activations = %s",
               kind < 3   ? "int8"
               : kind < 5 ? ONE_OF(c, "int8", "int4")
                          : ONE_OF(c, "f16", "bf16"),
               kind < 3 ? "int8" : "none");
    if ((kind == 3 || kind == 4) && fuzz_below(&c->state, 2))
        str_printf(&c->text, ", group = %s", ONE_OF(c, "1", "2", "3", "8", "32"));
    if (fuzz_below(&c->state, 2))
        str_printf(&c->text, ", range = %s", ONE_OF(c, "minmax", "percentile", "mse", "entropy"));
    if (fuzz_below(&c->state, 2)) str_printf(&c->text, ", min_snr = %s", ONE_OF(c, "-100", "0", "15", "40"));
    str_add(&c->text, ")");
}

static void add_integers(struct chance *c) {
    str_printf(&c->text, "quantize(min_snr = %s, correct = %s", ONE_OF(c, "-100", "-100", "-100", "15"),
               ONE_OF(c, "true", "true", "false"));
    if (fuzz_below(&c->state, 2))
        str_printf(&c->text, ", range = %s", ONE_OF(c, "minmax", "percentile", "mse", "entropy"));
    if (fuzz_below(&c->state, 4) == 0) str_add(&c->text, ", balance = true");
    str_add(&c->text, ")");
}

char *fuzz_compression(uint64_t seed, bool integer, uint32_t *samples) {
    static void (*const add[])(struct chance *) = {add_prune, add_sparsify, add_quantize, add_integers};
    static const uint8_t plans[] = {1, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 1, 2, 3}; /* bit i: add[i] */
    static const uint8_t integer_plans[] = {8, 8, 8, 9, 10, 10, 10, 11};
    struct chance c = {.state = seed * 0x9e3779b97f4a7c15u + 77};
    uint8_t plan = integer ? integer_plans[fuzz_below(&c.state, COUNT_OF(integer_plans))]
                           : plans[fuzz_below(&c.state, COUNT_OF(plans))];
    bool sampled = integer || fuzz_below(&c.state, 4) == 0 || (plan & 4 && fuzz_below(&c.state, 3));
    *samples = sampled ? 1 + (uint32_t)fuzz_below(&c.state, 6) : 0;
    for (size_t i = 0; i < COUNT_OF(add); i++) {
        if (!(plan >> i & 1)) continue;
        if (c.text.length) str_add(&c.text, "; ");
        add[i](&c);
    }
    return c.text.text;
}
