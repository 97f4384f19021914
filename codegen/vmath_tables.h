/* Shared by the vmath_*.c files: constants per precision, and the steps that several functions have in
 * common.
 *
 * All polynomials are minimax fits (Remez exchange, weighted for the relative error of the function) made for
 * this project; the schemes are the textbook ones: J.-M. Muller, Elementary Functions, ch. 11; P. T. P. Tang,
 * "Table-driven implementation of the exponential function" (1989) for the Cody-Waite reduction; fdlibm's
 * e_log for log. */
#ifndef ADZE_CODEGEN_VMATH_TABLES_H
#define ADZE_CODEGEN_VMATH_TABLES_H

#include "codegen/simd.h"

/* One row for float, one for double. */
struct vmath_row {
    unsigned bits, mantissa; /* width of the type, stored bits of its mantissa */
    uint64_t bias;           /* of the exponent */
    double magic; /* 1.5 * 2^mantissa: adding it rounds to an integer, which is then in the low bits */
    double ln2_hi, ln2_lo; /* ln 2 in two parts; an integer below 2^13 times ln2_hi is exact */
    double exp_lo, exp_hi; /* beyond them exp is 0 or Inf */
    double one_lo, one_hi; /* beyond them expm1 rounds to -1, and tanh(x / 2) to 1 */
    double min_normal;
    unsigned n_exp, n_log, n_tanh, n_erf, n_erfc;
    double exp[12];  /* (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2 */
    double log[7];   /* (2 atanh(s) - 2 s) / s^3 in s^2, for 1 + f in [sqrt(1/2), sqrt(2)], s = f / (2 + f) */
    double tanh_to;  /* below, the next one serves tanh; without coefficients expm1 does */
    double tanh[5];  /* (tanh(x) - x) / x^3 in x^2 */
    double erf_from; /* where the second of the next two takes over */
    double erf[13];  /* erf(x) / x - 1 in x^2 */
    double erf_to;   /* from here on erf rounds to 1 */
    double erfc[21]; /* log(erfc(x)) */
};

/* The row for the element type of x: float or double. */
const struct vmath_row *vmath_row(LLVMValueRef x);

/* x = n ln2 + r with |r| <= ln2 / 2; n is an integer in the type of x's bits; x must be in [exp_lo, exp_hi]
 * or NaN. */
struct vmath_exp_parts {
    LLVMValueRef n, p; /* p = e^r - 1 */
};
struct vmath_exp_parts vmath_exp_reduce(LLVMBuilderRef b, const struct vmath_row *row, LLVMValueRef x);
/* 2^n for n within the normal exponents, as a float of type `type`. */
LLVMValueRef vmath_exp2i(LLVMBuilderRef b, const struct vmath_row *row, LLVMTypeRef type, LLVMValueRef n);

/* The bits of x as integers, and back. */
LLVMValueRef vmath_to_bits(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef vmath_from_bits(LLVMBuilderRef b, LLVMValueRef bits, LLVMTypeRef type);

#endif
