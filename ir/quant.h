/* Quantized values: integers q that stand for the real numbers (q - zero) * scale.
 *
 * Activations have one scale and one zero point, literals in their type. A parameter has them as component
 * tensors beside its integers (struct tensor_quant): one scale for the tensor, one for each index of a
 * dimension (axis), or one for each row and each `group` consecutive columns of the tensor seen as a matrix
 * (a row for each index of dimension 0, as in ir/encoding.h).
 *
 * What an op computes with quantized operands (TRAIT_QUANT_… of ir/op.h):
 *   moves    the integers, as they are
 *   sums     where operand 0, and operand 1 of a contraction, are quantized, with scales that do not vary
 *            along what is summed: acc = the exact sum of (q - zero) products, wrapped to i32;
 *            y = f32(acc) * (scale0 * scale1), then + bias, each rounded to f32. A mean or sum of one
 *            operand: y = f32(f64(sum) / f64(count) * f64(scale)).
 *   reads    the integers as plain numbers (cast)
 *   else     every quantized operand is decoded first: f32(q - zero) * scale, rounded once.
 * Operands of narrow floats (f16, bf16) beside f32 or quantized ones are widened, exactly: weights may be
 * stored in any of these formats. In an f64 run the integers are the same and the rest is in f64. */
#ifndef ADZE_IR_QUANT_H
#define ADZE_IR_QUANT_H

#include "ir/op.h"

struct tensor_quant {
    int32_t axis;        /* -1: one scale (rank 0); else scale is [extent of axis] */
    int64_t group;       /* > 0: axis is 0 and scale is [rows, ceil(columns / group)] */
    struct tensor scale; /* f32 */
    struct tensor zero;  /* the integers' element type and the shape of scale; data NULL: all 0 */
};

/* The shape of scale and zero for a tensor; returns its rank. */
uint32_t quant_scale_shape(struct quant q, uint32_t rank, const int64_t *dim, int64_t out[2]);
/* Where element i of the tensor has its scale. */
int64_t quant_scale_index(const struct tensor_quant *q, const struct tensor *t, int64_t i);
/* Copies into the module's arena, for struct tensor.quant of a weight; zero NULL or without data: none. */
const struct tensor_quant *quant_keep(struct module *m, int32_t axis, int64_t group,
                                      const struct tensor *scale, const struct tensor *zero);

/* A new weight of integers with component tensors, and its parameter with the quant part of the type set.
 * Takes `tensor` over (its quant is set here), copies scale and zero. */
value_id module_add_quantized(struct module *m, const char *name, struct tensor tensor, int32_t axis,
                              int64_t group, const struct tensor *scale, const struct tensor *zero,
                              struct loc loc);

/* A parameter that is not sparse and holds what `v`, a parameter, stands for: decoded to f32 where v is
 * quantized and elem f32, else its numbers in `elem`. What was decided about v holds for it, too. */
value_id module_plain_parameter(struct module *m, value_id v, enum elem elem);

/* The scales of an operand, be they literals of its type or component tensors. `literal_*` give room. */
struct quant_view {
    struct tensor_quant q;
    float literal_scale;
    int32_t literal_zero;
};
/* `tensor` may be NULL where the type has literals. The view points into *out and the tensor. */
void quant_view(const struct types *types, struct type type, const struct tensor *tensor,
                struct quant_view *out);
float quant_scale(const struct quant_view *v, int64_t index);
int32_t quant_zero(const struct quant_view *v, int64_t index);

/* round-half-even(x / scale) + zero, saturated to the element type; NaN gives zero. Evaluated in f32. */
int32_t quantize_f32(float x, float scale, int32_t zero, enum elem elem);

/* The decoded values; `to` is f32 or f64. Owned. */
struct tensor tensor_dequantize(const struct types *types, struct type type, const struct tensor *t,
                                enum elem to);

/* -- ops -- */
/* The type that operand i counts as for the op's inference and evaluation: decoded where it is decoded. */
struct type op_operand_type(const struct module *m, const struct op *op, uint32_t i);
/* True if the op sums integers exactly. */
bool op_sums_integers(const struct module *m, const struct op *op);
/* True if the interpreter's bits are the only right ones, whoever computes the module and in whatever order:
 * every op moves numbers, sums integers, or makes each number with one rounding. (A gate that passes write as
 * a hard swish has other bits then; NaN is NaN with any bits, and zeros are equal.) */
bool module_has_one_result(const struct module *m);
/* True if some operand does not have the type that the op computes with: it sums integers or decodes. */
bool op_has_stored_operands(const struct module *m, const struct op *op);
/* For an op that sums integers: the result dimension along which operand i's scales vary, -1 if there is one
 * scale; out[channel of that dimension] = index of the scale, if out is not NULL (static extents). */
int32_t op_scale_dim(const struct module *m, const struct op *op, uint32_t i, uint32_t *out);
/* Evaluates an op with stored operands. */
MUST_USE enum status quant_eval(const struct eval *eval);

#endif
