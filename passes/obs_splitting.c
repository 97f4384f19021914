/* Masks by the alternating direction method of multipliers: weights that fit the outputs and weights on a
 * mask, each pulled towards the other, while the mask tightens. Boža: Fast and Effective Weight Update for
 * Pruned Large Language Models (2024). Inputs are scaled to a second moment of 1, so that a weight's square
 * is what it adds to the output by itself. */
#include "passes/obs_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct splitting {
    const struct obs_problem *p;
    double *root;    /* [depth]: of the inputs' second moments */
    double *inverse; /* (H + ρ)⁻¹, scaled */
    double *pull;    /* T H, scaled */
    double *w, *z, *u, *score;
};

enum { TIGHTEN = 30, SETTLE = 10 };
static const double rho = 0.3; /* where 15 % and more of the error go on a transformer's layers */

static struct splitting start(const struct obs_problem *p, const double *target) {
    int64_t n = p->depth, count = p->rows * n;
    size_t matrix = (size_t)(n * n) * sizeof(double), layer = (size_t)count * sizeof(double);
    struct splitting s = {p,
                          xmalloc((size_t)n * sizeof(double)),
                          NULL,
                          xmalloc(layer),
                          xmalloc(layer),
                          xmalloc(layer),
                          xcalloc((size_t)count, sizeof(double)),
                          xmalloc(layer)};
    double mean = moment_mean(p->g, n), *h = xmalloc(matrix);
    for (int64_t j = 0; j < n; j++) s.root[j] = sqrt(p->g[j * n + j] + p->damp * mean);
    for (int64_t i = 0; i < n * n; i++)
        h[i] = (p->g[i] + (i / n == i % n ? p->damp * mean : 0)) / s.root[i / n] / s.root[i % n];
    for (int64_t i = 0; i < count; i++) s.w[i] = target[i] * s.root[i % n];
    moment_multiply(p->rows, n, s.w, h, false, s.pull);
    moment_inverse(h, n, rho, &s.inverse); /* the mean of h's diagonal is 1 */
    free(h);
    return s;
}

static void finish(struct splitting *s) {
    free(s->root);
    free(s->inverse);
    free(s->pull);
    free(s->w);
    free(s->z);
    free(s->u);
    free(s->score);
}

/* One round; `ratio` of the weights are off the mask, or the mask stays (negative). */
static void alternate(const struct splitting *s, double ratio) {
    int64_t n = s->p->depth, count = s->p->rows * n;
    struct obs_problem masked = *s->p;
    if (ratio >= 0) {
        masked.ratio = ratio;
        for (int64_t i = 0; i < count; i++) s->score[i] = (s->w[i] + s->u[i]) * (s->w[i] + s->u[i]);
        mask_by_score(&masked, s->score, false);
    }
    for (int64_t i = 0; i < count; i++) {
        s->z[i] = s->p->kept[i] ? s->w[i] + s->u[i] : 0;
        s->u[i] += s->w[i] - s->z[i];
        s->score[i] = s->pull[i] + rho * (s->z[i] - s->u[i]);
    }
    moment_multiply(s->p->rows, n, s->score, s->inverse, false, s->w);
}

void obs_choose_by_splitting(const struct obs_problem *p, const double *target) {
    struct splitting s = start(p, target);
    for (int round = 1; round <= TIGHTEN; round++) alternate(&s, p->ratio * cbrt((double)round / TIGHTEN));
    for (int round = 0; round < SETTLE; round++) alternate(&s, -1);
    for (int64_t i = 0; i < p->rows * p->depth; i++) p->w[i] = p->kept[i] ? s.z[i] / s.root[i % p->depth] : 0;
    finish(&s);
}
