/* Operands and numbers on which kernels of the field went wrong. */
#include "test/support/fuzz/gen.h"

static const int64_t odd_sizes[] = {1, 2, 3, 5, 7, 8, 9, 13, 15, 16, 17, 23, 31, 33, 37};

static int64_t odd_size(struct gen *g) {
    return odd_sizes[gen_below(g, COUNT_OF(odd_sizes))];
}

static value_id binary(struct gen *g, enum op_kind kind, value_id a, value_id b) {
    return a.i && b.i ? gen_binary(g, kind, a, b) : (value_id){0};
}

/* -- matrix products -- */
/* batch… x rows x columns, as a leaf, or a transpose of one. */
static value_id matrix(struct gen *g, enum elem elem, const int64_t *dim, uint32_t rank) {
    int64_t stored[MAX_RANK], perm[MAX_RANK];
    bool turned = gen_chance(g, 50);
    for (uint32_t i = 0; i < rank; i++) stored[i] = dim[i], perm[i] = i;
    if (turned) {
        stored[rank - 1] = dim[rank - 2], stored[rank - 2] = dim[rank - 1];
        perm[rank - 1] = rank - 2, perm[rank - 2] = rank - 1;
    }
    value_id x = gen_chance(g, 50) ? gen_input(g, NULL, elem, rank, stored)
                                   : gen_parameter(g, elem, rank, stored, stored[rank - 1]);
    if (!turned) return x;
    value_id y = gen_transposed(g, x, perm, rank);
    if (y.i && gen_chance(g, 25)) (void)gen_binary(g, OP_add, y, y); /* it is read again */
    return y;
}

static uint32_t batch_dims(struct gen *g, const int64_t *batch, uint32_t n, int64_t *dim) {
    uint32_t first = gen_chance(g, 30) ? (uint32_t)gen_below(g, n + 1) : 0, k = 0;
    for (uint32_t i = first; i < n; i++) dim[k++] = gen_chance(g, 25) ? 1 : batch[i];
    return k;
}

/* alpha A B + beta C: either operand transposed, batches repeated on either side, every shape of C. */
bool gen_pattern_transposed_operands(struct gen *g) {
    enum elem elem = gen_elem(g, ELEMS_NUMERIC);
    bool square = gen_chance(g, 25);
    int64_t m = odd_size(g), k = square ? m : odd_size(g), n = square ? m : odd_size(g), batch[2],
            dim[MAX_RANK];
    uint32_t batches = (uint32_t)gen_below(g, 3), rank;
    for (uint32_t i = 0; i < batches; i++) batch[i] = gen_between(g, 1, 3);
    rank = batch_dims(g, batch, batches, dim);
    dim[rank] = m, dim[rank + 1] = k;
    value_id a = matrix(g, elem, dim, rank + 2);
    rank = batch_dims(g, batch, batches, dim);
    dim[rank] = k, dim[rank + 1] = n;
    value_id b = square && gen_chance(g, 20) ? a : matrix(g, elem, dim, rank + 2);
    value_id y = binary(g, OP_matmul, a, b);
    if (y.i && gen_chance(g, 30))
        y = gen_binary(g, OP_mul, y, gen_number(g, elem, elem_is_float(elem) ? 0.5 : 3));
    if (!y.i || gen_chance(g, 40)) return y.i;
    const int64_t shapes[][2] = {{m, n}, {1, n}, {m, 1}, {1, 1}};
    const int64_t *c = shapes[gen_below(g, COUNT_OF(shapes))];
    return gen_binary(g, OP_add, y,
                      gen_chance(g, 60) ? gen_leaf(g, NULL, elem, 2, c) : gen_leaf(g, NULL, elem, 1, &n))
        .i;
}

/* One extent past every tile and block: what is summed, the rows, or the columns. */
bool gen_pattern_large_contraction(struct gen *g) {
    static const int64_t large[] = {96,  127, 128, 129, 191, 255, 256, 257,
                                    300, 384, 511, 513, 640, 769, 1025};
    int64_t big = large[gen_below(g, COUNT_OF(large))], most = 4400 / big, which = gen_between(g, 0, 2);
    int64_t size[3] = {gen_between(g, 1, most), gen_between(g, 1, min_i64(most, 40)),
                       gen_between(g, 1, most)};
    size[which] = big; /* rows, summed, columns */
    enum elem elem = gen_elem(g, ELEMS_NUMERIC);
    if (which == 1) size[2] = min_i64(size[2], 400000 / (size[0] * big));
    while (size[0] * size[1] * size[2] > 400000 || size[0] * size[2] > 4400) size[which == 0 ? 2 : 0] = 1;
    if (!elem_is_float(elem) || gen_chance(g, 60)) {
        value_id x = gen_leaf(g, NULL, elem, 2, (int64_t[]){size[0], size[1]});
        if (elem_is_float(elem) && gen_chance(g, 50)) return gen_activation(g, gen_dense(g, x, size[2])).i;
        if (gen_chance(g, 50)) return gen_dense(g, x, size[2]).i;
        return binary(g, OP_matmul, x, gen_parameter(g, elem, 2, &size[1], size[1])).i;
    }
    value_id x = gen_leaf(g, NULL, elem, 4, (int64_t[]){1, size[1], 1, size[0]});
    return gen_activation(g, gen_conv(g, x, size[2], 1, 1)).i;
}

/* Channels and widths that are no multiple of any vector, padding on one side alone, several filters a
 * channel. */
bool gen_pattern_depthwise_tails(struct gen *g) {
    static const int64_t channels[] = {1, 3, 5, 7, 9, 13, 15, 17, 19, 23, 31, 33, 47, 49, 65, 97, 129};
    int64_t c = channels[gen_below(g, COUNT_OF(channels))], side = min_i64(4400 / c, 300);
    int64_t h = gen_between(g, 1, min_i64(side, 12)),
            w = gen_between(g, 1, min_i64(max_i64(side / h, 1), 37));
    int64_t filters = gen_chance(g, 70) ? 1 : gen_between(g, 2, 3), taps[2], stride[2], dilation[2], pad[4];
    for (uint32_t s = 0; s < 2; s++) {
        taps[s] = gen_between(g, 1, 5);
        stride[s] = gen_between(g, 1, 3);
        dilation[s] = gen_chance(g, 70) ? 1 : 2;
        int64_t extent = (taps[s] - 1) * dilation[s] + 1;
        pad[s] = gen_chance(g, 50) ? 0 : gen_between(g, 0, extent);
        pad[2 + s] = gen_chance(g, 50) ? 0 : gen_between(g, 0, extent);
        if ((s ? w : h) + pad[s] + pad[2 + s] < extent) pad[s] = extent;
    }
    enum elem elem = gen_elem(g, ELEMS_FLOAT);
    value_id x = gen_leaf(g, NULL, elem, 4, (int64_t[]){1, c, h, w}),
             k = gen_parameter(g, elem, 4, (int64_t[]){c * filters, 1, taps[0], taps[1]}, taps[0] * taps[1]);
    struct attr attrs[] = {attr_ints(g->m, ATTR_stride, stride, 2),
                           attr_ints(g->m, ATTR_dilation, dilation, 2), attr_ints(g->m, ATTR_pad, pad, 4),
                           attr_int(ATTR_groups, c)};
    value_id bias = gen_chance(g, 50) ? gen_vector_of(g, elem, c * filters) : (value_id){0};
    return gen_activation(g, gen_op(g, OP_conv2d, (value_id[]){x, k, bias}, 3, attrs, 4)).i;
}

/* -- numbers -- */
static value_id rows(struct gen *g, const char *kind, enum elem elem, int64_t *dim, uint32_t *rank) {
    *rank = (uint32_t)gen_between(g, 1, 3);
    gen_shape(g, *rank, 1500, dim);
    for (uint32_t i = 0; i < *rank; i++) dim[i] = max_i64(dim[i], 1);
    return gen_input(g, kind, elem, *rank, dim);
}

static enum elem wide_float(struct gen *g) {
    return gen_chance(g, 80) ? ELEM_f32 : ELEM_f64;
}

static value_id over(struct gen *g, enum op_kind kind, value_id x, int64_t axis) {
    struct attr attrs[] = {attr_ints(g->m, ATTR_axes, &axis, 1), attr_bool(ATTR_keep, true)};
    return x.i ? gen_op(g, kind, &x, 1, attrs, 2) : x;
}

/* Means and variances of rows whose mean is large, or that are constant. */
bool gen_pattern_norm_of_large_mean(struct gen *g) {
    int64_t dim[MAX_RANK];
    uint32_t rank;
    enum elem elem = wide_float(g);
    value_id x = rows(g, gen_chance(g, 75) ? FUZZ_OFFSET : FUZZ_STEPS, elem, dim, &rank), scale, bias;
    int64_t axis = (int64_t)gen_below(g, rank);
    if (gen_chance(g, 40)) { /* written out */
        value_id centred = binary(g, OP_sub, x, over(g, OP_reduce_mean, x, axis));
        value_id variance = over(g, OP_reduce_mean, binary(g, OP_mul, centred, centred), axis);
        variance = binary(g, OP_add, variance, gen_number(g, elem, 1e-5));
        variance = variance.i ? gen_unary(g, OP_sqrt, variance) : variance;
        return binary(g, OP_div, centred, variance).i;
    }
    scale = gen_parameter(g, elem, rank - (uint32_t)axis, dim + axis, 3);
    bias = gen_parameter(g, elem, rank - (uint32_t)axis, dim + axis, 3);
    struct attr attrs[] = {attr_int(ATTR_axis, axis),
                           attr_float(ATTR_epsilon, gen_chance(g, 50) ? 1e-5 : 1e-3)};
    return gen_op(g, OP_layernorm, (value_id[]){x, scale, bias}, 3, attrs, 2).i;
}

/* Rows whose plain exponentials overflow, and rows of equal numbers, along any axis. */
bool gen_pattern_softmax_of_extremes(struct gen *g) {
    int64_t dim[MAX_RANK];
    uint32_t rank;
    value_id x = rows(g, gen_chance(g, 60) ? FUZZ_LARGE : FUZZ_STEPS, wide_float(g), dim, &rank), y;
    struct attr axis = attr_int(ATTR_axis, (int64_t)gen_below(g, rank));
    if (gen_chance(g, 20)) { /* written out */
        int64_t along = axis.i;
        y = binary(g, OP_sub, x, over(g, OP_reduce_max, x, along));
        y = y.i ? gen_unary(g, OP_exp, y) : y;
        return binary(g, OP_div, y, over(g, OP_reduce_sum, y, along)).i;
    }
    y = gen_op(g, gen_chance(g, 60) ? OP_softmax : OP_log_softmax, &x, 1, &axis, 1);
    if (rank == 3 && gen_chance(g, 40)) {
        struct attr causal = attr_bool(ATTR_causal, gen_chance(g, 50));
        y = gen_op(g, OP_attention, (value_id[]){x, x, x}, 3, &causal, 1);
    }
    return y.i;
}

/* -- integers -- */
static value_id full(struct gen *g, enum elem elem, uint32_t rank, const int64_t *dim) {
    return gen_input(g, FUZZ_FULL, elem, rank, dim);
}

/* x - zero in i32. */
static value_id centred(struct gen *g, value_id x, enum elem elem, int64_t n) {
    value_id wide = gen_cast(g, x, ELEM_i32);
    if (gen_chance(g, 40)) return wide;
    value_id zero =
        gen_chance(g, 60) ? gen_number(g, elem, (double)gen_between(g, 0, 127)) : full(g, elem, 1, &n);
    return binary(g, OP_sub, wide, gen_cast(g, zero, ELEM_i32));
}

/* Products of bytes of the whole range with zero points, as importers write them, and what becomes of the
 * sums. */
bool gen_pattern_integer_product(struct gen *g) {
    static const enum elem bytes[] = {ELEM_u8, ELEM_i8};
    enum elem x_elem = bytes[gen_below(g, 2)], w_elem = bytes[gen_below(g, 2)];
    int64_t m = gen_between(g, 1, 20), k = gen_chance(g, 80) ? odd_size(g) : gen_between(g, 60, 200),
            n = odd_size(g);
    value_id y;
    if (gen_chance(g, 60)) {
        value_id x = full(g, x_elem, 2, (int64_t[]){m, k}), w = full(g, w_elem, 2, (int64_t[]){k, n});
        y = binary(g, OP_matmul, centred(g, x, x_elem, k), centred(g, w, w_elem, n));
    } else {
        int64_t c = gen_between(g, 1, 9), side = gen_between(g, 3, 6);
        value_id x = full(g, x_elem, 4, (int64_t[]){1, c, side, side}),
                 w = full(g, w_elem, 4, (int64_t[]){n, c, 3, 3});
        value_id in[] = {gen_cast(g, centred(g, x, x_elem, side), ELEM_f64),
                         gen_cast(g, centred(g, w, w_elem, 3), ELEM_f64)};
        struct attr pad = attr_ints(g->m, ATTR_pad, (int64_t[]){1, 1, 1, 1}, 4);
        y = in[0].i && in[1].i ? gen_op(g, OP_conv2d, in, 2, &pad, gen_chance(g, 50)) : in[0];
        y = gen_cast(g, y, ELEM_i32);
    }
    if (!y.i || gen_chance(g, 40)) return y.i;
    y = binary(g, OP_mul, gen_cast(g, y, ELEM_f32), gen_number(g, ELEM_f32, 1.0 / 4096));
    return y.i && gen_activation(g, y).i;
}

/* Chains in one integer type, over its whole range, with what may wrap, overflow or meet the smallest number.
 */
bool gen_pattern_integers_wrap(struct gen *g) {
    static const enum elem elems[] = {ELEM_i8,  ELEM_u8,  ELEM_i16, ELEM_u16,
                                      ELEM_i32, ELEM_u32, ELEM_i64, ELEM_u64};
    static const enum op_kind kinds[] = {OP_add, OP_sub, OP_mul, OP_mul, OP_div,
                                         OP_mod, OP_min, OP_max, OP_pow};
    static const enum op_kind sums[] = {OP_reduce_sum, OP_reduce_prod, OP_reduce_sum_square, OP_reduce_mean};
    static const enum op_kind compared[] = {OP_equal, OP_less, OP_less_equal, OP_greater, OP_greater_equal};
    enum elem elem = elems[gen_below(g, COUNT_OF(elems))];
    int64_t dim[MAX_RANK];
    uint32_t rank = (uint32_t)gen_between(g, 1, 3);
    gen_shape(g, rank, 200, dim);
    value_id x = full(g, elem, rank, dim), y = x;
    for (int64_t n = gen_between(g, 2, 7); n > 0 && y.i; n--) {
        value_id other = gen_chance(g, 40) ? full(g, elem, rank, dim) : gen_partner(g, y);
        uint64_t what = gen_below(g, 10);
        if (what < 6)
            y = gen_chance(g, 50) ? gen_binary(g, kinds[gen_below(g, COUNT_OF(kinds))], y, other)
                                  : gen_binary(g, kinds[gen_below(g, COUNT_OF(kinds))], other, y);
        else if (what == 6)
            (void)gen_binary(g, compared[gen_below(g, COUNT_OF(compared))], y, other);
        else if (what == 7 && elem_kind(elem) == ELEM_KIND_INT)
            y = gen_unary(g, gen_chance(g, 50) ? OP_neg : OP_abs, y);
        else if (what == 8)
            y = gen_cast(g, gen_cast(g, y, elems[gen_below(g, COUNT_OF(elems))]), elem);
        else
            y = binary(g, OP_add, y, over(g, sums[gen_below(g, COUNT_OF(sums))], y, -1));
    }
    return y.i;
}
