/* Optimal Brain Compression: one unit after the other, H⁻¹ updated for each bundle of rows. */
#include "passes/obs_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bundle {
    const struct obs_problem *p;
    int64_t first, rows, units;
    double *w, *inverse; /* of this bundle: [rows][depth], [depth][depth] */
    bool *gone;          /* units */
    int64_t *left;       /* kept in each group of n : m */
};

/* w (H⁻¹_BB)⁻¹ wᵀ over the rows, for the columns B of a unit. */
static double unit_cost(const struct bundle *b, int64_t unit) {
    int64_t n = b->p->depth, width = b->p->pattern.columns, from = unit * width,
            size = min_i64(width, n - from);
    double cost = 0;
    if (size == 1) {
        for (int64_t i = 0; i < b->rows; i++) cost += b->w[i * n + from] * b->w[i * n + from];
        return cost / b->inverse[from * n + from];
    }
    double a[OBS_MOST_COLUMNS * OBS_MOST_COLUMNS], x[OBS_MOST_COLUMNS];
    for (int64_t y = 0; y < size; y++)
        for (int64_t z = 0; z < size; z++) a[y * size + z] = b->inverse[(from + y) * n + from + z];
    if (!moment_factor(a, size)) return INFINITY;
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
void obs_choose_exactly(const struct obs_problem *p, const double *inverse) {
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
