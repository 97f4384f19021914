/* How many weights each layer loses. Over all layers the scores are compared: w² times the mean square of its
 * input (1 without data), and for `sensitivity` without data over the sum of the layer's, so that they are
 * relative errors of its output. */
#include "passes/gram.h"
#include "passes/sparsify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Scores by their logarithm: 16 bins for each power of two, the first for zero. */
enum { PER_OCTAVE = 16, OCTAVES = 128, BINS = PER_OCTAVE * OCTAVES + 1 };

/* Mean squares need few samples. */
enum { SURVEYED = 64 };

struct histogram {
    double count[BINS], weights;
};

struct survey {
    struct sparsify *s;
    struct histogram *of; /* for each layer */
};

static uint32_t bin_of(double score) {
    if (!(score > 0)) return 0;
    double at = (log2(score) + OCTAVES * 0.75) * PER_OCTAVE;
    return at < 0 ? 1 : at >= BINS - 2 ? BINS - 1 : 1 + (uint32_t)at;
}

static void count_scores(const struct sparsify *s, const struct sparsify_layer *l, const double *energy,
                         struct histogram *h) {
    const struct columns *c = &l->c;
    const struct tensor *t = &weight_get(s->m, value_get(s->m, c->weight)->weight)->tensor;
    double sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t g = 0; g < c->groups; g++)
            for (int64_t i = 0; i < c->rows; i++)
                for (int64_t j = 0; j < c->depth; j++) {
                    double w = tensor_get_f64(t, columns_weight_at(c, g, i, j));
                    double score = w * w * (energy ? energy[g * c->depth + j] : 1);
                    if (pass == 0)
                        sum += score;
                    else
                        h->count[bin_of(s->distribution == DISTRIBUTION_SENSITIVITY && sum > 0 ? score / sum
                                                                                               : score)]++;
                }
    h->weights = (double)(c->groups * c->rows * c->depth);
}

static enum status survey_op(void *ctx, struct replay *r, op_id op) {
    struct survey *v = ctx;
    for (uint32_t i = 0; i < v->s->layers.count; i++) {
        const struct sparsify_layer *l = &v->s->layers.at[i];
        if (l->op.i != op.i) continue;
        struct columns c = l->c;
        double *energy = xcalloc((size_t)(c.groups * c.depth), sizeof *energy);
        enum status status = gram_energy(r, &c, SPARSIFY_COLUMNS, energy);
        if (status == STATUS_OK) count_scores(v->s, l, energy, &v->of[i]);
        free(energy);
        TRY(status);
    }
    return STATUS_OK;
}

/* No layer loses so much that less than a fifth of the average share stays. */
static double most_of(const struct sparsify *s) {
    return 1 - (1 - s->ratio) / 5;
}

/* The shares of the layers' weights below bin `bin`, and a part of those in it. Returns their sum over all
 * weights. */
static double shares_below(struct sparsify *s, const struct histogram *of, uint32_t bin, double part) {
    double gone = 0, all = 0;
    for (uint32_t i = 0; i < s->layers.count; i++) {
        double below = of[i].count[bin] * part;
        for (uint32_t b = 0; b < bin; b++) below += of[i].count[b];
        double share = of[i].weights > 0 ? below / of[i].weights : 0, most = most_of(s);
        s->layers.at[i].ratio = share < most ? share : most;
        gone += s->layers.at[i].ratio * of[i].weights;
        all += of[i].weights;
    }
    return all > 0 ? gone / all : s->ratio;
}

static void solve_ratios(struct sparsify *s, const struct histogram *of) {
    uint32_t lo = 0, hi = BINS - 1;
    while (lo < hi) { /* the first bin up to which enough go */
        uint32_t middle = (lo + hi) / 2;
        if (shares_below(s, of, middle, 1) < s->ratio)
            lo = middle + 1;
        else
            hi = middle;
    }
    double from = 0, to = 1;
    for (int i = 0; i < 40; i++) {
        double part = (from + to) / 2;
        if (shares_below(s, of, lo, part) < s->ratio)
            from = part;
        else
            to = part;
    }
    (void)shares_below(s, of, lo, to);
}

enum status sparsify_distribute(struct sparsify *s) {
    for (uint32_t i = 0; i < s->layers.count; i++) s->layers.at[i].ratio = s->ratio;
    if (s->distribution == DISTRIBUTION_UNIFORM || s->pattern.m || s->ratio <= 0 || s->ratio >= 1 ||
        s->layers.count < 2)
        return STATUS_OK;
    bool measures = s->data && s->method != METHOD_MAGNITUDE;
    if (measures && s->distribution == DISTRIBUTION_SENSITIVITY) return sparsify_by_curves(s);
    struct survey v = {s, xcalloc(s->layers.count, sizeof *v.of)};
    enum status status = STATUS_OK;
    if (measures)
        status = sparsify_replay(s, SURVEYED, &(struct replay_visitor){.before = survey_op, .ctx = &v});
    else
        for (uint32_t i = 0; i < s->layers.count; i++) count_scores(s, &s->layers.at[i], NULL, &v.of[i]);
    if (status == STATUS_OK) solve_ratios(s, v.of);
    free(v.of);
    return status;
}
