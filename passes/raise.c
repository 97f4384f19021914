/* Finds composites written out in primitives, as exporters do. A pattern is matched backwards from its last
 * op; every value inside it must have no other use, or the primitives would be computed as well. Composites
 * round less often than their primitives do, so the results may differ in the last bits. */
#include "passes/raise.h"

#include <math.h>

struct matcher {
    struct module *m;
    struct diag *diag;
    uint32_t *uses;
    uint32_t known;
    uint32_t at; /* position in the root of the op at hand */
};

static const struct op *defined_by(const struct matcher *s, value_id v, enum op_kind kind) {
    const struct value *value = value_get(s->m, v);
    if (value->kind != VALUE_RESULT) return NULL;
    const struct op *op = op_get(s->m, value->op);
    return op->kind == kind && !op->erased ? op : NULL;
}

static const struct op *inner(const struct matcher *s, value_id v, enum op_kind kind, uint32_t uses) {
    return v.i < s->known && s->uses[v.i] == uses ? defined_by(s, v, kind) : NULL;
}

/* As near as people write it: constants of f64 are written out in full. */
static bool is_near(double x, double value, enum elem elem) {
    return fabs(x - value) <= (elem == ELEM_f64 ? 1e-15 : 1e-6) * fabs(value);
}

static bool is_number(const struct matcher *s, value_id v, double value) {
    const struct tensor *t = value_constant(s->m, v);
    return t && tensor_count(t) == 1 && is_near(tensor_get_f64(t, 0), value, t->elem);
}

static bool number(const struct matcher *s, value_id v, double *out) {
    const struct tensor *t = value_constant(s->m, v);
    if (!t || tensor_count(t) != 1 || !elem_is_float(t->elem)) return false;
    *out = tensor_get_f64(t, 0);
    return true;
}

static bool reduces_last(const struct matcher *s, const struct op *op) {
    uint32_t n, rank = type_rank(&s->m->types, value_get(s->m, op->operand[0])->type);
    const int64_t *axes = op_ints(op, ATTR_axes, &n);
    return n == 1 && op_bool(op, ATTR_keep) && (axes[0] == -1 || axes[0] == (int64_t)rank - 1);
}

/* The composite in place of op `id`; its type is that of its first operand. Nothing where the primitives gave
 * another type: a number of higher rank, as f32[1, 1, 1] {0.5}, adds dimensions. */
static value_id composite(struct matcher *s, op_id id, enum op_kind kind, const value_id *operands,
                          uint32_t count, const struct attr *attrs, uint32_t attr_count) {
    const struct value *old = value_get(s->m, op_get(s->m, id)->result[0]);
    if (!type_same(old->type, value_get(s->m, operands[0])->type)) return (value_id){0};
    struct builder b = builder_at(s->m, s->at, s->diag);
    return build(&b, kind, operands, count, attrs, attr_count, old->name);
}

/* -- layer norm: d = x - mean(x); y = d / sqrt(mean(d * d) + epsilon), then * scale + bias -- */
static const struct op *square_of(const struct matcher *s, value_id v, value_id *out_x) {
    const struct op *op = inner(s, v, OP_mul, 1);
    if (op && value_same(op->operand[0], op->operand[1])) {
        *out_x = op->operand[0];
        return op;
    }
    op = inner(s, v, OP_pow, 1);
    if (!op || !is_number(s, op->operand[1], 2)) return NULL;
    *out_x = op->operand[0];
    return op;
}

static bool match_normalize(const struct matcher *s, const struct op *div, value_id *out_x,
                            double *out_epsilon) {
    const struct op *root = inner(s, div->operand[1], OP_sqrt, 1);
    const struct op *sum = root ? inner(s, root->operand[0], OP_add, 1) : NULL;
    if (!sum) return false;
    uint32_t side = number(s, sum->operand[1], out_epsilon) ? 0 : 1;
    if (side == 1 && !number(s, sum->operand[0], out_epsilon)) return false;
    const struct op *variance = inner(s, sum->operand[side], OP_reduce_mean, 1);
    if (!variance || !reduces_last(s, variance)) return false;
    value_id centred;
    const struct op *square = square_of(s, variance->operand[0], &centred);
    if (!square || !value_same(centred, div->operand[0])) return false;
    uint32_t uses = square->kind == OP_mul ? 3 : 2; /* the division, and the square once or twice */
    const struct op *sub = inner(s, centred, OP_sub, uses);
    const struct op *mean = sub ? inner(s, sub->operand[1], OP_reduce_mean, 1) : NULL;
    if (!mean || !reduces_last(s, mean) || !value_same(mean->operand[0], sub->operand[0])) return false;
    *out_x = sub->operand[0];
    return true;
}

static bool is_row(const struct matcher *s, value_id v, value_id x) {
    const struct tensor *t = value_constant(s->m, v);
    if (!t || t->rank != 1) return false;
    struct type type = value_get(s->m, x)->type;
    uint32_t rank = type_rank(&s->m->types, type);
    int64_t width;
    return rank && dim_is_const(&s->m->types, dims_at(&s->m->types, type.shape, rank - 1), &width) &&
           width == t->dim[0];
}

static value_id raise_layernorm(struct matcher *s, op_id id) {
    const struct op *add = op_get(s->m, id);
    if (add->kind != OP_add) return (value_id){0};
    for (uint32_t side = 0; side < 2; side++) {
        const struct op *mul = inner(s, add->operand[side], OP_mul, 1);
        value_id bias = add->operand[1 - side];
        for (uint32_t k = 0; mul && k < 2; k++) {
            const struct op *div = inner(s, mul->operand[k], OP_div, 1);
            value_id x, scale = mul->operand[1 - k];
            double epsilon;
            if (!div || !match_normalize(s, div, &x, &epsilon) || !is_row(s, scale, x) || !is_row(s, bias, x))
                continue;
            struct attr attrs[] = {attr_int(ATTR_axis, -1), attr_float(ATTR_epsilon, epsilon)};
            return composite(s, id, OP_layernorm, (value_id[]){x, scale, bias}, 3, attrs, 2);
        }
    }
    return (value_id){0};
}

/* -- gelu by erf: x * (1 + erf(x / sqrt(2))) * 0.5, factors in any order -- */
static bool is_scaled(const struct matcher *s, value_id v, double factor, value_id *out_x) {
    const struct op *op = inner(s, v, OP_mul, 1);
    for (uint32_t k = 0; op && k < 2; k++)
        if (is_number(s, op->operand[k], factor)) {
            *out_x = op->operand[1 - k];
            return true;
        }
    op = inner(s, v, OP_div, 1);
    if (!op || !is_number(s, op->operand[1], 1 / factor)) return false;
    *out_x = op->operand[0];
    return true;
}

/* v = 1 + erf(x / sqrt(2)) */
static bool is_one_plus_erf(const struct matcher *s, value_id v, value_id *out_x) {
    const struct op *add = inner(s, v, OP_add, 1);
    for (uint32_t k = 0; add && k < 2; k++) {
        const struct op *erf = inner(s, add->operand[k], OP_erf, 1);
        if (erf && is_number(s, add->operand[1 - k], 1))
            return is_scaled(s, erf->operand[0], 0.70710678118654752, out_x);
    }
    return false;
}

/* The three factors of a product of two products, or of a chain; false if v is not such a product. */
static bool three_factors(const struct matcher *s, const struct op *outer, value_id out[3]) {
    for (uint32_t k = 0; k < 2; k++) {
        const struct op *op = inner(s, outer->operand[k], OP_mul, 1);
        if (!op) continue;
        out[0] = outer->operand[1 - k];
        out[1] = op->operand[0];
        out[2] = op->operand[1];
        return true;
    }
    return false;
}

static value_id raise_gelu(struct matcher *s, op_id id) {
    const struct op *op = op_get(s->m, id);
    value_id f[3];
    if (op->kind != OP_mul || !three_factors(s, op, f)) return (value_id){0};
    for (uint32_t i = 0; i < 3; i++) {
        value_id x, p = f[(i + 1) % 3], q = f[(i + 2) % 3];
        if (!is_one_plus_erf(s, f[i], &x)) continue;
        bool half_last = value_same(p, x) && is_number(s, q, 0.5),
             half_first = value_same(q, x) && is_number(s, p, 0.5);
        if (!half_last && !half_first) continue;
        return composite(s, id, OP_gelu, &x, 1, NULL, 0);
    }
    return (value_id){0};
}

/* -- silu and hard swish: x times a gate of x -- */
static value_id raise_gated(struct matcher *s, op_id id) {
    const struct op *mul = op_get(s->m, id);
    if (mul->kind != OP_mul) return (value_id){0};
    for (uint32_t k = 0; k < 2; k++) {
        value_id gate = mul->operand[k], x = mul->operand[1 - k];
        const struct op *sigmoid = inner(s, gate, OP_sigmoid, 1), *hard = inner(s, gate, OP_hard_sigmoid, 1);
        bool silu = sigmoid && value_same(sigmoid->operand[0], x);
        bool swish = hard && value_same(hard->operand[0], x) &&
                     is_near(op_float(hard, ATTR_alpha), 1.0 / 6, value_get(s->m, x)->type.elem) &&
                     op_float(hard, ATTR_beta) == 0.5;
        if (!silu && !swish) continue;
        return composite(s, id, silu ? OP_silu : OP_hard_swish, &x, 1, NULL, 0);
    }
    return (value_id){0};
}

/* -- hard swish written out: x * clip(x + 3, 0, 6) / 6, the division at the end -- */
static bool is_shifted_clip(const struct matcher *s, value_id v, value_id x) {
    const struct op *clip = inner(s, v, OP_clip, 1);
    if (!clip || op_float(clip, ATTR_min) != 0 || op_float(clip, ATTR_max) != 6) return false;
    const struct op *add = inner(s, clip->operand[0], OP_add, 1);
    for (uint32_t k = 0; add && k < 2; k++)
        if (value_same(add->operand[k], x) && is_number(s, add->operand[1 - k], 3)) return true;
    return false;
}

static bool is_sixth(const struct matcher *s, const struct op *mul, value_id *out_x) {
    for (uint32_t k = 0; k < 2; k++)
        if (is_number(s, mul->operand[k], 1.0 / 6)) {
            *out_x = mul->operand[1 - k];
            return true;
        }
    return false;
}

static value_id raise_hard_swish(struct matcher *s, op_id id) {
    const struct op *op = op_get(s->m, id);
    value_id product;
    if (op->kind == OP_div && is_number(s, op->operand[1], 6))
        product = op->operand[0];
    else if (op->kind != OP_mul || !is_sixth(s, op, &product))
        return (value_id){0};
    const struct op *mul = inner(s, product, OP_mul, 1);
    for (uint32_t k = 0; mul && k < 2; k++) {
        value_id x = mul->operand[k];
        if (!is_shifted_clip(s, mul->operand[1 - k], x)) continue;
        return composite(s, id, OP_hard_swish, &x, 1, NULL, 0);
    }
    return (value_id){0};
}

typedef value_id rule_fn(struct matcher *s, op_id id);
static rule_fn *const rules[] = {raise_layernorm, raise_gelu, raise_gated, raise_hard_swish};

enum status pass_raise(struct module *m, const struct pass_options *options, struct diag *diag) {
    (void)options;
    raise_quantized(m, diag);
    struct matcher s = {.m = m, .diag = diag, .uses = module_count_uses(m), .known = m->values.count};
    value_id *to = xcalloc(s.known, sizeof *to);
    for (uint32_t i = 0; i < region_get(m, m->root)->ops.count; i++) {
        op_id id = region_get(m, m->root)->ops.at[i];
        uint32_t before = region_get(m, m->root)->ops.count;
        value_id v = {0};
        s.at = i;
        for (uint32_t r = 0; r < COUNT_OF(rules) && !v.i; r++) v = rules[r](&s, id);
        if (!v.i) continue;
        i += region_get(m, m->root)->ops.count - before;
        value_id old = op_get(m, id)->result[0];
        if (old.i < s.known) to[old.i] = v;
        module_take_name(m, old, v);
        const char *name = value_get(m, v)->name;
        diag_remark(diag, REMARK_APPLIED, "raise", name, "found %s",
                    op_info(op_get(m, value_get(m, v)->op)->kind)->name);
    }
    value_id *all = xcalloc(m->values.count, sizeof *all);
    for (uint32_t i = 0; i < s.known; i++) all[i] = to[i];
    module_replace_all(m, all);
    free(all);
    free(to);
    free(s.uses);
    module_remove_dead(m);
    return STATUS_OK;
}
