/* Shapes of graphs: where memory plans, fusion and walks over the graph have special cases. */
#include "test/support/fuzz/gen.h"

#include <stdlib.h>

static value_id pick_any(struct gen *g, elem_set elems, uint32_t min_rank) {
    return gen_pick(g,
                    (struct gen_want){.elems = elems, .min_rank = min_rank, .max_rank = 5, .nonempty = true});
}

static enum op_kind one_of(struct gen *g, const enum op_kind *kinds, size_t count) {
    return kinds[gen_below(g, count)];
}
#define ONE_OF(g, ...)                                                                                       \
    one_of(g, (const enum op_kind[]){__VA_ARGS__}, COUNT_OF(((const enum op_kind[]){__VA_ARGS__})))

static value_id binary(struct gen *g, enum op_kind kind, value_id a, value_id b) {
    return a.i && b.i ? gen_binary(g, kind, a, b) : (value_id){0};
}

static void shuffle(struct gen *g, value_id *v, uint32_t n) {
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = (uint32_t)gen_below(g, i);
        value_id swap = v[i - 1];
        v[i - 1] = v[k];
        v[k] = swap;
    }
}

/* -- pieces -- */
/* Pieces of x along the axis: those of a split, or slices, which may overlap. */
static uint32_t take_pieces(struct gen *g, value_id x, uint32_t axis, int64_t extent, value_id pieces[6]) {
    int64_t sizes[6], left = extent;
    uint32_t n = (uint32_t)gen_between(g, 2, 6);
    if (gen_chance(g, 40)) {
        for (uint32_t i = 0; i < n; i++) {
            int64_t from = gen_between(g, 0, extent - 1);
            pieces[i] = gen_cut(g, x, axis, from, gen_between(g, from + 1, extent));
        }
        return n;
    }
    for (uint32_t i = 0; i + 1 < n; i++) {
        sizes[i] = gen_between(g, gen_chance(g, 5) || left == 0 ? 0 : 1, (left + 1) / 2);
        left -= sizes[i];
    }
    sizes[n - 1] = left;
    struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_ints(g->m, ATTR_sizes, sizes, n)};
    value_id first = gen_op(g, OP_split, &x, 1, attrs, 2);
    for (uint32_t i = 0; i < n; i++)
        pieces[i] = first.i ? op_get(g->m, value_get(g->m, first)->op)->result[i] : first;
    return n;
}

/* Some of the pieces in any order, some of them more than once. */
static value_id join_some(struct gen *g, const value_id *pieces, uint32_t n, uint32_t axis) {
    value_id chosen[8];
    uint32_t k = (uint32_t)gen_between(g, 2, 8);
    for (uint32_t i = 0; i < k; i++) chosen[i] = pieces[gen_below(g, n)];
    return gen_joined(g, chosen, k, axis);
}

/* One value cut apart and put together in other ways: pieces in two joins, joined with the whole, cut again.
 */
bool gen_pattern_many_pieces(struct gen *g) {
    value_id x = pick_any(g, ELEMS_ANY, 1), piece[6];
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), axis = (uint32_t)gen_below(g, rank);
    if (dim[axis] < 2) return false;
    if (gen_chance(g, 30) && elem_in(gen_elem_of(g, x), ELEMS_SIGNED)) x = gen_unary(g, OP_neg, x);
    if (!x.i) return false;
    uint32_t n = take_pieces(g, x, axis, dim[axis], piece);
    for (uint32_t i = 0; i < n; i++)
        if (piece[i].i && gen_chance(g, 25) && elem_in(gen_elem_of(g, x), ELEMS_SIGNED))
            piece[i] = gen_unary(g, ONE_OF(g, OP_relu, OP_abs, OP_neg), piece[i]);
    if (gen_chance(g, 20)) piece[0] = x;
    if (gen_chance(g, 50)) shuffle(g, piece, n);
    value_id y = gen_chance(g, 50) ? gen_joined(g, piece, n, axis) : join_some(g, piece, n, axis);
    if (gen_chance(g, 60)) (void)join_some(g, piece, n, axis);
    if (!y.i || gen_chance(g, 40)) return y.i;
    gen_dims(g, y, dim); /* cut again, at another place */
    if (dim[axis] < 2) return true;
    int64_t at = gen_between(g, 1, dim[axis] - 1);
    value_id again[] = {gen_cut(g, y, axis, at, dim[axis]), gen_cut(g, y, axis, 0, at), y};
    return gen_joined(g, again, (uint32_t)gen_between(g, 2, 3), axis).i;
}

/* A join, or a sum, of more operands than models usually have. */
bool gen_pattern_many_operands(struct gen *g) {
    value_id x = pick_any(g, ELEMS_NUMERIC, 1), operand[24];
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), n = (uint32_t)gen_between(g, 6, COUNT_OF(operand));
    bool sum = gen_chance(g, 40);
    for (uint32_t i = 0; i < n; i++)
        operand[i] = gen_chance(g, 60) ? x : gen_leaf(g, NULL, gen_elem_of(g, x), rank, dim);
    if (!sum) return gen_joined(g, operand, n, (int64_t)gen_below(g, rank)).i;
    value_id y = operand[n - 1];
    for (uint32_t i = 0; i + 1 < n; i++) y = binary(g, OP_add, y, operand[i]);
    return y.i;
}

/* -- lifetimes -- */
static value_id image(struct gen *g) {
    static const int64_t channels[] = {1, 3, 4, 8, 15, 16, 17, 32};
    enum elem elem = gen_elem(g, ELEMS_FLOAT);
    value_id found = gen_find(
        g, (struct gen_want){.elems = ELEM_BIT(elem), .min_rank = 4, .max_rank = 4, .nonempty = true});
    int64_t side = gen_between(g, 1, 8);
    return found.i ? found
                   : gen_input(g, NULL, elem, 4,
                               (int64_t[]){1, channels[gen_below(g, COUNT_OF(channels))], side, side});
}

/* Sums with convolutions that could be computed in their other operand's place, which is read again. */
bool gen_pattern_residual_read_again(struct gen *g) {
    value_id x = image(g);
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    value_id y = gen_conv(g, x, dim[1], gen_chance(g, 50) ? 3 : 1, 1), sum = {0};
    switch (gen_below(g, 4)) {
    case 0: /* the network's input, or what the last op made */
        sum = gen_sum(g, y, x);
        break;
    case 1: /* itself */
        sum = gen_sum(g, y, y);
        break;
    case 2: /* another one */
        sum = gen_sum(g, y, gen_conv(g, x, dim[1], 1, 1));
        break;
    default: /* something that repeats */
        sum = gen_sum(g, y, gen_parameter(g, gen_elem_of(g, x), 3, (int64_t[]){dim[1], 1, 1}, 3));
    }
    value_id out = gen_chance(g, 60) ? gen_activation(g, sum) : sum;
    if (!out.i) return false;
    value_id next = gen_conv(g, out, dim[1], 1, 1);
    next = gen_sum(g, next, gen_chance(g, 50) ? x : sum);
    return gen_sum(g, gen_activation(g, next), gen_chance(g, 50) ? y : x).i;
}

/* Apart and together again, several times. */
bool gen_pattern_diamonds(struct gen *g) {
    value_id x = pick_any(g, ELEM_BIT(gen_elem(g, ELEMS_FLOAT)), 1);
    for (int64_t n = gen_between(g, 1, 4); n > 0 && x.i; n--) {
        value_id a = gen_activation(g, x), b = gen_chance(g, 50) ? gen_activation(g, x) : gen_partner(g, x);
        if (gen_chance(g, 30)) a = binary(g, OP_mul, a, gen_activation(g, x));
        x = binary(g, ONE_OF(g, OP_add, OP_sub, OP_max, OP_min), a, b);
    }
    return x.i;
}

/* A value that needs memory of its own. */
static value_id stored(struct gen *g, value_id x, uint32_t rank) {
    struct attr axis = attr_int(ATTR_axis, -1);
    int64_t start = -1, end = INT64_MIN + 1, step = -1, last = (int64_t)rank - 1;
    struct attr backwards[] = {attr_ints(g->m, ATTR_starts, &start, 1), attr_ints(g->m, ATTR_ends, &end, 1),
                               attr_ints(g->m, ATTR_axes, &last, 1), attr_ints(g->m, ATTR_steps, &step, 1)};
    switch (gen_below(g, 3)) {
    case 0:
        return gen_op(g, OP_softmax, &x, 1, &axis, 1);
    case 1:
        return gen_op(g, OP_slice, &x, 1, backwards, 4);
    default:
        return gen_activation(g, x);
    }
}

/* Several values at once, read for the last time in the order in which they were made, backwards, or in none.
 */
bool gen_pattern_dying_order(struct gen *g) {
    value_id x = pick_any(g, ELEM_BIT(gen_elem(g, ELEMS_FLOAT)), 1), v[8] = {x};
    int64_t dim[MAX_RANK];
    uint32_t n = (uint32_t)gen_between(g, 3, 8), rank = gen_dims(g, x, dim);
    for (uint32_t i = 0; i < n; i++)
        v[i] = stored(g, gen_chance(g, 60) || !i || !v[i - 1].i ? x : v[i - 1], rank);
    switch (gen_below(g, 3)) {
    case 0:
        shuffle(g, v, n);
        break;
    case 1:
        for (uint32_t i = 0; i < n / 2; i++) {
            value_id swap = v[i];
            v[i] = v[n - 1 - i];
            v[n - 1 - i] = swap;
        }
        break;
    default:
        break;
    }
    value_id sum = v[0];
    for (uint32_t i = 1; i < n && sum.i; i++) {
        sum = binary(g, ONE_OF(g, OP_add, OP_max, OP_min, OP_sub), sum, v[i]);
        if (sum.i && gen_chance(g, 30)) sum = stored(g, sum, rank);
    }
    return sum.i;
}

/* -- ops that change nothing, or undo each other -- */
bool gen_pattern_idle_ops(struct gen *g) {
    value_id x = pick_any(g, ELEMS_SIGNED, 2), y = x;
    enum elem elem = gen_elem_of(g, x);
    int64_t dim[MAX_RANK], zero[2 * MAX_RANK] = {0}, perm[MAX_RANK], back[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    for (uint32_t i = 0; i < rank; i++) perm[i] = (i + 1) % rank, back[(i + 1) % rank] = i;
    struct attr pads = attr_ints(g->m, ATTR_pads, zero, 2 * rank),
                shape = attr_dims(ATTR_shape, dims_from_ints(&g->m->types, dim, rank));
    for (int64_t n = gen_between(g, 2, 5); n > 0 && y.i; n--) {
        switch (gen_below(g, 9)) {
        case 0:
            y = gen_binary(g, ONE_OF(g, OP_add, OP_sub), y, gen_number(g, elem, 0));
            break;
        case 1:
            y = gen_binary(g, ONE_OF(g, OP_mul, OP_div, OP_pow), y, gen_number(g, elem, 1));
            break;
        case 2:
            y = gen_transposed(g, gen_transposed(g, y, perm, rank), back, rank);
            break;
        case 3:
            y = gen_unary(g, OP_neg, y);
            y = y.i ? gen_unary(g, OP_neg, y) : y;
            break;
        case 4:
            y = gen_cut(g, y, 0, 0, dim[0]);
            break;
        case 5:
            y = gen_op(g, OP_pad, &y, 1, &pads, 1);
            break;
        case 6:
            y = gen_joined(g, &y, 1, 0);
            break;
        case 7:
            y = gen_cast(g, y, elem);
            break;
        default:
            y = gen_op(g, gen_chance(g, 50) ? OP_expand : OP_reshape, &y, 1, &shape, 1);
        }
    }
    return y.i && gen_binary(g, OP_add, y, x).i;
}

/* From one element type to the next, with an op in between now and then. */
bool gen_pattern_casts_between(struct gen *g) {
    static const enum elem elems[] = {ELEM_bool, ELEM_u8,  ELEM_u16, ELEM_u32,  ELEM_u64, ELEM_i8, ELEM_i16,
                                      ELEM_i32,  ELEM_i64, ELEM_f16, ELEM_bf16, ELEM_f32, ELEM_f64};
    value_id x = pick_any(g, ELEMS_ANY, 0);
    for (int64_t n = gen_between(g, 2, 6); n > 0 && x.i; n--) {
        value_id y = gen_cast(g, x, elems[gen_below(g, COUNT_OF(elems))]);
        if (y.i && gen_chance(g, 50) && elem_in(gen_elem_of(g, y), ELEMS_NUMERIC))
            y = gen_chance(g, 50)
                    ? gen_unary(g, ONE_OF(g, OP_abs, OP_sign), y)
                    : gen_binary(g, ONE_OF(g, OP_add, OP_mul, OP_sub, OP_max), y, gen_partner(g, y));
        if (y.i && gen_chance(g, 20) && elem_in(gen_elem_of(g, y), ELEMS_NUMERIC))
            (void)gen_binary(g, ONE_OF(g, OP_equal, OP_less), y, gen_partner(g, y));
        x = y;
    }
    return x.i;
}

/* -- broadcasting -- */
/* All extents alike, so that a vector, a column, a channel and a batch differ by leading and trailing ones
 * alone. */
bool gen_pattern_broadcast_traps(struct gen *g) {
    static const int64_t extents[] = {2, 3, 4, 5, 6, 7, 8, 16, 17};
    int64_t n = extents[gen_below(g, COUNT_OF(extents))], dim[MAX_RANK], most = n < 9 ? 4 : 2;
    enum elem elem = gen_elem(g, ELEMS_SIGNED);
    uint32_t rank = (uint32_t)gen_between(g, 1, most);
    for (uint32_t i = 0; i < rank; i++) dim[i] = n;
    value_id x = gen_input(g, NULL, elem, rank, dim);
    for (int64_t steps = gen_between(g, 2, 6); steps > 0 && x.i; steps--) {
        value_id other;
        if (gen_chance(g, 25)) { /* a part of itself joined back in */
            rank = gen_dims(g, x, dim);
            int64_t axis = (int64_t)gen_below(g, rank ? rank : 1);
            struct attr attrs[] = {attr_ints(g->m, ATTR_axes, &axis, rank ? 1 : 0),
                                   attr_bool(ATTR_keep, gen_chance(g, 60))};
            other = gen_op(g, ONE_OF(g, OP_reduce_max, OP_reduce_min, OP_reduce_sum), &x, 1, attrs, 2);
        } else {
            uint32_t k = (uint32_t)gen_between(g, 0, most);
            for (uint32_t i = 0; i < k; i++) dim[i] = gen_chance(g, 50) ? 1 : n;
            other = gen_leaf(g, NULL, elem, k, dim);
        }
        enum op_kind kind = ONE_OF(g, OP_add, OP_sub, OP_mul, OP_max, OP_min);
        x = gen_chance(g, 50) ? binary(g, kind, x, other) : binary(g, kind, other, x);
    }
    return x.i;
}

/* -- long chains -- */
/* A step after which numbers are about as large as before. */
static value_id steady_step(struct gen *g, value_id x, value_id past) {
    enum elem elem = gen_elem_of(g, x);
    if (!elem_is_float(elem)) {
        if (gen_chance(g, 30)) return gen_unary(g, ONE_OF(g, OP_abs, OP_sign, OP_abs), x);
        return binary(g, ONE_OF(g, OP_add, OP_sub, OP_mul, OP_max, OP_min), x, past);
    }
    switch (gen_below(g, 4)) {
    case 0:
        return gen_unary(g, ONE_OF(g, OP_relu, OP_abs, OP_neg, OP_clip, OP_tanh, OP_hard_sigmoid), x);
    case 1:
        return binary(g, ONE_OF(g, OP_max, OP_min), x, past);
    case 2:
        return gen_binary(g, ONE_OF(g, OP_add, OP_sub), x, gen_number(g, elem, 0.25));
    default:
        x = binary(g, ONE_OF(g, OP_add, OP_sub), x, past);
        return x.i ? gen_binary(g, OP_mul, x, gen_number(g, elem, 0.5)) : x;
    }
}

void gen_long_chain(struct gen *g) {
    int64_t dim[MAX_RANK], wanted = gen_between(g, 150, 1000);
    uint32_t rank = (uint32_t)gen_between(g, 1, 3), count = 1;
    gen_shape(g, rank, 40, dim);
    value_id x = gen_input(g, NULL, g->main_elem, rank, dim), *past = xmalloc(2048 * sizeof *past);
    past[0] = x;
    for (int tries = 0; g->ops < wanted && tries < 1200; tries++) {
        value_id y = steady_step(g, x, past[gen_below(g, count)]);
        if (!y.i) continue;
        past[count++] = x = y;
    }
    free(past);
}
