/* DeformConv: samples where the offsets say, then a product with the weights. */
#include "frontend/onnx/sampling.h"
#include "frontend/onnx/window.h"

#include <inttypes.h>

enum { LARGEST = 1 << 28 };

struct deformed {
    struct window w;
    struct sampling s; /* batch: that of the operand times the groups of offsets */
    int64_t groups, offset_groups;
    int64_t batch, channels, results; /* of the operand and of the result */
    int64_t taps, places;             /* of the kernel, and of the result */
    int64_t out[MOST_SPATIAL];
};

#define RESHAPED(n, x, ...)                                                                                  \
    emit_reshape(n, x, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                             \
                 (const int64_t[]){__VA_ARGS__})

static enum status check_extents(struct node *n, uint32_t i, uint32_t rank, const int64_t *wanted) {
    ref x = node_in(n, i);
    if (ref_rank(n->im, x) != rank)
        return node_error(n, "input %u has rank %u, expected %u", i, ref_rank(n->im, x), rank);
    for (uint32_t k = 0; k < rank; k++) {
        int64_t extent;
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, k), &extent))
            return unsupported(n, "DeformConv of a dimension without a size (fix it by --shape or --dim)");
        if (extent != wanted[k])
            return node_error(n, "input %u has %" PRId64 " elements in dimension %u, expected %" PRId64, i,
                              extent, k, wanted[k]);
    }
    return STATUS_OK;
}

/* The extents of all inputs follow from those of the operand, the weights and the attributes. */
static enum status check_inputs(struct node *n, const struct deformed *d, const int64_t *x) {
    uint32_t axes = d->w.spatial, rank = axes + 2;
    int64_t weights[MAX_RANK] = {d->results, d->channels / d->groups}, lists[MAX_RANK] = {d->batch};
    for (uint32_t i = 0; i < axes; i++) {
        weights[2 + i] = d->w.kernel[i];
        lists[2 + i] = d->out[i];
    }
    TRY(check_extents(n, 0, rank, x));
    TRY(check_extents(n, 1, rank, weights));
    lists[1] = d->offset_groups * d->taps * axes;
    TRY(check_extents(n, 2, rank, lists));
    if (!ref_none(node_in(n, 3))) TRY(check_extents(n, 3, 1, &d->results));
    lists[1] = d->offset_groups * d->taps;
    return ref_none(node_in(n, 4)) ? STATUS_OK : check_extents(n, 4, rank, lists);
}

static enum status read_deformed(struct node *n, struct deformed *d) {
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), weights = node_in(n, 1);
    int64_t extent[MAX_RANK];
    *d = (struct deformed){.taps = 1, .places = 1};
    TRY(window_of_conv(n, x, weights, SAMPLING_AXES, &d->w));
    d->groups = node_int(n, "group", 1), d->offset_groups = node_int(n, "offset_group", 1);
    d->s = (struct sampling){.axes = d->w.spatial,
                             .align = true,
                             .cells = 1,
                             .wide = ref_elem(n->im, x) == ELEM_f64 ? ELEM_f64 : ELEM_f32};
    for (uint32_t i = 0; i < d->w.spatial + 2; i++) {
        if (!dim_is_const(types, ref_dim(n->im, x, i), &extent[i]))
            return unsupported(n, "DeformConv of a dimension without a size (fix it by --shape or --dim)");
        if (extent[i] > LARGEST) return unsupported(n, "DeformConv of more than %d numbers", LARGEST);
    }
    d->batch = extent[0], d->channels = extent[1];
    if (!dim_is_const(types, ref_dim(n->im, weights, 0), &d->results) || !elem_is_float(ref_elem(n->im, x)) ||
        d->groups < 1 || d->offset_groups < 1 || d->channels % d->groups || d->channels % d->offset_groups ||
        d->results % d->groups)
        return node_error(n, "%" PRId64 " groups and %" PRId64 " of offsets for %" PRId64 " channels",
                          d->groups, d->offset_groups, d->channels);
    d->s.batch = d->batch * d->offset_groups;
    for (uint32_t i = 0; i < d->w.spatial; i++) {
        int64_t reach = d->w.dilation[i] * (d->w.kernel[i] - 1) + 1;
        int64_t room = extent[2 + i] + d->w.pad[i] + d->w.pad[d->w.spatial + i] - reach;
        if (room < 0 || !extent[2 + i]) return node_error(n, "the kernel does not fit along axis %u", 2 + i);
        d->out[i] = room / d->w.stride[i] + 1;
        d->s.extent[i] = extent[2 + i];
        d->taps *= d->w.kernel[i], d->places *= d->out[i], d->s.cells *= extent[2 + i];
        if (d->taps > LARGEST || d->places > LARGEST || d->s.cells > LARGEST || d->taps * d->places > LARGEST)
            return unsupported(n, "DeformConv of more than %d numbers", LARGEST);
    }
    return check_inputs(n, d, extent);
}

/* Where tap and place are along an axis before the offsets, [taps, places]. */
static ref regular(struct node *n, const struct deformed *d, uint32_t axis) {
    struct tensor t = tensor_new(d->s.wide, 2, (const int64_t[]){d->taps, d->places});
    int64_t inner_taps = 1, inner_places = 1;
    for (uint32_t i = axis + 1; i < d->w.spatial; i++)
        inner_taps *= d->w.kernel[i], inner_places *= d->out[i];
    for (int64_t i = 0; i < d->taps * d->places; i++) {
        int64_t tap = i / d->places / inner_taps % d->w.kernel[axis],
                place = i % d->places / inner_places % d->out[axis];
        tensor_set_f64(&t, i,
                       (double)(place * d->w.stride[axis] + tap * d->w.dilation[axis] - d->w.pad[axis]));
    }
    return ref_of_tensor(n->im, t);
}

/* [batch, offset groups, channels of a group, taps, places] of the operand at the places that the offsets
 * tell. */
static ref sampled(struct node *n, const struct deformed *d) {
    int64_t own = d->channels / d->offset_groups;
    ref rows = RESHAPED(n, node_in_wide(n, 0), d->s.batch, own, d->s.cells), at[SAMPLING_AXES];
    rows = RESHAPED(n, emit_transpose(n, rows, 3, (const int64_t[]){0, 2, 1}), d->s.batch * d->s.cells, own);
    ref offsets = RESHAPED(n, node_in_wide(n, 2), d->s.batch, d->taps, d->w.spatial, d->places);
    for (uint32_t axis = 0; axis < d->w.spatial; axis++) {
        ref which = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, axis));
        ref offset = emit2_with(n, OP_gather, offsets, which, attr_int(ATTR_axis, 2));
        at[axis] =
            RESHAPED(n, emit2(n, OP_add, offset, regular(n, d, axis)), d->s.batch, d->taps * d->places);
    }
    ref x = emit_samples(n, &d->s, rows, at), mask = node_in_wide(n, 4);
    if (!ref_none(mask)) x = emit2(n, OP_mul, x, RESHAPED(n, mask, d->s.batch, d->taps * d->places, 1));
    return ref_none(x) ? x : emit_transpose(n, x, 3, (const int64_t[]){0, 2, 1});
}

enum status import_deform_conv(struct node *n) {
    struct deformed d;
    TRY(read_deformed(n, &d));
    int64_t terms = d.channels / d.groups * d.taps, dims[MAX_RANK] = {d.batch, d.results};
    ref x = sampled(n, &d), bias = node_in_wide(n, 3);
    if (ref_none(x)) return STATUS_FAILED;
    x = RESHAPED(n, x, d.batch, d.groups, terms, d.places);
    ref weights = RESHAPED(n, node_in_wide(n, 1), d.groups, d.results / d.groups, terms);
    ref y = emit2(n, OP_matmul, weights, x);
    if (!ref_none(bias)) y = emit2(n, OP_add, y, RESHAPED(n, bias, d.groups, d.results / d.groups, 1));
    for (uint32_t i = 0; i < d.w.spatial; i++) dims[2 + i] = d.out[i];
    return node_result_narrow(n, emit_reshape(n, y, d.w.spatial + 2, dims));
}
