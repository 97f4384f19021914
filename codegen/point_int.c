#include "codegen/point_int.h"

#include "codegen/simd.h"

#include <math.h>

struct ints {
    LLVMBuilderRef b;
    LLVMTypeRef type;
    bool is_signed;
    LLVMValueRef a, d, zero;
};

static struct ints ints_of(const struct point *p) {
    LLVMTypeRef type = LLVMTypeOf(p->x[0]);
    return (struct ints){p->e->builder, type,    elem_in(p->elem, ELEMS_SINT),
                         p->x[0],       p->x[1], simd_i(type, 0)};
}

static LLVMValueRef equals(const struct ints *v, LLVMValueRef x, uint64_t value) {
    return LLVMBuildICmp(v->b, LLVMIntEQ, x, simd_i(v->type, value), "");
}

/* The divisor with 1 for 0 and for -1, where the instruction traps or may trap. */
static LLVMValueRef safe_divisor(const struct ints *v) {
    LLVMValueRef unsafe = equals(v, v->d, 0);
    if (v->is_signed) unsafe = LLVMBuildOr(v->b, unsafe, equals(v, v->d, UINT64_MAX), "");
    return LLVMBuildSelect(v->b, unsafe, simd_i(v->type, 1), v->d, "");
}

LLVMValueRef point_int_div(struct point *p) {
    struct ints v = ints_of(p);
    LLVMValueRef safe = safe_divisor(&v), q;
    if (v.is_signed) {
        q = LLVMBuildSDiv(v.b, v.a, safe, "");
        q = LLVMBuildSelect(v.b, equals(&v, v.d, UINT64_MAX), LLVMBuildNeg(v.b, v.a, ""), q, "");
    } else {
        q = LLVMBuildUDiv(v.b, v.a, safe, "");
    }
    return LLVMBuildSelect(v.b, equals(&v, v.d, 0), v.zero, q, "");
}

LLVMValueRef point_int_mod(struct point *p) {
    struct ints v = ints_of(p);
    LLVMValueRef safe = safe_divisor(&v);
    /* With 1 for the divisor the rest is 0, as it is for -1 and defined to be for 0. */
    if (!v.is_signed) return LLVMBuildURem(v.b, v.a, safe, "");
    LLVMValueRef r = LLVMBuildSRem(v.b, v.a, safe, "");
    LLVMValueRef other_sign = LLVMBuildICmp(v.b, LLVMIntSLT, LLVMBuildXor(v.b, r, safe, ""), v.zero, "");
    LLVMValueRef adjust = LLVMBuildAnd(v.b, other_sign, LLVMBuildNot(v.b, equals(&v, r, 0), ""), "");
    return LLVMBuildSelect(v.b, adjust, LLVMBuildAdd(v.b, r, safe, ""), r, "");
}

LLVMValueRef point_int_pow(struct point *p) {
    struct ints v = ints_of(p);
    LLVMContextRef context = p->e->context;
    LLVMValueRef function = simd_function(v.b), one = simd_i(v.type, 1);
    LLVMValueRef exponent = v.d;
    LLVMValueRef below = LLVMBuildICmp(v.b, LLVMIntSLT, v.d, v.zero, "");
    if (v.is_signed) exponent = LLVMBuildSelect(v.b, below, v.zero, v.d, "");
    LLVMBasicBlockRef before = LLVMGetInsertBlock(v.b);
    LLVMBasicBlockRef head = LLVMAppendBasicBlockInContext(context, function, "pow");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(context, function, "pow.done");
    LLVMBuildBr(v.b, head);

    LLVMPositionBuilderAtEnd(v.b, head);
    LLVMValueRef y = LLVMBuildPhi(v.b, v.type, ""), square = LLVMBuildPhi(v.b, v.type, "");
    LLVMValueRef left = LLVMBuildPhi(v.b, v.type, "");
    LLVMValueRef even = equals(&v, LLVMBuildAnd(v.b, left, one, ""), 0);
    LLVMValueRef next_y = LLVMBuildSelect(v.b, even, y, LLVMBuildMul(v.b, y, square, ""), "");
    LLVMValueRef next_square = LLVMBuildMul(v.b, square, square, "");
    LLVMValueRef next_left = LLVMBuildLShr(v.b, left, one, "");
    LLVMValueRef more = LLVMBuildICmp(v.b, LLVMIntNE, next_left, v.zero, "");
    LLVMBuildCondBr(v.b, simd_any(v.b, more), head, after);
    LLVMBasicBlockRef from[] = {before, head};
    LLVMAddIncoming(y, (LLVMValueRef[]){one, next_y}, from, 2);
    LLVMAddIncoming(square, (LLVMValueRef[]){v.a, next_square}, from, 2);
    LLVMAddIncoming(left, (LLVMValueRef[]){exponent, next_left}, from, 2);

    LLVMPositionBuilderAtEnd(v.b, after);
    if (!v.is_signed) return next_y;
    LLVMValueRef minus_one = simd_i(v.type, UINT64_MAX);
    LLVMValueRef odd = LLVMBuildNot(v.b, equals(&v, LLVMBuildAnd(v.b, v.d, one, ""), 0), "");
    LLVMValueRef of_minus_one = LLVMBuildSelect(v.b, odd, minus_one, one, "");
    LLVMValueRef inverse = LLVMBuildSelect(v.b, equals(&v, v.a, UINT64_MAX), of_minus_one, v.zero, "");
    inverse = LLVMBuildSelect(v.b, equals(&v, v.a, 1), one, inverse, "");
    return LLVMBuildSelect(v.b, below, inverse, next_y, "");
}

/* A whole `bound` in the type, saturated. */
static LLVMValueRef bound_of(const struct ints *v, double bound) {
    int bits = (int)simd_bits(v->type);
    double low = v->is_signed ? -ldexp(1, bits - 1) : 0, high = ldexp(1, v->is_signed ? bits - 1 : bits);
    if (bound <= low) return simd_i(v->type, v->is_signed ? (uint64_t)1 << (bits - 1) : 0);
    if (bound >= high) return simd_i(v->type, UINT64_MAX >> (64 - bits + v->is_signed));
    return simd_i(v->type, bound < 0 ? (uint64_t)(int64_t)bound : (uint64_t)bound);
}

LLVMValueRef point_int_clip(struct point *p, double low, double high) {
    struct ints v = ints_of(p);
    LLVMValueRef y = simd_call2(v.b, v.is_signed ? "llvm.smax" : "llvm.umax", v.a, bound_of(&v, ceil(low)));
    return simd_call2(v.b, v.is_signed ? "llvm.smin" : "llvm.umin", y, bound_of(&v, floor(high)));
}
