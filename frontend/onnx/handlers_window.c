/* Contractions and pooling: ops with windows, and matrix products. */
#include "frontend/onnx/handlers_window.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_SPATIAL = 2 };

/* The geometry of a window op, as the node's attributes give it. */
struct window {
    uint32_t spatial;
    int64_t kernel[MOST_SPATIAL], stride[MOST_SPATIAL], dilation[MOST_SPATIAL], pad[2 * MOST_SPATIAL];
    enum { PADS_GIVEN, PADS_SAME_UPPER, PADS_SAME_LOWER, PADS_VALID } pads;
};

/* A list with one number for each spatial dimension (or two, for pads), each at least `least`; `fill` when
 * absent. */
static enum status spatial_list(struct node *n, const char *name, uint32_t count, int64_t least, int64_t fill,
                                int64_t *out) {
    struct ints list = node_ints(n, name);
    if (n->failed) return STATUS_FAILED;
    if (list.given && list.count != count)
        return node_error(n, "attribute '%s' has %u numbers, expected %u", name, list.count, count);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = list.given ? list.at[i] : fill;
        if (out[i] < least || out[i] > INT32_MAX)
            return node_error(n, "attribute '%s' is %" PRId64 ", out of range", name, out[i]);
    }
    return STATUS_OK;
}

static enum status read_window(struct node *n, ref x, struct window *w) {
    static const char *const auto_pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    uint32_t rank = ref_rank(n->im, x), pads;
    *w = (struct window){.spatial = rank - 2};
    if (rank < 3) return node_error(n, "input 0 has rank %u, expected at least 3", rank);
    if (rank > 2 + MOST_SPATIAL)
        return unsupported(n, "%s over %u spatial dimensions", n->proto->op_type, rank - 2);
    TRY(node_word(n, "auto_pad", auto_pads, 0, &pads));
    w->pads = pads;
    TRY(spatial_list(n, "strides", w->spatial, 1, 1, w->stride));
    TRY(spatial_list(n, "dilations", w->spatial, 1, 1, w->dilation));
    (void)node_ints(n, "pads"); /* means nothing beside an auto_pad */
    if (w->pads == PADS_GIVEN) TRY(spatial_list(n, "pads", 2 * w->spatial, 0, 0, w->pad));
    return STATUS_OK;
}

/* SAME: the result has ceil(x / stride) cells; the padding that this needs is split, the odd cell at the end
 * for UPPER. */
static enum status same_padding(struct node *n, ref x, struct window *w) {
    if (w->pads != PADS_SAME_UPPER && w->pads != PADS_SAME_LOWER) return STATUS_OK;
    for (uint32_t i = 0; i < w->spatial; i++) {
        int64_t size, reach = w->dilation[i] * (w->kernel[i] - 1) + 1, total;
        if (dim_is_const(&n->im->m->types, ref_dim(n->im, x, 2 + i), &size))
            total = (ceil_div(size, w->stride[i]) - 1) * w->stride[i] + reach - size;
        else if (w->stride[i] == 1)
            total = reach - 1;
        else
            return unsupported(
                n, "%s with auto_pad over a dimension without a size (fix it by --shape or --dim)",
                n->proto->op_type);
        total = max_i64(total, 0);
        int64_t small = total / 2, large = total - small;
        w->pad[i] = w->pads == PADS_SAME_UPPER ? small : large;
        w->pad[w->spatial + i] = w->pads == PADS_SAME_UPPER ? large : small;
    }
    return STATUS_OK;
}

/* -- convolutions -- */

/* kernel_shape repeats what the weights' shape says; the weights win only where they agree. */
static enum status kernel_of_weights(struct node *n, ref weights, struct window *w) {
    if (ref_rank(n->im, weights) != w->spatial + 2)
        return node_error(n, "input 1 has rank %u, expected %u", ref_rank(n->im, weights), w->spatial + 2);
    for (uint32_t i = 0; i < w->spatial; i++)
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, weights, 2 + i), &w->kernel[i]))
            return unsupported(n, "%s with a kernel without a size", n->proto->op_type);
    struct ints given = node_ints(n, "kernel_shape");
    for (uint32_t i = 0; given.given && i < w->spatial; i++)
        if (given.count != w->spatial || given.at[i] != w->kernel[i])
            return node_error(n, "kernel_shape contradicts the shape of the weights");
    return STATUS_OK;
}

static enum status read_convolution(struct node *n, const ref in[], struct window *w) {
    TRY(read_window(n, in[0], w));
    TRY(kernel_of_weights(n, in[1], w));
    return same_padding(n, in[0], w);
}

ref emit_convolution(struct node *n, const ref in[], uint32_t count) {
    struct window w;
    if (read_convolution(n, in, &w) != STATUS_OK) return (ref){0};
    int64_t groups = node_int(n, "group", 1);
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
    TRY(read_window(n, in[0], &w));
    TRY(kernel_of_weights(n, in[1], &w));
    TRY(spatial_list(n, "output_padding", w.spatial, 0, 0, output_pad));
    TRY(transposed_padding(n, in[0], &w, output_pad));
    int64_t groups = node_int(n, "group", 1);
    return node_result(n, emit_op(n, w.spatial == 1 ? OP_conv_transpose1d : OP_conv_transpose2d, in,
                                  ref_none(in[2]) ? 2 : 3,
                                  EMIT_ATTRS(node_attr_ints(n, ATTR_stride, w.stride, w.spatial),
                                             node_attr_ints(n, ATTR_pad, w.pad, 2 * w.spatial),
                                             node_attr_ints(n, ATTR_dilation, w.dilation, w.spatial),
                                             node_attr_ints(n, ATTR_output_pad, output_pad, w.spatial),
                                             attr_int(ATTR_groups, groups))));
}

/* -- pooling -- */
static enum status read_pool(struct node *n, struct window *w) {
    ref x = node_in(n, 0);
    TRY(read_window(n, x, w));
    TRY(spatial_list(n, "kernel_shape", w->spatial, 1, 0, w->kernel));
    return same_padding(n, x, w);
}

/* SAME has rounded up already. */
static bool ceil_mode_of(struct node *n, const struct window *w) {
    return node_int(n, "ceil_mode", 0) != 0 && (w->pads == PADS_GIVEN || w->pads == PADS_VALID);
}

enum status import_max_pool(struct node *n) {
    struct window w;
    TRY(read_pool(n, &w));
    if (node_wants(n, 1)) return unsupported(n, "MaxPool with indices");
    (void)node_int(n, "storage_order", 0); /* of the indices */
    bool ceil_mode = ceil_mode_of(n, &w);
    return node_result(n, emit1_with(n, w.spatial == 1 ? OP_maxpool1d : OP_maxpool2d, node_in(n, 0),
                                     node_attr_ints(n, ATTR_window, w.kernel, w.spatial),
                                     node_attr_ints(n, ATTR_stride, w.stride, w.spatial),
                                     node_attr_ints(n, ATTR_pad, w.pad, 2 * w.spatial),
                                     node_attr_ints(n, ATTR_dilation, w.dilation, w.spatial),
                                     attr_bool(ATTR_ceil_mode, ceil_mode)));
}

enum status import_average_pool(struct node *n) {
    struct window w;
    TRY(read_pool(n, &w));
    bool ceil_mode = ceil_mode_of(n, &w);
    bool count_pad = node_int(n, "count_include_pad", 0) != 0;
    return node_result(n, emit1_with(n, w.spatial == 1 ? OP_avgpool1d : OP_avgpool2d, node_in(n, 0),
                                     node_attr_ints(n, ATTR_window, w.kernel, w.spatial),
                                     node_attr_ints(n, ATTR_stride, w.stride, w.spatial),
                                     node_attr_ints(n, ATTR_pad, w.pad, 2 * w.spatial),
                                     node_attr_ints(n, ATTR_dilation, w.dilation, w.spatial),
                                     attr_bool(ATTR_ceil_mode, ceil_mode),
                                     attr_bool(ATTR_count_pad, count_pad)));
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

/* -- matrix products -- */
enum status import_matmul(struct node *n) {
    return node_result(n, emit2(n, OP_matmul, node_in(n, 0), node_in(n, 1)));
}

static ref transposed(struct node *n, ref x) {
    return emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, (const int64_t[]){1, 0}, 2));
}

static ref scaled(struct node *n, ref x, double factor) {
    if (ref_none(x) || factor == 1) return x;
    return emit2(n, OP_mul, x, ref_f64(n->im, ref_elem(n->im, x), factor));
}

/* alpha * A' B' + beta * C. With B transposed that is `linear`, whose weights lie as they are. */
enum status import_gemm(struct node *n) {
    double alpha = node_float(n, "alpha", 1), beta = node_float(n, "beta", 1);
    bool trans_a = node_int(n, "transA", 0) != 0, trans_b = node_int(n, "transB", 0) != 0;
    ref a = node_in(n, 0), b = node_in(n, 1), c = node_in(n, 2);
    if (ref_rank(n->im, a) != 2 || ref_rank(n->im, b) != 2)
        return node_error(n, "the operands have ranks %u and %u, expected 2", ref_rank(n->im, a),
                          ref_rank(n->im, b));
    if (trans_a) a = transposed(n, a);
    if (ref_none(a)) return STATUS_FAILED;
    bool bias = !ref_none(c) && alpha == 1 && beta == 1 && trans_b && ref_rank(n->im, c) == 1 &&
                dim_same(ref_dim(n->im, c, 0), ref_dim(n->im, b, 0));
    if (bias) return node_result(n, emit3(n, OP_linear, a, b, c));
    ref y = emit2(n, trans_b ? OP_linear : OP_matmul, a, b);
    y = scaled(n, y, alpha);
    if (!ref_none(c) && beta != 0) y = emit2(n, OP_add, y, scaled(n, c, beta));
    return node_result(n, y);
}
