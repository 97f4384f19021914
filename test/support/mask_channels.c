#include "test/support/mask_channels.h"

#include <stdlib.h>

struct masking {
    struct module *m;
    struct diag *diag;
    bool **gone; /* [value * MAX_RANK + dim]: NULL, or by channel */
};

static struct module *copy_of(const struct module *m) {
    struct module *copy = module_clone(m);
    for (uint32_t i = 1; i < copy->weights.count; i++)
        copy->weights.at[i].tensor = tensor_copy(&copy->weights.at[i].tensor);
    for (uint32_t i = 1; i < copy->values.count; i++)
        if (copy->values.at[i].kind == VALUE_LITERAL)
            copy->values.at[i].literal = tensor_copy(&copy->values.at[i].literal);
    return copy;
}

static int64_t extent_of(const struct masking *k, value_id v, uint32_t dim) {
    int64_t extent;
    check(dim_is_const(&k->m->types, dims_at(&k->m->types, value_get(k->m, v)->type.shape, dim), &extent));
    return extent;
}

static void mark(struct masking *k, const struct channel_member *c) {
    bool **gone = &k->gone[c->value.i * MAX_RANK + c->dim];
    if (!*gone) *gone = xcalloc((size_t)extent_of(k, c->value, c->dim) + 1, sizeof **gone);
    (*gone)[c->channel] = true;
}

static void clear_slice(struct module *m, const struct channel_member *c) {
    struct value *v = value_get(m, c->value);
    struct tensor *t = v->kind == VALUE_PARAMETER ? &weight_get(m, v->weight)->tensor
                       : v->kind == VALUE_LITERAL ? &v->literal
                                                  : NULL;
    int64_t inner = 1;
    if (!t) return;
    if (v->kind == VALUE_PARAMETER) weight_get(m, v->weight)->made_by = NULL;
    for (uint32_t d = c->dim + 1; d < t->rank; d++) inner *= t->dim[d];
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (i / inner % t->dim[c->dim] == c->channel) tensor_set_f64(t, i, 0);
}

/* -- ops that take statistics -- */
/* The dimensions of operand 0 whose elements the op does not treat alike but together. */
static uint32_t joint_dims(const struct module *m, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    uint32_t rank = type_rank(&m->types, value_get(m, op->operand[0])->type), set = 0, count = 0;
    bool reduces = info->class == CLASS_REDUCTION && op_info_attr(info, ATTR_axes);
    if (!reduces && op->kind != OP_layernorm) return 0;
    const int64_t *axes = reduces ? op_ints(op, ATTR_axes, &count) : NULL;
    for (uint32_t i = 0; i < count; i++) set |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    if (reduces) return count ? set : (1u << rank) - 1;
    int64_t axis = op_int(op, ATTR_axis);
    for (uint32_t d = (uint32_t)(axis < 0 ? axis + rank : axis); d < rank; d++) set |= 1u << d;
    return set;
}

static value_id selected(struct builder *b, value_id x, uint32_t dim, const int64_t *at, int64_t count) {
    struct tensor index = tensor_new(ELEM_i64, 1, &count);
    for (int64_t i = 0; i < count; i++) tensor_set_i64(&index, i, at[i]);
    struct attr axis = attr_int(ATTR_axis, dim);
    value_id operands[] = {x, module_add_literal(b->m, index)},
             y = build(b, OP_gather, operands, 2, &axis, 1, NULL);
    check(y.i);
    return y;
}

/* The channels of a dimension that stay, and for each of all its place among them (any, if it is gone). */
struct stay {
    int64_t count, all, *kept, *place;
};

static struct stay stay_of(const struct masking *k, value_id v, uint32_t dim) {
    struct stay s = {.all = extent_of(k, v, dim)};
    const bool *gone = k->gone[v.i * MAX_RANK + dim];
    s.kept = xmalloc((size_t)(s.all + 1) * sizeof *s.kept);
    s.place = xcalloc((size_t)s.all + 1, sizeof *s.place);
    for (int64_t i = 0; i < s.all; i++) {
        if (gone[i]) continue;
        s.place[i] = s.count;
        s.kept[s.count++] = i;
    }
    return s;
}

/* The op on what stays along `dim`, spread out again where its result has that dimension. Returns the op that
 * does it now. */
static op_id narrow(struct masking *k, op_id id, value_id x, uint32_t dim) {
    struct stay s = stay_of(k, x, dim);
    struct builder b = builder_before(k->m, id, k->diag);
    struct op op = *op_get(k->m, id);
    uint32_t rank = type_rank(&k->m->types, value_get(k->m, op.operand[0])->type);
    value_id *operands = arena_copy(&k->m->arena, op.operand, op.operand_count * sizeof *operands);
    for (uint32_t i = 0; i < op.operand_count; i++) {
        uint32_t own = operands[i].i ? type_rank(&k->m->types, value_get(k->m, operands[i])->type) : 0;
        if (own) operands[i] = selected(&b, operands[i], dim + own - rank, s.kept, s.count);
    }
    op_id now = id;
    if (op.kind == OP_layernorm) {
        now =
            build_op(&b, op.kind, operands, op.operand_count, op.attr, op_info_attrs(op_info(op.kind)), NULL);
        check(now.i);
        value_id y = selected(&b, op_get(k->m, now)->result[0], dim, s.place, s.all);
        module_replace_uses(k->m, op.result[0], y);
    } else {
        op_get(k->m, id)->operand = operands;
    }
    free(s.kept);
    free(s.place);
    return now;
}

/* Operands may be others by now: the original's say what is gone. */
static void narrow_all(struct masking *k, const struct module *original, op_id id) {
    const struct op *op = op_get(original, id);
    uint32_t joint = op->operand_count ? joint_dims(original, op) : 0;
    for (uint32_t d = 0; d < MAX_RANK; d++)
        if (joint >> d & 1 && k->gone[op->operand[0].i * MAX_RANK + d]) id = narrow(k, id, op->operand[0], d);
}

struct module *mask_channels(const struct module *m, const struct channel_groups *groups, const bool *removed,
                             struct diag *diag) {
    struct masking k = {.m = copy_of(m), .diag = diag};
    uint32_t slots = m->values.count * MAX_RANK;
    k.gone = xcalloc(slots + 1, sizeof *k.gone);
    for (uint32_t s = 0; s < groups->sets.count; s++)
        for (uint32_t i = 0; removed[s] && i < groups->sets.at[s].count; i++) {
            mark(&k, &groups->sets.at[s].member[i]);
            clear_slice(k.m, &groups->sets.at[s].member[i]);
        }
    uint32_t count = region_get(m, m->root)->ops.count;
    op_id *ops = xmalloc((count + 1) * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) ops[i] = region_get(m, m->root)->ops.at[i];
    for (uint32_t i = 0; i < count; i++) narrow_all(&k, m, ops[i]);
    for (uint32_t i = 0; i < slots; i++) free(k.gone[i]);
    free(k.gone);
    free(ops);
    check(module_infer(k.m, diag) == STATUS_OK);
    return k.m;
}
