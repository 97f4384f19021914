/* Changing a module: replacing and erasing, dead code, copies, binding symbols. */
#include "ir/op.h"

#include <string.h>

static value_id follow(const value_id *to, value_id v) {
    while (to[v.i].i && to[v.i].i != v.i) v = to[v.i];
    return v;
}

void module_replace_all(struct module *m, const value_id *to) {
    for (uint32_t o = 1; o < m->ops.count; o++) {
        struct op *op = &m->ops.at[o];
        if (op->erased) continue;
        for (uint32_t i = 0; i < op->operand_count; i++)
            if (op->operand[i].i) op->operand[i] = follow(to, op->operand[i]);
    }
    for (uint32_t r = 1; r < m->regions.count; r++)
        for (uint32_t i = 0; i < m->regions.at[r].results.count; i++)
            m->regions.at[r].results.at[i] = follow(to, m->regions.at[r].results.at[i]);
    for (uint32_t i = 0; i < m->outputs.count; i++)
        m->outputs.at[i].value = follow(to, m->outputs.at[i].value);
}

void module_replace_uses(struct module *m, value_id from, value_id with) {
    value_id *to = xcalloc(m->values.count, sizeof *to);
    to[from.i] = with;
    module_replace_all(m, to);
    free(to);
}

void module_erase_op(struct module *m, op_id op) {
    op_get(m, op)->erased = true;
    region_id body = op_get(m, op)->body;
    if (!body.i) return;
    struct region *r = region_get(m, body);
    for (uint32_t i = 0; i < r->ops.count; i++) op_get(m, r->ops.at[i])->erased = true;
    vec_clear(&r->results);
}

void module_compact(struct module *m) {
    for (uint32_t r = 1; r < m->regions.count; r++) {
        struct region *region = &m->regions.at[r];
        uint32_t kept = 0;
        for (uint32_t i = 0; i < region->ops.count; i++)
            if (!op_get(m, region->ops.at[i])->erased) region->ops.at[kept++] = region->ops.at[i];
        region->ops.count = kept;
    }
}

uint32_t *module_count_uses(const struct module *m) {
    uint32_t *uses = xcalloc(m->values.count, sizeof *uses);
    for (uint32_t o = 1; o < m->ops.count; o++) {
        const struct op *op = &m->ops.at[o];
        for (uint32_t i = 0; !op->erased && i < op->operand_count; i++) uses[op->operand[i].i]++;
    }
    for (uint32_t r = 1; r < m->regions.count; r++)
        for (uint32_t i = 0; i < m->regions.at[r].results.count; i++)
            uses[m->regions.at[r].results.at[i].i]++;
    for (uint32_t i = 0; i < m->outputs.count; i++) uses[m->outputs.at[i].value.i]++;
    return uses;
}

/* Definitions precede uses, so one walk from the end sees every user before the definition. */
uint32_t module_remove_dead(struct module *m) {
    uint32_t *uses = module_count_uses(m), removed = 0;
    struct region *root = region_get(m, m->root);
    for (uint32_t i = root->ops.count; i-- > 0;) {
        op_id id = root->ops.at[i];
        struct op *op = op_get(m, id);
        bool live = false;
        for (uint32_t r = 0; r < op->result_count; r++) live = live || uses[op->result[r].i];
        if (live || op->erased) continue;
        for (uint32_t k = 0; k < op->operand_count; k++) uses[op->operand[k].i]--;
        module_erase_op(m, id);
        removed++;
    }
    free(uses);
    module_compact(m);
    return removed;
}

/* -- inference again -- */
static enum status infer_region(struct module *m, region_id region, struct diag *diag);

/* A fuse passes its operands' types to its body's arguments first. */
static enum status infer_body(struct module *m, const struct op *op, struct diag *diag) {
    struct region *body = region_get(m, op->body);
    for (uint32_t i = 0; i < op->operand_count; i++)
        value_get(m, body->args.at[i])->type = value_get(m, op->operand[i])->type;
    return infer_region(m, op->body, diag);
}

static enum status infer_region(struct module *m, region_id region, struct diag *diag) {
    const struct region *r = region_get(m, region);
    for (uint32_t i = 0; i < r->ops.count; i++) {
        const struct op *op = op_get(m, r->ops.at[i]);
        if (op->body.i) TRY(infer_body(m, op, diag));
        struct infer infer = {.m = m, .op = op, .diag = diag, .result_count = 1};
        TRY(infer_types(&infer));
        check(infer.result_count == op->result_count);
        for (uint32_t k = 0; k < op->result_count; k++) {
            struct type *type = &value_get(m, op->result[k])->type;
            type->elem = infer.results[k].elem;
            type->shape = infer.results[k].shape;
        }
    }
    return STATUS_OK;
}

enum status module_infer(struct module *m, struct diag *diag) {
    return infer_region(m, m->root, diag);
}

static dims_id substitute_dims(struct module *m, dims_id dims,
                               bool (*lookup)(void *, const char *, int64_t *), void *ctx) {
    uint32_t rank = dims_rank(&m->types, dims);
    dim_id at[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        at[i] = dim_substitute(&m->types, dims_at(&m->types, dims, i), lookup, ctx);
    return dims_make(&m->types, at, rank);
}

enum status module_bind_symbols(struct module *m, bool (*lookup)(void *, const char *, int64_t *), void *ctx,
                                struct diag *diag) {
    for (uint32_t i = 0; i < m->inputs.count; i++) {
        struct type *type = &value_get(m, m->inputs.at[i])->type;
        type->shape = substitute_dims(m, type->shape, lookup, ctx);
    }
    for (uint32_t o = 1; o < m->ops.count; o++) {
        struct op *op = &m->ops.at[o];
        uint32_t n = op->erased ? 0 : op_info_attrs(op_info(op->kind));
        struct attr *fresh = NULL;
        for (uint32_t i = 0; i < n; i++) {
            if (attr_kind_of(op->attr[i].name) != ATTR_KIND_DIMS) continue;
            if (!fresh) fresh = arena_copy(&m->arena, op->attr, n * sizeof *fresh);
            fresh[i].dims = substitute_dims(m, op->attr[i].dims, lookup, ctx);
        }
        if (fresh) op->attr = fresh;
    }
    return module_infer(m, diag);
}

/* -- copies: handles stay the same numbers, so tables are copied as they are and pointers into the arena are
 * renewed -- */
static void clone_op(struct module *to, struct op *op) {
    op->operand = arena_copy(&to->arena, op->operand, op->operand_count * sizeof *op->operand);
    op->result = arena_copy(&to->arena, op->result, op->result_count * sizeof *op->result);
    uint32_t n = op_info_attrs(op_info(op->kind));
    struct attr *attrs = arena_copy(&to->arena, op->attr, n * sizeof *attrs);
    for (uint32_t i = 0; i < n; i++) {
        struct attr *a = &attrs[i];
        if (attr_kind_of(a->name) == ATTR_KIND_INTS)
            a->ints.at = arena_copy(&to->arena, a->ints.at, a->ints.count * sizeof *a->ints.at);
        if (attr_kind_of(a->name) == ATTR_KIND_FLOATS)
            a->floats.at = arena_copy(&to->arena, a->floats.at, a->floats.count * sizeof *a->floats.at);
    }
    op->attr = attrs;
    if (op->schedule) op->schedule = arena_copy(&to->arena, op->schedule, sizeof *op->schedule);
}

#define clone_vec(to, from)                                                                                  \
    do {                                                                                                     \
        for (uint32_t i_ = 0; i_ < (from)->count; i_++) *vec_push(to) = (from)->at[i_];                      \
    } while (0)

static struct tensor share(const struct tensor *tensor) {
    struct tensor view = *tensor;
    view.owned = false;
    return view;
}

static const char *copy_text(struct module *m, const char *text) {
    return text ? arena_strdup(&m->arena, text) : NULL;
}

struct module *module_clone(const struct module *from) {
    struct module *m = xcalloc(1, sizeof *m);
    types_copy(&m->types, &from->types);
    m->name = arena_strdup(&m->arena, from->name);
    m->loc = from->loc;
    m->root = from->root;
    m->scratch_bytes = from->scratch_bytes;
    m->plan = copy_text(m, from->plan);
    m->target = copy_text(m, from->target);
    clone_vec(&m->values, &from->values);
    clone_vec(&m->ops, &from->ops);
    clone_vec(&m->weights, &from->weights);
    clone_vec(&m->inputs, &from->inputs);
    for (uint32_t i = 0; i < from->weights_files.count; i++)
        *vec_push(&m->weights_files) = (struct weights_file){copy_text(m, from->weights_files.at[i].path),
                                                             copy_text(m, from->weights_files.at[i].prefix)};
    for (uint32_t i = 1; i < m->values.count; i++) {
        m->values.at[i].name = arena_strdup(&m->arena, m->values.at[i].name);
        m->values.at[i].literal = share(&m->values.at[i].literal);
    }
    for (uint32_t i = 1; i < m->weights.count; i++) {
        m->weights.at[i].name = arena_strdup(&m->arena, m->weights.at[i].name);
        m->weights.at[i].tensor = share(&m->weights.at[i].tensor);
        m->weights.at[i].made_by = copy_text(m, m->weights.at[i].made_by);
    }
    for (uint32_t i = 1; i < m->ops.count; i++) clone_op(m, &m->ops.at[i]);
    for (uint32_t i = 0; i < from->regions.count; i++) {
        struct region *r = vec_push(&m->regions);
        r->owner = from->regions.at[i].owner;
        clone_vec(&r->args, &from->regions.at[i].args);
        clone_vec(&r->ops, &from->regions.at[i].ops);
        clone_vec(&r->results, &from->regions.at[i].results);
    }
    for (uint32_t i = 0; i < from->outputs.count; i++)
        module_add_output(m, from->outputs.at[i].name, from->outputs.at[i].value);
    for (uint32_t i = 0; i < from->metadata.count; i++)
        module_add_metadata(m, from->metadata.at[i].key, from->metadata.at[i].value);
    map_copy(&m->value_names, &from->value_names);
    map_copy(&m->weight_names, &from->weight_names);
    return m;
}
