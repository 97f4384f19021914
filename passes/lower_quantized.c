/* lower-quantized: what no kernel computes on stored integers, in ops that kernels have. Sums of integers
 * become sums in f32, over as many slices of the summed dimension as the weights show to be exact, or in f64,
 * where they are exact below 2^53: so the result has the very bits that ir/quant.h defines. Constant weights
 * of linear and convolutions stay as they are stored, because kernels decode them; other operands that are
 * decoded become constants in f32, or dequantize. */
#include "passes/lowering.h"
#include "passes/pass.h"

static value_id decoded(struct lowering *l, uint32_t i) {
    value_id v = lowering_op(l)->operand[i];
    struct type type = lowering_type(l, i);
    const struct tensor *t = value_constant(l->m, v);
    if (op_operand_type(l->m, lowering_op(l), i).elem == type.elem || lowering_reads_coded(l, i)) return v;
    if (t) return module_plain_parameter(l->m, v, ELEM_f32);
    return type.quant.i ? lowering_one(l, OP_dequantize, v, NULL, 0) : lowering_cast(l, v, ELEM_f32);
}

static value_id lower_decoded(struct lowering *l) {
    uint32_t count = lowering_op(l)->operand_count;
    value_id operands[4];
    check(count <= COUNT_OF(operands));
    for (uint32_t i = 0; i < count; i++) {
        operands[i] = lowering_op(l)->operand[i];
        if (operands[i].i) operands[i] = decoded(l, i);
    }
    if (lowering_op(l)->kind == OP_dequantize) return operands[0];
    return build(&l->b, lowering_op(l)->kind, operands, count, lowering_op(l)->attr,
                 op_info_attrs(op_info(lowering_op(l)->kind)), NULL);
}

static bool is_lowered(const struct lowering *l) {
    const struct module *m = l->m;
    const struct op *op = lowering_op(l);
    bool any = false;
    if (op->erased || !op_has_stored_operands(m, op)) return false;
    for (uint32_t i = 0; i < op->operand_count; i++)
        any = any || (op->operand[i].i && op_operand_type(m, op, i).elem != lowering_type(l, i).elem &&
                      !lowering_reads_coded(l, i));
    return any && (op->kind != OP_dequantize || value_constant(m, op->operand[0]));
}

static value_id lowered(struct lowering *l) {
    bool covered;
    if (op_sums_integers(l->m, lowering_op(l))) return lower_sum(l);
    value_id v = lower_lookup(l, &covered);
    return covered ? v : lower_decoded(l);
}

enum status pass_lower_quantized(struct module *m, const struct pass_options *options, struct diag *diag) {
    (void)options;
    for (uint32_t i = 0; i < region_get(m, m->root)->ops.count; i++) {
        struct lowering l = {.m = m, .sum = ELEM_f32, .op = region_get(m, m->root)->ops.at[i]};
        if (!is_lowered(&l)) continue;
        l.b = builder_at(m, i, diag);
        value_id old = lowering_op(&l)->result[0];
        value_id v = lowered(&l);
        if (!v.i) return STATUS_FAILED;
        diag_remark(diag, REMARK_MISSED, "lower-quantized", value_get(m, old)->name,
                    "no kernel computes on its integers: it is computed in %s", elem_name(l.sum));
        module_replace_uses(m, old, v);
        if (value_get(m, v)->kind == VALUE_RESULT) module_take_name(m, old, v);
        module_erase_op(m, l.op);
        i = l.b.at;
    }
    module_compact(m);
    return STATUS_OK;
}
