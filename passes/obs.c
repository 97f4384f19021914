/* The optimal brain surgeon over the rows of a layer. */
#include "passes/obs.h"

#include "ir/base/base.h"

#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Exact removal costs about this many multiply-adds at most; a core does a few 10⁹ in a second. */
static const double exact_limit = 6e9;

/* -- matrices -- */
static double mean_diagonal(const double *g, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += g[i * n + i];
    return sum > 0 ? sum / (double)n : 1;
}

/* A symmetric matrix is the same in both orders of storage; its row-major upper triangle is LAPACK's lower
 * one. */
static bool factor(double *a, int64_t n) {
    if (LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'L', (int)n, a, (int)n)) return false;
    for (int64_t i = 0; i < n; i++) /* a pivot lost in rounding says as little as a negative one */
        if (!isfinite(a[i * n + i]) || a[i * n + i] <= 0) return false;
    return true;
}

double moment_inverse(const double *g, int64_t n, double damp, double **inverse) {
    double mean = mean_diagonal(g, n), *a = xmalloc((size_t)(n * n) * sizeof *a);
    double lambda = (damp > 1e-10 ? damp : 1e-10) * mean;
    for (;; lambda *= 10) {
        memcpy(a, g, (size_t)(n * n) * sizeof *a);
        for (int64_t i = 0; i < n; i++) a[i * n + i] += lambda;
        if (factor(a, n) && !LAPACKE_dpotri(LAPACK_COL_MAJOR, 'L', (int)n, a, (int)n)) break;
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

/* -- least squares on the mask -- */
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
            done = factor(a, k) && !LAPACKE_dpotrs(LAPACK_COL_MAJOR, 'L', (int)k, 1, a, (int)k, b, (int)k);
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
    double lambda = p->refit_damp * mean_diagonal(p->g, n);
    moment_multiply(p->rows, n, target, p->g, false, right);
    for (int64_t i = 0; i < p->rows * n; i++) kept += p->kept[i];
    double mean = (double)kept / (double)p->rows;
    if (mean * mean * mean / 3 * (double)p->rows < direct_limit)
        refit_rows(p, right, lambda);
    else
        refit_together(p, right, lambda);
    free(right);
}

/* -- exactly: one unit after the other, H⁻¹ updated for each bundle of rows -- */
struct bundle {
    const struct obs_problem *p;
    int64_t first, rows, units;
    double *w, *inverse; /* of this bundle: [rows][depth], [depth][depth] */
    bool *gone;          /* units */
    int64_t *left;       /* kept in each group of n : m */
};

enum { MOST_COLUMNS = 64 };

/* w (H⁻¹_BB)⁻¹ wᵀ over the rows, for the columns B of a unit. */
static double unit_cost(const struct bundle *b, int64_t unit) {
    int64_t n = b->p->depth, width = b->p->pattern.columns, from = unit * width,
            size = min_i64(width, n - from);
    double cost = 0;
    if (size == 1) {
        for (int64_t i = 0; i < b->rows; i++) cost += b->w[i * n + from] * b->w[i * n + from];
        return cost / b->inverse[from * n + from];
    }
    double a[MOST_COLUMNS * MOST_COLUMNS], x[MOST_COLUMNS];
    for (int64_t y = 0; y < size; y++)
        for (int64_t z = 0; z < size; z++) a[y * size + z] = b->inverse[(from + y) * n + from + z];
    if (!factor(a, size)) return INFINITY;
    for (int64_t i = 0; i < b->rows; i++) {
        for (int64_t y = 0; y < size; y++) { /* Uᵀ x = w */
            x[y] = b->w[i * n + from + y];
            for (int64_t z = 0; z < y; z++) x[y] -= a[z * size + y] * x[z];
            x[y] /= a[y * size + y];
            cost += x[y] * x[y];
        }
    }
    return cost;
}

static void remove_column(const struct bundle *b, int64_t j) {
    int64_t n = b->p->depth;
    const double *row = b->inverse + j * n;
    double pivot = row[j];
    if (!(pivot > 0)) return;
    for (int64_t i = 0; i < b->rows; i++) {
        double f = b->w[i * n + j] / pivot;
        for (int64_t k = 0; k < n && f != 0; k++) b->w[i * n + k] -= f * row[k];
        b->w[i * n + j] = 0;
    }
    for (int64_t i = 0; i < n; i++) {
        double f = b->inverse[i * n + j] / pivot;
        if (i == j || f == 0) continue;
        double *to = b->inverse + i * n;
        for (int64_t k = 0; k < n; k++) to[k] -= f * row[k];
    }
    for (int64_t k = 0; k < n; k++) b->inverse[j * n + k] = b->inverse[k * n + j] = 0;
}

/* Removes units while there are any that may go; order[k] is the k-th, with cost[k]. Returns their number. */
static int64_t remove_all(struct bundle *b, int64_t *order, double *cost) {
    const struct pattern *t = &b->p->pattern;
    for (int64_t k = 0; k < b->units; k++) {
        int64_t best = -1;
        double least = INFINITY;
        for (int64_t u = 0; u < b->units; u++) {
            if (b->gone[u] || (t->m && b->left[u / t->m] <= t->n)) continue;
            double c = unit_cost(b, u);
            if (best < 0 || c < least) least = c, best = u;
        }
        if (best < 0) return k;
        order[k] = best;
        cost[k] = least;
        b->gone[best] = true;
        if (t->m) b->left[best / t->m]--;
        for (int64_t j = best * t->columns; j < min_i64((best + 1) * t->columns, b->p->depth); j++)
            remove_column(b, j);
    }
    return b->units;
}

struct removal {
    double cost;
    int64_t bundle, place; /* the place-th removal of the bundle */
};

static int cheaper(const void *a, const void *b) {
    const struct removal *x = a, *y = b;
    if (x->cost != y->cost) return x->cost < y->cost ? -1 : 1;
    if (x->bundle != y->bundle) return x->bundle < y->bundle ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void drop_unit(const struct obs_problem *p, int64_t bundle, int64_t unit) {
    const struct pattern *t = &p->pattern;
    for (int64_t i = bundle * t->rows; i < min_i64((bundle + 1) * t->rows, p->rows); i++)
        for (int64_t j = unit * t->columns; j < min_i64((unit + 1) * t->columns, p->depth); j++)
            p->kept[i * p->depth + j] = false;
}

/* Removals of all bundles in order of cost; within a bundle they keep their order, as a later one may be
 * cheaper only because of those before it. */
static void choose_exactly(const struct obs_problem *p, const double *inverse) {
    const struct pattern *t = &p->pattern;
    int64_t n = p->depth, bundles = ceil_div(p->rows, t->rows), units = ceil_div(n, t->columns), count = 0;
    struct bundle b = {.p = p, .units = units};
    struct removal *all = xcalloc((size_t)(bundles * units), sizeof *all);
    int64_t *order = xcalloc((size_t)(bundles * units), sizeof *order);
    double *cost = xcalloc((size_t)units, sizeof *cost);
    b.inverse = xmalloc((size_t)(n * n) * sizeof *b.inverse);
    b.w = xmalloc((size_t)(t->rows * n) * sizeof *b.w);
    b.gone = xcalloc((size_t)units, sizeof *b.gone);
    b.left = xcalloc((size_t)units + 1, sizeof *b.left);
    for (int64_t i = 0; i < bundles; i++) {
        b.rows = min_i64(t->rows, p->rows - i * t->rows);
        memcpy(b.inverse, inverse, (size_t)(n * n) * sizeof *b.inverse);
        memcpy(b.w, p->w + i * t->rows * n, (size_t)(b.rows * n) * sizeof *b.w);
        memset(b.gone, 0, (size_t)units * sizeof *b.gone);
        for (int64_t g = 0; t->m && g < ceil_div(n, t->m); g++) b.left[g] = min_i64(t->m, n - g * t->m);
        int64_t removed = remove_all(&b, order + i * units, cost);
        double highest = 0;
        for (int64_t k = 0; k < removed; k++) {
            if (cost[k] > highest) highest = cost[k];
            all[count++] = (struct removal){highest, i, k};
        }
    }
    int64_t drop = t->m ? count : (int64_t)((double)count * p->ratio + 0.5);
    qsort(all, (size_t)count, sizeof *all, cheaper);
    memset(p->kept, 1, (size_t)(p->rows * n) * sizeof *p->kept);
    for (int64_t k = 0; k < drop; k++)
        drop_unit(p, all[k].bundle, order[all[k].bundle * units + all[k].place]);
    free(all);
    free(order);
    free(cost);
    free(b.inverse);
    free(b.w);
    free(b.gone);
    free(b.left);
}

/* -- in one pass over the columns -- */
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
static void mask_stretch(const struct obs_problem *p, const double *u, int64_t from, int64_t to,
                         double ratio) {
    int64_t n = p->depth, width = to - from;
    struct obs_problem part = {.rows = p->rows, .depth = width, .pattern = p->pattern, .ratio = ratio};
    double *score = xmalloc((size_t)(p->rows * width) * sizeof *score);
    part.kept = xcalloc((size_t)(p->rows * width), sizeof *part.kept);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t j = 0; j < width; j++) {
            double e = p->w[i * n + from + j] / u[(from + j) * n + from + j];
            score[i * width + j] = e * e;
        }
    mask_by_score(&part, score, false);
    for (int64_t i = 0; i < p->rows; i++)
        memcpy(p->kept + i * n + from, part.kept + i * width, (size_t)width * sizeof *p->kept);
    free(score);
    free(part.kept);
}

/* Zeroes what goes in columns [from, to) and moves the loss to the right, first within them. error:
 * [rows][width]. */
static void sweep_stretch(const struct obs_problem *p, const double *u, int64_t from, int64_t to,
                          double *error) {
    int64_t n = p->depth, width = to - from;
    for (int64_t i = 0; i < p->rows; i++) {
        double *w = p->w + i * n;
        for (int64_t j = from; j < to; j++) {
            double e = p->kept[i * n + j] ? 0 : w[j] / u[j * n + j];
            error[i * width + j - from] = e;
            for (int64_t k = j; k < to && e != 0; k++) w[k] -= e * u[j * n + k];
            if (!p->kept[i * n + j]) w[j] = 0;
        }
    }
    if (to < n)
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)p->rows, (int)(n - to), (int)width, -1,
                    error, (int)width, u + from * n + to, (int)n, 1, p->w + to, (int)n);
}

static void choose_in_one_pass(const struct obs_problem *p, double *inverse) {
    enum { STRETCH = 128 };
    int64_t n = p->depth, unit = p->pattern.m ? p->pattern.m : p->pattern.columns,
            stretch = round_up(STRETCH, unit);
    double *ratio = xcalloc((size_t)ceil_div(n, stretch), sizeof *ratio);
    double *error = xmalloc((size_t)(p->rows * stretch) * sizeof *error);
    shares(p, inverse, stretch, ratio);
    if (!factor(inverse, n)) bug("the inverse of a positive matrix is not positive");
    for (int64_t from = 0, s = 0; from < n; from += stretch, s++) {
        int64_t to = min_i64(from + stretch, n);
        mask_stretch(p, inverse, from, to, ratio[s]);
        sweep_stretch(p, inverse, from, to, error);
    }
    free(ratio);
    free(error);
}

void obs_solve(const struct obs_problem *p) {
    int64_t n = p->depth, count = p->rows * n;
    double *target = xmalloc((size_t)count * sizeof *target), *inverse;
    for (int64_t i = 0; i < count; i++)
        if (p->g[i % n * n + i % n] <= 0) p->w[i] = 0;
    memcpy(target, p->w, (size_t)count * sizeof *target);
    moment_inverse(p->g, n, p->damp, &inverse);
    double bundles = (double)ceil_div(p->rows, p->pattern.rows);
    bool exactly = bundles * (double)(n * n) * (double)n < exact_limit && p->pattern.columns <= MOST_COLUMNS;
    if (exactly)
        choose_exactly(p, inverse);
    else
        choose_in_one_pass(p, inverse);
    obs_refit(p, target);
    free(inverse);
    free(target);
}
