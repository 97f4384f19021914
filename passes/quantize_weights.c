/* Weights on a grid of integers: scales by a search for the least squared error, codes to the nearest or,
 * with the second moments of the inputs, by the loop of GPTQ (passes/obs.h). */
#include "passes/quantize.h"

#include "passes/obs.h"

#include <math.h>
#include <string.h>

/* Symmetric: the integers run from -most to most, so that a scale has no sign. */
static double most_of(enum elem elem) {
    return (double)elem_max(elem);
}

/* The scale, of 0.7 … 1.0 of the largest, whose rounding errs least; `weight[i]` (NULL: 1) counts the square
 * of number i. All zero: 1. */
static float best_scale(const double *w, int64_t count, const double *weight, double most) {
    double largest = 0, least = INFINITY;
    float best = 1;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(w[i]));
    if (!(largest > 0)) return 1;
    for (int k = 0; k <= 30; k++) {
        float scale = (float)(largest / most * (1 - 0.01 * k));
        if (!(scale > 0)) scale = 1e-38f; /* the least that is no zero */
        double error = 0;
        for (int64_t i = 0; i < count; i++) {
            double code = fmin(fmax(nearbyint(w[i] / (double)scale), -most), most);
            double e = w[i] - code * (double)scale;
            error += e * e * (weight ? weight[i] : 1);
        }
        if (error >= least) continue;
        least = error;
        best = scale;
    }
    return best;
}

void quantize_rows(const struct tensor *w, enum elem elem, int64_t group, struct tensor *codes,
                   struct tensor *scale) {
    int64_t rows = w->rank ? w->dim[0] : 1, columns = rows ? tensor_count(w) / rows : 0;
    int64_t width = group ? group : max_i64(columns, 1), groups = ceil_div(columns, width);
    const int64_t shape[] = {rows, groups};
    double most = most_of(elem), *part = xmalloc((size_t)width * sizeof *part);
    *codes = tensor_new(elem, w->rank, w->dim);
    *scale = tensor_new(ELEM_f32, group ? 2 : 1, shape);
    for (int64_t at = 0; at < rows * groups; at++) {
        int64_t first = at / groups * columns + at % groups * width;
        int64_t count = min_i64(width, columns - at % groups * width);
        for (int64_t i = 0; i < count; i++) part[i] = tensor_get_f64(w, first + i);
        float s = best_scale(part, count, NULL, most);
        ((float *)scale->data)[at] = s;
        for (int64_t i = 0; i < count; i++)
            tensor_set_i64(codes, first + i,
                           (int64_t)fmin(fmax(nearbyint(part[i] / (double)s), -most), most));
    }
    free(part);
}

struct fitting {
    const struct obs_problem *p;
    struct obs_grid *grid;
    double *scale, *importance;
};

/* The scales of a group's columns, for the weights as the solver has moved them. */
static void fit_group(void *ctx, int64_t group, const double *w, const bool *kept) {
    struct fitting *f = ctx;
    int64_t depth = f->p->depth, first = group * f->grid->group;
    int64_t count = min_i64(f->grid->group, depth - first), groups = obs_grid_groups(f->grid, depth);
    (void)kept;
    for (int64_t row = 0; row < f->p->rows; row++)
        f->scale[row * groups + group] = (double)best_scale(
            &w[row * depth + first], count, f->importance ? &f->importance[first] : NULL, f->grid->hi);
}

static void store(const struct quantize_layer *l, int64_t g, const struct obs_grid *grid, const double *w,
                  struct tensor *fresh) {
    const struct columns *c = &l->c;
    int64_t groups = obs_grid_groups(grid, c->depth);
    for (int64_t i = 0; i < c->rows * c->depth; i++) {
        int64_t row = i / c->depth, column = i % c->depth, at = columns_weight_at(c, g, row, column);
        float scale = (float)grid->scale[row * groups + column / grid->group];
        double code = obs_grid_code(grid, c->depth, row, column, w[i]);
        tensor_set_i64((struct tensor *)&l->codes, at, (int64_t)code);
        tensor_set_f64(fresh, at, (double)((float)code * scale));
    }
    for (int64_t i = 0; i < c->rows * groups; i++)
        ((float *)l->scale.data)[g * c->rows * groups + i] = (float)grid->scale[i];
}

static void solve_group(const struct quantize *q, struct quantize_layer *l, const struct gram *gram,
                        int64_t g, const struct tensor *from, bool sparse, struct tensor *fresh) {
    const struct columns *c = &l->c;
    int64_t count = c->rows * c->depth, width = q->group ? min_i64(q->group, c->depth) : c->depth;
    double *old = xmalloc((size_t)count * sizeof *old), *w = xmalloc((size_t)count * sizeof *w);
    struct obs_problem p = {.rows = c->rows, .depth = c->depth, .pattern = {1, 1, 0, 0}, .damp = q->damp};
    struct obs_grid grid = {.group = width, .lo = -most_of(q->weights), .hi = most_of(q->weights)};
    struct fitting fit = {.p = &p, .grid = &grid};
    p.refit_damp = q->damp;
    p.old = old;
    p.w = w;
    p.kept = xcalloc((size_t)count, sizeof *p.kept);
    layer_get(c, g, from, old);
    memcpy(w, old, (size_t)count * sizeof *w);
    for (int64_t i = 0; i < count; i++) p.kept[i] = !sparse || old[i] != 0;
    int64_t groups = obs_grid_groups(&grid, c->depth);
    fit.scale = xcalloc((size_t)(c->rows * groups), sizeof *fit.scale);
    grid.scale = fit.scale;
    if (gram) {
        p.g = gram_own(gram, g);
        fit.importance = xmalloc((size_t)c->depth * sizeof *fit.importance);
        for (int64_t j = 0; j < c->depth; j++) fit.importance[j] = p.g[j * c->depth + j] + 1e-30;
    }
    for (int64_t k = 0; k < groups; k++) fit_group(&fit, k, w, p.kept);
    if (gram) {
        if (groups > 1) grid.fit = fit_group, grid.ctx = &fit;
        obs_quantize(&p, &grid,
                     &(struct obs_rounding){.mask = sparse ? OBS_GIVEN : OBS_KEEP_ALL,
                                            .by_importance = groups == 1,
                                            .descents = 2});
    }
    store(l, g, &grid, w, fresh);
    free(fit.scale);
    free(fit.importance);
    free(old);
    free(w);
    free(p.kept);
}

/* A transposed convolution's w[in, out / groups, taps]: a scale for each output of a group, over inputs,
 * groups and taps. */
static void round_scattered(const struct quantize *q, struct quantize_layer *l, const struct tensor *from,
                            struct tensor *fresh) {
    int64_t outputs = from->dim[1], inner = 1, inputs = from->dim[0], count = 0;
    for (uint32_t d = 2; d < from->rank; d++) inner *= from->dim[d];
    double most = most_of(q->weights), *part = xmalloc((size_t)(inputs * inner + 1) * sizeof *part);
    l->scale = tensor_new(ELEM_f32, 1, &outputs);
    for (int64_t o = 0; o < outputs; o++, count = 0) {
        for (int64_t i = 0; i < inputs * inner; i++)
            part[count++] = tensor_get_f64(from, (i / inner * outputs + o) * inner + i % inner);
        float s = ((float *)l->scale.data)[o] = best_scale(part, count, NULL, most);
        for (int64_t i = 0; i < inputs * inner; i++) {
            int64_t at = (i / inner * outputs + o) * inner + i % inner;
            double code = fmin(fmax(nearbyint(part[i] / (double)s), -most), most);
            tensor_set_i64(&l->codes, at, (int64_t)code);
            tensor_set_f64(fresh, at, (double)((float)code * s));
        }
    }
    free(part);
}

void quantize_weight(const struct quantize *q, struct quantize_layer *l, const struct gram *gram,
                     struct tensor *fresh) {
    const struct value *v = value_get(q->m, l->c.weight);
    const struct tensor *from = &weight_get(q->m, v->weight)->tensor;
    if (l->c.scattered) {
        l->codes = tensor_new(q->weights, from->rank, from->dim);
        *fresh = tensor_new(from->elem, from->rank, from->dim);
        round_scattered(q, l, from, fresh);
        return;
    }
    int64_t width = q->group ? min_i64(q->group, l->c.depth) : l->c.depth;
    const int64_t shape[] = {l->c.groups * l->c.rows, ceil_div(l->c.depth, max_i64(width, 1))};
    l->codes = tensor_new(q->weights, from->rank, from->dim);
    l->scale = tensor_new(ELEM_f32, q->group ? 2 : 1, shape);
    *fresh = tensor_new(from->elem, from->rank, from->dim);
    for (int64_t g = 0; g < l->c.groups; g++) solve_group(q, l, gram, g, from, v->type.sparse.i != 0, fresh);
}
