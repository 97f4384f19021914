/* Sliding windows: what convolutions and pooling share. */
#ifndef ADZE_IR_OPS_WINDOW_H
#define ADZE_IR_OPS_WINDOW_H

#include "ir/op.h"

enum { MAX_SPATIAL = 2 };

/* A window along one spatial dimension: tap k of position o reads element o * stride - before + k * dilation,
 * if there is one. All numbers are at most DIM_MAX, so that products of two fit. */
struct window {
    int64_t taps, stride, dilation, before, after;
};

/* The windows of an op with attributes stride, pad and dilation over `spatial` dimensions; taps[] are the
 * extents of the kernel. An error names the attribute. A stride of 0 stands for the window where
 * `zero_stride` says so. */
MUST_USE enum status window_check(const struct infer *infer, uint32_t spatial, const int64_t *taps,
                                  bool zero_stride);
/* The same without checks, for an op that passed them. */
void window_of(const struct op *op, uint32_t spatial, const int64_t *taps, struct window out[MAX_SPATIAL]);

static inline int64_t window_extent(const struct window *w) {
    return (w->taps - 1) * w->dilation + 1;
}

/* Number of positions over `in` elements, rounded down, or up with `ceil`: then windows that would start past
 * the last element, in the padding after it, do not count (as in ONNX and PyTorch). An error (with the name
 * of the op) if a constant extent leaves no position, or on overflow. */
MUST_USE enum status window_positions(const struct infer *infer, const struct window *w, dim_id in, bool ceil,
                                      dim_id *out);

/* The smallest intervals of elements (or positions) and of taps that take part in something; empty: all 0. */
struct window_span {
    int64_t lo, hi, tap_lo, tap_hi;
};
/* What the positions [lo, hi) read of the elements [0, in). */
struct window_span window_read(const struct window *w, int64_t in, int64_t lo, int64_t hi);
/* The positions of [0, positions) that read or, transposed, add to the elements [lo, hi). */
struct window_span window_readers(const struct window *w, int64_t positions, int64_t lo, int64_t hi);

/* Taps of position o that lie inside [0, in): k in [*lo, *hi). */
void window_taps(const struct window *w, int64_t in, int64_t o, int64_t *lo, int64_t *hi);

#endif
