#include "passes/channel_score.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 64 };

static double mean_diagonal(const double *a, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i * n + i];
    return n ? sum / (double)n : 0;
}

void covariance_invert(double *covariance, int64_t depth, int64_t columns) {
    size_t n = (size_t)depth;
    double *work = xmalloc(n * n * sizeof *work), mean = mean_diagonal(covariance, depth);
    /* Few columns say little about how channels depend on each other: the less, the more each stands by
     * itself. */
    double per = (double)depth / (double)(columns ? columns : 1), share = 0.1 * per * per;
    for (size_t i = 0; i < n; i++) covariance[i * n + i] *= 1 + (share < 1 ? share : 1);
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

/* Columns of a consumer, listed by set: those of set s are at[first[s]] … at[first[s + 1] - 1]. */
struct listing {
    int64_t *first, *at;
};

static struct listing list_columns(const struct channel_consumer *c, uint32_t sets) {
    struct listing l = {xcalloc((size_t)sets + 2, sizeof *l.first),
                        xmalloc((size_t)(c->depth + 1) * sizeof *l.at)};
    for (int64_t i = 0; i < c->depth; i++)
        if (c->set_of[i] >= 0) l.first[c->set_of[i] + 2]++;
    for (uint32_t s = 0; s < sets; s++) l.first[s + 2] += l.first[s + 1];
    for (int64_t i = 0; i < c->depth; i++)
        if (c->set_of[i] >= 0) l.at[l.first[c->set_of[i] + 1]++] = i;
    return l;
}

/* A part of a consumer that can be reckoned with alone: some of its columns, C⁻¹ among them and W on them.
 * Taking columns of the part out changes nothing of the part but by numbers of the part. */
struct part {
    int64_t rows, width;
    double *inverse; /* [width][width], NULL: the identity */
    double *weights; /* [rows][width] */
};

static struct part part_of(const struct channel_consumer *c, const int64_t *at, int64_t width) {
    struct part p = {c->rows, width, NULL, xmalloc((size_t)(c->rows * width + 1) * sizeof(double))};
    if (c->inverse) p.inverse = xmalloc((size_t)(width * width + 1) * sizeof(double));
    for (int64_t i = 0; c->inverse && i < width; i++)
        for (int64_t k = 0; k < width; k++) p.inverse[i * width + k] = c->inverse[at[i] * c->depth + at[k]];
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t i = 0; i < width; i++) p.weights[r * width + i] = c->weights[r * c->depth + at[i]];
    return p;
}

static void part_free(struct part *p) {
    free(p->inverse);
    free(p->weights);
}

/* (C⁻¹_SS)⁻¹ of the columns [from, from + m), [m][m], by Cholesky: C⁻¹ is positive definite, and so is every
 * block of it until it is taken out. */
static bool inverse_block(const struct part *p, int64_t from, int64_t m, double *out) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < m; k++)
            out[i * m + k] = p->inverse ? p->inverse[(from + i) * p->width + from + k] : i == k;
    if (!p->inverse) return true;
    if (m == 1) {
        if (!(*out > 0)) return false;
        *out = 1 / *out;
        return true;
    }
    if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', (lapack_int)m, out, (lapack_int)m)) return false;
    if (LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'L', (lapack_int)m, out, (lapack_int)m)) return false;
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < i; k++) out[i * m + k] = out[k * m + i];
    return true;
}

/* tr(W_S (C⁻¹_SS)⁻¹ W_Sᵀ). */
static double loss_of(const struct part *p, int64_t from, int64_t m) {
    if (!m) return 0;
    double *block = xmalloc((size_t)(m * m) * sizeof *block), loss = 0;
    if (m == 1 && inverse_block(p, from, m, block)) {
        loss = *block *
               cblas_ddot((int)p->rows, p->weights + from, (int)p->width, p->weights + from, (int)p->width);
    } else if (m > 1 && inverse_block(p, from, m, block)) {
        double *product = xmalloc((size_t)(p->rows * m) * sizeof *product);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)m, (int)m, 1,
                    p->weights + from, (int)p->width, block, (int)m, 0, product, (int)m);
        for (int64_t r = 0; r < p->rows; r++)
            loss += cblas_ddot((int)m, p->weights + r * p->width + from, 1, product + r * m, 1);
        free(product);
    }
    free(block);
    return loss;
}

/* The others make up for S = [from, from + m): W −= W_S A K, C⁻¹ −= Kᵀ A K with A = (C⁻¹_SS)⁻¹, K = C⁻¹_S:.
 */
static void take_out(double *weights, double *inverse, int64_t rows, int64_t n, const int64_t *at, int64_t m,
                     const double *block) {
    size_t wide = (size_t)(m * n + 1);
    double *k = xmalloc(wide * sizeof *k), *ak = xmalloc(wide * sizeof *ak);
    double *w = xmalloc((size_t)(rows * m + 1) * sizeof *w);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < m; i++) w[r * m + i] = weights[r * n + at[i]];
    for (int64_t i = 0; i < m; i++) memcpy(k + i * n, inverse + at[i] * n, (size_t)n * sizeof *k);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)m, 1, block, (int)m, k,
                (int)n, 0, ak, (int)n);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)n, (int)m, -1, w, (int)m, ak,
                (int)n, 1, weights, (int)n);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)n, (int)n, (int)m, -1, k, (int)n, ak, (int)n, 1,
                inverse, (int)n);
    free(k);
    free(ak);
    free(w);
}

static void clear(double *weights, double *inverse, int64_t rows, int64_t n, const int64_t *at, int64_t m) {
    for (int64_t i = 0; i < m; i++) {
        for (int64_t r = 0; r < rows; r++) weights[r * n + at[i]] = 0;
        for (int64_t j = 0; inverse && j < n; j++) inverse[at[i] * n + j] = inverse[j * n + at[i]] = 0;
    }
}

/* Takes the columns at[0 … width) out of the whole consumer, together. */
static void take_out_columns(struct channel_consumer *c, const int64_t *at, int64_t width) {
    struct part p = part_of(c, at, width);
    double *block = xmalloc((size_t)(width * width + 1) * sizeof *block);
    if (c->inverse && width && inverse_block(&p, 0, width, block))
        take_out(c->weights, c->inverse, c->rows, c->depth, at, width, block);
    clear(c->weights, c->inverse, c->rows, c->depth, at, width);
    free(block);
    part_free(&p);
}

/* More rows than columns say no more than a square factor of WᵀW does: losses are quadratic in W. */
static void compress_rows(struct channel_consumer *c) {
    int64_t n = c->depth;
    if (c->rows <= n) return;
    double *r = xmalloc((size_t)(n * n) * sizeof *r), *tau = xmalloc((size_t)n * sizeof *tau);
    /* Row-major W is Wᵀ by columns: LQ of that is the QR of W. */
    bool done =
        !LAPACKE_dgelqf(LAPACK_COL_MAJOR, (lapack_int)n, (lapack_int)c->rows, c->weights, (lapack_int)n, tau);
    for (int64_t i = 0; done && i < n; i++)
        for (int64_t k = 0; k < n; k++) r[i * n + k] = k >= i ? c->weights[i * n + k] : 0;
    if (done) {
        memcpy(c->weights, r, (size_t)(n * n) * sizeof *r);
        c->rows = n;
    }
    free(r);
    free(tau);
}

struct choosing {
    struct channel_consumer *consumers;
    uint32_t count, sets;
    struct listing *columns; /* by consumer */
    const double *extra;
    bool *removed;
    double *cost; /* by set */
};

static void score_all(struct choosing *x) {
    for (uint32_t s = 0; s < x->sets; s++) x->cost[s] = x->removed[s] ? INFINITY : x->extra ? x->extra[s] : 0;
    for (uint32_t c = 0; c < x->count; c++) {
        struct channel_consumer *k = &x->consumers[c];
        const struct listing *l = &x->columns[c];
        for (uint32_t s = 0; s < x->sets && k->energy > 0; s++) {
            if (x->removed[s]) continue;
            struct part p = part_of(k, l->at + l->first[s], l->first[s + 1] - l->first[s]);
            x->cost[s] += loss_of(&p, 0, p.width) / k->energy;
            part_free(&p);
        }
    }
}

/* The `most` cheapest sets that are left, cheapest first. */
static uint32_t cheapest(const struct choosing *x, uint32_t most, uint32_t *out) {
    uint32_t n = 0;
    for (uint32_t s = 0; s < x->sets; s++) {
        if (x->removed[s] || (n == most && !(x->cost[s] < x->cost[out[n - 1]]))) continue;
        uint32_t at = n < most ? n++ : n - 1;
        for (; at && x->cost[s] < x->cost[out[at - 1]]; at--) out[at] = out[at - 1];
        out[at] = s;
    }
    return n;
}

/* Greedy within the candidates: after each the others are scored again, on the candidates' own part of every
 * consumer, which is exact for them. Returns how many of `count` went. */
static uint32_t choose_among(struct choosing *x, const uint32_t *candidate, uint32_t candidates,
                             uint32_t count, uint32_t *order, double *loss) {
    struct part *part = xcalloc((size_t)x->count + 1, sizeof *part);
    int64_t **first = xcalloc((size_t)x->count + 1, sizeof *first), *columns = NULL;
    for (uint32_t c = 0; c < x->count; c++) {
        const struct listing *l = &x->columns[c];
        int64_t width = 0;
        columns = xmalloc((size_t)(x->consumers[c].depth + 1) * sizeof *columns);
        first[c] = xcalloc((size_t)candidates + 1, sizeof **first);
        for (uint32_t i = 0; i < candidates; i++) {
            for (int64_t k = l->first[candidate[i]]; k < l->first[candidate[i] + 1]; k++)
                columns[width++] = l->at[k];
            first[c][i + 1] = width;
        }
        part[c] = part_of(&x->consumers[c], columns, width);
        free(columns);
    }
    uint32_t gone = 0;
    while (gone < count) {
        uint32_t best = UINT32_MAX;
        double least = INFINITY;
        for (uint32_t i = 0; i < candidates; i++) {
            if (x->removed[candidate[i]]) continue;
            double cost = x->extra ? x->extra[candidate[i]] : 0;
            for (uint32_t c = 0; c < x->count; c++)
                if (x->consumers[c].energy > 0)
                    cost += loss_of(&part[c], first[c][i], first[c][i + 1] - first[c][i]) /
                            x->consumers[c].energy;
            if (cost < least) least = cost, best = i;
        }
        if (best == UINT32_MAX) break;
        x->removed[candidate[best]] = true;
        order[gone] = candidate[best];
        loss[gone++] = least;
        for (uint32_t c = 0; c < x->count && gone < count; c++) {
            int64_t m = first[c][best + 1] - first[c][best];
            int64_t *at = xmalloc((size_t)(m + 1) * sizeof *at);
            double *block = xmalloc((size_t)(m * m + 1) * sizeof *block);
            for (int64_t i = 0; i < m; i++) at[i] = first[c][best] + i;
            if (m && part[c].inverse && inverse_block(&part[c], at[0], m, block))
                take_out(part[c].weights, part[c].inverse, part[c].rows, part[c].width, at, m, block);
            clear(part[c].weights, part[c].inverse, part[c].rows, part[c].width, at, m);
            free(at);
            free(block);
        }
    }
    for (uint32_t c = 0; c < x->count; c++) {
        part_free(&part[c]);
        free(first[c]);
    }
    free(first);
    free(part);
    return gone;
}

static void take_out_chosen(struct choosing *x, const uint32_t *candidate, uint32_t candidates) {
    for (uint32_t c = 0; c < x->count; c++) {
        const struct listing *l = &x->columns[c];
        int64_t width = 0, *columns = xmalloc((size_t)(x->consumers[c].depth + 1) * sizeof *columns);
        for (uint32_t i = 0; i < candidates; i++)
            for (int64_t k = l->first[candidate[i]];
                 x->removed[candidate[i]] && k < l->first[candidate[i] + 1]; k++)
                columns[width++] = l->at[k];
        take_out_columns(&x->consumers[c], columns, width);
        free(columns);
    }
}

/* In rounds: all sets are scored, and among four times as many of the cheapest as a round takes the greedy
 * choice is exact. Small groups go one by one. */
uint32_t channels_choose(struct channel_consumer *consumers, uint32_t consumer_count, uint32_t sets,
                         uint32_t count, const double *extra, uint32_t *order, double *loss) {
    if (!count) return 0;
    struct choosing x = {consumers, consumer_count, sets, NULL, extra, NULL, NULL};
    x.removed = xcalloc((size_t)sets + 1, sizeof *x.removed);
    x.columns = xcalloc((size_t)consumer_count + 1, sizeof *x.columns);
    x.cost = xcalloc((size_t)sets + 1, sizeof *x.cost);
    for (uint32_t c = 0; c < consumer_count; c++) {
        x.columns[c] = list_columns(&consumers[c], sets);
        compress_rows(&consumers[c]);
    }
    uint32_t *candidate = xcalloc((size_t)sets + 1, sizeof *candidate),
             per_round = (count + ROUNDS - 1) / ROUNDS, gone = 0;
    while (gone < count) {
        uint32_t now = per_round < count - gone ? per_round : count - gone;
        score_all(&x);
        uint32_t candidates = cheapest(&x, now == 1 ? 1 : 4 * now, candidate);
        uint32_t went = choose_among(&x, candidate, candidates, now, order + gone, loss + gone);
        if (!went) break;
        gone += went;
        if (gone < count) take_out_chosen(&x, candidate, candidates);
    }
    for (uint32_t c = 0; c < consumer_count; c++) {
        free(x.columns[c].first);
        free(x.columns[c].at);
    }
    free(x.columns);
    free(x.cost);
    free(candidate);
    free(x.removed);
    return gone;
}
