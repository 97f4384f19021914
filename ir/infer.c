/* Helpers of the ops' own functions: shape inference and channel mappings. */
#include "ir/quant.h"

#include <stdarg.h>

enum status infer_error(const struct infer *infer, const char *fmt, ...) {
    struct str text = {0};
    va_list args;
    va_start(args, fmt);
    str_vprintf(&text, fmt, args);
    va_end(args);
    diag_error(infer->diag, infer->op->loc, "%s: %s", op_info(infer->op->kind)->name, str_text(&text));
    str_free(&text);
    return STATUS_FAILED;
}

/* Which quantized operands the op takes; *out is the quant that its results have. */
static enum status infer_quant(const struct infer *infer, quant_id *out) {
    const struct op_info *info = op_info(infer->op->kind);
    const uint32_t any = TRAIT_QUANT_MOVES | TRAIT_QUANT_SUMS | TRAIT_QUANT_DECODES | TRAIT_QUANT_READS;
    *out = (quant_id){0};
    for (uint32_t i = 0; i < infer->op->operand_count; i++) {
        char name[32];
        if (!infer_has(infer, i) || infer->op->kind == OP_fuse) continue;
        struct type type = value_get(infer->m, infer->op->operand[i])->type;
        quant_id moved = info->traits & TRAIT_QUANT_MOVES ? infer_operand(infer, i).quant : (quant_id){0};
        op_info_operand_name(info, i, name);
        if (type.quant.i && !(info->traits & any))
            return infer_error(infer, "operand %s is quantized, expected floats: dequantize it", name);
        if (type.quant.i && !moved.i && (info->traits & any) == TRAIT_QUANT_MOVES)
            return infer_error(infer, "operand %s has component tensors, expected literal scales", name);
        if (!i) *out = moved;
        if (i && (info->traits & TRAIT_VARIADIC) && moved.i != out->i)
            return infer_error(infer, "operand %s %u is quantized in another way than the first", name, i);
    }
    return STATUS_OK;
}

enum status infer_types(struct infer *infer) {
    quant_id quant;
    TRY(infer_quant(infer, &quant));
    TRY(op_info(infer->op->kind)->infer(infer));
    for (uint32_t i = 0; quant.i && i < infer->result_count; i++) infer->results[i].quant = quant;
    for (uint32_t i = 0; i < infer->result_count; i++) {
        int64_t dims[MAX_RANK];
        struct type type = infer->results[i];
        if (type_static(&infer->m->types, type, dims) &&
            !tensor_shape_ok(type.elem, type_rank(&infer->m->types, type), dims))
            return infer_error(infer, "result %u has more elements than fit into memory", i);
    }
    return STATUS_OK;
}

bool infer_has(const struct infer *infer, uint32_t i) {
    return i < infer->op->operand_count && !value_none(infer->op->operand[i]);
}

struct type infer_operand(const struct infer *infer, uint32_t i) {
    check(infer_has(infer, i));
    return op_operand_type(infer->m, infer->op, i);
}

uint32_t infer_rank(const struct infer *infer, uint32_t i) {
    return type_rank(&infer->m->types, infer_operand(infer, i));
}

dim_id infer_dim(const struct infer *infer, uint32_t i, uint32_t axis) {
    return dims_at(&infer->m->types, infer_operand(infer, i).shape, axis);
}

enum status infer_axis(const struct infer *infer, enum attr_name name, int64_t axis, uint32_t rank,
                       uint32_t *out) {
    int64_t from_start = axis < 0 ? axis + rank : axis;
    if (from_start < 0 || from_start >= rank)
        return infer_error(infer, "%s is %lld, expected one of -%u to %d for rank %u", attr_name_text(name),
                           (long long)axis, rank, (int)rank - 1, rank);
    *out = (uint32_t)from_start;
    return STATUS_OK;
}

/* -- channel mappings -- */
void channels_link(struct channel_map *map, struct channel_side a, struct channel_side b, int64_t count) {
    if (count > 0) *vec_push(&map->links) = (struct channel_link){a, b, count};
}

static dim_id port_dim(const struct channel_map *map, uint32_t port, uint32_t dim) {
    value_id v = port >= PORT_RESULT ? map->op->result[port - PORT_RESULT] : map->op->operand[port];
    return dims_at(&map->m->types, value_get(map->m, v)->type.shape, dim);
}

int64_t channels_extent(struct channel_map *map, uint32_t port, uint32_t dim) {
    int64_t extent;
    if (dim_is_const(&map->m->types, port_dim(map, port, dim), &extent)) return extent;
    channels_freeze(map, port, dim, "its extent is not known yet");
    return -1;
}

void channels_same(struct channel_map *map, uint32_t port_a, uint32_t dim_a, uint32_t port_b,
                   uint32_t dim_b) {
    const struct types *types = &map->m->types;
    int64_t a = 0, b = 0;
    bool known_a = dim_is_const(types, port_dim(map, port_a, dim_a), &a);
    bool known_b = dim_is_const(types, port_dim(map, port_b, dim_b), &b);
    if (a == 1 ? b != 1 : b == 1) return; /* broadcast: the one channel serves all */
    if (!known_a || !known_b) {
        channels_freeze(map, port_a, dim_a, "its extent is not known yet");
        channels_freeze(map, port_b, dim_b, "its extent is not known yet");
        return;
    }
    check(a == b);
    channels_link(map, (struct channel_side){port_a, dim_a, 0, 1, 1},
                  (struct channel_side){port_b, dim_b, 0, 1, 1}, a);
}

void channels_free(struct channel_map *map, uint32_t port, uint32_t dim) {
    struct channel_side side = {port, dim, 0, 1, 1};
    channels_link(map, side, side, channels_extent(map, port, dim));
}

void channels_freeze(struct channel_map *map, uint32_t port, uint32_t dim, const char *why) {
    *vec_push(&map->frozen) = (struct channel_freeze){port, dim, why};
}
