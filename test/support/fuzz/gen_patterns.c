/* Groups of ops as models have them: what passes look for and fuse, and where kernels have special cases. */
#include "test/support/fuzz/gen.h"

#include <math.h>
#include <string.h>

static enum elem float_elem(struct gen *g) {
    return gen_elem(g, ELEM_BIT(ELEM_f32) | ELEM_BIT(ELEM_f16) | ELEM_BIT(ELEM_bf16) | ELEM_BIT(ELEM_f64));
}

static value_id image(struct gen *g, enum elem elem) {
    value_id found = gen_find(
        g, (struct gen_want){.elems = ELEM_BIT(elem), .min_rank = 4, .max_rank = 4, .nonempty = true});
    if (found.i) return found;
    static const int64_t channels[] = {3, 4, 8, 15, 16, 17, 24, 32, 33};
    int64_t c = channels[gen_below(g, COUNT_OF(channels))], side = gen_between(g, 1, 10);
    return gen_leaf(
        g, NULL, elem, 4,
        (int64_t[]){gen_chance(g, 85) ? 1 : 2, c, side, gen_chance(g, 60) ? side : gen_between(g, 1, 12)});
}

static value_id vectors(struct gen *g, enum elem elem) {
    value_id found = gen_find(
        g, (struct gen_want){.elems = ELEM_BIT(elem), .min_rank = 2, .max_rank = 3, .nonempty = true});
    if (found.i) return found;
    int64_t dim[3] = {gen_between(g, 1, 2), max_i64(gen_extent(g, 33), 1), max_i64(gen_extent(g, 65), 2)};
    return gen_chance(g, 50) ? gen_leaf(g, NULL, elem, 3, dim) : gen_leaf(g, NULL, elem, 2, dim + 1);
}

value_id gen_activation(struct gen *g, value_id x) {
    static const enum op_kind kinds[] = {OP_relu, OP_relu,     OP_clip,         OP_hard_swish,
                                         OP_silu, OP_gelu,     OP_leaky_relu,   OP_sigmoid,
                                         OP_tanh, OP_identity, OP_hard_sigmoid, OP_elu};
    static const enum op_kind exact[] = {OP_relu, OP_relu, OP_identity, OP_abs};
    static const enum op_kind single[] = {OP_relu, OP_relu, OP_identity, OP_abs, OP_clip, OP_neg};
    if (!x.i) return x;
    if (g->integer) return gen_unary(g, single[gen_below(g, COUNT_OF(single))], x);
    if (g->whole) return gen_unary(g, exact[gen_below(g, COUNT_OF(exact))], x);
    return gen_unary(g, kinds[gen_below(g, COUNT_OF(kinds))], x);
}

value_id gen_vector_of(struct gen *g, enum elem elem, int64_t n) {
    return gen_parameter(g, elem, 1, &n, 3);
}

value_id gen_batchnorm(struct gen *g, value_id x) {
    if (!x.i) return x;
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    enum elem elem = gen_elem_of(g, x);
    value_id operand[5] = {x, gen_vector_of(g, elem, dim[1]), gen_vector_of(g, elem, dim[1]),
                           gen_vector_of(g, elem, dim[1]), gen_leaf(g, FUZZ_POSITIVE, elem, 1, &dim[1])};
    return gen_op(g, OP_batchnorm, operand, 5, NULL, 0);
}

value_id gen_conv(struct gen *g, value_id x, int64_t out, int64_t taps, int64_t stride) {
    int64_t dim[MAX_RANK];
    if (!x.i) return x;
    gen_dims(g, x, dim);
    return gen_grouped_conv(g, x, out ? out : dim[1], out ? 1 : dim[1], taps, stride);
}

value_id gen_grouped_conv(struct gen *g, value_id x, int64_t channels, int64_t groups, int64_t taps,
                          int64_t stride) {
    if (!x.i) return x;
    int64_t dim[MAX_RANK], pad = taps / 2;
    gen_dims(g, x, dim);
    enum elem elem = gen_elem_of(g, x);
    if (dim[2] + 2 * pad < taps || dim[3] + 2 * pad < taps) return (value_id){0};
    int64_t w[4] = {channels, dim[1] / groups, taps, taps};
    value_id operand[3] = {x, gen_parameter(g, elem, 4, w, w[1] * taps * taps),
                           gen_chance(g, 60) ? gen_vector_of(g, elem, channels) : (value_id){0}};
    struct attr attrs[] = {attr_ints(g->m, ATTR_stride, (int64_t[]){stride, stride}, 2),
                           attr_ints(g->m, ATTR_pad, (int64_t[]){pad, pad, pad, pad}, 4),
                           attr_int(ATTR_groups, groups)};
    return gen_op(g, OP_conv2d, operand, 3, attrs, 3);
}

value_id gen_sum(struct gen *g, value_id a, value_id b) {
    return a.i && b.i ? (gen_chance(g, 50) ? gen_binary(g, OP_add, a, b) : gen_binary(g, OP_add, b, a))
                      : (value_id){0};
}

value_id gen_dense(struct gen *g, value_id x, int64_t out) {
    if (!x.i) return x;
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    int64_t k = dim[rank - 1];
    enum elem elem = gen_elem_of(g, x);
    value_id w = gen_parameter(g, elem, 2, (int64_t[]){out, k}, k);
    return gen_op(g, OP_linear,
                  (value_id[]){x, w, gen_chance(g, 70) ? gen_vector_of(g, elem, out) : (value_id){0}}, 3,
                  NULL, 0);
}

/* -- convolutional -- */
bool gen_pattern_residual_block(struct gen *g) {
    value_id x = image(g, float_elem(g));
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    value_id y = gen_conv(g, x, dim[1], gen_chance(g, 50) ? 3 : 1, 1);
    if (gen_chance(g, 60)) y = gen_batchnorm(g, y);
    y = gen_activation(g, y);
    if (gen_chance(g, 50)) y = gen_conv(g, y, dim[1], 3, 1);
    return gen_activation(g, gen_sum(g, y, x)).i;
}

bool gen_pattern_inverted_residual(struct gen *g) {
    value_id x = image(g, float_elem(g));
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    value_id y = gen_activation(g, gen_conv(g, x, gen_between(g, dim[1], 2 * dim[1]), 1, 1));
    y = gen_activation(
        g, gen_batchnorm(g, gen_conv(g, y, 0, gen_chance(g, 60) ? 3 : 5, gen_chance(g, 70) ? 1 : 2)));
    y = gen_conv(g, y, dim[1], 1, 1);
    int64_t end[MAX_RANK];
    if (!y.i) return false;
    gen_dims(g, y, end);
    return memcmp(dim, end, 4 * sizeof *dim) ? true : gen_sum(g, x, y).i;
}

bool gen_pattern_squeeze_excite(struct gen *g) {
    value_id x = image(g, float_elem(g));
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    struct attr attrs[] = {attr_ints(g->m, ATTR_axes, (int64_t[]){2, 3}, 2), attr_bool(ATTR_keep, true)};
    value_id s = gen_op(g, OP_reduce_mean, &x, 1, attrs, 2);
    s = gen_activation(g, gen_conv(g, s, max_i64(dim[1] / 4, 1), 1, 1));
    s = gen_conv(g, s, dim[1], 1, 1);
    if (!s.i) return false;
    s = gen_unary(g, gen_chance(g, 50) ? OP_hard_sigmoid : OP_sigmoid, s);
    return s.i && gen_binary(g, OP_mul, x, s).i;
}

/* Channels in two halves, one through a convolution, concatenated and shuffled. */
bool gen_pattern_shuffle_block(struct gen *g) {
    value_id x = image(g, float_elem(g));
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    int64_t half = dim[1] / 2;
    if (!half) return false;
    struct attr split[] = {attr_int(ATTR_axis, 1),
                           attr_ints(g->m, ATTR_sizes, (int64_t[]){half, dim[1] - half}, 2)};
    value_id first = gen_op(g, OP_split, &x, 1, split, 2);
    if (!first.i) return false;
    value_id second = op_get(g->m, value_get(g->m, first)->op)->result[1];
    second = gen_activation(g, gen_conv(g, second, half, 1, 1));
    value_id y = gen_joined(g, (value_id[]){first, second}, 2, 1);
    if (!y.i || gen_chance(g, 30)) return y.i;
    struct attr apart =
        attr_dims(ATTR_shape, dims_from_ints(&g->m->types, (int64_t[]){dim[0], 2, half, dim[2], dim[3]}, 5));
    struct attr perm = attr_ints(g->m, ATTR_perm, (int64_t[]){0, 2, 1, 3, 4}, 5);
    struct attr back =
        attr_dims(ATTR_shape, dims_from_ints(&g->m->types, (int64_t[]){dim[0], 2 * half, dim[2], dim[3]}, 4));
    y = gen_op(g, OP_reshape, &y, 1, &apart, 1);
    y = y.i ? gen_op(g, OP_transpose, &y, 1, &perm, 1) : y;
    return y.i && gen_op(g, OP_reshape, &y, 1, &back, 1).i;
}

/* A coarse map is resized to the size of a fine one, and the two meet. */
bool gen_pattern_pyramid(struct gen *g) {
    value_id x = image(g, float_elem(g));
    int64_t dim[MAX_RANK], coarse[MAX_RANK];
    gen_dims(g, x, dim);
    value_id y = gen_activation(g, gen_conv(g, x, dim[1], 3, 2));
    if (!y.i) return false;
    gen_dims(g, y, coarse);
    struct attr attrs[] = {attr_dims(ATTR_shape, dims_from_ints(&g->m->types, dim, 4)),
                           attr_keyword(ATTR_mode, gen_chance(g, 50) ? KEYWORD_linear : KEYWORD_nearest)};
    y = gen_op(g, OP_resize, &y, 1, attrs, 2);
    if (!y.i) return false;
    if (gen_chance(g, 50)) return gen_sum(g, x, y).i;
    return gen_joined(g, (value_id[]){x, y}, 2, 1).i;
}

/* -- transformers -- */
bool gen_pattern_mlp(struct gen *g) {
    value_id x = vectors(g, float_elem(g));
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    value_id y = gen_activation(g, gen_dense(g, x, gen_between(g, 1, 70)));
    y = gen_dense(g, y, dim[rank - 1]);
    y = gen_sum(g, y, x);
    if (!y.i) return false;
    value_id scale = gen_vector_of(g, gen_elem_of(g, y), dim[rank - 1]),
             bias = gen_vector_of(g, gen_elem_of(g, y), dim[rank - 1]);
    return gen_op(g, OP_layernorm, (value_id[]){y, scale, bias}, 3, NULL, 0).i;
}

static value_id reduce_last(struct gen *g, enum op_kind kind, value_id x) {
    struct attr attrs[] = {attr_ints(g->m, ATTR_axes, &(int64_t){-1}, 1), attr_bool(ATTR_keep, true)};
    return x.i ? gen_op(g, kind, &x, 1, attrs, 2) : x;
}

bool gen_pattern_layernorm_by_hand(struct gen *g) {
    value_id x = vectors(g, float_elem(g));
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    enum elem elem = gen_elem_of(g, x);
    value_id mean = reduce_last(g, OP_reduce_mean, x);
    value_id centered = mean.i ? gen_binary(g, OP_sub, x, mean) : mean;
    if (!centered.i) return false;
    value_id square = gen_chance(g, 50) ? gen_binary(g, OP_mul, centered, centered)
                                        : gen_binary(g, OP_pow, centered, gen_number(g, elem, 2));
    value_id variance = reduce_last(g, OP_reduce_mean, square);
    if (!variance.i) return false;
    value_id shifted = gen_binary(g, OP_add, variance, gen_number(g, elem, 1e-5));
    value_id deviation = shifted.i ? gen_unary(g, OP_sqrt, shifted) : shifted;
    value_id y = deviation.i ? gen_binary(g, OP_div, centered, deviation) : deviation;
    if (y.i && gen_chance(g, 70)) y = gen_binary(g, OP_mul, y, gen_vector_of(g, elem, dim[rank - 1]));
    return y.i && gen_binary(g, OP_add, y, gen_vector_of(g, elem, dim[rank - 1])).i;
}

bool gen_pattern_activations_by_hand(struct gen *g) {
    enum elem elem = float_elem(g);
    value_id x = vectors(g, elem), y;
    switch (gen_below(g, 3)) {
    case 0: /* gelu */
        y = gen_binary(g, gen_chance(g, 50) ? OP_mul : OP_div, x,
                       gen_number(g, elem, gen_chance(g, 50) ? sqrt(0.5) : sqrt(2)));
        y = y.i ? gen_unary(g, OP_erf, y) : y;
        y = y.i ? gen_binary(g, OP_add, y, gen_number(g, elem, 1)) : y;
        y = y.i ? gen_binary(g, OP_mul, x, y) : y;
        return y.i && gen_binary(g, OP_mul, y, gen_number(g, elem, 0.5)).i;
    case 1: /* silu */
        y = gen_unary(g, OP_sigmoid, x);
        return y.i && gen_binary(g, OP_mul, x, y).i;
    default: /* hard swish */
        y = gen_unary(g, OP_hard_sigmoid, x);
        return y.i && gen_binary(g, OP_mul, y, x).i;
    }
}

value_id gen_heads_apart(struct gen *g, value_id x, int64_t n, int64_t t, int64_t heads, int64_t d,
                         bool swapped) {
    if (!x.i) return x;
    struct attr shape = attr_dims(ATTR_shape, dims_from_ints(&g->m->types, (int64_t[]){n, t, heads, d}, 4));
    struct attr perm =
        attr_ints(g->m, ATTR_perm, swapped ? (int64_t[]){0, 2, 3, 1} : (int64_t[]){0, 2, 1, 3}, 4);
    x = gen_op(g, OP_reshape, &x, 1, &shape, 1);
    return x.i ? gen_op(g, OP_transpose, &x, 1, &perm, 1) : x;
}

bool gen_pattern_attention_by_hand(struct gen *g) {
    enum elem elem = float_elem(g);
    int64_t n = gen_between(g, 1, 2), t = max_i64(gen_extent(g, 17), 1), heads = gen_between(g, 1, 4),
            d = gen_between(g, 1, 9);
    value_id x = gen_leaf(g, NULL, elem, 3, (int64_t[]){n, t, gen_between(g, 1, 33)});
    value_id q = gen_heads_apart(g, gen_dense(g, x, heads * d), n, t, heads, d, false);
    value_id k = gen_heads_apart(g, gen_dense(g, x, heads * d), n, t, heads, d, true);
    value_id v = gen_heads_apart(g, gen_dense(g, x, heads * d), n, t, heads, d, false);
    if (!q.i || !k.i || !v.i) return false;
    value_id s = gen_binary(g, OP_matmul, q, k);
    if (s.i && gen_chance(g, 80)) {
        double root = sqrt((double)d);
        bool divide = gen_chance(g, 50);
        s = gen_binary(g, divide ? OP_div : OP_mul, s, gen_number(g, elem, divide ? root : 1 / root));
    }
    if (s.i && gen_chance(g, 50))
        s = gen_binary(g, OP_add, s, gen_leaf(g, NULL, elem, 4, (int64_t[]){n, 1, 1, t}));
    struct attr axis = attr_int(ATTR_axis, -1);
    s = s.i ? gen_op(g, OP_softmax, &s, 1, &axis, 1) : s;
    value_id y = s.i ? gen_binary(g, OP_matmul, s, v) : s;
    if (!y.i) return false;
    struct attr perm = attr_ints(g->m, ATTR_perm, (int64_t[]){0, 2, 1, 3}, 4);
    struct attr shape = attr_dims(ATTR_shape, dims_from_ints(&g->m->types, (int64_t[]){n, t, heads * d}, 3));
    y = gen_op(g, OP_transpose, &y, 1, &perm, 1);
    return y.i && gen_op(g, OP_reshape, &y, 1, &shape, 1).i;
}

/* -- graphs -- */
/* Cut along an axis and put together again, in order or not: each piece is read by its concat and maybe by
 * an op of its own. */
bool gen_pattern_own_pieces(struct gen *g) {
    value_id x =
        gen_pick(g, (struct gen_want){.elems = ELEMS_ANY, .min_rank = 1, .max_rank = 5, .nonempty = true});
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), axis = (uint32_t)gen_below(g, rank);
    if (dim[axis] < 2) return false;
    int64_t at = gen_between(g, 1, dim[axis] - 1);
    struct attr split[] = {attr_int(ATTR_axis, axis),
                           attr_ints(g->m, ATTR_sizes, (int64_t[]){at, dim[axis] - at}, 2)};
    value_id first = gen_op(g, OP_split, &x, 1, split, 2);
    if (!first.i) return false;
    value_id second = op_get(g->m, value_get(g->m, first)->op)->result[1];
    if (gen_chance(g, 40) && elem_in(gen_elem_of(g, first), ELEMS_SIGNED))
        first = gen_unary(g, OP_relu, first);
    struct attr attr = attr_int(ATTR_axis, axis);
    return first.i &&
           gen_op(g, OP_concat, gen_chance(g, 50) ? (value_id[]){first, second} : (value_id[]){second, first},
                  2, &attr, 1)
               .i;
}

/* Views of views: nothing is computed, and some of it will be an output. */
bool gen_pattern_view_chain(struct gen *g) {
    static const enum op_kind kinds[] = {OP_reshape, OP_flatten, OP_squeeze, OP_unsqueeze, OP_reshape};
    bool any = false;
    for (int64_t n = gen_between(g, 2, 4); n > 0; n--) {
        enum op_kind kind = kinds[gen_below(g, COUNT_OF(kinds))];
        any = gen_rule_of(kind)(g, kind) || any;
    }
    return any;
}

/* The largest element's row of a table: indices that are computed. */
bool gen_pattern_look_up_best(struct gen *g) {
    value_id x = gen_pick(
        g, (struct gen_want){.elems = ELEMS_NUMERIC, .min_rank = 1, .max_rank = 3, .nonempty = true});
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), axis = (uint32_t)gen_below(g, rank);
    struct attr attr = attr_int(ATTR_axis, axis);
    value_id best = gen_op(g, gen_chance(g, 50) ? OP_argmax : OP_argmin, &x, 1, &attr, 1);
    if (!best.i) return false;
    value_id table =
        gen_parameter(g, gen_elem(g, ELEMS_ANY), 2, (int64_t[]){dim[axis], gen_between(g, 1, 5)}, 3);
    return gen_op(g, OP_embedding, (value_id[]){best, table}, 2, NULL, 0).i;
}

/* A chain of pointwise ops in which everything is read more than once. */
bool gen_pattern_tangled_pointwise(struct gen *g) {
    value_id x = gen_pick(g, (struct gen_want){.elems = ELEM_BIT(float_elem(g)), .max_rank = 5}), a = x,
             b = x;
    for (int64_t n = gen_between(g, 2, 7); n > 0 && a.i; n--) {
        static const enum op_kind kinds[] = {OP_add, OP_sub, OP_mul, OP_max, OP_min};
        value_id other = gen_chance(g, 35) ? gen_partner(g, a) : b;
        value_id y = gen_chance(g, 40) ? gen_activation(g, a)
                                       : gen_binary(g, kinds[gen_below(g, COUNT_OF(kinds))], a, other);
        b = a;
        a = y;
    }
    return a.i;
}

/* -- the choice -- */
static const struct pattern {
    const char *name;
    bool (*make)(struct gen *g);
    unsigned weight;
} patterns[] = {
#define PATTERN(name, weight) {#name, gen_pattern_##name, weight},
#include "test/support/fuzz/patterns.def"
};

const char *gen_pattern_name(enum gen_pattern pattern) {
    return patterns[pattern].name;
}

bool gen_pattern(struct gen *g) {
    unsigned all = 0;
    for (unsigned i = 0; i < GEN_PATTERNS; i++) all += patterns[i].weight;
    uint64_t at = gen_below(g, all);
    unsigned i = 0;
    for (; at >= patterns[i].weight; i++) at -= patterns[i].weight;
    bool made = patterns[i].make(g);
    g->made[i] += made;
    return made;
}
