/* Masks by score. */
#include "passes/obs.h"

#include "ir/base/base.h"

#include <stdlib.h>
#include <string.h>

struct candidate {
    double score;
    int64_t unit; /* bundle * units + unit */
};

/* A total order, so that which units go never depends on where they stand. */
static bool before(const struct candidate *a, const struct candidate *b) {
    return a->score != b->score ? a->score < b->score : a->unit < b->unit;
}

static void swap(struct candidate *a, struct candidate *b) {
    struct candidate c = *a;
    *a = *b;
    *b = c;
}

/* Moves the `lowest` least of c[0 … count) to its start (quickselect; the pivot is the median of three). */
static void select_lowest(struct candidate *c, int64_t count, int64_t lowest) {
    int64_t from = 0, to = count; /* the border lies within */
    while (to - from > 1 && lowest > from && lowest < to) {
        int64_t middle = from + (to - from) / 2, last = to - 1;
        if (before(&c[middle], &c[from])) swap(&c[middle], &c[from]);
        if (before(&c[last], &c[from])) swap(&c[last], &c[from]);
        if (before(&c[last], &c[middle])) swap(&c[last], &c[middle]);
        struct candidate pivot = c[middle];
        int64_t i = from, k = last;
        while (i <= k) {
            while (before(&c[i], &pivot)) i++;
            while (before(&pivot, &c[k])) k--;
            if (i <= k) swap(&c[i++], &c[k--]);
        }
        if (lowest <= k + 1 && k + 1 < to)
            to = k + 1;
        else if (lowest >= i && i > from)
            from = i;
        else
            return; /* between k and i: the pivot alone */
    }
}

/* Writes a decision for unit u of bundle b into the mask. */
static void decide(const struct obs_problem *p, int64_t bundle, int64_t unit, bool kept) {
    const struct pattern *t = &p->pattern;
    for (int64_t i = bundle * t->rows; i < min_i64((bundle + 1) * t->rows, p->rows); i++)
        for (int64_t j = unit * t->columns; j < min_i64((unit + 1) * t->columns, p->depth); j++)
            p->kept[i * p->depth + j] = kept;
}

static double unit_score(const struct obs_problem *p, const double *score, int64_t bundle, int64_t unit) {
    const struct pattern *t = &p->pattern;
    double sum = 0;
    for (int64_t i = bundle * t->rows; i < min_i64((bundle + 1) * t->rows, p->rows); i++)
        for (int64_t j = unit * t->columns; j < min_i64((unit + 1) * t->columns, p->depth); j++)
            sum += score[i * p->depth + j];
    return sum;
}

static void drop_lowest(const struct obs_problem *p, struct candidate *c, int64_t count, int64_t drop,
                        int64_t units) {
    select_lowest(c, count, drop);
    for (int64_t i = 0; i < drop; i++) decide(p, c[i].unit / units, c[i].unit % units, false);
}

/* How many of `count` go by the end of row `row` of `rows`, so that rounding does not add up. */
static int64_t share(double ratio, int64_t count) {
    return (int64_t)((double)count * ratio + 0.5);
}

static void mask_groups(const struct obs_problem *p, const double *score) {
    struct candidate *c = xcalloc((size_t)p->pattern.m, sizeof *c);
    for (int64_t i = 0; i < p->rows; i++)
        for (int64_t first = 0; first < p->depth; first += p->pattern.m) {
            int64_t size = min_i64(p->pattern.m, p->depth - first);
            for (int64_t j = 0; j < size; j++)
                c[j] = (struct candidate){score[i * p->depth + first + j], i * p->depth + first + j};
            drop_lowest(p, c, size, max_i64(size - p->pattern.n, 0), p->depth);
        }
    free(c);
}

void mask_by_score(const struct obs_problem *p, const double *score, bool by_row) {
    memset(p->kept, 1, (size_t)(p->rows * p->depth) * sizeof *p->kept);
    if (p->pattern.m) {
        mask_groups(p, score);
        return;
    }
    int64_t bundles = ceil_div(p->rows, p->pattern.rows), units = ceil_div(p->depth, p->pattern.columns),
            n = 0;
    struct candidate *c = xcalloc((size_t)(bundles * units), sizeof *c);
    for (int64_t b = 0; b < bundles; b++) {
        for (int64_t u = 0; u < units; u++, n++) c[n] = (struct candidate){unit_score(p, score, b, u), n};
        int64_t before = share(p->ratio, b * units), now = share(p->ratio, (b + 1) * units);
        if (by_row) drop_lowest(p, c + b * units, units, now - before, units);
    }
    if (!by_row) drop_lowest(p, c, n, share(p->ratio, n), units);
    free(c);
}
