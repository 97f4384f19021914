/* The pointwise ops, a function each, chosen by the op table: a pointwise op without its function does not
 * compile. */
#include "codegen/point.h"

#include "codegen/access.h"
#include "codegen/point_int.h"
#include "codegen/simd.h"
#include "codegen/vmath.h"

#include <math.h>

typedef LLVMValueRef point_fn(struct point *p);

static LLVMBuilderRef builder(const struct point *p) {
    return p->e->builder;
}
static LLVMTypeRef type_of(const struct point *p) {
    return LLVMTypeOf(p->x[0]);
}
static bool is_float(const struct point *p) {
    return elem_is_float(p->elem);
}
static bool is_signed(const struct point *p) {
    return elem_in(p->elem, ELEMS_SINT);
}
static LLVMValueRef real(const struct point *p, double value) {
    return simd_f(type_of(p), value);
}
/* An attribute as a number of the op's float type: f32 arithmetic takes it rounded. */
static LLVMValueRef real_attr(const struct point *p, enum attr_name name) {
    return real(p, op_float(p->op, name));
}
static LLVMValueRef zero(const struct point *p) {
    return is_float(p) ? real(p, 0) : simd_i(type_of(p), 0);
}
/* x[0] < 0; false for unsigned. */
static LLVMValueRef negative(const struct point *p) {
    if (is_float(p)) return LLVMBuildFCmp(builder(p), LLVMRealOLT, p->x[0], zero(p), "");
    return LLVMBuildICmp(builder(p), is_signed(p) ? LLVMIntSLT : LLVMIntULT, p->x[0], zero(p), "");
}
static LLVMValueRef not_below_zero(const struct point *p) {
    if (is_float(p)) return LLVMBuildFCmp(builder(p), LLVMRealOGE, p->x[0], zero(p), "");
    return LLVMBuildNot(builder(p), negative(p), "");
}

static LLVMValueRef point_identity(struct point *p) {
    return p->x[0];
}

static LLVMValueRef point_relu(struct point *p) {
    if (is_float(p)) return simd_at_least(builder(p), p->x[0], 0);
    return simd_call2(builder(p), "llvm.smax", p->x[0], zero(p));
}

static LLVMValueRef point_leaky_relu(struct point *p) {
    LLVMValueRef scaled = LLVMBuildFMul(builder(p), p->x[0], real_attr(p, ATTR_alpha), "");
    return LLVMBuildSelect(builder(p), not_below_zero(p), p->x[0], scaled, "");
}

static LLVMValueRef point_clip(struct point *p) {
    double low = op_float(p->op, ATTR_min), high = op_float(p->op, ATTR_max);
    if (!is_float(p)) return point_int_clip(p, low, high);
    LLVMValueRef y = p->x[0];
    if (low != -INFINITY) y = simd_at_least(builder(p), y, low);
    return high == INFINITY ? y : simd_at_most(builder(p), y, high);
}

static LLVMValueRef unit_clip(struct point *p, LLVMValueRef x) {
    return simd_at_least(builder(p), simd_at_most(builder(p), x, 1), 0);
}

static LLVMValueRef point_hard_sigmoid(struct point *p) {
    LLVMValueRef line = simd_fma(builder(p), p->x[0], real_attr(p, ATTR_alpha), real_attr(p, ATTR_beta));
    return unit_clip(p, line);
}

static LLVMValueRef point_hard_swish(struct point *p) {
    LLVMValueRef line = simd_fma(builder(p), p->x[0], real(p, 1.0 / 6), real(p, 0.5));
    return LLVMBuildFMul(builder(p), p->x[0], unit_clip(p, line), "");
}

static LLVMValueRef point_gelu(struct point *p) {
    LLVMBuilderRef b = builder(p);
    LLVMValueRef x = p->x[0], bend;
    if (op_keyword(p->op, ATTR_approximate) == KEYWORD_tanh) {
        LLVMValueRef square = LLVMBuildFMul(b, x, x, "");
        LLVMValueRef factor = simd_fma(b, square, real(p, 0.044715), real(p, 1));
        factor = LLVMBuildFMul(b, factor, real(p, 0.79788456080286535588), "");
        bend = vmath_tanh(b, LLVMBuildFMul(b, factor, x, ""));
    } else {
        bend = vmath_erf(b, LLVMBuildFMul(b, x, real(p, 0.70710678118654752440), ""));
    }
    LLVMValueRef half = LLVMBuildFMul(b, x, real(p, 0.5), "");
    return LLVMBuildFMul(b, half, LLVMBuildFAdd(b, bend, real(p, 1), ""), "");
}

static LLVMValueRef point_silu(struct point *p) {
    LLVMBuilderRef b = builder(p);
    LLVMValueRef e = vmath_exp(b, LLVMBuildFNeg(b, p->x[0], ""));
    return LLVMBuildFDiv(b, p->x[0], LLVMBuildFAdd(b, e, real(p, 1), ""), "");
}

static LLVMValueRef point_softsign(struct point *p) {
    LLVMBuilderRef b = builder(p);
    return LLVMBuildFDiv(b, p->x[0], LLVMBuildFAdd(b, simd_abs(b, p->x[0]), real(p, 1), ""), "");
}

static LLVMValueRef point_elu(struct point *p) {
    LLVMBuilderRef b = builder(p);
    LLVMValueRef bent = LLVMBuildFMul(b, vmath_expm1(b, p->x[0]), real_attr(p, ATTR_alpha), "");
    return LLVMBuildSelect(b, not_below_zero(p), p->x[0], bent, "");
}

/* The ops that are one function of one float. */
#define POINT_MATH(op, function)                                                                             \
    static LLVMValueRef point_##op(struct point *p) {                                                        \
        return function(builder(p), p->x[0]);                                                                \
    }
POINT_MATH(sigmoid, vmath_sigmoid)
POINT_MATH(tanh, vmath_tanh)
POINT_MATH(erf, vmath_erf)
POINT_MATH(exp, vmath_exp)
POINT_MATH(log, vmath_log)
POINT_MATH(sqrt, vmath_sqrt)
POINT_MATH(sin, vmath_sin)
POINT_MATH(cos, vmath_cos)
POINT_MATH(asin, vmath_asin)
POINT_MATH(acos, vmath_acos)
POINT_MATH(atan, vmath_atan)
POINT_MATH(asinh, vmath_asinh)
POINT_MATH(acosh, vmath_acosh)
POINT_MATH(atanh, vmath_atanh)
POINT_MATH(floor, vmath_floor)
POINT_MATH(ceil, vmath_ceil)
POINT_MATH(round, vmath_round_even)
POINT_MATH(softplus, vmath_softplus)
#undef POINT_MATH

static LLVMValueRef point_reciprocal(struct point *p) {
    return LLVMBuildFDiv(builder(p), real(p, 1), p->x[0], "");
}

static LLVMValueRef point_neg(struct point *p) {
    return is_float(p) ? LLVMBuildFNeg(builder(p), p->x[0], "") : LLVMBuildNeg(builder(p), p->x[0], "");
}

static LLVMValueRef point_abs(struct point *p) {
    if (is_float(p)) return simd_abs(builder(p), p->x[0]);
    if (!is_signed(p)) return p->x[0];
    return LLVMBuildSelect(builder(p), negative(p), LLVMBuildNeg(builder(p), p->x[0], ""), p->x[0], "");
}

static LLVMValueRef point_sign(struct point *p) {
    LLVMBuilderRef b = builder(p);
    LLVMValueRef x = p->x[0];
    if (!is_float(p)) {
        LLVMValueRef one = simd_i(type_of(p), 1), minus = simd_i(type_of(p), UINT64_MAX);
        LLVMValueRef is_zero = LLVMBuildICmp(b, LLVMIntEQ, x, zero(p), "");
        LLVMValueRef y = LLVMBuildSelect(b, is_zero, zero(p), one, "");
        return is_signed(p) ? LLVMBuildSelect(b, negative(p), minus, y, "") : y;
    }
    /* Zeros and NaN are their own signs. */
    LLVMValueRef not_zero = LLVMBuildFCmp(b, LLVMRealONE, x, zero(p), "");
    return LLVMBuildSelect(b, not_zero, simd_copysign(b, real(p, 1), x), x, "");
}

static LLVMValueRef point_not(struct point *p) {
    return LLVMBuildNot(builder(p), p->x[0], "");
}

static LLVMValueRef point_cast(struct point *p) {
    return register_cast(p->e, p->x[0], p->elem, p->result);
}

/* In the order of ir/quant.h: divide, round, saturate, add the zero point. */
static LLVMValueRef point_quantize(struct point *p) {
    LLVMBuilderRef b = builder(p);
    unsigned lanes = simd_lanes(type_of(p));
    LLVMTypeRef i32 = simd_type(LLVMInt32TypeInContext(p->e->context), lanes);
    int64_t zero_point = op_int(p->op, ATTR_zero);
    float scale = (float)op_float(p->op, ATTR_scale);
    LLVMValueRef q = vmath_round_even(b, LLVMBuildFDiv(b, p->x[0], real(p, (double)scale), ""));
    LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, q, q, "");
    q = simd_at_least(b, q, (double)(elem_min(p->result) - zero_point));
    q = simd_at_most(b, q, (double)(elem_max(p->result) - zero_point));
    q = LLVMBuildSelect(b, is_nan, real(p, 0), q, "");
    q = LLVMBuildFPToSI(b, q, i32, "");
    if (zero_point) q = LLVMBuildAdd(b, q, simd_i(i32, (uint64_t)zero_point), "");
    return LLVMBuildTrunc(b, q, register_type(p->e->context, p->result, lanes), "");
}

/* Literal scales only: parameters are decoded by what reads them, or folded. */
static LLVMValueRef point_dequantize(struct point *p) {
    LLVMBuilderRef b = builder(p);
    unsigned lanes = simd_lanes(type_of(p));
    LLVMTypeRef i32 = simd_type(LLVMInt32TypeInContext(p->e->context), lanes);
    struct quant quant = quant_get(&p->e->m->types, value_get(p->e->m, p->op->operand[0])->type.quant);
    if (!quant.literal) bug("dequantize: the operand has component tensors");
    LLVMValueRef q = LLVMBuildIntCast2(b, p->x[0], i32, is_signed(p), "");
    if (quant.zero) q = LLVMBuildSub(b, q, simd_i(i32, (uint64_t)quant.zero), "");
    LLVMTypeRef f32 = register_type(p->e->context, ELEM_f32, lanes);
    LLVMValueRef y = LLVMBuildSIToFP(b, q, f32, "");
    return LLVMBuildFMul(b, y, simd_f(f32, (double)(float)quant.scale), "");
}

/* Two operands: one function on floats, another on integers. */
#define POINT_ARITHMETIC(op, on_float, on_int)                                                               \
    static LLVMValueRef point_##op(struct point *p) {                                                        \
        return is_float(p) ? on_float(builder(p), p->x[0], p->x[1], "")                                      \
                           : on_int(builder(p), p->x[0], p->x[1], "");                                       \
    }
POINT_ARITHMETIC(add, LLVMBuildFAdd, LLVMBuildAdd)
POINT_ARITHMETIC(sub, LLVMBuildFSub, LLVMBuildSub)
POINT_ARITHMETIC(mul, LLVMBuildFMul, LLVMBuildMul)
#undef POINT_ARITHMETIC

static LLVMValueRef point_div(struct point *p) {
    return is_float(p) ? LLVMBuildFDiv(builder(p), p->x[0], p->x[1], "") : point_int_div(p);
}

static LLVMValueRef point_mod(struct point *p) {
    return is_float(p) ? vmath_fmod(builder(p), p->x[0], p->x[1]) : point_int_mod(p);
}

static LLVMValueRef point_pow(struct point *p) {
    if (!is_float(p)) return point_int_pow(p);
    /* The exponent of every variance. */
    if (p->constant[1] && tensor_get_f64(p->constant[1], 0) == 2)
        return LLVMBuildFMul(builder(p), p->x[0], p->x[0], "");
    return vmath_pow(builder(p), p->x[0], p->x[1]);
}

static LLVMValueRef point_min(struct point *p) {
    if (is_float(p)) return vmath_min(builder(p), p->x[0], p->x[1]);
    return simd_call2(builder(p), is_signed(p) ? "llvm.smin" : "llvm.umin", p->x[0], p->x[1]);
}

static LLVMValueRef point_max(struct point *p) {
    if (is_float(p)) return vmath_max(builder(p), p->x[0], p->x[1]);
    return simd_call2(builder(p), is_signed(p) ? "llvm.smax" : "llvm.umax", p->x[0], p->x[1]);
}

static LLVMValueRef point_prelu(struct point *p) {
    LLVMBuilderRef b = builder(p);
    LLVMValueRef scaled =
        is_float(p) ? LLVMBuildFMul(b, p->x[0], p->x[1], "") : LLVMBuildMul(b, p->x[0], p->x[1], "");
    return LLVMBuildSelect(b, not_below_zero(p), p->x[0], scaled, "");
}

static LLVMValueRef point_and(struct point *p) {
    return LLVMBuildAnd(builder(p), p->x[0], p->x[1], "");
}
static LLVMValueRef point_or(struct point *p) {
    return LLVMBuildOr(builder(p), p->x[0], p->x[1], "");
}
static LLVMValueRef point_xor(struct point *p) {
    return LLVMBuildXor(builder(p), p->x[0], p->x[1], "");
}

static LLVMValueRef compare(struct point *p, LLVMRealPredicate real_predicate, LLVMIntPredicate sint,
                            LLVMIntPredicate uint) {
    if (is_float(p)) return LLVMBuildFCmp(builder(p), real_predicate, p->x[0], p->x[1], "");
    return LLVMBuildICmp(builder(p), is_signed(p) ? sint : uint, p->x[0], p->x[1], "");
}
static LLVMValueRef point_equal(struct point *p) {
    return compare(p, LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ);
}
static LLVMValueRef point_less(struct point *p) {
    return compare(p, LLVMRealOLT, LLVMIntSLT, LLVMIntULT);
}
static LLVMValueRef point_less_equal(struct point *p) {
    return compare(p, LLVMRealOLE, LLVMIntSLE, LLVMIntULE);
}
static LLVMValueRef point_greater(struct point *p) {
    return compare(p, LLVMRealOGT, LLVMIntSGT, LLVMIntUGT);
}
static LLVMValueRef point_greater_equal(struct point *p) {
    return compare(p, LLVMRealOGE, LLVMIntSGE, LLVMIntUGE);
}

static LLVMValueRef point_where(struct point *p) {
    return LLVMBuildSelect(builder(p), p->x[0], p->x[1], p->x[2], "");
}

#define POINT_CLASS_POINTWISE(id) [OP_##id] = point_##id,
#define POINT_CLASS_CONTRACTION(id)
#define POINT_CLASS_REDUCTION(id)
#define POINT_CLASS_NORMALIZATION(id)
#define POINT_CLASS_MOVEMENT(id)
#define POINT_CLASS_INDEXING(id)
#define POINT_CLASS_STRUCTURE(id)
static point_fn *const functions[OP_COUNT] = {
#define OP(id, class, ...) POINT_##class(id)
#include "ir/ops.def"
    [OP_relayout] = point_identity,
};

bool point_covers(enum op_kind kind) {
    return functions[kind] != NULL;
}

LLVMValueRef point_emit(struct point *p) {
    check(point_covers(p->op->kind));
    return register_round(p->e, p->result, functions[p->op->kind](p));
}
