/* The geometry of ops with windows: convolutions and pools. */
#ifndef ADZE_FRONTEND_ONNX_WINDOW_H
#define ADZE_FRONTEND_ONNX_WINDOW_H

#include "frontend/onnx/importer.h"

enum { MOST_SPATIAL = 3 };

struct window {
    uint32_t spatial; /* dimensions behind batch and channels */
    int64_t kernel[MOST_SPATIAL], stride[MOST_SPATIAL], dilation[MOST_SPATIAL];
    int64_t pad[2 * MOST_SPATIAL]; /* before each dimension, then after each */
    enum { PADS_GIVEN, PADS_SAME_UPPER, PADS_SAME_LOWER, PADS_VALID } pads;
};

/* One number for each of `count` from an attribute, each at least `least`; `fill` when it is absent. */
MUST_USE enum status window_list(struct node *n, const char *name, uint32_t count, int64_t least,
                                 int64_t fill, int64_t *out);
/* The node's geometry over x, which has at most `most` spatial dimensions. The kernel is that of the weights;
 * pads of SAME are worked out only by window_resolve. */
MUST_USE enum status window_of_conv(struct node *n, ref x, ref weights, uint32_t most, struct window *out);
MUST_USE enum status window_of_pool(struct node *n, ref x, struct window *out); /* resolved */
/* Turns SAME_UPPER and SAME_LOWER into pads, as for a convolution or pool. */
MUST_USE enum status window_resolve(struct node *n, ref x, struct window *w);

/* A convolution of in[0] (the value) with in[1] (the weights) and, with count 3, in[2] (the bias), with the
 * geometry that the node's attributes give. 0 after a failure that has been noted. */
ref emit_convolution(struct node *n, const ref in[], uint32_t count);

/* The same over three spatial dimensions, and pools over three, out of ops over two (volume.c). */
ref emit_volume_convolution(struct node *n, const ref in[], uint32_t count, const struct window *w,
                            int64_t groups);
/* The transpose of such a convolution. */
ref emit_volume_transpose(struct node *n, const ref in[], uint32_t count, const struct window *w,
                          const int64_t *output_pad, int64_t groups);
ref emit_volume_pool(struct node *n, ref x, enum op_kind kind, const struct window *w,
                     const struct attr *modes, uint32_t mode_count);

/* Where in x, counted row by row or else column by column, the elements of the max pool y are
 * (pool_indices.c). */
ref emit_pool_indices(struct node *n, ref x, ref y, const struct window *w, bool columns);

#endif
