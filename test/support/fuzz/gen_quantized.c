/* Quantized values (ir/quant.h): integers with a scale, moved, summed, and decoded. */
#include "test/support/fuzz/gen.h"

#include <math.h>

static const enum elem integers[] = {ELEM_i8, ELEM_u8, ELEM_i8, ELEM_u8, ELEM_i16, ELEM_u16};

static value_id quantized(struct gen *g, value_id x, enum elem to) {
    if (!x.i) return x;
    const struct gen_value *v = gen_value_of(g, x);
    bool symmetric = elem_kind(to) == ELEM_KIND_INT && gen_chance(g, 50);
    double lo = tensor_count(&v->data) ? fmin(v->lo, 0) : 0, hi = tensor_count(&v->data) ? fmax(v->hi, 0) : 0;
    double steps = (double)(elem_max(to) - elem_min(to)), span = symmetric ? 2 * fmax(-lo, hi) : hi - lo;
    static const double parts[] = {1, 1, 1, 0.5, 0.1, 3}; /* of the range: less saturates */
    double scale = (double)(float)(span > 0 ? span / steps * parts[gen_below(g, COUNT_OF(parts))] : 0.5);
    if (!(scale > 1e-30)) scale = 1;
    double zero = symmetric ? 0
                            : fmax((double)elem_min(to),
                                   fmin((double)elem_max(to), rint((double)elem_min(to) - lo / scale)));
    struct attr attrs[] = {attr_float(ATTR_scale, scale), attr_int(ATTR_zero, (int64_t)zero),
                           attr_elem(ATTR_to, to)};
    return gen_op(g, OP_quantize, &x, 1, attrs, 3);
}

static value_id decoded(struct gen *g, value_id q) {
    return q.i ? gen_op(g, OP_dequantize, &q, 1, NULL, 0) : q;
}

static enum elem any_integer(struct gen *g) {
    return integers[gen_below(g, COUNT_OF(integers))];
}

static struct gen_want floats(uint32_t min_rank, uint32_t max_rank) {
    return (struct gen_want){.elems = ELEM_BIT(ELEM_f32), .min_rank = min_rank, .max_rank = max_rank};
}

bool gen_rule_quantize(struct gen *g, enum op_kind kind) {
    (void)kind;
    return quantized(g, gen_pick(g, floats(0, MAX_RANK)), any_integer(g)).i;
}

static value_id find_quantized(struct gen *g, uint32_t min_rank) {
    return gen_find(
        g, (struct gen_want){.elems = ELEMS_ANY, .min_rank = min_rank, .max_rank = 5, .quantized = true});
}

bool gen_rule_dequantize(struct gen *g, enum op_kind kind) {
    (void)kind;
    value_id q = find_quantized(g, 0);
    if (!q.i) q = quantized(g, gen_pick(g, floats(0, MAX_RANK)), any_integer(g));
    return decoded(g, q).i;
}

/* -- moved -- */
static value_id moved(struct gen *g, value_id q) {
    int64_t dim[MAX_RANK], perm[MAX_RANK], flat = -1;
    uint32_t rank = gen_dims(g, q, dim), axis = rank ? (uint32_t)gen_below(g, rank) : 0;
    for (uint32_t i = 0; i < rank; i++) perm[i] = (i + axis) % rank;
    struct attr shape = attr_dims(ATTR_shape, dims_from_ints(&g->m->types, &flat, 1)),
                axes = attr_ints(g->m, ATTR_axes, &(int64_t){axis}, rank ? 1 : 0);
    struct attr window[] = {attr_ints(g->m, ATTR_window, (int64_t[]){1, 2}, 2),
                            attr_ints(g->m, ATTR_pad, (int64_t[]){0, 1, 0, 0}, 4)};
    switch (gen_below(g, 6)) {
    case 0:
        return gen_transposed(g, q, perm, rank);
    case 1:
        return rank && dim[axis] > 1 ? gen_cut(g, q, axis, 1, dim[axis]) : q;
    case 2:
        return rank ? gen_joined(g, (value_id[]){q, q}, 2, axis) : q;
    case 3:
        return rank == 4 ? gen_op(g, OP_maxpool2d, &q, 1, window, 2) : q;
    case 4:
        return rank && dim[axis] ? gen_op(g, OP_reduce_max, &q, 1, &axes, 1) : q;
    default:
        return gen_op(g, OP_reshape, &q, 1, &shape, 1);
    }
}

/* Moved as integers, or decoded, moved and quantized again. */
bool gen_pattern_quantized_moves(struct gen *g) {
    value_id q = gen_chance(g, 50) ? find_quantized(g, 0) : (value_id){0};
    if (!q.i) q = quantized(g, gen_pick(g, floats(0, 5)), any_integer(g));
    for (int64_t n = gen_between(g, 1, 4); n > 0 && q.i; n--) {
        value_id y = moved(g, q);
        q = y.i ? y : q;
    }
    if (gen_chance(g, 30)) return q.i;
    value_id x = decoded(g, q);
    if (x.i && gen_chance(g, 50)) x = gen_activation(g, x);
    return gen_chance(g, 50) ? x.i : quantized(g, x, any_integer(g)).i;
}

/* -- summed -- */
static value_id factor(struct gen *g, value_id x, bool spelled_out) {
    value_id q = quantized(g, x, gen_chance(g, 50) ? ELEM_i8 : ELEM_u8);
    return spelled_out ? decoded(g, q) : q;
}

static value_id layer(struct gen *g, value_id x, bool spelled_out) {
    int64_t dim[MAX_RANK], out = gen_between(g, 1, 33);
    uint32_t rank = gen_dims(g, x, dim);
    value_id in = factor(g, x, spelled_out),
             bias = gen_chance(g, 60) ? gen_vector_of(g, ELEM_f32, out) : (value_id){0};
    if (rank == 4) {
        int64_t taps = gen_chance(g, 50) && dim[2] > 2 && dim[3] > 2 ? 3 : 1,
                pad = gen_chance(g, 60) ? taps / 2 : 0;
        value_id w =
            gen_parameter(g, ELEM_f32, 4, (int64_t[]){out, dim[1], taps, taps}, dim[1] * taps * taps);
        struct attr attrs[] = {attr_ints(g->m, ATTR_pad, (int64_t[]){pad, pad, pad, pad}, 4)};
        return in.i ? gen_op(g, OP_conv2d, (value_id[]){in, factor(g, w, spelled_out), bias}, 3, attrs, 1)
                    : in;
    }
    value_id w = gen_parameter(g, ELEM_f32, 2, (int64_t[]){out, dim[rank - 1]}, dim[rank - 1]);
    return in.i ? gen_op(g, OP_linear, (value_id[]){in, factor(g, w, spelled_out), bias}, 3, NULL, 0) : in;
}

/* Layers between quantized values, said directly or by what is decoded and encoded around each. */
bool gen_pattern_quantized_layers(struct gen *g) {
    struct gen_want want = floats(2, 4);
    want.nonempty = true;
    value_id x = gen_pick(g, want), y = x;
    bool spelled_out = gen_chance(g, 50);
    for (int64_t n = gen_between(g, 1, 3); n > 0 && y.i; n--) {
        y = layer(g, y, spelled_out);
        if (gen_chance(g, 60)) y = gen_activation(g, y);
    }
    return y.i;
}
