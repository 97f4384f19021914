/* Pointwise ops on the values where they differ from what one would write down first: NaN, infinities,
 * wrap-around, division by zero, rounding; and broadcasting. Expected values are written out or come from
 * libm in double. */
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>

enum { MOST = 8 };

static bool same(double a, double b, double within) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= within * fabs(b);
}

static void expect(const char *what, const struct tensor *y, const double *expected, double within) {
    for (int64_t i = 0; i < tensor_count(y); i++)
        if (!same(tensor_get_f64(y, i), expected[i], within)) {
            fprintf(stderr, "%s: element %lld is %.17g, expected %.17g\n", what, (long long)i,
                    tensor_get_f64(y, i), expected[i]);
            unit_failures++;
        }
}

/* -- floats, one operand -- */
struct unary_case {
    enum op_kind kind;
    struct attr attr[2];
    int64_t count;
    double x[MOST], y[MOST];
};

static const struct unary_case unaries[] = {
    {OP_relu, {{0}}, 5, {-1, 0, 2, NAN, -INFINITY}, {0, 0, 2, NAN, 0}},
    {OP_leaky_relu, {FLOAT(alpha, 0.25)}, 4, {-4, 0, 2, NAN}, {-1, 0, 2, NAN}},
    {OP_clip, {FLOAT(min, -1), FLOAT(max, 2)}, 5, {-4, 0, 3, NAN, INFINITY}, {-1, 0, 2, NAN, 2}},
    {OP_clip, {{0}}, 3, {-INFINITY, 7, INFINITY}, {-INFINITY, 7, INFINITY}},
    {OP_clip, {FLOAT(min, 3), FLOAT(max, 1)}, 2, {0, 5}, {1, 1}}, /* min(max(x, 3), 1) */
    {OP_sigmoid, {{0}}, 4, {0, -1000, 1000, NAN}, {0.5, 0, 1, NAN}},
    {OP_hard_sigmoid, {{0}}, 4, {0, -3, 3, 1}, {0.5, 0, 1, 0.7}},
    {OP_hard_swish, {{0}}, 4, {0, -4, 4, 1}, {0, 0, 4, 1 * (1.0 / 6 + 0.5)}},
    {OP_tanh, {{0}}, 3, {0, 100, -100}, {0, 1, -1}},
    {OP_gelu, {{0}}, 4, {0, 1, -1, 10}, {0, 0.84134474606854293, -0.15865525393145705, 10}},
    {OP_gelu, {WORD(approximate, tanh)}, 2, {1, -1}, {0.84119199060827, -0.15880800939172}},
    {OP_silu, {{0}}, 3, {0, 1, -1000}, {0, 0.73105857863000490, 0}},
    {OP_erf, {{0}}, 3, {0, 1, INFINITY}, {0, 0.84270079294971487, 1}},
    {OP_exp, {{0}}, 4, {0, 1, 1000, -INFINITY}, {1, 2.7182818284590451, INFINITY, 0}},
    {OP_log, {{0}}, 3, {1, 0, -1}, {0, -INFINITY, NAN}},
    {OP_sqrt, {{0}}, 3, {4, 0, -1}, {2, 0, NAN}},
    {OP_reciprocal, {{0}}, 3, {4, 0, INFINITY}, {0.25, INFINITY, 0}},
    {OP_asin, {{0}}, 5, {0, 1, -0.5, 1.5, NAN}, {0, 1.5707963267948966, -0.52359877559829882, NAN, NAN}},
    {OP_acos,
     {{0}},
     5,
     {0, 1, -1, -1.5, 0.5},
     {1.5707963267948966, 0, 3.1415926535897932, NAN, 1.0471975511965976}},
    {OP_atan, {{0}}, 4, {0, 1, -INFINITY, NAN}, {0, 0.78539816339744831, -1.5707963267948966, NAN}},
    {OP_asinh, {{0}}, 4, {0, 1, -1, INFINITY}, {0, 0.88137358701954303, -0.88137358701954303, INFINITY}},
    {OP_acosh, {{0}}, 4, {1, 2, 0.5, INFINITY}, {0, 1.3169578969248167, NAN, INFINITY}},
    {OP_atanh, {{0}}, 5, {0, 0.5, -0.5, 1, 2}, {0, 0.54930614433405484, -0.54930614433405484, INFINITY, NAN}},
    {OP_sign, {{0}}, 4, {-3, 0, 3, NAN}, {-1, 0, 1, NAN}},
    {OP_floor, {{0}}, 3, {-1.5, 1.5, -0.5}, {-2, 1, -1}},
    {OP_ceil, {{0}}, 3, {-1.5, 1.5, 0.5}, {-1, 2, 1}},
    {OP_round, {{0}}, 6, {0.5, 1.5, 2.5, -0.5, -1.5, 2.6}, {0, 2, 2, 0, -2, 3}},
    {OP_softsign, {{0}}, 4, {0, 1, -3, INFINITY}, {0, 0.5, -0.75, NAN}},
    {OP_softplus, {{0}}, 4, {0, 1000, -1000, NAN}, {0.69314718055994531, 1000, 0, NAN}},
    {OP_elu, {FLOAT(alpha, 2)}, 3, {1, -1000, 0}, {1, -2, 0}},
    {OP_abs, {{0}}, 3, {-2, 2, -INFINITY}, {2, 2, INFINITY}},
};

static void unary_floats(void) {
    static const enum elem elems[] = {ELEM_f32, ELEM_f64, ELEM_f16, ELEM_bf16};
    static const double within[] = {1e-7, 1e-13, 1e-3, 8e-3};
    for (size_t i = 0; i < COUNT_OF(unaries); i++)
        for (size_t e = 0; e < COUNT_OF(elems); e++) {
            const struct unary_case *t = &unaries[i];
            struct tensor x = tensor_of(elems[e], &t->count, 1, t->x);
            uint32_t attrs = t->attr[0].name ? t->attr[1].name ? 2 : 1 : 0;
            struct tensor y = op_apply(t->kind, &x, 1, t->attr, attrs, false);
            expect(op_info(t->kind)->name, &y, t->y, within[e]);
            tensor_free(&x);
            tensor_free(&y);
        }
}

/* -- two operands -- */
struct binary_case {
    enum op_kind kind;
    enum elem elem;
    int64_t count;
    double a[MOST], b[MOST], y[MOST];
};

static const struct binary_case binaries[] = {
    {OP_min, ELEM_f32, 4, {1, NAN, 1, -INFINITY}, {2, 1, NAN, 0}, {1, NAN, NAN, -INFINITY}},
    {OP_max, ELEM_f32, 4, {1, NAN, 1, -INFINITY}, {2, 1, NAN, 0}, {2, NAN, NAN, 0}},
    {OP_max, ELEM_u8, 2, {200, 3}, {100, 4}, {200, 4}},
    {OP_min, ELEM_i8, 2, {-100, 3}, {100, 4}, {-100, 3}},
    {OP_add, ELEM_i8, 3, {127, -128, 5}, {1, -1, 6}, {-128, 127, 11}},
    {OP_add, ELEM_u8, 2, {255, 1}, {2, 1}, {1, 2}},
    {OP_sub, ELEM_u16, 2, {0, 7}, {1, 3}, {65535, 4}},
    {OP_mul, ELEM_i16, 2, {300, -2}, {300, 3}, {24464, -6}}, /* 90000 - 65536 */
    {OP_div, ELEM_i32, 5, {7, -7, 7, 5, -2147483648.0}, {2, 2, -2, 0, -1}, {3, -3, -3, 0, -2147483648.0}},
    {OP_div, ELEM_u8, 3, {255, 7, 9}, {2, 0, 9}, {127, 0, 1}},
    {OP_div, ELEM_f32, 4, {1, -1, 0, 6}, {0, 0, 0, 4}, {INFINITY, -INFINITY, NAN, 1.5}},
    {OP_mod, ELEM_i32, 6, {7, -7, 7, -7, 5, 6}, {3, 3, -3, -3, 0, 3}, {1, 2, -2, -1, 0, 0}},
    {OP_mod, ELEM_u8, 3, {255, 7, 9}, {16, 0, 9}, {15, 0, 0}},
    {OP_mod, ELEM_f32, 4, {5.5, -5.5, 5.5, 1}, {2, 2, -2, 0}, {1.5, -1.5, 1.5, NAN}},
    {OP_pow, ELEM_f32, 4, {2, 4, -2, 0}, {10, 0.5, 0.5, 0}, {1024, 2, NAN, 1}},
    {OP_pow, ELEM_i32, 6, {3, 2, -1, 1, 2, 0}, {4, -1, -3, -5, 33, 0}, {81, 0, -1, 1, 0, 1}},
    {OP_pow, ELEM_u8, 2, {3, 2}, {5, 8}, {243, 0}},
    {OP_prelu, ELEM_f32, 3, {-4, 4, NAN}, {0.25, 9, 1}, {-1, 4, NAN}},
    {OP_prelu, ELEM_i8, 2, {-4, 4}, {3, 9}, {-12, 4}},
    {OP_and, ELEM_bool, 4, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 0, 0, 1}},
    {OP_or, ELEM_bool, 4, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 1, 1}},
    {OP_xor, ELEM_bool, 4, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 1, 0}},
    {OP_and, ELEM_u8, 3, {255, 0x35, 12}, {0x0f, 0xd3, 3}, {15, 0x11, 0}},
    {OP_or, ELEM_i8, 3, {-128, 0x35, 12}, {1, 0x53, 3}, {-127, 0x77, 15}},
    {OP_xor, ELEM_i64, 3, {-1, 0x35, 12}, {1, 0x53, 12}, {-2, 0x66, 0}},
    {OP_equal, ELEM_f32, 3, {1, NAN, 0}, {1, NAN, -0.0}, {1, 0, 1}},
    {OP_equal, ELEM_bool, 2, {1, 0}, {1, 1}, {1, 0}},
    {OP_less, ELEM_f32, 4, {1, 2, NAN, -1}, {2, 1, 1, NAN}, {1, 0, 0, 0}},
    {OP_less, ELEM_u8, 2, {200, 100}, {100, 200}, {0, 1}},
    {OP_less, ELEM_i8, 2, {-100, 100}, {100, -100}, {1, 0}},
    {OP_less_equal, ELEM_i32, 3, {1, 2, 3}, {2, 2, 2}, {1, 1, 0}},
    {OP_greater, ELEM_i32, 3, {1, 2, 3}, {2, 2, 2}, {0, 0, 1}},
    {OP_greater_equal, ELEM_f32, 3, {1, 2, NAN}, {2, 2, 2}, {0, 1, 0}},
};

static void binary(void) {
    for (size_t i = 0; i < COUNT_OF(binaries); i++) {
        const struct binary_case *t = &binaries[i];
        struct tensor in[2] = {tensor_of(t->elem, &t->count, 1, t->a),
                               tensor_of(t->elem, &t->count, 1, t->b)};
        struct tensor y = op_apply(t->kind, in, 2, NULL, 0, false);
        expect(op_info(t->kind)->name, &y, t->y, 1e-7);
        tensor_free(&in[0]);
        tensor_free(&in[1]);
        tensor_free(&y);
    }
}

/* Beyond what a double holds. */
static void wide_integers(void) {
    const int64_t one = 1,
                  values[][4] = {
                      /* op, a, b, result */
                      {OP_add, INT64_MAX, 1, INT64_MIN},
                      {OP_mul, INT64_C(3037000500), INT64_C(3037000500), INT64_C(-9223372036709301616)},
                      {OP_div, INT64_MIN, -1, INT64_MIN},
                      {OP_mod, INT64_MIN, -1, 0},
                      {OP_sub, INT64_C(9007199254740993), 1, INT64_C(9007199254740992)},
                      {OP_max, INT64_C(9007199254740993), INT64_C(9007199254740992),
                       INT64_C(9007199254740993)},
                  };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct tensor in[2] = {tensor_new(ELEM_i64, 1, &one), tensor_new(ELEM_i64, 1, &one)};
        for (int k = 0; k < 2; k++) tensor_set_i64(&in[k], 0, values[i][1 + k]);
        struct tensor y = op_apply((enum op_kind)values[i][0], in, 2, NULL, 0, false);
        CHECK(tensor_get_i64(&y, 0) == values[i][3]);
        for (int k = 0; k < 2; k++) tensor_free(&in[k]);
        tensor_free(&y);
    }
    struct tensor in[2] = {tensor_scalar_i64(ELEM_u64, -1), tensor_scalar_i64(ELEM_u64, 10)}; /* 2^64 - 1 */
    struct tensor y = op_apply(OP_div, in, 2, NULL, 0, false);
    CHECK(tensor_get_i64(&y, 0) == INT64_C(1844674407370955161));
    tensor_free(&y);
    y = op_apply(OP_greater, in, 2, NULL, 0, false);
    CHECK(tensor_get_i64(&y, 0) == 1);
    tensor_free(&y);
    tensor_free(&in[0]);
    tensor_free(&in[1]);
}

static void clipped_integers(void) {
    const int64_t four = 4;
    struct tensor x = tensor_of(ELEM_i8, &four, 1, (const double[]){-100, -3, 3, 100}), y;
    y = op_apply(OP_clip, &x, 1, (struct attr[]){FLOAT(min, -2.5), FLOAT(max, 1e9)}, 2, false);
    expect("clip of i8", &y, (const double[]){-2, -2, 3, 100}, 0);
    tensor_free(&y);
    y = op_apply(OP_clip, &x, 1, (struct attr[]){FLOAT(min, 300)}, 1, false); /* nothing in i8 is larger */
    expect("clip of i8 above its range", &y, (const double[]){127, 127, 127, 127}, 0);
    tensor_free(&y);
    tensor_free(&x);
    x = tensor_scalar_i64(ELEM_u64, -1);
    y = op_apply(OP_clip, &x, 1, (struct attr[]){FLOAT(min, -5), FLOAT(max, 1e300)}, 2, false);
    CHECK(tensor_get_i64(&y, 0) == -1);
    tensor_free(&y);
    tensor_free(&x);
}

static void casts(void) {
    const int64_t count = 6;
    struct tensor x = tensor_of(ELEM_f32, &count, 1, (const double[]){-1.9, 300, NAN, -INFINITY, 1e30, 0.5}),
                  y;
    y = op_apply(OP_cast, &x, 1, (struct attr[]){TO(u8)}, 1, false);
    expect("f32 to u8", &y, (const double[]){0, 255, 0, 0, 255, 0}, 0);
    tensor_free(&y);
    y = op_apply(OP_cast, &x, 1, (struct attr[]){TO(i32)}, 1, false);
    expect("f32 to i32", &y, (const double[]){-1, 300, 0, -2147483648.0, 2147483647.0, 0}, 0);
    tensor_free(&y);
    y = op_apply(OP_cast, &x, 1, (struct attr[]){{.name = ATTR_to, .elem = ELEM_bool}}, 1, false);
    expect("f32 to bool", &y, (const double[]){1, 1, 1, 1, 1, 1}, 0);
    tensor_free(&y);
    tensor_free(&x);
    /* just above the middle of two f32, where its f64 is in the middle and would round to even */
    x = tensor_scalar_i64(ELEM_i64, (INT64_C(1) << 61) + (INT64_C(1) << 37) + 1);
    y = op_apply(OP_cast, &x, 1, (struct attr[]){TO(f32)}, 1, false);
    CHECK(tensor_get_f64(&y, 0) == 2305843009213693952.0 + 274877906944.0);
    tensor_free(&y);
    tensor_free(&x);
    x = tensor_scalar_i64(ELEM_i32, 300);
    y = op_apply(OP_cast, &x, 1, (struct attr[]){TO(i8)}, 1, false);
    CHECK(tensor_get_i64(&y, 0) == 44);
    tensor_free(&y);
    tensor_free(&x);
}

/* -- broadcasting: the definition, element by element -- */
static int64_t source(const struct tensor *x, const struct tensor *y, int64_t i) {
    int64_t at = 0, step = 1;
    for (uint32_t d = y->rank; d-- > 0; i /= y->dim[d]) {
        if (d + x->rank < y->rank) break;
        int64_t extent = x->dim[d + x->rank - y->rank];
        at += (extent == 1 ? 0 : i % y->dim[d]) * step;
        step *= extent;
    }
    return at;
}

static void broadcast(const int64_t *a, uint32_t rank_a, const int64_t *b, uint32_t rank_b) {
    struct tensor in[3] = {tensor_random(ELEM_bool, a, rank_a, 1), tensor_random(ELEM_f32, b, rank_b, 2),
                           tensor_random(ELEM_f32, a, rank_a, 3)};
    struct tensor y = op_apply(OP_sub, in + 1, 2, NULL, 0, false);
    for (int64_t i = 0; i < tensor_count(&y); i++) {
        double u = tensor_get_f64(&in[1], source(&in[1], &y, i)),
               v = tensor_get_f64(&in[2], source(&in[2], &y, i));
        CHECK(same(tensor_get_f64(&y, i), (double)((float)u - (float)v), 0));
    }
    tensor_free(&y);
    y = op_apply(OP_where, in, 3, NULL, 0, false);
    for (int64_t i = 0; i < tensor_count(&y); i++) {
        const struct tensor *from = tensor_get_i64(&in[0], source(&in[0], &y, i)) ? &in[1] : &in[2];
        CHECK(same(tensor_get_f64(&y, i), tensor_get_f64(from, source(from, &y, i)), 0));
    }
    tensor_free(&y);
    for (int i = 0; i < 3; i++) tensor_free(&in[i]);
}

#define SHAPE(...) (const int64_t[]){__VA_ARGS__}, SAMPLE_COUNT_(__VA_ARGS__)

static void broadcasts(void) {
    broadcast(SHAPE(2, 3, 4), SHAPE(2, 3, 4));
    broadcast(SHAPE(2, 3, 4), SHAPE(4));
    broadcast(SHAPE(2, 3, 4), SHAPE(3, 1));
    broadcast(SHAPE(2, 1, 4), SHAPE(3, 1));
    broadcast(SHAPE(1, 3, 1, 5), SHAPE(2, 1, 4, 1));
    broadcast(SHAPE(2, 1, 1, 3), SHAPE(2, 4, 1, 3));
    broadcast(SHAPE(3, 700), SHAPE(3, 1)); /* longer than a chunk */
    broadcast(SHAPE(2, 3, 1), NULL, 0);
    broadcast(NULL, 0, SHAPE(5));
    broadcast(NULL, 0, NULL, 0);
    broadcast(SHAPE(0, 3), SHAPE(1, 3));
    broadcast(SHAPE(2, 0), SHAPE(1));
    broadcast(SHAPE(1, 1, 1, 1, 1, 1, 1, 2), SHAPE(2, 1, 2, 1, 2, 1, 2, 1));
}

static void types(void) {
    CHECK_TEXT(op_infer_text(OP_add, (const char *[]){"f32[batch, 1, 4]", "f32[3, 1]"}, 2, NULL, 0),
               "f32[batch, 3, 4]");
    CHECK_TEXT(op_infer_text(OP_add, (const char *[]){"f32[batch, h*2]", "f32[batch, h*2]"}, 2, NULL, 0),
               "f32[batch, 2 * h]");
    CHECK_TEXT(op_infer_text(OP_less, (const char *[]){"i8[n]", "i8[1]"}, 2, NULL, 0), "bool[n]");
    CHECK_TEXT(op_infer_text(OP_where, (const char *[]){"bool[n, 1]", "i8[3]", "i8[]"}, 3, NULL, 0),
               "i8[n, 3]");
    CHECK_TEXT(op_infer_text(OP_cast, (const char *[]){"f32[n]"}, 1, (struct attr[]){TO(f16)}, 1), "f16[n]");
    CHECK_TEXT(op_infer_text(OP_add, (const char *[]){"f32[2, 3]", "f32[4]"}, 2, NULL, 0),
               "add: operand b [4] does not broadcast: extent 4, expected 3 or 1");
    CHECK_TEXT(op_infer_text(OP_add, (const char *[]){"f32[batch]", "f32[4]"}, 2, NULL, 0),
               "add: operand b [4] does not broadcast: extent 4, expected batch or 1");
    CHECK_TEXT(op_infer_text(OP_add, (const char *[]){"f32[2]", "i32[2]"}, 2, NULL, 0),
               "add: operand b is i32, expected f32");
    CHECK_TEXT(op_infer_text(OP_where, (const char *[]){"bool[2]", "f32[2]", "f16[2]"}, 3, NULL, 0),
               "where: operand b is f16, expected f32");
}

int main(void) {
    unary_floats();
    binary();
    wide_integers();
    clipped_integers();
    casts();
    broadcasts();
    types();
    return unit_status();
}
