/* Convolutions and pools. */
#include "frontend/onnx/window.h"

#include <inttypes.h>

/* -- convolutions -- */

ref emit_convolution(struct node *n, const ref in[], uint32_t count) {
    struct window w;
    if (window_of_conv(n, in[0], in[1], MOST_SPATIAL, &w) != STATUS_OK) return (ref){0};
    if (window_resolve(n, in[0], &w) != STATUS_OK) return (ref){0};
    int64_t groups = node_int(n, "group", 1);
    if (w.spatial == 3) return emit_volume_convolution(n, in, count, &w, groups);
    return emit_op(n, w.spatial == 1 ? OP_conv1d : OP_conv2d, in, count,
                   EMIT_ATTRS(node_attr_ints(n, ATTR_stride, w.stride, w.spatial),
                              node_attr_ints(n, ATTR_pad, w.pad, 2 * w.spatial),
                              node_attr_ints(n, ATTR_dilation, w.dilation, w.spatial),
                              attr_int(ATTR_groups, groups)));
}

enum status import_conv(struct node *n) {
    ref in[3] = {node_in(n, 0), node_in(n, 1), node_in(n, 2)};
    return node_result(n, emit_convolution(n, in, ref_none(in[2]) ? 2 : 3));
}

/* Padding, and extra extent, so that the result has the extents of output_shape, or input * stride for SAME.
 */
static enum status transposed_padding(struct node *n, ref x, struct window *w, int64_t *output_pad) {
    struct ints shape = node_ints(n, "output_shape");
    bool same = w->pads == PADS_SAME_UPPER || w->pads == PADS_SAME_LOWER;
    if (!shape.given && !same) return STATUS_OK;
    if (shape.given && shape.count < w->spatial)
        return node_error(n, "attribute 'output_shape' has %u numbers, expected %u", shape.count, w->spatial);
    for (uint32_t i = 0; i < w->spatial; i++) {
        int64_t size, reach = w->dilation[i] * (w->kernel[i] - 1) + 1;
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, 2 + i), &size))
            return unsupported(n, "ConvTranspose to a given shape from a dimension without a size (fix it by "
                                  "--shape or --dim)");
        int64_t want = shape.given ? shape.at[shape.count - w->spatial + i] : size * w->stride[i];
        if (want < 0 || want > DIM_MAX)
            return node_error(n, "attribute 'output_shape' is %" PRId64 ", out of range", want);
        int64_t total = w->stride[i] * (size - 1) + output_pad[i] + reach - want;
        if (total < 0) output_pad[i] -= total, total = 0;
        int64_t half = total / 2;
        w->pad[i] = w->pads == PADS_SAME_UPPER ? half : total - half;
        w->pad[w->spatial + i] = total - w->pad[i];
    }
    return STATUS_OK;
}

enum status import_conv_transpose(struct node *n) {
    struct window w;
    int64_t output_pad[MOST_SPATIAL];
    ref in[3] = {node_in(n, 0), node_in(n, 1), node_in(n, 2)};
    TRY(window_of_conv(n, in[0], in[1], MOST_SPATIAL, &w));
    TRY(window_list(n, "output_padding", w.spatial, 0, 0, output_pad));
    TRY(transposed_padding(n, in[0], &w, output_pad));
    int64_t groups = node_int(n, "group", 1);
    if (w.spatial == 3)
        return node_result(n, emit_volume_transpose(n, in, ref_none(in[2]) ? 2 : 3, &w, output_pad, groups));
    return node_result(n, emit_op(n, w.spatial == 1 ? OP_conv_transpose1d : OP_conv_transpose2d, in,
                                  ref_none(in[2]) ? 2 : 3,
                                  EMIT_ATTRS(node_attr_ints(n, ATTR_stride, w.stride, w.spatial),
                                             node_attr_ints(n, ATTR_pad, w.pad, 2 * w.spatial),
                                             node_attr_ints(n, ATTR_dilation, w.dilation, w.spatial),
                                             node_attr_ints(n, ATTR_output_pad, output_pad, w.spatial),
                                             attr_int(ATTR_groups, groups))));
}

/* -- pooling -- */
/* SAME has rounded up already. */
static bool ceil_mode_of(struct node *n, const struct window *w) {
    return node_int(n, "ceil_mode", 0) != 0 && (w->pads == PADS_GIVEN || w->pads == PADS_VALID);
}

static ref emit_pool(struct node *n, ref x, enum op_kind one, enum op_kind two, const struct window *w,
                     const struct attr *modes, uint32_t mode_count) {
    if (w->spatial == 3) return emit_volume_pool(n, x, two, w, modes, mode_count);
    struct attr attrs[6] = {node_attr_ints(n, ATTR_window, w->kernel, w->spatial),
                            node_attr_ints(n, ATTR_stride, w->stride, w->spatial),
                            node_attr_ints(n, ATTR_pad, w->pad, 2 * w->spatial),
                            node_attr_ints(n, ATTR_dilation, w->dilation, w->spatial)};
    for (uint32_t i = 0; i < mode_count; i++) attrs[4 + i] = modes[i];
    return emit_op(n, w->spatial == 1 ? one : two, &x, 1, attrs, 4 + mode_count);
}

enum status import_max_pool(struct node *n) {
    struct window w;
    TRY(window_of_pool(n, node_in(n, 0), &w));
    bool columns = node_int(n, "storage_order", 0) != 0; /* of the indices */
    struct attr modes[] = {attr_bool(ATTR_ceil_mode, ceil_mode_of(n, &w))};
    ref y = emit_pool(n, node_in(n, 0), OP_maxpool1d, OP_maxpool2d, &w, modes, 1);
    if (!ref_none(y) && node_wants(n, 1)) {
        ref indices = emit_pool_indices(n, node_in(n, 0), y, &w, columns);
        if (ref_none(indices)) return STATUS_FAILED;
        node_out(n, 1, indices);
    }
    return node_result(n, y);
}

enum status import_average_pool(struct node *n) {
    struct window w;
    TRY(window_of_pool(n, node_in(n, 0), &w));
    struct attr modes[] = {attr_bool(ATTR_ceil_mode, ceil_mode_of(n, &w)),
                           attr_bool(ATTR_count_pad, node_int(n, "count_include_pad", 0) != 0)};
    return node_result(n, emit_pool(n, node_in(n, 0), OP_avgpool1d, OP_avgpool2d, &w, modes, 2));
}

static enum status global_pool(struct node *n, enum op_kind kind) {
    ref x = node_in(n, 0);
    int64_t axes[MAX_RANK];
    uint32_t rank = ref_rank(n->im, x);
    if (rank < 3) return node_error(n, "input 0 has rank %u, expected at least 3", rank);
    for (uint32_t i = 2; i < rank; i++) axes[i - 2] = i;
    return node_result(
        n, emit1_with(n, kind, x, node_attr_ints(n, ATTR_axes, axes, rank - 2), attr_bool(ATTR_keep, true)));
}

enum status import_global_average_pool(struct node *n) {
    return global_pool(n, OP_reduce_mean);
}
enum status import_global_max_pool(struct node *n) {
    return global_pool(n, OP_reduce_max);
}

/* -- pools of powers: (sum of |x|^p)^(1/p), the sum as a convolution with ones -- */
static ref power(struct node *n, ref x, double p) {
    if (ref_none(x) || p == 1) return x;
    if (p == 2) return emit2(n, OP_mul, x, x);
    return emit2(n, OP_pow, x, ref_f64(n->im, ref_elem(n->im, x), p));
}

static ref root(struct node *n, ref x, double p) {
    return p == 2 ? emit1(n, OP_sqrt, x) : power(n, x, 1 / p);
}

/* In ceil mode one more window where it begins inside; what it reaches beyond is padding. */
static enum status pad_for_last_window(struct node *n, ref x, struct window *w) {
    for (uint32_t i = 0; i < w->spatial; i++) {
        int64_t size, reach = w->dilation[i] * (w->kernel[i] - 1) + 1;
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, 2 + i), &size))
            return unsupported(n, "LpPool in ceil mode over a dimension without a size");
        int64_t room = size + w->pad[i] + w->pad[w->spatial + i] - reach;
        int64_t last =
            room < 0 ? 0 : ceil_div(room, w->stride[i]) * w->stride[i]; /* where the last one begins */
        if (room <= -w->stride[i] && room > -2 * w->stride[i])          /* rounded up, no window */
            w->pad[w->spatial + i] -= w->stride[i] + room;
        if (room <= -w->stride[i]) continue;
        if (last < size + w->pad[i]) w->pad[w->spatial + i] = max_i64(last + reach - size - w->pad[i], 0);
    }
    return STATUS_OK;
}

static ref sum_windows(struct node *n, ref x, const struct window *w, int64_t channels) {
    int64_t dims[2 + MOST_SPATIAL] = {channels, 1};
    if (ref_none(x)) return x;
    for (uint32_t i = 0; i < w->spatial; i++) dims[2 + i] = w->kernel[i];
    struct tensor ones = tensor_new(ref_elem(n->im, x), 2 + w->spatial, dims);
    for (int64_t i = 0, count = tensor_count(&ones); i < count; i++) tensor_set_f64(&ones, i, 1);
    const ref in[2] = {x, ref_of_tensor(n->im, ones)};
    if (w->spatial == 3) return emit_volume_convolution(n, in, 2, w, channels);
    return emit_op(n, w->spatial == 1 ? OP_conv1d : OP_conv2d, in, 2,
                   EMIT_ATTRS(node_attr_ints(n, ATTR_stride, w->stride, w->spatial),
                              node_attr_ints(n, ATTR_pad, w->pad, 2 * w->spatial),
                              node_attr_ints(n, ATTR_dilation, w->dilation, w->spatial),
                              attr_int(ATTR_groups, channels)));
}

enum status import_lp_pool(struct node *n) {
    struct window w;
    int64_t channels, p = node_int(n, "p", 2);
    ref x = node_in_wide(n, 0);
    TRY(window_of_pool(n, x, &w));
    if (p < 1) return node_error(n, "attribute 'p' is %" PRId64, p);
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, 1), &channels) || channels < 1)
        return unsupported(n, "LpPool of channels without a size (fix it by --shape or --dim)");
    if (ceil_mode_of(n, &w)) TRY(pad_for_last_window(n, x, &w));
    ref sum = sum_windows(n, power(n, emit1(n, OP_abs, x), (double)p), &w, channels);
    return node_result_narrow(n, root(n, sum, (double)p));
}

enum status import_global_lp_pool(struct node *n) {
    ref x = node_in_wide(n, 0);
    int64_t axes[MAX_RANK], p = node_int(n, "p", 2);
    uint32_t rank = ref_rank(n->im, x);
    if (rank < 3 || p < 1) return node_error(n, "input 0 has rank %u, attribute 'p' is %" PRId64, rank, p);
    for (uint32_t i = 2; i < rank; i++) axes[i - 2] = i;
    ref sum = emit1_with(n, OP_reduce_sum, power(n, emit1(n, OP_abs, x), (double)p),
                         node_attr_ints(n, ATTR_axes, axes, rank - 2), attr_bool(ATTR_keep, true));
    return node_result_narrow(n, root(n, sum, (double)p));
}
