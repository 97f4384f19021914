/* Each axis is a matrix of weights that an extent is multiplied by; nearest picks cells by their indices
 * instead, so that NaN and infinities stay where they are. Positions and weights are those of ONNX's
 * reference, in double precision. */
#include "frontend/onnx/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_WEIGHTS = 1 << 26 };

/* Where cell i of the result lies among the operand's cells. */
static double position(const struct sampling *s, const struct sampled_axis *a, int64_t i) {
    double x = (double)i, from = (double)a->from, to = a->scale * from, span = a->end - a->start;
    switch (s->coordinates) {
    case SAMPLE_HALF_PIXEL:
        return (x + 0.5) / a->scale - 0.5;
    case SAMPLE_PYTORCH_HALF_PIXEL:
        return a->to > 1 ? (x + 0.5) / a->scale - 0.5 : 0;
    case SAMPLE_ALIGN_CORNERS:
        return to == 1 ? 0 : x * (from - 1) / (to - 1);
    case SAMPLE_ASYMMETRIC:
        return x / a->scale;
    case SAMPLE_TF_HALF_PIXEL:
        return (x + 0.5) / a->scale;
    case SAMPLE_TF_CROP:
        return a->start * (from - 1) + (to == 1 ? span * (from - 1) / 2 : x * span * (from - 1) / (to - 1));
    case SAMPLE_SYMMETRIC:
        return from / 2 * (1 - (double)a->to / to) + (x + 0.5) / a->scale - 0.5;
    }
    bug("resize: no such coordinates");
}

static double cubic(double a, double distance) {
    double x = fabs(distance);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Of the cell at `distance` from the position, in cells of the operand. */
static double weight(const struct sampling *s, double distance, double stretch) {
    if (s->mode == SAMPLE_CUBIC) return cubic(s->cubic_a, distance * stretch);
    return fmax(1 - fabs(distance * stretch), 0);
}

static int64_t clamp(int64_t i, int64_t count) {
    return min_i64(max_i64(i, 0), count - 1);
}

static int64_t nearest(const struct sampling *s, const struct sampled_axis *a, double at) {
    double below = floor(at), part = at - below;
    bool up = s->rounding == ROUND_CEIL ? part > 0
                                        : s->rounding != ROUND_FLOOR &&
                                              (s->rounding == ROUND_PREFER_CEIL ? part >= 0.5 : part > 0.5);
    return clamp((int64_t)below + up, a->from);
}

/* A row of weights: the cells around the position, those outside taken for the cell at the edge, or left out.
 */
static void fill_row(const struct sampling *s, const struct sampled_axis *a, double at, double *row) {
    double stretch = s->smooth && a->scale < 1 ? a->scale : 1, sum = 0;
    int64_t base = (int64_t)ceil(at) - 1, reach = s->mode == SAMPLE_CUBIC ? 2 : 1;
    int64_t first = base + (int64_t)floor(-(double)reach / stretch) + 1, last = 2 * base + 1 - first;
    for (int64_t i = first; i <= last; i++) {
        bool outside = i < 0 || i >= a->from;
        double w = s->exclude_outside && outside ? 0 : weight(s, (double)i - at, stretch);
        row[clamp(i, a->from)] += w;
        sum += w;
    }
    bool normal = s->smooth || s->exclude_outside;
    for (int64_t i = 0; normal && sum != 0 && i < a->from; i++) row[i] /= sum;
}

static bool is_cut_off(const struct sampling *s, const struct sampled_axis *a, double at) {
    return s->coordinates == SAMPLE_TF_CROP && (at < 0 || at > (double)(a->from - 1));
}

static ref pick_nearest(struct node *n, ref x, const struct sampling *s, const struct sampled_axis *a) {
    struct tensor indices = tensor_new(ELEM_i64, 1, &a->to);
    for (int64_t i = 0; i < a->to; i++) tensor_set_i64(&indices, i, nearest(s, a, position(s, a, i)));
    return emit2_with(n, OP_gather, x, ref_of_tensor(n->im, indices), attr_int(ATTR_axis, a->axis));
}

static ref multiply(struct node *n, ref x, const struct sampling *s, const struct sampled_axis *a) {
    uint32_t rank = ref_rank(n->im, x);
    bool rows = rank >= 2 && a->axis == rank - 2; /* the matrix stands on the left */
    int64_t perm[MAX_RANK], dims[2] = {rows ? a->to : a->from, rows ? a->from : a->to};
    struct tensor weights = tensor_new(ref_elem(n->im, x), 2, dims);
    double *row = xcalloc((size_t)a->from, sizeof *row);
    for (int64_t i = 0; i < a->to; i++) {
        memset(row, 0, (size_t)a->from * sizeof *row);
        fill_row(s, a, position(s, a, i), row);
        for (int64_t k = 0; k < a->from; k++)
            tensor_set_f64(&weights, rows ? i * a->from + k : k * a->to + i, row[k]);
    }
    free(row);
    ref w = ref_of_tensor(n->im, weights);
    if (rows) return emit2(n, OP_matmul, w, x);
    if (a->axis == rank - 1) return emit2(n, OP_matmul, x, w);
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    perm[a->axis] = rank - 1, perm[rank - 1] = a->axis;
    struct attr swap = node_attr_ints(n, ATTR_perm, perm, rank);
    return emit1_with(n, OP_transpose, emit2(n, OP_matmul, emit1_with(n, OP_transpose, x, swap), w), swap);
}

/* What lies outside the crop is the fill, whatever the other axes say. */
static ref fill_outside(struct node *n, ref x, const struct sampling *s, const struct sampled_axis *a) {
    int64_t dims[MAX_RANK];
    bool any = false;
    if (ref_none(x)) return x;
    uint32_t rank = ref_rank(n->im, x);
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == a->axis ? a->to : 1;
    struct tensor outside = tensor_new(ELEM_bool, rank, dims);
    for (int64_t i = 0; i < a->to; i++) {
        bool cut = is_cut_off(s, a, position(s, a, i));
        tensor_set_i64(&outside, i, cut);
        any = any || cut;
    }
    ref mask = ref_of_tensor(n->im, outside);
    return any ? emit3(n, OP_where, mask, ref_f64(n->im, ref_elem(n->im, x), s->fill), x) : x;
}

ref emit_sampled(struct node *n, ref x, const struct sampling *s, const struct sampled_axis *axes,
                 uint32_t count) {
    enum elem elem = ref_elem(n->im, x);
    bool blends = s->mode != SAMPLE_NEAREST, exact_in_f32 = elem_bytes(elem) < 4;
    if (blends && (exact_in_f32 || !elem_is_float(elem)))
        x = emit_cast(n, x, exact_in_f32 ? ELEM_f32 : ELEM_f64);
    for (uint32_t i = 0; i < count && !ref_none(x); i++) {
        if (axes[i].from > LARGEST_WEIGHTS / max_i64(axes[i].to, 1)) {
            (void)unsupported(n, "Resize from %lld to %lld cells in this mode", (long long)axes[i].from,
                              (long long)axes[i].to);
            return (ref){0};
        }
        x = s->mode == SAMPLE_NEAREST ? pick_nearest(n, x, s, &axes[i]) : multiply(n, x, s, &axes[i]);
    }
    for (uint32_t i = 0; i < count; i++) x = fill_outside(n, x, s, &axes[i]);
    return emit_cast(n, blends && !elem_is_float(elem) ? emit1(n, OP_round, x) : x, elem);
}
