#include "frontend/onnx/window.h"

#include <inttypes.h>

enum status window_list(struct node *n, const char *name, uint32_t count, int64_t least, int64_t fill,
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

static enum status read_window(struct node *n, ref x, uint32_t most, struct window *w) {
    static const char *const auto_pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    uint32_t rank = ref_rank(n->im, x), pads;
    *w = (struct window){.spatial = rank - 2};
    if (rank < 3) return node_error(n, "input 0 has rank %u, expected at least 3", rank);
    if (rank > 2 + most) return unsupported(n, "%s over %u spatial dimensions", n->proto->op_type, rank - 2);
    TRY(node_word(n, "auto_pad", auto_pads, 0, &pads));
    w->pads = pads;
    TRY(window_list(n, "strides", w->spatial, 1, 1, w->stride));
    TRY(window_list(n, "dilations", w->spatial, 1, 1, w->dilation));
    (void)node_ints(n, "pads"); /* means nothing beside an auto_pad */
    if (w->pads == PADS_GIVEN) TRY(window_list(n, "pads", 2 * w->spatial, 0, 0, w->pad));
    return STATUS_OK;
}

/* SAME: the result has ceil(x / stride) cells; the padding that this needs is split, the odd cell at the end
 * for UPPER. */
enum status window_resolve(struct node *n, ref x, struct window *w) {
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

enum status window_of_conv(struct node *n, ref x, ref weights, uint32_t most, struct window *out) {
    TRY(read_window(n, x, most, out));
    return kernel_of_weights(n, weights, out);
}

enum status window_of_pool(struct node *n, ref x, struct window *out) {
    TRY(read_window(n, x, MOST_SPATIAL, out));
    TRY(window_list(n, "kernel_shape", out->spatial, 1, 0, out->kernel));
    return window_resolve(n, x, out);
}
