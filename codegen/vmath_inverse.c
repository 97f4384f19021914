/* The inverse trigonometric and hyperbolic functions, in double precision, f32 too: all of them are an atan
 * or a log1p of a quotient, whose rounding would cost f32 most of its bound. */
#include "codegen/vmath.h"
#include "codegen/vmath_tables.h"

#include "ir/base/base.h"

#include <math.h>

/* (atan(x) - x) / x^3 in x^2 on |x| <= tan(pi / 8). */
static const double atan_f64[] = {-0x1.555555555553dp-2, 0x1.99999999957bep-3,  -0x1.24924922a9e83p-3,
                                  0x1.c71c70e4e4a19p-4,  -0x1.745cf8be99038p-4, 0x1.3b11173bf5df2p-4,
                                  -0x1.10eba4b6071ebp-4, 0x1.df0e436f57976p-5,  -0x1.9cce67293adb6p-5,
                                  0x1.37cb4aad449f6p-5,  -0x1.2554ecbffade5p-6};
static const double pi_8_tan = 0x1.a827999fcef32p-2, pi_8_cot = 0x1.3504f333f9de6p+1; /* tan, cot of pi / 8 */
static const double half_pi = 0x1.921fb54442d18p0, half_pi_low = 0x1.1a62633145c07p-54;
static const double ln2 = 0x1.62e42fefa39efp-1;
/* From here on 1 beside x, and beside x^2, is lost. */
#define LARGE 0x1p54

typedef LLVMValueRef double_fn(LLVMBuilderRef b, LLVMValueRef x);

static LLVMValueRef by_double(LLVMBuilderRef b, LLVMValueRef x, double_fn *function) {
    LLVMTypeRef type = LLVMTypeOf(x);
    if (vmath_row(x)->bits == 64) return function(b, x);
    LLVMTypeRef wide = simd_with_elem(type, LLVMDoubleTypeInContext(LLVMGetTypeContext(type)));
    return LLVMBuildFPTrunc(b, function(b, LLVMBuildFPExt(b, x, wide, "")), type, "");
}

/* 1 - x, or 1 + x. */
static LLVMValueRef one_minus(LLVMBuilderRef b, LLVMValueRef x) {
    return LLVMBuildFSub(b, simd_f(LLVMTypeOf(x), 1), x, "");
}
static LLVMValueRef one_plus(LLVMBuilderRef b, LLVMValueRef x) {
    return LLVMBuildFAdd(b, simd_f(LLVMTypeOf(x), 1), x, "");
}

/* |x| with the sign of another double, by bits: LLVM moves llvm.copysign past the rounding to f32 and then
 * f16, and would call a function of a runtime that is not there to round the operand that only lends its
 * sign. */
static LLVMValueRef with_sign(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef sign) {
    LLVMTypeRef type = LLVMTypeOf(x), ints = simd_int_type(type, 64);
    LLVMValueRef mask = simd_i(ints, (uint64_t)1 << 63);
    LLVMValueRef size = LLVMBuildAnd(b, LLVMBuildBitCast(b, x, ints, ""), LLVMConstNot(mask), "");
    LLVMValueRef bit = LLVMBuildAnd(b, LLVMBuildBitCast(b, sign, ints, ""), mask, "");
    return LLVMBuildBitCast(b, LLVMBuildOr(b, size, bit, ""), type, "");
}

/* atan |x| is atan |x|, pi / 4 + atan((|x| - 1) / (|x| + 1)), or pi / 2 + atan(-1 / |x|): one division for
 * all. */
static LLVMValueRef atan_double(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = simd_abs(b, x), one = simd_f(type, 1), zero = simd_f(type, 0);
    LLVMValueRef middle = LLVMBuildFCmp(b, LLVMRealOGT, a, simd_f(type, pi_8_tan), "");
    LLVMValueRef far = LLVMBuildFCmp(b, LLVMRealOGT, a, simd_f(type, pi_8_cot), "");
    LLVMValueRef over = LLVMBuildSelect(b, middle, LLVMBuildFSub(b, a, one, ""), a, "");
    LLVMValueRef under = LLVMBuildSelect(b, middle, one_plus(b, a), one, "");
    over = LLVMBuildSelect(b, far, simd_f(type, -1), over, "");
    under = LLVMBuildSelect(b, far, a, under, "");
    LLVMValueRef high = LLVMBuildSelect(b, middle, simd_f(type, half_pi / 2), zero, "");
    LLVMValueRef low = LLVMBuildSelect(b, middle, simd_f(type, half_pi_low / 2), zero, "");
    high = LLVMBuildSelect(b, far, simd_f(type, half_pi), high, "");
    low = LLVMBuildSelect(b, far, simd_f(type, half_pi_low), low, "");

    LLVMValueRef t = LLVMBuildFDiv(b, over, under, ""), z = LLVMBuildFMul(b, t, t, "");
    LLVMValueRef rest = simd_poly(b, z, atan_f64, COUNT_OF(atan_f64));
    rest = simd_fma(b, LLVMBuildFMul(b, t, z, ""), rest, low);
    LLVMValueRef y = LLVMBuildFAdd(b, high, LLVMBuildFAdd(b, t, rest, ""), "");
    return with_sign(b, y, x);
}

/* atan(x / sqrt((1 - x) (1 + x))) */
static LLVMValueRef asin_double(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMValueRef root = vmath_sqrt(b, LLVMBuildFMul(b, one_minus(b, x), one_plus(b, x), ""));
    return atan_double(b, LLVMBuildFDiv(b, x, root, ""));
}

/* 2 atan(sqrt((1 - x) / (1 + x))) */
static LLVMValueRef acos_double(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMValueRef root = vmath_sqrt(b, LLVMBuildFDiv(b, one_minus(b, x), one_plus(b, x), ""));
    return LLVMBuildFMul(b, atan_double(b, root), simd_f(LLVMTypeOf(x), 2), "");
}

/* log1p(u), or where x is large log(2 x): there u may have overflowed. */
static LLVMValueRef log1p_or_large(LLVMBuilderRef b, LLVMValueRef u, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef large = LLVMBuildFCmp(b, LLVMRealOGE, x, simd_f(type, LARGE), "");
    LLVMValueRef y = vmath_log1p(b, LLVMBuildSelect(b, large, x, u, ""));
    return LLVMBuildSelect(b, large, LLVMBuildFAdd(b, y, simd_f(type, ln2), ""), y, "");
}

/* log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))) */
static LLVMValueRef asinh_double(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMValueRef a = simd_abs(b, x), square = LLVMBuildFMul(b, a, a, "");
    LLVMValueRef under = one_plus(b, vmath_sqrt(b, one_plus(b, square)));
    LLVMValueRef u = LLVMBuildFAdd(b, a, LLVMBuildFDiv(b, square, under, ""), "");
    return with_sign(b, log1p_or_large(b, u, a), x);
}

/* log1p(t + sqrt(2 t + t^2)), t = x - 1 */
static LLVMValueRef acosh_double(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef one = simd_f(type, 1), t = LLVMBuildFSub(b, x, one, "");
    LLVMValueRef square = LLVMBuildFMul(b, t, LLVMBuildFAdd(b, t, simd_f(type, 2), ""), "");
    LLVMValueRef y = log1p_or_large(b, LLVMBuildFAdd(b, t, vmath_sqrt(b, square), ""), x);
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, x, one, ""), simd_f(type, NAN), y, "");
}

/* log1p(2 |x| / (1 - |x|)) / 2 */
static LLVMValueRef atanh_double(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = simd_abs(b, x);
    LLVMValueRef u = LLVMBuildFDiv(b, LLVMBuildFMul(b, a, simd_f(type, 2), ""), one_minus(b, a), "");
    return with_sign(b, LLVMBuildFMul(b, vmath_log1p(b, u), simd_f(type, 0.5), ""), x);
}

#define INVERSE(name)                                                                                        \
    LLVMValueRef vmath_##name(LLVMBuilderRef b, LLVMValueRef x) {                                            \
        return by_double(b, x, name##_double);                                                               \
    }
INVERSE(asin)
INVERSE(acos)
INVERSE(atan)
INVERSE(asinh)
INVERSE(acosh)
INVERSE(atanh)
