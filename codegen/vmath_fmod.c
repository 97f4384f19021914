/* The exact remainder by shift and subtract. */
#include "codegen/vmath.h"
#include "codegen/vmath_tables.h"

#include <math.h>

/* The biased exponent of a = |a| > 0 as an integer, as if denormals were normal. */
static LLVMValueRef exponent_of(LLVMBuilderRef b, const struct vmath_row *row, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a), bits = simd_int_type(type, row->bits);
    unsigned up = row->mantissa + 2;
    LLVMValueRef tiny = LLVMBuildFCmp(b, LLVMRealOLT, a, simd_f(type, row->min_normal), "");
    LLVMValueRef scaled = LLVMBuildFMul(b, a, simd_f(type, ldexp(1, (int)up)), "");
    LLVMValueRef i = vmath_to_bits(b, LLVMBuildSelect(b, tiny, scaled, a, ""));
    i = LLVMBuildLShr(b, i, simd_i(bits, row->mantissa), "");
    return LLVMBuildSub(b, i, LLVMBuildSelect(b, tiny, simd_i(bits, up), simd_i(bits, 0), ""), "");
}

/* a 2^n, exact when it is in range, for 0 <= n < 4 * bias: in four steps, since 2^n itself may be too large.
 */
static LLVMValueRef scale(LLVMBuilderRef b, const struct vmath_row *row, LLVMValueRef a, LLVMValueRef n) {
    LLVMTypeRef type = LLVMTypeOf(a), bits = LLVMTypeOf(n);
    LLVMValueRef quarter = LLVMBuildLShr(b, n, simd_i(bits, 2), "");
    LLVMValueRef rest = LLVMBuildSub(b, n, LLVMBuildMul(b, quarter, simd_i(bits, 3), ""), "");
    LLVMValueRef step = vmath_exp2i(b, row, type, quarter);
    for (unsigned i = 0; i < 3; i++) a = LLVMBuildFMul(b, a, step, "");
    return LLVMBuildFMul(b, a, vmath_exp2i(b, row, type, rest), "");
}

LLVMValueRef vmath_fmod(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y) {
    const struct vmath_row *row = vmath_row(x);
    LLVMTypeRef type = LLVMTypeOf(x), bits = simd_int_type(type, row->bits);
    LLVMContextRef context = LLVMGetTypeContext(type);
    LLVMValueRef function = simd_function(b), zero = simd_f(type, 0), inf = simd_f(type, INFINITY);
    LLVMValueRef start = simd_abs(b, x), divisor = simd_abs(b, y);
    LLVMValueRef valid = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOLT, start, inf, ""),
                                      LLVMBuildFCmp(b, LLVMRealOGT, divisor, zero, ""), "");
    LLVMValueRef divisor_exponent = exponent_of(b, row, divisor);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef head = LLVMAppendBasicBlockInContext(context, function, "fmod");
    LLVMBasicBlockRef round = LLVMAppendBasicBlockInContext(context, function, "fmod.round");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(context, function, "fmod.done");
    LLVMBuildBr(b, head);

    LLVMPositionBuilderAtEnd(b, head);
    LLVMValueRef r = LLVMBuildPhi(b, type, "");
    LLVMValueRef more = LLVMBuildAnd(b, valid, LLVMBuildFCmp(b, LLVMRealOGE, r, divisor, ""), "");
    LLVMBuildCondBr(b, simd_any(b, more), round, done);

    /* Take away the largest divisor 2^n that is not above r: the difference is exact. */
    LLVMPositionBuilderAtEnd(b, round);
    LLVMValueRef n = LLVMBuildSub(b, exponent_of(b, row, r), divisor_exponent, "");
    n = LLVMBuildSelect(b, more, n, simd_i(bits, 0), "");
    LLVMValueRef top = scale(b, row, divisor, n);
    LLVMValueRef too_large = LLVMBuildFCmp(b, LLVMRealOGT, top, r, "");
    LLVMValueRef one_less = LLVMBuildSub(b, n, simd_i(bits, 1), "");
    one_less = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGT, n, simd_i(bits, 0), ""), one_less, n, "");
    top = LLVMBuildSelect(b, too_large, scale(b, row, divisor, one_less), top, "");
    LLVMValueRef next = LLVMBuildSelect(b, more, LLVMBuildFSub(b, r, top, ""), r, "");
    LLVMBuildBr(b, head);
    LLVMAddIncoming(r, (LLVMValueRef[]){start, next}, (LLVMBasicBlockRef[]){before, LLVMGetInsertBlock(b)},
                    2);

    LLVMPositionBuilderAtEnd(b, done);
    LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, x, y, "");
    LLVMValueRef defined = LLVMBuildAnd(b, valid, LLVMBuildNot(b, is_nan, ""), "");
    return LLVMBuildSelect(b, defined, simd_copysign(b, r, x), simd_f(type, NAN), "");
}
