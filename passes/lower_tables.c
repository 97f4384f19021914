/* Look-ups in quantized tables: the integers are looked up, and their scales and zero points, and what was
 * found is decoded. Integers of 4 bits are looked up in pairs. */
#include "ir/decision.h"
#include "ir/encoding.h"
#include "passes/lowering.h"

struct lookup {
    struct lowering *l;
    value_id indices;
    struct tensor table; /* a view: weights move when others are added */
    value_id weight;
    const char *name;
    int64_t columns;
};

/* The rows of a constant at the indices. */
static value_id rows_of(const struct lookup *k, const char *suffix, struct tensor t) {
    struct lowering *l = k->l;
    const char *name = arena_printf(&l->m->arena, "%s%s", k->name, suffix);
    struct attr axis = attr_int(ATTR_axis, 0);
    value_id operands[] = {lowering_constant(l, name, t), k->indices};
    if (!*suffix) decision_copy(l->m, k->weight, operands[0]);
    return build(&l->b, OP_gather, operands, 2, &axis, 1, NULL);
}

static struct tensor plain_copy(const struct tensor *t) {
    struct tensor copy = tensor_copy(t);
    copy.quant = NULL;
    return copy;
}

/* The dimensions of the indices, followed by `count` extents. */
static value_id shaped(const struct lookup *k, value_id v, const int64_t *extent, uint32_t count) {
    struct lowering *l = k->l;
    struct types *types = &l->m->types;
    dims_id shape = value_get(l->m, k->indices)->type.shape;
    dim_id dims[MAX_RANK];
    uint32_t rank = dims_rank(types, shape);
    for (uint32_t i = 0; i < rank; i++) dims[i] = dims_at(types, shape, i);
    for (uint32_t i = 0; i < count; i++) dims[rank + i] = dim_const(types, extent[i]);
    struct attr attr = attr_dims(ATTR_shape, dims_make(types, dims, rank + count));
    return lowering_one(l, OP_reshape, v, &attr, 1);
}

/* Both halves of a byte as f32, side by side: [.., pairs] to [.., columns]. */
static value_id unpacked(const struct lookup *k, value_id pairs) {
    struct lowering *l = k->l;
    value_id byte = lowering_cast(l, pairs, ELEM_f32);
    value_id high =
        lowering_one(l, OP_floor, lowering_two(l, OP_mul, byte, lowering_number(l, 1.0 / 16)), NULL, 0);
    value_id low = lowering_two(l, OP_sub, byte, lowering_two(l, OP_mul, high, lowering_number(l, 16)));
    const int64_t count = (k->columns + 1) / 2, beside[] = {count, 1}, all[] = {2 * count};
    value_id halves[] = {shaped(k, low, beside, 2), shaped(k, high, beside, 2)};
    if (!halves[0].i || !halves[1].i) return (value_id){0};
    int64_t rank = type_rank(&l->m->types, value_get(l->m, halves[0])->type);
    struct attr axis = attr_int(ATTR_axis, rank - 1);
    value_id v = shaped(k, build(&l->b, OP_concat, halves, 2, &axis, 1, NULL), all, 1);
    if (2 * count > k->columns) {
        const int64_t start = 0, last = rank - 2;
        const struct attr range[] = {attr_ints(l->m, ATTR_starts, &start, 1),
                                     attr_ints(l->m, ATTR_ends, &k->columns, 1),
                                     attr_ints(l->m, ATTR_axes, &last, 1)};
        v = lowering_one(l, OP_slice, v, range, COUNT_OF(range));
    }
    if (k->table.elem == ELEM_u4 || !v.i) return v;
    value_id over = lowering_two(l, OP_sub, v, lowering_number(l, 16));
    value_id negative = lowering_two(l, OP_greater_equal, v, lowering_number(l, 8));
    return over.i && negative.i ? build(&l->b, OP_where, (value_id[]){negative, over, v}, 3, NULL, 0, NULL)
                                : (value_id){0};
}

static value_id integers(const struct lookup *k) {
    if (elem_in(k->table.elem, ELEMS_NIBBLE)) return unpacked(k, rows_of(k, "", encoding_pack(&k->table)));
    return lowering_cast(k->l, rows_of(k, "", plain_copy(&k->table)), ELEM_f32);
}

/* Numbers of the scales or zero points for what was found, shaped to broadcast to it. */
static value_id of_rows(const struct lookup *k, const char *suffix, const struct tensor *t) {
    const int64_t one = 1, grouped[] = {t->rank > 1 ? t->dim[1] : 1, 1};
    if (t->rank == 0) return lowering_number(k->l, tensor_get_f64(t, 0));
    struct tensor f32 = tensor_cast(t, ELEM_f32);
    value_id v;
    if (t->elem == ELEM_f32) {
        v = rows_of(k, suffix, f32);
    } else {
        tensor_free(&f32);
        struct tensor bytes = plain_copy(t);
        if (elem_in(bytes.elem, ELEMS_NIBBLE)) bytes.elem = t->elem == ELEM_i4 ? ELEM_i8 : ELEM_u8;
        v = lowering_cast(k->l, rows_of(k, suffix, bytes), ELEM_f32);
    }
    return t->rank > 1 ? shaped(k, v, grouped, 2) : shaped(k, v, &one, 1);
}

value_id lower_lookup(struct lowering *l, bool *out_covered) {
    const struct op *op = lowering_op(l);
    bool embeds = op->kind == OP_embedding;
    value_id table = op->operand[embeds ? 1 : 0];
    const struct tensor *t = value_constant(l->m, table);
    *out_covered = false;
    if (!t || !t->quant || t->rank != 2 || t->quant->axis > 0) return (value_id){0};
    if (!embeds && (op->kind != OP_gather || op_int(op, ATTR_axis) != 0)) return (value_id){0};
    const struct tensor_quant *q = t->quant;
    if (q->group && t->dim[1] % q->group) return (value_id){0};
    struct lookup k = {.l = l,
                       .indices = op->operand[embeds ? 0 : 1],
                       .table = tensor_view(t, 2, t->dim),
                       .weight = table,
                       .name = value_get(l->m, table)->name,
                       .columns = t->dim[1]};
    *out_covered = true;
    const int64_t grouped[] = {q->group ? k.columns / q->group : 1, q->group};
    value_id v = integers(&k);
    if (q->group) v = shaped(&k, v, grouped, 2);
    if (q->zero.data) v = lowering_two(l, OP_sub, v, of_rows(&k, ".zero", &q->zero));
    v = lowering_two(l, OP_mul, v, of_rows(&k, ".scale", &q->scale));
    return q->group ? shaped(&k, v, &k.columns, 1) : v;
}
