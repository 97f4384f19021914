/* Col2Im and MaxUnpool: numbers of windows put back, or summed up, where the windows were. */
#include "frontend/onnx/window.h"

#include <inttypes.h>

enum { LARGEST = 1 << 26, MOST_AXES = 5 };

static ref zeros(struct node *n, enum elem elem, const dim_id *dims, uint32_t rank) {
    return emit1_with(n, OP_expand, ref_f64(n->im, elem, 0), node_attr_dims(n, ATTR_shape, dims, rank));
}

/* -- Col2Im -- */
struct blocks {
    uint32_t axes;
    int64_t image[MOST_AXES], block[MOST_AXES], stride[MOST_AXES], dilation[MOST_AXES], pad[2 * MOST_AXES];
    int64_t steps[MOST_AXES];    /* of the block along each axis */
    int64_t pixels, taps, count; /* of the image; of a block; blocks */
};

static enum status read_list(struct node *n, uint32_t i, uint32_t axes, int64_t *out) {
    struct ints list;
    TRY(node_ints_or_input(n, "", i, &list));
    if (list.count != axes) return node_error(n, "input %u has %u numbers, expected %u", i, list.count, axes);
    for (uint32_t k = 0; k < axes; k++) {
        out[k] = list.at[k];
        if (out[k] < 1 || out[k] > LARGEST)
            return node_error(n, "input %u is %" PRId64 ", out of range", i, out[k]);
    }
    return STATUS_OK;
}

static enum status read_blocks(struct node *n, struct blocks *b) {
    struct ints image;
    TRY(node_ints_or_input(n, "", 1, &image));
    *b = (struct blocks){.axes = image.count, .pixels = 1, .taps = 1, .count = 1};
    if (b->axes < 1 || b->axes > MOST_AXES) return unsupported(n, "Col2Im over %u axes", b->axes);
    TRY(read_list(n, 1, b->axes, b->image));
    TRY(read_list(n, 2, b->axes, b->block));
    TRY(window_list(n, "strides", b->axes, 1, 1, b->stride));
    TRY(window_list(n, "dilations", b->axes, 1, 1, b->dilation));
    TRY(window_list(n, "pads", 2 * b->axes, 0, 0, b->pad));
    for (uint32_t i = 0; i < b->axes; i++) {
        int64_t room = b->image[i] + b->pad[i] + b->pad[b->axes + i] - b->dilation[i] * (b->block[i] - 1) - 1;
        if (room < 0) return node_error(n, "a block does not fit along axis %u of the image", i);
        b->steps[i] = room / b->stride[i] + 1;
        b->pixels *= b->image[i], b->taps *= b->block[i], b->count *= b->steps[i];
        if (b->pixels > LARGEST || b->count > LARGEST || b->taps * b->count > LARGEST)
            return unsupported(n, "Col2Im of more than %d numbers", LARGEST);
    }
    return STATUS_OK;
}

/* The pixel under tap `tap` of block `block`; where there is padding, the one behind the image. */
static int64_t pixel_of(const struct blocks *b, int64_t tap, int64_t block) {
    int64_t pixel = 0, stride = 1;
    for (uint32_t i = b->axes; i-- > 0;) {
        int64_t at = block % b->steps[i] * b->stride[i] + tap % b->block[i] * b->dilation[i] - b->pad[i];
        if (at < 0 || at >= b->image[i]) return b->pixels;
        pixel += at * stride;
        stride *= b->image[i];
        block /= b->steps[i];
        tap /= b->block[i];
    }
    return pixel;
}

/* [n, c * taps, blocks] as rows [taps * blocks, n * c], which are added to rows of pixels; bools are or-ed.
 */
enum status import_col2im(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in_wide(n, 0);
    bool is_bool = ref_elem(n->im, x) == ELEM_bool;
    struct blocks b;
    int64_t width, count;
    TRY(read_blocks(n, &b));
    if (ref_rank(n->im, x) != 3 || !dim_is_const(types, ref_dim(n->im, x, 1), &width) ||
        !dim_is_const(types, ref_dim(n->im, x, 2), &count) || width % b.taps || count != b.count)
        return node_error(n, "input 0 is not [n, c * %" PRId64 ", %" PRId64 "]", b.taps, b.count);
    if (is_bool) x = emit_cast(n, x, ELEM_u8);
    struct tensor at = tensor_new(ELEM_i64, 1, (const int64_t[]){b.taps * b.count});
    for (int64_t i = 0; i < b.taps * b.count; i++)
        tensor_set_i64(&at, i, pixel_of(&b, i / b.count, i % b.count));

    const dim_id batch = ref_dim(n->im, x, 0), channels = dim_const(types, width / b.taps);
    const dim_id both = dim_mul(types, batch, channels);
    const dim_id apart[3] = {both, dim_const(types, b.taps), dim_const(types, b.count)};
    const dim_id lines[2] = {dim_const(types, b.taps * b.count), both},
                 room[2] = {dim_const(types, b.pixels + 1), both};
    ref rows = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, apart, 3));
    rows = emit1_with(n, OP_transpose, rows, node_attr_ints(n, ATTR_perm, (const int64_t[]){1, 2, 0}, 3));
    rows = emit1_with(n, OP_reshape, rows, node_attr_dims(n, ATTR_shape, lines, 2));
    ref y = emit_op(n, OP_scatter,
                    (const ref[]){zeros(n, ref_elem(n->im, x), room, 2), ref_of_tensor(n->im, at), rows}, 3,
                    EMIT_ATTRS(attr_keyword(ATTR_reduction, is_bool ? KEYWORD_max : KEYWORD_add)));
    y = emit1_with(n, OP_slice, y, node_attr_ints(n, ATTR_starts, (const int64_t[]){0}, 1),
                   node_attr_ints(n, ATTR_ends, &b.pixels, 1),
                   node_attr_ints(n, ATTR_axes, (const int64_t[]){0}, 1));
    y = emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, (const int64_t[]){1, 0}, 2));
    dim_id dims[2 + MOST_AXES] = {batch, channels};
    for (uint32_t i = 0; i < b.axes; i++) dims[2 + i] = dim_const(types, b.image[i]);
    y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, 2 + b.axes));
    return node_result_narrow(n, y);
}

/* -- MaxUnpool -- */

/* The shape that the indices count in: that of the operand of the max pool. */
static enum status pooled_shape(struct node *n, ref x, int64_t shape[MAX_RANK], int64_t *from, int64_t *to) {
    uint32_t rank = ref_rank(n->im, x), axes = rank - 2;
    int64_t kernel[MOST_SPATIAL], stride[MOST_SPATIAL], pad[2 * MOST_SPATIAL];
    if (rank < 3 || axes > MOST_SPATIAL) return unsupported(n, "MaxUnpool of rank %u", rank);
    TRY(window_list(n, "kernel_shape", axes, 1, 0, kernel));
    TRY(window_list(n, "strides", axes, 1, 1, stride));
    TRY(window_list(n, "pads", 2 * axes, 0, 0, pad));
    *from = *to = 1;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t extent;
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, i), &extent))
            return unsupported(n, "MaxUnpool of a dimension without a size (fix it by --shape or --dim)");
        shape[i] = extent;
        if (i >= 2) shape[i] = (extent - 1) * stride[i - 2] + kernel[i - 2] - pad[i - 2] - pad[axes + i - 2];
        if (shape[i] < 0)
            return node_error(n, "dimension %u of the result would have %" PRId64 " elements", i, shape[i]);
        if (extent > LARGEST || shape[i] > LARGEST || (*from *= extent) > LARGEST ||
            (*to *= shape[i]) > LARGEST)
            return unsupported(n, "MaxUnpool of more than %d elements", LARGEST);
    }
    return STATUS_OK;
}

enum status import_max_unpool(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), indices = node_in(n, 1);
    uint32_t rank = ref_rank(n->im, x);
    int64_t shape[MAX_RANK], pads[2 * MAX_RANK] = {0}, from = 0, to = 0;
    struct ints wanted;
    TRY(pooled_shape(n, x, shape, &from, &to));
    TRY(node_ints_or_input(n, "", 2, &wanted));
    if (wanted.given && wanted.count != rank)
        return node_error(n, "output_shape has %u numbers, expected %u", wanted.count, rank);
    for (uint32_t i = 0; i < rank && wanted.given; i++) {
        pads[rank + i] = wanted.at[i] - shape[i];
        if (pads[rank + i] < 0 || wanted.at[i] > LARGEST)
            return node_error(n, "output_shape is %" PRId64 " in dimension %u, expected at least %" PRId64,
                              wanted.at[i], i, shape[i]);
    }
    const dim_id line = dim_const(types, from), room = dim_const(types, to);
    ref values = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, &line, 1));
    ref at = emit1_with(n, OP_reshape, indices, node_attr_dims(n, ATTR_shape, &line, 1));
    ref y = emit_op(n, OP_scatter, (const ref[]){zeros(n, ref_elem(n->im, x), &room, 1), at, values}, 3,
                    EMIT_ATTRS(attr_keyword(ATTR_reduction, KEYWORD_none)));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = dim_const(types, shape[i]);
    y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, rank));
    if (wanted.given) y = emit1_with(n, OP_pad, y, node_attr_ints(n, ATTR_pads, pads, 2 * rank));
    return node_result(n, y);
}
