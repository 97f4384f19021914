/* The table of scalar functions: one entry for each pointwise row of ops.def, or this file does not compile.
 *
 * In the formulas a and b are the operands' elements and p the parameters. Floats are computed in f64,
 * integers in 64 bits with wrap-around (which the store to a narrower type carries on). */
#include "ir/ops/scalar.h"

#include <math.h>

#define LOOP(name, T, R, formula)                                                                            \
    static void name(const struct scalar_parameters *p, int64_t n, const T *restrict in_a,                   \
                     const T *restrict in_b, R *restrict y) {                                                \
        (void)p;                                                                                             \
        (void)in_b;                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            const T a = in_a[i], b = in_b[i];                                                                \
            (void)b;                                                                                         \
            y[i] = (R)(formula);                                                                             \
        }                                                                                                    \
    }
#define FLOATS(id, formula) LOOP(floats_##id, double, double, formula)
#define TEST(id, formula) LOOP(test_##id, double, int64_t, formula)
#define INTS(id, formula) LOOP(ints_##id, int64_t, int64_t, formula)
#define UINTS(id, formula) LOOP(uints_##id, uint64_t, uint64_t, formula)

/* Rows for floats alone, for floats and signed integers, for all numbers, for booleans and integers, and for
 * comparisons.
 */
#define ON_FLOATS(id, formula)                                                                               \
    FLOATS(id, formula)                                                                                      \
    static const struct scalar scalar_##id = {.floats = floats_##id};
#define ON_SIGNED(id, of_floats, of_ints)                                                                    \
    FLOATS(id, of_floats)                                                                                    \
    INTS(id, of_ints)                                                                                        \
    static const struct scalar scalar_##id = {.floats = floats_##id, .ints = ints_##id};
#define ON_NUMBERS(id, of_floats, of_ints, of_uints)                                                         \
    FLOATS(id, of_floats)                                                                                    \
    INTS(id, of_ints)                                                                                        \
    UINTS(id, of_uints)                                                                                      \
    static const struct scalar scalar_##id = {.floats = floats_##id, .ints = ints_##id, .uints = uints_##id};
#define ON_BITS(id, formula)                                                                                 \
    INTS(id, formula)                                                                                        \
    UINTS(id, formula)                                                                                       \
    static const struct scalar scalar_##id = {.ints = ints_##id, .uints = uints_##id};
#define ON_PAIRS(id, relation)                                                                               \
    TEST(id, a relation b)                                                                                   \
    INTS(id, a relation b)                                                                                   \
    UINTS(id, a relation b)                                                                                  \
    static const struct scalar scalar_##id = {.test = test_##id, .ints = ints_##id, .uints = uints_##id};
#define AS_A_WHOLE(id) static const struct scalar scalar_##id = {.whole = eval_pointwise_##id};

/* Signed arithmetic that wraps: by way of unsigned. */
#define WRAP(formula) ((int64_t)(formula))
#define U(x) ((uint64_t)(x))

/* -- one operand -- */
static double relu(double x) {
    return x <= 0 ? 0 : x;
}

static double smaller(double a, double b) {
    return a != a || a < b ? a : b;
}
static double larger(double a, double b) {
    return a != a || a > b ? a : b;
}

static double clip(double x, double min, double max) {
    if (x < min) x = min;
    return x > max ? max : x;
}

/* The range of integers that lie in [min, max] and in the element type. An upper bound of 2^64 or 2^63 does
 * not fit into the integer type, so bounds are compared before they are converted. */
static int64_t clip_int(const struct scalar_parameters *p, int64_t x) {
    unsigned bits = (unsigned)elem_bytes(p->elem) * 8;
    int64_t most = INT64_MAX >> (64 - bits), least = -most - 1;
    double min = ceil(p->at[0]), max = floor(p->at[1]);
    int64_t lo = !(min > (double)least) ? least : min >= (double)most ? most : (int64_t)min;
    int64_t hi = !(max < (double)most) ? most : max <= (double)least ? least : (int64_t)max;
    return min_i64(max_i64(x, lo), hi);
}

static uint64_t clip_uint(const struct scalar_parameters *p, uint64_t x) {
    unsigned bits = (unsigned)elem_bytes(p->elem) * 8;
    uint64_t most = UINT64_MAX >> (64 - bits);
    double min = ceil(p->at[0]), max = floor(p->at[1]);
    uint64_t lo = !(min > 0) ? 0 : min >= (double)most ? most : (uint64_t)min;
    uint64_t hi = !(max < (double)most) ? most : max <= 0 ? 0 : (uint64_t)max;
    if (x < lo) x = lo;
    return x > hi ? hi : x;
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double gelu(double x, bool by_tanh) {
    static const double sqrt_half = 0.70710678118654752440, sqrt_2_over_pi = 0.79788456080286535588;
    if (by_tanh) return x * (1 + tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x))) / 2;
    return x * (1 + erf(x * sqrt_half)) / 2;
}

ON_SIGNED(relu, relu(a), a > 0 ? a : 0)
ON_FLOATS(leaky_relu, a >= 0 ? a : a * p->at[0])
ON_NUMBERS(clip, clip(a, p->at[0], p->at[1]), clip_int(p, a), clip_uint(p, a))
ON_FLOATS(sigmoid, sigmoid(a))
ON_FLOATS(hard_sigmoid, clip(p->at[0] * a + p->at[1], 0, 1))
ON_FLOATS(hard_swish, a *clip(a / 6 + 0.5, 0, 1))
ON_FLOATS(tanh, tanh(a))
ON_FLOATS(gelu, gelu(a, p->at[0] == KEYWORD_tanh))
ON_FLOATS(silu, a / (1 + exp(-a)))
ON_FLOATS(erf, erf(a))
ON_FLOATS(exp, exp(a))
ON_FLOATS(log, log(a))
ON_FLOATS(sqrt, sqrt(a))
ON_FLOATS(reciprocal, 1 / a)
ON_FLOATS(sin, sin(a))
ON_FLOATS(cos, cos(a))
ON_FLOATS(asin, asin(a))
ON_FLOATS(acos, acos(a))
ON_FLOATS(atan, atan(a))
ON_FLOATS(asinh, asinh(a))
ON_FLOATS(acosh, acosh(a))
ON_FLOATS(atanh, atanh(a))
ON_SIGNED(neg, -a, WRAP(-U(a)))
ON_NUMBERS(abs, fabs(a), a < 0 ? WRAP(-U(a)) : a, a)
ON_NUMBERS(sign, a > 0 ? 1 : a < 0 ? -1 : a, (a > 0) - (a < 0), a > 0)
ON_FLOATS(floor, floor(a))
ON_FLOATS(ceil, ceil(a))
ON_FLOATS(round, nearbyint(a))
ON_FLOATS(softsign, a / (1 + fabs(a)))
ON_FLOATS(softplus, log1p(exp(-fabs(a))) + relu(a))
ON_FLOATS(elu, a >= 0 ? a : p->at[0] * expm1(a))
ON_BITS(not, p->elem == ELEM_bool ? !a : ~a)
AS_A_WHOLE(identity)
AS_A_WHOLE(cast)

/* -- two and three operands -- */
static int64_t div_int(int64_t a, int64_t b) {
    return b == 0 ? 0 : b == -1 ? WRAP(-U(a)) : a / b;
}
static uint64_t div_uint(uint64_t a, uint64_t b) {
    return b == 0 ? 0 : a / b;
}

/* The remainder has the sign of b, so that a = b * floor(a / b) + remainder. */
static int64_t mod_int(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t remainder = a % b;
    return remainder && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}
static uint64_t mod_uint(uint64_t a, uint64_t b) {
    return b == 0 ? 0 : a % b;
}

static uint64_t pow_uint(uint64_t a, uint64_t b) {
    uint64_t power = 1;
    for (; b; b >>= 1, a *= a)
        if (b & 1) power *= a;
    return power;
}

/* A negative exponent gives 1 / a^|b|, truncated as division is. */
static int64_t pow_int(int64_t a, int64_t b) {
    if (b >= 0) return WRAP(pow_uint(U(a), U(b)));
    if (a == 1) return 1;
    return a == -1 ? (b % 2 ? -1 : 1) : 0;
}

ON_NUMBERS(add, a + b, WRAP(U(a) + U(b)), a + b)
ON_NUMBERS(sub, a - b, WRAP(U(a) - U(b)), a - b)
ON_NUMBERS(mul, a *b, WRAP(U(a) * U(b)), a *b)
ON_NUMBERS(div, a / b, div_int(a, b), div_uint(a, b))
ON_NUMBERS(mod, fmod(a, b), mod_int(a, b), mod_uint(a, b))
ON_NUMBERS(pow, pow(a, b), pow_int(a, b), pow_uint(a, b))
ON_NUMBERS(min, smaller(a, b), a < b ? a : b, a < b ? a : b)
ON_NUMBERS(max, larger(a, b), a > b ? a : b, a > b ? a : b)
ON_NUMBERS(prelu, a >= 0 ? a : a * b, a >= 0 ? a : WRAP(U(a) * U(b)), a)
ON_BITS(and, a &b)
ON_BITS(or, a | b)
ON_BITS(xor, a ^ b)
ON_PAIRS(equal, ==)
ON_PAIRS(less, <)
ON_PAIRS(less_equal, <=)
ON_PAIRS(greater, >)
ON_PAIRS(greater_equal, >=)
AS_A_WHOLE(where)
AS_A_WHOLE(quantize)
AS_A_WHOLE(dequantize)

#define ROW_CLASS_POINTWISE(id) [OP_##id] = &scalar_##id,
#define ROW_CLASS_CONTRACTION(id)
#define ROW_CLASS_REDUCTION(id)
#define ROW_CLASS_NORMALIZATION(id)
#define ROW_CLASS_MOVEMENT(id)
#define ROW_CLASS_INDEXING(id)
#define ROW_CLASS_STRUCTURE(id)
#define OP(id, class, ...) ROW_##class(id)

const struct scalar *scalar_of(enum op_kind kind) {
    static const struct scalar *const table[OP_COUNT] = {
#include "ir/ops.def"
    };
    return table[kind];
}
