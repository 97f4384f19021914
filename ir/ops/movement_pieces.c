/* Ops that cut and join along dimensions: slice, concat, split. */
#include "ir/ops/move.h"
#include "ir/ops/shape.h"

/* -- slice -- */

/* The cut along one dimension: elements start, start + step, …, count of them. */
struct cut {
    int64_t start, end, step;
};

static struct cut cut_of(const struct op *op, uint32_t i) {
    uint32_t steps;
    const int64_t *step = op_ints(op, ATTR_steps, &steps);
    return (struct cut){op_ints(op, ATTR_starts, NULL)[i], op_ints(op, ATTR_ends, NULL)[i],
                        steps ? step[i] : 1};
}

/* Which entry of starts, ends and steps cuts dimension `dim`; UINT32_MAX if none does. */
static uint32_t cut_index(const struct op *op, uint32_t rank, uint32_t dim) {
    uint32_t count, axes;
    op_ints(op, ATTR_starts, &count);
    const int64_t *axis = op_ints(op, ATTR_axes, &axes);
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = axes ? axis[i] : i;
        if ((at < 0 ? at + rank : at) == dim) return i;
    }
    return UINT32_MAX;
}

/* clamp(position, 0, dim + slack) for a position that counts from the end when it is negative. Sets *out to 0
 * when the bounds of dim leave open which of the three it is. */
static bool clamp_position(struct types *types, int64_t position, dim_id dim, int64_t least, int64_t slack,
                           dim_id *out) {
    dim_id most = dim_add(types, dim, dim_const(types, slack)), at = dim_const(types, position);
    if (position < 0) at = dim_add(types, dim, at);
    dim_id below = dim_sub(types, at, dim_const(types, least)), above = dim_sub(types, at, most);
    *out = (dim_id){0};
    if (!most.i || !at.i) return false;
    /* Bounds of a sum of symbols may be wider than the truth, never narrower. A difference that overflows is
     * one of a position far outside. */
    if (!above.i || dim_lo(types, above) >= 0)
        *out = most;
    else if (dim_hi(types, below) <= 0 && dim_lo(types, most) >= least)
        *out = dim_const(types, least);
    else if (dim_lo(types, below) >= 0 && dim_hi(types, above) <= 0)
        *out = at;
    return out->i != 0;
}

/* The extent of the result along one dimension; 0 when it does not follow from what is known about dim. */
static dim_id cut_extent(struct types *types, struct cut cut, dim_id dim) {
    dim_id from, to, zero = dim_const(types, 0);
    int64_t least = cut.step > 0 ? 0 : -1, extent;
    if (dim_is_const(types, dim, &extent) && extent == 0) return zero;
    if (!clamp_position(types, cut.start, dim, 0, cut.step > 0 ? 0 : -1, &from) ||
        !clamp_position(types, cut.end, dim, least, cut.step > 0 ? 0 : -1, &to))
        return (dim_id){0};
    dim_id span = cut.step > 0 ? dim_sub(types, to, from) : dim_sub(types, from, to);
    if (!span.i) return span;
    if (dim_hi(types, span) <= 0) return zero;
    if (dim_lo(types, span) < 0) return (dim_id){0};
    int64_t stride = cut.step > 0 ? cut.step : -cut.step, length;
    if (dim_is_const(types, span, &length)) return dim_const(types, 1 + (length - 1) / stride);
    return dim_floor_div(types, dim_add(types, span, dim_const(types, stride - 1)), dim_const(types, stride));
}

static enum status check_cuts(const struct infer *infer, uint32_t rank) {
    uint32_t count, ends, steps, axes, set;
    op_ints(infer->op, ATTR_starts, &count);
    op_ints(infer->op, ATTR_ends, &ends);
    op_ints(infer->op, ATTR_axes, &axes);
    const int64_t *step = op_ints(infer->op, ATTR_steps, &steps);
    if (ends != count || (axes && axes != count) || (steps && steps != count))
        return infer_error(infer,
                           "starts has %u numbers, ends %u, axes %u and steps %u; expected as many of each",
                           count, ends, axes, steps);
    if (count > rank) return infer_error(infer, "starts has %u numbers, expected at most %u", count, rank);
    TRY(infer_axes(infer, rank, &set));
    for (uint32_t i = 0; i < steps; i++)
        if (!step[i] || step[i] == INT64_MIN)
            return infer_error(infer, "steps has %lld, expected a number other than 0", (long long)step[i]);
    return STATUS_OK;
}

enum status infer_slice(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x);
    TRY(check_cuts(infer, rank));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t at = cut_index(infer->op, rank, i);
        dims[i] = dims_at(types, x.shape, i);
        if (at == UINT32_MAX) continue;
        struct cut cut = cut_of(infer->op, at);
        dim_id extent = cut_extent(types, cut, dims[i]);
        if (!extent.i)
            return infer_error(
                infer, "the extent of %lld to %lld along dimension %u does not follow from the bounds of %s",
                (long long)cut.start, (long long)cut.end, i, infer_dim_text(infer, dims[i]));
        dims[i] = extent;
    }
    return infer_result(infer, 0, x.elem, dims, rank);
}

/* First element and step along dimension i of an operand, which has this extent there. */
static int64_t slice_start(const struct op *op, uint32_t rank, uint32_t i, int64_t extent, int64_t *step) {
    uint32_t at = cut_index(op, rank, i);
    *step = 1;
    if (at == UINT32_MAX) return 0;
    struct cut cut = cut_of(op, at);
    int64_t from = cut.start < 0 ? cut.start + extent : cut.start;
    *step = cut.step;
    return max_i64(min_i64(from, cut.step > 0 ? extent : extent - 1), 0);
}

enum status eval_slice(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    if (!tensor_count(y)) return STATUS_OK;
    int64_t stride[MAX_RANK], step;
    struct strided from = {0}, to = {0};
    strides_of(x->rank, x->dim, stride);
    strides_of(y->rank, y->dim, to.stride);
    for (uint32_t i = 0; i < x->rank; i++) {
        from.base += slice_start(eval->op, x->rank, i, x->dim[i], &step) * stride[i];
        from.stride[i] = y->dim[i] > 1 ? step * stride[i] : 0; /* a lone element may have any step */
    }
    move_strided(x, &from, y, &to, y->rank, y->dim);
    return STATUS_OK;
}

void channels_slice(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t x = channels_extent(map, 0, i), y = channels_extent(map, PORT_RESULT, i), step;
        if (x < 0 || y < 0) continue;
        int64_t start = slice_start(map->op, rank, i, x, &step);
        if (y > 1 && (step > 1 || step < -1)) {
            channels_freeze(map, 0, i, "a slice takes them at equal distances");
            channels_freeze(map, PORT_RESULT, i, "a slice takes them at equal distances");
        }
        channels_link(map, (struct channel_side){0, i, start, y > 1 ? step : 1, 1},
                      (struct channel_side){PORT_RESULT, i, 0, 1, 1}, y);
        channels_free(map, 0, i); /* what it leaves out may go, as far as the slice is concerned */
    }
}

void footprint_slice(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                     struct box *out) {
    (void)operand;
    int64_t x[MAX_RANK], step;
    uint32_t rank = operand_extents(m, op, 0, x);
    *out = box_none(rank);
    if (box_empty(result)) return;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t start = slice_start(op, rank, i, x[i], &step);
        int64_t first = start + (result->lo[i] ? result->lo[i] * step : 0);
        int64_t last = start + (result->hi[i] > 1 ? (result->hi[i] - 1) * step : 0);
        out->lo[i] = min_i64(first, last);
        out->hi[i] = max_i64(first, last) + 1;
    }
}

/* -- concat -- */
enum status infer_concat(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type first = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, first), axis;
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), rank, &axis));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = dims_at(types, first.shape, i);
    for (uint32_t k = 1; k < infer->op->operand_count; k++) {
        struct type x = infer_operand(infer, k);
        if (x.elem != first.elem)
            return infer_error(infer, "operand %u is %s, the first is %s", k, elem_name(x.elem),
                               elem_name(first.elem));
        bool fits = type_rank(types, x) == rank;
        for (uint32_t i = 0; fits && i < rank; i++)
            fits = i == axis || dim_same(dims[i], dims_at(types, x.shape, i));
        if (!fits)
            return infer_error(
                infer, "operand %u has shape %s, which differs from the first's %s outside axis %u", k,
                infer_shape_text(infer, x.shape), infer_shape_text(infer, first.shape), axis);
        dims[axis] = dim_add(types, dims[axis], dims_at(types, x.shape, axis));
    }
    return infer_result(infer, 0, first.elem, dims, rank);
}

enum status eval_concat(const struct eval *eval) {
    struct tensor *y = &eval->out[0];
    uint32_t axis = op_axis(eval->op, y->rank);
    struct strided to = {0};
    strides_of(y->rank, y->dim, to.stride);
    for (uint32_t k = 0; k < eval->op->operand_count; k++) {
        const struct tensor *x = eval->in[k];
        struct strided from = {0};
        strides_of(x->rank, x->dim, from.stride);
        move_strided(x, &from, y, &to, x->rank, x->dim);
        to.base += x->dim[axis] * to.stride[axis];
    }
    return STATUS_OK;
}

void channels_concat(struct channel_map *map) {
    uint32_t rank = port_rank(map, PORT_RESULT), axis = op_axis(map->op, rank);
    int64_t at = channels_extent(map, PORT_RESULT, axis) < 0 ? -1 : 0;
    for (uint32_t k = 0; k < map->op->operand_count; k++) {
        for (uint32_t i = 0; i < rank; i++)
            if (i != axis) channels_same(map, k, i, PORT_RESULT, i);
        int64_t extent = channels_extent(map, k, axis);
        if (at < 0) { /* some operand's extent is not known, and with it the place of those after it */
            if (extent >= 0) channels_freeze(map, k, axis, "its place in the result is not known");
            continue;
        }
        channels_link(map, (struct channel_side){k, axis, 0, 1, 1},
                      (struct channel_side){PORT_RESULT, axis, at, 1, 1}, extent);
        at += extent;
    }
}

/* The part of [lo, hi) that lies in the `extent` elements from `at` on, counted from there. */
static void intersect(int64_t lo, int64_t hi, int64_t at, int64_t extent, int64_t *out_lo, int64_t *out_hi) {
    *out_lo = min_i64(max_i64(lo - at, 0), extent);
    *out_hi = max_i64(min_i64(hi - at, extent), *out_lo);
}

void footprint_concat(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    uint32_t axis = op_axis(op, result->rank);
    int64_t at = 0, x[MAX_RANK];
    for (uint32_t k = 0; k < operand; k++) {
        operand_extents(m, op, k, x);
        at += x[axis];
    }
    operand_extents(m, op, operand, x);
    *out = *result;
    intersect(result->lo[axis], result->hi[axis], at, x[axis], &out->lo[axis], &out->hi[axis]);
    if (box_empty(out)) *out = box_none(result->rank);
}

/* -- split -- */
enum status infer_split(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x), axis, count;
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), rank, &axis));
    const int64_t *sizes = op_ints(infer->op, ATTR_sizes, &count);
    if (!count || count > MAX_RESULTS)
        return infer_error(infer, "sizes has %u numbers, expected 1 to %d", count, MAX_RESULTS);
    dim_id dims[MAX_RANK], sum = dim_const(types, 0);
    for (uint32_t i = 0; i < rank; i++) dims[i] = dims_at(types, x.shape, i);
    dim_id whole = dims[axis];
    for (uint32_t k = 0; k < count; k++) {
        if (sizes[k] < 0)
            return infer_error(infer, "sizes has %lld, expected 0 or more", (long long)sizes[k]);
        dims[axis] = dim_const(types, sizes[k]);
        sum = dim_add(types, sum, dims[axis]);
        TRY(infer_result(infer, k, x.elem, dims, rank));
    }
    infer->result_count = count;
    if (!sum.i || !dim_same(sum, whole))
        return infer_error(infer, "sizes add up to %s, the extent of dimension %u is %s",
                           sum.i ? infer_dim_text(infer, sum) : "too much", axis,
                           infer_dim_text(infer, whole));
    return STATUS_OK;
}

enum status eval_split(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    uint32_t axis = op_axis(eval->op, x->rank), count;
    const int64_t *sizes = op_ints(eval->op, ATTR_sizes, &count);
    struct strided from = {0};
    strides_of(x->rank, x->dim, from.stride);
    for (uint32_t k = 0; k < count; k++) {
        struct tensor *y = &eval->out[k];
        struct strided to = {0};
        strides_of(y->rank, y->dim, to.stride);
        move_strided(x, &from, y, &to, y->rank, y->dim);
        from.base += sizes[k] * from.stride[axis];
    }
    return STATUS_OK;
}

void channels_split(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0), axis = op_axis(map->op, rank), count;
    const int64_t *sizes = op_ints(map->op, ATTR_sizes, &count);
    int64_t at = 0;
    for (uint32_t k = 0; k < count; k++) {
        for (uint32_t i = 0; i < rank; i++)
            if (i != axis) channels_same(map, 0, i, PORT_RESULT + k, i);
        channels_link(map, (struct channel_side){0, axis, at, 1, 1},
                      (struct channel_side){PORT_RESULT + k, axis, 0, 1, 1}, sizes[k]);
        at += sizes[k];
    }
}

void footprint_split(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                     struct box *out) {
    (void)m, (void)op, (void)operand;
    *out = *result; /* of the first piece */
}
