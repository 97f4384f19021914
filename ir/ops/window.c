#include "ir/ops/window.h"

static int64_t ceil_div_any(int64_t a, int64_t b) {
    return -floor_div(-a, b);
}

static enum status check_range(const struct infer *infer, enum attr_name name, uint32_t i, int64_t value,
                               int64_t least) {
    if (value >= least && value <= DIM_MAX) return STATUS_OK;
    return infer_error(infer, "%s[%u] is %lld, expected %lld to %d", attr_name_text(name), i,
                       (long long)value, (long long)least, DIM_MAX);
}

enum status window_check(const struct infer *infer, uint32_t spatial, const int64_t *taps, bool zero_stride) {
    const int64_t *stride = op_ints(infer->op, ATTR_stride, NULL), *pad = op_ints(infer->op, ATTR_pad, NULL);
    const int64_t *dilation = op_ints(infer->op, ATTR_dilation, NULL);
    for (uint32_t s = 0; s < spatial; s++) {
        if (taps[s] < 1 || taps[s] > DIM_MAX)
            return infer_error(infer, "the window's extent is %lld, expected 1 to %d", (long long)taps[s],
                               DIM_MAX);
        TRY(check_range(infer, ATTR_stride, s, stride[s], zero_stride ? 0 : 1));
        TRY(check_range(infer, ATTR_dilation, s, dilation[s], 1));
        TRY(check_range(infer, ATTR_pad, s, pad[s], 0));
        TRY(check_range(infer, ATTR_pad, spatial + s, pad[spatial + s], 0));
    }
    return STATUS_OK;
}

void window_of(const struct op *op, uint32_t spatial, const int64_t *taps, struct window out[MAX_SPATIAL]) {
    const int64_t *stride = op_ints(op, ATTR_stride, NULL), *pad = op_ints(op, ATTR_pad, NULL);
    const int64_t *dilation = op_ints(op, ATTR_dilation, NULL);
    for (uint32_t s = 0; s < spatial; s++)
        out[s] =
            (struct window){taps[s], stride[s] ? stride[s] : taps[s], dilation[s], pad[s], pad[spatial + s]};
}

/* With I the padded extent and W the window's, floor((I - W) / stride) + 1 positions; rounding up adds stride
 * - 1 to the dividend. The last position p must have p * stride < in + before, which is floor((in + before -
 * 1) / stride)
 * + 1 positions: the smaller dividend decides, whatever `in` is. */
enum status window_positions(const struct infer *infer, const struct window *w, dim_id in, bool ceil,
                             dim_id *out) {
    struct types *types = &infer->m->types;
    int64_t more = w->before + w->after - window_extent(w);
    if (ceil) more = min_i64(more + w->stride - 1, w->before - 1);
    dim_id dividend = dim_add(types, in, dim_const(types, more));
    dim_id positions =
        dim_add(types, dim_floor_div(types, dividend, dim_const(types, w->stride)), dim_const(types, 1));
    if (!positions.i) return infer_error(infer, "the result's extent overflows");
    if (dim_hi(types, positions) < 0) { /* 0: less than a stride too short, which the formula makes empty */
        struct str found = {0};
        dim_print(types, in, &found);
        enum status status = infer_error(
            infer, "a window of extent %lld does not fit into an extent of %s (padding %lld + %lld)",
            (long long)window_extent(w), str_text(&found), (long long)w->before, (long long)w->after);
        str_free(&found);
        return status;
    }
    *out = positions;
    return STATUS_OK;
}

/* Adds what tap k takes part in, [lo, hi), if that is anything. */
static void widen(struct window_span *span, int64_t k, int64_t lo, int64_t hi) {
    if (lo >= hi) return;
    bool first = span->lo == span->hi;
    span->lo = first ? lo : min_i64(span->lo, lo);
    span->hi = first ? hi : max_i64(span->hi, hi);
    span->tap_lo = first ? k : span->tap_lo;
    span->tap_hi = k + 1;
}

struct window_span window_read(const struct window *w, int64_t in, int64_t lo, int64_t hi) {
    struct window_span span = {0};
    for (int64_t k = 0; k < w->taps; k++) {
        int64_t shift = k * w->dilation - w->before; /* position o reads o * stride + shift */
        int64_t first = max_i64(lo, ceil_div_any(-shift, w->stride));
        int64_t last = min_i64(hi - 1, floor_div(in - 1 - shift, w->stride));
        if (first <= last) widen(&span, k, first * w->stride + shift, last * w->stride + shift + 1);
    }
    return span;
}

struct window_span window_readers(const struct window *w, int64_t positions, int64_t lo, int64_t hi) {
    struct window_span span = {0};
    for (int64_t k = 0; k < w->taps; k++) {
        int64_t shift = k * w->dilation - w->before;
        int64_t first = max_i64(0, ceil_div_any(lo - shift, w->stride));
        int64_t last = min_i64(positions - 1, floor_div(hi - 1 - shift, w->stride));
        widen(&span, k, first, last + 1);
    }
    return span;
}

void window_taps(const struct window *w, int64_t in, int64_t o, int64_t *lo, int64_t *hi) {
    int64_t start = o * w->stride - w->before; /* tap k reads start + k * dilation */
    *lo = max_i64(0, ceil_div_any(-start, w->dilation));
    *hi = max_i64(*lo, min_i64(w->taps, floor_div(in - 1 - start, w->dilation) + 1));
}
