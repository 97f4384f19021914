/* resize: ONNX Resize (opset 13), modes nearest and linear, separable by dimension. */
#include "ir/ops/move.h"
#include "ir/ops/resize.h"
#include "ir/ops/shape.h"

#include <math.h>

static bool word_in(enum keyword word, const enum keyword *words, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (words[i] == word) return true;
    return false;
}

static enum status check_words(const struct infer *infer) {
    static const enum keyword modes[] = {KEYWORD_nearest, KEYWORD_linear};
    static const enum keyword coordinates[] = {KEYWORD_half_pixel, KEYWORD_pytorch_half_pixel,
                                               KEYWORD_align_corners, KEYWORD_asymmetric,
                                               KEYWORD_tf_half_pixel};
    static const enum keyword roundings[] = {KEYWORD_round_prefer_floor, KEYWORD_round_prefer_ceil,
                                             KEYWORD_floor, KEYWORD_ceil};
    enum keyword mode = op_keyword(infer->op, ATTR_mode), how = op_keyword(infer->op, ATTR_coordinates),
                 rounding = op_keyword(infer->op, ATTR_rounding);
    if (!word_in(mode, modes, COUNT_OF(modes)))
        return infer_error(infer, "mode is %s, expected nearest or linear", keyword_text(mode));
    if (!word_in(how, coordinates, COUNT_OF(coordinates)))
        return infer_error(
            infer,
            "coordinates is %s, expected half_pixel, pytorch_half_pixel, align_corners, asymmetric or "
            "tf_half_pixel",
            keyword_text(how));
    if (!word_in(rounding, roundings, COUNT_OF(roundings)))
        return infer_error(infer,
                           "rounding is %s, expected round_prefer_floor, round_prefer_ceil, floor or ceil",
                           keyword_text(rounding));
    return STATUS_OK;
}

/* A scale and an extent belong together when they differ by rounding alone, down or to the nearest, in
 * whatever precision the product was taken. */
static enum status check_scale(const struct infer *infer, uint32_t i, dim_id from, dim_id to, double scale) {
    const struct types *types = &infer->m->types;
    int64_t a, b;
    if (!(scale > 0) || isinf(scale))
        return infer_error(infer, "scales has %g, expected a positive number", scale);
    if (!dim_is_const(types, from, &a) || !dim_is_const(types, to, &b)) return STATUS_OK;
    double difference = (double)a * scale - (double)b;
    if (difference < -0.51 || difference > 1.01)
        return infer_error(infer, "dimension %u goes from %lld to %lld, which is not the scale %g", i,
                           (long long)a, (long long)b, scale);
    return STATUS_OK;
}

enum status infer_resize(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    if (x.quant.i && op_keyword(infer->op, ATTR_mode) != KEYWORD_nearest)
        return infer_error(infer, "operand x is quantized, expected mode = nearest, or floats");
    uint32_t rank = type_rank(types, x), count;
    dims_id shape = op_attr(infer->op, ATTR_shape)->dims;
    const double *scales = op_floats(infer->op, ATTR_scales, &count);
    if (dims_rank(types, shape) != rank)
        return infer_error(infer, "shape is %s, expected rank %u as the operand has",
                           infer_shape_text(infer, shape), rank);
    if (count && count != rank) return infer_error(infer, "scales has %u numbers, expected %u", count, rank);
    TRY(check_words(infer));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        int64_t from, to;
        dims[i] = dims_at(types, shape, i);
        if (count) TRY(check_scale(infer, i, infer_dim(infer, 0, i), dims[i], scales[i]));
        if (dim_is_const(types, infer_dim(infer, 0, i), &from) && dim_is_const(types, dims[i], &to) &&
            !from && to)
            return infer_error(infer, "dimension %u has no elements, %lld cannot be sampled from it", i,
                               (long long)to);
    }
    return infer_result(infer, 0, x.elem, dims, rank);
}

struct sampling sampling_of(const struct op *op, uint32_t i, int64_t from, int64_t to) {
    uint32_t count;
    const double *scales = op_floats(op, ATTR_scales, &count);
    return (struct sampling){from, to, count ? scales[i] : 0, op_keyword(op, ATTR_coordinates),
                             op_keyword(op, ATTR_rounding)};
}

bool sampling_unchanged(const struct sampling *s) {
    return s->from == s->to && (s->scale == 0 || s->scale == 1);
}

/* The place in the operand that element i of the result shows. Without a given scale it is a quotient of
 * integers, taken with one rounding, so that halves stay halves. With a given scale the resized length is
 * operand * scale, unrounded, as in the reference of ONNX. */
static double source_position(const struct sampling *s, int64_t i) {
    bool given = s->scale != 0;
    double from = (double)s->from, to = given ? from * s->scale : (double)s->to;
    double x = (double)i;
    switch (s->coordinates) {
    case KEYWORD_align_corners:
        return to == 1 ? 0 : x * (from - 1) / (to - 1);
    case KEYWORD_asymmetric:
        return given ? x / s->scale : x * from / to;
    case KEYWORD_tf_half_pixel:
        return given ? (x + 0.5) / s->scale : (2 * x + 1) * from / (2 * to);
    default:
        if (s->coordinates == KEYWORD_pytorch_half_pixel && s->to <= 1) return 0;
        return given ? (x + 0.5) / s->scale - 0.5 : ((2 * x + 1) * from - to) / (2 * to);
    }
}

static int64_t clamp_index(double x, int64_t extent) {
    return x < 0 ? 0 : x > (double)(extent - 1) ? extent - 1 : (int64_t)x;
}

int64_t sampling_nearest(const struct sampling *s, int64_t i) {
    if (sampling_unchanged(s)) return i;
    double x = source_position(s, i);
    switch (s->rounding) {
    case KEYWORD_round_prefer_floor:
        x = ceil(x - 0.5);
        break;
    case KEYWORD_round_prefer_ceil:
        x = floor(x + 0.5);
        break;
    case KEYWORD_floor:
        x = floor(x);
        break;
    default:
        x = ceil(x);
        break;
    }
    return clamp_index(x, s->from);
}

struct blend sampling_linear(const struct sampling *s, int64_t i) {
    if (sampling_unchanged(s)) return (struct blend){i, i, 0};
    double x = source_position(s, i), below = floor(x);
    struct blend b = {clamp_index(below, s->from), clamp_index(below + 1, s->from), x - below};
    if (b.low == b.high) b.weight = 0;
    return b;
}

/* -- evaluation -- */
static void eval_nearest(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    int64_t *map[MAX_RANK];
    for (uint32_t d = 0; d < x->rank; d++) {
        struct sampling s = sampling_of(eval->op, d, x->dim[d], y->dim[d]);
        map[d] = xcalloc((size_t)y->dim[d], sizeof **map);
        for (int64_t i = 0; i < y->dim[d]; i++) map[d][i] = sampling_nearest(&s, i);
    }
    move_mapped(x, map, NULL, y);
    for (uint32_t d = 0; d < x->rank; d++) free(map[d]);
}

/* Blends `from`, seen as [outer, s.from, inner], into [outer, s.to, inner]. A neighbour of weight 0 is not
 * read, so that an infinity there does no harm. */
static double *blend_dimension(const struct sampling *s, int64_t outer, int64_t inner, const double *from) {
    double *to = xcalloc((size_t)(outer * s->to * inner), sizeof *to), *at = to;
    for (int64_t o = 0; o < outer; o++, from += s->from * inner)
        for (int64_t i = 0; i < s->to; i++) {
            struct blend b = sampling_linear(s, i);
            const double *low = from + b.low * inner, *high = from + b.high * inner;
            for (int64_t k = 0; k < inner; k++)
                *at++ = b.weight == 0 ? low[k] : (1 - b.weight) * low[k] + b.weight * high[k];
        }
    return to;
}

static void eval_linear_blend(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    int64_t count = tensor_count(x), extent[MAX_RANK];
    double *now = xcalloc((size_t)count, sizeof *now);
    for (int64_t i = 0; i < count; i++) now[i] = tensor_get_f64(x, i);
    for (uint32_t d = 0; d < x->rank; d++) extent[d] = x->dim[d];
    for (uint32_t d = 0; d < x->rank; d++) {
        struct sampling s = sampling_of(eval->op, d, x->dim[d], y->dim[d]);
        if (sampling_unchanged(&s)) continue;
        double *next =
            blend_dimension(&s, extent_product(extent, 0, d), extent_product(extent, d + 1, x->rank), now);
        free(now);
        now = next;
        extent[d] = y->dim[d];
    }
    count = tensor_count(y);
    for (int64_t i = 0; i < count; i++) tensor_set_f64(y, i, now[i]);
    free(now);
}

enum status eval_resize(const struct eval *eval) {
    if (!tensor_count(&eval->out[0])) return STATUS_OK;
    if (op_keyword(eval->op, ATTR_mode) == KEYWORD_nearest)
        eval_nearest(eval);
    else
        eval_linear_blend(eval);
    return STATUS_OK;
}

/* -- channels and footprint -- */
void channels_resize(struct channel_map *map) {
    for (uint32_t i = 0; i < port_rank(map, 0); i++) {
        int64_t from = channels_extent(map, 0, i), to = channels_extent(map, PORT_RESULT, i);
        struct sampling s = sampling_of(map->op, i, from, to);
        if (from < 0 || to < 0) continue;
        if (sampling_unchanged(&s)) {
            channels_same(map, 0, i, PORT_RESULT, i);
            continue;
        }
        channels_freeze(map, 0, i, "is resampled");
        channels_freeze(map, PORT_RESULT, i, "is resampled");
    }
}

void footprint_resize(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    (void)operand;
    int64_t x[MAX_RANK], y[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x);
    result_extents(m, op, 0, y);
    *out = box_none(rank);
    if (box_empty(result)) return;
    bool linear = op_keyword(op, ATTR_mode) == KEYWORD_linear;
    for (uint32_t i = 0; i < rank; i++) { /* positions never decrease, so the ends decide */
        struct sampling s = sampling_of(op, i, x[i], y[i]);
        if (!linear) {
            out->lo[i] = sampling_nearest(&s, result->lo[i]);
            out->hi[i] = sampling_nearest(&s, result->hi[i] - 1) + 1;
            continue;
        }
        struct blend first = sampling_linear(&s, result->lo[i]),
                     last = sampling_linear(&s, result->hi[i] - 1);
        out->lo[i] = first.low;
        out->hi[i] = (last.weight == 0 ? last.low : last.high) + 1;
    }
}
