#include "codegen/vmath_tables.h"

#include "ir/base/base.h"

static const struct vmath_row rows[2] = {
    {
        .bits = 32,
        .mantissa = 23,
        .bias = 127,
        .magic = 0x1.8p23,
        .ln2_hi = 0x1.63p-1,
        .ln2_lo = -0x1.bd0106p-13,
        .exp_lo = -104,
        .exp_hi = 89,
        .one_lo = -20,
        .one_hi = 20,
        .min_normal = 0x1p-126,
        .n_exp = 5,
        .exp = {0x1.fffffcp-2, 0x1.555490p-3, 0x1.5558f4p-5, 0x1.123a6cp-7, 0x1.6a2352p-10},
        .n_log = 4,
        .log = {0x1.555554p-1, 0x1.999a7cp-2, 0x1.24387ap-2, 0x1.e30542p-3},
        .tanh_to = 0.55,
        .n_tanh = 5,
        .tanh = {-0x1.55554ap-2, 0x1.110d26p-3, -0x1.b9287ap-5, 0x1.593d06p-6, -0x1.9b3044p-8},
        .erf_from = 0.9375,
        .n_erf = 6,
        .erf = {0x1.06eba6p-3, -0x1.8126d4p-2, 0x1.ce17a6p-4, -0x1.b66324p-6, 0x1.464ff2p-8, -0x1.365914p-11},
        .erf_to = 3.93,
        .n_erfc = 8,
        .erfc = {0x1.77fc58p-13, -0x1.212956p+0, -0x1.44403cp-1, -0x1.bbb6e6p-4, 0x1.9c1200p-6,
                 -0x1.1221fep-8, 0x1.ca2142p-12, -0x1.6574a4p-16},
    },
    {
        .bits = 64,
        .mantissa = 52,
        .bias = 1023,
        .magic = 0x1.8p52,
        .ln2_hi = 0x1.62e42feep-1,
        .ln2_lo = 0x1.a39ef35793c76p-33,
        .exp_lo = -746,
        .exp_hi = 710,
        .one_lo = -40,
        .one_hi = 40,
        .min_normal = 0x1p-1022,
        .n_exp = 11,
        .exp = {0x1.0p-1, 0x1.555555555555bp-3, 0x1.5555555555502p-5, 0x1.111111110ec1ap-7,
                0x1.6c16c16c30783p-10, 0x1.a01a01b398f70p-13, 0x1.a01a0135fc2a2p-16, 0x1.71ddefdc931bbp-19,
                0x1.27e5b4f32fecap-22, 0x1.af6c61105001bp-26, 0x1.1e3cd81d795b6p-29},
        .n_log = 7,
        .log = {0x1.5555555555593p-1, 0x1.999999997f8a7p-2, 0x1.249249423e56cp-2, 0x1.c71c51c66ab4bp-3,
                0x1.74664d76ff837p-3, 0x1.39a02ed970301p-3, 0x1.2f15bc3173a4bp-3},
        .erf_from = 1,
        .n_erf = 13,
        .erf = {0x1.06eba8214db69p-3, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b20p-4, -0x1.b82ce3128499dp-6,
                0x1.565bcd0db02edp-8, -0x1.c02db3d8ed3d8p-11, 0x1.f9a321a12089ep-14, -0x1.f4d1df397d15ap-17,
                0x1.b9def1a05294dp-20, -0x1.5f1d36d569b4bp-23, 0x1.f7a412f23ed9ap-27, -0x1.386ac30541797p-30,
                0x1.0579b082015d2p-34},
        .erf_to = 5.93,
        .n_erfc = 20,
        .erfc = {-0x1.c7fac1a19939dp-22, -0x1.20dd2e5af7623p+0,  -0x1.45f5921ec3e1bp-1,
                 -0x1.a4bb1f85218dfp-4,  0x1.37a3c7a88b0acp-6,   0x1.7aae2408ce4a2p-12,
                 -0x1.e662639e25bffp-10, 0x1.75cea5b044509p-11,  -0x1.8077027c16600p-14,
                 -0x1.8416a7e409f30p-15, 0x1.27da0c2c99fafp-15,  -0x1.c26206297c1f3p-17,
                 0x1.e031dbd6754afp-19,  -0x1.80c5e0ca6cfacp-21, 0x1.d66e8fed0ad07p-24,
                 -0x1.b295c5efd3461p-27, 0x1.2677211ecc30ep-30,  -0x1.146f231391f7dp-34,
                 0x1.4150035936727p-39,  -0x1.5c4595adc573ep-45},
    },
};

const struct vmath_row *vmath_row(LLVMValueRef x) {
    switch (LLVMGetTypeKind(simd_elem(LLVMTypeOf(x)))) {
    case LLVMFloatTypeKind:
        return &rows[0];
    case LLVMDoubleTypeKind:
        return &rows[1];
    default:
        bug("vmath: a type that is neither float nor double");
    }
}

LLVMValueRef vmath_to_bits(LLVMBuilderRef b, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return LLVMBuildBitCast(b, x, simd_int_type(type, simd_bits(type)), "");
}

LLVMValueRef vmath_from_bits(LLVMBuilderRef b, LLVMValueRef bits, LLVMTypeRef type) {
    return LLVMBuildBitCast(b, bits, type, "");
}

LLVMValueRef vmath_exp2i(LLVMBuilderRef b, const struct vmath_row *row, LLVMTypeRef type, LLVMValueRef n) {
    LLVMTypeRef bits = LLVMTypeOf(n);
    LLVMValueRef biased = LLVMBuildAdd(b, n, simd_i(bits, row->bias), "");
    return vmath_from_bits(b, LLVMBuildShl(b, biased, simd_i(bits, row->mantissa), ""), type);
}

struct vmath_exp_parts vmath_exp_reduce(LLVMBuilderRef b, const struct vmath_row *row, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef magic = simd_f(type, row->magic);
    LLVMValueRef t = simd_fma(b, x, simd_f(type, 0x1.71547652b82fep0), magic);
    LLVMValueRef k = LLVMBuildFSub(b, t, magic, "");
    LLVMValueRef r = simd_fma(b, k, simd_f(type, -row->ln2_hi), x);
    r = simd_fma(b, k, simd_f(type, -row->ln2_lo), r);
    LLVMValueRef q = simd_poly(b, r, row->exp, row->n_exp);
    LLVMValueRef p = simd_fma(b, LLVMBuildFMul(b, r, r, ""), q, r);
    LLVMValueRef n = LLVMBuildSub(b, vmath_to_bits(b, t), vmath_to_bits(b, magic), "");
    return (struct vmath_exp_parts){n, p};
}
