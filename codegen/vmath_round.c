/* Square roots, rounding, minimum and maximum: single instructions on every target that has vectors. */
#include "codegen/simd.h"
#include "codegen/vmath.h"

LLVMValueRef vmath_sqrt(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.sqrt", x);
}

LLVMValueRef vmath_rsqrt(LLVMBuilderRef b, LLVMValueRef x) {
    return LLVMBuildFDiv(b, simd_f(LLVMTypeOf(x), 1), vmath_sqrt(b, x), "");
}

LLVMValueRef vmath_floor(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.floor", x);
}

LLVMValueRef vmath_ceil(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.ceil", x);
}

LLVMValueRef vmath_trunc(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.trunc", x);
}

LLVMValueRef vmath_round_even(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.roundeven", x);
}

/* min = x < y ? x : y would lose a NaN in x: the second select hands it on. */
static LLVMValueRef choose(LLVMBuilderRef b, LLVMRealPredicate wins, LLVMValueRef x, LLVMValueRef y) {
    LLVMValueRef best = LLVMBuildSelect(b, LLVMBuildFCmp(b, wins, x, y, ""), x, y, "");
    if (LLVMIsConstant(x)) return best;
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealUNO, x, x, ""), x, best, "");
}

LLVMValueRef vmath_min(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y) {
    return choose(b, LLVMRealOLT, x, y);
}

LLVMValueRef vmath_max(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y) {
    return choose(b, LLVMRealOGT, x, y);
}
