/* Rules of the pointwise ops. */
#include "test/support/fuzz/gen.h"

#include <math.h>

static struct gen_want any_of(enum op_kind kind) {
    return (struct gen_want){.elems = op_info(kind)->elems, .max_rank = MAX_RANK};
}

static double pick(struct gen *g, const double *from, size_t count) {
    return from[gen_below(g, count)];
}

static uint32_t clip_attrs(struct gen *g, struct attr attrs[4]) {
    static const double low[] = {-INFINITY, -1, 0, -0.5}, high[] = {INFINITY, 6, 0, 1, 0.75};
    uint32_t n = 0;
    if (gen_chance(g, 80)) attrs[n++] = attr_float(ATTR_min, pick(g, low, COUNT_OF(low)));
    if (gen_chance(g, 80)) attrs[n++] = attr_float(ATTR_max, pick(g, high, COUNT_OF(high)));
    return n;
}

uint32_t gen_pointwise_attrs(struct gen *g, enum op_kind kind, struct attr attrs[4]) {
    static const double alphas[] = {0.01, 0.1, 0.25, 0.5, 1, 1.5, 0.16666667}, betas[] = {0.5, 0, -0.25, 3};
    if (kind == OP_clip) return clip_attrs(g, attrs);
    uint32_t n = 0;
    const struct op_info *info = op_info(kind);
    if (op_info_attr(info, ATTR_alpha) && gen_chance(g, 70))
        attrs[n++] = attr_float(ATTR_alpha, pick(g, alphas, COUNT_OF(alphas)));
    if (op_info_attr(info, ATTR_beta) && gen_chance(g, 70))
        attrs[n++] = attr_float(ATTR_beta, pick(g, betas, COUNT_OF(betas)));
    if (kind == OP_gelu && gen_chance(g, 50)) attrs[n++] = attr_keyword(ATTR_approximate, KEYWORD_tanh);
    return n;
}

/* |x| + 1/2: for ops that want something positive. */
static value_id make_positive(struct gen *g, value_id x) {
    value_id magnitude = gen_unary(g, OP_abs, x);
    if (!magnitude.i) return magnitude;
    return gen_binary(g, OP_add, magnitude, gen_number(g, gen_elem_of(g, x), 0.5));
}

/* Inverse functions mostly get what they are defined for. */
static value_id make_defined(struct gen *g, enum op_kind kind, value_id x) {
    if (!gen_chance(g, 80)) return x;
    if (kind == OP_asin || kind == OP_acos || kind == OP_atanh) return gen_unary(g, OP_tanh, x);
    if (kind != OP_acosh) return x;
    value_id magnitude = gen_unary(g, OP_abs, x);
    return magnitude.i ? gen_binary(g, OP_add, magnitude, gen_number(g, gen_elem_of(g, x), 1)) : magnitude;
}

bool gen_rule_unary(struct gen *g, enum op_kind kind) {
    struct gen_want want = any_of(kind);
    bool positive = kind == OP_log || kind == OP_sqrt || kind == OP_reciprocal;
    if (!positive) {
        value_id x = make_defined(g, kind, gen_pick(g, want));
        return x.i && gen_unary(g, kind, x).i;
    }
    want.bounded = true;
    want.lo = 0.125;
    want.hi = 1e30;
    value_id x = gen_find(g, want);
    if (!x.i) {
        want.bounded = false;
        x = make_positive(g, gen_pick(g, want));
    }
    return x.i && gen_unary(g, kind, x).i;
}

value_id gen_cast(struct gen *g, value_id x, enum elem elem) {
    struct attr to = attr_elem(ATTR_to, elem);
    return x.i ? gen_op(g, OP_cast, &x, 1, &to, 1) : x;
}

bool gen_rule_cast(struct gen *g, enum op_kind kind) {
    value_id x = gen_pick(g, any_of(kind));
    return gen_cast(g, x, gen_elem(g, ELEMS_ANY)).i;
}

static bool two(struct gen *g, enum op_kind kind, value_id a, value_id b) {
    return gen_chance(g, 30) && kind != OP_pow && kind != OP_prelu ? gen_binary(g, kind, b, a).i
                                                                   : gen_binary(g, kind, a, b).i;
}

/* The exponent: small, and whole where the base may be negative. */
static bool make_pow(struct gen *g, enum op_kind kind) {
    static const double whole[] = {2, 3, 0, 1, 4}, broken[] = {0.5, 1.5, 2.25, -0.5, 2};
    value_id a = gen_pick(g, any_of(kind));
    enum elem elem = gen_elem_of(g, a);
    if (!elem_is_float(elem) || gen_chance(g, 40))
        return gen_binary(g, kind, a, gen_number(g, elem, pick(g, whole, COUNT_OF(whole)))).i;
    a = make_positive(g, a);
    if (!a.i) return false;
    if (gen_chance(g, 50))
        return gen_binary(g, kind, a, gen_number(g, elem, pick(g, broken, COUNT_OF(broken)))).i;
    return gen_binary(g, kind, a, gen_partner(g, a)).i;
}

bool gen_rule_binary(struct gen *g, enum op_kind kind) {
    if (kind == OP_pow) return make_pow(g, kind);
    value_id a = gen_pick(g, any_of(kind)), b = gen_partner(g, a);
    if (gen_chance(g, 10)) b = a;
    bool divides = (kind == OP_div || kind == OP_mod) && elem_is_float(gen_elem_of(g, a));
    if (divides && gen_chance(g, 70)) b = make_positive(g, b);
    if (!b.i) return false;
    return divides ? gen_binary(g, kind, a, b).i : two(g, kind, a, b);
}

bool gen_rule_where(struct gen *g, enum op_kind kind) {
    value_id a = gen_pick(g, (struct gen_want){.elems = ELEMS_ANY, .max_rank = MAX_RANK});
    value_id b = gen_partner(g, a), c;
    if (gen_chance(g, 50) && elem_in(gen_elem_of(g, a), ELEMS_NUMERIC))
        c = gen_binary(g, OP_less, a, gen_chance(g, 50) ? b : gen_number(g, gen_elem_of(g, a), 0));
    else
        c = gen_partner_of(g, a, ELEM_bool);
    if (!c.i) return false;
    int64_t x[MAX_RANK], y[MAX_RANK]; /* b and c go with a, but maybe not with each other */
    uint32_t n = gen_dims(g, b, x), k = gen_dims(g, c, y);
    for (uint32_t i = 0; i < n && i < k; i++) {
        int64_t p = x[n - 1 - i], q = y[k - 1 - i];
        if (p != q && p != 1 && q != 1) return false;
    }
    return gen_op(g, kind, (value_id[]){c, a, b}, 3, NULL, 0).i;
}
