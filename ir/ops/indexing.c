/* Ops whose result depends on indices that are data: gather, embedding. */
#include "ir/ops/move.h"
#include "ir/ops/shape.h"

static enum status check_indices(const struct infer *infer, uint32_t operand) {
    enum elem elem = infer_operand(infer, operand).elem;
    if (elem == ELEM_i32 || elem == ELEM_i64) return STATUS_OK;
    return infer_error(infer, "indices is %s, expected i32 or i64", elem_name(elem));
}

/* Both ops take slices of `table` along `axis`; what differs is the order of their operands. */
struct lookup {
    uint32_t table, indices, axis;
};

static struct lookup lookup_of(const struct module *m, const struct op *op) {
    if (op->kind == OP_embedding) return (struct lookup){1, 0, 0};
    return (struct lookup){0, 1, op_axis(op, type_rank(&m->types, operand_type(m, op, 0)))};
}

/* table[:axis] + indices + table[axis + 1:] */
static enum status infer_lookup(struct infer *infer, struct lookup l) {
    struct types *types = &infer->m->types;
    struct type table = infer_operand(infer, l.table), indices = infer_operand(infer, l.indices);
    uint32_t rank_t = type_rank(types, table), rank_i = type_rank(types, indices), rank = 0;
    dim_id dims[2 * MAX_RANK];
    for (uint32_t i = 0; i < l.axis; i++) dims[rank++] = dims_at(types, table.shape, i);
    for (uint32_t i = 0; i < rank_i; i++) dims[rank++] = dims_at(types, indices.shape, i);
    for (uint32_t i = l.axis + 1; i < rank_t; i++) dims[rank++] = dims_at(types, table.shape, i);
    return infer_result(infer, 0, table.elem, dims, rank);
}

enum status infer_gather(struct infer *infer) {
    uint32_t axis;
    TRY(check_indices(infer, 1));
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), infer_rank(infer, 0), &axis));
    return infer_lookup(infer, (struct lookup){0, 1, axis});
}

enum status infer_embedding(struct infer *infer) {
    TRY(check_indices(infer, 0));
    if (infer_rank(infer, 1) != 2)
        return infer_error(infer, "table has rank %u, expected 2", infer_rank(infer, 1));
    return infer_lookup(infer, (struct lookup){1, 0, 0});
}

/* -- evaluation -- */
static enum status eval_lookup(const struct eval *eval) {
    struct lookup l = lookup_of(eval->m, eval->op);
    const struct tensor *table = eval->in[l.table], *indices = eval->in[l.indices];
    struct tensor *y = &eval->out[0];
    int64_t outer = extent_product(table->dim, 0, l.axis), extent = table->dim[l.axis];
    int64_t inner = extent_product(table->dim, l.axis + 1, table->rank), count = tensor_count(indices);
    struct strided from = {0, {extent * inner, 1}}, to = {0, {count * inner, 1}};
    for (int64_t i = 0; i < count; i++) {
        int64_t index = tensor_get_i64(indices, i), at = index < 0 ? index + extent : index;
        if (at < 0 || at >= extent)
            return diag_error(eval->diag, eval->op->loc,
                              "%s: index %lld is out of range for an extent of %lld",
                              op_info(eval->op->kind)->name, (long long)index, (long long)extent);
        from.base = at * inner;
        to.base = i * inner;
        move_strided(table, &from, y, &to, 2, (const int64_t[]){outer, inner});
    }
    return STATUS_OK;
}

enum status eval_gather(const struct eval *eval) {
    return eval_lookup(eval);
}

enum status eval_embedding(const struct eval *eval) {
    return eval_lookup(eval);
}

/* -- channels and footprint -- */
static void channels_lookup(struct channel_map *map) {
    struct lookup l = lookup_of(map->m, map->op);
    uint32_t rank_t = port_rank(map, l.table);
    uint32_t rank_i = port_rank(map, l.indices);
    for (uint32_t i = 0; i < rank_t; i++) {
        if (i == l.axis)
            channels_freeze(map, l.table, i, "indices select from it");
        else
            channels_same(map, l.table, i, PORT_RESULT, i < l.axis ? i : i + rank_i - 1);
    }
    for (uint32_t i = 0; i < rank_i; i++) channels_same(map, l.indices, i, PORT_RESULT, l.axis + i);
}

void channels_gather(struct channel_map *map) {
    channels_lookup(map);
}

void channels_embedding(struct channel_map *map) {
    channels_lookup(map);
}

/* Where constant indices in `box` point; false if they point nowhere, or are not constant. */
static bool selected_range(const struct tensor *indices, const struct box *box, int64_t extent, int64_t *lo,
                           int64_t *hi) {
    *lo = extent;
    *hi = 0;
    for (int64_t i = 0; indices && i < tensor_count(indices); i++) {
        bool inside = true;
        int64_t rest = i, index = tensor_get_i64(indices, i);
        for (uint32_t d = box->rank; d-- > 0; rest /= indices->dim[d])
            inside = inside && rest % indices->dim[d] >= box->lo[d] && rest % indices->dim[d] < box->hi[d];
        if (index < 0) index += extent;
        if (!inside || index < 0 || index >= extent) continue;
        *lo = min_i64(*lo, index);
        *hi = max_i64(*hi, index + 1);
    }
    return *lo < *hi;
}

static void footprint_lookup(const struct module *m, const struct op *op, uint32_t operand,
                             const struct box *result, struct box *out) {
    struct lookup l = lookup_of(m, op);
    int64_t table[MAX_RANK];
    uint32_t rank_t = operand_extents(m, op, l.table, table);
    uint32_t rank_i = type_rank(&m->types, operand_type(m, op, l.indices));
    struct box indices = box_none(rank_i);
    *out = box_none(operand == l.table ? rank_t : rank_i);
    if (box_empty(result)) return;
    for (uint32_t i = 0; i < rank_i; i++) {
        indices.lo[i] = result->lo[l.axis + i];
        indices.hi[i] = result->hi[l.axis + i];
    }
    if (operand == l.indices) {
        *out = indices;
        return;
    }
    for (uint32_t i = 0; i < rank_t; i++) {
        uint32_t from = i < l.axis ? i : i + rank_i - 1;
        if (i == l.axis) continue;
        out->lo[i] = result->lo[from];
        out->hi[i] = result->hi[from];
    }
    if (selected_range(value_constant(m, op->operand[l.indices]), &indices, table[l.axis], &out->lo[l.axis],
                       &out->hi[l.axis]))
        return;
    out->lo[l.axis] = 0; /* which of them, the indices tell at run time */
    out->hi[l.axis] = table[l.axis];
}

void footprint_gather(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    footprint_lookup(m, op, operand, result, out);
}

void footprint_embedding(const struct module *m, const struct op *op, uint32_t operand,
                         const struct box *result, struct box *out) {
    footprint_lookup(m, op, operand, result, out);
}

enum status expand_embedding(struct builder *b, const struct op *op, value_id *out) {
    value_id operands[2] = {op->operand[1], op->operand[0]};
    struct attr axis = attr_int(ATTR_axis, 0);
    out[0] = build(b, OP_gather, operands, 2, &axis, 1, NULL);
    return value_none(out[0]) ? STATUS_FAILED : STATUS_OK;
}
