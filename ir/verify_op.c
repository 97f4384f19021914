/* Verifier: ops against the op table. The list of what is checked is in verify.c. */
#include "ir/verify_parts.h"

#include <math.h>

/* -- attributes -- */
static void check_attr(const struct verify *v, const struct op *op, const struct attr_spec *spec,
                       const struct attr *attr) {
    const struct module *m = v->m;
    const char *name = attr_name_text(spec->name);
    switch (attr_kind_of(spec->name)) {
    case ATTR_KIND_INTS:
        if (spec->count && attr->ints.count != spec->count)
            verify_op_error(v, op, "attribute %s has %u numbers, expected %u", name, attr->ints.count,
                            spec->count);
        break;
    case ATTR_KIND_FLOAT:
        if (isnan(attr->f)) verify_op_error(v, op, "attribute %s is NaN", name);
        break;
    case ATTR_KIND_FLOATS:
        for (uint32_t i = 0; i < attr->floats.count; i++)
            if (isnan(attr->floats.at[i])) verify_op_error(v, op, "attribute %s has a NaN", name);
        break;
    case ATTR_KIND_KEYWORD:
        if (attr->keyword <= KEYWORD_NONE_GIVEN || attr->keyword >= KEYWORD_COUNT)
            verify_op_error(v, op, "attribute %s is no keyword", name);
        break;
    case ATTR_KIND_ELEM:
        if (attr->elem <= ELEM_NONE || attr->elem >= ELEM_COUNT)
            verify_op_error(v, op, "attribute %s is no element type", name);
        break;
    case ATTR_KIND_DIMS:
        if (!verify_dims_handle(m, attr->dims))
            verify_op_error(v, op, "attribute %s has dimensions that do not exist", name);
        break;
    case ATTR_KIND_LAYOUT:
        if (attr->layout.i >= m->types.layouts.count)
            verify_op_error(v, op, "attribute %s is no layout", name);
        break;
    default:
        break;
    }
}

static void check_attrs(const struct verify *v, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    for (uint32_t i = 0; info->attrs[i].name; i++) {
        if (op->attr && op->attr[i].name == info->attrs[i].name) {
            check_attr(v, op, &info->attrs[i], &op->attr[i]);
            continue;
        }
        verify_op_error(v, op, "attribute %s is not in its place", attr_name_text(info->attrs[i].name));
        return;
    }
}

/* -- operands -- */
static void check_operands(const struct verify *v, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    uint32_t required, names = op_info_operands(info, &required);
    bool variadic = (info->traits & TRAIT_VARIADIC) != 0;
    if (op->operand_count < required || (op->operand_count > names && !variadic)) {
        verify_op_error(v, op, "there are %u operands, expected %s", op->operand_count, info->operands);
        return;
    }
    for (uint32_t i = 0; i < op->operand_count; i++) {
        char name[32];
        op_info_operand_name(info, i, name);
        if (value_none(op->operand[i]) && (i < required || variadic))
            verify_op_error(v, op, "operand %s is left out", name);
    }
    if (value_none(op->operand[0])) return;
    struct type type = value_get(v->m, op->operand[0])->type;
    enum elem elem = type.elem;
    bool decoded = type.quant.i && (info->traits & (TRAIT_QUANT_SUMS | TRAIT_QUANT_DECODES));
    if (!decoded && !elem_in(elem, info->elems))
        verify_op_error(v, op, "operand 0 is %s, which the op does not take", elem_name(elem));
}

static bool same_values(struct type a, struct type b) {
    return a.elem == b.elem && a.shape.i == b.shape.i && a.quant.i == b.quant.i;
}

static void check_body(const struct verify *v, const struct op *op) {
    const struct region *body = region_get(v->m, op->body);
    if (body->args.count != op->operand_count || body->results.count != op->result_count) {
        verify_op_error(v, op,
                        "the body takes %u values and returns %u, the fuse has %u operands and %u results",
                        body->args.count, body->results.count, op->operand_count, op->result_count);
        return;
    }
    for (uint32_t i = 0; i < op->operand_count; i++) {
        if (value_none(op->operand[i])) continue;
        if (!type_same(value_get(v->m, op->operand[i])->type, value_get(v->m, body->args.at[i])->type))
            verify_op_error(v, op, "argument %u of the body does not have the operand's type", i);
    }
    for (uint32_t i = 0; i < op->result_count; i++)
        if (!same_values(value_get(v->m, op->result[i])->type, value_get(v->m, body->results.at[i])->type))
            verify_op_error(v, op, "result %u does not have the type that the body returns", i);
}

void verify_op(const struct verify *v, const struct op *op) {
    check_attrs(v, op);
    check_operands(v, op);
    if (op->body.i) check_body(v, op);
    bool may = op->kind == OP_fuse || op_info(op->kind)->class == CLASS_CONTRACTION;
    if (op->schedule && (!may || op->region.i != v->m->root.i))
        verify_op_error(v, op, "there is a schedule on what is no kernel");
}

/* -- thorough: inference and layouts -- */
static void check_layouts(const struct verify *v, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    struct type result = value_get(v->m, op->result[0])->type;
    if (op->kind == OP_relayout && result.layout.i != op_attr(op, ATTR_layout)->layout.i)
        verify_op_error(v, op, "the result is not in the layout that the op names");
    if (!(info->traits & TRAIT_FOLLOWS_LAYOUT) || op->region.i != v->m->root.i) return;
    for (uint32_t i = 0; i < op->operand_count; i++) {
        if (value_none(op->operand[i])) continue;
        struct type x = value_get(v->m, op->operand[i])->type;
        if (x.shape.i == result.shape.i && x.layout.i != result.layout.i)
            verify_op_error(v, op, "operand %u is not in the layout of the result", i);
    }
}

void verify_op_inference(const struct verify *v, const struct op *op) {
    struct infer infer = {.m = v->m, .op = op, .diag = v->diag, .result_count = 1};
    if (infer_types(&infer) != STATUS_OK) return;
    if (infer.result_count != op->result_count) {
        verify_op_error(v, op, "there are %u results, expected %u", op->result_count, infer.result_count);
        return;
    }
    for (uint32_t i = 0; i < op->result_count; i++) {
        struct type declared = value_get(v->m, op->result[i])->type;
        if (same_values(declared, infer.results[i])) continue;
        struct str have = {0}, want = {0};
        declared.sparse = (sparse_id){0};
        declared.layout = (layout_id){0};
        type_print(&v->m->types, declared, &have);
        type_print(&v->m->types, infer.results[i], &want);
        verify_op_error(v, op, "result %u has the type %s, expected %s", i, str_text(&have), str_text(&want));
        str_free(&have);
        str_free(&want);
    }
    check_layouts(v, op);
}
