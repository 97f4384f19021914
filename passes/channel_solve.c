#include "passes/channel_solve.h"

#include <cblas.h>
#include <lapacke.h>
#include <string.h>

/* A moment about the means: (sum of a b) / n − mean(a) mean(b), or about the origin. */
static double moment(const double *product, const double *sum_a, const double *sum_b, int64_t i, int64_t k,
                     const struct gram *g, bool centred) {
    double n = (double)g->columns, value = product[i * g->depth + k] / n;
    return centred ? value - sum_a[i] / n * (sum_b[k] / n) : value;
}

/* The more columns to a row of unknowns, the less the data needs help; with fewer than unknowns any answer
 * would fit. */
static double damping(const double *own, int64_t kept, int64_t columns) {
    double trace = 0, per = (double)kept / (double)columns, share = 1e-2 * per * (1 + 10 * per);
    for (int64_t i = 0; i < kept; i++) trace += own[i * kept + i];
    share = share < 1e-6 ? 1e-6 : share > 1 ? 1 : share;
    return trace > 0 ? trace / (double)kept * share : 1;
}

/* Solves D (own + λ) = residual for D [rows][kept]; false if it cannot be factorized. */
static bool solve_rows(double *own, int64_t kept, int64_t rows, int64_t columns, double *residual) {
    size_t n = (size_t)kept;
    double *factor = xmalloc(n * n * sizeof *factor), lambda = damping(own, kept, columns);
    bool done = false;
    for (int tries = 0; tries < 12 && !done; tries++, lambda *= 10) {
        memcpy(factor, own, n * n * sizeof *factor);
        for (size_t i = 0; i < n; i++) factor[i * n + i] += lambda;
        done = !LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (lapack_int)kept, factor, (lapack_int)kept);
    }
    /* Rows of a row-major array are columns of a column-major one: one right-hand side each. */
    done = done && !LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', (lapack_int)kept, (lapack_int)rows, factor,
                                   (lapack_int)kept, residual, (lapack_int)kept);
    free(factor);
    return done;
}

void channel_solve(const struct gram *g, const bool *removed, bool free_bias, int64_t rows, double *w,
                   double *bias_shift) {
    int64_t depth = g->depth, kept = 0, *at = xmalloc((size_t)(depth + 1) * sizeof *at);
    for (int64_t i = 0; i < depth; i++)
        if (!removed[i]) at[kept++] = i;
    size_t n = (size_t)kept;
    double *own = xmalloc((n * n + 1) * sizeof *own),
           *cross = xmalloc(((size_t)depth * n + 1) * sizeof *cross);
    double *old = xmalloc(((size_t)rows * n + 1) * sizeof *old),
           *residual = xmalloc(((size_t)rows * n + 1) * sizeof *residual);
    for (int64_t i = 0; i < kept; i++)
        for (int64_t k = 0; k < kept; k++)
            own[i * kept + k] = moment(g->own, g->sum, g->sum, at[i], at[k], g, free_bias);
    for (int64_t i = 0; i < depth; i++)
        for (int64_t k = 0; k < kept; k++)
            cross[i * kept + k] = moment(g->cross, g->reference_sum, g->sum, i, at[k], g, free_bias);
    for (int64_t r = 0; r < rows; r++) {
        bias_shift[r] = 0;
        for (int64_t i = 0; free_bias && i < depth; i++)
            bias_shift[r] += w[r * depth + i] * g->reference_sum[i] / (double)g->columns;
        for (int64_t k = 0; k < kept; k++) old[r * kept + k] = w[r * depth + at[k]];
    }
    /* residual = W cross − W_P own: what the old weights on the kept inputs still owe. */
    if (kept) {
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)kept, (int)depth, 1, w,
                    (int)depth, cross, (int)kept, 0, residual, (int)kept);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)kept, (int)kept, -1, old,
                    (int)kept, own, (int)kept, 1, residual, (int)kept);
        if (!solve_rows(own, kept, rows, g->columns, residual))
            memset(residual, 0, (size_t)rows * n * sizeof *residual);
    }
    memset(w, 0, (size_t)(rows * depth) * sizeof *w);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < kept; k++) {
            w[r * depth + at[k]] = old[r * kept + k] + residual[r * kept + k];
            if (free_bias) bias_shift[r] -= w[r * depth + at[k]] * g->sum[at[k]] / (double)g->columns;
        }
    free(at);
    free(own);
    free(cross);
    free(old);
    free(residual);
}
