/* The verifier survives whatever a pass may have left: samples of all ops, each with one handle, count, kind
 * or attribute changed at random. What it accepts can be printed, and inferred again. */
#include "ir/print.h"
#include "ir/verify.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <stdlib.h>

static uint64_t state = 20;

static uint32_t below(uint32_t n) {
    return n ? (uint32_t)(sample_random(&state) % n) : 0;
}

/* Mostly a handle that exists, or nearly; now and then any number. */
static uint32_t any_handle(uint32_t count) {
    return below(8) ? below(count + 2) : (uint32_t)sample_random(&state);
}

static int64_t any_number(void) {
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, INT32_MIN, -1,       0,
                                    1,         INT32_MAX,     DIM_MAX,   INT64_MAX};
    return below(3) ? (int64_t)below(12) - 4 : edges[below(COUNT_OF(edges))];
}

static void change_value(struct module *m) {
    struct value *v = value_get(m, (value_id){1 + below(m->values.count - 1)});
    switch (below(10)) {
    case 0:
        v->kind = (enum value_kind)below(7);
        break;
    case 1:
        v->type.elem = (enum elem)below(ELEM_COUNT + 2);
        break;
    case 2:
        v->type.shape.i = any_handle(m->types.shapes.count);
        break;
    case 3:
        v->type.layout.i = any_handle(m->types.layouts.count);
        break;
    case 4:
        v->type.quant.i = any_handle(m->types.quants.count);
        break;
    case 5:
        v->type.sparse.i = any_handle(m->types.sparses.count);
        break;
    case 6:
        v->op.i = any_handle(m->ops.count);
        break;
    case 7:
        v->region.i = any_handle(m->regions.count);
        break;
    case 8:
        v->index = any_handle(4);
        break;
    default:
        v->weight.i = any_handle(m->weights.count);
        break;
    }
}

static void change_attr(struct module *m, struct op *op) {
    const struct op_info *info = op_info(op->kind);
    uint32_t n = op_info_attrs(info);
    if (!n) return;
    struct attr *attrs = arena_copy(&m->arena, op->attr, n * sizeof *attrs), *a = &attrs[below(n)];
    op->attr = attrs;
    switch (attr_kind_of(a->name)) {
    case ATTR_KIND_INT:
        a->i = any_number();
        break;
    case ATTR_KIND_FLOAT:
        a->f = (double)any_number();
        break;
    case ATTR_KIND_KEYWORD:
        a->keyword = (enum keyword)below(KEYWORD_COUNT + 2);
        break;
    case ATTR_KIND_ELEM:
        a->elem = (enum elem)below(ELEM_COUNT + 2);
        break;
    case ATTR_KIND_DIMS:
        a->dims.i = any_handle(m->types.shapes.count);
        break;
    case ATTR_KIND_LAYOUT:
        a->layout.i = any_handle(m->types.layouts.count);
        break;
    case ATTR_KIND_INTS: {
        uint32_t count = below(4) ? a->ints.count : below(9);
        int64_t *at = arena_array(&m->arena, int64_t, count + 1);
        for (uint32_t i = 0; i < count; i++)
            at[i] = i < a->ints.count && below(3) ? a->ints.at[i] : any_number();
        a->ints.at = at;
        a->ints.count = count;
        break;
    }
    default:
        a->name = (enum attr_name)below(ATTR_COUNT);
        break;
    }
}

static void change_op(struct module *m) {
    struct op *op = op_get(m, (op_id){1 + below(m->ops.count - 1)});
    switch (below(12)) {
    case 0:
        op->kind = (enum op_kind)below(OP_COUNT + 2);
        break;
    case 1:
        op->region.i = any_handle(m->regions.count);
        break;
    case 2:
        op->body.i = any_handle(m->regions.count);
        break;
    case 3:
        if (op->operand_count) op->operand[below(op->operand_count)].i = any_handle(m->values.count);
        break;
    case 4:
        op->operand_count = below(op->operand_count + 1);
        break;
    case 5:
        if (op->result_count) op->result[below(op->result_count)].i = any_handle(m->values.count);
        break;
    case 6:
        op->result_count = below(op->result_count + 1);
        break;
    case 7:
        op->erased = !op->erased;
        break;
    default:
        change_attr(m, op);
        break;
    }
}

static void change_region(struct module *m) {
    struct region *r = &m->regions.at[1 + below(m->regions.count - 1)];
    switch (below(7)) {
    case 0:
        r->owner.i = any_handle(m->ops.count);
        break;
    case 1:
        if (r->ops.count) r->ops.at[below(r->ops.count)].i = any_handle(m->ops.count);
        break;
    case 2:
        if (r->args.count) r->args.at[below(r->args.count)].i = any_handle(m->values.count);
        break;
    case 3:
        if (r->results.count) r->results.at[below(r->results.count)].i = any_handle(m->values.count);
        break;
    case 4:
        r->ops.count = below(r->ops.count + 1);
        break;
    case 5:
        r->args.count = below(r->args.count + 1);
        break;
    default:
        r->results.count = below(r->results.count + 1);
        break;
    }
}

static void change_module(struct module *m) {
    switch (below(4)) {
    case 0:
        m->root.i = any_handle(m->regions.count);
        break;
    case 1:
        m->inputs.at[below(m->inputs.count)].i = any_handle(m->values.count);
        break;
    case 2:
        m->outputs.at[below(m->outputs.count)].value.i = any_handle(m->values.count);
        break;
    default:
        m->inputs.count = below(m->inputs.count + 1);
        break;
    }
}

static bool survives(const struct op_sample *s) {
    static void (*const change[])(struct module *) = {change_value, change_op, change_op, change_region,
                                                      change_module};
    struct op_instance instance = op_instance_new(s, 1);
    struct diag diag = {0};
    change[below(COUNT_OF(change))](instance.m);
    bool accepted = verify_module(instance.m, true, &diag) == STATUS_OK;
    CHECK(accepted == !diag.errors);
    if (accepted) {
        struct str text = {0};
        print_module(instance.m, &text);
        CHECK(text.length > 0);
        CHECK(module_infer(instance.m, &diag) == STATUS_OK);
        str_free(&text);
    }
    diag_free(&diag);
    op_instance_free(&instance);
    return accepted;
}

int main(void) {
    enum { ROUNDS = 60 };
    const struct op_sample *s;
    uint32_t accepted = 0, total = 0;
    for (size_t i = 0; (s = op_sample_at(i)); i++)
        for (int round = 0; round < ROUNDS; round++, total++) accepted += survives(s);
    CHECK(accepted > 0 && accepted < total / 2);
    return unit_status();
}
