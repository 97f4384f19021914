/* Loops of independent fused multiply-adds on registers. Twelve accumulators cover the latency of any current
 * core (4 cycles, 2 units, and some to spare). The best of many short intervals counts, so that a busy
 * machine or a slow start of the wide units does not show. */
#include "frontend/cli/peak.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { ACCUMULATORS = 12, STEPS = 20000, INTERVALS = 200 };

/* One interval; returns the multiply-adds it made. */
typedef double interval_fn(void);

static volatile float sink;

/* Calls X for each accumulator. They are single variables, not an array, so that they stay in registers. */
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double interval_avx512(void) {
    __m512 a = _mm512_set1_ps(0.999F), b = _mm512_set1_ps(0.001F);
#define DECLARE(i) __m512 acc##i = _mm512_set1_ps(0.1F * i);
    EACH(DECLARE)
#undef DECLARE
#define STEP(i)                                                                                              \
    acc##i = _mm512_fmadd_ps(acc##i, a, b);                                                                  \
    __asm__ volatile("" : "+v"(acc##i));
    for (int step = 0; step < STEPS; step++) {
        EACH(STEP)
    }
#undef STEP
#define SUM(i) a = _mm512_add_ps(a, acc##i);
    EACH(SUM)
#undef SUM
    sink = _mm512_cvtss_f32(a);
    return 16.0 * ACCUMULATORS * STEPS;
}

__attribute__((target("avx2,fma"))) static double interval_avx2(void) {
    __m256 a = _mm256_set1_ps(0.999F), b = _mm256_set1_ps(0.001F);
#define DECLARE(i) __m256 acc##i = _mm256_set1_ps(0.1F * i);
    EACH(DECLARE)
#undef DECLARE
#define STEP(i)                                                                                              \
    acc##i = _mm256_fmadd_ps(acc##i, a, b);                                                                  \
    __asm__ volatile("" : "+x"(acc##i));
    for (int step = 0; step < STEPS; step++) {
        EACH(STEP)
    }
#undef STEP
#define SUM(i) a = _mm256_add_ps(a, acc##i);
    EACH(SUM)
#undef SUM
    sink = _mm256_cvtss_f32(a);
    return 8.0 * ACCUMULATORS * STEPS;
}

/* SSE2 has no fused form: a multiplication and an addition. */
static double interval_sse2(void) {
    __m128 a = _mm_set1_ps(0.999F), b = _mm_set1_ps(0.001F);
#define DECLARE(i) __m128 acc##i = _mm_set1_ps(0.1F * i);
    EACH(DECLARE)
#undef DECLARE
#define STEP(i)                                                                                              \
    acc##i = _mm_add_ps(_mm_mul_ps(acc##i, a), b);                                                           \
    __asm__ volatile("" : "+x"(acc##i));
    for (int step = 0; step < STEPS; step++) {
        EACH(STEP)
    }
#undef STEP
#define SUM(i) a = _mm_add_ps(a, acc##i);
    EACH(SUM)
#undef SUM
    sink = _mm_cvtss_f32(a);
    return 4.0 * ACCUMULATORS * STEPS;
}
#else
static double interval_scalar(void) {
    float acc[ACCUMULATORS] = {0};
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < ACCUMULATORS; i++) acc[i] = __builtin_fmaf(acc[i], 0.999F, 0.001F);
    for (int i = 1; i < ACCUMULATORS; i++) acc[0] += acc[i];
    sink = acc[0];
    return (double)ACCUMULATORS * STEPS;
}
#endif

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double best_rate(interval_fn *interval) {
    double best = 0;
    for (int i = 0; i < INTERVALS; i++) {
        double start = seconds();
        double macs = interval();
        double rate = macs / (seconds() - start);
        if (rate > best) best = rate;
    }
    return best * 1e-9;
}

double fma_peak(const char *features, const char **isa) {
    const char *name = "scalar";
    interval_fn *interval;
#if defined(__x86_64__)
    name = "sse2";
    interval = interval_sse2;
    if (strstr(features, "fma") && strstr(features, "avx2")) name = "avx2", interval = interval_avx2;
    if (strstr(features, "avx512f")) name = "avx512", interval = interval_avx512;
#else
    (void)features;
    interval = interval_scalar;
#endif
    if (isa) *isa = name;
    return best_rate(interval);
}
