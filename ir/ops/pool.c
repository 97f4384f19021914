/* Pooling: windows that slide over the last one or two dimensions.
 *
 * A window that holds no element (its taps all fall into the padding, which takes dilation) gives the lowest
 * value of the type, or 0 as an average. */
#include "ir/ops/broadcast.h"
#include "ir/ops/chunk.h"
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"
#include "ir/ops/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_1d(enum op_kind kind) {
    return kind == OP_maxpool1d || kind == OP_avgpool1d;
}
static bool is_average(enum op_kind kind) {
    return kind == OP_avgpool1d || kind == OP_avgpool2d;
}

enum status infer_pool(struct infer *infer) {
    struct types *types = &infer->m->types;
    uint32_t rank = is_1d(infer->op->kind) ? 3 : 4, spatial = rank - 2;
    const int64_t *taps = op_ints(infer->op, ATTR_window, NULL);
    bool ceil_mode = op_bool(infer->op, ATTR_ceil_mode);
    struct window window[MAX_SPATIAL];
    TRY(expect_rank(infer, 0, rank));
    TRY(window_check(infer, spatial, taps, true));
    window_of(infer->op, spatial, taps, window);
    dim_id dims[MAX_RANK] = {infer_dim(infer, 0, 0), infer_dim(infer, 0, 1)};
    for (uint32_t s = 0; s < spatial; s++) {
        const struct window *w = &window[s];
        int64_t most = max_i64(w->before, w->after);
        if (most >= window_extent(w))
            return infer_error(infer, "a padding of %lld holds a whole window of extent %lld, expected less",
                               (long long)most, (long long)window_extent(w));
        TRY(window_positions(infer, w, infer_dim(infer, 0, 2 + s), ceil_mode, &dims[2 + s]));
    }
    infer->results[0] = type_make(infer_operand(infer, 0).elem, dims_make(types, dims, rank));
    return STATUS_OK;
}

/* -- evaluation: one plane of x (the spatial dimensions of a channel) after the other -- */
struct plane {
    int64_t in[MAX_SPATIAL], out[MAX_SPATIAL]; /* height, width */
    struct window window[MAX_SPATIAL];
    bool count_pad;
};

static struct plane plane_of(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct plane p = {.in = {1, 1}, .out = {1, 1}};
    uint32_t spatial = x->rank - 2, first = MAX_SPATIAL - spatial;
    p.window[0] = (struct window){1, 1, 1, 0, 0};
    window_of(eval->op, spatial, op_ints(eval->op, ATTR_window, NULL), p.window + first);
    for (uint32_t s = 0; s < spatial; s++) {
        p.in[first + s] = x->dim[2 + s];
        p.out[first + s] = eval->out->dim[2 + s];
    }
    p.count_pad = is_average(eval->op->kind) && op_bool(eval->op, ATTR_count_pad);
    return p;
}

/* The taps of a window along one dimension that lie in x: positions from lo to hi by the dilation. */
struct taps {
    int64_t lo, hi;
    int64_t counted; /* in an average */
};

static struct taps taps_of(const struct plane *p, int s, int64_t o) {
    const struct window *w = &p->window[s];
    int64_t lo, hi, start = o * w->stride - w->before;
    window_taps(w, p->in[s], o, &lo, &hi);
    struct taps taps = {start + lo * w->dilation, start + hi * w->dilation, hi - lo};
    /* taps inside the padded x: with ceil_mode a window may hang over its end */
    if (p->count_pad) taps.counted = min_i64(w->taps, ceil_div(p->in[s] + w->after - start, w->dilation));
    return taps;
}

/* taps[s][o] of every output position; one block, the caller's to free. */
static void *all_taps(const struct plane *p, struct taps *taps[MAX_SPATIAL]) {
    struct taps *all = xcalloc((size_t)(p->out[0] + p->out[1]), sizeof *all);
    taps[0] = all;
    taps[1] = all + p->out[0];
    for (int s = 0; s < MAX_SPATIAL; s++)
        for (int64_t o = 0; o < p->out[s]; o++) taps[s][o] = taps_of(p, s, o);
    return all;
}

/* The patch of x under the window at one output position. */
struct patch {
    struct taps y, x;
};

#define EACH_ELEMENT(p, patch, i)                                                                            \
    for (int64_t row = (patch).y.lo; row < (patch).y.hi; row += (p)->window[0].dilation)                     \
        for (int64_t i = row * (p)->in[1] + (patch).x.lo, end = row * (p)->in[1] + (patch).x.hi; i < end;    \
             i += (p)->window[1].dilation)

static double largest_f64(const struct plane *p, struct patch patch, const double *x) {
    double best = -INFINITY;
    EACH_ELEMENT(p, patch, i) if (!(x[i] <= best)) { /* larger, or NaN */
        if (isnan(x[i])) return x[i];
        best = x[i];
    }
    return best;
}

static double average_f64(const struct plane *p, struct patch patch, const double *x) {
    double sum = 0;
    EACH_ELEMENT(p, patch, i) sum += x[i];
    int64_t counted = patch.y.counted * patch.x.counted;
    return counted ? sum / (double)counted : 0;
}

static int64_t largest_int(const struct plane *p, struct patch patch, const int64_t *x, int64_t lowest) {
    int64_t best = lowest;
    EACH_ELEMENT(p, patch, i) best = max_i64(best, x[i]);
    return best;
}

static int64_t largest_uint(const struct plane *p, struct patch patch, const int64_t *x) {
    uint64_t best = 0;
    EACH_ELEMENT(p, patch, i) if ((uint64_t)x[i] > best) best = (uint64_t)x[i];
    return (int64_t)best;
}

static void pool_floats(const struct eval *eval, const struct plane *p, struct taps *taps[MAX_SPATIAL],
                        int64_t plane) {
    int64_t in = p->in[0] * p->in[1], out = p->out[0] * p->out[1];
    double *x = xcalloc((size_t)in, sizeof *x), *y = xcalloc((size_t)out, sizeof *y), *to = y;
    chunk_load_f64(eval->in[0], plane * in, in, x);
    for (int64_t oy = 0; oy < p->out[0]; oy++)
        for (int64_t ox = 0; ox < p->out[1]; ox++) {
            struct patch patch = {taps[0][oy], taps[1][ox]};
            *to++ = is_average(eval->op->kind) ? average_f64(p, patch, x) : largest_f64(p, patch, x);
        }
    chunk_store_f64(eval->out, plane * out, out, y);
    free(x);
    free(y);
}

static void pool_ints(const struct eval *eval, const struct plane *p, struct taps *taps[MAX_SPATIAL],
                      int64_t plane) {
    int64_t in = p->in[0] * p->in[1], out = p->out[0] * p->out[1];
    int64_t *x = xcalloc((size_t)in, sizeof *x), *y = xcalloc((size_t)out, sizeof *y), *to = y;
    bool is_signed = elem_kind(eval->in[0]->elem) == ELEM_KIND_INT;
    int64_t lowest = INT64_MIN >> (64 - 8 * elem_bytes(eval->in[0]->elem));
    chunk_load_i64(eval->in[0], plane * in, in, x);
    for (int64_t oy = 0; oy < p->out[0]; oy++)
        for (int64_t ox = 0; ox < p->out[1]; ox++) {
            struct patch patch = {taps[0][oy], taps[1][ox]};
            *to++ = is_signed ? largest_int(p, patch, x, lowest) : largest_uint(p, patch, x);
        }
    chunk_store_i64(eval->out, plane * out, out, y);
    free(x);
    free(y);
}

enum status eval_pool(const struct eval *eval) {
    if (!tensor_count(eval->out)) return STATUS_OK;
    struct plane p = plane_of(eval);
    struct taps *taps[MAX_SPATIAL];
    void *all = all_taps(&p, taps);
    int64_t planes = eval->in[0]->dim[0] * eval->in[0]->dim[1];
    for (int64_t i = 0; i < planes; i++)
        if (elem_is_float(eval->in[0]->elem))
            pool_floats(eval, &p, taps, i);
        else
            pool_ints(eval, &p, taps, i);
    free(all);
    return STATUS_OK;
}

/* -- channels and footprint -- */
void channels_pool(struct channel_map *map) {
    uint32_t rank = is_1d(map->op->kind) ? 3 : 4;
    for (uint32_t d = 0; d < 2; d++) channels_same(map, 0, d, PORT_RESULT, d);
    for (uint32_t d = 2; d < rank; d++) {
        channels_freeze(map, 0, d, "windows slide along it");
        channels_freeze(map, PORT_RESULT, d, "windows slide along it");
    }
}

void footprint_pool(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                    struct box *out) {
    int64_t x[MAX_RANK];
    struct window window[MAX_SPATIAL];
    uint32_t rank = value_extents(m, op->operand[operand], x);
    window_of(op, rank - 2, op_ints(op, ATTR_window, NULL), window);
    *out = *result;
    for (uint32_t d = 2; d < rank; d++) {
        struct window_span span = window_read(&window[d - 2], x[d], result->lo[d], result->hi[d]);
        out->lo[d] = span.lo;
        out->hi[d] = span.hi;
    }
}
