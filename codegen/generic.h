/* The plain loops behind emit_generic: one element of a contraction at a time, from operands in any layout
 * and of any element type, which may be computed by the body around it. */
#ifndef ADZE_CODEGEN_GENERIC_H
#define ADZE_CODEGEN_GENERIC_H

#include "codegen/body.h"
#include "codegen/loop.h"

enum { GENERIC_MAX_OPERANDS = 4 };

struct generic {
    struct emit *e;
    const struct op *root, *op; /* the op of the root; the contraction, itself or in its body */
    enum elem acc;              /* what is summed in: f32, f64 or the integer type */
    struct body *operand[GENERIC_MAX_OPERANDS]; /* NULL: left out */
    LLVMValueRef buf;
};

/* Element (index[0], …) of operand i, as `acc`; logical coordinates. */
LLVMValueRef generic_load(const struct generic *g, uint32_t i, const LLVMValueRef *index);

/* acc + a * b. */
LLVMValueRef generic_fma(const struct generic *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc);

/* The contraction's element at these logical coordinates of its result, as `acc`, bias included. */
typedef LLVMValueRef generic_fn(const struct generic *g, const LLVMValueRef *index);
generic_fn generic_linear, generic_matmul, generic_conv, generic_conv_transpose;

/* Attention of any element type: an item is one row of scores, which lies in worker scratch. */
emit_fn emit_generic_attention;

#endif
