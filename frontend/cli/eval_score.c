#include "frontend/cli/eval.h"

#include <math.h>
#include <string.h>

const struct metric_info *metric_info(enum metric metric) {
    static const struct metric_info table[] = {
#define METRIC(id, name, needs, proportion, text) {name, NEEDS_##needs, proportion, text},
#include "frontend/cli/metrics.def"
    };
    return &table[metric];
}

static void put(struct scores *s, enum metric metric, double value) {
    *vec_push(&s->of[metric]) = value;
}

/* -- classes -- */
static int64_t largest(const struct tensor *y, int64_t first, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (tensor_get_f64(y, first + i) > tensor_get_f64(y, first + best)) best = i;
    return best;
}

static int64_t row_length(const struct tensor *y) {
    return y->rank ? max_i64(y->dim[y->rank - 1], 1) : 1;
}

/* How many numbers beat the label's; of equal ones the first counts. */
static void score_class(const struct tensor *y, int64_t label, struct scores *s) {
    int64_t count = tensor_count(y), above = 0;
    bool known = label >= 0 && label < count;
    for (int64_t i = 0; known && i < count; i++) {
        double v = tensor_get_f64(y, i), own = tensor_get_f64(y, label);
        above += v > own || (v == own && i < label) || isnan(own);
    }
    put(s, METRIC_top1, known && above == 0);
    put(s, METRIC_top5, known && above < 5);
}

/* -- sequences -- */
static bool is_stripped(const struct answers *a, int64_t symbol) {
    for (uint32_t i = 0; i < a->strip.count; i++)
        if (a->strip.at[i] == symbol) return true;
    return false;
}

/* Without what does not count at the ends. */
static void strip(const struct answers *a, const int64_t *at, uint32_t *first, uint32_t *end) {
    while (*first < *end && is_stripped(a, at[*first])) ++*first;
    while (*end > *first && is_stripped(a, at[*end - 1])) --*end;
}

static void score_sequence(const struct answers *a, uint32_t i, const struct tensor *y, struct scores *s) {
    VEC(int64_t) got = {0};
    VEC(int64_t) want = {0};
    int64_t classes = row_length(y), before = -1;
    for (int64_t at = 0; at < tensor_count(y); at += classes) {
        int64_t symbol = largest(y, at, classes);
        if (symbol != before && symbol != a->blank) *vec_push(&got) = symbol;
        before = symbol;
    }
    for (int64_t k = 0; k < a->label.dim[1]; k++) {
        int64_t symbol = tensor_get_i64(&a->label, i * a->label.dim[1] + k);
        if (symbol >= 0) *vec_push(&want) = symbol;
    }
    uint32_t g = 0, g_end = got.count, w = 0, w_end = want.count;
    strip(a, got.at, &g, &g_end);
    strip(a, want.at, &w, &w_end);
    bool same = g_end - g == w_end - w;
    for (uint32_t k = 0; same && k < g_end - g; k++) same = got.at[g + k] == want.at[w + k];
    put(s, METRIC_exact, same);
    vec_free(&got);
    vec_free(&want);
}

/* -- vectors -- */
/* Cosine and mean squared difference of two tensors of as many numbers, `from` on. */
static void compare(const struct tensor *y, const struct tensor *x, int64_t from, double *cosine,
                    double *mse) {
    double yy = 0, xx = 0, xy = 0, difference = 0;
    int64_t n = tensor_count(y);
    for (int64_t i = 0; i < n; i++) {
        double a = tensor_get_f64(y, i), b = tensor_get_f64(x, from + i);
        yy += a * a;
        xx += b * b;
        xy += a * b;
        difference += (a - b) * (a - b);
    }
    *cosine = yy > 0 && xx > 0 ? xy / sqrt(yy * xx) : yy == xx;
    *mse = n ? difference / (double)n : 0;
}

static double agreement(const struct tensor *y, const struct tensor *original) {
    int64_t length = row_length(y), rows = tensor_count(y) / length, same = 0;
    for (int64_t r = 0; r < rows; r++)
        same += largest(y, r * length, length) == largest(original, r * length, length);
    return rows ? (double)same / (double)rows : 1;
}

void score_sample(const struct answers *a, uint32_t i, const struct tensor *y, const struct tensor *original,
                  struct scores *s) {
    double cosine, mse;
    if (a->label.rank == 1) score_class(y, tensor_get_i64(&a->label, i), s);
    if (a->label.rank == 2) score_sequence(a, i, y, s);
    if (a->target.rank) {
        compare(y, &a->target, i * tensor_count(y), &cosine, &mse);
        put(s, METRIC_cosine, cosine);
        put(s, METRIC_mse, mse);
    }
    if (a->query.rank) {
        s->width = tensor_count(y);
        for (int64_t k = 0; k < s->width; k++) *vec_push(&s->embedding) = (float)tensor_get_f64(y, k);
    }
    if (original) {
        compare(y, original, 0, &cosine, &mse);
        put(s, METRIC_agreement, agreement(y, original));
        put(s, METRIC_original_cosine, cosine);
        put(s, METRIC_original_mse, mse);
    }
}

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

void score_retrieval(const struct answers *a, struct scores *s) {
    int64_t n = a->query.rank && s->width ? a->query.dim[0] : 0;
    double *length = xcalloc((size_t)max_i64(n, 1), sizeof *length);
    for (int64_t i = 0; i < n; i++) {
        const float *v = s->embedding.at + i * s->width;
        length[i] = fmax(sqrt(dot(v, v, s->width)), 1e-30);
    }
    for (int64_t q = 0; q < n; q++) {
        int64_t right = tensor_get_i64(&a->query, q), rank = 1;
        if (right < 0) continue;
        const float *v = s->embedding.at + q * s->width;
        double own = dot(v, s->embedding.at + right * s->width, s->width) / length[right];
        for (int64_t d = 0; d < n; d++) {
            if (d == right || tensor_get_i64(&a->query, d) >= 0) continue;
            rank += dot(v, s->embedding.at + d * s->width, s->width) / length[d] > own;
        }
        put(s, METRIC_recall1, rank == 1);
        put(s, METRIC_recall10, rank <= 10);
        put(s, METRIC_mrr, 1 / (double)rank);
    }
    free(length);
}

void scores_free(struct scores *s) {
    for (int i = 0; i < METRIC_COUNT; i++) vec_free(&s->of[i]);
    vec_free(&s->embedding);
}

/* -- intervals -- */
static const double Z = 1.959963984540054;

static struct interval mean_interval(const double *at, uint32_t count) {
    struct interval r = {.count = count};
    double squares = 0;
    for (uint32_t i = 0; i < count; i++) r.mean += at[i] / count;
    for (uint32_t i = 0; i < count; i++) squares += (at[i] - r.mean) * (at[i] - r.mean);
    double half = count > 1 ? Z * sqrt(squares / (count - 1) / count) : INFINITY;
    r.lo = r.mean - half;
    r.hi = r.mean + half;
    return r;
}

struct interval score_interval(const double *at, uint32_t count, bool proportion) {
    struct interval r = mean_interval(at, count);
    if (!proportion || !count) return r;
    double n = count, p = r.mean, middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n);
    double half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n));
    r.lo = middle - half;
    r.hi = middle + half;
    return r;
}

struct interval paired_interval(const double *a, const double *b, uint32_t count) {
    double *d = xmalloc((count + 1) * sizeof *d);
    for (uint32_t i = 0; i < count; i++) d[i] = a[i] - b[i];
    struct interval r = mean_interval(d, count);
    free(d);
    return r;
}
