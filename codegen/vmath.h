/* Elementary functions as LLVM IR.
 *
 * Every function takes a float or double, or a fixed vector of them, and returns a value of the same type.
 * The code is emitted in line at the builder's position; it calls nothing outside the module on any target,
 * and it needs the default rounding mode and denormals (no flush to zero). Emission may end in another basic
 * block than it began in: ask LLVMGetInsertBlock afterwards before building a phi.
 *
 * Error bounds are in units in the last place of the result, for the whole domain, with and without fused
 * multiply-add; test/unit/vmath_test.c proves the f32 ones against double-precision code. NaN gives NaN, and
 * the values at 0, -0, +Inf and -Inf are those of C's <math.h>. exp, sigmoid and pow round into the denormals
 * correctly; sigmoid stays within [0, 1], tanh and erf within [-1, 1]. */
#ifndef ADZE_CODEGEN_VMATH_H
#define ADZE_CODEGEN_VMATH_H

#include <llvm-c/Core.h>

/*                                                                f32 ulp  f64 ulp */
LLVMValueRef vmath_exp(LLVMBuilderRef b, LLVMValueRef x);     /*     1.5      1.5  */
LLVMValueRef vmath_expm1(LLVMBuilderRef b, LLVMValueRef x);   /*     2        2.5  */
LLVMValueRef vmath_log(LLVMBuilderRef b, LLVMValueRef x);     /*     1.5      1.5  */
LLVMValueRef vmath_log1p(LLVMBuilderRef b, LLVMValueRef x);   /*     2        2    */
LLVMValueRef vmath_tanh(LLVMBuilderRef b, LLVMValueRef x);    /*     2        2.5  */
LLVMValueRef vmath_sigmoid(LLVMBuilderRef b, LLVMValueRef x); /*     2        2.5  */
LLVMValueRef vmath_erf(LLVMBuilderRef b, LLVMValueRef x);     /*     2        2    */
LLVMValueRef vmath_sin(LLVMBuilderRef b, LLVMValueRef x);     /*     1        2.5  */
LLVMValueRef vmath_cos(LLVMBuilderRef b, LLVMValueRef x);     /*     1        2.5  */
LLVMValueRef vmath_asin(LLVMBuilderRef b, LLVMValueRef x);    /*     1        3    */
LLVMValueRef vmath_acos(LLVMBuilderRef b, LLVMValueRef x);    /*     1        3    */
LLVMValueRef vmath_atan(LLVMBuilderRef b, LLVMValueRef x);    /*     1        2.5  */
LLVMValueRef vmath_asinh(LLVMBuilderRef b, LLVMValueRef x);   /*     1        3    */
LLVMValueRef vmath_acosh(LLVMBuilderRef b, LLVMValueRef x);   /*     1        3    */
LLVMValueRef vmath_atanh(LLVMBuilderRef b, LLVMValueRef x);   /*     1        3    */
/* x to the power y as C's pow defines it. f64: 2 + 2.5 |y log x| ulp. */
LLVMValueRef vmath_pow(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y); /* f32: 1 ulp */
/* log(1 + exp(x)) without overflow. */
LLVMValueRef vmath_softplus(LLVMBuilderRef b, LLVMValueRef x); /*    2        2    */
/* Correctly rounded; 1 / sqrt(x) as two roundings. */
LLVMValueRef vmath_sqrt(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef vmath_rsqrt(LLVMBuilderRef b, LLVMValueRef x); /*       1.5      1.5  */
/* To an integral value: down, up, towards zero, to the nearest with ties to even. Exact. */
LLVMValueRef vmath_floor(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef vmath_ceil(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef vmath_trunc(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef vmath_round_even(LLVMBuilderRef b, LLVMValueRef x);
/* The smaller / larger of two; NaN when either is NaN; -0 and +0 may be taken for each other. */
LLVMValueRef vmath_min(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef vmath_max(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y);
/* The remainder of x / y with the sign of x, exact, as C's fmod defines it. A loop: a few rounds for moderate
 * quotients, one for each bit that the exponents differ at worst. */
LLVMValueRef vmath_fmod(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y);

#endif
