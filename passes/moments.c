/* Matrices of second moments. */
#include "passes/obs_parts.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double moment_mean(const double *g, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += g[i * n + i];
    return sum > 0 ? sum / (double)n : 1;
}

/* A symmetric matrix is the same in both orders of storage; its row-major upper triangle is LAPACK's lower
 * one. */
bool moment_factor(double *a, int64_t n) {
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (int)n, a, (int)n)) return false;
    for (int64_t i = 0; i < n; i++) /* a pivot lost in rounding says as little as a negative one */
        if (!isfinite(a[i * n + i]) || a[i * n + i] <= 0) return false;
    return true;
}

double moment_inverse(const double *g, int64_t n, double damp, double **inverse) {
    double mean = moment_mean(g, n), *a = xmalloc((size_t)(n * n) * sizeof *a);
    double lambda = (damp > 1e-10 ? damp : 1e-10) * mean;
    for (;; lambda *= 10) {
        memcpy(a, g, (size_t)(n * n) * sizeof *a);
        for (int64_t i = 0; i < n; i++) a[i * n + i] += lambda;
        if (moment_factor(a, n) && !LAPACKE_dpotri(LAPACK_COL_MAJOR, 'L', (int)n, a, (int)n)) break;
        if (lambda > mean * 1e12) bug("a matrix of second moments has no inverse at any damping");
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) a[i * n + j] = a[j * n + i];
    *inverse = a;
    return lambda;
}

void moment_multiply(int64_t rows, int64_t n, const double *a, const double *g, bool add, double *out) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)n, (int)n, 1, a, (int)n, g, (int)n,
                add ? 1 : 0, out, (int)n);
}

double moment_distance(int64_t rows, int64_t n, const double *a, const double *b, const double *g) {
    double *d = xmalloc((size_t)(rows * n) * sizeof *d), *dg = xmalloc((size_t)(rows * n) * sizeof *dg),
           sum = 0;
    for (int64_t i = 0; i < rows * n; i++) d[i] = a[i] - (b ? b[i] : 0);
    moment_multiply(rows, n, d, g, false, dg);
    for (int64_t i = 0; i < rows * n; i++) sum += d[i] * dg[i];
    free(d);
    free(dg);
    return sum;
}
