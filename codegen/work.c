#include "codegen/work.h"

static int64_t count(const struct module *m, value_id v) {
    return type_count(&m->types, value_get(m, v)->type);
}

static int64_t extent(const struct module *m, value_id v, int from_end) {
    struct type type = value_get(m, v)->type;
    int64_t dims[MAX_RANK];
    check(type_static(&m->types, type, dims));
    int axis = (int)type_rank(&m->types, type) - from_end;
    return axis < 0 ? 1 : dims[axis];
}

static int64_t first_extent(const struct module *m, value_id v) {
    return max_i64(extent(m, v, (int)type_rank(&m->types, value_get(m, v)->type)), 1);
}

static int64_t contraction_operations(const struct module *m, const struct op *op) {
    value_id a = op->operand[0], b = op->operand[1], y = op->result[0];
    switch (op->kind) {
    case OP_linear:
    case OP_conv1d:
    case OP_conv2d:
        return count(m, y) * (count(m, b) / first_extent(m, b));
    case OP_matmul:
        return count(m, y) * extent(m, a, 1);
    case OP_conv_transpose1d:
    case OP_conv_transpose2d:
        return count(m, a) * (count(m, b) / first_extent(m, b));
    case OP_attention: /* q k^T and the product with v */
        return extent(m, a, 3) * extent(m, a, 2) * extent(m, b, 2) * (extent(m, a, 1) + extent(m, y, 1));
    default:
        return 0;
    }
}

uint64_t work_operations(const struct module *m, const struct op *op) {
    if (!op->body.i) return (uint64_t)contraction_operations(m, op);
    const struct region *body = region_get(m, op->body);
    uint64_t total = 0;
    for (uint32_t i = 0; i < body->ops.count; i++) total += work_operations(m, op_get(m, body->ops.at[i]));
    return total;
}

uint64_t work_bytes(const struct module *m, const struct op *op) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (op->operand[i].i)
            total += (uint64_t)type_storage_bytes(&m->types, value_get(m, op->operand[i])->type);
    for (uint32_t i = 0; i < op->result_count; i++)
        total += (uint64_t)type_storage_bytes(&m->types, value_get(m, op->result[i])->type);
    return total;
}

/* A core computes 4 multiply-adds a nanosecond in each 32-bit lane and moves 16 bytes at best, and finds a
 * worker ready within half a microsecond: a share of 2 microseconds is worth giving away. */
enum { LANE_RATE = 4, BYTE_RATE = 16, SHARE_NS = 2000 };

uint32_t work_grain(const struct target *target, uint64_t operations, uint64_t bytes, uint32_t items) {
    uint64_t lanes = target->vector_bytes ? target->vector_bytes / 4 : 4;
    uint64_t computing = operations / (lanes * LANE_RATE), moving = bytes / BYTE_RATE;
    uint64_t ns = (computing > moving ? computing : moving) + 1;
    uint64_t grain = ((uint64_t)SHARE_NS * items + ns - 1) / ns;
    return grain < 1 ? 1 : grain > UINT32_MAX ? UINT32_MAX : (uint32_t)grain;
}
