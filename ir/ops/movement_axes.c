/* Ops that reorder, repeat or broadcast whole dimensions: transpose, expand, tile. */
#include "ir/ops/move.h"
#include "ir/ops/shape.h"

/* -- transpose -- */
static void permutation(const struct op *op, uint32_t rank, uint32_t *perm) {
    uint32_t count;
    const int64_t *given = op_ints(op, ATTR_perm, &count);
    for (uint32_t i = 0; i < rank; i++) perm[i] = count ? (uint32_t)given[i] : rank - 1 - i;
}

enum status infer_transpose(struct infer *infer) {
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(&infer->m->types, x), count, seen = 0, perm[MAX_RANK];
    const int64_t *given = op_ints(infer->op, ATTR_perm, &count);
    if (count && count != rank) return infer_error(infer, "perm has %u numbers, expected %u", count, rank);
    for (uint32_t i = 0; i < count; i++) {
        if (given[i] < 0 || given[i] >= rank || (seen >> given[i] & 1))
            return infer_error(infer, "perm is no permutation of 0 to %d: %lld", (int)rank - 1,
                               (long long)given[i]);
        seen |= 1u << given[i];
    }
    permutation(infer->op, rank, perm);
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = infer_dim(infer, 0, perm[i]);
    return infer_result(infer, 0, x.elem, dims, rank);
}

enum status eval_transpose(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    uint32_t perm[MAX_RANK];
    permutation(eval->op, x->rank, perm);
    int64_t stride[MAX_RANK];
    struct strided from = {0}, to = {0};
    strides_of(x->rank, x->dim, stride);
    strides_of(y->rank, y->dim, to.stride);
    for (uint32_t i = 0; i < x->rank; i++) from.stride[i] = stride[perm[i]];
    move_strided(x, &from, y, &to, y->rank, y->dim);
    return STATUS_OK;
}

void channels_transpose(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0), perm[MAX_RANK];
    permutation(map->op, rank, perm);
    for (uint32_t i = 0; i < rank; i++) channels_same(map, 0, perm[i], PORT_RESULT, i);
}

void footprint_transpose(const struct module *m, const struct op *op, uint32_t operand,
                         const struct box *result, struct box *out) {
    (void)m, (void)operand;
    uint32_t perm[MAX_RANK];
    permutation(op, result->rank, perm);
    out->rank = result->rank;
    for (uint32_t i = 0; i < result->rank; i++) {
        out->lo[perm[i]] = result->lo[i];
        out->hi[perm[i]] = result->hi[i];
    }
}

/* -- expand -- */

enum status infer_expand(struct infer *infer) {
    struct types *types = &infer->m->types;
    dims_id shape = op_attr(infer->op, ATTR_shape)->dims;
    uint32_t rank = dims_rank(types, shape);
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = dims_at(types, shape, i);
    TRY(broadcast_operand(infer, 0, dims, &rank));
    return infer_result(infer, 0, infer_operand(infer, 0).elem, dims, rank);
}

enum status eval_expand(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    int64_t stride[MAX_RANK];
    struct strided from = {0}, to = {0};
    strides_of(x->rank, x->dim, stride);
    strides_of(y->rank, y->dim, to.stride);
    for (uint32_t i = 0; i < x->rank; i++)
        if (x->dim[i] != 1) from.stride[y->rank - x->rank + i] = stride[i];
    move_strided(x, &from, y, &to, y->rank, y->dim);
    return STATUS_OK;
}

void channels_expand(struct channel_map *map) {
    uint32_t rank_x = port_rank(map, 0), rank = port_rank(map, PORT_RESULT);
    struct type x = operand_type(map->m, map->op, 0), y = result_type(map->m, map->op, 0);
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t from = i + rank_x - rank;
        if (i + rank_x >= rank &&
            dim_same(dims_at(&map->m->types, x.shape, from), dims_at(&map->m->types, y.shape, i)))
            channels_same(map, 0, from, PORT_RESULT, i);
        else
            channels_freeze(map, PORT_RESULT, i, "is repeated from an extent of 1");
    }
}

void footprint_expand(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    (void)operand;
    int64_t x[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x);
    *out = box_empty(result) ? box_none(rank) : broadcast_box(x, rank, result);
}

/* -- tile -- */
enum status infer_tile(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x), count;
    const int64_t *repeats = op_ints(infer->op, ATTR_repeats, &count);
    if (count != rank) return infer_error(infer, "repeats has %u numbers, expected %u", count, rank);
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (repeats[i] < 0)
            return infer_error(infer, "repeats has %lld, expected 0 or more", (long long)repeats[i]);
        dims[i] = dim_mul(types, dims_at(types, x.shape, i), dim_const(types, repeats[i]));
    }
    return infer_result(infer, 0, x.elem, dims, rank);
}

/* One walk over twice as many dimensions would pass the largest rank, so the copies of each dimension are
 * made in place: first x into the corner of y, then that block repeated along one dimension after the other.
 */
enum status eval_tile(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    if (!tensor_count(y)) return STATUS_OK;
    struct strided from = {0}, to = {0};
    strides_of(x->rank, x->dim, from.stride);
    strides_of(y->rank, y->dim, to.stride);
    move_strided(x, &from, y, &to, x->rank, x->dim);
    int64_t block[MAX_RANK];
    for (uint32_t i = 0; i < x->rank; i++) block[i] = x->dim[i];
    struct strided corner = {0, {0}};
    for (uint32_t i = 0; i < x->rank; i++) corner.stride[i] = to.stride[i];
    for (uint32_t d = x->rank; d-- > 0;) {
        for (int64_t at = x->dim[d]; at < y->dim[d]; at += x->dim[d]) {
            to.base = at * to.stride[d];
            move_strided(y, &corner, y, &to, x->rank, block);
        }
        block[d] = y->dim[d];
    }
    return STATUS_OK;
}

void channels_tile(struct channel_map *map) {
    const int64_t *repeats = op_ints(map->op, ATTR_repeats, NULL);
    for (uint32_t i = 0; i < port_rank(map, 0); i++) {
        int64_t extent = channels_extent(map, 0, i);
        if (extent < 0 || (extent == 1 && repeats[i] != 1)) {
            channels_freeze(map, PORT_RESULT, i, "is repeated as a whole");
            continue;
        }
        for (int64_t copy = 0; copy < repeats[i]; copy++)
            channels_link(map, (struct channel_side){0, i, 0, 1, 1},
                          (struct channel_side){PORT_RESULT, i, copy * extent, 1, 1}, extent);
    }
}

void footprint_tile(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                    struct box *out) {
    (void)operand;
    int64_t x[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x);
    *out = box_none(rank);
    if (box_empty(result)) return;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t first = result->lo[i], last = result->hi[i] - 1;
        bool one_copy = first / x[i] == last / x[i];
        out->lo[i] = one_copy ? first % x[i] : 0;
        out->hi[i] = one_copy ? last % x[i] + 1 : x[i];
    }
}
