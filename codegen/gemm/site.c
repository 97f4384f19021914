#include "codegen/gemm/site.h"

#include "ir/op.h"

/* The position among the root op's operands of a value that the contraction uses, UINT32_MAX if it is none.
 */
static uint32_t operand_position(const struct module *m, const struct op *root, value_id v) {
    if (root->kind == OP_fuse) {
        const struct value *value = value_get(m, v);
        return value->kind == VALUE_ARGUMENT && value->region.i == root->body.i ? value->index : UINT32_MAX;
    }
    for (uint32_t i = 0; i < root->operand_count; i++)
        if (value_same(root->operand[i], v)) return i;
    return UINT32_MAX;
}

static const char *find_contraction(const struct module *m, op_id id, op_id *out) {
    const struct op *op = op_get(m, id);
    if (op->kind != OP_fuse) {
        *out = id;
        return op_info(op->kind)->class == CLASS_CONTRACTION ? NULL : "not a contraction";
    }
    const struct region *body = region_get(m, op->body);
    uint32_t found = 0;
    for (uint32_t i = 0; i < body->ops.count; i++) {
        if (op_info(op_get(m, body->ops.at[i])->kind)->class != CLASS_CONTRACTION) continue;
        *out = body->ops.at[i];
        found++;
    }
    return found == 1 ? NULL : found ? "several contractions in one body" : "not a contraction";
}

/* Weights are packed ahead, and a literal has no place to be packed to. */
static bool is_literal(const struct module *m, const struct op *root, uint32_t position) {
    return value_get(m, root->operand[position])->kind == VALUE_LITERAL;
}

const char *gemm_site_find(const struct module *m, op_id id, struct gemm_site *out) {
    *out = (struct gemm_site){.bias = UINT32_MAX};
    const char *reason = find_contraction(m, id, &out->contraction);
    if (reason) return reason;
    const struct op *root = op_get(m, id), *op = op_get(m, out->contraction);
    reason = contraction_of(m, op, &out->problem);
    if (reason) return reason;
    out->x = operand_position(m, root, op->operand[0]);
    out->w = operand_position(m, root, op->operand[1]);
    if (out->x == UINT32_MAX || out->w == UINT32_MAX) return "an operand is computed in the body";
    if (is_literal(m, root, out->x) || is_literal(m, root, out->w)) return "an operand is a literal";
    if (op->operand_count > 2 && op->operand[2].i) {
        out->bias = operand_position(m, root, op->operand[2]);
        if (out->bias == UINT32_MAX) return "the bias is computed in the body";
        struct type t = value_get(m, root->operand[out->bias])->type;
        if (is_literal(m, root, out->bias)) return "the bias is a literal";
        if (t.elem != ELEM_f32 || t.layout.i || t.quant.i || t.sparse.i) return "the bias is not plain f32";
    }
    if (value_get(m, op->result[0])->type.elem != ELEM_f32) return "only f32 is covered";
    return NULL;
}
