/* Small helpers to build LLVM values that are either scalars or fixed vectors of one element type.
 *
 * Everything that takes a "type like this value" works on both: a lane count of 1 is the scalar type itself,
 * never <1 x T>. Nothing here keeps state; the context comes from the values. */
#ifndef ADZE_CODEGEN_SIMD_H
#define ADZE_CODEGEN_SIMD_H

#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stdint.h>

/* `elem` itself for one lane, else <lanes x elem>. */
LLVMTypeRef simd_type(LLVMTypeRef elem, unsigned lanes);
/* The number of lanes (1 for a scalar), the element type, and the width of an element in bits. */
unsigned simd_lanes(LLVMTypeRef type);
LLVMTypeRef simd_elem(LLVMTypeRef type);
unsigned simd_bits(LLVMTypeRef type);
/* `type` with its element type replaced; the integer type of `bits` bits with the lanes of `type`. */
LLVMTypeRef simd_with_elem(LLVMTypeRef type, LLVMTypeRef elem);
LLVMTypeRef simd_int_type(LLVMTypeRef type, unsigned bits);

/* Constants in every lane. The float is rounded to the element type, the integer truncated to it. */
LLVMValueRef simd_f(LLVMTypeRef type, double value);
LLVMValueRef simd_i(LLVMTypeRef type, uint64_t value);
/* <first, first + step, ...> in an integer type; `first` alone for a scalar. */
LLVMValueRef simd_iota(LLVMTypeRef type, int64_t first, int64_t step);
/* A scalar in every one of `lanes` lanes; the scalar itself for one. */
LLVMValueRef simd_splat(LLVMBuilderRef b, LLVMValueRef scalar, unsigned lanes);
/* Lane i. */
LLVMValueRef simd_lane(LLVMBuilderRef b, LLVMValueRef v, unsigned i);
/* Lanes of (x, y) by constant index; -1 is any. */
LLVMValueRef simd_shuffle(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, const int *index, unsigned count);

/* A call of the intrinsic `name`, overloaded on `overload` (count 0..2 types). */
LLVMValueRef simd_intrinsic(LLVMBuilderRef b, const char *name, LLVMTypeRef *overload, unsigned overloads,
                            LLVMValueRef *args, unsigned count);
/* An intrinsic overloaded on the type of its first operand alone. */
LLVMValueRef simd_call1(LLVMBuilderRef b, const char *name, LLVMValueRef x);
LLVMValueRef simd_call2(LLVMBuilderRef b, const char *name, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef simd_call3(LLVMBuilderRef b, const char *name, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z);

/* x * y + z, fused where the target has the instruction, else rounded twice; never a call. */
LLVMValueRef simd_fma(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z);
/* c[0] + c[1] x + ... + c[n-1] x^(n-1) by Horner's rule, n >= 1. */
LLVMValueRef simd_poly(LLVMBuilderRef b, LLVMValueRef x, const double *c, unsigned n);
/* |x|, and |x| with the sign of `sign`. */
LLVMValueRef simd_abs(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef simd_copysign(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef sign);
/* min(x, limit) and max(x, limit) for a constant limit; NaN stays NaN. */
LLVMValueRef simd_at_most(LLVMBuilderRef b, LLVMValueRef x, double limit);
LLVMValueRef simd_at_least(LLVMBuilderRef b, LLVMValueRef x, double limit);
/* An i1: is any lane of this i1 vector set? */
LLVMValueRef simd_any(LLVMBuilderRef b, LLVMValueRef mask);

/* The module and the function that the builder is inserting into. */
LLVMValueRef simd_function(LLVMBuilderRef b);
LLVMModuleRef simd_module(LLVMBuilderRef b);

#endif
