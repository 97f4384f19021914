/* Layer ratios by measurement: what each layer's output loses at a few ratios (by one pass of the surgeon),
 * times what the model's outputs make of such a loss; then the ratios of least total loss among those that
 * give the wanted share over all layers. */
#include "passes/gram.h"
#include "passes/obs_parts.h"
#include "passes/sensitivity.h"
#include "passes/sparsify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 5, STEPS = 96, SAMPLES = 4, SURVEYED = 64, COLUMNS = 1 << 14 };

/* The kept shares that are tried, over the wanted one. */
static const double tried[POINTS] = {1.9, 1.4, 1, 0.7, 0.45};

struct curve {
    double loss[POINTS]; /* logarithm of the relative error of the output */
    double sensitivity, weights;
};

struct survey {
    struct sparsify *s;
    struct curve *of; /* for each layer */
};

static double ratio_at(const struct sparsify *s, double point) {
    double low = floor(point), part = point - low;
    uint32_t at = (uint32_t)low;
    double kept = tried[at] * (1 - part) + (at + 1 < POINTS ? tried[at + 1] : 0) * part;
    double most = 1 - (1 - s->ratio) * kept;
    return most > 0 ? most : 0;
}

static double loss_at(const struct curve *c, double point) {
    double low = floor(point), part = point - low;
    uint32_t at = (uint32_t)low;
    double loss = c->loss[at] * (1 - part) + (at + 1 < POINTS ? c->loss[at + 1] : 0) * part;
    return exp(loss) * c->sensitivity;
}

static void measure_group(const struct sparsify *s, const struct sparsify_layer *l, const double *g,
                          int64_t group, double *error, double *energy) {
    const struct columns *c = &l->c;
    int64_t n = c->depth, count = c->rows * n;
    const struct tensor *t = &weight_get(s->m, value_get(s->m, c->weight)->weight)->tensor;
    double *old = xmalloc((size_t)count * sizeof *old), *w = xmalloc((size_t)count * sizeof *w);
    double *inverse, *copy = xmalloc((size_t)(n * n) * sizeof *copy);
    struct obs_problem p = {
        .rows = c->rows, .depth = n, .pattern = {1, 1, 0, 0}, .old = old, .g = g, .damp = s->damp, .w = w};
    p.pattern.rows = min_i64(s->pattern.rows, c->rows);
    p.pattern.columns = min_i64(s->pattern.columns, n);
    p.kept = xcalloc((size_t)count, sizeof *p.kept);
    layer_get(c, group, t, old);
    moment_inverse(g, n, s->damp, &inverse);
    *energy += moment_distance(c->rows, n, old, NULL, g);
    for (uint32_t k = 0; k < POINTS; k++) {
        p.ratio = ratio_at(s, k);
        memcpy(w, old, (size_t)count * sizeof *w);
        memcpy(copy, inverse, (size_t)(n * n) * sizeof *copy);
        obs_sweep(&p, NULL, false, NULL, copy);
        error[k] += moment_distance(c->rows, n, w, old, g);
    }
    free(old);
    free(w);
    free(copy);
    free(inverse);
    free(p.kept);
}

static enum status survey_op(void *ctx, struct replay *r, op_id op) {
    struct survey *v = ctx;
    for (uint32_t i = 0; i < v->s->layers.count; i++) {
        const struct sparsify_layer *l = &v->s->layers.at[i];
        if (l->op.i != op.i) continue;
        struct gram gram;
        double error[POINTS] = {0}, energy = 0;
        TRY(gram_measure(r, &l->c, GRAM_OWN, COLUMNS, &gram));
        for (int64_t g = 0; g < gram.groups; g++)
            measure_group(v->s, l, gram_own(&gram, g), g, error, &energy);
        gram_free(&gram);
        for (uint32_t k = 0; k < POINTS; k++) {
            double relative = energy > 0 ? error[k] / energy : 0;
            v->of[i].loss[k] = log(relative > 1e-12 ? relative : 1e-12);
        }
        v->of[i].weights = (double)(l->c.groups * l->c.rows * l->c.depth);
    }
    return STATUS_OK;
}

/* The layers' ratios where a weight may cost `price` at most; returns the share of all weights. */
static double shares_at(struct sparsify *s, const struct curve *of, double price) {
    double gone = 0, all = 0;
    for (uint32_t i = 0; i < s->layers.count; i++) {
        double least = INFINITY, best = 0;
        for (uint32_t k = 0; k <= STEPS; k++) {
            double point = (double)k * (POINTS - 1) / STEPS, ratio = ratio_at(s, point);
            double cost = loss_at(&of[i], point) - price * ratio * of[i].weights;
            if (cost < least) least = cost, best = ratio;
        }
        s->layers.at[i].ratio = best;
        gone += best * of[i].weights;
        all += of[i].weights;
    }
    return gone / all;
}

static void solve(struct sparsify *s, const struct curve *of) {
    double low = -60, high = 20; /* logarithms of the price */
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (shares_at(s, of, exp(middle)) < s->ratio)
            low = middle;
        else
            high = middle;
    }
    /* Between the two prices the shares jump; mix them. */
    double below = shares_at(s, of, exp(low)), *ratio = xcalloc(s->layers.count, sizeof *ratio);
    for (uint32_t i = 0; i < s->layers.count; i++) ratio[i] = s->layers.at[i].ratio;
    double above = shares_at(s, of, exp(high)),
           part = above > below ? (s->ratio - below) / (above - below) : 0;
    for (uint32_t i = 0; i < s->layers.count; i++)
        s->layers.at[i].ratio = ratio[i] + part * (s->layers.at[i].ratio - ratio[i]);
    free(ratio);
}

enum status sparsify_by_curves(struct sparsify *s) {
    uint32_t count = s->layers.count;
    struct survey v = {s, xcalloc(count, sizeof *v.of)};
    value_id *results = xcalloc(count, sizeof *results);
    double *sensitivity = xcalloc(count, sizeof *sensitivity);
    for (uint32_t i = 0; i < count; i++) results[i] = op_get(s->m, s->layers.at[i].op)->result[0];
    enum status status = sensitivity_measure(s->m, s->data, results, count, SAMPLES, sensitivity, s->diag);
    for (uint32_t i = 0; i < count; i++) v.of[i].sensitivity = sensitivity[i];
    if (status == STATUS_OK)
        status = sparsify_replay(s, SURVEYED, &(struct replay_visitor){.before = survey_op, .ctx = &v});
    if (status == STATUS_OK) solve(s, v.of);
    free(v.of);
    free(results);
    free(sensitivity);
    return status;
}
