/* The optimal brain surgeon in one pass over the columns (SparseGPT, GPTQ). */
#include "passes/obs_parts.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

struct sweep {
    const struct obs_problem *p;
    const struct obs_grid *grid;
    const int64_t *order;
    const double *u; /* the upper Cholesky factor of (g + λ)⁻¹ */
    double *error;   /* [rows][stretch] */
};

/* How many of the units of each stretch of columns go: those that look cheapest over the whole layer, so that
 * columns of little worth lose more. */
static void shares(const struct obs_problem *p, const double *inverse, int64_t stretch, double *ratio) {
    int64_t n = p->depth;
    double *score = xmalloc((size_t)(p->rows * n) * sizeof *score);
    for (int64_t i = 0; i < p->rows * n; i++) score[i] = p->w[i] * p->w[i] / inverse[i % n * n + i % n];
    mask_by_score(p, score, false);
    for (int64_t from = 0, s = 0; from < n; from += stretch, s++) {
        int64_t to = min_i64(from + stretch, n), gone = 0;
        for (int64_t i = 0; i < p->rows; i++)
            for (int64_t j = from; j < to; j++) gone += !p->kept[i * n + j];
        ratio[s] = (double)gone / (double)(p->rows * (to - from));
    }
    free(score);
}

/* Decides what goes in columns [from, to), by the weights as they are now. */
static void mask_stretch(const struct sweep *s, int64_t from, int64_t to, double ratio) {
    const struct obs_problem *p = s->p;
    int64_t n = p->depth, width = to - from;
    struct obs_problem part = {.rows = p->rows, .depth = width, .pattern = p->pattern, .ratio = ratio};
    double *score = xmalloc((size_t)(p->rows * width) * sizeof *score);
    part.kept = xcalloc((size_t)(p->rows * width), sizeof *part.kept);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < width; j++) {
            double e = p->w[i * n + from + j] / s->u[(from + j) * n + from + j];
            score[i * width + j] = e * e;
        }
    mask_by_score(&part, score, false);
    for (int64_t i = 0; i < p->rows; i++)
        memcpy(p->kept + i * n + from, part.kept + i * width, (size_t)width * sizeof *p->kept);
    free(score);
    free(part.kept);
}

static double settled(const struct sweep *s, int64_t row, int64_t column) {
    int64_t n = s->p->depth;
    double w = s->p->w[row * n + column];
    if (!s->p->kept[row * n + column]) return 0;
    return s->grid ? obs_grid_round(s->grid, n, row, s->order ? s->order[column] : column, w) : w;
}

/* Settles columns [from, to) and moves their errors to the right, up to column `end`. */
static void settle(const struct sweep *s, int64_t from, int64_t to, int64_t end, int64_t stretch) {
    int64_t n = s->p->depth;
    for (int64_t i = 0; i < s->p->rows; i++) {
        double *w = s->p->w + i * n;
        for (int64_t j = from; j < to; j++) {
            double value = settled(s, i, j), e = (w[j] - value) / s->u[j * n + j];
            s->error[i * stretch + j % stretch] = e;
            for (int64_t k = j; k < end && e != 0; k++) w[k] -= e * s->u[j * n + k];
            w[j] = value;
        }
    }
}

/* One stretch: within it at once, the columns after it by one product. Scales that are fitted on the way are
 * so where their group begins. */
static void sweep_stretch(const struct sweep *s, int64_t from, int64_t to, int64_t stretch) {
    const struct obs_problem *p = s->p;
    int64_t n = p->depth, group = s->grid && s->grid->fit ? s->grid->group : n;
    for (int64_t at = from, next; at < to; at = next) {
        next = min_i64(to, round_up(at + 1, group));
        if (s->grid && s->grid->fit && at % group == 0) s->grid->fit(s->grid->ctx, at / group, p->w, p->kept);
        settle(s, at, next, to, stretch);
    }
    if (to < n)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)(n - to), (int)(to - from),
                    -1, s->error, (int)stretch, s->u + from * n + to, (int)n, 1, p->w + to, (int)n);
}

void obs_sweep(const struct obs_problem *p, const struct obs_grid *grid, bool given, const int64_t *order,
               double *inverse) {
    enum { STRETCH = 128 };
    int64_t n = p->depth, unit = p->pattern.m ? p->pattern.m : p->pattern.columns,
            stretch = round_up(STRETCH, unit);
    double *ratio = xcalloc((size_t)ceil_div(n, stretch), sizeof *ratio);
    struct sweep s = {p, grid, order, inverse, xcalloc((size_t)(p->rows * stretch), sizeof(double))};
    if (!given) shares(p, inverse, stretch, ratio);
    if (!moment_factor(inverse, n)) bug("the inverse of a positive matrix is not positive");
    for (int64_t from = 0, k = 0; from < n; from += stretch, k++) {
        int64_t to = min_i64(from + stretch, n);
        if (!given) mask_stretch(&s, from, to, ratio[k]);
        sweep_stretch(&s, from, to, stretch);
    }
    free(ratio);
    free(s.error);
}
