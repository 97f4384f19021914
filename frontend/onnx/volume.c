/* Windows over three spatial dimensions, out of ops over two.
 *
 * A convolution is the sum, over the taps of the kernel's depth, of convolutions of the slices of depth that
 * a tap sees; for them the depth is part of the batch. A pool is separable: the largest, or the mean, over
 * the depth of those over the area; every window of a plane counts the same cells, so the mean of means is
 * the mean. */
#include "frontend/onnx/window.h"

static ref reshaped(struct node *n, ref x, const dim_id *dims, uint32_t rank) {
    return emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, dims, rank));
}

/* Depth behind the batch and back. */
static ref swap_depth_and_channels(struct node *n, ref x) {
    static const int64_t perm[5] = {0, 2, 1, 3, 4};
    return emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, perm, 5));
}

/* Every `step`th element of dimension 2, `count` of them. */
static ref slice_depth(struct node *n, ref x, int64_t start, int64_t step, int64_t count) {
    int64_t axis = 2, end = start + (count - 1) * step + 1;
    return emit1_with(n, OP_slice, x, node_attr_ints(n, ATTR_starts, &start, 1),
                      node_attr_ints(n, ATTR_ends, &end, 1), node_attr_ints(n, ATTR_axes, &axis, 1),
                      node_attr_ints(n, ATTR_steps, &step, 1));
}

/* The planes that tap k sees, as a batch of pictures. */
static ref planes_of_tap(struct node *n, ref padded, const struct window *w, int64_t k, int64_t depth) {
    struct types *types = &n->im->m->types;
    ref x = slice_depth(n, padded, k * w->dilation[0], w->stride[0], depth);
    if (ref_none(x)) return x;
    dim_id dims[4] = {dim_mul(types, ref_dim(n->im, x, 0), dim_const(types, depth)), ref_dim(n->im, x, 1),
                      ref_dim(n->im, x, 3), ref_dim(n->im, x, 4)};
    x = swap_depth_and_channels(n, x);
    return ref_none(x) ? x : reshaped(n, x, dims, 4);
}

static ref weights_of_tap(struct node *n, ref weights, int64_t k) {
    static const int64_t depth_axis = 2;
    ref tap = slice_depth(n, weights, k, 1, 1);
    return emit1_with(n, OP_squeeze, tap, node_attr_ints(n, ATTR_axes, &depth_axis, 1));
}

static ref padded_depth(struct node *n, ref x, const struct window *w) {
    int64_t pads[10] = {0};
    pads[2] = w->pad[0];
    pads[7] = w->pad[3];
    if (!pads[2] && !pads[7]) return x;
    return emit1_with(n, OP_pad, x, node_attr_ints(n, ATTR_pads, pads, 10));
}

static ref convolve_planes(struct node *n, const ref in[3], uint32_t count, const struct window *w,
                           int64_t groups) {
    const int64_t pad[4] = {w->pad[1], w->pad[2], w->pad[4], w->pad[5]};
    if (ref_none(in[0]) || ref_none(in[1])) return (ref){0};
    return emit_op(
        n, OP_conv2d, in, count,
        EMIT_ATTRS(node_attr_ints(n, ATTR_stride, w->stride + 1, 2), node_attr_ints(n, ATTR_pad, pad, 4),
                   node_attr_ints(n, ATTR_dilation, w->dilation + 1, 2), attr_int(ATTR_groups, groups)));
}

ref emit_volume_convolution(struct node *n, const ref in[], uint32_t count, const struct window *w,
                            int64_t groups) {
    struct types *types = &n->im->m->types;
    int64_t size;
    if (!dim_is_const(types, ref_dim(n->im, in[0], 2), &size)) {
        (void)unsupported(n, "%s over a depth without a size (fix it by --shape or --dim)",
                          n->proto->op_type);
        return (ref){0};
    }
    int64_t room = size + w->pad[0] + w->pad[3] - w->dilation[0] * (w->kernel[0] - 1) - 1;
    if (room < 0 || w->kernel[0] < 1) {
        (void)node_error(n, "its window does not fit into the depth");
        return (ref){0};
    }
    int64_t depth = room / w->stride[0] + 1;
    ref padded = padded_depth(n, in[0], w), sum = {0};
    if (ref_none(padded)) return padded;
    for (int64_t k = 0; k < w->kernel[0]; k++) {
        ref tap[3] = {planes_of_tap(n, padded, w, k, depth), weights_of_tap(n, in[1], k)};
        if (count == 3) tap[2] = in[2];
        ref part = convolve_planes(n, tap, k ? 2 : count, w, groups);
        sum = k ? emit2(n, OP_add, sum, part) : part;
        if (ref_none(sum)) return sum;
    }
    dim_id dims[5] = {ref_dim(n->im, in[0], 0), dim_const(types, depth), ref_dim(n->im, sum, 1),
                      ref_dim(n->im, sum, 2), ref_dim(n->im, sum, 3)};
    ref y = reshaped(n, sum, dims, 5);
    return ref_none(y) ? y : swap_depth_and_channels(n, y);
}

/* -- transposed: each tap of the depth spreads the planes, `stride` apart, from its place on -- */

/* Planes [n * depth, c, h, w] as [n, c, depth * stride, h, w] with zeros between, placed so that the first is
 * at `start` of `depth_out`. */
static ref spread_planes(struct node *n, ref planes, dim_id batch, int64_t depth, int64_t stride,
                         int64_t start, int64_t depth_out) {
    struct types *types = &n->im->m->types;
    if (ref_none(planes)) return planes;
    dim_id c = ref_dim(n->im, planes, 1), h = ref_dim(n->im, planes, 2), w = ref_dim(n->im, planes, 3);
    ref x = reshaped(n, planes, (const dim_id[]){batch, dim_const(types, depth), c, h, w}, 5);
    if (!ref_none(x)) x = swap_depth_and_channels(n, x);
    int64_t between[12] = {0}, around[10] = {0};
    between[9] = stride - 1;
    around[2] = start, around[7] = depth_out - start - depth * stride;
    ref apart =
        reshaped(n, x, (const dim_id[]){batch, c, dim_const(types, depth), dim_const(types, 1), h, w}, 6);
    apart = emit1_with(n, OP_pad, apart, node_attr_ints(n, ATTR_pads, between, 12));
    ref line = reshaped(n, apart, (const dim_id[]){batch, c, dim_const(types, depth * stride), h, w}, 5);
    return emit1_with(n, OP_pad, line, node_attr_ints(n, ATTR_pads, around, 10));
}

static ref transpose_planes(struct node *n, ref planes, ref weights, const struct window *w,
                            const int64_t *output_pad, int64_t groups) {
    const int64_t pad[4] = {w->pad[1], w->pad[2], w->pad[4], w->pad[5]};
    return emit2_with(n, OP_conv_transpose2d, planes, weights,
                      node_attr_ints(n, ATTR_stride, w->stride + 1, 2), node_attr_ints(n, ATTR_pad, pad, 4),
                      node_attr_ints(n, ATTR_dilation, w->dilation + 1, 2),
                      node_attr_ints(n, ATTR_output_pad, output_pad + 1, 2), attr_int(ATTR_groups, groups));
}

static ref add_channels(struct node *n, ref x, ref bias) {
    static const int64_t axes[3] = {1, 2, 3};
    return emit2(n, OP_add, x, emit1_with(n, OP_unsqueeze, bias, node_attr_ints(n, ATTR_axes, axes, 3)));
}

ref emit_volume_transpose(struct node *n, const ref in[], uint32_t count, const struct window *w,
                          const int64_t *output_pad, int64_t groups) {
    struct types *types = &n->im->m->types;
    int64_t depth;
    if (!dim_is_const(types, ref_dim(n->im, in[0], 2), &depth)) {
        (void)unsupported(n, "%s over a depth without a size (fix it by --shape or --dim)",
                          n->proto->op_type);
        return (ref){0};
    }
    int64_t full = (depth - 1) * w->stride[0] + w->dilation[0] * (w->kernel[0] - 1) + 1 + output_pad[0];
    int64_t depth_out = full - w->pad[0] - w->pad[3];
    if (depth_out < 0 || depth_out > DIM_MAX) {
        (void)node_error(n, "its padding leaves nothing of the depth");
        return (ref){0};
    }
    dim_id batch = ref_dim(n->im, in[0], 0);
    const dim_id flat[4] = {dim_mul(types, batch, dim_const(types, depth)), ref_dim(n->im, in[0], 1),
                            ref_dim(n->im, in[0], 3), ref_dim(n->im, in[0], 4)};
    ref planes = reshaped(n, swap_depth_and_channels(n, in[0]), flat, 4), sum = {0};
    for (int64_t k = 0; k < w->kernel[0]; k++) {
        ref part = transpose_planes(n, planes, weights_of_tap(n, in[1], k), w, output_pad, groups);
        part = spread_planes(n, part, batch, depth, w->stride[0], k * w->dilation[0] - w->pad[0], depth_out);
        sum = k ? emit2(n, OP_add, sum, part) : part;
    }
    return count == 3 ? add_channels(n, sum, in[2]) : sum;
}

/* A pool with a window over two of the last dimensions of a value of rank 4. */
static ref pool_planes(struct node *n, ref x, enum op_kind kind, const int64_t window[2],
                       const int64_t stride[2], const int64_t pad[4], const int64_t dilation[2],
                       const struct attr *modes, uint32_t mode_count) {
    struct attr attrs[6] = {node_attr_ints(n, ATTR_window, window, 2),
                            node_attr_ints(n, ATTR_stride, stride, 2), node_attr_ints(n, ATTR_pad, pad, 4),
                            node_attr_ints(n, ATTR_dilation, dilation, 2)};
    for (uint32_t i = 0; i < mode_count; i++) attrs[4 + i] = modes[i];
    return emit_op(n, kind, &x, 1, attrs, 4 + mode_count);
}

ref emit_volume_pool(struct node *n, ref x, enum op_kind kind, const struct window *w,
                     const struct attr *modes, uint32_t mode_count) {
    struct types *types = &n->im->m->types;
    dim_id d[5];
    for (uint32_t i = 0; i < 5; i++) d[i] = ref_dim(n->im, x, i);
    /* Over the area, with channels and depth as one dimension. */
    const int64_t area_pad[4] = {w->pad[1], w->pad[2], w->pad[4], w->pad[5]};
    ref y = reshaped(n, x, (const dim_id[]){d[0], dim_mul(types, d[1], d[2]), d[3], d[4]}, 4);
    if (!ref_none(y))
        y = pool_planes(n, y, kind, w->kernel + 1, w->stride + 1, area_pad, w->dilation + 1, modes,
                        mode_count);
    if (ref_none(y)) return y;
    dim_id h = ref_dim(n->im, y, 2), width = ref_dim(n->im, y, 3);
    /* Over the depth, with the area as one dimension. */
    const int64_t window[2] = {w->kernel[0], 1}, stride[2] = {w->stride[0], 1},
                  dilation[2] = {w->dilation[0], 1};
    const int64_t depth_pad[4] = {w->pad[0], 0, w->pad[3], 0};
    y = reshaped(n, y, (const dim_id[]){d[0], d[1], d[2], dim_mul(types, h, width)}, 4);
    if (!ref_none(y)) y = pool_planes(n, y, kind, window, stride, depth_pad, dilation, modes, mode_count);
    if (ref_none(y)) return y;
    return reshaped(n, y, (const dim_id[]){d[0], d[1], ref_dim(n->im, y, 2), h, width}, 5);
}
