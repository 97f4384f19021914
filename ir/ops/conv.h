/* The shape of a convolution on concrete tensors, shared by inference, evaluation and footprints. 1d is 2d
 * with height 1. */
#ifndef ADZE_IR_OPS_CONV_H
#define ADZE_IR_OPS_CONV_H

#include "ir/ops/window.h"

enum { CONV_SPATIAL = 2 };

/* `small` is the side of the fewer positions: the result of a convolution, the operand of a transposed one;
 * `large` is what the windows slide over. Extents and windows: height, then width. */
struct conv {
    int64_t batch, groups;
    int64_t large_channels, small_channels; /* of one group */
    int64_t large[CONV_SPATIAL], small[CONV_SPATIAL];
    struct window window[CONV_SPATIAL];
};

static inline int64_t conv_taps(const struct conv *c) {
    return c->window[0].taps * c->window[1].taps;
}
static inline int64_t conv_large(const struct conv *c) {
    return c->large[0] * c->large[1];
}
static inline int64_t conv_small(const struct conv *c) {
    return c->small[0] * c->small[1];
}

/* The convolution with the operand x, the kernel w and the result y of an op that passed inference. */
struct conv conv_of(const struct op *op, bool transposed, uint32_t rank, const int64_t *x, const int64_t *w,
                    const int64_t *y);

#endif
