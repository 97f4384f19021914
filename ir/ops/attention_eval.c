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

struct scores { /* of one image and head: t rows of s */
    enum elem elem;
    void *at;
    int64_t t, s;
    double scale;
    bool causal;
    const struct tensor *mask;
    int64_t mask_offset, mask_row, mask_column;
};

/* e^(x - max) / sum, row by row; positions that causality hides do not take part. A row that the mask hides
 * wholly is NaN, as the formula says. */
static void softmax_rows(const struct scores *p, double *row) {
    for (int64_t i = 0; i < p->t; i++) {
        int64_t seen = p->causal ? min_i64(p->s, i + 1) : p->s;
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j < seen; j++) {
            row[j] = get(p->elem, p->at, i * p->s + j) * p->scale;
            if (p->mask) row[j] += mask_value(p->mask, p->mask_offset + i * p->mask_row + j * p->mask_column);
            if (!(row[j] <= most)) most = row[j]; /* NaN, too */
        }
        for (int64_t j = 0; j < seen; j++) sum += row[j] = exp(row[j] - most);
        for (int64_t j = 0; j < p->s; j++) put(p->elem, p->at, i * p->s + j, j < seen ? row[j] / sum : 0);
    }
}

enum status eval_attention(const struct eval *eval) {
    const struct tensor *q = eval->in[ATTENTION_Q], *k = eval->in[ATTENTION_K], *v = eval->in[ATTENTION_V];
    const struct tensor *mask = eval->op->operand_count > ATTENTION_MASK ? eval->in[ATTENTION_MASK] : NULL;
    TRY(gemm_check_blas(eval));
    struct heads h = heads_of(eval->op, q->dim[2], v->dim[2]);
    int64_t t = q->dim[1], s = k->dim[1], y_row = eval->out->dim[2], stride[4] = {0};
    enum elem elem = gemm_elem(q->elem);
    size_t bytes = elem_bytes(elem);
    struct wide wq = wide_of(q), wk = wide_of(k), wv = wide_of(v);
    char *y = wide_result(eval->out);
    struct scores p = {.elem = elem, .t = t, .s = s, .scale = h.scale, .mask = mask};
    p.causal = op_bool(eval->op, ATTR_causal);
    p.at = xmalloc_aligned((size_t)(t * s) * bytes);
    double *row = xcalloc((size_t)s, sizeof *row);
    if (mask) mask_strides(mask, stride);
    p.mask_row = stride[2];
    p.mask_column = stride[3];
    for (int64_t i = 0; i < q->dim[0] * h.heads; i++) {
        int64_t n = i / h.heads, head = i % h.heads, kv = head / h.shared;
        const char *one_q = (const char *)wq.at + (size_t)(n * t * q->dim[2] + head * h.d) * bytes;
        const char *one_k = (const char *)wk.at + (size_t)(n * s * k->dim[2] + kv * h.d) * bytes;
        const char *one_v = (const char *)wv.at + (size_t)(n * s * v->dim[2] + kv * h.e) * bytes;
        p.mask_offset = n * stride[0] + head * stride[1];
        gemm(&(struct gemm){elem,
                            eval->ordered,
                            false,
                            t,
                            s,
                            h.d,
                            {one_q, q->dim[2], false},
                            {one_k, k->dim[2], true},
                            p.at,
                            s});
        softmax_rows(&p, row);
        gemm(&(struct gemm){elem,
                            eval->ordered,
                            false,
                            t,
                            h.e,
                            s,
                            {p.at, s, false},
                            {one_v, v->dim[2], false},
                            y + (size_t)(n * t * y_row + head * h.e) * bytes,
                            y_row});
    }
    free(row);
    free(p.at);
    wide_store(eval->out, y);
    wide_free(&wq);
    wide_free(&wk);
    wide_free(&wv);
    return STATUS_OK;
}
