/* Reductions and normalizations against loops in long double, and at the edges: no elements, NaN, infinities,
 * integers that wrap. */
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>

#define VALUES(...)                                                                                          \
    (const double[]) {                                                                                       \
        __VA_ARGS__                                                                                          \
    }

static const double NAN_ = (double)NAN, INF = (double)INFINITY;

static bool close_to(double a, double b, double within) {
    return isnan(a) ? isnan(b) : a == b || fabs(a - b) <= within * (1 + fabs(b));
}

static void check_values(const char *what, struct tensor y, int64_t count, const double *want,
                         double within) {
    if (CHECK(tensor_count(&y) == count))
        for (int64_t i = 0; i < count; i++) {
            if (close_to(tensor_get_f64(&y, i), want[i], within)) continue;
            fprintf(stderr, "%s: element %lld is %.17g, expected %.17g\n", what, (long long)i,
                    tensor_get_f64(&y, i), want[i]);
            unit_failures++;
        }
    tensor_free(&y);
}

static struct tensor apply1(enum op_kind kind, struct tensor x, const struct attr *attrs, uint32_t count,
                            bool f64) {
    struct tensor y = op_apply(kind, &x, 1, attrs, count, f64);
    tensor_free(&x);
    return y;
}
#define APPLY(kind, x, ...)                                                                                  \
    apply1(OP_##kind, x, (const struct attr[]){__VA_ARGS__},                                                 \
           sizeof((const struct attr[]){__VA_ARGS__}) / sizeof(struct attr), false)
#define APPLY_PLAIN(kind, x) apply1(OP_##kind, x, NULL, 0, false)

/* -- every set of axes of a rank 3 tensor, kept or not -- */
static long double fold(enum op_kind kind, long double a, long double v) {
    switch (kind) {
    case OP_reduce_sum_square:
        return a + v * v;
    case OP_reduce_prod:
        return a * v;
    case OP_reduce_max:
        return v > a ? v : a;
    case OP_reduce_min:
        return v < a ? v : a;
    default:
        return a + v;
    }
}

static void reduce_one(enum op_kind kind, uint32_t set, bool keep, bool f64) {
    const int64_t dim[3] = {3, 4, 5};
    int64_t axes[3], kept[3] = {1, 1, 1}, reduced = 1;
    uint32_t n = 0;
    for (uint32_t d = 0; d < 3; d++) {
        if (set >> d & 1) axes[n++] = d % 2 ? (int64_t)d : (int64_t)d - 3;
        *(set >> d & 1 ? &reduced : &kept[d]) *= dim[d];
    }
    long double want[60];
    double rounded[60];
    for (int i = 0; i < 60; i++)
        want[i] = kind == OP_reduce_prod ? 1 : kind == OP_reduce_max ? -INF : kind == OP_reduce_min ? INF : 0;
    struct tensor x = tensor_random(f64 ? ELEM_f64 : ELEM_f32, dim, 3, 9);
    for (int64_t i = 0; i < 60; i++) {
        int64_t at[3] = {i / 20, i / 5 % 4, i % 5};
        int64_t to = ((at[0] % kept[0]) * kept[1] + at[1] % kept[1]) * kept[2] + at[2] % kept[2];
        want[to] = fold(kind, want[to], tensor_get_f64(&x, i));
    }
    int64_t outputs = kept[0] * kept[1] * kept[2];
    for (int64_t i = 0; i < outputs; i++)
        rounded[i] = (double)(kind == OP_reduce_mean ? want[i] / reduced : want[i]);
    struct attr attrs[] = {{.name = ATTR_axes, .ints = {axes, n}}, BOOL(keep, keep)};
    struct tensor y = apply1(kind, x, attrs, 2, f64);
    CHECK(y.rank == (keep ? 3 : 3 - n));
    check_values(op_info(kind)->name, y, outputs, rounded, f64 ? 1e-14 : 1e-6);
}

static void reduce_sets(void) {
    for (enum op_kind kind = OP_reduce_sum; kind <= OP_reduce_sum_square; kind++)
        for (uint32_t set = 1; set < 8; set++)
            for (int k = 0; k < 4; k++) reduce_one(kind, set, k & 1, k & 2);
}

/* A sum in f32 would lose the ones. */
static void sums_are_wide(void) {
    struct tensor x = tensor_new(ELEM_f32, 1, (const int64_t[]){100001});
    for (int64_t i = 0; i < 100001; i++) tensor_set_f64(&x, i, i ? 1 : 16777216);
    check_values("sum", APPLY_PLAIN(reduce_sum, x), 1, VALUES(16877216), 0);
}

static struct tensor ints(enum elem elem, int64_t a, int64_t b, int64_t c) {
    struct tensor t = tensor_new(elem, 1, (const int64_t[]){3});
    tensor_set_i64(&t, 0, a);
    tensor_set_i64(&t, 1, b);
    tensor_set_i64(&t, 2, c);
    return t;
}

static int64_t only(struct tensor y) {
    int64_t value = tensor_get_i64(&y, 0);
    tensor_free(&y);
    return value;
}

static void integers_are_exact(void) {
    CHECK(only(APPLY_PLAIN(reduce_sum, ints(ELEM_i8, 100, 100, 1))) == -55);
    CHECK(only(APPLY_PLAIN(reduce_prod, ints(ELEM_u8, 16, 16, 3))) == 0);
    CHECK(only(APPLY_PLAIN(reduce_sum_square, ints(ELEM_i16, 200, 0, 0))) == -25536);
    CHECK(only(APPLY_PLAIN(reduce_sum, ints(ELEM_i64, INT64_MAX, 1, 1))) == INT64_MIN + 1);
    CHECK(only(APPLY_PLAIN(reduce_mean, ints(ELEM_i64, INT64_MAX, INT64_MAX, INT64_MAX - 3))) ==
          INT64_MAX - 1);
    CHECK(only(APPLY_PLAIN(reduce_mean, ints(ELEM_u64, -1, -1, -1))) == -1);
    CHECK(only(APPLY_PLAIN(reduce_mean, ints(ELEM_i32, -1, -1, 0))) == 0); /* towards zero */
    CHECK(only(APPLY_PLAIN(reduce_max, ints(ELEM_u64, 5, -1, 7))) == -1);
    CHECK(only(APPLY_PLAIN(reduce_min, ints(ELEM_u64, 5, -1, 7))) == 5);
    CHECK(only(APPLY_PLAIN(reduce_max, ints(ELEM_i64, INT64_MAX - 1, INT64_MAX, 0))) == INT64_MAX);
}

static void nothing_to_reduce(void) {
    const int64_t none[] = {2, 0};
    check_values("sum", APPLY(reduce_sum, tensor_new(ELEM_f32, 2, none), INTS(axes, 1)), 2, VALUES(0, 0), 0);
    check_values("prod", APPLY(reduce_prod, tensor_new(ELEM_i16, 2, none), INTS(axes, 1)), 2, VALUES(1, 1),
                 0);
    check_values("mean", APPLY(reduce_mean, tensor_new(ELEM_f32, 2, none), INTS(axes, 1)), 2,
                 VALUES(NAN_, NAN_), 0);
    check_values("mean", APPLY(reduce_mean, tensor_new(ELEM_i32, 2, none), INTS(axes, 1)), 2, VALUES(0, 0),
                 0);
    check_values("max", APPLY(reduce_max, tensor_new(ELEM_f32, 2, none), INTS(axes, 1)), 2,
                 VALUES(-INF, -INF), 0);
    check_values("min", APPLY(reduce_min, tensor_new(ELEM_i8, 2, none), INTS(axes, 1)), 2, VALUES(127, 127),
                 0);
    check_values("max", APPLY(reduce_max, tensor_new(ELEM_i32, 2, none), INTS(axes, 1)), 2,
                 VALUES(INT32_MIN, INT32_MIN), 0);
    check_values("max", APPLY(reduce_max, tensor_new(ELEM_u32, 2, none), INTS(axes, 1)), 2, VALUES(0, 0), 0);
    check_values("sum", APPLY(reduce_sum, tensor_new(ELEM_f32, 2, none), INTS(axes, 0)), 0, NULL, 0);
    check_values("softmax", APPLY_PLAIN(softmax, tensor_new(ELEM_f32, 2, none)), 0, NULL, 0);
    check_values("layernorm", APPLY_PLAIN(layernorm, tensor_new(ELEM_f32, 2, none)), 0, NULL, 0);
}

static void nan_wins(void) {
    const double v[] = {1, NAN_, 3, -INF, INF, 2};
    check_values("max", APPLY(reduce_max, tensor_of(ELEM_f32, (const int64_t[]){2, 3}, 2, v), INTS(axes, 1)),
                 2, VALUES(NAN_, INF), 0);
    check_values("min", APPLY(reduce_min, tensor_of(ELEM_f32, (const int64_t[]){2, 3}, 2, v), INTS(axes, 1)),
                 2, VALUES(NAN_, -INF), 0);
    check_values("argmax", APPLY(argmax, tensor_of(ELEM_f32, (const int64_t[]){2, 3}, 2, v), INT(axis, 1)), 2,
                 VALUES(1, 1), 0);
    check_values("argmin", APPLY(argmin, tensor_of(ELEM_f32, (const int64_t[]){2, 3}, 2, v), INT(axis, 1)), 2,
                 VALUES(1, 0), 0);
}

static void order(const char *what, struct tensor x, int64_t axis, int64_t count, bool smallest,
                  int64_t wanted, const double *values, const double *places) {
    const struct attr attrs[] = {INT(axis, axis), INT(count, count), BOOL(smallest, smallest)};
    check_values(what, op_apply_result(OP_topk, &x, 1, attrs, 3, false, 0), wanted, values, 0);
    check_values(what, op_apply_result(OP_topk, &x, 1, attrs, 3, false, 1), wanted, places, 0);
    tensor_free(&x);
}

static void orders(void) {
    const double v[] = {2, NAN_, -INF, 2, 0, NAN_, -0.0, INF};
    const int64_t eight = 8, rows[] = {2, 4};
    order("largest", tensor_of(ELEM_f32, &eight, 1, v), 0, 8, false, 8,
          VALUES(NAN_, NAN_, INF, 2, 2, 0, 0, -INF), VALUES(1, 5, 7, 0, 3, 4, 6, 2));
    order("smallest", tensor_of(ELEM_f64, &eight, 1, v), 0, 8, true, 8,
          VALUES(-INF, 0, 0, 2, 2, INF, NAN_, NAN_), VALUES(2, 4, 6, 0, 3, 7, 1, 5));
    order("columns", tensor_of(ELEM_f16, rows, 2, v), 0, 1, false, 4, VALUES(2, NAN_, 0, INF),
          VALUES(0, 0, 1, 1));
    order("none", tensor_of(ELEM_f16, rows, 2, v), 0, 0, false, 0, NULL, NULL);
    order("unsigned", ints(ELEM_u8, 1, -1, 5), 0, 3, false, 3, VALUES(255, 5, 1), VALUES(1, 2, 0));
    order("signed", ints(ELEM_i64, 1, -1, 5), -1, 2, false, 2, VALUES(5, 1), VALUES(2, 0));
}

static void ties(void) {
    const double v[] = {3, 1, 3, 1};
    check_values("first", APPLY(argmax, tensor_of(ELEM_f32, (const int64_t[]){4}, 1, v), INT(axis, 0)), 1,
                 VALUES(0), 0);
    check_values("last", APPLY(argmax, tensor_of(ELEM_i8, (const int64_t[]){4}, 1, v), BOOL(last, true)), 1,
                 VALUES(2), 0);
    check_values("first", APPLY(argmin, tensor_of(ELEM_f16, (const int64_t[]){4}, 1, v), BOOL(last, false)),
                 1, VALUES(1), 0);
    check_values("last", APPLY(argmin, tensor_of(ELEM_u8, (const int64_t[]){4}, 1, v), BOOL(last, true)), 1,
                 VALUES(3), 0);
    check_values("unsigned", APPLY(argmax, ints(ELEM_u64, 1, -1, 5), INT(axis, 0)), 1, VALUES(1), 0);
}

/* -- normalizations -- */
static void softmax_of_random(enum op_kind kind, uint32_t axis, bool f64) {
    const int64_t dim[3] = {3, 4, 5}, stride[3] = {20, 5, 1};
    struct tensor x = tensor_random(f64 ? ELEM_f64 : ELEM_f32, dim, 3, 3);
    double want[60];
    for (int64_t i = 0; i < 60; i++) {
        int64_t start = i - i / stride[axis] % dim[axis] * stride[axis];
        long double sum = 0;
        for (int64_t k = 0; k < dim[axis]; k++)
            sum += expl((long double)tensor_get_f64(&x, start + k * stride[axis]));
        long double v = tensor_get_f64(&x, i);
        want[i] = (double)(kind == OP_softmax ? expl(v) / sum : v - logl(sum));
    }
    struct attr attr = INT(axis, axis);
    check_values(op_info(kind)->name, apply1(kind, x, &attr, 1, f64), 60, want, f64 ? 1e-14 : 1e-7);
}

static void softmax_of_extremes(void) {
    const double v[] = {3e38, 3e38, -INF, -INF, 5, -INF, -INF, -INF, -INF, INF, 0, 1, -1000, 0, 1000};
    const double want[] = {0.5, 0.5, 0, 0, 1, 0, NAN_, NAN_, NAN_, NAN_, NAN_, NAN_, 0, 0, 1};
    const double logs[] = {-log(2), -log(2), -INF, -INF, 0,     -INF,  NAN_, NAN_,
                           NAN_,    NAN_,    NAN_, NAN_, -2000, -1000, 0};
    const int64_t dim[] = {5, 3};
    check_values("softmax", APPLY_PLAIN(softmax, tensor_of(ELEM_f32, dim, 2, v)), 15, want, 1e-7);
    check_values("log_softmax", APPLY_PLAIN(log_softmax, tensor_of(ELEM_f32, dim, 2, v)), 15, logs, 1e-7);
    check_values("of one", APPLY_PLAIN(softmax, tensor_of(ELEM_f32, (const int64_t[]){1}, 1, VALUES(-300))),
                 1, VALUES(1), 0);
    check_values("f16",
                 APPLY_PLAIN(softmax, tensor_of(ELEM_f16, (const int64_t[]){2}, 1, VALUES(60000, 60000))), 2,
                 VALUES(0.5, 0.5), 0);
}

static void layernorm_of(double mean, uint32_t axis, double within) {
    const int64_t dim[3] = {2, 3, 8};
    int64_t row = axis == 2 ? 8 : axis == 1 ? 24 : 48;
    struct tensor in[3] = {tensor_random(ELEM_f32, dim, 3, 7),
                           tensor_random(ELEM_f32, dim + axis, 3 - axis, 8),
                           tensor_random(ELEM_f32, dim + axis, 3 - axis, 9)};
    double want[48];
    for (int64_t i = 0; i < 48; i++) tensor_set_f64(&in[0], i, tensor_get_f64(&in[0], i) + mean);
    for (int64_t i = 0; i < 48; i++) {
        int64_t start = i / row * row;
        long double sum = 0, square = 0;
        for (int64_t k = 0; k < row; k++) sum += tensor_get_f64(&in[0], start + k);
        for (int64_t k = 0; k < row; k++) square += powl(tensor_get_f64(&in[0], start + k) - sum / row, 2);
        want[i] = (double)((tensor_get_f64(&in[0], i) - sum / row) / sqrtl(square / row + 0.25L) *
                               tensor_get_f64(&in[1], i % row) +
                           tensor_get_f64(&in[2], i % row));
    }
    struct attr attrs[] = {INT(axis, (int64_t)axis - 3), FLOAT(epsilon, 0.25)};
    check_values("layernorm", op_apply(OP_layernorm, in, 3, attrs, 2, false), 48, want, within);
    for (int i = 0; i < 3; i++) tensor_free(&in[i]);
}

static void batchnorm(void) {
    const int64_t dim[4] = {2, 3, 2, 2};
    struct tensor in[5] = {tensor_random(ELEM_f32, dim, 4, 1)};
    double want[24];
    for (uint32_t k = 1; k < 5; k++) in[k] = tensor_random(ELEM_f32, dim + 1, 1, k + 1);
    for (int64_t c = 0; c < 3; c++) tensor_set_f64(&in[4], c, fabs(tensor_get_f64(&in[4], c)));
    for (int64_t i = 0; i < 24; i++) {
        double w[5];
        for (int k = 1; k < 5; k++) w[k] = tensor_get_f64(&in[k], i / 4 % 3);
        want[i] = (tensor_get_f64(&in[0], i) - w[3]) / sqrt(w[4] + 1e-3) * w[1] + w[2];
    }
    struct attr epsilon = FLOAT(epsilon, 1e-3);
    check_values("batchnorm", op_apply(OP_batchnorm, in, 5, &epsilon, 1, false), 24, want, 1e-6);
    for (int i = 0; i < 5; i++) tensor_free(&in[i]);
}

int main(void) {
    reduce_sets();
    sums_are_wide();
    integers_are_exact();
    nothing_to_reduce();
    nan_wins();
    orders();
    ties();
    for (uint32_t axis = 0; axis < 3; axis++)
        for (int k = 0; k < 4; k++) softmax_of_random(k & 1 ? OP_softmax : OP_log_softmax, axis, k & 2);
    softmax_of_extremes();
    for (uint32_t axis = 0; axis < 3; axis++) {
        layernorm_of(0, axis, 1e-6);
        layernorm_of(4096, axis, 1e-6);
    }
    batchnorm();
    return unit_status();
}
