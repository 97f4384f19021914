#include "passes/lowering.h"

const struct op *lowering_op(const struct lowering *l) {
    return op_get(l->m, l->op);
}

struct type lowering_type(const struct lowering *l, uint32_t i) {
    return value_get(l->m, lowering_op(l)->operand[i])->type;
}

value_id lowering_one(struct lowering *l, enum op_kind kind, value_id v, const struct attr *attrs,
                      uint32_t count) {
    return v.i ? build(&l->b, kind, &v, 1, attrs, count, NULL) : v;
}

value_id lowering_cast(struct lowering *l, value_id v, enum elem elem) {
    struct attr to = attr_elem(ATTR_to, elem);
    return lowering_one(l, OP_cast, v, &to, 1);
}

value_id lowering_two(struct lowering *l, enum op_kind kind, value_id a, value_id b) {
    return a.i && b.i ? build(&l->b, kind, (value_id[]){a, b}, 2, NULL, 0, NULL) : (value_id){0};
}

value_id lowering_constant(struct lowering *l, const char *name, struct tensor t) {
    return module_parameter(l->m, module_add_weight(l->m, name, t, lowering_op(l)->loc));
}

value_id lowering_number(struct lowering *l, double value) {
    return module_add_literal(l->m, tensor_scalar_f64(ELEM_f32, value));
}

bool lowering_reads_coded(const struct lowering *l, uint32_t i) {
    enum op_kind kind = lowering_op(l)->kind;
    value_id v = lowering_op(l)->operand[i];
    return i == 1 && (kind == OP_linear || kind == OP_conv1d || kind == OP_conv2d) &&
           value_get(l->m, v)->kind == VALUE_PARAMETER && !panels_hold(l->m, value_get(l->m, v)->type);
}
