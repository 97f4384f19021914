/* sin and cos in double precision, f32 too: the reduction modulo pi / 2 needs the bits.
 *
 * Up to 2^20 the reduction is Cody and Waite's with pi / 2 in four parts; beyond, for the lanes that need it,
 * a function multiplies the mantissa with the bits of 2 / pi that matter (Payne and Hanek, 1983) in integers.
 */
#include "codegen/vmath.h"
#include "codegen/vmath_tables.h"

#include "ir/base/base.h"

#include <string.h>

#define MODERATE 0x1p20

/* The first three parts have 33 bits, so that k times them is exact for |k| < 2^20. */
static const double half_pi[4] = {0x1.921fb544p0, 0x1.0b4611a6p-34, 0x1.3198a2ep-69, 0x1.b839a252049c1p-104};

/* (sin r - r) / r^3 and (cos r - 1 + r^2 / 2) / r^4 in r^2 on |r| <= pi / 4. */
static const double sin_f32[] = {-0x1.5555554cb203cp-3, 0x1.11110890776d7p-7, -0x1.a00f98e5a4852p-13,
                                 0x1.6cd7330b9b221p-19};
static const double cos_f32[] = {0x1.5555554f48bd0p-5, -0x1.6c16b892b9af9p-10, 0x1.a0111c16890ebp-16,
                                 -0x1.2429fc255f14bp-22};
static const double sin_f64[] = {-0x1.5555555555549p-3, 0x1.111111110f861p-7,   -0x1.a01a019c0e4c4p-13,
                                 0x1.71de3574ba7f9p-19, -0x1.ae5e63cda34a5p-26, 0x1.5d9246d5a6e7cp-33};
static const double cos_f64[] = {0x1.555555555554cp-5,   -0x1.6c16c16c15162p-10, 0x1.a01a019caef36p-16,
                                 -0x1.27e4f807d6146p-22, 0x1.1ee9ea6cb52d2p-29,  -0x1.8fadd067e33cdp-37};

/* 64 zero bits, then 2 / pi, most significant word first. */
enum { ZERO_BITS = 64, WORDS = 40 };
static const uint32_t two_over_pi[WORDS] = {
    0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041,
    0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
    0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b,
    0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d,
    0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab,
};

static LLVMValueRef table(LLVMModuleRef module) {
    static const char name[] = "vmath.two_over_pi";
    LLVMValueRef global = LLVMGetNamedGlobal(module, name);
    if (global) return global;
    LLVMTypeRef i32 = LLVMInt32TypeInContext(LLVMGetModuleContext(module));
    LLVMValueRef words[WORDS];
    for (unsigned i = 0; i < WORDS; i++) words[i] = LLVMConstInt(i32, two_over_pi[i], 0);
    global = LLVMAddGlobal(module, LLVMArrayType2(i32, WORDS), name);
    LLVMSetInitializer(global, LLVMConstArray2(i32, words, WORDS));
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    return global;
}

static LLVMValueRef word(LLVMBuilderRef b, LLVMValueRef v) {
    return LLVMBuildAnd(b, v, simd_i(LLVMTypeOf(v), 0xffffffff), "");
}

static LLVMValueRef high(LLVMBuilderRef b, LLVMValueRef v) {
    return LLVMBuildLShr(b, v, simd_i(LLVMTypeOf(v), 32), "");
}

/* The 192 bits of the table from bit `position` on, as six words in i64, most significant first. */
static void window(LLVMBuilderRef b, LLVMValueRef position, LLVMValueRef out[6]) {
    LLVMTypeRef i64 = LLVMTypeOf(position), i32 = LLVMInt32TypeInContext(LLVMGetTypeContext(i64));
    LLVMValueRef first = LLVMBuildLShr(b, position, simd_i(i64, 5), "");
    LLVMValueRef shift = LLVMBuildAnd(b, position, simd_i(i64, 31), "");
    LLVMValueRef previous = NULL;
    for (unsigned i = 0; i < 7; i++) {
        LLVMValueRef at = LLVMBuildAdd(b, first, simd_i(i64, i), "");
        LLVMValueRef address = LLVMBuildGEP2(b, i32, table(simd_module(b)), &at, 1, "");
        LLVMValueRef next = LLVMBuildZExt(b, LLVMBuildLoad2(b, i32, address, ""), i64, "");
        if (i > 0) {
            LLVMValueRef pair = LLVMBuildOr(b, LLVMBuildShl(b, previous, simd_i(i64, 32), ""), next, "");
            out[i - 1] = high(b, LLVMBuildShl(b, pair, shift, ""));
        }
        previous = next;
    }
}

/* m (two words) times w (six words) modulo 2^192. */
static void multiply(LLVMBuilderRef b, const LLVMValueRef m[2], const LLVMValueRef w[6],
                     LLVMValueRef out[6]) {
    LLVMTypeRef i64 = LLVMTypeOf(m[0]);
    LLVMValueRef sum[6];
    for (unsigned i = 0; i < 6; i++) sum[i] = simd_i(i64, 0);
    /* Column i collects low halves of products of its weight and high halves of those one below: at most 4
     * words. */
    for (unsigned half = 0; half < 2; half++)
        for (unsigned i = 0; i < 6; i++) {
            int column = (int)i - (int)half; /* m[0] is the less significant word */
            if (column < 0) continue;
            LLVMValueRef product = LLVMBuildMul(b, m[half], w[i], "");
            sum[column] = LLVMBuildAdd(b, sum[column], word(b, product), "");
            if (column > 0) sum[column - 1] = LLVMBuildAdd(b, sum[column - 1], high(b, product), "");
        }
    for (unsigned i = 6; i-- > 0;) {
        out[i] = word(b, sum[i]);
        if (i > 0) sum[i - 1] = LLVMBuildAdd(b, sum[i - 1], high(b, sum[i]), "");
    }
}

/* { r, q }: x = (4 n + q) pi / 2 + r, |r| <= pi / 4, for a finite double |x| >= 2^20.
 * x = m 2^e with a whole m; bits of 2 / pi that stand for multiples of 4 once multiplied by 2^e are left out,
 * so the product with the next 192 bits, modulo 4, is exact to 2^-137. */
static void fill_reduce(LLVMBuilderRef b, LLVMValueRef function) {
    LLVMContextRef context = LLVMGetTypeContext(LLVMTypeOf(function));
    LLVMTypeRef i64 = LLVMInt64TypeInContext(context), f64 = LLVMDoubleTypeInContext(context);
    LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(context, function, ""));
    LLVMValueRef x = LLVMGetParam(function, 0);
    LLVMValueRef bits = LLVMBuildBitCast(b, x, i64, "");
    LLVMValueRef fraction_mask = simd_i(i64, ((uint64_t)1 << 52) - 1);
    LLVMValueRef exponent = LLVMBuildLShr(b, bits, simd_i(i64, 52), "");
    exponent = LLVMBuildAnd(b, exponent, simd_i(i64, 0x7ff), "");
    LLVMValueRef m = LLVMBuildAnd(b, bits, fraction_mask, "");
    m = LLVMBuildOr(b, m, simd_i(i64, (uint64_t)1 << 52), "");

    /* e = exponent - 1075; bit i of 2 / pi, counted from 1, stands for 2^(e - i): start at i = e - 1,
     * weight 2. */
    LLVMValueRef position = LLVMBuildAdd(b, exponent, simd_i(i64, (uint64_t)(ZERO_BITS - 1075 - 2)), "");
    LLVMValueRef w[6], p[6];
    window(b, position, w);
    multiply(b, (LLVMValueRef[]){word(b, m), high(b, m)}, w, p);

    /* Two bits before the point and, as a signed number, 128 after it: that rounds to the nearest quadrant.
     */
    LLVMValueRef two = simd_i(i64, 2), thirty = simd_i(i64, 30);
    LLVMValueRef top = LLVMBuildOr(b, LLVMBuildShl(b, p[0], simd_i(i64, 32), ""), p[1], "");
    LLVMValueRef middle = LLVMBuildOr(b, LLVMBuildShl(b, p[2], simd_i(i64, 32), ""), p[3], "");
    LLVMValueRef hi = LLVMBuildOr(b, LLVMBuildShl(b, top, two, ""), LLVMBuildLShr(b, p[2], thirty, ""), "");
    LLVMValueRef lo =
        LLVMBuildOr(b, LLVMBuildShl(b, middle, two, ""), LLVMBuildLShr(b, p[4], thirty, ""), "");
    LLVMValueRef quadrant = LLVMBuildLShr(b, top, simd_i(i64, 62), "");
    quadrant = LLVMBuildAdd(b, quadrant, LLVMBuildLShr(b, hi, simd_i(i64, 63), ""), "");
    LLVMValueRef r_hi = LLVMBuildFMul(b, LLVMBuildSIToFP(b, hi, f64, ""), simd_f(f64, 0x1p-64), "");
    LLVMValueRef lo_half = LLVMBuildLShr(b, lo, simd_i(i64, 1), "");
    LLVMValueRef r_lo = LLVMBuildFMul(b, LLVMBuildSIToFP(b, lo_half, f64, ""), simd_f(f64, 0x1p-127), "");
    LLVMValueRef r = LLVMBuildFMul(b, LLVMBuildFAdd(b, r_hi, r_lo, ""), simd_f(f64, 0x1.921fb54442d18p0), "");

    LLVMValueRef negative = LLVMBuildICmp(b, LLVMIntSLT, bits, simd_i(i64, 0), "");
    r = LLVMBuildSelect(b, negative, LLVMBuildFNeg(b, r, ""), r, "");
    quadrant = LLVMBuildSelect(b, negative, LLVMBuildNeg(b, quadrant, ""), quadrant, "");
    LLVMValueRef pair = LLVMGetPoison(LLVMGetReturnType(LLVMGlobalGetValueType(function)));
    pair = LLVMBuildInsertValue(b, pair, r, 0, "");
    LLVMBuildRet(b, LLVMBuildInsertValue(b, pair, quadrant, 1, ""));
}

#define FUNCTION_INDEX ((LLVMAttributeIndex)LLVMAttributeFunctionIndex)

/* Adds a valueless attribute to a function. */
static void add_attribute(LLVMValueRef function, const char *name, size_t length) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, length);
    LLVMContextRef context = LLVMGetTypeContext(LLVMTypeOf(function));
    LLVMAddAttributeAtIndex(function, FUNCTION_INDEX, LLVMCreateEnumAttribute(context, kind, 0));
}

/* Copies the target attributes, so that the function is compiled for the CPU of its caller. */
static void copy_target(LLVMValueRef from, LLVMValueRef to) {
    static const char *const keys[] = {"target-cpu", "target-features"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        unsigned length = (unsigned)strlen(keys[i]);
        LLVMAttributeRef a = LLVMGetStringAttributeAtIndex(from, FUNCTION_INDEX, keys[i], length);
        if (a) LLVMAddAttributeAtIndex(to, FUNCTION_INDEX, a);
    }
}

static LLVMValueRef reduce_function(LLVMBuilderRef b) {
    static const char name[] = "vmath.reduce_half_pi";
    LLVMModuleRef module = simd_module(b);
    LLVMValueRef function = LLVMGetNamedFunction(module, name);
    if (function) return function;
    LLVMContextRef context = LLVMGetModuleContext(module);
    LLVMTypeRef f64 = LLVMDoubleTypeInContext(context);
    LLVMTypeRef parts[] = {f64, LLVMInt64TypeInContext(context)};
    LLVMTypeRef pair = LLVMStructTypeInContext(context, parts, 2, 0);
    function = LLVMAddFunction(module, name, LLVMFunctionType(pair, &f64, 1, 0));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    add_attribute(function, "cold", 4);
    add_attribute(function, "noinline", 8);
    add_attribute(function, "nounwind", 8);
    copy_target(simd_function(b), function);
    LLVMBasicBlockRef back = LLVMGetInsertBlock(b);
    fill_reduce(b, function);
    LLVMPositionBuilderAtEnd(b, back);
    return function;
}

static void expect_not(LLVMValueRef branch) {
    LLVMContextRef context = LLVMGetTypeContext(LLVMTypeOf(LLVMGetCondition(branch)));
    LLVMTypeRef i32 = LLVMInt32TypeInContext(context);
    LLVMMetadataRef node[] = {LLVMMDStringInContext2(context, "branch_weights", 14),
                              LLVMValueAsMetadata(LLVMConstInt(i32, 1, 0)),
                              LLVMValueAsMetadata(LLVMConstInt(i32, 1 << 20, 0))};
    LLVMValueRef value = LLVMMetadataAsValue(context, LLVMMDNodeInContext2(context, node, 3));
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(context, "prof", 4), value);
}

/* Replaces *r and *q in the lanes where `far` is set, lane by lane. */
static void reduce_far(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef far, LLVMValueRef *r, LLVMValueRef *q) {
    LLVMValueRef function = reduce_function(b), caller = simd_function(b);
    LLVMContextRef context = LLVMGetTypeContext(LLVMTypeOf(x));
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef slow = LLVMAppendBasicBlockInContext(context, caller, "far");
    LLVMBasicBlockRef after = LLVMAppendBasicBlockInContext(context, caller, "reduced");
    expect_not(LLVMBuildCondBr(b, simd_any(b, far), slow, after));

    LLVMPositionBuilderAtEnd(b, slow);
    LLVMTypeRef type = LLVMTypeOf(x), i32 = LLVMInt32TypeInContext(context);
    unsigned lanes = simd_lanes(type);
    LLVMValueRef far_r = LLVMGetPoison(LLVMTypeOf(*r)), far_q = LLVMGetPoison(LLVMTypeOf(*q));
    /* Lanes that are not far get an argument that the function can take. */
    LLVMValueRef safe = LLVMBuildSelect(b, far, x, simd_f(type, MODERATE), "");
    for (unsigned i = 0; i < lanes; i++) {
        LLVMValueRef lane = simd_lane(b, safe, i);
        LLVMValueRef pair = LLVMBuildCall2(b, LLVMGlobalGetValueType(function), function, &lane, 1, "");
        LLVMValueRef one_r = LLVMBuildExtractValue(b, pair, 0, ""),
                     one_q = LLVMBuildExtractValue(b, pair, 1, "");
        LLVMValueRef at = LLVMConstInt(i32, i, 0);
        far_r = lanes == 1 ? one_r : LLVMBuildInsertElement(b, far_r, one_r, at, "");
        far_q = lanes == 1 ? one_q : LLVMBuildInsertElement(b, far_q, one_q, at, "");
    }
    far_r = LLVMBuildSelect(b, far, far_r, *r, "");
    far_q = LLVMBuildSelect(b, far, far_q, *q, "");
    LLVMBuildBr(b, after);

    LLVMPositionBuilderAtEnd(b, after);
    LLVMValueRef phi_r = LLVMBuildPhi(b, LLVMTypeOf(*r), ""), phi_q = LLVMBuildPhi(b, LLVMTypeOf(*q), "");
    LLVMAddIncoming(phi_r, (LLVMValueRef[]){*r, far_r}, (LLVMBasicBlockRef[]){before, slow}, 2);
    LLVMAddIncoming(phi_q, (LLVMValueRef[]){*q, far_q}, (LLVMBasicBlockRef[]){before, slow}, 2);
    *r = phi_r;
    *q = phi_q;
}

/* x = (4 n + q) pi / 2 + r. */
static void reduce(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef *r, LLVMValueRef *q) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef magic = simd_f(type, 0x1.8p52);
    LLVMValueRef t = simd_fma(b, x, simd_f(type, 0x1.45f306dc9c883p-1), magic);
    LLVMValueRef k = LLVMBuildFSub(b, t, magic, "");
    *q = vmath_to_bits(b, t);
    *r = x;
    for (unsigned i = 0; i < COUNT_OF(half_pi); i++) *r = simd_fma(b, k, simd_f(type, -half_pi[i]), *r);

    LLVMValueRef a = simd_abs(b, x);
    LLVMValueRef large = LLVMBuildFCmp(b, LLVMRealOGE, a, simd_f(type, MODERATE), "");
    LLVMValueRef finite = LLVMBuildFCmp(b, LLVMRealOLE, a, simd_f(type, 0x1.fffffffffffffp1023), "");
    reduce_far(b, x, LLVMBuildAnd(b, large, finite, ""), r, q);
}

/* sin(x + quarter pi / 2) for double x, with polynomials good for a result in `precision` bits. */
static LLVMValueRef sin_double(LLVMBuilderRef b, LLVMValueRef x, unsigned quarter, unsigned precision) {
    bool narrow = precision == 32;
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef r, q;
    reduce(b, x, &r, &q);
    LLVMTypeRef bits = LLVMTypeOf(q);
    q = LLVMBuildAdd(b, q, simd_i(bits, quarter), "");

    LLVMValueRef z = LLVMBuildFMul(b, r, r, "");
    LLVMValueRef s =
        simd_poly(b, z, narrow ? sin_f32 : sin_f64, narrow ? COUNT_OF(sin_f32) : COUNT_OF(sin_f64));
    s = simd_fma(b, LLVMBuildFMul(b, r, z, ""), s, r);
    /* cos r = w + ((1 - w - z / 2) + z^2 c), w = 1 - z / 2 rounded. */
    LLVMValueRef c =
        simd_poly(b, z, narrow ? cos_f32 : cos_f64, narrow ? COUNT_OF(cos_f32) : COUNT_OF(cos_f64));
    LLVMValueRef one = simd_f(type, 1), half_z = LLVMBuildFMul(b, z, simd_f(type, 0.5), "");
    LLVMValueRef w = LLVMBuildFSub(b, one, half_z, "");
    LLVMValueRef lost = LLVMBuildFSub(b, LLVMBuildFSub(b, one, w, ""), half_z, "");
    c = LLVMBuildFAdd(b, w, simd_fma(b, LLVMBuildFMul(b, z, z, ""), c, lost), "");

    LLVMValueRef odd = LLVMBuildAnd(b, q, simd_i(bits, 1), "");
    LLVMValueRef y = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntNE, odd, simd_i(bits, 0), ""), c, s, "");
    LLVMValueRef sign = LLVMBuildShl(b, LLVMBuildAnd(b, q, simd_i(bits, 2), ""), simd_i(bits, 62), "");
    return vmath_from_bits(b, LLVMBuildXor(b, vmath_to_bits(b, y), sign, ""), type);
}

static LLVMValueRef wave(LLVMBuilderRef b, LLVMValueRef x, unsigned quarter) {
    LLVMTypeRef type = LLVMTypeOf(x);
    unsigned precision = vmath_row(x)->bits;
    LLVMTypeRef wide = simd_with_elem(type, LLVMDoubleTypeInContext(LLVMGetTypeContext(type)));
    LLVMValueRef y = sin_double(b, precision == 32 ? LLVMBuildFPExt(b, x, wide, "") : x, quarter, precision);
    return precision == 32 ? LLVMBuildFPTrunc(b, y, type, "") : y;
}

LLVMValueRef vmath_sin(LLVMBuilderRef b, LLVMValueRef x) {
    /* The sum above turns -0 into 0. */
    LLVMValueRef is_zero = LLVMBuildFCmp(b, LLVMRealOEQ, x, simd_f(LLVMTypeOf(x), 0), "");
    return LLVMBuildSelect(b, is_zero, x, wave(b, x, 0), "");
}

LLVMValueRef vmath_cos(LLVMBuilderRef b, LLVMValueRef x) {
    return wave(b, x, 1);
}
