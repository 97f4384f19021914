#include "passes/gram.h"

#include "ir/ops/gemm.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 512 }; /* columns multiplied at a time */

/* Columns of both networks, gathered until a block is full. */
struct block {
    enum elem elem;
    int64_t depth, count;
    void *own, *reference;
};

struct work {
    const struct replay *r;
    const struct columns *c;
    struct gram *g;
    unsigned what;
    struct block block;
    void *product; /* [depth][depth] in the block's precision */
};

static double element(enum elem elem, const void *at, int64_t i) {
    return elem == ELEM_f64 ? ((const double *)at)[i] : (double)((const float *)at)[i];
}

/* to += product, of which only the upper triangle counts when `symmetric`. */
static void accumulate(const struct work *w, bool symmetric, double *to) {
    int64_t n = w->g->depth;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = symmetric ? i : 0; j < n; j++)
            to[i * n + j] += element(w->block.elem, w->product, i * n + j);
}

static void square(const struct work *w, const void *x, double *to) {
    int n = (int)w->g->depth, k = (int)w->block.count;
    if (w->block.elem == ELEM_f64)
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, n, k, 1, x, n, 0, w->product, n);
    else
        cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, n, k, 1, x, n, 0, w->product, n);
    accumulate(w, true, to);
}

static void product(const struct work *w, const void *a, const void *b, double *to) {
    int n = (int)w->g->depth, k = (int)w->block.count;
    if (w->block.elem == ELEM_f64)
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, k, 1, a, n, b, n, 0, w->product, n);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, n, n, k, 1, a, n, b, n, 0, w->product, n);
    accumulate(w, false, to);
}

static void add_columns(const struct block *b, const void *x, double *sum) {
    for (int64_t i = 0; i < b->count; i++)
        for (int64_t d = 0; d < b->depth; d++) sum[d] += element(b->elem, x, i * b->depth + d);
}

static void flush(struct work *w, int64_t group) {
    struct gram *g = w->g;
    int64_t at = group * g->depth * g->depth;
    if (!w->block.count) return;
    if (g->own) square(w, w->block.own, g->own + at);
    if (g->cross) product(w, w->block.reference, w->block.own, g->cross + at);
    if (g->reference) square(w, w->block.reference, g->reference + at);
    add_columns(&w->block, w->block.own, g->sum + group * g->depth);
    if (g->reference_sum) add_columns(&w->block, w->block.reference, g->reference_sum + group * g->depth);
    if (!group) g->columns += w->block.count;
    w->block.count = 0;
}

static void read_columns(const struct work *w, const struct tensor *x, int64_t group, int64_t first,
                         int64_t step, int64_t count, void *block) {
    struct tensor wide = {0};
    if (x->elem != w->block.elem) {
        wide = tensor_cast(x, w->block.elem);
        x = &wide;
    }
    int64_t at = w->block.count * w->block.depth;
    if (w->block.elem == ELEM_f64)
        columns_read_f64(w->c, x, group, first, step, count, (double *)block + at);
    else
        columns_read_f32(w->c, x, group, first, step, count, (float *)block + at);
    tensor_free(&wide);
}

/* Every step-th column of all samples counted through, starting at the half step. */
static int64_t step_for(const struct replay *r, const struct columns *c, int64_t most) {
    int64_t all = columns_count(c, replay_value(r, 0, c->input)) * replay_samples(r);
    return most && all > most ? ceil_div(all, most) : 1;
}

static void each_group(struct work *w, int64_t group, int64_t step) {
    int64_t position = step / 2;
    for (uint32_t s = 0; s < replay_samples(w->r); s++) {
        const struct tensor *x = replay_value(w->r, s, w->c->input);
        int64_t count = columns_count(w->c, x);
        while (position < count) {
            int64_t take = min_i64(ceil_div(count - position, step), BLOCK - w->block.count);
            read_columns(w, x, group, position, step, take, w->block.own);
            if (w->block.reference)
                read_columns(w, replay_reference(w->r, s, w->c->input), group, position, step, take,
                             w->block.reference);
            w->block.count += take;
            position += take * step;
            if (w->block.count == BLOCK) flush(w, group);
        }
        position -= count;
    }
    flush(w, group);
}

static void mirror(double *g, int64_t n) {
    for (int64_t i = 0; g && i < n; i++)
        for (int64_t j = 0; j < i; j++) g[i * n + j] = g[j * n + i];
}

static enum status check_sums(const struct work *w) {
    const struct gram *g = w->g;
    for (int64_t i = 0; i < g->groups * g->depth; i++) {
        double energy =
            g->own ? g->own[i / g->depth * g->depth * g->depth + i % g->depth * (g->depth + 1)] : 0;
        if (isfinite(g->sum[i]) && isfinite(energy)) continue;
        const struct value *v = value_get(replay_types(w->r), w->c->input);
        return diag_error(
            replay_diag(w->r), v->loc,
            "value %s becomes NaN or infinite on the data, in channel %lld of the matrix that %s "
            "multiplies",
            v->name, (long long)i, op_info(w->c->op->kind)->name);
    }
    return STATUS_OK;
}

enum status gram_measure(const struct replay *r, const struct columns *c, unsigned what, int64_t most,
                         struct gram *out) {
    struct eval eval = {.op = c->op, .diag = replay_diag(r)};
    TRY(gemm_check_blas(&eval));
    enum elem elem = value_get(replay_types(r), c->input)->type.elem == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    size_t n = (size_t)c->depth, matrix = n * n, groups = (size_t)c->groups, width = elem_bytes(elem);
    *out = (struct gram){.groups = c->groups, .depth = c->depth};
    if (what & GRAM_OWN) out->own = xcalloc(groups * matrix, sizeof(double));
    if (what & GRAM_CROSS) out->cross = xcalloc(groups * matrix, sizeof(double));
    if (what & GRAM_REFERENCE) out->reference = xcalloc(groups * matrix, sizeof(double));
    out->sum = xcalloc(groups * n, sizeof(double));
    bool both = what & (GRAM_CROSS | GRAM_REFERENCE);
    if (both) out->reference_sum = xcalloc(groups * n, sizeof(double));
    struct work w = {r, c, out, what, {elem, c->depth, 0, NULL, NULL}, NULL};
    w.block.own = xmalloc_aligned(BLOCK * n * width);
    if (both) w.block.reference = xmalloc_aligned(BLOCK * n * width);
    w.product = xcalloc(matrix, width);
    int64_t step = step_for(r, c, most);
    for (int64_t group = 0; group < c->groups; group++) {
        each_group(&w, group, step);
        mirror(out->own ? out->own + (size_t)group * matrix : NULL, c->depth);
        mirror(out->reference ? out->reference + (size_t)group * matrix : NULL, c->depth);
    }
    free(w.block.own);
    free(w.block.reference);
    free(w.product);
    enum status status = check_sums(&w);
    if (status != STATUS_OK) gram_free(out);
    return status;
}

void gram_free(struct gram *g) {
    free(g->own);
    free(g->cross);
    free(g->reference);
    free(g->sum);
    free(g->reference_sum);
    *g = (struct gram){0};
}

static void add_numbers(double *to, const double *from, int64_t count) {
    for (int64_t i = 0; to && i < count; i++) to[i] += from[i];
}

void gram_add(struct gram *to, const struct gram *from) {
    int64_t vectors = to->groups * to->depth, matrices = vectors * to->depth;
    add_numbers(to->own, from->own, matrices);
    add_numbers(to->cross, from->cross, matrices);
    add_numbers(to->reference, from->reference, matrices);
    add_numbers(to->sum, from->sum, vectors);
    add_numbers(to->reference_sum, from->reference_sum, vectors);
    to->columns += from->columns;
}

enum status gram_energy(const struct replay *r, const struct columns *c, int64_t most, double *energy) {
    enum elem elem = value_get(replay_types(r), c->input)->type.elem == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    struct work w = {.r = r, .c = c, .block = {.elem = elem, .depth = c->depth}};
    w.block.own = xmalloc_aligned(BLOCK * (size_t)c->depth * elem_bytes(elem));
    int64_t step = step_for(r, c, most);
    bool finite = true;
    for (int64_t group = 0; group < c->groups; group++) {
        double *to = energy + group * c->depth;
        int64_t position = step / 2, total = 0;
        memset(to, 0, (size_t)c->depth * sizeof *to);
        for (uint32_t s = 0; s < replay_samples(r); s++) {
            const struct tensor *x = replay_value(r, s, c->input);
            int64_t count = columns_count(c, x);
            while (position < count) {
                int64_t take = min_i64(ceil_div(count - position, step), BLOCK);
                read_columns(&w, x, group, position, step, take, w.block.own);
                for (int64_t i = 0; i < take; i++)
                    for (int64_t d = 0; d < c->depth; d++) {
                        double v = element(elem, w.block.own, i * c->depth + d);
                        to[d] += v * v;
                    }
                position += take * step;
                total += take;
            }
            position -= count;
        }
        for (int64_t d = 0; d < c->depth; d++) {
            to[d] /= (double)max_i64(total, 1);
            finite = finite && isfinite(to[d]);
        }
    }
    free(w.block.own);
    if (finite) return STATUS_OK;
    const struct value *v = value_get(replay_types(r), c->input);
    return diag_error(replay_diag(r), v->loc, "value %s becomes NaN or infinite on the data", v->name);
}

/* -- single values -- */
struct value_range replay_range(const struct replay *r, value_id v) {
    struct value_range range = {.lo = INFINITY, .hi = -INFINITY};
    double sum = 0, square_sum = 0;
    for (uint32_t s = 0; s < replay_samples(r); s++) {
        const struct tensor *t = replay_value(r, s, v);
        int64_t count = tensor_count(t);
        for (int64_t i = 0; i < count; i++) {
            double x = tensor_get_f64(t, i);
            if (x < range.lo) range.lo = x;
            if (x > range.hi) range.hi = x;
            sum += x;
            square_sum += x * x;
        }
        range.count += count;
    }
    range.mean = sum / (double)max_i64(range.count, 1);
    range.square = square_sum / (double)max_i64(range.count, 1);
    return range;
}

void replay_histogram(const struct replay *r, value_id v, double lo, double hi, uint32_t bins,
                      uint64_t *counts) {
    memset(counts, 0, bins * sizeof *counts);
    double scale = hi > lo ? bins / (hi - lo) : 0;
    for (uint32_t s = 0; s < replay_samples(r); s++) {
        const struct tensor *t = replay_value(r, s, v);
        for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
            double at = (tensor_get_f64(t, i) - lo) * scale;
            counts[at <= 0 ? 0 : at >= bins - 1 ? bins - 1 : (uint32_t)at]++;
        }
    }
}

int64_t replay_columns(const struct replay *r, const struct columns *c, int64_t group, int64_t most,
                       float *to) {
    uint32_t samples = replay_samples(r);
    int64_t each = max_i64(1, most / samples), count = 0;
    for (uint32_t i = 0; i < samples && count < most; i++) {
        const struct tensor *x = replay_value(r, i, c->input);
        int64_t all = columns_count(c, x), n = min_i64(min_i64(each, all), most - count);
        if (!n) continue;
        columns_read_f32(c, x, group, (int64_t)i % (all / n), all / n, n, to + count * c->depth);
        count += n;
    }
    return count;
}
