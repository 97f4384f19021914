#include "test/support/fuzz/data.h"

#include "frontend/weights.h"
#include "ir/print.h"
#include "test/support/op_samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t fuzz_below(uint64_t *state, uint64_t n) {
    return sample_random(state) % n;
}

static double uniform(uint64_t *state, double lo, double hi) {
    return lo + (hi - lo) * ((double)(sample_random(state) >> 11) * 0x1p-53);
}

enum style {
    STYLE_NARROW,
    STYLE_POSITIVE,
    STYLE_WHOLE,
    STYLE_WIDE,
    STYLE_OFFSET,
    STYLE_LARGE,
    STYLE_STEPS,
    STYLE_SMALL_INTS,
    STYLE_FULL_INTS,
    STYLE_END_INTS
};

static bool asks_for(const char *name, const char *prefix) {
    return !strncmp(name, prefix, strlen(prefix));
}

/* `state` goes on to the numbers; the rarer styles come from a hash of their own. */
static enum style float_style(const char *name, uint64_t seed, uint64_t *state) {
    static const enum style by_chance[] = {STYLE_NARROW,   STYLE_NARROW, STYLE_NARROW, STYLE_NARROW,
                                           STYLE_POSITIVE, STYLE_WHOLE,  STYLE_WHOLE,  STYLE_WIDE};
    static const enum style rare[] = {STYLE_OFFSET, STYLE_LARGE, STYLE_STEPS, STYLE_STEPS};
    uint64_t other = hash_bytes(name, strlen(name), seed * 0x9e3779b97f4a7c15u + 5);
    enum style style = by_chance[fuzz_below(state, COUNT_OF(by_chance))];
    if (asks_for(name, FUZZ_POSITIVE)) return STYLE_POSITIVE;
    if (asks_for(name, FUZZ_OFFSET)) return STYLE_OFFSET;
    if (asks_for(name, FUZZ_LARGE)) return STYLE_LARGE;
    if (asks_for(name, FUZZ_STEPS)) return STYLE_STEPS;
    return other % 9 == 0 ? rare[(other >> 20) % COUNT_OF(rare)] : style;
}

static enum style int_style(const char *name, uint64_t seed, uint64_t *state) {
    uint64_t other = hash_bytes(name, strlen(name), seed * 0x9e3779b97f4a7c15u + 6);
    bool full = fuzz_below(state, 4) == 0 || asks_for(name, FUZZ_FULL);
    return !full ? STYLE_SMALL_INTS : other % 3 == 0 ? STYLE_END_INTS : STYLE_FULL_INTS;
}

struct number_source {
    enum style style;
    uint64_t state;
    double centre;       /* STYLE_OFFSET */
    double last;         /* STYLE_STEPS … */
    uint64_t same_again; /* … so often */
};

static double one_step(struct number_source *s) {
    static const double steps[] = {0.0, -0.0, 1, -1, 0.5, 2.5, -88, 90, 200};
    if (!s->same_again) {
        s->last = steps[fuzz_below(&s->state, COUNT_OF(steps))];
        s->same_again = 1 + fuzz_below(&s->state, 20);
    }
    s->same_again--;
    return s->last;
}

static double one_float(struct number_source *s) {
    switch (s->style) {
    case STYLE_POSITIVE:
        return uniform(&s->state, 0.25, 2.25);
    case STYLE_WHOLE: /* equal ones, zeros */
        return (double)fuzz_below(&s->state, 7) - 3;
    case STYLE_WIDE:
        return uniform(&s->state, -12, 12);
    case STYLE_OFFSET:
        return s->centre + uniform(&s->state, -1, 1);
    case STYLE_LARGE:
        return uniform(&s->state, -300, 300) * (fuzz_below(&s->state, 12) ? 1 : 10);
    case STYLE_STEPS:
        return one_step(s);
    default:
        return uniform(&s->state, -2, 2);
    }
}

static int64_t one_end(enum elem elem, uint64_t *state) {
    unsigned unused = 64 - 8 * (unsigned)elem_bytes(elem);
    bool is_signed = elem_kind(elem) == ELEM_KIND_INT;
    int64_t low = is_signed ? INT64_MIN >> unused : 0;
    int64_t high = is_signed ? INT64_MAX >> unused : (int64_t)(UINT64_MAX >> unused);
    const int64_t ends[] = {low, low,       low + 1,         high,     high, high - 1, -1, 0, 1,
                            2,   1ll << 53, (1ll << 53) + 1, 1ll << 31};
    return ends[fuzz_below(state, COUNT_OF(ends))];
}

static int64_t one_int(enum elem elem, struct number_source *s) {
    if (s->style == STYLE_END_INTS && elem != ELEM_bool) return one_end(elem, &s->state);
    uint64_t r = sample_random(&s->state);
    if (elem == ELEM_bool) return (int64_t)(r >> 7 & 1);
    if (s->style == STYLE_FULL_INTS) return (int64_t)r;
    return elem_kind(elem) == ELEM_KIND_UINT ? (int64_t)(r % 9) : (int64_t)(r % 9) - 4;
}

void fuzz_fill(struct tensor *t, const char *name, uint64_t seed, uint32_t set, int64_t index_limit) {
    static const double centres[] = {100, 1000, 4096, 10000, -3000};
    struct number_source s = {.state = hash_bytes(name, strlen(name), seed * 2654435761u)};
    bool real = elem_is_float(t->elem);
    s.style = float_style(name, seed, &s.state); /* the same for all sets */
    enum style whole = int_style(name, seed, &s.state);
    if (!real) s.style = whole;
    if (s.style == STYLE_OFFSET) s.centre = centres[fuzz_below(&s.state, COUNT_OF(centres))];
    s.state += (uint64_t)set * 0x632be59bd9b4e019u;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        if (index_limit > 0)
            tensor_set_i64(t, i, (int64_t)fuzz_below(&s.state, 2 * (uint64_t)index_limit) - index_limit);
        else if (real)
            tensor_set_f64(t, i, one_float(&s));
        else
            tensor_set_i64(t, i, one_int(t->elem, &s));
    }
}

/* -- numbers that are none -- */
static const double odd_numbers[] = {NAN,   NAN,    INFINITY, -INFINITY, 0.0,     -0.0,
                                     1e-40, -3e-39, 0x1p-149, 60000,     -3.0e38, 3.0e38};

static void scatter(struct tensor *t, uint64_t *state, uint64_t seldom, uint64_t longest) {
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        uint64_t r = sample_random(state);
        if (r % seldom) continue;
        int64_t end = min_i64(n, i + 1 + (int64_t)((r >> 32) % longest));
        for (; i < end; i++) tensor_set_f64(t, i, odd_numbers[(r >> 8) % COUNT_OF(odd_numbers)]);
    }
}

/* Each row begins with -Inf, for a whole vector mostly, and ends in something else or not. */
static void hide_starts(struct tensor *t, uint64_t *state) {
    int64_t n = tensor_count(t), row = t->rank ? t->dim[t->rank - 1] : 1;
    for (int64_t start = 0; row && start < n; start += row) {
        int64_t hidden = (int64_t)fuzz_below(state, (uint64_t)row + 1);
        for (int64_t i = 0; i < hidden; i++) tensor_set_f64(t, start + i, -INFINITY);
    }
}

void fuzz_add_specials(struct tensor *t, uint64_t seed) {
    if (!elem_is_float(t->elem)) return;
    uint64_t state = seed, way = (seed >> 13) % 4;
    if (way < 2)
        scatter(t, &state, 24, 1);
    else if (way == 2)
        scatter(t, &state, 96, 24);
    else
        hide_starts(t, &state);
}

/* limit[v]: the smallest extent that value v is an index into; 0: none. */
static int64_t *index_limits(const struct module *m) {
    int64_t *limit = xcalloc(m->values.count, sizeof *limit);
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        bool embeds = op->kind == OP_embedding;
        if (op->kind != OP_gather && op->kind != OP_scatter && !embeds) continue;
        value_id table = op->operand[embeds ? 1 : 0], index = op->operand[embeds ? 0 : 1];
        int64_t dim[MAX_RANK], axis = op->kind == OP_gather ? op_int(op, ATTR_axis) : 0;
        struct type type = value_get(m, table)->type;
        if (!type_static(&m->types, type, dim)) continue;
        int64_t extent = dim[axis < 0 ? axis + type_rank(&m->types, type) : axis];
        if (!limit[index.i] || extent < limit[index.i]) limit[index.i] = extent;
    }
    return limit;
}

struct tensor *fuzz_inputs(const struct module *m, uint64_t seed, uint32_t set, bool specials) {
    struct tensor *inputs = xcalloc(m->inputs.count + 1, sizeof *inputs);
    int64_t *limit = index_limits(m);
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        const struct value *v = value_get(m, m->inputs.at[i]);
        inputs[i] = tensor_new_of(&m->types, v->type);
        fuzz_fill(&inputs[i], v->name, seed, set, limit[m->inputs.at[i].i]);
        if (specials) fuzz_add_specials(&inputs[i], hash_bytes(v->name, strlen(v->name), seed + set));
    }
    free(limit);
    return inputs;
}

void fuzz_make_whole(struct tensor *tensors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        for (int64_t k = 0; elem_is_float(tensors[i].elem) && k < tensor_count(&tensors[i]); k++)
            tensor_set_f64(&tensors[i], k, fmax(-4, fmin(4, rint(tensor_get_f64(&tensors[i], k)))));
}

void fuzz_make_weights_whole(struct module *m) {
    for (uint32_t i = 1; i < m->weights.count; i++) {
        struct weight *w = &m->weights.at[i];
        if (!elem_is_float(w->tensor.elem)) continue;
        struct tensor t = tensor_copy(&w->tensor);
        double most = 0;
        for (int64_t k = 0; k < tensor_count(&t); k++) most = fmax(most, fabs(tensor_get_f64(&t, k)));
        for (int64_t k = 0; most > 0 && k < tensor_count(&t); k++)
            tensor_set_f64(&t, k, rint(3 * tensor_get_f64(&t, k) / most));
        tensor_free(&w->tensor);
        w->tensor = t;
        w->made_by = NULL;
    }
}

void fuzz_free(struct tensor *tensors, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) tensor_free(&tensors[i]);
    free(tensors);
}

value_id fuzz_weight(struct module *m, const char *name, struct type type, uint32_t seed, double lo,
                     double hi) {
    struct tensor t = tensor_new_of(&m->types, type);
    struct str made_by = {0};
    str_printf(&made_by, "random(%u, min = ", seed);
    str_add_f64(&made_by, lo);
    str_add(&made_by, ", max = ");
    str_add_f64(&made_by, hi);
    str_add(&made_by, ")");
    weight_id w = module_add_weight(m, name, t, (struct loc){0});
    struct weight *weight = weight_get(m, w);
    weight_fill_random(&weight->tensor, weight->name, seed, lo, hi);
    weight->made_by = arena_strdup(&m->arena, str_text(&made_by));
    str_free(&made_by);
    return module_parameter(m, w);
}

static void set_zeros(struct tensor *t, enum fuzz_zeros zeros, uint64_t state) {
    int64_t n = tensor_count(t), row = t->dim[0] ? n / t->dim[0] : 0, inner = t->dim[1] ? row / t->dim[1] : 1;
    uint64_t gone = sample_random(&state) | 1; /* bit: a row or column */
    for (int64_t i = 0; i < n; i++) {
        int64_t r = i / row, c = i % row / inner;
        uint64_t bits = sample_random(&state);
        bool zero = zeros == FUZZ_ZEROS_ALL || (zeros == FUZZ_ZEROS_ROWS && gone >> r % 61 & 1) ||
                    (zeros == FUZZ_ZEROS_COLUMNS && gone >> c % 61 & 1) ||
                    (zeros == FUZZ_ZEROS_BUT_CORNER && i + 1 < n) || (zeros == FUZZ_ZEROS_MOST && bits % 8);
        if (zeros == FUZZ_ROWS_ALIKE)
            tensor_set_f64(t, i, tensor_get_f64(t, i % row) * (1 - 0.25 * (double)(r % 4)));
        else if (zero)
            tensor_set_f64(t, i, bits & 256 ? -0.0 : 0.0);
    }
}

value_id fuzz_weight_with_zeros(struct module *m, const char *name, struct type type, uint32_t seed,
                                double hi, enum fuzz_zeros zeros) {
    value_id v = fuzz_weight(m, name, type, seed, -hi, hi);
    struct weight *w = weight_get(m, value_get(m, v)->weight);
    struct str made_by = {0};
    set_zeros(&w->tensor, zeros, seed);
    print_numbers(&w->tensor, &made_by);
    w->made_by = arena_strdup(&m->arena, str_text(&made_by));
    str_free(&made_by);
    return v;
}

value_id fuzz_weight_again(struct module *m, const struct weight *from, struct type type) {
    unsigned seed = 0;
    double lo = 0, hi = 0;
    check(from->made_by && sscanf(from->made_by, "random(%u, min = %lf, max = %lf)", &seed, &lo, &hi) == 3);
    return fuzz_weight(m, from->name, type, seed, lo, hi);
}
