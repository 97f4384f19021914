#include "passes/pass.h"

#include "ir/interp.h"
#include "ir/quant.h"

/* Results are weights named after the value, so that a reader of the printed model recognises them; small
 * ones are literals. */
enum { LITERAL_ELEMENTS = 8 };

static bool all_constant(const struct module *m, const struct op *op) {
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (op->operand[i].i && !value_constant(m, op->operand[i])) return false;
    return op->operand_count > 0;
}

static bool worth_it(const struct module *m, const struct op *op, int64_t limit) {
    int64_t in = 0, out = 0;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (op->operand[i].i) in += (int64_t)tensor_bytes(value_constant(m, op->operand[i]));
    for (uint32_t i = 0; i < op->result_count; i++) {
        struct type type = value_get(m, op->result[i])->type;
        if (!type_static(&m->types, type, NULL) || type.quant.i)
            return false; /* a weight has its scales beside it */
        out += type_count(&m->types, type) * (int64_t)elem_bytes(type.elem);
    }
    return out <= limit || out <= in;
}

/* True if an op could read v's integers where they are stored, were it not for the op that decodes them: the
 * weight of a contraction, or a table (`raise` lets it). */
static bool reads_stored(const struct op *op, value_id v) {
    const struct op_info *info = op_info(op->kind);
    bool contracts = info->class == CLASS_CONTRACTION && (info->traits & TRAIT_QUANT_SUMS);
    if (contracts) return value_same(op->operand[1], v);
    for (uint32_t i = 0; i < op->operand_count && (info->traits & TRAIT_QUANT_DECODES); i++)
        if (value_same(op->operand[i], v)) return true;
    return false;
}

/* Decoding a weight here would lose what its type says of how it is stored. */
static bool decodes_weight(const struct module *m, const struct op *op) {
    const struct region *root = region_get(m, m->root);
    if (!(op_info(op->kind)->traits & TRAIT_QUANT_DECODES) || op->result_count != 1 ||
        !op_has_stored_operands(m, op))
        return false;
    for (uint32_t i = 0; i < root->ops.count; i++)
        if (reads_stored(op_get(m, root->ops.at[i]), op->result[0])) return true;
    return false;
}

static value_id constant_of(struct module *m, struct tensor tensor, const char *name, struct loc loc) {
    if (tensor_count(&tensor) <= LITERAL_ELEMENTS) return module_add_literal(m, tensor);
    return module_parameter(m, module_add_weight(m, name, tensor, loc));
}

static enum status fold(struct module *m, op_id id, value_id *to, struct diag *diag) {
    const struct op *op = op_get(m, id);
    const struct tensor *in[64];
    struct tensor out[MAX_RESULTS];
    if (op->operand_count > COUNT_OF(in)) return STATUS_OK;
    for (uint32_t i = 0; i < op->operand_count; i++)
        in[i] = op->operand[i].i ? value_constant(m, op->operand[i]) : NULL;
    TRY(interp_op(m, op, in, false, out, diag));
    for (uint32_t i = 0; i < op->result_count; i++) {
        const struct value *v = value_get(m, op->result[i]);
        to[op->result[i].i] = constant_of(m, out[i], v->name, v->loc);
    }
    module_erase_op(m, id);
    return STATUS_OK;
}

/* Ops are in order, so one walk folds whole trees: operands are replaced as soon as their definition is
 * folded. */
enum status pass_fold_constants(struct module *m, const struct pass_options *options, struct diag *diag) {
    int64_t limit = pass_int(options, "limit");
    const struct region *root = region_get(m, m->root);
    uint32_t known = m->values.count;
    value_id *to = xcalloc(known, sizeof *to);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < root->ops.count && status == STATUS_OK; i++) {
        op_id id = root->ops.at[i];
        struct op *op = op_get(m, id);
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (op->operand[k].i < known && to[op->operand[k].i].i) op->operand[k] = to[op->operand[k].i];
        enum op_class class = op_info(op->kind)->class;
        if (class == CLASS_CONTRACTION || class == CLASS_STRUCTURE) continue;
        if (all_constant(m, op) && worth_it(m, op, limit) && !decodes_weight(m, op))
            status = fold(m, id, to, diag);
    }
    for (uint32_t i = 0; i < m->outputs.count; i++) {
        value_id *v = &m->outputs.at[i].value;
        if (v->i < known && to[v->i].i) *v = to[v->i];
    }
    free(to);
    module_compact(m);
    return status;
}
