/* Least squares on the mask. */
#include "passes/obs_parts.h"

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rows' own systems, by Cholesky. */
static void refit_rows(const struct obs_problem *p, const double *right, double lambda) {
    int64_t n = p->depth, *at = xmalloc((size_t)n * sizeof *at);
    double *a = xmalloc((size_t)(n * n) * sizeof *a), *b = xmalloc((size_t)n * sizeof *b);
    for (int64_t i = 0; i < p->rows; i++) {
        int64_t k = 0;
        for (int64_t j = 0; j < n; j++)
            if (p->kept[i * n + j]) at[k++] = j;
        bool done = !k;
        for (double more = lambda; !done && isfinite(more); more *= 10) {
            for (int64_t y = 0; y < k; y++) {
                for (int64_t x = y; x < k; x++) a[y * k + x] = p->g[at[y] * n + at[x]];
                a[y * k + y] += more;
                b[y] = right[i * n + at[y]] + more * p->old[i * n + at[y]];
            }
            done = moment_factor(a, k) &&
                   !LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', (int)k, 1, a, (int)k, b, (int)k);
        }
        for (int64_t j = 0; j < n; j++)
            if (!p->kept[i * n + j]) p->w[i * n + j] = 0;
        for (int64_t y = 0; y < k && done; y++) p->w[i * n + at[y]] = b[y];
    }
    free(at);
    free(a);
    free(b);
}

/* All rows at once by conjugate gradients, preconditioned by the diagonal, from where the weights are. */
static void refit_together(const struct obs_problem *p, const double *right, double lambda) {
    enum { STEPS = 48 };
    int64_t n = p->depth, count = p->rows * n;
    double *r = xcalloc((size_t)count, sizeof *r), *d = xcalloc((size_t)count, sizeof *d),
           *q = xcalloc((size_t)count, sizeof *q), *rho = xcalloc((size_t)p->rows, sizeof *rho);
    for (int64_t i = 0; i < count; i++) p->w[i] = p->kept[i] ? p->w[i] : 0;
    moment_multiply(p->rows, n, p->w, p->g, false, q);
    for (int64_t i = 0; i < count; i++) {
        double precondition = 1 / (p->g[i % n * n + i % n] + lambda);
        r[i] = p->kept[i] ? right[i] + lambda * (p->old[i] - p->w[i]) - q[i] : 0;
        d[i] = precondition * r[i];
        rho[i / n] += r[i] * d[i];
    }
    for (int step = 0; step < STEPS; step++) {
        moment_multiply(p->rows, n, d, p->g, false, q);
        for (int64_t i = 0; i < p->rows; i++) {
            double dq = 0, next = 0;
            for (int64_t j = i * n; j < (i + 1) * n; j++)
                dq += p->kept[j] ? d[j] * (q[j] + lambda * d[j]) : 0;
            double alpha = dq > 0 ? rho[i] / dq : 0;
            for (int64_t j = i * n; j < (i + 1) * n; j++) {
                if (!p->kept[j]) continue;
                p->w[j] += alpha * d[j];
                r[j] -= alpha * (q[j] + lambda * d[j]);
                next += r[j] * r[j] / (p->g[j % n * n + j % n] + lambda);
            }
            double beta = rho[i] > 0 ? next / rho[i] : 0;
            for (int64_t j = i * n; j < (i + 1) * n; j++)
                if (p->kept[j]) d[j] = r[j] / (p->g[j % n * n + j % n] + lambda) + beta * d[j];
            rho[i] = next;
        }
    }
    free(r);
    free(d);
    free(q);
    free(rho);
}

void obs_refit(const struct obs_problem *p, const double *target) {
    /* Solving for the rows one by one costs a third of kept³ each. */
    static const double direct_limit = 4e11;
    int64_t n = p->depth, kept = 0;
    double *right = xmalloc((size_t)(p->rows * n) * sizeof *right);
    double lambda = p->refit_damp * moment_mean(p->g, n);
    moment_multiply(p->rows, n, target, p->g, false, right);
    for (int64_t i = 0; i < p->rows * n; i++) kept += p->kept[i];
    double mean = (double)kept / (double)p->rows;
    if (mean * mean * mean / 3 * (double)p->rows < direct_limit)
        refit_rows(p, right, lambda);
    else
        refit_together(p, right, lambda);
    free(right);
}
