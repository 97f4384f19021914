#include "codegen/simd.h"

#include <string.h>

#include "ir/base/base.h"

/* Wider vectors than this are split by whoever calls: no register holds more than 64 bytes. */
enum { MAX_LANES = 64 };

LLVMTypeRef simd_type(LLVMTypeRef elem, unsigned lanes) {
    return lanes == 1 ? elem : LLVMVectorType(elem, lanes);
}

unsigned simd_lanes(LLVMTypeRef type) {
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
}

LLVMTypeRef simd_elem(LLVMTypeRef type) {
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

unsigned simd_bits(LLVMTypeRef type) {
    LLVMTypeRef elem = simd_elem(type);
    switch (LLVMGetTypeKind(elem)) {
    case LLVMIntegerTypeKind:
        return LLVMGetIntTypeWidth(elem);
    case LLVMHalfTypeKind:
    case LLVMBFloatTypeKind:
        return 16;
    case LLVMFloatTypeKind:
        return 32;
    case LLVMDoubleTypeKind:
        return 64;
    default:
        bug("simd: an element type without a width");
    }
}

LLVMTypeRef simd_with_elem(LLVMTypeRef type, LLVMTypeRef elem) {
    return simd_type(elem, simd_lanes(type));
}

LLVMTypeRef simd_int_type(LLVMTypeRef type, unsigned bits) {
    return simd_with_elem(type, LLVMIntTypeInContext(LLVMGetTypeContext(type), bits));
}

static LLVMValueRef splat_constant(LLVMTypeRef type, LLVMValueRef value) {
    unsigned lanes = simd_lanes(type);
    if (lanes == 1) return value;
    LLVMValueRef all[MAX_LANES];
    if (lanes > MAX_LANES) bug("simd: too many lanes");
    for (unsigned i = 0; i < lanes; i++) all[i] = value;
    return LLVMConstVector(all, lanes);
}

LLVMValueRef simd_f(LLVMTypeRef type, double value) {
    return splat_constant(type, LLVMConstReal(simd_elem(type), value));
}

LLVMValueRef simd_i(LLVMTypeRef type, uint64_t value) {
    unsigned bits = simd_bits(type);
    if (bits < 64) value &= ((uint64_t)1 << bits) - 1;
    return splat_constant(type, LLVMConstInt(simd_elem(type), value, 0));
}

LLVMValueRef simd_iota(LLVMTypeRef type, int64_t first, int64_t step) {
    unsigned lanes = simd_lanes(type);
    LLVMTypeRef elem = simd_elem(type);
    if (lanes == 1) return simd_i(elem, (uint64_t)first);
    LLVMValueRef all[MAX_LANES];
    if (lanes > MAX_LANES) bug("simd: too many lanes");
    for (unsigned i = 0; i < lanes; i++) all[i] = simd_i(elem, (uint64_t)(first + step * (int64_t)i));
    return LLVMConstVector(all, lanes);
}

static LLVMValueRef index_constant(LLVMValueRef v, unsigned i) {
    return LLVMConstInt(LLVMInt32TypeInContext(LLVMGetTypeContext(LLVMTypeOf(v))), i, 0);
}

LLVMValueRef simd_shuffle(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, const int *index,
                          unsigned count) {
    LLVMTypeRef i32 = LLVMInt32TypeInContext(LLVMGetTypeContext(LLVMTypeOf(x)));
    LLVMValueRef mask[MAX_LANES];
    if (count > MAX_LANES) bug("simd: too many lanes");
    for (unsigned i = 0; i < count; i++)
        mask[i] = index[i] < 0 ? LLVMGetPoison(i32) : LLVMConstInt(i32, (unsigned)index[i], 0);
    return LLVMBuildShuffleVector(b, x, y, LLVMConstVector(mask, count), "");
}

LLVMValueRef simd_splat(LLVMBuilderRef b, LLVMValueRef scalar, unsigned lanes) {
    if (lanes == 1) return scalar;
    if (LLVMIsConstant(scalar)) return splat_constant(simd_type(LLVMTypeOf(scalar), lanes), scalar);
    LLVMValueRef poison = LLVMGetPoison(simd_type(LLVMTypeOf(scalar), lanes));
    LLVMValueRef first = LLVMBuildInsertElement(b, poison, scalar, index_constant(scalar, 0), "");
    int zero[MAX_LANES] = {0};
    return simd_shuffle(b, first, poison, zero, lanes);
}

LLVMValueRef simd_lane(LLVMBuilderRef b, LLVMValueRef v, unsigned i) {
    if (simd_lanes(LLVMTypeOf(v)) == 1) return v;
    return LLVMBuildExtractElement(b, v, index_constant(v, i), "");
}

LLVMValueRef simd_function(LLVMBuilderRef b) {
    return LLVMGetBasicBlockParent(LLVMGetInsertBlock(b));
}

LLVMModuleRef simd_module(LLVMBuilderRef b) {
    return LLVMGetGlobalParent(simd_function(b));
}

LLVMValueRef simd_intrinsic(LLVMBuilderRef b, const char *name, LLVMTypeRef *overload, unsigned overloads,
                            LLVMValueRef *args, unsigned count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (id == 0) bug("simd: unknown intrinsic %s", name);
    LLVMModuleRef module = simd_module(b);
    LLVMValueRef callee = LLVMGetIntrinsicDeclaration(module, id, overload, overloads);
    LLVMTypeRef type = LLVMIntrinsicGetType(LLVMGetModuleContext(module), id, overload, overloads);
    return LLVMBuildCall2(b, type, callee, args, count, "");
}

LLVMValueRef simd_call1(LLVMBuilderRef b, const char *name, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return simd_intrinsic(b, name, &type, 1, &x, 1);
}

LLVMValueRef simd_call2(LLVMBuilderRef b, const char *name, LLVMValueRef x, LLVMValueRef y) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return simd_intrinsic(b, name, &type, 1, (LLVMValueRef[]){x, y}, 2);
}

LLVMValueRef simd_call3(LLVMBuilderRef b, const char *name, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return simd_intrinsic(b, name, &type, 1, (LLVMValueRef[]){x, y, z}, 3);
}

LLVMValueRef simd_fma(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    return simd_call3(b, "llvm.fmuladd", x, y, z);
}

LLVMValueRef simd_poly(LLVMBuilderRef b, LLVMValueRef x, const double *c, unsigned n) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef sum = simd_f(type, c[n - 1]);
    for (unsigned i = n - 1; i-- > 0;) sum = simd_fma(b, sum, x, simd_f(type, c[i]));
    return sum;
}

LLVMValueRef simd_abs(LLVMBuilderRef b, LLVMValueRef x) {
    return simd_call1(b, "llvm.fabs", x);
}

LLVMValueRef simd_copysign(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef sign) {
    return simd_call2(b, "llvm.copysign", x, sign);
}

LLVMValueRef simd_at_most(LLVMBuilderRef b, LLVMValueRef x, double limit) {
    LLVMValueRef l = simd_f(LLVMTypeOf(x), limit);
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOGT, x, l, ""), l, x, "");
}

LLVMValueRef simd_at_least(LLVMBuilderRef b, LLVMValueRef x, double limit) {
    LLVMValueRef l = simd_f(LLVMTypeOf(x), limit);
    return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, x, l, ""), l, x, "");
}

LLVMValueRef simd_any(LLVMBuilderRef b, LLVMValueRef mask) {
    if (simd_lanes(LLVMTypeOf(mask)) == 1) return mask;
    return simd_call1(b, "llvm.vector.reduce.or", mask);
}
