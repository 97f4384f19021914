/* Upsample and Resize. */
#include "frontend/onnx/resize.h"

#include <inttypes.h>
#include <math.h>

struct resizing {
    uint32_t rank;
    dim_id from[MAX_RANK], to[MAX_RANK];
    double scale[MAX_RANK];
    bool by_scale; /* the scales are given; otherwise they follow from the extents */
};

static void read_operand(struct node *n, ref x, struct resizing *r) {
    *r = (struct resizing){.rank = ref_rank(n->im, x)};
    for (uint32_t i = 0; i < r->rank; i++) {
        r->to[i] = r->from[i] = ref_dim(n->im, x, i);
        r->scale[i] = 1;
    }
}

/* floor(extent * scale), the product rounded to f32 as those who write and run such files have it. */
static enum status scale_dim(struct node *n, struct resizing *r, uint32_t axis, double scale) {
    struct types *types = &n->im->m->types;
    int64_t extent;
    r->scale[axis] = scale;
    if (!(scale > 0) || !(scale < DIM_MAX)) return node_error(n, "scale %u is %g", axis, scale);
    if (scale == 1) return STATUS_OK;
    if (dim_is_const(types, r->from[axis], &extent)) {
        float to = floorf((float)extent * (float)scale);
        if (!(to < (float)DIM_MAX)) return node_error(n, "scale %u is %g, too large", axis, scale);
        r->to[axis] = dim_const(types, (int64_t)to);
    } else if (scale == floor(scale)) {
        r->to[axis] = dim_mul(types, r->from[axis], dim_const(types, (int64_t)scale));
    } else if (1 / scale == floor(1 / scale)) {
        r->to[axis] = dim_floor_div(types, r->from[axis], dim_const(types, (int64_t)(1 / scale)));
    } else {
        return unsupported(n, "%s of a dimension without a size (fix it by --shape or --dim)",
                           n->proto->op_type);
    }
    return r->to[axis].i ? STATUS_OK : node_error(n, "scale %u is %g, too large", axis, scale);
}

/* Bools are moved as bytes. */
static ref emit_resize(struct node *n, ref x, const struct resizing *r, enum keyword mode,
                       enum keyword coordinates, enum keyword rounding) {
    bool same = true;
    for (uint32_t i = 0; i < r->rank; i++) same = same && dim_same(r->from[i], r->to[i]) && r->scale[i] == 1;
    if (same && r->by_scale) return x;
    bool is_bool = ref_elem(n->im, x) == ELEM_bool;
    ref y = emit1_with(n, OP_resize, is_bool ? emit_cast(n, x, ELEM_u8) : x,
                       node_attr_dims(n, ATTR_shape, r->to, r->rank),
                       attr_floats(n->im->m, ATTR_scales, r->scale, r->by_scale ? r->rank : 0),
                       attr_keyword(ATTR_mode, mode), attr_keyword(ATTR_coordinates, coordinates),
                       attr_keyword(ATTR_rounding, rounding));
    return is_bool ? emit_cast(n, y, ELEM_bool) : y;
}

/* Upsample, and Resize of opset 10: cell i of the result lies at i / scale, rounded down for nearest. */
enum status import_upsample(struct node *n) {
    static const char *const modes[] = {"nearest", "linear", "bilinear", NULL};
    ref x = node_in(n, 0);
    struct resizing r;
    const double *scales;
    uint32_t mode, count;
    read_operand(n, x, &r);
    TRY(node_word(n, "mode", modes, 0, &mode));
    TRY(node_floats_or_input(n, "scales", 1, &scales, &count));
    if (count != r.rank) return node_error(n, "it has %u scales for rank %u", count, r.rank);
    r.by_scale = true;
    for (uint32_t i = 0; i < r.rank; i++) TRY(scale_dim(n, &r, i, scales[i]));
    return node_result(
        n, emit_resize(n, x, &r, mode ? KEYWORD_linear : KEYWORD_nearest, KEYWORD_asymmetric, KEYWORD_floor));
}

/* -- Resize since opset 11 -- */
struct axes_list {
    uint32_t count, at[MAX_RANK];
};

static enum status read_axes(struct node *n, uint32_t rank, struct axes_list *out) {
    struct ints axes = node_ints(n, "axes");
    out->count = axes.given ? axes.count : rank;
    if (out->count > rank) return node_error(n, "it has %u axes for rank %u", out->count, rank);
    for (uint32_t i = 0; i < out->count; i++) {
        out->at[i] = i;
        if (axes.given) TRY(node_axis(n, axes.at[i], rank, &out->at[i]));
    }
    return STATUS_OK;
}

/* Sizes as they are, or one scale for all that keeps the picture within them or covers them. */
static enum status resize_to(struct node *n, struct resizing *r, const struct axes_list *axes,
                             const dim_id *sizes) {
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    struct types *types = &n->im->m->types;
    uint32_t policy;
    double common = 0;
    TRY(node_word(n, "keep_aspect_ratio_policy", policies, 0, &policy));
    for (uint32_t i = 0; i < axes->count; i++) {
        int64_t from, to;
        r->to[axes->at[i]] = sizes[i];
        if (!policy) continue;
        if (!dim_is_const(types, r->from[axes->at[i]], &from) || !dim_is_const(types, sizes[i], &to) || !from)
            return unsupported(n, "Resize of a dimension without a size (fix it by --shape or --dim)");
        double scale = (double)to / (double)from;
        if (!i || (policy == 1 ? scale < common : scale > common)) common = scale;
    }
    for (uint32_t i = 0; policy && i < axes->count; i++) {
        int64_t from = 0;
        check(dim_is_const(types, r->from[axes->at[i]], &from));
        r->scale[axes->at[i]] = common;
        r->to[axes->at[i]] = dim_const(types, (int64_t)floor(common * (double)from + 0.5));
    }
    r->by_scale = policy != 0;
    return STATUS_OK;
}

static enum status read_target(struct node *n, struct resizing *r) {
    struct axes_list axes;
    TRY(read_axes(n, r->rank, &axes));
    ref scales_in = node_in(n, 2), sizes_in = node_in(n, 3);
    bool has_scales = false;
    if (!ref_none(scales_in)) {
        const double *scales;
        uint32_t count;
        TRY(node_floats_or_input(n, "scales", 2, &scales, &count));
        has_scales = count > 0;
        if (has_scales && count != axes.count)
            return node_error(n, "it has %u scales, expected %u", count, axes.count);
        for (uint32_t i = 0; has_scales && i < count; i++) TRY(scale_dim(n, r, axes.at[i], scales[i]));
        r->by_scale = has_scales;
    }
    if (ref_none(sizes_in)) return has_scales ? STATUS_OK : node_error(n, "it has neither scales nor sizes");
    dim_id sizes[MAX_RANK];
    uint32_t count;
    TRY(node_dims(n, 3, sizes, MAX_RANK, &count));
    if (!count && has_scales) return STATUS_OK;
    if (has_scales) return node_error(n, "it has both scales and sizes");
    if (count != axes.count) return node_error(n, "it has %u sizes, expected %u", count, axes.count);
    return resize_to(n, r, &axes, sizes);
}

/* Starts, then ends, of the crop: parts of the extents. */
static enum status read_crop(struct node *n, const struct axes_list *axes, struct sampled_axis *all) {
    const double *roi;
    uint32_t count;
    TRY(node_floats_or_input(n, "roi", 1, &roi, &count));
    if (count != 2 * axes->count)
        return node_error(n, "the crop has %u numbers, expected %u", count, 2 * axes->count);
    for (uint32_t i = 0; i < axes->count; i++) {
        all[axes->at[i]].start = roi[i];
        all[axes->at[i]].end = roi[axes->count + i];
    }
    return STATUS_OK;
}

static enum status sample(struct node *n, ref x, const struct resizing *r, const struct sampling *s) {
    struct sampled_axis all[MAX_RANK], moved[MAX_RANK];
    struct axes_list axes;
    uint32_t count = 0;
    bool crops = s->coordinates == SAMPLE_TF_CROP;
    for (uint32_t i = 0; i < r->rank; i++) all[i] = (struct sampled_axis){.axis = i, .end = 1};
    TRY(read_axes(n, r->rank, &axes));
    if (crops) TRY(read_crop(n, &axes, all));
    for (uint32_t i = 0; i < r->rank; i++) {
        struct sampled_axis *a = &all[i];
        bool changes = !dim_same(r->from[i], r->to[i]) || (r->by_scale && r->scale[i] != 1);
        if (!changes && a->start == 0 && a->end == 1) continue;
        if (!dim_is_const(&n->im->m->types, r->from[i], &a->from) ||
            !dim_is_const(&n->im->m->types, r->to[i], &a->to))
            return unsupported(n, "Resize of a dimension without a size (fix it by --shape or --dim)");
        if (!a->from || !a->to) return unsupported(n, "Resize of a dimension without cells in this mode");
        a->scale = r->by_scale ? r->scale[i] : (double)a->to / (double)a->from;
        moved[count++] = *a;
    }
    return node_result(n, emit_sampled(n, x, s, moved, count));
}

enum status import_resize(struct node *n) {
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const coordinates[] = {
        "half_pixel",           "pytorch_half_pixel", "align_corners",        "asymmetric",
        "tf_half_pixel_for_nn", "tf_crop_and_resize", "half_pixel_symmetric", NULL};
    static const enum keyword coordinate_words[] = {KEYWORD_half_pixel, KEYWORD_pytorch_half_pixel,
                                                    KEYWORD_align_corners, KEYWORD_asymmetric,
                                                    KEYWORD_tf_half_pixel};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    static const enum keyword rounding_words[] = {KEYWORD_round_prefer_floor, KEYWORD_round_prefer_ceil,
                                                  KEYWORD_floor, KEYWORD_ceil};
    ref x = node_in(n, 0);
    struct resizing r;
    uint32_t mode, coordinate, rounding;
    read_operand(n, x, &r);
    TRY(node_word(n, "mode", modes, 0, &mode));
    TRY(node_word(n, "coordinate_transformation_mode", coordinates, 0, &coordinate));
    TRY(node_word(n, "nearest_mode", roundings, 0, &rounding));
    struct sampling s = {.mode = mode, .coordinates = coordinate, .rounding = rounding};
    s.cubic_a = node_float(n, "cubic_coeff_a", -0.75);
    s.fill = node_float(n, "extrapolation_value", 0);
    s.exclude_outside = node_int(n, "exclude_outside", 0) != 0;
    s.smooth = node_int(n, "antialias", 0) != 0 && mode != SAMPLE_NEAREST;
    TRY(read_target(n, &r));
    (void)node_attr(n, "keep_aspect_ratio_policy"); /* means nothing beside scales */
    if (mode == SAMPLE_CUBIC || coordinate >= SAMPLE_TF_CROP || s.smooth) return sample(n, x, &r, &s);
    return node_result(n, emit_resize(n, x, &r, mode ? KEYWORD_linear : KEYWORD_nearest,
                                      coordinate_words[coordinate], rounding_words[rounding]));
}
