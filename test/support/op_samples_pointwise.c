#include "test/support/op_samples.h"

extern const struct op_sample op_samples_pointwise[];

#define FLOAT_UNARY(id)                                                                                      \
    { OP_##id, "", {OPERAND(f32, 2, 3, 4)}, {{0}}, NULL }
#define POSITIVE_UNARY(id)                                                                                   \
    { OP_##id, "", {POSITIVE(f32, 2, 3, 4)}, {{0}}, NULL }
#define INT_UNARY(id)                                                                                        \
    { OP_##id, "integers", {OPERAND(i8, 2, 3, 4)}, {{0}}, NULL }
/* Element types in full: bool alone is a macro. */
#define BINARY(id, elem)                                                                                     \
    { OP_##id, #elem, {OPERAND_OF(elem, 2, 3, 4), OPERAND_OF(elem, 2, 3, 4)}, {{0}}, NULL }
#define BROADCAST(id, elem)                                                                                  \
    { OP_##id, "broadcast " #elem, {OPERAND_OF(elem, 2, 1, 4), OPERAND_OF(elem, 3, 1)}, {{0}}, NULL }
#define BOTH(id, elem) BINARY(id, elem), BROADCAST(id, elem)

static op_id build_dequantize(struct builder *b, const value_id *operands) {
    const struct attr attrs[] = {FLOAT(scale, 0.25), INT(zero, -3)};
    value_id q = build(b, OP_quantize, operands, 1, attrs, 2, NULL);
    return build_op(b, OP_dequantize, &q, 1, NULL, 0, NULL);
}

const struct op_sample op_samples_pointwise[] = {
    FLOAT_UNARY(identity),
    FLOAT_UNARY(relu),
    INT_UNARY(relu),
    {OP_leaky_relu, "", {OPERAND(f32, 2, 3)}, {FLOAT(alpha, 0.1)}, NULL},
    {OP_clip, "", {OPERAND(f32, 2, 3)}, {FLOAT(min, -1.75), FLOAT(max, 1.75)}, NULL},
    {OP_clip, "integers", {OPERAND(i16, 2, 3)}, {FLOAT(min, -7.5), FLOAT(max, 8.5)}, NULL},
    FLOAT_UNARY(sigmoid),
    FLOAT_UNARY(hard_sigmoid),
    FLOAT_UNARY(hard_swish),
    FLOAT_UNARY(tanh),
    FLOAT_UNARY(gelu),
    {OP_gelu, "by tanh", {OPERAND(f32, 2, 3)}, {WORD(approximate, tanh)}, NULL},
    FLOAT_UNARY(silu),
    FLOAT_UNARY(erf),
    FLOAT_UNARY(exp),
    POSITIVE_UNARY(log),
    POSITIVE_UNARY(sqrt),
    FLOAT_UNARY(reciprocal),
    FLOAT_UNARY(sin),
    FLOAT_UNARY(cos),
    FLOAT_UNARY(asin),
    FLOAT_UNARY(acos),
    FLOAT_UNARY(atan),
    FLOAT_UNARY(asinh),
    FLOAT_UNARY(acosh),
    FLOAT_UNARY(atanh),
    FLOAT_UNARY(neg),
    FLOAT_UNARY(abs),
    INT_UNARY(abs),
    FLOAT_UNARY(sign),
    FLOAT_UNARY(floor),
    FLOAT_UNARY(ceil),
    FLOAT_UNARY(round),
    FLOAT_UNARY(softplus),
    FLOAT_UNARY(softsign),
    {OP_elu, "", {OPERAND(f32, 2, 3)}, {FLOAT(alpha, 0.5)}, NULL},
    {OP_not, "", {OPERAND(bool, 2, 3)}, {{0}}, NULL},
    INT_UNARY(not ),
    {OP_cast, "", {OPERAND(f32, 2, 3)}, {TO(i32)}, NULL},
    {OP_quantize, "", {OPERAND(f32, 2, 3)}, {FLOAT(scale, 0.25), INT(zero, 5), TO(i8)}, NULL},
    {OP_dequantize, "", {OPERAND(f32, 2, 3)}, {{0}}, build_dequantize},
    BOTH(add, ELEM_f32),
    BOTH(sub, ELEM_f32),
    BINARY(sub, ELEM_u8),
    BOTH(mul, ELEM_f32),
    BOTH(div, ELEM_f32),
    BOTH(mod, ELEM_f32),
    BINARY(mod, ELEM_i32),
    {OP_pow, "", {POSITIVE(f32, 2, 3), OPERAND(f32, 3)}, {{0}}, NULL},
    BOTH(min, ELEM_f32),
    BOTH(max, ELEM_f32),
    {OP_prelu, "", {OPERAND(f32, 2, 3, 4), OPERAND(f32, 3, 1)}, {{0}}, NULL},
    BOTH(and, ELEM_bool),
    BOTH(or, ELEM_bool),
    BOTH(xor, ELEM_bool),
    BINARY(and, ELEM_i8),
    BINARY(or, ELEM_u16),
    BINARY(xor, ELEM_i64),
    BOTH(equal, ELEM_i32),
    BOTH(less, ELEM_f32),
    BOTH(less_equal, ELEM_f32),
    BOTH(greater, ELEM_f32),
    BOTH(greater_equal, ELEM_f32),
    {OP_where, "", {OPERAND(bool, 2, 3, 4), OPERAND(f32, 3, 4), OPERAND(f32, 2, 1, 1)}, {{0}}, NULL},
    {OP_NONE, NULL, {{0}}, {{0}}, NULL},
};
