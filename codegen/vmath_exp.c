/* exp and what is made of it. */
#include "codegen/vmath.h"
#include "codegen/vmath_tables.h"

/* 2^n (1 + p) in two steps, so that 2^n need not be a normal number. */
static LLVMValueRef scale(LLVMBuilderRef b, const struct vmath_row *row, struct vmath_exp_parts e) {
    LLVMTypeRef type = LLVMTypeOf(e.p), bits = LLVMTypeOf(e.n);
    LLVMValueRef half = LLVMBuildAShr(b, e.n, simd_i(bits, 1), "");
    LLVMValueRef rest = LLVMBuildSub(b, e.n, half, "");
    LLVMValueRef y = LLVMBuildFAdd(b, simd_f(type, 1), e.p, "");
    y = LLVMBuildFMul(b, y, vmath_exp2i(b, row, type, half), "");
    return LLVMBuildFMul(b, y, vmath_exp2i(b, row, type, rest), "");
}

LLVMValueRef vmath_exp(LLVMBuilderRef b, LLVMValueRef x) {
    const struct vmath_row *row = vmath_row(x);
    x = simd_at_least(b, simd_at_most(b, x, row->exp_hi), row->exp_lo);
    return scale(b, row, vmath_exp_reduce(b, row, x));
}

/* e^x - 1 = 2 (2^(n-1) p + (2^(n-1) - 1/2)); the halved scale is finite for every n. */
static LLVMValueRef expm1_in_range(LLVMBuilderRef b, const struct vmath_row *row, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    struct vmath_exp_parts e = vmath_exp_reduce(b, row, x);
    LLVMValueRef n = LLVMBuildSub(b, e.n, simd_i(LLVMTypeOf(e.n), 1), "");
    LLVMValueRef s = vmath_exp2i(b, row, type, n);
    LLVMValueRef y = simd_fma(b, s, e.p, LLVMBuildFSub(b, s, simd_f(type, 0.5), ""));
    return LLVMBuildFAdd(b, y, y, "");
}

LLVMValueRef vmath_expm1(LLVMBuilderRef b, LLVMValueRef x) {
    const struct vmath_row *row = vmath_row(x);
    LLVMValueRef in = simd_at_least(b, simd_at_most(b, x, row->exp_hi), row->one_lo);
    return simd_copysign(b, expm1_in_range(b, row, in), x);
}

LLVMValueRef vmath_tanh(LLVMBuilderRef b, LLVMValueRef x) {
    const struct vmath_row *row = vmath_row(x);
    LLVMValueRef y = simd_abs(b, x);
    y = simd_at_most(b, LLVMBuildFAdd(b, y, y, ""), row->one_hi);
    LLVMValueRef em = expm1_in_range(b, row, y);
    /* em / (em + 2), or 1 - 2 / (em + 2) where that is the more exact and rises to 1 without a dent. */
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef one = simd_f(type, 1), two = simd_f(type, 2);
    LLVMValueRef large = LLVMBuildFCmp(b, LLVMRealOGT, em, one, "");
    LLVMValueRef over = LLVMBuildSelect(b, large, two, em, "");
    LLVMValueRef t = LLVMBuildFDiv(b, over, LLVMBuildFAdd(b, em, two, ""), "");
    t = LLVMBuildSelect(b, large, LLVMBuildFSub(b, one, t, ""), t, "");
    if (row->n_tanh > 0) {
        LLVMValueRef a = simd_abs(b, x), z = LLVMBuildFMul(b, a, a, "");
        LLVMValueRef near = simd_poly(b, z, row->tanh, row->n_tanh);
        near = simd_fma(b, near, LLVMBuildFMul(b, z, a, ""), a);
        LLVMValueRef is_near = LLVMBuildFCmp(b, LLVMRealOLT, a, simd_f(type, row->tanh_to), "");
        t = LLVMBuildSelect(b, is_near, near, t, "");
    }
    return simd_copysign(b, t, x);
}

/* e^-|x| / (1 + e^-|x|) for x < 0, else 1 / (1 + e^-|x|); what rounding takes from the sum is put back. */
LLVMValueRef vmath_sigmoid(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef one = simd_f(type, 1);
    LLVMValueRef e = vmath_exp(b, LLVMBuildFNeg(b, simd_abs(b, x), ""));
    LLVMValueRef negative = LLVMBuildFCmp(b, LLVMRealOLT, x, simd_f(type, 0), "");
    LLVMValueRef sum = LLVMBuildFAdd(b, one, e, "");
    LLVMValueRef lost = LLVMBuildFSub(b, LLVMBuildFSub(b, sum, one, ""), e, "");
    LLVMValueRef y = LLVMBuildFDiv(b, LLVMBuildSelect(b, negative, e, one, ""), sum, "");
    /* 1 / sum is 1 - y or y; y has the relative error lost / sum. */
    LLVMValueRef inverse = LLVMBuildSelect(b, negative, LLVMBuildFSub(b, one, y, ""), y, "");
    return simd_fma(b, LLVMBuildFMul(b, y, inverse, ""), lost, y);
}

LLVMValueRef vmath_softplus(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMValueRef e = vmath_exp(b, LLVMBuildFNeg(b, simd_abs(b, x), ""));
    return LLVMBuildFAdd(b, simd_at_least(b, x, 0), vmath_log1p(b, e), "");
}

LLVMValueRef vmath_erf(LLVMBuilderRef b, LLVMValueRef x) {
    const struct vmath_row *row = vmath_row(x);
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef a = simd_abs(b, x);
    LLVMValueRef near = simd_poly(b, LLVMBuildFMul(b, x, x, ""), row->erf, row->n_erf);
    near = simd_fma(b, near, a, a);
    LLVMValueRef log_erfc = simd_poly(b, simd_at_most(b, a, row->erf_to), row->erfc, row->n_erfc);
    struct vmath_exp_parts e = vmath_exp_reduce(b, row, log_erfc);
    LLVMValueRef s = vmath_exp2i(b, row, type, e.n);
    LLVMValueRef erfc = simd_fma(b, s, e.p, s);
    LLVMValueRef far = LLVMBuildFSub(b, simd_f(type, 1), erfc, "");
    LLVMValueRef is_near = LLVMBuildFCmp(b, LLVMRealOLT, a, simd_f(type, row->erf_from), "");
    return simd_copysign(b, LLVMBuildSelect(b, is_near, near, far, ""), x);
}
