/* Square roots, rounding, minimum and maximum: single instructions on nearly every target. */
#include "codegen/simd.h"
#include "codegen/target_machine.h"
#include "codegen/vmath.h"
#include "codegen/vmath_tables.h"

#include <math.h>

LLVMValueRef vmath_sqrt(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.sqrt", x);
}

LLVMValueRef vmath_rsqrt(LLVMBuilderRef b, LLVMValueRef x) {
    return LLVMBuildFDiv(b, simd_f(LLVMTypeOf(x), 1), vmath_sqrt(b, x), "");
}

/* Rounding needs SSE4.1: without it LLVM calls the C library, for each lane. */
static bool has_rounding(LLVMBuilderRef b) {
    return !target_may_lack(simd_function(b), CPU_SSE4_1);
}

/* The nearest integer of a >= 0, halves to even: in a + 2^mantissa no bits are left for a fraction. From
 * there on all numbers are integers; NaN is left as it is. */
static LLVMValueRef nearest(LLVMBuilderRef b, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef limit = simd_f(type, ldexp(1, (int)vmath_row(a)->mantissa));
    LLVMValueRef whole = LLVMBuildFSub(b, LLVMBuildFAdd(b, a, limit, ""), limit, "");
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, a, limit, ""), whole, a, "");
}

static LLVMValueRef nearest_signed(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_copysign(b, nearest(b, simd_abs(b, x)), x);
}

/* One less where `whole` is above x, or with step = -1 one more where it is below. */
static LLVMValueRef step_back(LLVMBuilderRef b, LLVMValueRef whole, LLVMValueRef x, double step) {
    LLVMValueRef beyond = LLVMBuildFCmp(b, step > 0 ? LLVMRealOGT : LLVMRealOLT, whole, x, "");
    LLVMValueRef other = LLVMBuildFSub(b, whole, simd_f(LLVMTypeOf(x), step), "");
    return LLVMBuildSelect(b, beyond, other, whole, "");
}

LLVMValueRef vmath_floor(LLVMBuilderRef b, LLVMValueRef x) {
    if (has_rounding(b)) return simd_call1(b, "llvm.floor", x);
    return step_back(b, nearest_signed(b, x), x, 1);
}

LLVMValueRef vmath_ceil(LLVMBuilderRef b, LLVMValueRef x) {
    if (has_rounding(b)) return simd_call1(b, "llvm.ceil", x);
    return simd_copysign(b, step_back(b, nearest_signed(b, x), x, -1), x); /* -0.5 becomes -0 */
}

LLVMValueRef vmath_trunc(LLVMBuilderRef b, LLVMValueRef x) {
    if (has_rounding(b)) return simd_call1(b, "llvm.trunc", x);
    LLVMValueRef a = simd_abs(b, x);
    return simd_copysign(b, step_back(b, nearest(b, a), a, 1), x);
}

LLVMValueRef vmath_round_even(LLVMBuilderRef b, LLVMValueRef x) {
    return has_rounding(b) ? simd_call1(b, "llvm.roundeven", x) : nearest_signed(b, x);
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
