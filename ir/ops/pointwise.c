/* Pointwise ops: shape inference, channel mapping and footprint. What they compute is in pointwise_scalar.c.
 */
#include "ir/ops/broadcast.h"
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"

/* The broadcast shape of all operands; those from `first` on must share one element type. */
static enum status infer_broadcast(struct infer *infer, uint32_t first, enum elem result) {
    dim_id shape[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < infer->op->operand_count; i++) {
        if (i >= first) TRY(expect_elem(infer, i, infer_operand(infer, first).elem));
        TRY(broadcast_operand(infer, i, shape, &rank));
    }
    infer->results[0] = type_make(result, dims_make(&infer->m->types, shape, rank));
    return STATUS_OK;
}

enum status infer_pointwise(struct infer *infer) {
    return infer_broadcast(infer, 0, infer_operand(infer, 0).elem);
}

enum status infer_compare(struct infer *infer) {
    return infer_broadcast(infer, 0, ELEM_bool);
}

enum status infer_where(struct infer *infer) {
    return infer_broadcast(infer, 1, infer_operand(infer, 1).elem);
}

enum status infer_cast(struct infer *infer) {
    enum elem to = op_attr(infer->op, ATTR_to)->elem;
    if (to == ELEM_NONE) return infer_error(infer, "attribute to is no element type");
    return infer_broadcast(infer, 0, to);
}

/* Every dimension of every operand goes with the result's dimension that it is aligned with. */
void channels_pointwise(struct channel_map *map) {
    const struct types *types = &map->m->types;
    uint32_t rank = type_rank(types, value_get(map->m, map->op->result[0])->type);
    for (uint32_t i = 0; i < map->op->operand_count; i++) {
        uint32_t own = type_rank(types, value_get(map->m, map->op->operand[i])->type);
        for (uint32_t d = 0; d < own; d++) channels_same(map, i, d, PORT_RESULT, rank - own + d);
    }
}

void footprint_pointwise(const struct module *m, const struct op *op, uint32_t operand,
                         const struct box *result, struct box *out) {
    int64_t dim[MAX_RANK];
    uint32_t rank = value_extents(m, op->operand[operand], dim);
    *out = broadcast_box(dim, rank, result);
}
