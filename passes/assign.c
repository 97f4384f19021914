/* Chooses format, layout and schedule of all kernels together. Each op of the root is a node, its candidates
 * are the alternatives; an edge charges the relayout between what the producer stores and what the consumer
 * wants. Inputs and outputs of the model are plain. */
#include "passes/pass.h"

#include "ir/panels.h"
#include "passes/candidates.h"
#include "passes/pbqp.h"

#include <string.h>

enum { MAX_CANDIDATES = 24 };

/* A relayout reads and writes every byte, from and to the second level cache as a rule, and costs a step of
 * its own. */
static const double relayout_bytes_per_ns = 8, relayout_step_ns = 300;

struct assigner {
    struct module *m;
    const struct pass_env *env;
    struct diag *diag;
    bool plain_only;
    uint32_t count;               /* ops of the root */
    struct candidate **candidate; /* by position in the root */
    uint32_t *candidates, *choice;
    uint32_t *position;   /* by op */
    struct map relayouts; /* (value, layout) -> value */
};

static bool is_plain(const struct candidate *c, const struct op *op) {
    bool plain = c->out.i == 0;
    for (uint32_t i = 0; i < op->operand_count; i++) plain = plain && c->in[i].i == 0;
    return plain;
}

static void collect(struct assigner *a, uint32_t position, op_id id) {
    struct candidate all[MAX_CANDIDATES];
    struct module *m = a->m;
    uint32_t n = candidates_of(m, id, a->env ? a->env->target : NULL, all, MAX_CANDIDATES), kept = 0;
    const struct op *op = op_get(m, id);
    for (uint32_t i = 0; i < n; i++)
        if (!a->plain_only || is_plain(&all[i], op)) all[kept++] = all[i];
    if (!kept) /* every candidate wants a layout that was forbidden */
        all[kept++] = (struct candidate){.in = arena_array(&m->arena, layout_id, op->operand_count + 1),
                                         .why_slow = "only plain layouts are allowed"};
    a->candidate[position] = arena_copy(&m->arena, all, kept * sizeof *all);
    a->candidates[position] = kept;
    a->position[id.i] = position;
}

static double relayout_cost(const struct module *m, value_id v, layout_id from, layout_id to) {
    if (from.i == to.i) return 0;
    struct type type = value_get(m, v)->type;
    double bytes = (double)type_count(&m->types, type) * (double)elem_bytes(type.elem);
    return relayout_step_ns + bytes / relayout_bytes_per_ns;
}

/* What a candidate costs by itself: its kernel, relayouts of the model's inputs, and of its results when they
 * are outputs. */
static double node_cost(const struct assigner *a, const struct op *op, const struct candidate *c) {
    const struct module *m = a->m;
    double cost = c->cost_ns;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (op->operand[i].i && value_get(m, op->operand[i])->kind == VALUE_INPUT)
            cost += relayout_cost(m, op->operand[i], (layout_id){0}, c->in[i]);
    for (uint32_t i = 0; i < m->outputs.count; i++)
        for (uint32_t r = 0; r < op->result_count; r++)
            if (value_same(m->outputs.at[i].value, op->result[r]))
                cost += relayout_cost(m, op->result[r], c->out, (layout_id){0});
    return cost;
}

static void add_edges(struct assigner *a, struct pbqp *p, uint32_t consumer, const struct op *op) {
    for (uint32_t i = 0; i < op->operand_count; i++) {
        const struct value *v = value_get(a->m, op->operand[i]);
        if (!op->operand[i].i || v->kind != VALUE_RESULT) continue;
        uint32_t producer = a->position[v->op.i];
        uint32_t np = a->candidates[producer], nc = a->candidates[consumer];
        double cost[MAX_CANDIDATES * MAX_CANDIDATES];
        bool any = false;
        for (uint32_t x = 0; x < np; x++)
            for (uint32_t y = 0; y < nc; y++) {
                double c = relayout_cost(a->m, op->operand[i], a->candidate[producer][x].out,
                                         a->candidate[consumer][y].in[i]);
                cost[x * nc + y] = c;
                any = any || c > 0;
            }
        if (any) pbqp_add_edge(p, producer, consumer, cost);
    }
}

static void choose(struct assigner *a) {
    const struct region *root = region_get(a->m, a->m->root);
    struct pbqp *p = pbqp_new(a->count);
    for (uint32_t i = 0; i < a->count; i++) {
        double cost[MAX_CANDIDATES];
        for (uint32_t k = 0; k < a->candidates[i]; k++)
            cost[k] = node_cost(a, op_get(a->m, root->ops.at[i]), &a->candidate[i][k]);
        pbqp_set_node(p, i, cost, a->candidates[i]);
    }
    for (uint32_t i = 0; i < a->count; i++) add_edges(a, p, i, op_get(a->m, root->ops.at[i]));
    pbqp_solve(p, a->choice);
    pbqp_free(p);
}

/* The value stored in `layout`: itself, or a relayout made once for all its users. */
static value_id in_layout(struct assigner *a, struct builder *b, value_id v, layout_id layout) {
    struct module *m = a->m;
    if (value_get(m, v)->type.layout.i == layout.i) return v;
    uint32_t key[2] = {v.i, layout.i};
    uint32_t *slot = map_put(&a->relayouts, key, sizeof key, NULL);
    if (*slot) return (value_id){*slot};
    struct attr attr = attr_layout(ATTR_layout, layout);
    const char *name = value_get(m, v)->name;
    value_id made = build(b, OP_relayout, &v, 1, &attr, 1, *name ? name : "literal");
    check(made.i);
    value_get(m, made)->type.layout = layout;
    *map_put(&a->relayouts, key, sizeof key, NULL) = made.i;
    return made;
}

static void remark_on(struct assigner *a, const struct op *op, const struct candidate *c) {
    if (c->why_slow)
        diag_remark(a->diag, REMARK_MISSED, "assign", value_get(a->m, op->result[0])->name,
                    "generic kernel: %s", c->why_slow);
}

/* The element type in which an op computes with the stored operand i. */
static enum elem computed_elem(const struct module *m, const struct op *op, uint32_t i) {
    if (!op->body.i) return op_operand_type(m, op, i).elem;
    const struct region *body = region_get(m, op->body);
    enum elem stored = value_get(m, op->operand[i])->type.elem;
    for (uint32_t k = 0; k < body->ops.count; k++) {
        const struct op *inner = op_get(m, body->ops.at[k]);
        for (uint32_t j = 0; j < inner->operand_count; j++)
            if (value_same(inner->operand[j], body->args.at[i]) &&
                op_operand_type(m, inner, j).elem != stored)
                return op_operand_type(m, inner, j).elem;
    }
    return stored;
}

/* Chooses the coding of the candidate's coded weights. Other weights that are stored in another way than the
 * op computes with them become plain. */
static void place_weights(struct assigner *a, op_id id, struct candidate *c) {
    struct module *m = a->m;
    uint32_t coded = UINT32_MAX;
    if (c->coded) {
        value_id weight = op_get(m, id)->operand[c->coded_operand];
        c->schedule.coding = panels_choose(m, weight, c->coded, &c->schedule, a->env->target);
        if (c->schedule.coding != PANELS_none) coded = c->coded_operand;
    }
    for (uint32_t i = 0; i < op_get(m, id)->operand_count; i++) {
        value_id v = op_get(m, id)->operand[i];
        if (i == coded || !v.i || value_get(m, v)->kind != VALUE_PARAMETER) continue;
        enum elem elem = computed_elem(m, op_get(m, id), i);
        if (elem == value_get(m, v)->type.elem && !value_get(m, v)->type.sparse.i) continue;
        diag_remark(a->diag, REMARK_MISSED, "assign", value_get(m, v)->name,
                    "no kernel reads this encoding here: the library holds plain %s", elem_name(elem));
        value_id plain = module_plain_parameter(m, v, elem);
        op_get(m, id)->operand[i] = plain;
    }
}

/* Types of a fuse body's arguments follow its operands. */
static void pass_types_to_body(struct module *m, const struct op *op) {
    if (!op->body.i) return;
    for (uint32_t i = 0; i < op->operand_count; i++)
        value_get(m, region_get(m, op->body)->args.at[i])->type = value_get(m, op->operand[i])->type;
}

static void apply(struct assigner *a) {
    struct module *m = a->m;
    struct region *root = region_get(m, m->root);
    op_id *ops = xmalloc((a->count + 1) * sizeof *ops);
    if (a->count) memcpy(ops, root->ops.at, a->count * sizeof *ops);
    vec_clear(&root->ops);
    struct builder b = builder_at_end(m, m->root, a->diag);
    for (uint32_t i = 0; i < a->count; i++) {
        struct candidate *c = &a->candidate[i][a->choice[i]];
        place_weights(a, ops[i], c);
        b.loc = op_get(m, ops[i])->loc;
        for (uint32_t k = 0; k < op_get(m, ops[i])->operand_count; k++) {
            value_id v = op_get(m, ops[i])->operand[k];
            if (v.i && value_get(m, v)->kind != VALUE_LITERAL)
                v = in_layout(a, &b, v, c->in[k]); /* may move m->ops */
            op_get(m, ops[i])->operand[k] = v;
        }
        struct op *op = op_get(m, ops[i]);
        for (uint32_t r = 0; r < op->result_count; r++) value_get(m, op->result[r])->type.layout = c->out;
        if (c->has_schedule) op->schedule = arena_copy(&m->arena, &c->schedule, sizeof c->schedule);
        pass_types_to_body(m, op);
        remark_on(a, op, c);
        *vec_push(&region_get(m, m->root)->ops) = ops[i];
    }
    free(ops);
    for (uint32_t i = 0; i < m->outputs.count; i++)
        if (value_get(m, m->outputs.at[i].value)->kind != VALUE_LITERAL)
            m->outputs.at[i].value = in_layout(a, &b, m->outputs.at[i].value, (layout_id){0});
}

static enum status require_static(const struct module *m, struct diag *diag) {
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        if (v->kind == VALUE_RESULT && op_get(m, v->op)->erased) continue;
        if (v->kind == VALUE_ARGUMENT || type_static(&m->types, v->type, NULL)) continue;
        for (uint32_t d = 0; d < type_rank(&m->types, v->type); d++) {
            const char *symbol = dim_first_symbol(&m->types, dims_at(&m->types, v->type.shape, d));
            if (!symbol) continue;
            const char *what = v->kind == VALUE_INPUT ? "input" : "value";
            return diag_error(
                diag, v->loc,
                "dimension %u of the %s %s depends on %s, which has no value: give one with --dim %s=N "
                "or --shape INPUT=D0,D1,…",
                d, what, v->name, symbol, symbol);
        }
    }
    return STATUS_OK;
}

enum status pass_assign(struct module *m, const struct pass_options *options, struct diag *diag) {
    const char *layout = pass_text(options, "layout");
    if (strcmp(layout, "auto") && strcmp(layout, "plain"))
        return diag_error(diag, (struct loc){0}, "assign: layout is %s, expected auto or plain", layout);
    TRY(require_static(m, diag));
    const struct region *root = region_get(m, m->root);
    struct assigner a = {.m = m, .env = options->env, .diag = diag, .plain_only = !strcmp(layout, "plain")};
    a.count = root->ops.count;
    a.candidate = xcalloc(a.count, sizeof *a.candidate);
    a.candidates = xcalloc(a.count, sizeof *a.candidates);
    a.choice = xcalloc(a.count, sizeof *a.choice);
    a.position = xcalloc(m->ops.count, sizeof *a.position);
    for (uint32_t i = 0; i < a.count; i++) collect(&a, i, region_get(m, m->root)->ops.at[i]);
    choose(&a);
    apply(&a);
    if (a.env && a.env->target) m->target = arena_strdup(&m->arena, a.env->target->name);
    free(a.candidate);
    free(a.candidates);
    free(a.choice);
    free(a.position);
    map_free(&a.relayouts);
    return STATUS_OK;
}
