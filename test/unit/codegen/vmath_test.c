/* The error bounds of codegen/vmath.h, against double-precision (f32) and extended-precision (f64) libm, on
 * every x86-64 level this machine runs. By default every 4099th bit pattern; with --exhaustive [NAME] all
 * 2^32 (minutes each). */
#include "codegen/simd.h"
#include "codegen/target_machine.h"
#include "codegen/vmath.h"
#include "test/support/jit.h"
#include "test/support/unit.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static const char *const cpus[] = {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
static const unsigned cpu_lanes[] = {4, 4, 8, 16};
enum { CPUS = 4, BLOCK = 4096 };

static double softplus(double x) {
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}
static long double softplusl(long double x) {
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}
static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static long double sigmoidl(long double x) {
    return 1 / (1 + expl(-x));
}
static double rsqrt(double x) {
    return 1 / sqrt(x);
}
static long double rsqrtl(long double x) {
    return 1 / sqrtl(x);
}

struct unary {
    const char *name;
    LLVMValueRef (*emit)(LLVMBuilderRef b, LLVMValueRef x);
    double (*f32)(double);
    long double (*f64)(long double);
    double ulp32, ulp64;
};
static const struct unary unaries[] = {
    {"exp", vmath_exp, exp, expl, 1.5, 1.5},
    {"expm1", vmath_expm1, expm1, expm1l, 2, 2.5},
    {"log", vmath_log, log, logl, 1.5, 1.5},
    {"log1p", vmath_log1p, log1p, log1pl, 2, 2},
    {"tanh", vmath_tanh, tanh, tanhl, 2, 2.5},
    {"sigmoid", vmath_sigmoid, sigmoid, sigmoidl, 2, 2.5},
    {"softplus", vmath_softplus, softplus, softplusl, 2, 2},
    {"erf", vmath_erf, erf, erfl, 2, 2},
    {"sin", vmath_sin, sin, sinl, 1, 2.5},
    {"cos", vmath_cos, cos, cosl, 1, 2.5},
    {"asin", vmath_asin, asin, asinl, 1, 3},
    {"acos", vmath_acos, acos, acosl, 1, 3},
    {"atan", vmath_atan, atan, atanl, 1, 2.5},
    {"asinh", vmath_asinh, asinh, asinhl, 1, 3},
    {"acosh", vmath_acosh, acosh, acoshl, 1, 3},
    {"atanh", vmath_atanh, atanh, atanhl, 1, 3},
    {"sqrt", vmath_sqrt, sqrt, sqrtl, 0.5, 0.5},
    {"rsqrt", vmath_rsqrt, rsqrt, rsqrtl, 1.5, 1.5},
    {"floor", vmath_floor, floor, floorl, 0, 0},
    {"ceil", vmath_ceil, ceil, ceill, 0, 0},
    {"trunc", vmath_trunc, trunc, truncl, 0, 0},
    {"round_even", vmath_round_even, rint, rintl, 0, 0},
};
enum { UNARIES = sizeof unaries / sizeof unaries[0] };

struct binary {
    const char *name;
    LLVMValueRef (*emit)(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y);
    double (*f32)(double, double);
    double ulp32;
};
static double min_nan(double x, double y) {
    return isnan(x) || isnan(y) ? NAN : x < y ? x : y;
}
static double max_nan(double x, double y) {
    return isnan(x) || isnan(y) ? NAN : x > y ? x : y;
}
static const struct binary binaries[] = {
    {"pow", vmath_pow, pow, 1},
    {"min", vmath_min, min_nan, 0},
    {"max", vmath_max, max_nan, 0},
    {"fmod", vmath_fmod, fmod, 0},
};
enum { BINARIES = sizeof binaries / sizeof binaries[0] };

static bool ignores_zero_sign(unsigned i) {
    return i >= UNARIES &&
           (binaries[i - UNARIES].emit == vmath_min || binaries[i - UNARIES].emit == vmath_max);
}

/* void name(const T *x, const T *y, T *out, int64_t n): n a multiple of lanes. */
typedef void loop_fn(const void *x, const void *y, void *out, int64_t n);

static void emit_loop(struct jit *jit, const char *name, LLVMTypeRef elem, unsigned lanes,
                      const struct unary *u, const struct binary *w) {
    LLVMBuilderRef b = jit->builder;
    LLVMTypeRef ptr = LLVMPointerTypeInContext(jit->context, 0), i64 = LLVMInt64TypeInContext(jit->context);
    LLVMTypeRef parameters[] = {ptr, ptr, ptr, i64}, type = simd_type(elem, lanes);
    LLVMValueRef f = jit_function(jit, name, LLVMVoidTypeInContext(jit->context), parameters, 4);
    /* Emitters ask for the features of the function. */
    if (!strcmp(jit->cpu, "x86-64")) target_attributes(f, ARCH_X86_64, 0);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(jit->context, f, "body");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(jit->context, f, "done");
    LLVMBuildBr(b, body);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef i = LLVMBuildPhi(b, i64, "i");
    LLVMValueRef at[3];
    for (unsigned k = 0; k < 3; k++) at[k] = LLVMBuildGEP2(b, elem, LLVMGetParam(f, k), &i, 1, "");
    LLVMValueRef x = LLVMBuildLoad2(b, type, at[0], "x"), y = LLVMBuildLoad2(b, type, at[1], "y");
    LLVMSetAlignment(x, 4);
    LLVMSetAlignment(y, 4);
    LLVMValueRef store = LLVMBuildStore(b, u ? u->emit(b, x) : w->emit(b, x, y), at[2]);
    LLVMSetAlignment(store, 4);
    LLVMValueRef next = LLVMBuildAdd(b, i, LLVMConstInt(i64, lanes, 0), "");
    LLVMAddIncoming(i, (LLVMValueRef[]){LLVMConstInt(i64, 0, 0), next},
                    (LLVMBasicBlockRef[]){entry, LLVMGetInsertBlock(b)}, 2);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntULT, next, LLVMGetParam(f, 3), ""), body, done);
    LLVMPositionBuilderAtEnd(b, done);
    LLVMBuildRetVoid(b);
}

static struct jit jits[CPUS];
static bool runs[CPUS];
static loop_fn *loops[CPUS][UNARIES + BINARIES][3]; /* f32 vector, f32 scalar, f64 vector */

static void emit_all(struct jit *jit, unsigned lanes) {
    LLVMTypeRef f32 = LLVMFloatTypeInContext(jit->context), f64 = LLVMDoubleTypeInContext(jit->context);
    char name[64];
    for (unsigned i = 0; i < UNARIES + BINARIES; i++) {
        const struct unary *u = i < UNARIES ? &unaries[i] : NULL;
        const struct binary *w = u ? NULL : &binaries[i - UNARIES];
        const char *base = u ? u->name : w->name;
        snprintf(name, sizeof name, "%s.0", base);
        emit_loop(jit, name, f32, lanes, u, w);
        snprintf(name, sizeof name, "%s.1", base);
        emit_loop(jit, name, f32, 1, u, w);
        snprintf(name, sizeof name, "%s.2", base);
        emit_loop(jit, name, f64, lanes / 2, u, w);
    }
}

static void compile_all(void) {
    for (unsigned c = 0; c < CPUS; c++) {
        runs[c] = jit_can_run(cpus[c]);
        if (!runs[c]) {
            printf("not run: %s\n", cpus[c]);
            continue;
        }
        jit_init(&jits[c], cpus[c]);
        emit_all(&jits[c], cpu_lanes[c]);
        char name[64];
        for (unsigned i = 0; i < UNARIES + BINARIES; i++)
            for (unsigned k = 0; k < 3; k++) {
                snprintf(name, sizeof name, "%s.%u",
                         i < UNARIES ? unaries[i].name : binaries[i - UNARIES].name, k);
                void *address = jit_address(&jits[c], name);
                memcpy(&loops[c][i][k], &address, sizeof address);
            }
    }
}

/* Distance in units of the last place that a correctly rounded result would have. */
static double error32(float got, double want) {
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
    if ((float)want == got) return want == 0 && !signbit(want) != !signbit(got) ? INFINITY : 0;
    double value = isinf(got) ? copysign(0x1p128, got) : got;
    if (isinf(want)) return INFINITY;
    int exponent = want == 0 ? -126 : ilogb(want);
    return fabs(value - want) / ldexp(1, (exponent < -126 ? -126 : exponent) - 23);
}

static double error64(double got, long double want) {
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got) ? 0 : INFINITY;
    if ((double)want == got) return want == 0 && !signbit(want) != !signbit(got) ? INFINITY : 0;
    if (isinf(want) || isinf(got)) return INFINITY;
    int exponent = want == 0 ? -1022 : ilogbl(want);
    return (double)(fabsl((long double)got - want) / ldexpl(1, (exponent < -1022 ? -1022 : exponent) - 52));
}

static const double specials[] = {0.0,       -0.0,       1,        -1,     0.5,   -0.5,    2,        -2,
                                  3,         -3,         1e-45,    -1e-45, 1e-38, FLT_MIN, -FLT_MIN, FLT_MAX,
                                  -FLT_MAX,  88.7,       88.8,     -87.4,  -104,  -103.9,  16777215, 16777216,
                                  8388607.5, -8388607.5, 0.9375,   3.92,   3.94,  -3.94,   1e30,     -1e30,
                                  1048576,   1048575,    -1048577, 5,      7.5,   -7.5,    1.25,     100};
enum { SPECIALS = sizeof specials / sizeof specials[0] + 3 };
static float special(unsigned i) {
    static const float rest[3] = {NAN, INFINITY, -INFINITY};
    return i < SPECIALS - 3 ? (float)specials[i] : rest[i - (SPECIALS - 3)];
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

struct worst {
    double error, x, y;
};
static void note(struct worst *worst, double error, double x, double y) {
    if (error > worst->error) *worst = (struct worst){error, x, y};
}

/* The worst errors of function i on n inputs, for each CPU; the scalar form must give the same bits. */
static void measure32(unsigned i, const float *x, const float *y, unsigned n, struct worst worst[CPUS]) {
    static float got[BLOCK], scalar[BLOCK];
    static double want[BLOCK];
    for (unsigned k = 0; k < n; k++)
        want[k] = i < UNARIES ? unaries[i].f32((double)x[k])
                              : binaries[i - UNARIES].f32((double)x[k], (double)y[k]);
    for (unsigned c = 0; c < CPUS; c++) {
        if (!runs[c]) continue;
        loops[c][i][0](x, y, got, n);
        loops[c][i][1](x, y, scalar, n);
        for (unsigned k = 0; k < n; k++) {
            bool same =
                memcmp(&got[k], &scalar[k], sizeof(float)) == 0 || (isnan(got[k]) && isnan(scalar[k]));
            double error = same ? error32(got[k], want[k]) : INFINITY;
            if (want[k] == 0 && got[k] == 0 && ignores_zero_sign(i)) error = 0;
            note(&worst[c], error, (double)x[k], (double)y[k]);
        }
    }
}

static void report(const char *name, const char *type, double bound, const struct worst worst[CPUS]) {
    for (unsigned c = 0; c < CPUS; c++) {
        if (!runs[c]) continue;
        printf("%-10s %s %s %.3f ulp at %a", name, type, cpus[c], worst[c].error, worst[c].x);
        printf(worst[c].y != 0 ? ", %a\n" : "\n", worst[c].y);
        if (!(worst[c].error <= bound)) {
            fprintf(stderr, "%s %s on %s: %g ulp at %a (%g), %a\n", name, type, cpus[c], worst[c].error,
                    worst[c].x, worst[c].x, worst[c].y);
            CHECK(!"within the bound");
        }
    }
}

static void test_unary32(uint32_t stride, const char *only) {
    static float x[BLOCK];
    for (unsigned i = 0; i < UNARIES; i++) {
        if (only && strcmp(only, unaries[i].name)) continue;
        struct worst worst[CPUS] = {0};
        for (unsigned k = 0; k < BLOCK; k++) x[k] = special(k % SPECIALS);
        measure32(i, x, x, BLOCK, worst);
        for (uint64_t bits = 0; bits < (uint64_t)1 << 32;) {
            for (unsigned k = 0; k < BLOCK; k++, bits += stride) x[k] = from_bits((uint32_t)bits);
            measure32(i, x, x, BLOCK, worst);
        }
        for (unsigned c = 0; c < CPUS; c++) worst[c].y = 0;
        report(unaries[i].name, "f32", unaries[i].ulp32, worst);
    }
}

static uint64_t random_state = 1;
static uint64_t random_bits(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void test_binary32(unsigned blocks) {
    static float x[BLOCK], y[BLOCK];
    for (unsigned i = 0; i < BINARIES; i++) {
        struct worst worst[CPUS] = {0};
        for (unsigned k = 0; k < BLOCK; k++)
            x[k] = special(k % SPECIALS), y[k] = special(k / SPECIALS % SPECIALS);
        measure32(UNARIES + i, x, y, BLOCK, worst);
        for (unsigned n = 0; n < blocks; n++) {
            for (unsigned k = 0; k < BLOCK; k++) {
                uint64_t r = random_bits();
                x[k] = from_bits((uint32_t)r & (k % 4 ? 0x7fffffff : 0xffffffff));
                y[k] = from_bits((uint32_t)(r >> 32));
                /* Half of the exponents make results that are in range. */
                if (k % 2)
                    y[k] = (float)(120 * (double)(int32_t)(r >> 32) / 0x1p31 /
                                   (fabs(log2((double)fabsf(x[k]))) + 1e-3));
                if (k % 8 == 0) y[k] = (float)(int8_t)(r >> 32);
            }
            measure32(UNARIES + i, x, y, BLOCK, worst);
        }
        report(binaries[i].name, "f32", binaries[i].ulp32, worst);
    }
}

/* Sizes of exponent from all of the range, and one half from where the functions change. */
static double random_double(unsigned k) {
    uint64_t bits = random_bits();
    if (k % 2) bits = (bits & 0x800fffffffffffff) | ((1023 - 20 + (bits >> 52) % 32) << 52);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void test_unary64(unsigned blocks) {
    static double x[BLOCK], got[BLOCK];
    static long double want[BLOCK];
    for (unsigned i = 0; i < UNARIES; i++) {
        struct worst worst[CPUS] = {0};
        for (unsigned n = 0; n < blocks; n++) {
            for (unsigned k = 0; k < BLOCK; k++) {
                x[k] = n == 0 ? (double)special(k % SPECIALS) : random_double(k);
                want[k] = unaries[i].f64((long double)x[k]);
            }
            for (unsigned c = 0; c < CPUS; c++) {
                if (!runs[c]) continue;
                loops[c][i][2](x, x, got, BLOCK);
                for (unsigned k = 0; k < BLOCK; k++) note(&worst[c], error64(got[k], want[k]), x[k], 0);
            }
        }
        report(unaries[i].name, "f64", unaries[i].ulp64, worst);
    }
}

static void test_binary64(unsigned blocks) {
    static double x[BLOCK], y[BLOCK], got[BLOCK];
    for (unsigned i = 0; i < BINARIES; i++) {
        struct worst worst[CPUS] = {0};
        for (unsigned n = 0; n < blocks; n++) {
            for (unsigned k = 0; k < BLOCK; k++) {
                x[k] = n == 0 ? (double)special(k % SPECIALS) : random_double(k);
                y[k] = n == 0 ? (double)special(k / SPECIALS % SPECIALS) : random_double(k);
            }
            for (unsigned c = 0; c < CPUS; c++) {
                if (!runs[c]) continue;
                loops[c][UNARIES + i][2](x, y, got, BLOCK);
                for (unsigned k = 0; k < BLOCK; k++) {
                    double want = binaries[i].f32(x[k], y[k]), error = error64(got[k], (long double)want);
                    /* Of pow the bound depends on the size of the result. */
                    if (binaries[i].emit == vmath_pow && isfinite(want) && want != 0)
                        error = fmax(0, error - 2 - 2.5 * fabs(log(fabs(want))));
                    if (want == 0 && got[k] == 0 && ignores_zero_sign(UNARIES + i)) error = 0;
                    note(&worst[c], error, x[k], y[k]);
                }
            }
        }
        report(binaries[i].name, "f64", 0, worst);
    }
}

/* tanh, sigmoid and erf never leave their range, and do not fall where they saturate. */
static void test_saturation(void) {
    static float x[BLOCK], got[BLOCK];
    for (unsigned i = 0; i < UNARIES; i++) {
        const char *name = unaries[i].name;
        if (strcmp(name, "tanh") && strcmp(name, "sigmoid") && strcmp(name, "erf")) continue;
        for (unsigned k = 0; k < BLOCK; k++) x[k] = (float)k * 30 / BLOCK;
        for (unsigned c = 0; c < CPUS; c++) {
            if (!runs[c]) continue;
            loops[c][i][0](x, x, got, BLOCK);
            for (unsigned k = 0; k < BLOCK; k++) {
                if (got[k] > 1 || (k > 0 && x[k] > 4 && got[k] < got[k - 1])) {
                    fprintf(stderr, "%s(%a) = %a on %s\n", name, (double)x[k], (double)got[k], cpus[c]);
                    CHECK(!"monotone saturation");
                }
            }
        }
    }
}

static unsigned count_calls(const char *assembly, const char *instruction, const char *but) {
    unsigned count = 0;
    for (const char *p = assembly; (p = strstr(p, instruction)); p++)
        if (strncmp(p + strlen(instruction), but, strlen(but)) != 0) count++;
    return count;
}

/* The only call on any target is that of our own reduction of large angles. */
static void test_no_calls(void) {
    static const struct {
        const char *triple, *cpu, *features, *call;
        unsigned lanes;
    } rows[] = {
        {"x86_64-linux-gnu", "x86-64-v2", "", "\tcallq\t", 4},
        {"x86_64-linux-gnu", "x86-64-v3", "", "\tcallq\t", 8},
        {"x86_64-linux-gnu", "x86-64-v4", "", "\tcallq\t", 16},
        {"aarch64-linux-gnu", "generic", "", "\tbl\t", 4},
        {"wasm32-unknown-unknown", "generic", "+simd128", "\tcall\t", 4},
        {"riscv64-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+v", "\tcall\t", 8},
    };
    struct jit jit;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        jit_init(&jit, "x86-64-v3");
        emit_all(&jit, rows[i].lanes);
        char *assembly = jit_assembly(&jit, rows[i].triple, rows[i].cpu, rows[i].features);
        unsigned calls = count_calls(assembly, rows[i].call, "vmath.reduce_half_pi");
        if (calls) {
            fprintf(stderr, "%s %s: %u calls\n", rows[i].triple, rows[i].cpu, calls);
            CHECK(!"no calls");
        }
        CHECK(count_calls(assembly, rows[i].call, "?") > 0);
        LLVMDisposeMessage(assembly);
        jit_free(&jit);
    }
}

int main(int argc, char **argv) {
    bool exhaustive = argc > 1 && strcmp(argv[1], "--exhaustive") == 0;
    compile_all();
    test_unary32(exhaustive ? 1 : 4099, argc > 2 ? argv[2] : NULL);
    if (argc > 2) return unit_status();
    test_binary32(exhaustive ? 20000 : 100);
    test_unary64(exhaustive ? 2000 : 50);
    test_binary64(exhaustive ? 2000 : 50);
    test_saturation();
    test_no_calls();
    for (unsigned c = 0; c < CPUS; c++)
        if (runs[c]) jit_free(&jits[c]);
    return unit_status();
}
