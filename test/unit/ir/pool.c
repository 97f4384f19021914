/* Pooling against loops that follow the definitions of ONNX and PyTorch. */
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>

struct pool_case {
    const char *what;
    int64_t h, w, taps[2], stride[2], dilation[2], pad[4];
    bool ceil_mode;
    int64_t oh, ow; /* what onnxruntime gives */
};

static const struct pool_case cases[] = {
    {"plain", 4, 6, {2, 3}, {2, 3}, {1, 1}, {0, 0, 0, 0}, false, 2, 2},
    {"overlapping", 5, 5, {3, 3}, {1, 2}, {1, 1}, {1, 1, 1, 1}, false, 5, 3},
    {"what does not fit is dropped", 5, 5, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, false, 2, 2},
    {"rounded up", 5, 5, {2, 2}, {2, 2}, {1, 1}, {0, 0, 0, 0}, true, 3, 3},
    {"rounded up with padding", 6, 6, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, true, 4, 4},
    /* rounded up there would be 3 x 4 positions; the last ones start at 3 and at 5, past the last element */
    {"no window starts in the padding", 3, 5, {2, 2}, {2, 2}, {1, 1}, {1, 1, 1, 1}, true, 2, 3},
    {"stride past the window", 7, 7, {1, 2}, {3, 3}, {1, 1}, {0, 0, 0, 0}, true, 3, 3},
    {"dilated", 8, 7, {2, 3}, {1, 2}, {3, 2}, {1, 1, 1, 1}, false, 7, 3},
    {"one window", 3, 4, {3, 4}, {1, 1}, {1, 1}, {0, 0, 0, 0}, false, 1, 1},
};

struct window_sum {
    double sum, largest;
    int64_t inside, in_padded;
};

static struct window_sum look(const struct pool_case *t, const struct tensor *x, int64_t plane, int64_t oy,
                              int64_t ox) {
    struct window_sum s = {.largest = -INFINITY};
    for (int64_t ky = 0; ky < t->taps[0]; ky++)
        for (int64_t kx = 0; kx < t->taps[1]; kx++) {
            int64_t y = oy * t->stride[0] - t->pad[0] + ky * t->dilation[0];
            int64_t c = ox * t->stride[1] - t->pad[1] + kx * t->dilation[1];
            if (y < t->h + t->pad[2] && c < t->w + t->pad[3]) s.in_padded++;
            if (y < 0 || c < 0 || y >= t->h || c >= t->w) continue;
            double v = tensor_get_f64(x, (plane * t->h + y) * t->w + c);
            s.inside++;
            s.sum += v;
            s.largest = fmax(s.largest, v);
        }
    return s;
}

static void pool(const struct pool_case *t, enum op_kind kind, enum elem elem, bool count_pad) {
    struct tensor x = tensor_random(elem, (const int64_t[]){2, 3, t->h, t->w}, 4, 3);
    struct attr attrs[] = {
        {.name = ATTR_window, .ints = {t->taps, 2}},
        {.name = ATTR_stride, .ints = {t->stride, 2}},
        {.name = ATTR_dilation, .ints = {t->dilation, 2}},
        {.name = ATTR_pad, .ints = {t->pad, 4}},
        BOOL(ceil_mode, t->ceil_mode),
        BOOL(count_pad, count_pad),
    };
    struct tensor y = op_apply(kind, &x, 1, attrs, kind == OP_avgpool2d ? 6 : 5, false);
    if (!CHECK(y.dim[2] == t->oh && y.dim[3] == t->ow)) {
        fprintf(stderr, "  %s: %lld x %lld\n", t->what, (long long)y.dim[2], (long long)y.dim[3]);
        tensor_free(&x);
        tensor_free(&y);
        return;
    }
    for (int64_t i = 0; i < tensor_count(&y); i++) {
        struct window_sum s = look(t, &x, i / (t->oh * t->ow), i / t->ow % t->oh, i % t->ow);
        double expected =
            kind == OP_maxpool2d ? s.largest : s.sum / (double)(count_pad ? s.in_padded : s.inside);
        double within = elem == ELEM_f16 ? 1e-3 : 1e-6;
        if (fabs(tensor_get_f64(&y, i) - expected) <= (kind == OP_maxpool2d ? 0 : within)) continue;
        fprintf(stderr, "%s: element %lld is %g, expected %g\n", t->what, (long long)i, tensor_get_f64(&y, i),
                expected);
        unit_failures++;
        break;
    }
    tensor_free(&x);
    tensor_free(&y);
}

/* The number of windows, one after the other: each starts before the end of x and, if it is not the first,
 * some of the padded x is left for it (all of its extent, or with ceil_mode anything). */
static int64_t count_windows(const struct pool_case *t, int s) {
    int64_t in = s ? t->w : t->h, extent = (t->taps[s] - 1) * t->dilation[s] + 1, end = in + t->pad[2 + s],
            count = 0;
    for (;; count++) {
        int64_t start = count * t->stride[s] - t->pad[s];
        bool fits = start + extent <= end, some_left = start - t->stride[s] + extent < end && start < in;
        if (!(fits || (t->ceil_mode && some_left)) || (t->ceil_mode && start >= in)) return count;
    }
}

static void random_pools(void) {
    uint64_t state = 2;
#define DRAW(lo, hi) ((lo) + (int64_t)(sample_random(&state) % (uint64_t)((hi) - (lo) + 1)))
    for (int tries = 0; tries < 400; tries++) {
        struct pool_case t = {.what = "random", .h = DRAW(1, 9), .w = DRAW(1, 9), .ceil_mode = DRAW(0, 1)};
        bool fits = true;
        for (int s = 0; s < 2; s++) {
            t.taps[s] = DRAW(1, 4);
            t.stride[s] = DRAW(1, 4);
            t.dilation[s] = DRAW(1, 2);
            int64_t extent = (t.taps[s] - 1) * t.dilation[s] + 1, in = s ? t.w : t.h;
            t.pad[s] = DRAW(0, min_i64(extent - 1, 2));
            t.pad[2 + s] = DRAW(0, min_i64(extent - 1, 2));
            fits = fits && in + t.pad[s] + t.pad[2 + s] >= extent &&
                   in >= t.dilation[s]; /* no window without elements */
        }
        t.oh = count_windows(&t, 0);
        t.ow = count_windows(&t, 1);
        if (!fits) continue;
        pool(&t, OP_maxpool2d, ELEM_f32, false);
        pool(&t, OP_avgpool2d, ELEM_f32, tries & 1);
    }
#undef DRAW
}

/* NaN goes through, -inf is an element like others, and padding never wins over either. */
static void special_values(void) {
    const double values[] = {NAN, -1, -INFINITY, -INFINITY, -3, -2};
    struct tensor x = tensor_of(ELEM_f32, (const int64_t[]){1, 1, 6}, 3, values);
    struct attr attrs[] = {INTS(window, 2), INTS(stride, 2)};
    struct tensor y = op_apply(OP_maxpool1d, &x, 1, attrs, 2, false);
    CHECK(isnan(tensor_get_f64(&y, 0)) && tensor_get_f64(&y, 1) == -INFINITY && tensor_get_f64(&y, 2) == -2);
    tensor_free(&y);
    struct attr padded[] = {INTS(window, 3), INTS(stride, 3), INTS(pad, 0, 2), BOOL(ceil_mode, true)};
    y = op_apply(OP_avgpool1d, &x, 1, padded, 4, false);
    CHECK(y.dim[2] == 2 && isnan(tensor_get_f64(&y, 0)) && tensor_get_f64(&y, 1) == -INFINITY);
    tensor_free(&y);
    tensor_free(&x);
}

/* The stride is the window's extent by default. */
static void default_stride(void) {
    struct tensor x =
        tensor_of(ELEM_i32, (const int64_t[]){1, 1, 6}, 3, (const double[]){-5, -4, -9, -7, 3, 2});
    struct attr window = INTS(window, 2);
    struct tensor y = op_apply(OP_maxpool1d, &x, 1, &window, 1, false);
    CHECK(y.dim[2] == 3 && tensor_get_i64(&y, 0) == -4 && tensor_get_i64(&y, 1) == -7 &&
          tensor_get_i64(&y, 2) == 3);
    tensor_free(&y);
    tensor_free(&x);
}

static void refused(void) {
    const char *x = "f32[n, 3, 8, w]";
    CHECK_TEXT(op_infer_text(OP_maxpool2d, &x, 1, (struct attr[]){INTS(window, 2, 2)}, 1),
               "f32[n, 3, 4, w / 2]");
    CHECK_TEXT(op_infer_text(OP_maxpool2d, &x, 1, (struct attr[]){INTS(window, 9, 2)}, 1),
               "f32[n, 3, 0, w / 2]"); /* less than its stride too long */
    CHECK_TEXT(
        op_infer_text(OP_maxpool2d, &x, 1, (struct attr[]){INTS(window, 10, 2), INTS(stride, 1, 1)}, 2),
        "maxpool2d: a window of extent 10 does not fit into an extent of 8 (padding 0 + 0)");
    CHECK_TEXT(
        op_infer_text(OP_maxpool2d, &x, 1, (struct attr[]){INTS(window, 2, 2), INTS(pad, 0, 0, 2, 0)}, 2),
        "maxpool2d: a padding of 2 holds a whole window of extent 2, expected less");
    CHECK_TEXT(op_infer_text(OP_maxpool2d, &x, 1, (struct attr[]){INTS(window, 2, 0)}, 1),
               "maxpool2d: the window's extent is 0, expected 1 to 1073741824");
    CHECK_TEXT(
        op_infer_text(OP_maxpool2d, &x, 1, (struct attr[]){INTS(window, 2, 2), INTS(dilation, 1, -1)}, 2),
        "maxpool2d: dilation[1] is -1, expected 1 to 1073741824");
    CHECK_TEXT(op_infer_text(OP_avgpool1d, &x, 1, (struct attr[]){INTS(window, 2)}, 1),
               "avgpool1d: operand x has shape [n, 3, 8, w], expected rank 3");
}

int main(void) {
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        pool(&cases[i], OP_maxpool2d, ELEM_f32, false);
        pool(&cases[i], OP_maxpool2d, ELEM_i8, false);
        pool(&cases[i], OP_maxpool2d, ELEM_u8, false);
        pool(&cases[i], OP_avgpool2d, ELEM_f32, false);
        pool(&cases[i], OP_avgpool2d, ELEM_f16, true);
    }
    random_pools();
    special_values();
    default_stride();
    refused();
    return unit_status();
}
