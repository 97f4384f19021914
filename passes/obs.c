/* The optimal brain surgeon over the rows of a layer. */
#include "passes/obs_parts.h"

#include <stdlib.h>
#include <string.h>

/* Exact removal costs about this many multiply-adds at most; a core does a few 10⁹ in a second. */
static const double exact_limit = 6e9;

/* Inputs that are always zero have no use for weights, unless all of them are: then the data says nothing. */
static void drop_dead(const struct obs_problem *p) {
    int64_t n = p->depth;
    bool alive = false;
    for (int64_t j = 0; j < n; j++) alive = alive || p->g[j * n + j] > 0;
    for (int64_t i = 0; i < p->rows * n; i++)
        if (alive && p->g[i % n * n + i % n] <= 0) p->w[i] = 0;
}

/* Another mask, if it turns out better. */
static void try_splitting(const struct obs_problem *p, const double *target) {
    int64_t count = p->rows * p->depth;
    struct obs_problem other = *p;
    if (p->ratio <= 0 || p->ratio >= 1) return;
    other.w = xmalloc((size_t)count * sizeof *other.w);
    other.kept = xcalloc((size_t)count, sizeof *other.kept);
    obs_choose_by_splitting(&other, target);
    obs_refit(&other, target);
    if (moment_distance(p->rows, p->depth, other.w, target, p->g) <
        moment_distance(p->rows, p->depth, p->w, target, p->g)) {
        memcpy(p->w, other.w, (size_t)count * sizeof *p->w);
        memcpy(p->kept, other.kept, (size_t)count * sizeof *p->kept);
    }
    free(other.w);
    free(other.kept);
}

void obs_solve(const struct obs_problem *p) {
    int64_t n = p->depth, count = p->rows * n;
    double *target = xmalloc((size_t)count * sizeof *target), *inverse;
    drop_dead(p);
    memcpy(target, p->w, (size_t)count * sizeof *target);
    moment_inverse(p->g, n, p->damp, &inverse);
    double bundles = (double)ceil_div(p->rows, p->pattern.rows);
    bool exactly =
        bundles * (double)(n * n) * (double)n < exact_limit && p->pattern.columns <= OBS_MOST_COLUMNS;
    if (exactly)
        obs_choose_exactly(p, inverse);
    else
        obs_sweep(p, NULL, false, NULL, inverse);
    free(inverse);
    obs_refit(p, target);
    if (!exactly) try_splitting(p, target);
    free(target);
}
