/* The order of elements along an axis: topk. A NaN counts as larger than every number, so it comes first
 * among the largest and last among the smallest; of equal elements the first in the operand comes first. */
#include "ir/ops/move.h"
#include "ir/ops/shape.h"

#include <math.h>

enum status infer_topk(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t axis, rank = type_rank(types, x);
    int64_t count = op_int(infer->op, ATTR_count), extent;
    dim_id dims[MAX_RANK];
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), rank, &axis));
    if (count < 0) return infer_error(infer, "count is %lld", (long long)count);
    if (dim_is_const(types, infer_dim(infer, 0, axis), &extent) && count > extent)
        return infer_error(infer, "count is %lld, but dimension %u has %lld elements", (long long)count, axis,
                           (long long)extent);
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = i == axis ? dim_const(types, count) : dims_at(types, x.shape, i);
    infer->result_count = 2;
    TRY(infer_result(infer, 0, x.elem, dims, rank));
    return infer_result(infer, 1, ELEM_i64, dims, rank);
}

struct ranked {
    double real;   /* of floats */
    int64_t whole; /* of integers; unsigned ones are moved so that they compare as signed ones */
    int64_t at;
};

static int by_place(const struct ranked *a, const struct ranked *b) {
    return (a->at > b->at) - (a->at < b->at);
}

/* > 0 if a is larger. */
static int compare_reals(const struct ranked *a, const struct ranked *b) {
    if (isnan(a->real) || isnan(b->real)) return isnan(a->real) - isnan(b->real);
    return (a->real > b->real) - (a->real < b->real);
}
static int compare_wholes(const struct ranked *a, const struct ranked *b) {
    return (a->whole > b->whole) - (a->whole < b->whole);
}

#define ORDER(name, compare, sign)                                                                           \
    static int name(const void *a, const void *b) {                                                          \
        int order = sign compare(a, b);                                                                      \
        return order ? order : by_place(a, b);                                                               \
    }
ORDER(reals_down, compare_reals, -)
ORDER(reals_up, compare_reals, +)
ORDER(wholes_down, compare_wholes, -)
ORDER(wholes_up, compare_wholes, +)

static void rank_row(const struct tensor *x, int64_t start, int64_t step, int64_t count, struct ranked *out) {
    bool real = elem_is_float(x->elem), is_unsigned = elem_kind(x->elem) == ELEM_KIND_UINT;
    for (int64_t i = 0; i < count; i++) {
        out[i] = (struct ranked){.at = i};
        if (real)
            out[i].real = tensor_get_f64(x, start + i * step);
        else
            out[i].whole = tensor_get_i64(x, start + i * step) ^ (is_unsigned ? INT64_MIN : 0);
    }
}

enum status eval_topk(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0], *indices = &eval->out[1];
    uint32_t axis = op_axis(eval->op, x->rank);
    int64_t outer = extent_product(x->dim, 0, axis), inner = extent_product(x->dim, axis + 1, x->rank);
    int64_t extent = x->dim[axis], count = y->dim[axis];
    if (count > extent)
        return diag_error(eval->diag, eval->op->loc,
                          "topk: count is %lld, but dimension %u has %lld elements", (long long)count, axis,
                          (long long)extent);
    bool real = elem_is_float(x->elem), smallest = op_bool(eval->op, ATTR_smallest);
    struct ranked *row = xcalloc((size_t)extent + 1, sizeof *row);
    for (int64_t r = 0; r < outer * inner; r++) {
        int64_t o = r / inner, i = r % inner;
        rank_row(x, o * extent * inner + i, inner, extent, row);
        qsort(row, (size_t)extent, sizeof *row,
              real ? (smallest ? reals_up : reals_down) : (smallest ? wholes_up : wholes_down));
        for (int64_t k = 0; k < count; k++) tensor_set_i64(indices, (o * count + k) * inner + i, row[k].at);
        for (int64_t k = 0; k < count; k++) {
            struct strided from = {(o * extent + row[k].at) * inner + i, {0}};
            struct strided to = {(o * count + k) * inner + i, {0}};
            move_strided(x, &from, y, &to, 0, NULL);
        }
    }
    free(row);
    return STATUS_OK;
}

void channels_topk(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0), axis = op_axis(map->op, rank);
    for (uint32_t i = 0; i < rank; i++) {
        for (uint32_t r = 0; r < 2; r++) {
            if (i != axis)
                channels_same(map, 0, i, PORT_RESULT + r, i);
            else
                channels_freeze(map, PORT_RESULT + r, i, "holds places in an order");
        }
    }
    channels_freeze(map, 0, axis, "is searched, and a result is positions in it");
}
