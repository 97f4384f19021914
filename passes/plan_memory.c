/* Static memory plan. A value of the root lives from the step that makes it to the last step that reads it or
 * a view of it. Results that are outputs of the model are made in place, in the output's own memory; the
 * others share scratch memory: largest first, each at the lowest offset that is free during its whole life.
 */
#include "passes/pass.h"

#include <string.h>

enum { PLACE_ALIGN = 64 };

struct life {
    value_id value;
    uint32_t from, to; /* steps, both included */
    uint64_t bytes, offset;
};

struct planner {
    struct module *m;
    struct diag *diag;
    value_id *root_of; /* by value: the value whose memory it is */
    uint32_t *from, *to;
    uint32_t *output_of; /* by value: output + 1 that the memory is */
};

/* -- every output gets a value of its own that a step makes -- */
static bool is_constant_relayout(const struct module *m, const struct op *op) {
    return op->kind == OP_relayout && value_constant(m, op->operand[0]);
}

/* Made when compiling, not by a step. */
static bool is_constant(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    return value_constant(m, v) ||
           (value->kind == VALUE_RESULT && is_constant_relayout(m, op_get(m, value->op)));
}

static bool needs_copy(const struct module *m, uint32_t output) {
    value_id v = m->outputs.at[output].value;
    if (value_get(m, v)->kind != VALUE_RESULT || is_constant(m, v)) return true;
    for (uint32_t i = 0; i < output; i++)
        if (value_same(m->outputs.at[i].value, v)) return true;
    return false;
}

static enum status copy_to_output(struct module *m, uint32_t output, struct diag *diag) {
    struct builder b = builder_at_end(m, m->root, diag);
    value_id v = m->outputs.at[output].value;
    if (value_get(m, v)->kind == VALUE_LITERAL) { /* a fuse has operands: the constant becomes a weight */
        weight_id w =
            module_add_weight(m, m->outputs.at[output].name, tensor_copy(value_constant(m, v)), b.loc);
        v = module_parameter(m, w);
    }
    op_id fuse = build_fuse_begin(&b, &v, 1);
    value_id inner = region_get(m, op_get(m, fuse)->body)->args.at[0];
    struct builder inside = builder_at_end(m, op_get(m, fuse)->body, diag);
    value_id copy = build(&inside, OP_identity, &inner, 1, NULL, 0, "copy");
    if (!copy.i) return STATUS_FAILED;
    *vec_push(&region_get(m, op_get(m, fuse)->body)->results) = copy;
    const char *name = m->outputs.at[output].name;
    TRY(build_fuse_end(&b, fuse, &name));
    m->outputs.at[output].value = op_get(m, fuse)->result[0];
    return STATUS_OK;
}

/* -- views share memory -- */
static bool is_view(const struct module *m, const struct op *op) {
    return op_info(op->kind)->traits & TRAIT_VIEW && !value_get(m, op->operand[0])->type.layout.i &&
           !value_get(m, op->result[0])->type.layout.i;
}

/* Forward: the result of a view is its operand's memory, but of a relayout that is done when compiling. An
 * output is made by a step, so a view that is an output joins only when its operand's memory can become the
 * output's: the operand is a step's result and not an output itself. */
static void join_views(struct planner *p) {
    struct module *m = p->m;
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        if (!is_view(m, op)) continue;
        value_id of = p->root_of[op->operand[0].i], v = op->result[0];
        if (is_constant(m, of) && !value_constant(m, of)) continue;
        uint32_t output = p->output_of[v.i];
        if (output && (p->output_of[of.i] || value_get(m, of)->kind != VALUE_RESULT))
            continue; /* a copying step */
        p->root_of[v.i] = of;
        if (output) p->output_of[of.i] = output;
    }
}

static void measure_lives(struct planner *p) {
    struct module *m = p->m;
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        for (uint32_t r = 0; r < op->result_count; r++) {
            value_id of = p->root_of[op->result[r].i];
            if (value_same(of, op->result[r])) p->from[of.i] = p->to[of.i] = i;
        }
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (op->operand[k].i) p->to[p->root_of[op->operand[k].i].i] = i;
    }
}

/* -- scratch offsets -- */
static int by_size(const void *a, const void *b) {
    const struct life *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x->value.i < y->value.i ? -1 : 1;
}

/* Sorts `life` in among those placed before it, by offset. */
static void insert_placed(const struct life **placed, uint32_t count, const struct life *life) {
    uint32_t lo = 0, hi = count;
    while (lo < hi) {
        uint32_t middle = lo + (hi - lo) / 2;
        if (placed[middle]->offset <= life->offset)
            lo = middle + 1;
        else
            hi = middle;
    }
    memmove(placed + lo + 1, placed + lo, (count - lo) * sizeof *placed);
    placed[lo] = life;
}

static uint64_t place_all(struct life *lives, uint32_t count) {
    if (count) qsort(lives, count, sizeof *lives, by_size);
    const struct life **placed = xmalloc((count + 1) * sizeof *placed);
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = 0;
        for (uint32_t k = 0; k < i && placed[k]->offset < at + lives[i].bytes; k++) {
            bool together = placed[k]->from <= lives[i].to && lives[i].from <= placed[k]->to;
            uint64_t end = placed[k]->offset + placed[k]->bytes;
            if (together && end > at) at = end;
        }
        lives[i].offset = at;
        insert_placed(placed, i, &lives[i]);
        if (at + lives[i].bytes > total) total = at + lives[i].bytes;
    }
    free(placed);
    return total;
}

static struct place port_place(enum place_space space, uint32_t port) {
    return (struct place){space, port, 0};
}

static void assign_places(struct planner *p) {
    struct module *m = p->m;
    const struct region *root = region_get(m, m->root);
    VEC(struct life) lives = {0};
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        for (uint32_t r = 0; r < op->result_count; r++) {
            struct value *v = value_get(m, op->result[r]);
            uint32_t output = p->output_of[op->result[r].i];
            if (is_constant_relayout(m, op))
                v->place = port_place(PLACE_WEIGHTS, 0);
            else if (!value_same(p->root_of[op->result[r].i], op->result[r]))
                continue;
            else if (output)
                v->place = port_place(PLACE_OUTPUT, output - 1);
            else {
                uint64_t bytes =
                    (uint64_t)round_up(max_i64(type_storage_bytes(&m->types, v->type), 1), PLACE_ALIGN);
                *vec_push(&lives) =
                    (struct life){op->result[r], p->from[op->result[r].i], p->to[op->result[r].i], bytes, 0};
            }
        }
    }
    m->scratch_bytes = place_all(lives.at, lives.count);
    for (uint32_t i = 0; i < lives.count; i++)
        value_get(m, lives.at[i].value)->place = (struct place){PLACE_SCRATCH, 0, lives.at[i].offset};
    vec_free(&lives);
    for (uint32_t i = 0; i < m->inputs.count; i++)
        value_get(m, m->inputs.at[i])->place = port_place(PLACE_INPUT, i);
    for (uint32_t i = 1; i < m->values.count; i++)
        if (m->values.at[i].kind == VALUE_PARAMETER) m->values.at[i].place = port_place(PLACE_WEIGHTS, 0);
    for (uint32_t i = 1; i < m->values.count; i++)
        if (p->root_of[i].i != i) m->values.at[i].place = value_get(m, p->root_of[i])->place;
}

enum status pass_plan_memory(struct module *m, const struct pass_options *options, struct diag *diag) {
    (void)options;
    for (uint32_t i = 0; i < m->outputs.count; i++)
        if (needs_copy(m, i)) TRY(copy_to_output(m, i, diag));
    uint32_t n = m->values.count;
    struct planner p = {.m = m, .diag = diag};
    p.root_of = xcalloc(n, sizeof *p.root_of);
    p.from = xcalloc(n, sizeof *p.from);
    p.to = xcalloc(n, sizeof *p.to);
    p.output_of = xcalloc(n, sizeof *p.output_of);
    for (uint32_t i = 0; i < n; i++) p.root_of[i] = (value_id){i};
    for (uint32_t i = 0; i < m->outputs.count; i++) p.output_of[m->outputs.at[i].value.i] = i + 1;
    join_views(&p);
    measure_lives(&p);
    assign_places(&p);
    free(p.root_of);
    free(p.from);
    free(p.to);
    free(p.output_of);
    return STATUS_OK;
}
