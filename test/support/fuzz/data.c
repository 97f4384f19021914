#include "test/support/fuzz/data.h"

#include "frontend/weights.h"
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

enum style { STYLE_NARROW, STYLE_POSITIVE, STYLE_WHOLE, STYLE_WIDE };

static enum style float_style(const char *name, uint64_t *state) {
    static const enum style by_chance[] = {STYLE_NARROW,   STYLE_NARROW, STYLE_NARROW, STYLE_NARROW,
                                           STYLE_POSITIVE, STYLE_WHOLE,  STYLE_WHOLE,  STYLE_WIDE};
    enum style style = by_chance[fuzz_below(state, COUNT_OF(by_chance))];
    return strncmp(name, FUZZ_POSITIVE, strlen(FUZZ_POSITIVE)) ? style : STYLE_POSITIVE;
}

static double one_float(enum style style, uint64_t *state) {
    switch (style) {
    case STYLE_POSITIVE:
        return uniform(state, 0.25, 2.25);
    case STYLE_WHOLE: /* equal ones, zeros */
        return (double)fuzz_below(state, 7) - 3;
    case STYLE_WIDE:
        return uniform(state, -12, 12);
    default:
        return uniform(state, -2, 2);
    }
}

static int64_t one_int(enum elem elem, bool any, uint64_t *state) {
    uint64_t r = sample_random(state);
    if (elem == ELEM_bool) return (int64_t)(r >> 7 & 1);
    if (any) return (int64_t)r;
    return elem_kind(elem) == ELEM_KIND_UINT ? (int64_t)(r % 9) : (int64_t)(r % 9) - 4;
}

void fuzz_fill(struct tensor *t, const char *name, uint64_t seed, uint32_t set, int64_t index_limit) {
    uint64_t state = hash_bytes(name, strlen(name), seed * 2654435761u);
    enum style style = float_style(name, &state); /* the same for all sets */
    bool any = fuzz_below(&state, 4) == 0;
    state += (uint64_t)set * 0x632be59bd9b4e019u;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        if (index_limit > 0)
            tensor_set_i64(t, i, (int64_t)fuzz_below(&state, 2 * (uint64_t)index_limit) - index_limit);
        else if (elem_is_float(t->elem))
            tensor_set_f64(t, i, one_float(style, &state));
        else
            tensor_set_i64(t, i, one_int(t->elem, any, &state));
    }
}

void fuzz_add_specials(struct tensor *t, uint64_t seed) {
    static const double specials[] = {NAN,   NAN,    INFINITY, -INFINITY, 0.0,     -0.0,
                                      1e-40, -3e-39, 0x1p-149, 60000,     -3.0e38, 3.0e38};
    if (!elem_is_float(t->elem)) return;
    uint64_t state = seed;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        uint64_t r = sample_random(&state);
        if (r % 24 == 0) tensor_set_f64(t, i, specials[(r >> 8) % COUNT_OF(specials)]);
    }
}

/* limit[v]: the smallest extent that value v is an index into; 0: none. */
static int64_t *index_limits(const struct module *m) {
    int64_t *limit = xcalloc(m->values.count, sizeof *limit);
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        if (op->kind != OP_gather && op->kind != OP_embedding) continue;
        bool gather = op->kind == OP_gather;
        value_id table = op->operand[gather ? 0 : 1], index = op->operand[gather ? 1 : 0];
        int64_t dim[MAX_RANK], axis = gather ? op_int(op, ATTR_axis) : 0;
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

value_id fuzz_weight_again(struct module *m, const struct weight *from, struct type type) {
    unsigned seed = 0;
    double lo = 0, hi = 0;
    check(from->made_by && sscanf(from->made_by, "random(%u, min = %lf, max = %lf)", &seed, &lo, &hi) == 3);
    return fuzz_weight(m, from->name, type, seed, lo, hi);
}
