/* Networks whose channels are coupled in the ways that real models couple them. Each block takes the value
 * that the network has come to and gives the next one, 0 if it found no way to. */
#include "test/support/fuzz/gen.h"

#include <math.h>

static value_id op1(struct gen *g, enum op_kind kind, value_id x, const struct attr *attrs, uint32_t count) {
    return x.i ? gen_op(g, kind, &x, 1, attrs, count) : x;
}

static value_id joined(struct gen *g, value_id a, value_id b, int64_t axis) {
    return gen_joined(g, (value_id[]){a, b}, 2, axis);
}

static value_id reshaped(struct gen *g, value_id x, const int64_t *dim, uint32_t rank) {
    struct attr attr = attr_dims(ATTR_shape, dims_from_ints(&g->m->types, dim, rank));
    return op1(g, OP_reshape, x, &attr, 1);
}

static value_id product(struct gen *g, value_id a, value_id b) {
    return a.i && b.i ? gen_binary(g, OP_mul, a, b) : (value_id){0};
}

static int64_t width(struct gen *g) {
    static const int64_t widths[] = {1, 2, 3, 4, 6, 8, 8, 12, 16, 16, 17, 20, 24, 32};
    static const int64_t large[] = {33, 36, 40, 65, 100};
    if (gen_chance(g, 4)) return large[gen_below(g, COUNT_OF(large))];
    return widths[gen_below(g, COUNT_OF(widths))];
}

static int64_t taps(struct gen *g) {
    return gen_chance(g, 50) ? 3 : 1;
}

static value_id unit(struct gen *g, value_id x, int64_t out) {
    return gen_activation(g, gen_conv(g, x, out, taps(g), 1));
}

/* -- images -- */
static value_id block_plain(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    return gen_activation(g, gen_conv(g, x, width(g), taps(g), gen_chance(g, 80) ? 1 : 2));
}

static value_id block_residual(struct gen *g, value_id x, const int64_t *dim) {
    value_id y = unit(g, x, gen_chance(g, 50) ? dim[1] : width(g));
    return gen_activation(g, gen_sum(g, gen_conv(g, y, dim[1], taps(g), 1), x));
}

static value_id block_projected_residual(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    int64_t out = width(g);
    value_id y = gen_conv(g, unit(g, x, width(g)), out, taps(g), 1);
    return gen_activation(g, gen_sum(g, y, gen_conv(g, x, out, 1, 1)));
}

static value_id block_concat(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    value_id y = joined(g, unit(g, x, width(g)), gen_conv(g, x, width(g), taps(g), 1), 1);
    return gen_chance(g, 40) ? joined(g, y, unit(g, x, 5), 1) : y;
}

static value_id block_dense_concat(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    return joined(g, x, unit(g, x, width(g)), 1);
}

static value_id block_depthwise(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    return gen_activation(g, gen_conv(g, x, 0, 3, 1));
}

static value_id block_inverted_residual(struct gen *g, value_id x, const int64_t *dim) {
    value_id y = gen_activation(g, gen_conv(g, unit(g, x, 2 * dim[1]), 0, 3, 1));
    return gen_sum(g, x, gen_conv(g, y, dim[1], 1, 1));
}

static value_id block_grouped(struct gen *g, value_id x, const int64_t *dim) {
    int64_t groups = gen_between(g, 2, 8);
    if (dim[1] % groups) x = unit(g, x, groups * gen_between(g, 1, 4));
    return gen_activation(g, gen_grouped_conv(g, x, groups * gen_between(g, 1, 4), groups, taps(g), 1));
}

/* Several filters for each channel. */
static value_id block_multiplier(struct gen *g, value_id x, const int64_t *dim) {
    if (dim[1] > 16) return (value_id){0};
    return gen_activation(g, gen_grouped_conv(g, x, dim[1] * gen_between(g, 2, 3), dim[1], taps(g), 1));
}

/* Joined, one part twice, and cut apart at places that are not the seams; each piece has its own reader. */
static value_id block_seams(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    value_id a = unit(g, x, width(g)), b = unit(g, x, width(g)), piece[3], y = {0};
    value_id all = gen_joined(g, (value_id[]){a, b, a}, 3, 1);
    int64_t extent[MAX_RANK], at = 0;
    if (!all.i) return all;
    gen_dims(g, all, extent);
    int64_t out = width(g);
    for (uint32_t i = 0; i < 3; i++) {
        int64_t end = i == 2 ? extent[1] : gen_between(g, at + 1, extent[1] - 2 + i);
        piece[i] = gen_cut(g, all, 1, at, end);
        at = end;
        value_id part = gen_conv(g, piece[i], out, taps(g), 1);
        y = i ? gen_sum(g, y, part) : part;
    }
    return gen_activation(g, y);
}

/* Layers whose weights are of very different sizes. */
static value_id block_sizes(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    if (g->whole) return (value_id){0};
    enum elem elem = gen_elem_of(g, x);
    value_id y = gen_conv(g, x, width(g), taps(g), 1);
    y = product(g, y, y.i ? gen_number(g, elem, 0x1p-10) : y);
    y = gen_activation(g, gen_conv(g, y, width(g), 1, 1));
    return product(g, y, y.i ? gen_number(g, elem, 0x1p10) : y);
}

/* A sum or a mean over the positions. */
static value_id pool_all(struct gen *g, value_id x, bool keep) {
    struct attr attrs[] = {attr_ints(g->m, ATTR_axes, (int64_t[]){2, 3}, 2), attr_bool(ATTR_keep, keep)};
    return op1(g, g->whole ? OP_reduce_sum : OP_reduce_mean, x, attrs, 2);
}

static value_id gate(struct gen *g, value_id s) {
    if (!s.i) return s;
    return gen_unary(g, g->whole ? OP_relu : gen_chance(g, 50) ? OP_hard_sigmoid : OP_sigmoid, s);
}

static value_id block_squeeze_excite(struct gen *g, value_id x, const int64_t *dim) {
    value_id s = gen_activation(g, gen_conv(g, pool_all(g, x, true), max_i64(dim[1] / 2, 1), 1, 1));
    return product(g, x, gate(g, gen_conv(g, s, dim[1], 1, 1)));
}

static value_id block_squeeze_excite_linear(struct gen *g, value_id x, const int64_t *dim) {
    value_id s = gen_activation(g, gen_dense(g, pool_all(g, x, false), max_i64(dim[1] / 2, 1)));
    s = gate(g, gen_dense(g, s, dim[1]));
    return product(g, reshaped(g, s, (int64_t[]){dim[0], dim[1], 1, 1}, 4), x);
}

static value_id split_at(struct gen *g, value_id x, int64_t axis, int64_t at, int64_t all, value_id *second) {
    struct attr attrs[] = {attr_int(ATTR_axis, axis),
                           attr_ints(g->m, ATTR_sizes, (int64_t[]){at, all - at}, 2)};
    value_id first = op1(g, OP_split, x, attrs, 2);
    *second = first.i ? op_get(g->m, value_get(g->m, first)->op)->result[1] : first;
    return first;
}

static value_id block_halves(struct gen *g, value_id x, const int64_t *dim) {
    value_id second, first;
    if (dim[1] < 2) return (value_id){0};
    first = split_at(g, x, 1, gen_between(g, 1, dim[1] - 1), dim[1], &second);
    return gen_chance(g, 50) ? joined(g, first, unit(g, second, width(g)), 1)
                             : joined(g, second, gen_activation(g, first), 1);
}

static value_id block_shuffle(struct gen *g, value_id x, const int64_t *dim) {
    if (dim[1] % 2) return (value_id){0};
    x = reshaped(g, x, (int64_t[]){dim[0], 2, dim[1] / 2, dim[2], dim[3]}, 5);
    return reshaped(g, gen_transposed(g, x, (int64_t[]){0, 2, 1, 3, 4}, 5), dim, 4);
}

static value_id block_slice(struct gen *g, value_id x, const int64_t *dim) {
    int64_t from = gen_between(g, 0, dim[1] - 1), to = gen_between(g, from + 1, dim[1]);
    struct attr attrs[] = {attr_ints(g->m, ATTR_axes, (int64_t[]){1}, 1),
                           attr_ints(g->m, ATTR_starts, &from, 1), attr_ints(g->m, ATTR_ends, &to, 1)};
    return op1(g, OP_slice, x, attrs, 3);
}

static value_id block_spatial(struct gen *g, value_id x, const int64_t *dim) {
    struct attr window[] = {attr_ints(g->m, ATTR_window, (int64_t[]){2, 2}, 2),
                            attr_ints(g->m, ATTR_stride, (int64_t[]){gen_between(g, 1, 2), 1}, 2)};
    struct attr pad = attr_ints(g->m, ATTR_pads, (int64_t[]){0, 0, 1, 0, 0, 0, 0, 1}, 8);
    int64_t twice[] = {dim[0], dim[1], 2 * dim[2], dim[3]};
    struct attr resize[] = {attr_dims(ATTR_shape, dims_from_ints(&g->m->types, twice, 4)),
                            attr_keyword(ATTR_mode, KEYWORD_nearest)};
    switch (gen_below(g, 3)) {
    case 0:
        if (dim[2] < 2 || dim[3] < 2) return (value_id){0};
        return op1(g, g->whole || gen_chance(g, 50) ? OP_maxpool2d : OP_avgpool2d, x, window, 2);
    case 1:
        return op1(g, OP_pad, x, &pad, 1);
    default:
        return op1(g, OP_resize, x, resize, 2);
    }
}

static value_id block_normalized(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    return g->whole ? (value_id){0}
                    : gen_activation(g, gen_batchnorm(g, gen_conv(g, x, width(g), taps(g), 1)));
}

/* A number for each channel: a factor, a summand, or the slope below zero. */
static value_id block_scaled(struct gen *g, value_id x, const int64_t *dim) {
    static const enum op_kind kinds[] = {OP_mul, OP_add, OP_prelu, OP_max};
    value_id c = gen_parameter(g, gen_elem_of(g, x), 3, (int64_t[]){dim[1], 1, 1}, 3);
    return gen_binary(g, kinds[gen_below(g, COUNT_OF(kinds))], x, c);
}

static value_id block_transposed(struct gen *g, value_id x, const int64_t *dim) {
    int64_t out = width(g), w[] = {dim[1], out, 2, 2};
    enum elem elem = gen_elem_of(g, x);
    struct attr stride = attr_ints(g->m, ATTR_stride, (int64_t[]){gen_between(g, 1, 2), 1}, 2);
    value_id operand[] = {x, gen_parameter(g, elem, 4, w, dim[1] * 4), gen_vector_of(g, elem, out)};
    return gen_activation(g, gen_op(g, OP_conv_transpose2d, operand, 3, &stride, 1));
}

/* -- from images to vectors, as one token or many -- */
static value_id block_flatten(struct gen *g, value_id x, const int64_t *dim) {
    struct attr axis = attr_int(ATTR_axis, 1);
    value_id y = gen_chance(g, 50) ? op1(g, OP_flatten, x, &axis, 1)
                                   : reshaped(g, x, (int64_t[]){dim[0], dim[1] * dim[2] * dim[3]}, 2);
    y = gen_activation(g, gen_dense(g, y, width(g)));
    struct attr one = attr_ints(g->m, ATTR_axes, (int64_t[]){1}, 1);
    return op1(g, OP_unsqueeze, y, &one, 1);
}

static value_id block_pooled(struct gen *g, value_id x, const int64_t *dim) {
    value_id y = pool_all(g, x, false);
    return reshaped(g, y, (int64_t[]){dim[0], 1, dim[1]}, 3);
}

static value_id block_positions(struct gen *g, value_id x, const int64_t *dim) {
    if (gen_chance(g, 50)) { /* channels last first */
        value_id y = gen_transposed(g, x, (int64_t[]){0, 2, 3, 1}, 4);
        return reshaped(g, y, (int64_t[]){dim[0], dim[2] * dim[3], dim[1]}, 3);
    }
    value_id y = reshaped(g, x, (int64_t[]){dim[0], dim[1], dim[2] * dim[3]}, 3);
    return gen_transposed(g, y, (int64_t[]){0, 2, 1}, 3);
}

/* -- tokens -- */
static value_id block_mlp(struct gen *g, value_id x, const int64_t *dim) {
    value_id y = gen_activation(g, gen_dense(g, x, width(g)));
    if (gen_chance(g, 40)) return y;
    return gen_sum(g, gen_dense(g, y, dim[2]), x);
}

static value_id block_gated(struct gen *g, value_id x, const int64_t *dim) {
    (void)dim;
    int64_t out = width(g);
    return product(g, gate(g, gen_dense(g, x, out)), gen_dense(g, x, out));
}

static value_id block_heads(struct gen *g, value_id x, const int64_t *dim) {
    int64_t heads = gen_between(g, 1, 4), d = gen_between(g, 1, 6), n = dim[0], t = dim[1];
    value_id q = gen_heads_apart(g, gen_dense(g, x, heads * d), n, t, heads, d, false);
    value_id k = gen_heads_apart(g, gen_dense(g, x, heads * d), n, t, heads, d, true);
    value_id v = gen_heads_apart(g, gen_dense(g, x, heads * d), n, t, heads, d, false);
    value_id s = q.i && k.i ? gen_binary(g, OP_matmul, q, k) : (value_id){0};
    struct attr axis = attr_int(ATTR_axis, -1);
    if (!g->whole) {
        if (s.i) s = gen_binary(g, OP_mul, s, gen_number(g, gen_elem_of(g, s), 1 / sqrt((double)d)));
        s = op1(g, OP_softmax, s, &axis, 1);
    }
    value_id y = s.i && v.i ? gen_binary(g, OP_matmul, s, v) : (value_id){0};
    y = reshaped(g, gen_transposed(g, y, (int64_t[]){0, 2, 1, 3}, 4), (int64_t[]){n, t, heads * d}, 3);
    return gen_sum(g, gen_dense(g, y, dim[2]), x);
}

static value_id block_attention(struct gen *g, value_id x, const int64_t *dim) {
    int64_t shared = gen_chance(g, 70) ? 1 : 2, kv_heads = gen_between(g, 1, 3), d = gen_between(g, 1, 6);
    if (g->whole) return (value_id){0};
    value_id q = gen_dense(g, x, kv_heads * shared * d), k = gen_dense(g, x, kv_heads * d),
             v = gen_dense(g, x, kv_heads * d);
    if (!q.i || !k.i || !v.i) return (value_id){0};
    struct attr attrs[] = {attr_int(ATTR_heads, kv_heads * shared), attr_int(ATTR_kv_heads, kv_heads)};
    value_id y = gen_op(g, OP_attention, (value_id[]){q, k, v}, 3, attrs, 2);
    return gen_sum(g, gen_dense(g, y, dim[2]), x);
}

static value_id block_layernorm(struct gen *g, value_id x, const int64_t *dim) {
    enum elem elem = gen_elem_of(g, x);
    if (g->whole) return (value_id){0};
    value_id operand[] = {x, gen_vector_of(g, elem, dim[2]), gen_vector_of(g, elem, dim[2])};
    return gen_op(g, OP_layernorm, operand, 3, NULL, 0);
}

/* The weight on the right, [in, out], as exporters write it. */
static value_id block_matmul(struct gen *g, value_id x, const int64_t *dim) {
    int64_t out = width(g);
    enum elem elem = gen_elem_of(g, x);
    value_id y =
        gen_op(g, OP_matmul, (value_id[]){x, gen_parameter(g, elem, 2, (int64_t[]){dim[2], out}, dim[2])}, 2,
               NULL, 0);
    if (y.i && gen_chance(g, 50)) y = gen_binary(g, OP_add, y, gen_vector_of(g, elem, out));
    return gen_activation(g, y);
}

/* -- networks -- */
enum kind { IMAGE, TOKENS };
static const struct block {
    const char *name;
    value_id (*make)(struct gen *g, value_id x, const int64_t *dim);
    enum kind from, to;
} blocks[] = {
#define BLOCK(name, from, to) {#name, block_##name, from, to},
#include "test/support/fuzz/blocks.def"
};

const char *gen_block_name(enum gen_block block) {
    return blocks[block].name;
}

/* Blocks with sums that are of floats when weights are quantized: their own, products of activations, and
 * transposed convolutions. */
static bool sums_floats(uint64_t block) {
    static const enum gen_block sums[] = {GEN_BLOCK_squeeze_excite, GEN_BLOCK_squeeze_excite_linear,
                                          GEN_BLOCK_heads, GEN_BLOCK_pooled, GEN_BLOCK_transposed};
    for (size_t i = 0; i < COUNT_OF(sums); i++)
        if (block == sums[i]) return true;
    return false;
}

static value_id next(struct gen *g, value_id x, enum kind *kind, bool change, bool sums, uint64_t *made) {
    for (int tries = 0; tries < 40; tries++) {
        uint64_t i = gen_below(g, GEN_BLOCKS);
        if (!sums && sums_floats(i)) continue;
        if (blocks[i].from != *kind || (blocks[i].to != *kind) != change) continue;
        int64_t dim[MAX_RANK];
        uint32_t ops = g->ops;
        gen_dims(g, x, dim);
        value_id y = blocks[i].make(g, x, dim);
        if (!y.i) {
            if (g->ops != ops) g->dropped++;
            continue;
        }
        made[i]++;
        *kind = blocks[i].to;
        return y;
    }
    return x;
}

static value_id last_layer(struct gen *g, value_id x, enum kind kind) {
    int64_t out = gen_between(g, 1, 10);
    value_id y = kind == IMAGE ? gen_conv(g, x, out, 1, 1) : gen_dense(g, x, out);
    return y.i ? y : x;
}

struct module *gen_network(uint64_t seed, bool integer, uint64_t made[GEN_BLOCKS], bool *whole) {
    uint64_t ignored[GEN_BLOCKS] = {0};
    struct gen g;
    gen_begin(&g, seed, "network");
    static const enum elem mains[] = {ELEM_f32, ELEM_f32, ELEM_f32, ELEM_f32,
                                      ELEM_f32, ELEM_f32, ELEM_f64, ELEM_f16};
    g.network = true;
    g.integer = integer;
    g.whole = gen_chance(&g, 50) || integer;
    g.main_elem = g.whole ? ELEM_f32 : mains[gen_below(&g, COUNT_OF(mains))];
    *whole = g.whole && (!integer || gen_chance(&g, 30));
    bool sums = !g.whole || (!integer && gen_chance(&g, 50));
    int64_t side = gen_between(&g, 1, 5);
    enum kind kind = gen_chance(&g, 75) ? IMAGE : TOKENS;
    value_id x = kind == IMAGE
                     ? gen_input(&g, NULL, g.main_elem, 4, (int64_t[]){1, gen_between(&g, 1, 4), side, side})
                     : gen_input(&g, NULL, g.main_elem, 3, (int64_t[]){1, side, width(&g)});
    value_id first = kind == IMAGE ? unit(&g, x, width(&g)) : gen_dense(&g, x, width(&g));
    if (first.i) x = first;
    for (int64_t n = gen_between(&g, 1, 8); n > 0; n--) {
        bool change = kind == IMAGE && gen_chance(&g, 20);
        x = next(&g, x, &kind, change, sums, made ? made : ignored);
    }
    (void)last_layer(&g, x, kind);
    return gen_end(&g);
}
