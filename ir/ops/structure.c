/* Ops about how things are computed: relayout, fuse. */
#include "ir/interp.h"
#include "ir/ops/shape.h"

/* -- relayout -- */
enum status infer_relayout(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    layout_id layout = op_attr(infer->op, ATTR_layout)->layout;
    if (layout.i && !layout_valid(layout_get(types, layout), type_rank(types, x))) {
        struct str text = {0};
        layout_print(types, layout, &text);
        infer_error(infer, "%s does not cover each dimension of %s once", str_text(&text),
                    infer_shape_text(infer, x.shape));
        str_free(&text);
        return STATUS_FAILED;
    }
    infer->results[0] = x;
    infer->results[0].layout = layout;
    return STATUS_OK;
}

/* -- fuse -- */
enum status infer_fuse(struct infer *infer) {
    const struct region *body = region_get(infer->m, infer->op->body);
    if (!body->results.count || body->results.count > MAX_RESULTS)
        return infer_error(infer, "the body returns %u values, expected 1 to %d", body->results.count,
                           MAX_RESULTS);
    infer->result_count = body->results.count;
    for (uint32_t i = 0; i < body->results.count; i++)
        infer->results[i] = value_get(infer->m, body->results.at[i])->type;
    return STATUS_OK;
}

enum status eval_fuse(const struct eval *eval) {
    return interp_body(eval);
}

/* -- footprint: from the end of the body to its arguments -- */
static uint32_t body_position(const struct region *body, op_id op) {
    uint32_t i = 0;
    while (i < body->ops.count && body->ops.at[i].i != op.i) i++;
    check(i < body->ops.count);
    return i;
}

struct body_boxes {
    const struct module *m;
    const struct region *body;
    struct box *argument;  /* of each argument, what is needed of it */
    struct box **produced; /* of each result of each op */
};

static struct box *body_box(struct body_boxes *b, value_id v) {
    const struct value *value = value_get(b->m, v);
    if (value->kind == VALUE_ARGUMENT) return &b->argument[value->index];
    if (value->kind == VALUE_RESULT) return &b->produced[body_position(b->body, value->op)][value->index];
    return NULL;
}

/* Grows the box of v until it holds `more`. */
static void need_box(struct body_boxes *b, value_id v, const struct box *more) {
    struct box *box = value_none(v) ? NULL : body_box(b, v);
    if (!box || box_empty(more)) return;
    bool first = box->rank != more->rank || box_empty(box);
    for (uint32_t i = 0; i < more->rank; i++) {
        box->lo[i] = first ? more->lo[i] : min_i64(box->lo[i], more->lo[i]);
        box->hi[i] = first ? more->hi[i] : max_i64(box->hi[i], more->hi[i]);
    }
    box->rank = more->rank;
}

/* A footprint is told for an op's first result; whoever needs another one needs the operands whole. */
static void need_operands(struct body_boxes *b, uint32_t position) {
    const struct op *op = op_get(b->m, b->body->ops.at[position]);
    for (uint32_t r = 0; r < op->result_count; r++) {
        const struct box *needed = &b->produced[position][r];
        bool scalar = type_rank(&b->m->types, result_type(b->m, op, r)) == 0;
        if (!scalar && (needed->rank == 0 || box_empty(needed))) continue;
        for (uint32_t i = 0; i < op->operand_count; i++) {
            struct box box;
            if (value_none(op->operand[i])) continue;
            if (r == 0)
                op_info(op->kind)->footprint(b->m, op, i, needed, &box);
            else
                box = box_all(b->m, op->operand[i]);
            need_box(b, op->operand[i], &box);
        }
    }
}

void footprint_fuse(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                    struct box *out) {
    struct body_boxes b = {.m = m, .body = region_get(m, op->body)};
    uint32_t count = b.body->ops.count;
    b.argument = xcalloc(b.body->args.count, sizeof *b.argument);
    b.produced = xcalloc(count, sizeof *b.produced);
    for (uint32_t i = 0; i < count; i++)
        b.produced[i] = xcalloc(op_get(m, b.body->ops.at[i])->result_count, sizeof **b.produced);
    need_box(&b, b.body->results.at[0], result);
    for (uint32_t i = count; i-- > 0;) need_operands(&b, i);
    *out = b.argument[operand];
    out->rank = type_rank(&m->types, operand_type(m, op, operand));
    for (uint32_t i = 0; i < count; i++) free(b.produced[i]);
    free(b.produced);
    free(b.argument);
}
