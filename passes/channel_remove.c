/* Taking channels out of a module. Attributes follow by what their names mean (ir/attrs.def gives a name one
 * meaning in every op): shapes and sizes are extents of results, starts and ends are positions in the
 * operand, groups and heads count equal shares of its channels. */
#include "passes/channel_groups.h"

#include <string.h>

struct remover {
    struct module *m;
    struct diag *diag;
    bool **gone; /* [value * MAX_RANK + dim]: NULL, or by channel */
};

static int64_t old_extent(const struct remover *r, value_id v, uint32_t dim) {
    const struct types *types = &r->m->types;
    int64_t extent;
    check(dim_is_const(types, dims_at(types, value_get(r->m, v)->type.shape, dim), &extent));
    return extent;
}

static const bool *gone_of(const struct remover *r, value_id v, uint32_t dim) {
    return r->gone[v.i * MAX_RANK + dim];
}

/* How many of the first `end` channels stay. */
static int64_t kept_before(const struct remover *r, value_id v, uint32_t dim, int64_t end) {
    const bool *gone = gone_of(r, v, dim);
    int64_t kept = end;
    for (int64_t i = 0; gone && i < end; i++) kept -= gone[i];
    return kept;
}

static int64_t new_extent(const struct remover *r, value_id v, uint32_t dim) {
    return kept_before(r, v, dim, old_extent(r, v, dim));
}

static void mark(struct remover *r, const struct channel_set *set) {
    for (uint32_t i = 0; i < set->count; i++) {
        const struct channel_member *c = &set->member[i];
        bool **gone = &r->gone[c->value.i * MAX_RANK + c->dim];
        if (!*gone) *gone = xcalloc((size_t)old_extent(r, c->value, c->dim) + 1, sizeof **gone);
        (*gone)[c->channel] = true;
    }
}

/* -- parameters: the slices that stay, in order -- */
static struct tensor sliced(const struct remover *r, value_id v, const struct tensor *from) {
    int64_t dim[MAX_RANK], at[MAX_RANK] = {0};
    for (uint32_t d = 0; d < from->rank; d++) dim[d] = new_extent(r, v, d);
    struct tensor to = tensor_new(from->elem, from->rank, dim);
    size_t bytes = elem_bytes(from->elem);
    int64_t count = tensor_count(from), next = 0;
    for (int64_t i = 0; i < count; i++) {
        bool stays = true;
        for (uint32_t d = 0; d < from->rank; d++)
            stays = stays && !(gone_of(r, v, d) && gone_of(r, v, d)[at[d]]);
        if (stays)
            memcpy((char *)to.data + (size_t)next++ * bytes, (const char *)from->data + (size_t)i * bytes,
                   bytes);
        for (uint32_t d = from->rank; d-- > 0;) {
            if (++at[d] < from->dim[d]) break;
            at[d] = 0;
        }
    }
    check(next == tensor_count(&to));
    return to;
}

static void slice_parameter(struct remover *r, value_id v) {
    struct value *value = value_get(r->m, v);
    struct weight *w = weight_get(r->m, value->weight);
    struct tensor smaller = sliced(r, v, &w->tensor);
    tensor_free(&w->tensor);
    w->tensor = smaller;
    w->made_by = NULL;
    value->type.shape = dims_from_ints(&r->m->types, smaller.dim, smaller.rank);
}

/* -- attributes -- */
static uint32_t axis_of(const struct remover *r, const struct op *op, int64_t axis) {
    return (uint32_t)(axis < 0 ? axis + type_rank(&r->m->types, value_get(r->m, op->operand[0])->type)
                               : axis);
}

/* Symbolic extents stay as they are: nothing was taken from them. */
static dims_id new_shape(const struct remover *r, value_id v) {
    struct types *types = &r->m->types;
    dim_id dims[MAX_RANK];
    dims_id shape = value_get(r->m, v)->type.shape;
    uint32_t rank = dims_rank(types, shape);
    for (uint32_t d = 0; d < rank; d++)
        dims[d] = gone_of(r, v, d) ? dim_const(types, new_extent(r, v, d)) : dims_at(types, shape, d);
    return dims_make(types, dims, rank);
}

static struct attr new_sizes(struct remover *r, const struct op *op, const struct attr *a) {
    int64_t sizes[MAX_RESULTS];
    uint32_t axis = axis_of(r, op, op_int(op, ATTR_axis));
    for (uint32_t i = 0; i < op->result_count; i++) sizes[i] = new_extent(r, op->result[i], axis);
    return attr_ints(r->m, a->name, sizes, op->result_count);
}

static int64_t step_of(const struct op *op, uint32_t i) {
    uint32_t n;
    const int64_t *steps = op_ints(op, ATTR_steps, &n);
    return n ? steps[i] : 1;
}

/* A position counts the channels before it that stay; those that mean "from the end" or lie outside are made
 * plain first. Backwards, a position is the last channel that stays up to it, and before the first there is
 * only a position far outside. */
static int64_t new_position(const struct remover *r, value_id v, uint32_t dim, int64_t p, bool backwards) {
    int64_t all = old_extent(r, v, dim);
    p = p < 0 ? max_i64(p + all, backwards ? -1 : 0) : min_i64(p, backwards ? all - 1 : all);
    if (!backwards) return kept_before(r, v, dim, p);
    int64_t at = kept_before(r, v, dim, p + 1) - 1;
    return at < 0 ? INT64_MIN / 2 : at;
}

static struct attr new_positions(struct remover *r, const struct op *op, const struct attr *a) {
    int64_t at[MAX_RANK];
    uint32_t axes;
    const int64_t *axis = op_ints(op, ATTR_axes, &axes);
    for (uint32_t i = 0; i < a->ints.count; i++) {
        uint32_t dim = axes ? axis_of(r, op, axis[i]) : i;
        bool moved = gone_of(r, op->operand[0], dim) != NULL;
        at[i] =
            moved ? new_position(r, op->operand[0], dim, a->ints.at[i], step_of(op, i) < 0) : a->ints.at[i];
    }
    return attr_ints(r->m, a->name, at, a->ints.count);
}

/* Groups of a convolution and heads of an attention are equal shares of operand `i`'s dimension `dim`. */
static int64_t new_share(const struct remover *r, const struct op *op, uint32_t i, uint32_t dim,
                         int64_t shares) {
    int64_t before = old_extent(r, op->operand[i], dim), after = new_extent(r, op->operand[i], dim);
    check(shares * after % before == 0);
    return shares * after / before;
}

static struct attr new_attr(struct remover *r, const struct op *op, const struct attr *a) {
    struct attr fresh = *a;
    switch (a->name) {
    case ATTR_shape:
        fresh.dims = new_shape(r, op->result[0]);
        break;
    case ATTR_sizes:
        fresh = new_sizes(r, op, a);
        break;
    case ATTR_starts:
    case ATTR_ends:
        fresh = new_positions(r, op, a);
        break;
    case ATTR_groups:
        if (a->i > 1) fresh.i = new_share(r, op, 0, 1, a->i);
        break;
    case ATTR_heads:
        fresh.i = new_share(r, op, 0, 2, a->i);
        break;
    case ATTR_kv_heads:
        if (a->i) fresh.i = new_share(r, op, 1, 2, a->i);
        break;
    default:
        break;
    }
    return fresh;
}

static bool touches(const struct remover *r, const struct op *op) {
    for (uint32_t d = 0; d < MAX_RANK; d++) {
        for (uint32_t i = 0; i < op->operand_count; i++)
            if (op->operand[i].i && gone_of(r, op->operand[i], d)) return true;
        for (uint32_t i = 0; i < op->result_count; i++)
            if (gone_of(r, op->result[i], d)) return true;
    }
    return false;
}

static void update_attrs(struct remover *r, struct op *op) {
    uint32_t n = op_info_attrs(op_info(op->kind));
    struct attr *fresh = arena_copy(&r->m->arena, op->attr, n * sizeof *fresh);
    for (uint32_t i = 0; i < n; i++) fresh[i] = new_attr(r, op, &op->attr[i]);
    op->attr = fresh;
}

enum status channels_remove(struct module *m, const struct channel_groups *groups, const bool *remove,
                            struct diag *diag) {
    struct remover r = {.m = m, .diag = diag};
    uint32_t slots = m->values.count * MAX_RANK, values = m->values.count;
    r.gone = xcalloc(slots, sizeof *r.gone);
    for (uint32_t s = 0; s < groups->sets.count; s++)
        if (remove[s]) mark(&r, &groups->sets.at[s]);
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct op *op = op_get(m, root->ops.at[i]);
        if (touches(&r, op)) update_attrs(&r, op);
    }
    for (uint32_t v = 1; v < values; v++) {
        bool smaller = false;
        for (uint32_t d = 0; d < MAX_RANK; d++) smaller = smaller || r.gone[v * MAX_RANK + d];
        if (smaller && value_get(m, (value_id){v})->kind == VALUE_PARAMETER)
            slice_parameter(&r, (value_id){v});
    }
    for (uint32_t i = 0; i < slots; i++) free(r.gone[i]);
    free(r.gone);
    return module_infer(m, diag);
}
