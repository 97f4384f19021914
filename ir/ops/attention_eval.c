/* Evaluation of attention: for each head two products around a softmax in f64. */
#include "ir/ops/attention.h"
#include "ir/ops/functions.h"
#include "ir/ops/gemm.h"

#include <math.h>
#include <stdlib.h>

/* Strides of the mask in [n, heads, t, s], 0 where it broadcasts. */
static void mask_strides(const struct tensor *mask, int64_t stride[4]) {
    int64_t step = 1;
    for (uint32_t d = 4; d-- > 0;) {
        uint32_t missing = 4 - mask->rank;
        int64_t extent = d < missing ? 1 : mask->dim[d - missing];
        stride[d] = extent == 1 ? 0 : step;
        step *= extent;
    }
}

/* What is added to score i of the mask: 0 or -inf for booleans. */
static double mask_value(const struct tensor *mask, int64_t i) {
    if (mask->elem == ELEM_bool) return ((const uint8_t *)mask->data)[i] ? 0 : -INFINITY;
    return tensor_get_f64(mask, i);
}

static double get(enum elem elem, const void *at, int64_t i) {
    return elem == ELEM_f32 ? (double)((const float *)at)[i] : ((const double *)at)[i];
}

static void put(enum elem elem, void *at, int64_t i, double value) {
    if (elem == ELEM_f32)
        ((float *)at)[i] = (float)value;
    else
        ((double *)at)[i] = value;
}

struct scores { /* of one image and head: `rows` rows of s, for the queries from `first` on */
    enum elem elem;
    void *at;
    int64_t first, rows, s;
    double scale;
    bool causal;
    const struct tensor *mask;
    int64_t mask_offset, mask_row, mask_column;
};

/* e^(x - max) / sum, row by row; positions that causality hides do not take part. A row that the mask hides
 * wholly is NaN, as the formula says. */
static void softmax_rows(const struct scores *p, double *row) {
    for (int64_t i = 0; i < p->rows; i++) {
        int64_t query = p->first + i, seen = p->causal ? min_i64(p->s, query + 1) : p->s;
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < seen; j++) {
            row[j] = get(p->elem, p->at, i * p->s + j) * p->scale;
            if (p->mask)
                row[j] += mask_value(p->mask, p->mask_offset + query * p->mask_row + j * p->mask_column);
            if (!(row[j] <= most)) most = row[j]; /* NaN, too */
        }
        for (int64_t j = 0; j < seen; j++) sum += row[j] = exp(row[j] - most);
        for (int64_t j = 0; j < p->s; j++) put(p->elem, p->at, i * p->s + j, j < seen ? row[j] / sum : 0);
    }
}

/* What is fixed for all images and heads. Queries are taken some rows at a time, so that scores take a few
 * megabytes. */
struct attention {
    const struct eval *eval;
    struct heads heads;
    struct wide q, k, v;
    struct scores scores;
    int64_t mask_stride[4];
    double *row;
};

static int64_t rows_at_a_time(int64_t t, int64_t s) {
    enum { ELEMENTS = 1 << 20 };
    return max_i64(1, min_i64(t, ELEMENTS / max_i64(s, 1)));
}

static void one_head(struct attention *a, int64_t n, int64_t head, char *y) {
    const struct tensor *q = a->eval->in[ATTENTION_Q], *k = a->eval->in[ATTENTION_K],
                        *v = a->eval->in[ATTENTION_V];
    const struct heads *h = &a->heads;
    struct scores *p = &a->scores;
    size_t bytes = elem_bytes(p->elem);
    int64_t t = q->dim[1], s = k->dim[1], kv = head / h->shared, y_row = a->eval->out->dim[2];
    struct matrix of_k = {(const char *)a->k.at + (size_t)(n * s * k->dim[2] + kv * h->d) * bytes, k->dim[2],
                          true};
    struct matrix of_v = {(const char *)a->v.at + (size_t)(n * s * v->dim[2] + kv * h->e) * bytes, v->dim[2],
                          false};
    p->mask_offset = n * a->mask_stride[0] + head * a->mask_stride[1];
    for (p->first = 0; p->first < t; p->first += p->rows) {
        p->rows = min_i64(rows_at_a_time(t, s), t - p->first);
        int64_t from = (n * t + p->first) * q->dim[2] + head * h->d,
                to = (n * t + p->first) * y_row + head * h->e;
        struct gemm g = {.elem = p->elem, .ordered = a->eval->ordered, .m = p->rows, .n = s, .k = h->d};
        g.a = (struct matrix){(const char *)a->q.at + (size_t)from * bytes, q->dim[2], false};
        g.b = of_k;
        g.c = p->at;
        g.c_row = s;
        gemm(&g);
        softmax_rows(p, a->row);
        g.n = h->e;
        g.k = s;
        g.a = (struct matrix){p->at, s, false};
        g.b = of_v;
        g.c = y + (size_t)to * bytes;
        g.c_row = y_row;
        gemm(&g);
    }
}

enum status eval_attention(const struct eval *eval) {
    const struct tensor *q = eval->in[ATTENTION_Q], *k = eval->in[ATTENTION_K], *v = eval->in[ATTENTION_V];
    const struct tensor *mask = eval->op->operand_count > ATTENTION_MASK ? eval->in[ATTENTION_MASK] : NULL;
    if (!tensor_count(eval->out)) return STATUS_OK;
    TRY(gemm_check_blas(eval));
    int64_t t = q->dim[1], s = k->dim[1];
    struct attention a = {.eval = eval, .heads = heads_of(eval->op, q->dim[2], v->dim[2])};
    enum elem elem = gemm_elem(q->elem);
    a.q = wide_of(q);
    a.k = wide_of(k);
    a.v = wide_of(v);
    a.scores = (struct scores){.elem = elem, .s = s, .scale = a.heads.scale, .mask = mask};
    a.scores.causal = op_bool(eval->op, ATTR_causal);
    a.scores.at = xmalloc_aligned((size_t)(rows_at_a_time(t, s) * s) * elem_bytes(elem));
    a.row = xcalloc((size_t)s, sizeof *a.row);
    if (mask) mask_strides(mask, a.mask_stride);
    a.scores.mask_row = a.mask_stride[2];
    a.scores.mask_column = a.mask_stride[3];
    char *y = wide_result(eval->out);
    for (int64_t i = 0; i < q->dim[0] * a.heads.heads; i++)
        one_head(&a, i / a.heads.heads, i % a.heads.heads, y);
    wide_store(eval->out, y);
    free(a.row);
    free(a.scores.at);
    wide_free(&a.q);
    wide_free(&a.k);
    wide_free(&a.v);
    return STATUS_OK;
}
