/* RoiAlign: for each sample of each bin of each region, gathers of the four cells around it. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <math.h>

enum { LARGEST = 1 << 26 };

struct regions {
    enum elem elem; /* that is computed with */
    bool largest;   /* the largest sample, not the mean */
    double scale, shift;
    bool at_least_one; /* a region covers a cell at least */
    int64_t samples;   /* in a bin along each axis; 0: as many as cells */
    int64_t bins[2], extent[2];
};

/* What belongs to one axis, [regions, bins * samples]. */
struct samples {
    int64_t most;        /* in a bin */
    ref count;           /* [regions, 1]: how many of them there are */
    ref there, inside;   /* sample number k exists; it lies in the picture */
    ref low, high, part; /* cells around the sample as integers, and how far it is from the lower one */
};

static ref number(struct node *n, const struct regions *g, double value) {
    return ref_f64(n->im, g->elem, value);
}

/* A row of `count` numbers: of bin i / each and sample i % each. */
static ref row_of(struct node *n, enum elem elem, int64_t count, int64_t each, bool of_bin) {
    struct tensor t = tensor_new(elem, 2, (const int64_t[]){1, count});
    for (int64_t i = 0; i < count; i++) tensor_set_f64(&t, i, (double)(of_bin ? i / each : i % each));
    return ref_of_tensor(n->im, t);
}

/* Coordinate `column` of the regions, [regions, 1]. */
static ref edge(struct node *n, const struct regions *g, ref rois, int64_t column) {
    struct tensor at = tensor_new(ELEM_i64, 1, (const int64_t[]){1});
    tensor_set_i64(&at, 0, column);
    ref x = emit2_with(n, OP_gather, rois, ref_of_tensor(n->im, at), attr_int(ATTR_axis, 1));
    return emit2(n, OP_sub, emit2(n, OP_mul, x, number(n, g, g->scale)), number(n, g, g->shift));
}

/* The most samples that a bin has: only regions that are known tell it. */
static enum status count_samples(struct node *n, const struct regions *g, ref bin, struct samples *s) {
    s->most = g->samples;
    s->count = number(n, g, (double)g->samples);
    if (g->samples) return STATUS_OK;
    s->count = emit1(n, OP_ceil, bin);
    const struct tensor *known = ref_none(s->count) ? NULL : ref_constant(n->im, s->count);
    if (!known)
        return unsupported(
            n, "RoiAlign with sampling_ratio 0 of regions that depend on data (how many samples)");
    double most = 1;
    for (int64_t i = 0; i < tensor_count(known); i++) most = fmax(most, tensor_get_f64(known, i));
    s->most = (int64_t)fmin(most, LARGEST + 1.0);
    return STATUS_OK;
}

static enum status sample_axis(struct node *n, const struct regions *g, ref rois, uint32_t axis,
                               struct samples *s) {
    ref start = edge(n, g, rois, 1 - axis), size = emit2(n, OP_sub, edge(n, g, rois, 3 - axis), start);
    if (g->at_least_one) size = emit2(n, OP_max, size, number(n, g, 1));
    ref bin = emit2(n, OP_div, size, number(n, g, (double)g->bins[axis]));
    TRY(count_samples(n, g, bin, s));
    int64_t count = g->bins[axis] * s->most;
    if (count > LARGEST) return unsupported(n, "RoiAlign of more than %d samples", LARGEST);
    ref which = row_of(n, g->elem, count, s->most, true), k = row_of(n, g->elem, count, s->most, false);
    ref in_bin = emit2(n, OP_div, emit2(n, OP_mul, emit2(n, OP_add, k, number(n, g, 0.5)), bin), s->count);
    ref x = emit2(n, OP_add, emit2(n, OP_add, start, emit2(n, OP_mul, which, bin)), in_bin);
    double last = (double)g->extent[axis] - 1;
    s->there = emit2(n, OP_less, k, s->count);
    s->inside = emit2(n, OP_and, emit2(n, OP_greater_equal, x, number(n, g, -1)),
                      emit2(n, OP_less_equal, x, number(n, g, last + 1)));
    /* Beyond the last cell, it alone counts. */
    ref y = emit1_with(n, OP_clip, x, attr_float(ATTR_min, 0), attr_float(ATTR_max, last));
    ref low = emit1(n, OP_floor, y);
    ref high = emit1_with(n, OP_clip, emit2(n, OP_add, low, number(n, g, 1)), attr_float(ATTR_max, last));
    s->part = emit2(n, OP_sub, y, low);
    s->low = emit1_with(n, OP_cast, low, attr_elem(ATTR_to, ELEM_i64));
    s->high = emit1_with(n, OP_cast, high, attr_elem(ATTR_to, ELEM_i64));
    return ref_none(s->high) || ref_none(s->part) ? STATUS_FAILED : STATUS_OK;
}

/* [regions, y, x] from [regions, y] or [regions, x]. */
static ref beside(struct node *n, ref x, uint32_t axis) {
    if (ref_none(x) || ref_rank(n->im, x) == 0) return x;
    const int64_t at = axis == 0 ? 2 : 1;
    return emit1_with(n, OP_unsqueeze, x, node_attr_ints(n, ATTR_axes, &at, 1));
}

static ref over_channels(struct node *n, ref x) {
    if (ref_none(x) || ref_rank(n->im, x) == 0) return x;
    const int64_t at = 3;
    return emit1_with(n, OP_unsqueeze, x, node_attr_ints(n, ATTR_axes, &at, 1));
}

/* The weighted cell below (0) or above (1) along each axis, [regions, y, x, channels]. */
static ref tap(struct node *n, const struct regions *g, ref rows, ref first, const struct samples s[2],
               uint32_t up, uint32_t right) {
    const uint32_t side[2] = {up, right};
    ref at = first, weight = {0};
    for (uint32_t axis = 0; axis < 2; axis++) {
        ref cell = beside(n, side[axis] ? s[axis].high : s[axis].low, axis),
            part = beside(n, s[axis].part, axis);
        int64_t stride = axis == 0 ? g->extent[1] : 1;
        if (stride != 1)
            cell = emit2(n, OP_mul, cell, ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, stride)));
        at = emit2(n, OP_add, at, cell);
        if (!side[axis]) part = emit2(n, OP_sub, number(n, g, 1), part);
        weight = axis == 0 ? part : emit2(n, OP_mul, weight, part);
    }
    ref x = emit2_with(n, OP_gather, rows, at, attr_int(ATTR_axis, 0));
    return emit2(n, OP_mul, x, over_channels(n, weight));
}

/* The mean or the largest of a bin's samples: x is [regions, y, x, channels]. */
static ref pool_bins(struct node *n, const struct regions *g, ref x, const struct samples s[2]) {
    struct types *types = &n->im->m->types;
    ref inside = emit2(n, OP_and, beside(n, s[0].inside, 0), beside(n, s[1].inside, 1));
    ref there = emit2(n, OP_and, beside(n, s[0].there, 0), beside(n, s[1].there, 1));
    ref count = emit2(n, OP_mul, beside(n, s[0].count, 0), beside(n, s[1].count, 1));
    x = emit3(n, OP_where, over_channels(n, inside), x, number(n, g, 0));
    if (!g->samples)
        x = emit3(n, OP_where, over_channels(n, there), x, number(n, g, g->largest ? -INFINITY : 0));
    if (ref_none(x)) return x;
    const dim_id dims[6] = {ref_dim(n->im, x, 0),        dim_const(types, g->bins[0]),
                            dim_const(types, s[0].most), dim_const(types, g->bins[1]),
                            dim_const(types, s[1].most), ref_dim(n->im, x, 3)};
    x = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, dims, 6));
    ref y = emit1_with(n, g->largest ? OP_reduce_max : OP_reduce_sum, x,
                       node_attr_ints(n, ATTR_axes, (const int64_t[]){2, 4}, 2));
    if (!g->largest) return emit2(n, OP_div, y, emit2(n, OP_max, over_channels(n, count), number(n, g, 1)));
    if (g->samples) return y;
    ref none = emit2(n, OP_less, over_channels(n, count), number(n, g, 1));
    return emit3(n, OP_where, none, number(n, g, 0), y);
}

static enum status read_regions(struct node *n, ref x, ref rois, ref batch, struct regions *g) {
    static const char *const modes[] = {"avg", "max", NULL}, *const pixels[] = {"output_half_pixel",
                                                                                "half_pixel", NULL};
    uint32_t mode, half;
    TRY(node_word(n, "mode", modes, 0, &mode));
    TRY(node_word(n, "coordinate_transformation_mode", pixels, n->opset >= 16, &half));
    *g = (struct regions){.largest = mode == 1, .shift = half ? 0.5 : 0, .at_least_one = !half};
    g->elem = ref_elem(n->im, x) == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    g->scale = node_float(n, "spatial_scale", 1);
    g->samples = node_int(n, "sampling_ratio", 0);
    g->bins[0] = node_int(n, "output_height", 1);
    g->bins[1] = node_int(n, "output_width", 1);
    if (ref_rank(n->im, x) != 4 || ref_rank(n->im, rois) != 2 || ref_rank(n->im, batch) != 1)
        return node_error(n, "inputs of rank %u, %u and %u, expected 4, 2 and 1", ref_rank(n->im, x),
                          ref_rank(n->im, rois), ref_rank(n->im, batch));
    if (g->samples < 0 || g->samples > INT16_MAX || g->bins[0] < 1 || g->bins[1] < 1 ||
        g->bins[0] > INT16_MAX || g->bins[1] > INT16_MAX)
        return node_error(n, "%" PRId64 " x %" PRId64 " bins of %" PRId64 " samples", g->bins[0], g->bins[1],
                          g->samples);
    for (uint32_t i = 0; i < 2; i++)
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, 2 + i), &g->extent[i]))
            return unsupported(n, "RoiAlign of a dimension without a size (fix it by --shape or --dim)");
    if (g->extent[0] < 1 || g->extent[1] < 1) return node_error(n, "input 0 has no cells");
    return STATUS_OK;
}

enum status import_roi_align(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), rois = node_in(n, 1), batch = node_in(n, 2), sum = {0};
    enum elem elem = ref_elem(n->im, x);
    struct regions g;
    struct samples s[2];
    TRY(read_regions(n, x, rois, batch, &g));
    struct attr to = attr_elem(ATTR_to, g.elem);
    if (ref_elem(n->im, rois) != g.elem) rois = emit1_with(n, OP_cast, rois, to);
    if (elem != g.elem) x = emit1_with(n, OP_cast, x, to);
    for (uint32_t axis = 0; axis < 2; axis++) TRY(sample_axis(n, &g, rois, axis, &s[axis]));

    const dim_id cells =
        dim_mul(types, dim_mul(types, ref_dim(n->im, x, 0), ref_dim(n->im, x, 2)), ref_dim(n->im, x, 3));
    const dim_id flat[2] = {cells, ref_dim(n->im, x, 1)};
    ref rows = emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, (const int64_t[]){0, 2, 3, 1}, 4));
    rows = emit1_with(n, OP_reshape, rows, node_attr_dims(n, ATTR_shape, flat, 2));
    if (ref_elem(n->im, batch) != ELEM_i64)
        batch = emit1_with(n, OP_cast, batch, attr_elem(ATTR_to, ELEM_i64));
    int64_t picture = g.extent[0] * g.extent[1];
    ref first = emit2(n, OP_mul, batch, ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, picture)));
    first = emit1_with(n, OP_unsqueeze, first, node_attr_ints(n, ATTR_axes, (const int64_t[]){1, 2}, 2));
    for (uint32_t k = 0; k < 4; k++) {
        ref part = tap(n, &g, rows, first, s, k >> 1, k & 1);
        sum = k == 0 ? part : emit2(n, g.largest ? OP_max : OP_add, sum, part);
    }
    ref y = pool_bins(n, &g, sum, s);
    if (ref_none(y)) return STATUS_FAILED;
    if (elem != g.elem) y = emit1_with(n, OP_cast, y, attr_elem(ATTR_to, elem));
    return node_result(
        n, emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, (const int64_t[]){0, 3, 1, 2}, 4)));
}
