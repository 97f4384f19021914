/* Rules of movement and indexing. */
#include "test/support/fuzz/gen.h"

#include <string.h>

static value_id pick(struct gen *g, enum op_kind kind, uint32_t min_rank, uint32_t max_rank) {
    return gen_pick(
        g, (struct gen_want){.elems = op_info(kind)->elems, .min_rank = min_rank, .max_rank = max_rank});
}

static value_id pick_nonempty(struct gen *g, enum op_kind kind, uint32_t min_rank, uint32_t max_rank) {
    return gen_pick(
        g, (struct gen_want){
               .elems = op_info(kind)->elems, .min_rank = min_rank, .max_rank = max_rank, .nonempty = true});
}

static int64_t any_axis(struct gen *g, uint32_t rank) {
    int64_t axis = gen_between(g, 0, (int64_t)rank - 1);
    return gen_chance(g, 30) ? axis - (int64_t)rank : axis;
}

static struct attr shape_attr(struct gen *g, const int64_t *dim, uint32_t rank) {
    return attr_dims(ATTR_shape, dims_from_ints(&g->m->types, dim, rank));
}

static int64_t count_of(const int64_t *dim, uint32_t rank) {
    int64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) n *= dim[i];
    return n;
}

/* -- views -- */
bool gen_rule_reshape(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 0, MAX_RANK);
    int64_t dim[MAX_RANK], to[MAX_RANK];
    int64_t left = count_of(dim, gen_dims(g, x, dim));
    uint32_t rank = (uint32_t)gen_between(g, left == 1 ? 0 : 1, 5);
    for (uint32_t i = 0; i < rank; i++) to[i] = 1;
    for (int64_t p = 2; left > 1 && p <= left;) { /* prime factors to dimensions by chance */
        if (left % p) {
            p++;
            continue;
        }
        to[gen_below(g, rank)] *= p;
        left /= p;
    }
    if (left == 0) to[gen_below(g, rank)] = 0;
    if (rank && left == 1 && gen_chance(g, 20)) to[gen_below(g, rank)] = -1;
    struct attr shape = shape_attr(g, to, rank);
    return gen_op(g, kind, &x, 1, &shape, 1).i;
}

bool gen_rule_flatten(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 0, MAX_RANK);
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    struct attr axis = attr_int(ATTR_axis, gen_between(g, -(int64_t)rank, rank));
    return gen_op(g, kind, &x, 1, &axis, 1).i;
}

bool gen_rule_squeeze(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 0, MAX_RANK);
    int64_t dim[MAX_RANK], axes[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), n = 0;
    for (uint32_t i = 0; i < rank; i++)
        if (dim[i] == 1 && gen_chance(g, 60))
            axes[n++] = gen_chance(g, 30) ? (int64_t)i - (int64_t)rank : (int64_t)i;
    struct attr attr = attr_ints(g->m, ATTR_axes, axes, n);
    return gen_op(g, kind, &x, 1, &attr, 1).i;
}

bool gen_rule_unsqueeze(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 0, 5);
    int64_t dim[MAX_RANK], axes[2];
    uint32_t n = (uint32_t)gen_between(g, 1, 2), rank = gen_dims(g, x, dim) + n;
    axes[0] = gen_between(g, 0, (int64_t)rank - 1);
    if (n == 2) do
            axes[1] = gen_between(g, 0, (int64_t)rank - 1);
        while (axes[1] == axes[0]);
    if (gen_chance(g, 30)) axes[0] -= (int64_t)rank;
    struct attr attr = attr_ints(g->m, ATTR_axes, axes, n);
    return gen_op(g, kind, &x, 1, &attr, 1).i;
}

/* -- transpose, expand, tile -- */
bool gen_rule_transpose(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, gen_chance(g, 90) ? 2 : 0, 5);
    int64_t dim[MAX_RANK], perm[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), n = rank;
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    for (uint32_t i = rank; i > 1; i--) {
        uint32_t k = (uint32_t)gen_below(g, i);
        int64_t swap = perm[i - 1];
        perm[i - 1] = perm[k];
        perm[k] = swap;
    }
    if (gen_chance(g, 15)) n = 0;
    struct attr attr = attr_ints(g->m, ATTR_perm, perm, n);
    return gen_op(g, kind, &x, 1, &attr, 1).i;
}

bool gen_rule_expand(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 0, 5);
    int64_t dim[MAX_RANK], to[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), n = 0;
    int64_t room = GEN_MAX_ELEMENTS / max_i64(count_of(dim, rank), 1);
    if (rank < 5 && gen_chance(g, 40)) {
        to[n] = gen_extent(g, min_i64(room, 9));
        room /= max_i64(to[n++], 1);
    }
    uint32_t skipped = n || rank == 0 ? 0 : (uint32_t)gen_below(g, rank);
    for (uint32_t i = skipped; i < rank; i++) {
        to[n] = dim[i];
        if (dim[i] == 1 && gen_chance(g, 60)) {
            to[n] = gen_extent(g, max_i64(min_i64(room, 33), 1));
            room /= max_i64(to[n], 1);
        } else if (gen_chance(g, 20))
            to[n] = 1; /* the operand has the larger extent */
        n++;
    }
    struct attr shape = shape_attr(g, to, n);
    return gen_op(g, kind, &x, 1, &shape, 1).i;
}

bool gen_rule_tile(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 0, 5);
    int64_t dim[MAX_RANK], repeats[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    for (uint32_t i = 0; i < rank; i++)
        repeats[i] = gen_chance(g, 55) ? 1 : gen_chance(g, 4) ? 0 : gen_between(g, 2, 4);
    struct attr attr = attr_ints(g->m, ATTR_repeats, repeats, rank);
    return gen_op(g, kind, &x, 1, &attr, 1).i;
}

/* -- pieces -- */
/* One dimension's start, end and step, mostly not empty; positions may lie outside and count from the end. */
static void choose_cut(struct gen *g, int64_t extent, int64_t *start, int64_t *end, int64_t *step) {
    *step = gen_chance(g, 55) ? 1 : gen_chance(g, 50) ? gen_between(g, 2, 3) : -gen_between(g, 1, 3);
    int64_t lo = gen_between(g, 0, max_i64(extent - 1, 0)),
            hi = gen_between(g, lo + !gen_chance(g, 5), extent + 1);
    if (gen_chance(g, 30)) lo = 0;
    if (gen_chance(g, 30)) hi = extent;
    *start = *step > 0 ? lo : hi - 1;
    *end = *step > 0 ? hi : lo - 1;
    if (*step < 0 && *end < 0) *end = -extent - 1; /* -1 would be the last one */
    if (*start >= 0 && *start < extent && gen_chance(g, 25)) *start -= extent;
    if (*step > 0 && *end > 0 && *end < extent && gen_chance(g, 25)) *end -= extent;
    if (*step > 0 && *end >= extent && gen_chance(g, 30)) *end = INT64_MAX;
}

value_id gen_cut(struct gen *g, value_id x, uint32_t axis, int64_t start, int64_t end) {
    struct attr attrs[] = {attr_ints(g->m, ATTR_starts, &start, 1), attr_ints(g->m, ATTR_ends, &end, 1),
                           attr_ints(g->m, ATTR_axes, &(int64_t){axis}, 1)};
    return gen_op(g, OP_slice, &x, 1, attrs, 3);
}

value_id gen_joined(struct gen *g, const value_id *pieces, uint32_t count, int64_t axis) {
    struct attr attr = attr_int(ATTR_axis, axis);
    for (uint32_t i = 0; i < count; i++)
        if (!pieces[i].i) return pieces[i];
    return gen_op(g, OP_concat, pieces, count, &attr, 1);
}

value_id gen_transposed(struct gen *g, value_id x, const int64_t *perm, uint32_t rank) {
    struct attr attr = attr_ints(g->m, ATTR_perm, perm, rank);
    return x.i ? gen_op(g, OP_transpose, &x, 1, &attr, 1) : x;
}

bool gen_rule_slice(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 1, 5);
    int64_t dim[MAX_RANK], starts[MAX_RANK], ends[MAX_RANK], axes[MAX_RANK], steps[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim), n = 0;
    bool all = gen_chance(g, 15), steps_given = gen_chance(g, 70);
    for (uint32_t i = 0; i < rank; i++) {
        if (!all && !gen_chance(g, 50) && !(n == 0 && i + 1 == rank)) continue;
        choose_cut(g, dim[i], &starts[n], &ends[n], &steps[n]);
        if (!steps_given && steps[n] < 0) starts[n] = 0, ends[n] = dim[i];
        axes[n++] = gen_chance(g, 20) ? (int64_t)i - (int64_t)rank : (int64_t)i;
    }
    struct attr attrs[] = {attr_ints(g->m, ATTR_starts, starts, n), attr_ints(g->m, ATTR_ends, ends, n),
                           attr_ints(g->m, ATTR_axes, axes, all ? 0 : n),
                           attr_ints(g->m, ATTR_steps, steps, steps_given ? n : 0)};
    return gen_op(g, kind, &x, 1, attrs, 4).i;
}

/* Something that goes beside x along the axis: x itself, a piece of it, of the pool, or new. */
static value_id neighbour(struct gen *g, value_id x, uint32_t axis) {
    int64_t dim[MAX_RANK], other[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    if (gen_chance(g, 15)) return x;
    if (gen_chance(g, 20) && dim[axis] > 1)
        return gen_cut(g, x, axis, gen_between(g, 0, dim[axis] - 1), dim[axis]);
    for (int tries = 0; tries < 8; tries++) {
        value_id v = gen_find(
            g, (struct gen_want){.elems = ELEM_BIT(gen_elem_of(g, x)), .min_rank = rank, .max_rank = rank});
        if (!v.i) break;
        gen_dims(g, v, other);
        other[axis] = dim[axis];
        if (!memcmp(dim, other, rank * sizeof *dim)) return v;
    }
    memcpy(other, dim, sizeof dim);
    other[axis] = gen_extent(g, 17);
    return gen_leaf(g, NULL, gen_elem_of(g, x), rank, other);
}

bool gen_rule_concat(struct gen *g, enum op_kind kind) {
    value_id operand[5] = {pick(g, kind, 1, 5)};
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, operand[0], dim), n = 1;
    int64_t axis = any_axis(g, rank);
    for (uint32_t count = (uint32_t)gen_between(g, 1, 5); n < count; n++) {
        operand[n] = neighbour(g, operand[0], (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis));
        if (!operand[n].i) return false;
    }
    if (n > 1 && gen_chance(g, 30)) {
        value_id first = operand[0];
        operand[0] = operand[n - 1];
        operand[n - 1] = first;
    }
    struct attr attr = attr_int(ATTR_axis, axis);
    return gen_op(g, kind, operand, n, &attr, 1).i;
}

bool gen_rule_split(struct gen *g, enum op_kind kind) {
    value_id x = pick(g, kind, 1, 5);
    int64_t dim[MAX_RANK], sizes[8];
    uint32_t rank = gen_dims(g, x, dim), n = 0;
    int64_t axis = any_axis(g, rank), left = dim[axis < 0 ? axis + (int64_t)rank : axis];
    bool even = left % 2 == 0 && gen_chance(g, 30);
    while (n < 5 && left > 0 && !gen_chance(g, 15)) {
        sizes[n] = even ? max_i64(left / 2, 1) : gen_chance(g, 4) ? 0 : gen_between(g, 1, left);
        left -= sizes[n++];
    }
    if (left || !n) sizes[n++] = left;
    struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_ints(g->m, ATTR_sizes, sizes, n)};
    return gen_op(g, kind, &x, 1, attrs, 2).i;
}

bool gen_rule_pad(struct gen *g, enum op_kind kind) {
    static const enum keyword modes[] = {KEYWORD_constant, KEYWORD_constant, KEYWORD_reflect, KEYWORD_edge,
                                         KEYWORD_wrap};
    static const double values[] = {0, 0, 1, -2.5};
    value_id x = pick_nonempty(g, kind, 1, 5);
    int64_t dim[MAX_RANK], pads[2 * MAX_RANK] = {0};
    uint32_t rank = gen_dims(g, x, dim);
    for (uint32_t i = 0; i < rank; i++) {
        if (gen_chance(g, 45)) continue;
        int64_t *before = &pads[i], *after = &pads[rank + i];
        *before = gen_between(g, gen_chance(g, 20) ? -2 : 0, 4);
        *after = gen_between(g, gen_chance(g, 20) ? -2 : 0, 4);
        if (dim[i] + min_i64(*before, 0) + min_i64(*after, 0) < 1) *before = *after = 1;
    }
    struct attr attrs[] = {attr_ints(g->m, ATTR_pads, pads, 2 * rank),
                           attr_keyword(ATTR_mode, modes[gen_below(g, COUNT_OF(modes))]),
                           attr_float(ATTR_value, values[gen_below(g, COUNT_OF(values))])};
    /* A fill value is a number of the operand's type. */
    uint32_t n = elem_is_float(gen_elem_of(g, x)) ? 3 : 2;
    return gen_op(g, kind, &x, 1, attrs, n).i;
}

/* -- resize -- */
bool gen_rule_resize(struct gen *g, enum op_kind kind) {
    static const enum keyword coordinates[] = {KEYWORD_half_pixel, KEYWORD_asymmetric, KEYWORD_align_corners,
                                               KEYWORD_pytorch_half_pixel, KEYWORD_tf_half_pixel};
    static const enum keyword roundings[] = {KEYWORD_round_prefer_floor, KEYWORD_floor, KEYWORD_ceil,
                                             KEYWORD_round_prefer_ceil};
    value_id x = pick_nonempty(g, kind, 1, 4);
    int64_t dim[MAX_RANK], to[MAX_RANK];
    double scales[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    bool with_scales = gen_chance(g, 50), doubled = gen_chance(g, 35);
    int64_t room = GEN_MAX_ELEMENTS / max_i64(count_of(dim, rank), 1);
    for (uint32_t i = 0; i < rank; i++) {
        to[i] = dim[i];
        if ((rank < 3 || i > 1) && gen_chance(g, 85))
            to[i] = doubled ? 2 * dim[i] : gen_between(g, 1, min_i64(dim[i] * min_i64(room, 3) + 1, 40));
        scales[i] = (double)to[i] / (double)dim[i];
    }
    bool linear = elem_is_float(gen_elem_of(g, x)) && gen_chance(g, 50);
    struct attr attrs[] = {shape_attr(g, to, rank),
                           attr_keyword(ATTR_mode, linear ? KEYWORD_linear : KEYWORD_nearest),
                           attr_keyword(ATTR_coordinates, coordinates[gen_below(g, COUNT_OF(coordinates))]),
                           attr_keyword(ATTR_rounding, roundings[gen_below(g, COUNT_OF(roundings))]),
                           attr_floats(g->m, ATTR_scales, scales, rank)};
    return gen_op(g, kind, &x, 1, attrs, with_scales ? 5 : 4).i;
}

/* -- indexing -- */
static value_id indices_below(struct gen *g, int64_t limit, int64_t most) {
    int64_t dim[MAX_RANK];
    if (gen_chance(g, 30)) { /* indices that something else reads too */
        for (uint32_t i = g->pool.count; i-- > 0;) {
            const struct gen_value *v = &g->pool.at[i];
            if (value_get(g->m, v->id)->kind == VALUE_INPUT &&
                elem_in(v->data.elem, ELEM_BIT(ELEM_i32) | ELEM_BIT(ELEM_i64)) && v->lo >= -(double)limit &&
                v->hi < (double)limit && tensor_count(&v->data) <= most)
                return v->id;
        }
    }
    uint32_t rank = (uint32_t)gen_between(g, 0, 2);
    gen_shape(g, rank, max_i64(most, 1), dim);
    return gen_indices(g, rank, dim, limit);
}

bool gen_rule_gather(struct gen *g, enum op_kind kind) {
    value_id x = pick_nonempty(g, kind, 1, 4);
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    int64_t axis = any_axis(g, rank), extent = dim[axis < 0 ? axis + (int64_t)rank : axis];
    int64_t most = min_i64(GEN_MAX_ELEMENTS * extent / count_of(dim, rank), 70);
    value_id indices = indices_below(g, extent, most);
    struct attr attr = attr_int(ATTR_axis, axis);
    return gen_op(g, kind, (value_id[]){x, indices}, 2, &attr, 1).i;
}

bool gen_rule_embedding(struct gen *g, enum op_kind kind) {
    int64_t dim[2] = {max_i64(gen_extent(g, 40), 1), gen_extent(g, 65)};
    value_id table = gen_parameter(g, gen_elem(g, ELEMS_ANY), 2, dim, 3);
    int64_t most = GEN_MAX_ELEMENTS / max_i64(dim[1], 1);
    return gen_op(g, kind, (value_id[]){indices_below(g, dim[0], min_i64(most, 40)), table}, 2, NULL, 0).i;
}

bool gen_rule_scatter(struct gen *g, enum op_kind kind) {
    static const enum keyword reductions[] = {KEYWORD_none, KEYWORD_add, KEYWORD_mul, KEYWORD_max,
                                              KEYWORD_min};
    value_id x = pick_nonempty(g, kind, 1, 4);
    int64_t dim[MAX_RANK], shape[2 * MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    int64_t most = min_i64(GEN_MAX_ELEMENTS * dim[0] / count_of(dim, rank), 70);
    value_id indices = indices_below(g, dim[0], most);
    uint32_t rank_i = gen_dims(g, indices, shape);
    if (rank_i + rank - 1 > MAX_RANK) return false;
    for (uint32_t i = 1; i < rank; i++) shape[rank_i + i - 1] = dim[i];
    value_id updates = gen_leaf(g, NULL, gen_elem_of(g, x), rank_i + rank - 1, shape);
    bool number = elem_in(gen_elem_of(g, x), ELEMS_NUMERIC);
    struct attr attr =
        attr_keyword(ATTR_reduction, reductions[number ? gen_below(g, COUNT_OF(reductions)) : 0]);
    return gen_op(g, kind, (value_id[]){x, indices, updates}, 3, &attr, 1).i;
}
