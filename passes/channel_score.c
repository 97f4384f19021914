#include "passes/channel_score.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double mean_diagonal(const double *a, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i * n + i];
    return n ? sum / (double)n : 0;
}

void covariance_invert(double *covariance, int64_t depth) {
    size_t n = (size_t)depth;
    double *work = xmalloc(n * n * sizeof *work), mean = mean_diagonal(covariance, depth);
    /* Dead inputs have zeros on the diagonal: the damping is all that keeps them apart from singular, and has
     * to be far below what living ones have, or large dead weights would seem to matter. */
    double damping = mean > 0 ? mean * 1e-9 : 1;
    for (;; damping *= 10) {
        memcpy(work, covariance, n * n * sizeof *work);
        for (size_t i = 0; i < n; i++) work[i * n + i] += damping;
        if (LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'U', (lapack_int)depth, work, (lapack_int)depth)) continue;
        if (!LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'U', (lapack_int)depth, work, (lapack_int)depth)) break;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k <= i; k++) covariance[i * n + k] = covariance[k * n + i] = work[k * n + i];
    free(work);
}

/* The members of one set among a consumer's columns. */
struct columns_of_set {
    int64_t *at;
    int64_t count;
};

static struct columns_of_set find_columns(const struct channel_consumer *c, uint32_t set) {
    struct columns_of_set s = {xmalloc((size_t)(c->depth + 1) * sizeof(int64_t)), 0};
    for (int64_t i = 0; i < c->depth; i++)
        if (c->set_of[i] == (int32_t)set) s.at[s.count++] = i;
    return s;
}

/* (C⁻¹_SS)⁻¹, [count][count], by Cholesky: C⁻¹ is positive definite, and so is every block of it until it is
 * taken out. */
static bool inverse_block(const struct channel_consumer *c, const struct columns_of_set *s, double *out) {
    int64_t m = s->count;
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < m; k++)
            out[i * m + k] = c->inverse ? c->inverse[s->at[i] * c->depth + s->at[k]] : i == k;
    if (!c->inverse) return true;
    if (LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'U', (lapack_int)m, out, (lapack_int)m)) return false;
    if (LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'U', (lapack_int)m, out, (lapack_int)m)) return false;
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < i; k++) out[i * m + k] = out[k * m + i];
    return true;
}

/* W_S, [rows][count]. */
static void gather_weights(const struct channel_consumer *c, const struct columns_of_set *s, double *out) {
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t i = 0; i < s->count; i++) out[r * s->count + i] = c->weights[r * c->depth + s->at[i]];
}

static double loss_of(const struct channel_consumer *c, uint32_t set) {
    struct columns_of_set s = find_columns(c, set);
    double loss = 0;
    int64_t m = s.count;
    double *block = xmalloc((size_t)(m * m + 1) * sizeof *block),
           *w = xmalloc((size_t)(c->rows * m + 1) * sizeof *w);
    double *product = xmalloc((size_t)(c->rows * m + 1) * sizeof *product);
    if (m && inverse_block(c, &s, block)) {
        gather_weights(c, &s, w);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)c->rows, (int)m, (int)m, 1, w, (int)m,
                    block, (int)m, 0, product, (int)m);
        loss = cblas_ddot((int)(c->rows * m), w, 1, product, 1);
    }
    free(s.at);
    free(block);
    free(w);
    free(product);
    return c->energy > 0 ? loss / c->energy : 0;
}

/* The others make up for S: W −= W_S A K, C⁻¹ −= Kᵀ A K with A = (C⁻¹_SS)⁻¹ and K = C⁻¹_S:. */
static void take_out(struct channel_consumer *c, uint32_t set) {
    struct columns_of_set s = find_columns(c, set);
    int64_t m = s.count, n = c->depth;
    double *block = xmalloc((size_t)(m * m + 1) * sizeof *block),
           *w = xmalloc((size_t)(c->rows * m + 1) * sizeof *w);
    double *k = xmalloc((size_t)(m * n + 1) * sizeof *k), *ak = xmalloc((size_t)(m * n + 1) * sizeof *ak);
    if (m && c->inverse && inverse_block(c, &s, block)) {
        gather_weights(c, &s, w);
        for (int64_t i = 0; i < m; i++) memcpy(k + i * n, c->inverse + s.at[i] * n, (size_t)n * sizeof *k);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)m, 1, block, (int)m, k,
                    (int)n, 0, ak, (int)n);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)c->rows, (int)n, (int)m, -1, w, (int)m,
                    ak, (int)n, 1, c->weights, (int)n);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)n, (int)n, (int)m, -1, k, (int)n, ak,
                    (int)n, 1, c->inverse, (int)n);
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t r = 0; r < c->rows; r++) c->weights[r * n + s.at[i]] = 0;
        for (int64_t j = 0; c->inverse && j < n; j++)
            c->inverse[s.at[i] * n + j] = c->inverse[j * n + s.at[i]] = 0;
    }
    free(s.at);
    free(block);
    free(w);
    free(k);
    free(ak);
}

void channels_choose(struct channel_consumer *consumers, uint32_t consumer_count, uint32_t sets,
                     uint32_t count, const double *extra, bool *removed, double *loss) {
    *loss = 0;
    for (uint32_t step = 0; step < count; step++) {
        uint32_t best = UINT32_MAX;
        double least = INFINITY;
        for (uint32_t s = 0; s < sets; s++) {
            if (removed[s]) continue;
            double cost = extra ? extra[s] : 0;
            for (uint32_t c = 0; c < consumer_count; c++) cost += loss_of(&consumers[c], s);
            if (cost < least) least = cost, best = s;
        }
        if (best == UINT32_MAX) return;
        removed[best] = true;
        *loss += least;
        for (uint32_t c = 0; c < consumer_count; c++) take_out(&consumers[c], best);
    }
}
