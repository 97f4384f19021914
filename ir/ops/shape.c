#include "ir/ops/shape.h"

uint32_t op_axis(const struct op *op, uint32_t rank) {
    int64_t axis = op_int(op, ATTR_axis);
    return (uint32_t)(axis < 0 ? axis + rank : axis);
}

uint32_t op_axes(const struct op *op, uint32_t rank) {
    uint32_t count, set = 0;
    const int64_t *axes = op_ints(op, ATTR_axes, &count);
    for (uint32_t i = 0; i < count; i++) set |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    return count ? set : (1u << rank) - 1;
}

enum status infer_axes(const struct infer *infer, uint32_t rank, uint32_t *out_set) {
    uint32_t count, set = 0;
    const int64_t *axes = op_ints(infer->op, ATTR_axes, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        TRY(infer_axis(infer, ATTR_axes, axes[i], rank, &axis));
        if (set >> axis & 1) return infer_error(infer, "axes names dimension %u twice", axis);
        set |= 1u << axis;
    }
    *out_set = count ? set : (1u << rank) - 1;
    return STATUS_OK;
}

enum status infer_result(struct infer *infer, uint32_t index, enum elem elem, const dim_id *dims,
                         uint32_t rank) {
    struct types *types = &infer->m->types;
    check(index < MAX_RESULTS);
    if (rank > MAX_RANK)
        return infer_error(infer, "the result would have rank %u, at most %d is supported", rank, MAX_RANK);
    for (uint32_t i = 0; i < rank; i++) {
        if (!dims[i].i) return infer_error(infer, "dimension %u of the result is too large", i);
        if (dim_hi(types, dims[i]) < 0)
            return infer_error(infer, "dimension %u of the result would be negative (%s)", i,
                               infer_dim_text(infer, dims[i]));
    }
    infer->results[index] = type_make(elem, dims_make(types, dims, rank));
    return STATUS_OK;
}

static const char *keep_text(const struct infer *infer, struct str *text) {
    const char *kept = arena_strdup(&infer->m->arena, str_text(text));
    str_free(text);
    return kept;
}

const char *infer_shape_text(const struct infer *infer, dims_id shape) {
    struct str text = {0};
    dims_print(&infer->m->types, shape, &text);
    return keep_text(infer, &text);
}

const char *infer_dim_text(const struct infer *infer, dim_id dim) {
    struct str text = {0};
    dim_print(&infer->m->types, dim, &text);
    return keep_text(infer, &text);
}

uint32_t port_rank(const struct channel_map *map, uint32_t port) {
    value_id v = port >= PORT_RESULT ? map->op->result[port - PORT_RESULT] : map->op->operand[port];
    return type_rank(&map->m->types, value_get(map->m, v)->type);
}

struct box box_none(uint32_t rank) {
    return (struct box){.rank = rank};
}

void strides_of(uint32_t rank, const int64_t *extent, int64_t *stride) {
    int64_t step = 1;
    for (uint32_t i = rank; i-- > 0;) {
        stride[i] = step;
        step *= extent[i];
    }
}

int64_t extent_product(const int64_t *extent, uint32_t from, uint32_t to) {
    int64_t product = 1;
    for (uint32_t i = from; i < to; i++) product *= extent[i];
    return product;
}
