#include "codegen/vmath_convert.h"

#include "codegen/simd.h"

static LLVMTypeRef float_like(LLVMTypeRef type) {
    return simd_with_elem(type, LLVMFloatTypeInContext(LLVMGetTypeContext(type)));
}

static LLVMValueRef bits32(LLVMBuilderRef b, LLVMValueRef x) {
    return LLVMBuildBitCast(b, x, simd_int_type(LLVMTypeOf(x), 32), "");
}

static LLVMValueRef and_i(LLVMBuilderRef b, LLVMValueRef x, uint64_t mask) {
    return LLVMBuildAnd(b, x, simd_i(LLVMTypeOf(x), mask), "");
}

static LLVMValueRef shr_i(LLVMBuilderRef b, LLVMValueRef x, unsigned by) {
    return LLVMBuildLShr(b, x, simd_i(LLVMTypeOf(x), by), "");
}

LLVMValueRef vmath_f16_to_f32(LLVMBuilderRef b, LLVMValueRef x, bool has_f16c) {
    LLVMTypeRef type = LLVMTypeOf(x), f32 = float_like(type);
    if (has_f16c) {
        LLVMTypeRef half = simd_with_elem(type, LLVMHalfTypeInContext(LLVMGetTypeContext(type)));
        return LLVMBuildFPExt(b, LLVMBuildBitCast(b, x, half, ""), f32, "");
    }
    LLVMTypeRef i32 = simd_int_type(type, 32);
    LLVMValueRef wide = LLVMBuildZExt(b, x, i32, "");
    LLVMValueRef shifted = LLVMBuildShl(b, and_i(b, wide, 0x7fff), simd_i(i32, 13), "");
    /* Read as a float this is the number with its exponent too small by 112, denormal where the half is. */
    LLVMValueRef scaled = LLVMBuildFMul(b, LLVMBuildBitCast(b, shifted, f32, ""), simd_f(f32, 0x1p112), "");
    /* Inf and NaN take the highest exponent, NaN also the quiet bit. */
    LLVMValueRef special = LLVMBuildOr(b, shifted, simd_i(i32, 0x7f800000), "");
    LLVMValueRef infinity = simd_i(i32, 0x7c00 << 13);
    LLVMValueRef is_nan = LLVMBuildICmp(b, LLVMIntUGT, shifted, infinity, "");
    LLVMValueRef quiet = LLVMBuildOr(b, special, simd_i(i32, 0x400000), "");
    special = LLVMBuildSelect(b, is_nan, quiet, special, "");
    LLVMValueRef is_special = LLVMBuildICmp(b, LLVMIntUGE, shifted, infinity, "");
    LLVMValueRef bits = LLVMBuildSelect(b, is_special, special, bits32(b, scaled), "");
    LLVMValueRef sign = LLVMBuildShl(b, and_i(b, wide, 0x8000), simd_i(i32, 16), "");
    return LLVMBuildBitCast(b, LLVMBuildOr(b, bits, sign, ""), f32, "");
}

/* Integer a rounded to nearest even at bit `shift`, before the shift. */
static LLVMValueRef round_bits(LLVMBuilderRef b, LLVMValueRef a, unsigned shift) {
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef odd = and_i(b, shr_i(b, a, shift), 1);
    LLVMValueRef bias = LLVMBuildAdd(b, odd, simd_i(type, ((uint64_t)1 << (shift - 1)) - 1), "");
    return LLVMBuildAdd(b, a, bias, "");
}

LLVMValueRef vmath_f32_to_f16(LLVMBuilderRef b, LLVMValueRef x, bool has_f16c) {
    LLVMTypeRef type = LLVMTypeOf(x), i16 = simd_int_type(type, 16), i32 = simd_int_type(type, 32);
    if (has_f16c) {
        LLVMTypeRef half = simd_with_elem(type, LLVMHalfTypeInContext(LLVMGetTypeContext(type)));
        return LLVMBuildBitCast(b, LLVMBuildFPTrunc(b, x, half, ""), i16, "");
    }
    LLVMValueRef bits = bits32(b, x), a = and_i(b, bits, 0x7fffffff);
    /* Normal halves: move the exponent down by 112 and round away 13 bits; a carry may reach Inf, rightly. */
    LLVMValueRef normal = LLVMBuildSub(b, a, simd_i(i32, 112u << 23), "");
    normal = shr_i(b, round_bits(b, normal, 13), 13);
    normal = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntUGE, a, simd_i(i32, 0x47800000), ""),
                             simd_i(i32, 0x7c00), normal, "");
    /* Denormal ones: adding 1/2 leaves |x| in steps of 2^-24, correctly rounded, in the low bits. */
    LLVMValueRef half = simd_f(type, 0.5);
    LLVMValueRef tiny = bits32(b, LLVMBuildFAdd(b, LLVMBuildBitCast(b, a, type, ""), half, ""));
    tiny = LLVMBuildSub(b, tiny, bits32(b, half), "");
    LLVMValueRef is_tiny = LLVMBuildICmp(b, LLVMIntULT, a, simd_i(i32, 113u << 23), "");
    LLVMValueRef y = LLVMBuildSelect(b, is_tiny, tiny, normal, "");
    LLVMValueRef nan = LLVMBuildOr(b, and_i(b, shr_i(b, a, 13), 0x3ff), simd_i(i32, 0x7e00), "");
    LLVMValueRef is_nan = LLVMBuildICmp(b, LLVMIntUGT, a, simd_i(i32, 0x7f800000), "");
    y = LLVMBuildSelect(b, is_nan, nan, y, "");
    y = LLVMBuildOr(b, y, and_i(b, shr_i(b, bits, 16), 0x8000), "");
    return LLVMBuildTrunc(b, y, i16, "");
}

LLVMValueRef vmath_bf16_to_f32(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x), i32 = simd_int_type(type, 32);
    LLVMValueRef wide = LLVMBuildShl(b, LLVMBuildZExt(b, x, i32, ""), simd_i(i32, 16), "");
    return LLVMBuildBitCast(b, wide, float_like(type), "");
}

LLVMValueRef vmath_f32_to_bf16(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef bits = bits32(b, x);
    LLVMValueRef quiet = LLVMBuildOr(b, bits, simd_i(LLVMTypeOf(bits), 0x400000), "");
    LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, x, x, "");
    LLVMValueRef y = shr_i(b, LLVMBuildSelect(b, is_nan, quiet, round_bits(b, bits, 16), ""), 16);
    return LLVMBuildTrunc(b, y, simd_int_type(type, 16), "");
}

LLVMValueRef vmath_f64_to_f32_odd(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x), f32 = float_like(type), i32 = simd_int_type(type, 32);
    LLVMValueRef y = LLVMBuildFPTrunc(b, x, f32, "");
    LLVMValueRef back = LLVMBuildFPExt(b, y, type, "");
    LLVMValueRef bits = bits32(b, y);
    /* Towards zero first: one step down where rounding went away from zero; then the last bit tells
     * inexactness. */
    LLVMValueRef away = LLVMBuildFCmp(b, LLVMRealOGT, simd_abs(b, back), simd_abs(b, x), "");
    bits = LLVMBuildSub(b, bits, LLVMBuildZExt(b, away, i32, ""), "");
    LLVMValueRef inexact = LLVMBuildFCmp(b, LLVMRealONE, back, x, "");
    bits = LLVMBuildOr(b, bits, LLVMBuildZExt(b, inexact, i32, ""), "");
    return LLVMBuildBitCast(b, bits, f32, "");
}

LLVMValueRef vmath_float_to_int(LLVMBuilderRef b, LLVMValueRef x, unsigned bits, bool is_signed) {
    LLVMTypeRef overload[] = {simd_int_type(LLVMTypeOf(x), bits), LLVMTypeOf(x)};
    return simd_intrinsic(b, is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat", overload, 2, &x, 1);
}
