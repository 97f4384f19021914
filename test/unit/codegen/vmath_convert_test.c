/* The conversions of codegen/vmath_convert.h on every x86-64 level, against arithmetic done in double. That
 * the code links at all shows that no level needs a library call. */
#include "codegen/simd.h"
#include "codegen/vmath_convert.h"
#include "test/support/jit.h"
#include "test/support/unit.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { N = 1 << 16, LANES = 8 };
typedef void convert_fn(const void *x, void *out);

/* void name(const X *x, Y *out), LANES elements. */
static void emit(struct jit *jit, const char *name, LLVMTypeRef from,
                 LLVMValueRef (*convert)(LLVMBuilderRef b, LLVMValueRef x)) {
    LLVMTypeRef ptr = LLVMPointerTypeInContext(jit->context, 0), parameters[] = {ptr, ptr};
    LLVMValueRef f = jit_function(jit, name, LLVMVoidTypeInContext(jit->context), parameters, 2);
    LLVMValueRef x = LLVMBuildLoad2(jit->builder, simd_type(from, LANES), LLVMGetParam(f, 0), "");
    LLVMSetAlignment(x, 1);
    LLVMValueRef store = LLVMBuildStore(jit->builder, convert(jit->builder, x), LLVMGetParam(f, 1));
    LLVMSetAlignment(store, 1);
    LLVMBuildRetVoid(jit->builder);
}

static bool f16c; /* of the level under test */
static LLVMValueRef widen16(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_f16_to_f32(b, x, f16c);
}
static LLVMValueRef narrow16(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_f32_to_f16(b, x, f16c);
}
static LLVMValueRef narrow64(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_f32_to_f16(b, vmath_f64_to_f32_odd(b, x), f16c);
}
static LLVMValueRef to_i8(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_float_to_int(b, x, 8, true);
}
static LLVMValueRef to_u8(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_float_to_int(b, x, 8, false);
}
static LLVMValueRef to_i32(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_float_to_int(b, x, 32, true);
}
static LLVMValueRef to_u32(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_float_to_int(b, x, 32, false);
}
static LLVMValueRef to_i64(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_float_to_int(b, x, 64, true);
}
static LLVMValueRef to_u64(LLVMBuilderRef b, LLVMValueRef x) {
    return vmath_float_to_int(b, x, 64, false);
}

static double half_value(uint16_t h, int mantissa_bits) {
    int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (h >> mantissa_bits) & ((1 << exponent_bits) - 1),
        fraction = h & ((1 << mantissa_bits) - 1);
    double value;
    if (exponent == (1 << exponent_bits) - 1)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, 1 - bias - mantissa_bits);
    else
        value = ldexp(fraction + (1 << mantissa_bits), exponent - bias - mantissa_bits);
    return h >> 15 ? -value : value;
}

/* x rounded to a format of 16 bits: to a multiple of the last place, ties to even. */
static double rounded(double x, int mantissa_bits) {
    if (x == 0 || !isfinite(x)) return x;
    int bias = (1 << (14 - mantissa_bits)) - 1, exponent = ilogb(x);
    double place = ldexp(1, (exponent < 1 - bias ? 1 - bias : exponent) - mantissa_bits);
    double y = nearbyint(x / place) * place;
    return fabs(y) >= ldexp(1, bias + 1) ? copysign(INFINITY, x) : y;
}

static void check_same(const char *what, const char *cpu, double x, double got, double want) {
    if ((isnan(got) && isnan(want)) || (got == want && !signbit(got) == !signbit(want))) return;
    fprintf(stderr, "%s on %s: of %a got %a, want %a\n", what, cpu, x, got, want);
    CHECK(!"same");
}

static uint32_t sample(uint32_t i) {
    return i * 65537u + (i >> 3);
}

static convert_fn *find(struct jit *jit, const char *name) {
    void *address = jit_address(jit, name);
    convert_fn *f;
    memcpy(&f, &address, sizeof f);
    return f;
}

static void test_halves(struct jit *jit) {
    convert_fn *up16 = find(jit, "widen16"), *down16 = find(jit, "narrow16"), *down64 = find(jit, "narrow64");
    convert_fn *up_b = find(jit, "widen_b"), *down_b = find(jit, "narrow_b");
    for (uint32_t i = 0; i < N; i += LANES) {
        uint16_t h[LANES];
        float x[LANES], y[LANES];
        double d[LANES];
        for (uint32_t k = 0; k < LANES; k++) {
            h[k] = (uint16_t)(i + k);
            uint32_t bits = sample(i + k);
            /* Half of the samples around the exponents of f16. */
            if (k % 2) bits = (bits & 0x807fffff) | ((100 + (bits >> 23) % 45) << 23);
            memcpy(&x[k], &bits, sizeof bits);
            d[k] = (double)x[k] * (1 + (k % 3 == 0 ? 0x1p-30 : k % 3 == 1 ? -0x1p-30 : 0));
        }
        up16(h, y);
        for (int k = 0; k < LANES; k++)
            check_same("f16 to f32", jit->cpu, h[k], (double)y[k], half_value(h[k], 10));
        up_b(h, y);
        for (int k = 0; k < LANES; k++)
            check_same("bf16 to f32", jit->cpu, h[k], (double)y[k], half_value(h[k], 7));
        down16(x, h);
        for (int k = 0; k < LANES; k++)
            check_same("f32 to f16", jit->cpu, (double)x[k], half_value(h[k], 10), rounded((double)x[k], 10));
        down_b(x, h);
        for (int k = 0; k < LANES; k++)
            check_same("f32 to bf16", jit->cpu, (double)x[k], half_value(h[k], 7), rounded((double)x[k], 7));
        down64(d, h);
        for (int k = 0; k < LANES; k++)
            check_same("f64 to f16", jit->cpu, d[k], half_value(h[k], 10), rounded(d[k], 10));
    }
}

static void test_ints(struct jit *jit) {
    static const struct {
        const char *name;
        unsigned bits;
        bool is_signed;
    } rows[] = {{"to_i8", 8, true},    {"to_u8", 8, false},  {"to_i32", 32, true},
                {"to_u32", 32, false}, {"to_i64", 64, true}, {"to_u64", 64, false}};
    for (unsigned r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        convert_fn *f = find(jit, rows[r].name);
        int bits = (int)rows[r].bits;
        double low = rows[r].is_signed ? -ldexp(1, bits - 1) : 0,
               high = ldexp(1, rows[r].is_signed ? bits - 1 : bits);
        for (uint32_t i = 0; i < N; i += LANES) {
            float x[LANES];
            uint64_t out[LANES];
            for (uint32_t k = 0; k < LANES; k++) {
                uint32_t b = sample(i + k);
                if (k % 2) b = (b & 0x807fffff) | ((120 + (b >> 23) % 75) << 23);
                memcpy(&x[k], &b, sizeof b);
            }
            f(x, out);
            for (uint32_t k = 0; k < LANES; k++) {
                uint64_t got = 0;
                memcpy(&got, (char *)out + k * rows[r].bits / 8, rows[r].bits / 8);
                double want = isnan(x[k]) ? 0 : trunc((double)x[k]);
                uint64_t top = ~(uint64_t)0 >> (64 - bits + (rows[r].is_signed ? 1 : 0)), expected;
                if (want < low) want = low;
                if (want >= high)
                    expected = top;
                else
                    expected = want < 0 ? (uint64_t)(int64_t)want : (uint64_t)want;
                expected &= ~(uint64_t)0 >> (64 - bits);
                if (got != expected) {
                    fprintf(stderr, "%s on %s: of %a got %llx, want %llx\n", rows[r].name, jit->cpu,
                            (double)x[k], (unsigned long long)got, (unsigned long long)expected);
                    CHECK(!"same");
                }
            }
        }
    }
}

int main(void) {
    static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    for (int c = 0; c < 3; c++) {
        if (!jit_can_run(cpus[c])) continue;
        struct jit jit;
        jit_init(&jit, cpus[c]);
        LLVMTypeRef i16 = LLVMInt16TypeInContext(jit.context), f32 = LLVMFloatTypeInContext(jit.context);
        f16c = c > 0;
        emit(&jit, "widen16", i16, widen16);
        emit(&jit, "narrow16", f32, narrow16);
        emit(&jit, "narrow64", LLVMDoubleTypeInContext(jit.context), narrow64);
        emit(&jit, "widen_b", i16, vmath_bf16_to_f32);
        emit(&jit, "narrow_b", f32, vmath_f32_to_bf16);
        emit(&jit, "to_i8", f32, to_i8);
        emit(&jit, "to_u8", f32, to_u8);
        emit(&jit, "to_i32", f32, to_i32);
        emit(&jit, "to_u32", f32, to_u32);
        emit(&jit, "to_i64", f32, to_i64);
        emit(&jit, "to_u64", f32, to_u64);
        test_halves(&jit);
        test_ints(&jit);
        jit_free(&jit);
    }
    return unit_status();
}
