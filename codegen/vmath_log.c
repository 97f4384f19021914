/* log, and pow on top of it. */
#include "codegen/vmath.h"
#include "codegen/vmath_tables.h"

#include <math.h>

/* x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for finite x > 0; e is a float. */
static void split(LLVMBuilderRef b, const struct vmath_row *row, LLVMValueRef x, LLVMValueRef *out_e,
                  LLVMValueRef *out_f) {
    LLVMTypeRef type = LLVMTypeOf(x), bits = simd_int_type(type, row->bits);
    LLVMValueRef tiny = LLVMBuildFCmp(b, LLVMRealOLT, x, simd_f(type, row->min_normal), "");
    double up = row->mantissa + 2;
    LLVMValueRef scaled = LLVMBuildFMul(b, x, simd_f(type, ldexp(1, (int)up)), "");
    LLVMValueRef i = vmath_to_bits(b, LLVMBuildSelect(b, tiny, scaled, x, ""));
    /* Distances from sqrt(1/2) have the exponent that is wanted. */
    LLVMValueRef root = vmath_to_bits(b, simd_f(type, M_SQRT1_2));
    i = LLVMBuildSub(b, i, root, "");
    LLVMValueRef exponent = LLVMBuildAShr(b, i, simd_i(bits, row->mantissa), "");
    LLVMValueRef fraction = LLVMBuildAnd(b, i, simd_i(bits, ((uint64_t)1 << row->mantissa) - 1), "");
    LLVMValueRef m = vmath_from_bits(b, LLVMBuildAdd(b, fraction, root, ""), type);
    *out_f = LLVMBuildFSub(b, m, simd_f(type, 1), "");
    LLVMValueRef magic = simd_f(type, row->magic);
    LLVMValueRef t = vmath_from_bits(b, LLVMBuildAdd(b, exponent, vmath_to_bits(b, magic), ""), type);
    LLVMValueRef bias = LLVMBuildSelect(b, tiny, simd_f(type, row->magic + up), magic, "");
    *out_e = LLVMBuildFSub(b, t, bias, "");
}

/* log x for finite x > 0, anything else for other x.
 * log(1 + f) = f - (f^2/2 - s (f^2/2 + R)), R = (2 atanh(s) - 2 s) / s: the large term f is exact. */
static LLVMValueRef log_of_positive(LLVMBuilderRef b, LLVMValueRef x) {
    const struct vmath_row *row = vmath_row(x);
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef e, f;
    split(b, row, x, &e, &f);
    LLVMValueRef s = LLVMBuildFDiv(b, f, LLVMBuildFAdd(b, f, simd_f(type, 2), ""), "");
    LLVMValueRef z = LLVMBuildFMul(b, s, s, "");
    LLVMValueRef half_square = LLVMBuildFMul(b, LLVMBuildFMul(b, f, simd_f(type, 0.5), ""), f, "");
    LLVMValueRef inner = simd_fma(b, z, simd_poly(b, z, row->log, row->n_log), half_square);
    LLVMValueRef low = simd_fma(b, s, inner, LLVMBuildFMul(b, e, simd_f(type, row->ln2_lo), ""));
    LLVMValueRef rest = LLVMBuildFSub(b, f, LLVMBuildFSub(b, half_square, low, ""), "");
    return simd_fma(b, e, simd_f(type, row->ln2_hi), rest);
}

LLVMValueRef vmath_log(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef zero = simd_f(type, 0), inf = simd_f(type, INFINITY);
    LLVMValueRef y = log_of_positive(b, x);
    y = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, x, inf, ""), y, x, "");
    y = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, x, zero, ""), simd_f(type, NAN), y, "");
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOEQ, x, zero, ""), simd_f(type, -INFINITY), y, "");
}

/* log(u) + (x - (u - 1)) / u with u = 1 + x rounded: the second term is what the rounding lost. */
LLVMValueRef vmath_log1p(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef one = simd_f(type, 1);
    LLVMValueRef u = LLVMBuildFAdd(b, one, x, "");
    LLVMValueRef lost = LLVMBuildFSub(b, x, LLVMBuildFSub(b, u, one, ""), "");
    LLVMValueRef sum = LLVMBuildFAdd(b, vmath_log(b, u), LLVMBuildFDiv(b, lost, u, ""), "");
    sum = simd_copysign(b, sum, x);
    /* At the ends log alone is right: -Inf at -1, Inf at Inf. */
    LLVMValueRef at_end = LLVMBuildFCmp(b, LLVMRealOEQ, x, simd_f(type, INFINITY), "");
    sum = LLVMBuildSelect(b, at_end, x, sum, "");
    at_end = LLVMBuildFCmp(b, LLVMRealOEQ, x, simd_f(type, -1), "");
    return LLVMBuildSelect(b, at_end, simd_f(type, -INFINITY), sum, "");
}

/* |x|^y with the sign and the exceptional values of C's pow; x and y are double. */
static LLVMValueRef pow_double(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef zero = simd_f(type, 0), one = simd_f(type, 1), inf = simd_f(type, INFINITY);
    LLVMValueRef magnitude = simd_abs(b, x);
    LLVMValueRef p = vmath_exp(b, LLVMBuildFMul(b, y, vmath_log(b, magnitude), ""));

    LLVMValueRef is_whole = LLVMBuildFCmp(b, LLVMRealOEQ, y, vmath_floor(b, y), "");
    LLVMValueRef half = LLVMBuildFMul(b, y, simd_f(type, 0.5), "");
    LLVMValueRef half_broken = LLVMBuildFCmp(b, LLVMRealONE, half, vmath_floor(b, half), "");
    LLVMValueRef is_odd = LLVMBuildAnd(b, is_whole, half_broken, "");
    p = LLVMBuildSelect(b, is_odd, simd_copysign(b, p, x), p, "");

    LLVMValueRef negative = LLVMBuildFCmp(b, LLVMRealOLT, x, zero, "");
    LLVMValueRef x_finite = LLVMBuildFCmp(b, LLVMRealOLT, magnitude, inf, "");
    LLVMValueRef undefined =
        LLVMBuildAnd(b, LLVMBuildAnd(b, negative, x_finite, ""), LLVMBuildNot(b, is_whole, ""), "");
    p = LLVMBuildSelect(b, undefined, simd_f(type, NAN), p, "");

    LLVMValueRef y_infinite = LLVMBuildFCmp(b, LLVMRealOEQ, simd_abs(b, y), inf, "");
    LLVMValueRef minus_one = LLVMBuildFCmp(b, LLVMRealOEQ, x, simd_f(type, -1), "");
    LLVMValueRef is_one = LLVMBuildOr(b, LLVMBuildFCmp(b, LLVMRealOEQ, y, zero, ""),
                                      LLVMBuildFCmp(b, LLVMRealOEQ, x, one, ""), "");
    is_one = LLVMBuildOr(b, is_one, LLVMBuildAnd(b, minus_one, y_infinite, ""), "");
    return LLVMBuildSelect(b, is_one, one, p, "");
}

LLVMValueRef vmath_pow(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(x);
    if (vmath_row(x)->bits == 64) return pow_double(b, x, y);
    LLVMTypeRef wide = simd_with_elem(type, LLVMDoubleTypeInContext(LLVMGetTypeContext(type)));
    LLVMValueRef p = pow_double(b, LLVMBuildFPExt(b, x, wide, ""), LLVMBuildFPExt(b, y, wide, ""));
    return LLVMBuildFPTrunc(b, p, type, "");
}
