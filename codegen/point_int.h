/* Integer arithmetic that takes more than an instruction. */
#ifndef ADZE_CODEGEN_POINT_INT_H
#define ADZE_CODEGEN_POINT_INT_H

#include "codegen/point.h"

/* Truncated quotient; 0 when the divisor is 0; wraps. */
LLVMValueRef point_int_div(struct point *p);
/* a - b floor(a / b); 0 when b is 0. */
LLVMValueRef point_int_mod(struct point *p);
/* a^b by squaring, wrapping; for b < 0 the truncated reciprocal: 1 for a = 1, +-1 for a = -1, else 0. */
LLVMValueRef point_int_pow(struct point *p);
/* min(max(x, low), high) over the integers between the bounds, which need not be in the type's range. */
LLVMValueRef point_int_clip(struct point *p, double low, double high);

#endif
