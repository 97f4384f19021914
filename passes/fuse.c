/* Fusion by sinks: walking backwards, an op joins the group of its users when all of them are in one group,
 * so every value but the group's result stays inside. A group has at most one contraction, whose result has
 * the group's shape. */
#include "passes/pass.h"

#include <string.h>

enum { NO_GROUP = 0, MIXED = UINT32_MAX };

/* Kernels are straight-line code for each element: beyond this many ops they spill what they save in memory
 * traffic, and the back end takes more than linear time for them. */
enum { MAX_MEMBERS = 64 };

struct group {
    op_id sink;
    dims_id shape;
    bool has_contraction;
    uint32_t members;
};

struct fuser {
    struct module *m;
    struct diag *diag;
    VEC(struct group) groups; /* [0] is none */
    uint32_t *group_of_op;    /* by op */
    uint32_t *users; /* by value: the one group that all users are in, MIXED, or NO_GROUP without users */
    value_id *map;   /* by value: its copy in the body under construction */
    value_id *fused; /* by value: the fuse result that took its place */
    uint32_t *stamp; /* by value: the group that map is valid for */
};

static bool is_pointwise(const struct op *op) {
    return op_info(op->kind)->class == CLASS_POINTWISE;
}

/* Composites such as attention have kernels of their own. */
static bool is_anchor(const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    return info->class == CLASS_CONTRACTION && !(info->traits & TRAIT_COMPOSITE);
}

static void add_user(struct fuser *f, value_id v, uint32_t group) {
    if (!v.i) return;
    uint32_t *users = &f->users[v.i];
    *users = *users == NO_GROUP || *users == group ? group : MIXED;
}

static bool may_join(const struct fuser *f, const struct op *op, uint32_t group) {
    if (group == NO_GROUP || group == MIXED) return false;
    const struct group *g = &f->groups.at[group];
    if (!type_same(value_get(f->m, op->result[0])->type,
                   type_make(value_get(f->m, op->result[0])->type.elem, g->shape)))
        return false;
    if (g->members == MAX_MEMBERS) return false;
    return is_pointwise(op) || (is_anchor(op) && !g->has_contraction);
}

static void choose_groups(struct fuser *f) {
    struct module *m = f->m;
    for (uint32_t i = 0; i < m->outputs.count; i++) f->users[m->outputs.at[i].value.i] = MIXED;
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = root->ops.count; i-- > 0;) {
        op_id id = root->ops.at[i];
        const struct op *op = op_get(m, id);
        uint32_t group = MIXED;
        if (is_pointwise(op) || is_anchor(op)) {
            group = f->users[op->result[0].i];
            if (!may_join(f, op, group)) {
                group = f->groups.count;
                *vec_push(&f->groups) = (struct group){id, value_get(m, op->result[0])->type.shape, false, 0};
            }
            f->groups.at[group].has_contraction |= is_anchor(op);
            f->groups.at[group].members++;
            f->group_of_op[id.i] = group;
        }
        /* What a contraction reads, it reads many times: it stays outside. */
        for (uint32_t k = 0; k < op->operand_count; k++)
            add_user(f, op->operand[k], is_anchor(op) ? MIXED : group);
    }
}

/* -- building one fuse -- */
static bool inside(const struct fuser *f, value_id v, uint32_t group) {
    const struct value *value = value_get(f->m, v);
    return value->kind == VALUE_RESULT && f->group_of_op[value->op.i] == group;
}

static value_id resolve(const struct fuser *f, value_id v) {
    return f->fused[v.i].i ? f->fused[v.i] : v;
}

static enum status copy_op(struct fuser *f, struct builder *body, const struct op *from) {
    value_id *operands = arena_array(&f->m->arena, value_id, from->operand_count);
    for (uint32_t i = 0; i < from->operand_count; i++) {
        value_id v = from->operand[i];
        bool literal = v.i && value_get(f->m, v)->kind == VALUE_LITERAL;
        operands[i] = !v.i || literal ? v : f->map[v.i];
    }
    body->loc = from->loc;
    value_id old = from->result[0];
    value_id copy = build(body, from->kind, operands, from->operand_count, from->attr,
                          op_info_attrs(op_info(from->kind)), value_get(f->m, old)->name);
    f->map[old.i] = copy;
    return copy.i ? STATUS_OK : STATUS_FAILED;
}

static enum status build_group(struct fuser *f, uint32_t group, const op_id *members, uint32_t count) {
    struct module *m = f->m;
    VEC(value_id) outside = {0}; /* as the members name them */
    for (uint32_t i = 0; i < count; i++) {
        const struct op *op = op_get(m, members[i]);
        for (uint32_t k = 0; k < op->operand_count; k++) {
            value_id v = op->operand[k];
            if (!v.i || value_get(m, v)->kind == VALUE_LITERAL || inside(f, v, group) ||
                f->stamp[v.i] == group)
                continue;
            f->stamp[v.i] = group;
            *vec_push(&outside) = v;
        }
    }
    struct builder root = builder_at_end(m, m->root, f->diag);
    root.loc = op_get(m, f->groups.at[group].sink)->loc;
    value_id *operands = arena_array(&m->arena, value_id, outside.count);
    for (uint32_t i = 0; i < outside.count; i++) operands[i] = resolve(f, outside.at[i]);
    op_id fuse = build_fuse_begin(&root, operands, outside.count);
    struct builder body = builder_at_end(m, op_get(m, fuse)->body, f->diag);
    for (uint32_t i = 0; i < outside.count; i++)
        f->map[outside.at[i].i] = region_get(m, body.region)->args.at[i];
    vec_free(&outside);
    for (uint32_t i = 0; i < count; i++) {
        TRY(copy_op(f, &body, op_get(m, members[i])));
        op_get(m, members[i])->erased = true;
    }
    value_id old = op_get(m, f->groups.at[group].sink)->result[0];
    *vec_push(&region_get(m, body.region)->results) = f->map[old.i];
    TRY(build_fuse_end(&root, fuse, NULL));
    module_take_name(m, old, op_get(m, fuse)->result[0]);
    f->fused[old.i] = op_get(m, fuse)->result[0];
    return STATUS_OK;
}

/* Every group moves to the place of its sink: all its operands are defined before that. */
static enum status rebuild(struct fuser *f) {
    struct module *m = f->m;
    struct region *root = region_get(m, m->root);
    uint32_t n = root->ops.count;
    op_id *old = xmalloc(n * sizeof *old), *sorted = xmalloc(n * sizeof *sorted);
    uint32_t *start = xcalloc(f->groups.count + 1, sizeof *start);
    if (n) memcpy(old, root->ops.at, n * sizeof *old);
    for (uint32_t g = 1, at = 0; g < f->groups.count; g++) start[g] = at, at += f->groups.at[g].members;
    uint32_t *fill = xmalloc((f->groups.count + 1) * sizeof *fill);
    memcpy(fill, start, (f->groups.count + 1) * sizeof *fill);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t g = f->group_of_op[old[i].i];
        if (g) sorted[fill[g]++] = old[i];
    }
    vec_clear(&root->ops);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < n && status == STATUS_OK; i++) {
        uint32_t g = f->group_of_op[old[i].i];
        if (g && f->groups.at[g].sink.i == old[i].i)
            status = build_group(f, g, sorted + start[g], f->groups.at[g].members);
        if (g) continue;
        struct op *op = op_get(m, old[i]);
        for (uint32_t k = 0; k < op->operand_count; k++) op->operand[k] = resolve(f, op->operand[k]);
        *vec_push(&region_get(m, m->root)->ops) = old[i];
    }
    free(old);
    free(sorted);
    free(start);
    free(fill);
    return status;
}

/* A fuse has operands: where an op has nothing but literals, the first one becomes a weight. */
static void literals_to_weights(struct module *m) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct op *op = op_get(m, root->ops.at[i]);
        uint32_t literals = 0, others = 0;
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (op->operand[k].i)
                *(value_get(m, op->operand[k])->kind == VALUE_LITERAL ? &literals : &others) += 1;
        if (others || !literals || !(is_pointwise(op) || is_anchor(op))) continue;
        uint32_t first = 0;
        while (!op->operand[first].i) first++;
        weight_id w =
            module_add_weight(m, "constant", tensor_copy(value_constant(m, op->operand[first])), op->loc);
        op->operand[first] = module_parameter(m, w);
    }
}

enum status pass_fuse(struct module *m, const struct pass_options *options, struct diag *diag) {
    (void)options;
    literals_to_weights(m);
    struct fuser f = {.m = m, .diag = diag};
    (void)vec_push(&f.groups);
    f.group_of_op = xcalloc(m->ops.count, sizeof *f.group_of_op);
    f.users = xcalloc(m->values.count, sizeof *f.users);
    f.map = xcalloc(m->values.count, sizeof *f.map);
    f.fused = xcalloc(m->values.count, sizeof *f.fused);
    f.stamp = xcalloc(m->values.count, sizeof *f.stamp);
    choose_groups(&f);
    enum status status = rebuild(&f);
    for (uint32_t i = 0; i < m->outputs.count; i++)
        m->outputs.at[i].value = resolve(&f, m->outputs.at[i].value);
    free(f.group_of_op);
    free(f.users);
    free(f.map);
    free(f.fused);
    free(f.stamp);
    vec_free(&f.groups);
    return status;
}
