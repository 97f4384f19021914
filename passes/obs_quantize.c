/* Weights that have to lie on a grid: the sweep, then coordinate descent over the codes. */
#include "passes/obs_parts.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

/* -- columns in another order -- */
struct ranked {
    double importance;
    int64_t column;
};

static int more_important(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->importance != y->importance) return x->importance > y->importance ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

static int64_t *rank_columns(const struct obs_problem *p) {
    int64_t n = p->depth, *order = xmalloc((size_t)n * sizeof *order);
    struct ranked *ranked = xcalloc((size_t)n, sizeof *ranked);
    for (int64_t j = 0; j < n; j++) ranked[j] = (struct ranked){p->g[j * n + j], j};
    qsort(ranked, (size_t)n, sizeof *ranked, more_important);
    for (int64_t j = 0; j < n; j++) order[j] = ranked[j].column;
    free(ranked);
    return order;
}

static void sweep_ranked(const struct obs_problem *p, const struct obs_grid *grid, bool given) {
    int64_t n = p->depth, count = p->rows * n, *order = rank_columns(p);
    double *g = xmalloc((size_t)(n * n) * sizeof *g), *w = xmalloc((size_t)count * sizeof *w), *inverse;
    bool *kept = xcalloc((size_t)count, sizeof *kept);
    for (int64_t i = 0; i < n * n; i++) g[i] = p->g[order[i / n] * n + order[i % n]];
    for (int64_t i = 0; i < count; i++) {
        w[i] = p->w[i / n * n + order[i % n]];
        kept[i] = p->kept[i / n * n + order[i % n]];
    }
    struct obs_problem turned = *p;
    turned.g = g;
    turned.w = w;
    turned.kept = kept;
    moment_inverse(g, n, p->damp, &inverse);
    obs_sweep(&turned, grid, given, order, inverse);
    for (int64_t i = 0; i < count; i++) {
        p->w[i / n * n + order[i % n]] = w[i];
        p->kept[i / n * n + order[i % n]] = kept[i];
    }
    free(order);
    free(g);
    free(w);
    free(kept);
    free(inverse);
}

/* -- coordinate descent -- */
struct descent {
    const struct obs_problem *p;
    const struct obs_grid *grid;
    double lambda;
    double *slope; /* half the gradient, [rows][depth] */
    double *moved; /* [rows][block] */
};

enum { BLOCK = 128 };

/* Moves the weights of columns [from, to) one after the other; the slopes of the others in one product. */
static void descend_block(const struct descent *d, int64_t from, int64_t to) {
    const struct obs_problem *p = d->p;
    int64_t n = p->depth, width = to - from;
    for (int64_t i = 0; i < p->rows; i++) {
        double *w = p->w + i * n, *slope = d->slope + i * n, *moved = d->moved + i * width;
        for (int64_t j = from; j < to; j++) {
            double curve = p->g[j * n + j] + d->lambda, value = w[j];
            if (p->kept[i * n + j] && curve > 0)
                value = obs_grid_round(d->grid, n, i, j, w[j] - slope[j] / curve);
            double step = moved[j - from] = value - w[j];
            if (step == 0) continue;
            w[j] = value;
            for (int64_t k = from; k < to; k++) slope[k] += step * p->g[j * n + k];
            slope[j] += step * d->lambda;
        }
    }
    if (from)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)from, (int)width, 1,
                    d->moved, (int)width, p->g + from * n, (int)n, 1, d->slope, (int)n);
    if (to < n)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)(n - to), (int)width, 1,
                    d->moved, (int)width, p->g + from * n + to, (int)n, 1, d->slope + to, (int)n);
}

static void descend(const struct obs_problem *p, const struct obs_grid *grid, const double *target,
                    uint32_t rounds) {
    int64_t n = p->depth, count = p->rows * n;
    struct descent d = {p, grid, p->refit_damp * moment_mean(p->g, n), NULL, NULL};
    double *away = xmalloc((size_t)count * sizeof *away);
    d.slope = xmalloc((size_t)count * sizeof *d.slope);
    d.moved = xmalloc((size_t)(p->rows * min_i64(n, BLOCK)) * sizeof *d.moved);
    for (int64_t i = 0; i < count; i++) away[i] = p->w[i] - target[i];
    moment_multiply(p->rows, n, away, p->g, false, d.slope);
    for (int64_t i = 0; i < count; i++) d.slope[i] += d.lambda * (p->w[i] - p->old[i]);
    for (uint32_t round = 0; round < rounds; round++)
        for (int64_t from = 0; from < n; from += BLOCK) descend_block(&d, from, min_i64(from + BLOCK, n));
    free(away);
    free(d.slope);
    free(d.moved);
}

void obs_quantize(const struct obs_problem *p, const struct obs_grid *grid,
                  const struct obs_rounding *rounding) {
    int64_t count = p->rows * p->depth;
    bool given = rounding->mask != OBS_CHOOSE, single = p->pattern.columns == 1 && !p->pattern.m;
    double *target = xmalloc((size_t)count * sizeof *target), *inverse;
    check(grid->group > 0);
    if (rounding->mask == OBS_KEEP_ALL) memset(p->kept, 1, (size_t)count * sizeof *p->kept);
    memcpy(target, rounding->mask == OBS_GIVEN ? p->old : p->w, (size_t)count * sizeof *target);
    if (rounding->by_importance && (given || single) && !grid->fit) {
        sweep_ranked(p, grid, given);
    } else {
        moment_inverse(p->g, p->depth, p->damp, &inverse);
        obs_sweep(p, grid, given, NULL, inverse);
        free(inverse);
    }
    if (rounding->descents) descend(p, grid, target, rounding->descents);
    free(target);
}
