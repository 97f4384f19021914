/* linear, matmul and the convolutions against loops in double that follow their definitions. */
#include "test/support/op_apply.h"
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>

#define DIMS(...) (const int64_t[]){__VA_ARGS__}, SAMPLE_COUNT_(__VA_ARGS__)

/* The tolerance of an element type, for sums of a few dozen products of numbers below 1. */
static double tolerance(enum elem elem) {
    switch (elem) {
    case ELEM_f16:
        return 2e-2;
    case ELEM_bf16:
        return 1e-1;
    case ELEM_f64:
        return 1e-13;
    default:
        return 2e-5;
    }
}

static void expect(const char *what, const struct tensor *y, const double *expected, double within) {
    for (int64_t i = 0; i < tensor_count(y); i++) {
        double got = tensor_get_f64(y, i);
        if (fabs(got - expected[i]) <= within * (1 + fabs(expected[i]))) continue;
        fprintf(stderr, "%s: element %lld is %.9g, expected %.9g\n", what, (long long)i, got, expected[i]);
        unit_failures++;
        return;
    }
}

/* Wraps an exact integer into an element type. */
static int64_t wrapped(enum elem elem, int64_t value) {
    struct tensor t = tensor_scalar_i64(elem, value);
    int64_t w = tensor_get_i64(&t, 0);
    tensor_free(&t);
    return w;
}

static void linear(enum elem elem, int64_t m, int64_t n, int64_t k, bool bias, bool f64) {
    struct tensor in[3] = {tensor_random(elem, DIMS(m, k), 1), tensor_random(elem, DIMS(n, k), 2), {0}};
    if (bias) in[2] = tensor_random(elem, DIMS(n), 3);
    struct tensor y = op_apply(OP_linear, in, 3, NULL, 0, f64);
    CHECK(y.rank == 2 && y.dim[0] == m && y.dim[1] == n);
    double *expected = xcalloc((size_t)(m * n), sizeof *expected);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = bias ? tensor_get_f64(&in[2], j) : 0;
            for (int64_t p = 0; p < k; p++)
                sum += tensor_get_f64(&in[0], i * k + p) * tensor_get_f64(&in[1], j * k + p);
            expected[i * n + j] = elem_is_int(elem) ? (double)wrapped(elem, (int64_t)sum) : sum;
        }
    expect("linear", &y, expected, elem_is_int(elem) ? 0 : tolerance(f64 ? ELEM_f64 : elem));
    free(expected);
    tensor_free(&y);
    for (int i = 0; i < 3; i++) tensor_free(&in[i]);
}

static void linears(void) {
    static const enum elem elems[] = {ELEM_f32, ELEM_f64, ELEM_f16, ELEM_bf16, ELEM_i32,
                                      ELEM_i64, ELEM_i8,  ELEM_u8,  ELEM_u16};
    for (size_t e = 0; e < COUNT_OF(elems); e++) {
        linear(elems[e], 3, 5, 17, true, false);
        linear(elems[e], 1, 33, 70, false, false);
        linear(elems[e], 4, 3, 0, true, false); /* the bias alone */
        linear(elems[e], 4, 3, 0, false, false);
        linear(elems[e], 0, 3, 5, true, false);
        linear(elems[e], 2, 0, 5, true, false);
    }
    linear(ELEM_f32, 7, 9, 31, true, true);
    linear(ELEM_f16, 7, 9, 31, true, true);
}

/* Sums are rounded once: 1 / 128 added to 256 in bf16 would leave 256, every time. */
static void narrow_floats_round_once(void) {
    enum { K = 256 };
    struct tensor in[2] = {tensor_new(ELEM_bf16, 2, (const int64_t[]){1, K}),
                           tensor_new(ELEM_bf16, 2, (const int64_t[]){1, K})};
    for (int64_t i = 0; i < K; i++) {
        tensor_set_f64(&in[0], i, i ? 0.0078125 : 256);
        tensor_set_f64(&in[1], i, 1);
    }
    struct tensor y = op_apply(OP_linear, in, 2, NULL, 0, false);
    CHECK(tensor_get_f64(&y, 0) == 258); /* 256 + 255 / 128 = 257.99; bf16 steps by 2 there */
    tensor_free(&y);
    tensor_free(&in[0]);
    tensor_free(&in[1]);
}

static void matmul(const int64_t *a, uint32_t rank_a, const int64_t *b, uint32_t rank_b, const int64_t *y,
                   uint32_t rank_y) {
    /* A general definition: pad both to rank 4, then broadcast. */
    int64_t a4[4] = {1, 1, 1, 1}, b4[4] = {1, 1, 1, 1};
    struct tensor in[2] = {tensor_random(ELEM_f32, a, rank_a, 4), tensor_random(ELEM_f32, b, rank_b, 5)};
    for (uint32_t d = 0; d < rank_a; d++) a4[4 - rank_a + d] = a[d];
    if (rank_b == 1)
        b4[2] = b[0];
    else
        for (uint32_t d = 0; d < rank_b; d++) b4[4 - rank_b + d] = b[d];
    struct tensor got = op_apply(OP_matmul, in, 2, NULL, 0, false);
    CHECK(got.rank == rank_y && (!rank_y || !memcmp(got.dim, y, rank_y * sizeof *y)));
    int64_t m = a4[2], n = b4[3], k = a4[3], n0 = max_i64(a4[0], b4[0]), n1 = max_i64(a4[1], b4[1]), at = 0;
    if (!a4[0] || !b4[0]) n0 = 0;
    double *expected = xcalloc((size_t)(n0 * n1 * m * n), sizeof *expected);
    for (int64_t i0 = 0; i0 < n0; i0++)
        for (int64_t i1 = 0; i1 < n1; i1++)
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++) {
                    int64_t of_a = ((i0 % a4[0] * a4[1] + i1 % a4[1]) * m + i) * k;
                    int64_t of_b = (i0 % b4[0] * b4[1] + i1 % b4[1]) * k * n + j;
                    double sum = 0;
                    for (int64_t p = 0; p < k; p++)
                        sum += tensor_get_f64(&in[0], of_a + p) * tensor_get_f64(&in[1], of_b + p * n);
                    expected[at++] = sum;
                }
    CHECK(at == tensor_count(&got));
    expect("matmul", &got, expected, tolerance(ELEM_f32));
    free(expected);
    tensor_free(&got);
    tensor_free(&in[0]);
    tensor_free(&in[1]);
}

static void matmuls(void) {
    matmul(DIMS(3, 4), DIMS(4, 5), DIMS(3, 5));
    matmul(DIMS(2, 3, 4), DIMS(4, 5), DIMS(2, 3, 5));
    matmul(DIMS(3, 4), DIMS(2, 4, 5), DIMS(2, 3, 5));
    matmul(DIMS(2, 1, 3, 4), DIMS(3, 4, 5), DIMS(2, 3, 3, 5));
    matmul(DIMS(2, 3, 1, 4), DIMS(2, 3, 4, 1), DIMS(2, 3, 1, 1));
    matmul(DIMS(4), DIMS(4), NULL, 0);
    matmul(DIMS(4), DIMS(4, 5), DIMS(5));
    matmul(DIMS(4), DIMS(2, 4, 5), DIMS(2, 5));
    matmul(DIMS(3, 4), DIMS(4), DIMS(3));
    matmul(DIMS(2, 3, 4), DIMS(4), DIMS(2, 3));
    matmul(DIMS(3, 0), DIMS(0, 5), DIMS(3, 5)); /* zeros */
    matmul(DIMS(0, 4), DIMS(4, 5), DIMS(0, 5));
    matmul(DIMS(0, 2, 3, 4), DIMS(4, 5), DIMS(0, 2, 3, 5));
}

/* -- convolutions: every number for height and width; 1d has height 1 -- */
struct conv_case {
    const char *what;
    int64_t n, c, h, w, o, kh, kw; /* o: output channels */
    int64_t groups, stride[2], dilation[2], pad[4], output_pad[2];
};

static const struct conv_case cases[] = {
    {"plain", 2, 3, 5, 6, 4, 3, 2, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    {"1x1", 2, 3, 5, 6, 4, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    {"1x1 strided", 1, 3, 5, 6, 4, 1, 1, 1, {2, 3}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    {"1x1 padded", 1, 2, 3, 3, 2, 1, 1, 1, {1, 1}, {1, 1}, {1, 0, 0, 1}, {0, 0}},
    {"padded unevenly", 1, 2, 5, 6, 3, 3, 3, 1, {1, 1}, {1, 1}, {0, 1, 2, 3}, {0, 0}},
    {"strided", 1, 2, 9, 8, 3, 3, 3, 1, {2, 3}, {1, 1}, {1, 1, 1, 1}, {1, 2}},
    {"dilated", 1, 2, 9, 8, 3, 3, 2, 1, {1, 2}, {2, 3}, {2, 0, 1, 1}, {0, 1}},
    {"grouped", 2, 4, 5, 5, 6, 3, 3, 2, {1, 1}, {1, 1}, {1, 1, 1, 1}, {0, 0}},
    {"depthwise", 1, 3, 6, 6, 6, 3, 3, 3, {2, 2}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
    {"kernel over all", 1, 2, 4, 4, 3, 4, 4, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    {"stride past the kernel", 1, 1, 8, 8, 1, 2, 2, 1, {3, 4}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    {"one dimension", 2, 3, 1, 9, 4, 1, 3, 1, {1, 2}, {1, 2}, {0, 1, 0, 2}, {0, 1}},
    {"one dimension, grouped", 1, 4, 1, 9, 2, 1, 4, 2, {1, 1}, {1, 1}, {0, 3, 0, 0}, {0, 0}},
    {"no images", 0, 3, 5, 6, 4, 3, 2, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
    /* windows over padding alone, and results that nothing is spread to */
    {"no rows", 1, 2, 0, 4, 3, 4, 1, 1, {1, 1}, {1, 1}, {2, 0, 2, 0}, {3, 0}},
    {"no columns", 1, 2, 3, 0, 3, 1, 4, 1, {1, 1}, {1, 1}, {0, 2, 0, 2}, {0, 3}},
    {"no input channels", 1, 0, 5, 6, 4, 3, 2, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}, {0, 0}},
};

/* x, w and b of a case, in 2d or, with height 1, in 1d. */
static void operands_of(const struct conv_case *t, bool transposed, bool flat, enum elem elem,
                        struct tensor in[3]) {
    int64_t w0 = transposed ? t->c : t->o, w1 = (transposed ? t->o : t->c) / t->groups;
    if (flat) {
        in[0] = tensor_random(elem, DIMS(t->n, t->c, t->w), 6);
        in[1] = tensor_random(elem, DIMS(w0, w1, t->kw), 7);
    } else {
        in[0] = tensor_random(elem, DIMS(t->n, t->c, t->h, t->w), 6);
        in[1] = tensor_random(elem, DIMS(w0, w1, t->kh, t->kw), 7);
    }
    in[2] = tensor_random(elem, DIMS(t->o), 8);
}

/* The definition as a scatter: element (c, y, x) times tap (o, c, ky, kx) goes to a place, if it is one. For
 * a convolution places are the positions that read the element, for a transposed one those it is spread to.
 */
static double *reference(const struct conv_case *t, bool transposed, const struct tensor in[3], int64_t oh,
                         int64_t ow) {
    double *y = xcalloc((size_t)(t->n * t->o * oh * ow), sizeof *y);
    int64_t in_group = t->c / t->groups, out_group = t->o / t->groups;
    for (int64_t i = 0; i < t->n * t->o * oh * ow; i++) y[i] = tensor_get_f64(&in[2], i / (oh * ow) % t->o);
    for (int64_t n = 0; n < t->n; n++)
        for (int64_t c = 0; c < t->c; c++)
            for (int64_t o = c / max_i64(in_group, 1) * out_group;
                 o < (c / max_i64(in_group, 1) + 1) * out_group; o++)
                for (int64_t p = 0; p < t->h * t->w * t->kh * t->kw; p++) {
                    int64_t kx = p % t->kw, ky = p / t->kw % t->kh, ix = p / (t->kw * t->kh) % t->w,
                            iy = p / (t->kw * t->kh * t->w);
                    int64_t oy, ox, tap = ky * t->kw + kx, weight;
                    if (transposed) {
                        oy = iy * t->stride[0] - t->pad[0] + ky * t->dilation[0];
                        ox = ix * t->stride[1] - t->pad[1] + kx * t->dilation[1];
                        weight = (c * out_group + o % out_group) * t->kh * t->kw + tap;
                    } else {
                        int64_t from_y = iy + t->pad[0] - ky * t->dilation[0],
                                from_x = ix + t->pad[1] - kx * t->dilation[1];
                        if (from_y < 0 || from_x < 0 || from_y % t->stride[0] || from_x % t->stride[1])
                            continue;
                        oy = from_y / t->stride[0];
                        ox = from_x / t->stride[1];
                        weight = (o * in_group + c % in_group) * t->kh * t->kw + tap;
                    }
                    if (oy < 0 || ox < 0 || oy >= oh || ox >= ow) continue;
                    y[((n * t->o + o) * oh + oy) * ow + ox] +=
                        tensor_get_f64(&in[0], ((n * t->c + c) * t->h + iy) * t->w + ix) *
                        tensor_get_f64(&in[1], weight);
                }
    return y;
}

static void conv(const struct conv_case *t, bool transposed, bool flat, enum elem elem, bool f64) {
    struct tensor in[3];
    operands_of(t, transposed, flat, elem, in);
    const int64_t flat_pad[] = {t->pad[1], t->pad[3]};
    uint32_t spatial = flat ? 1 : 2, skip = flat ? 1 : 0;
    struct attr attrs[] = {
        {.name = ATTR_stride, .ints = {t->stride + skip, spatial}},
        {.name = ATTR_dilation, .ints = {t->dilation + skip, spatial}},
        {.name = ATTR_pad, .ints = {flat ? flat_pad : t->pad, 2 * spatial}},
        INT(groups, t->groups),
        {.name = ATTR_output_pad, .ints = {t->output_pad + skip, spatial}},
    };
    enum op_kind kind = flat         ? (transposed ? OP_conv_transpose1d : OP_conv1d)
                        : transposed ? OP_conv_transpose2d
                                     : OP_conv2d;
    struct tensor y = op_apply(kind, in, 3, attrs, transposed ? 5 : 4, f64);
    int64_t size[2], x[2] = {t->h, t->w}, taps[2] = {t->kh, t->kw};
    for (int s = 0; s < 2; s++) {
        int64_t extent = (taps[s] - 1) * t->dilation[s] + 1, pad = t->pad[s] + t->pad[2 + s];
        size[s] = transposed ? (x[s] - 1) * t->stride[s] + extent - pad + t->output_pad[s]
                             : (x[s] + pad - extent) / t->stride[s] + 1;
    }
    CHECK(y.dim[0] == t->n && y.dim[1] == t->o && y.dim[y.rank - 1] == size[1] &&
          (flat || y.dim[2] == size[0]));
    double *expected = reference(t, transposed, in, size[0], size[1]);
    expect(t->what, &y, expected, tolerance(f64 ? ELEM_f64 : elem));
    free(expected);
    tensor_free(&y);
    for (int i = 0; i < 3; i++) tensor_free(&in[i]);
}

static void convs(void) {
    static const enum elem elems[] = {ELEM_f32, ELEM_f64, ELEM_f16, ELEM_bf16};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t e = 0; e < COUNT_OF(elems); e++)
            for (int transposed = 0; transposed < 2; transposed++) {
                const struct conv_case *t = &cases[i];
                conv(t, transposed, false, elems[e], false);
                if (t->h == 1 && t->kh == 1) conv(t, transposed, true, elems[e], false);
                if (elems[e] == ELEM_f32) conv(t, transposed, false, elems[e], true);
            }
}

/* Attributes that nobody would write down: padding past the kernel, strides past everything. */
static void random_convs(void) {
    uint64_t state = 1;
#define DRAW(lo, hi) ((lo) + (int64_t)(sample_random(&state) % (uint64_t)((hi) - (lo) + 1)))
    for (int tries = 0; tries < 300; tries++) {
        struct conv_case t = {
            .what = "random", .n = DRAW(1, 2), .groups = DRAW(1, 3), .kh = DRAW(1, 3), .kw = DRAW(1, 4)};
        t.c = t.groups * DRAW(1, 2);
        t.o = t.groups * DRAW(1, 3);
        t.h = DRAW(1, 7);
        t.w = DRAW(1, 8);
        bool fits[2] = {true, true}; /* as a convolution, transposed */
        for (int s = 0; s < 2; s++) {
            t.stride[s] = DRAW(1, 4);
            t.dilation[s] = DRAW(1, 3);
            t.pad[s] = DRAW(0, 3);
            t.pad[2 + s] = DRAW(0, 3);
            t.output_pad[s] = DRAW(0, 2);
            int64_t in = s ? t.w : t.h, extent = ((s ? t.kw : t.kh) - 1) * t.dilation[s] + 1,
                    pad = t.pad[s] + t.pad[2 + s];
            fits[0] = fits[0] && in + pad >= extent;
            fits[1] = fits[1] && (in - 1) * t.stride[s] + extent - pad + t.output_pad[s] >= 1;
        }
        for (int transposed = 0; transposed < 2; transposed++)
            if (fits[transposed]) conv(&t, transposed, false, ELEM_f32, false);
    }
#undef DRAW
}

/* Larger than what is taken at a time, so that several pieces make the result. */
static void conv_in_pieces(void) {
    static const struct conv_case large = {"in pieces", 1, 64,     70,     64,           3,     3,
                                           3,           1, {1, 1}, {1, 1}, {1, 1, 1, 1}, {0, 0}};
    static const struct conv_case wide = {"a row in pieces", 1,     512, 1, 41, 3, 1, 64, 1, {1, 1}, {1, 1},
                                          {0, 63, 0, 0},     {0, 0}};
    conv(&large, false, false, ELEM_f32, false);
    conv(&large, true, false, ELEM_f32, false);
    conv(&wide, false, true, ELEM_f32, false);
    conv(&wide, true, true, ELEM_f32, true);
}

/* Nothing is computed, and nothing is asked of memory for it. */
static void absurd_extents(void) {
    const int64_t huge = INT64_C(1) << 19;
    struct tensor in[2] = {{.elem = ELEM_f32, .rank = 4, .dim = {1, huge, 3, 3}},
                           {.elem = ELEM_f32, .rank = 4, .dim = {0, huge, 3, 3}}};
    in[0] = tensor_new(ELEM_f32, 4, in[0].dim);
    struct tensor y = op_apply(OP_conv2d, in, 2, NULL, 0, false);
    CHECK(tensor_count(&y) == 0);
    tensor_free(&y);
    tensor_free(&in[0]);
    struct tensor empty = {.elem = ELEM_f32, .rank = 4, .dim = {0, 1, huge * huge, 4}};
    y = op_apply(OP_maxpool2d, &empty, 1, (struct attr[]){INTS(window, 2, 2)}, 1, false);
    CHECK(y.dim[2] == huge * huge / 2);
    tensor_free(&y);
}

int main(void) {
    linears();
    narrow_floats_round_once();
    matmuls();
    convs();
    random_convs();
    conv_in_pieces();
    absurd_extents();
    return unit_status();
}
