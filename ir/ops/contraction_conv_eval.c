/* Evaluation of convolutions: the operand's windows as the columns of a matrix (im2col), times the kernels;
 * and the other way round for transposed ones (a product, then col2im). */
#include "ir/ops/conv.h"
#include "ir/ops/functions.h"
#include "ir/ops/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A rectangle of small positions that is handled at a time, so that its columns take a few megabytes: whole
 * rows, or a part of one row. */
struct piece {
    int64_t y, rows, x, width;
};

static int64_t piece_positions(const struct conv *c) {
    enum { ELEMENTS = 1 << 20 };
    if (!conv_small(c)) return 0;
    int64_t most = max_i64(1, ELEMENTS / max_i64(1, c->large_channels * conv_taps(c)));
    return most < c->small[1] ? most : min_i64(c->small[0], most / c->small[1]) * c->small[1];
}

/* The piece that starts at position `at`; pieces follow each other in row-major order. */
static struct piece piece_at(const struct conv *c, int64_t at) {
    int64_t most = piece_positions(c), x = at % c->small[1], y = at / c->small[1];
    if (most < c->small[1]) return (struct piece){y, 1, x, min_i64(most, c->small[1] - x)};
    return (struct piece){y, min_i64(most / c->small[1], c->small[0] - y), 0, c->small[1]};
}

/* Every channel, tap and row of the piece, in the order of the columns. */
#define EACH_TAP_ROW(c, piece)                                                                               \
    for (int64_t channel = 0; channel < (c)->large_channels; channel++)                                      \
        for (int64_t ky = 0; ky < (c)->window[0].taps; ky++)                                                 \
            for (int64_t kx = 0; kx < (c)->window[1].taps; kx++)                                             \
                for (int64_t y = (piece)->y; y < (piece)->y + (piece)->rows; y++)

/* Where tap (ky, kx) stands for the piece's positions in row y: those in [lo, hi) on element first + x *
 * stride of `large`'s channel, the others in the padding. */
struct tap_row {
    int64_t lo, hi, first;
};

static struct tap_row tap_row(const struct conv *c, const struct piece *p, int64_t ky, int64_t kx,
                              int64_t y) {
    const struct window *h = &c->window[0], *w = &c->window[1];
    int64_t line = y * h->stride - h->before + ky * h->dilation, shift = kx * w->dilation - w->before;
    struct tap_row t = {p->x, p->x, line * c->large[1] + shift};
    if (line < 0 || line >= c->large[0]) return t;
    t.lo = max_i64(p->x, min_i64(p->x + p->width, shift < 0 ? ceil_div(-shift, w->stride) : 0));
    t.hi = max_i64(t.lo, min_i64(p->x + p->width, floor_div(c->large[1] - 1 - shift, w->stride) + 1));
    return t;
}

/* columns[(channel, ky, kx)][(y, x)] = large[channel][y * stride + …][x * stride + …], 0 in the padding. */
#define IM2COL(name, T)                                                                                      \
    static void name(const struct conv *c, const struct piece *p, const T *large, T *columns) {              \
        int64_t stride = c->window[1].stride, end = p->x + p->width;                                         \
        EACH_TAP_ROW(c, p) {                                                                                 \
            struct tap_row t = tap_row(c, p, ky, kx, y);                                                     \
            const T *from = large + channel * conv_large(c);                                                 \
            for (int64_t x = p->x; x < t.lo; x++) *columns++ = 0;                                            \
            if (stride == 1 && t.lo < t.hi) {                                                                \
                memcpy(columns, from + t.first + t.lo, (size_t)(t.hi - t.lo) * sizeof *columns);             \
                columns += t.hi - t.lo;                                                                      \
            } else {                                                                                         \
                for (int64_t x = t.lo; x < t.hi; x++) *columns++ = from[t.first + x * stride];               \
            }                                                                                                \
            for (int64_t x = t.hi; x < end; x++) *columns++ = 0;                                             \
        }                                                                                                    \
    }
/* The sums of the same mapping backwards. */
#define COL2IM(name, T)                                                                                      \
    static void name(const struct conv *c, const struct piece *p, const T *columns, T *large) {              \
        int64_t stride = c->window[1].stride;                                                                \
        EACH_TAP_ROW(c, p) {                                                                                 \
            struct tap_row t = tap_row(c, p, ky, kx, y);                                                     \
            T *to = large + channel * conv_large(c);                                                         \
            for (int64_t x = t.lo; x < t.hi; x++) to[t.first + x * stride] += columns[x - p->x];             \
            columns += p->width;                                                                             \
        }                                                                                                    \
    }
IM2COL(im2col_f32, float)
IM2COL(im2col_f64, double)
COL2IM(col2im_f32, float)
COL2IM(col2im_f64, double)

/* A 1x1 kernel without stride and padding: the columns are the operand itself. */
static bool is_pointwise(const struct conv *c) {
    for (int s = 0; s < CONV_SPATIAL; s++) {
        const struct window *w = &c->window[s];
        if (w->taps != 1 || w->stride != 1 || w->before || c->small[s] != c->large[s]) return false;
    }
    return true;
}

/* y[(y, x)] += sum over the taps of kernel · large[…]: one channel, where columns would cost more than the
 * sums. The padding adds nothing, while a kernel that is not finite times its zeros would: see below. */
#define SLIDE(name, T)                                                                                       \
    static void name(const struct conv *c, const T *kernel, const T *large, T *out) {                        \
        int64_t stride = c->window[1].stride;                                                                \
        struct piece all = {0, c->small[0], 0, c->small[1]};                                                 \
        for (int64_t ky = 0; ky < c->window[0].taps; ky++)                                                   \
            for (int64_t kx = 0; kx < c->window[1].taps; kx++, kernel++)                                     \
                for (int64_t y = 0; y < c->small[0]; y++) {                                                  \
                    struct tap_row t = tap_row(c, &all, ky, kx, y);                                          \
                    const T factor = *kernel, *restrict from = large + t.first;                              \
                    T *restrict to = out + y * c->small[1];                                                  \
                    if (stride == 1)                                                                         \
                        for (int64_t x = t.lo; x < t.hi; x++) to[x] += factor * from[x];                     \
                    else                                                                                     \
                        for (int64_t x = t.lo; x < t.hi; x++) to[x] += factor * from[x * stride];            \
                }                                                                                            \
    }
SLIDE(slide_f32, float)
SLIDE(slide_f64, double)

/* One channel to one, and no tap that the padding's zeros would make NaN. */
#define SLIDES(name, T)                                                                                      \
    static bool name(const struct conv *c, const T *kernel) {                                                \
        bool finite = c->large_channels == 1 && c->small_channels == 1;                                      \
        for (int64_t i = 0; finite && i < conv_taps(c); i++) finite = isfinite(kernel[i]);                   \
        return finite;                                                                                       \
    }
SLIDES(slides_f32, float)
SLIDES(slides_f64, double)

/* One image of one group. */
struct pane {
    enum elem elem;
    bool ordered;
    const struct conv *c;
    const char *kernel; /* [small channels][large channels * taps] */
    void *columns;      /* scratch */
};

static void convolve(const struct pane *p, const char *x, char *y) {
    const struct conv *c = p->c;
    if (!p->ordered && p->elem == ELEM_f32 && slides_f32(c, (const float *)p->kernel)) {
        slide_f32(c, (const float *)p->kernel, (const float *)x, (float *)y);
        return;
    }
    if (!p->ordered && p->elem == ELEM_f64 && slides_f64(c, (const double *)p->kernel)) {
        slide_f64(c, (const double *)p->kernel, (const double *)x, (double *)y);
        return;
    }
    size_t bytes = elem_bytes(p->elem);
    int64_t depth = c->large_channels * conv_taps(c);
    struct gemm g = {
        .elem = p->elem, .ordered = p->ordered, .accumulate = true, .m = c->small_channels, .k = depth};
    g.a = (struct matrix){p->kernel, depth, false};
    g.c_row = conv_small(c);
    for (int64_t at = 0; at < conv_small(c); at += g.n) {
        struct piece piece = piece_at(c, at);
        g.n = piece.rows * piece.width;
        g.c = y + (size_t)at * bytes;
        if (is_pointwise(c)) {
            g.b = (struct matrix){x + (size_t)at * bytes, conv_large(c), false};
        } else {
            if (p->elem == ELEM_f32)
                im2col_f32(c, &piece, (const float *)x, p->columns);
            else
                im2col_f64(c, &piece, (const double *)x, p->columns);
            g.b = (struct matrix){p->columns, g.n, false};
        }
        gemm(&g);
    }
}

static void convolve_transposed(const struct pane *p, const char *x, char *y) {
    const struct conv *c = p->c;
    size_t bytes = elem_bytes(p->elem);
    int64_t depth = c->large_channels * conv_taps(c);
    struct gemm g = {.elem = p->elem, .ordered = p->ordered, .m = depth, .k = c->small_channels};
    g.a = (struct matrix){p->kernel, depth, true};
    g.c = p->columns;
    for (int64_t at = 0; at < conv_small(c); at += g.n) {
        struct piece piece = piece_at(c, at);
        g.n = g.c_row = piece.rows * piece.width;
        g.b = (struct matrix){x + (size_t)at * bytes, conv_small(c), false};
        gemm(&g);
        if (p->elem == ELEM_f32)
            col2im_f32(c, &piece, p->columns, (float *)y);
        else
            col2im_f64(c, &piece, p->columns, (double *)y);
    }
}

/* y[n][o][…] = b[o]. */
static void fill_bias(enum elem elem, const void *bias, int64_t batch, int64_t channels, int64_t positions,
                      void *y) {
    for (int64_t i = 0; i < batch * channels * positions; i++) {
        int64_t channel = i / positions % channels;
        if (elem == ELEM_f32)
            ((float *)y)[i] = ((const float *)bias)[channel];
        else
            ((double *)y)[i] = ((const double *)bias)[channel];
    }
}

static enum status eval_either_conv(const struct eval *eval, bool transposed) {
    const struct tensor *x = eval->in[0], *w = eval->in[1];
    const struct tensor *b = eval->op->operand_count > 2 ? eval->in[2] : NULL;
    if (!tensor_count(eval->out)) return STATUS_OK;
    TRY(gemm_check_blas(eval));
    struct conv c = conv_of(eval->op, transposed, x->rank, x->dim, w->dim, eval->out->dim);
    enum elem elem = gemm_elem(x->elem);
    size_t bytes = elem_bytes(elem);
    struct wide wx = wide_of(x), ww = wide_of(w);
    void *y = wide_result(eval->out);
    if (b) {
        struct wide wb = wide_of(b);
        fill_bias(elem, wb.at, c.batch, eval->out->dim[1], transposed ? conv_large(&c) : conv_small(&c), y);
        wide_free(&wb);
    }
    int64_t depth = c.large_channels * conv_taps(&c);
    struct pane p = {.elem = elem, .ordered = eval->ordered, .c = &c};
    p.columns = xmalloc_aligned((size_t)(depth * piece_positions(&c)) * bytes);
    size_t large = (size_t)(c.large_channels * conv_large(&c)) * bytes,
           small = (size_t)(c.small_channels * conv_small(&c)) * bytes;
    for (int64_t i = 0; i < c.batch * c.groups; i++) {
        p.kernel = (const char *)ww.at + (size_t)(i % c.groups * c.small_channels * depth) * bytes;
        if (transposed)
            convolve_transposed(&p, (const char *)wx.at + (size_t)i * small, (char *)y + (size_t)i * large);
        else
            convolve(&p, (const char *)wx.at + (size_t)i * large, (char *)y + (size_t)i * small);
    }
    free(p.columns);
    wide_store(eval->out, y);
    wide_free(&wx);
    wide_free(&ww);
    return STATUS_OK;
}

enum status eval_conv(const struct eval *eval) {
    return eval_either_conv(eval, false);
}
enum status eval_conv_transpose(const struct eval *eval) {
    return eval_either_conv(eval, true);
}
