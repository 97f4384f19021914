/* linear and matmul. */
#include "ir/ops/broadcast.h"
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"
#include "ir/ops/gemm.h"

#include <string.h>

/* -- linear: y[..., n] = x[..., k] * w[n, k] + b[n] -- */
enum status infer_linear(struct infer *infer) {
    struct types *types = &infer->m->types;
    TRY(expect_same_elems(infer));
    uint32_t rank = infer_rank(infer, 0);
    if (!rank) return infer_error(infer, "operand x is a scalar, expected rank 1 to %d", MAX_RANK);
    TRY(expect_rank(infer, 1, 2));
    TRY(expect_extent(infer, 1, 1, infer_dim(infer, 0, rank - 1)));
    dim_id dims[MAX_RANK];
    for (uint32_t d = 0; d + 1 < rank; d++) dims[d] = infer_dim(infer, 0, d);
    dims[rank - 1] = infer_dim(infer, 1, 0);
    if (infer_has(infer, 2)) {
        TRY(expect_rank(infer, 2, 1));
        TRY(expect_extent(infer, 2, 0, dims[rank - 1]));
    }
    infer->results[0] = type_make(infer_operand(infer, 0).elem, dims_make(types, dims, rank));
    return STATUS_OK;
}

static void repeat_bias(const void *bias, size_t bytes, int64_t rows, int64_t columns, void *out) {
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)out + (size_t)(i * columns) * bytes, bias, (size_t)columns * bytes);
}

enum status eval_linear(const struct eval *eval) {
    const struct tensor *x = eval->in[0], *w = eval->in[1];
    const struct tensor *b = eval->op->operand_count > 2 ? eval->in[2] : NULL;
    int64_t n = w->dim[0], k = w->dim[1], m = 1;
    for (uint32_t d = 0; d + 1 < x->rank; d++) m *= x->dim[d];
    TRY(gemm_check_blas(eval));
    enum elem elem = gemm_elem(x->elem);
    struct wide wx = wide_of(x), ww = wide_of(w);
    void *y = wide_result(eval->out);
    if (b && m && n) {
        struct wide wb = wide_of(b);
        repeat_bias(wb.at, elem_bytes(elem), m, n, y);
        wide_free(&wb);
    }
    gemm(&(struct gemm){elem, eval->ordered, true, m, n, k, {wx.at, k, false}, {ww.at, k, true}, y, n});
    wide_store(eval->out, y);
    wide_free(&wx);
    wide_free(&ww);
    return STATUS_OK;
}

void channels_linear(struct channel_map *map) {
    uint32_t last = type_rank(&map->m->types, value_get(map->m, map->op->operand[0])->type) - 1;
    for (uint32_t d = 0; d < last; d++) channels_same(map, 0, d, PORT_RESULT, d);
    channels_same(map, 0, last, 1, 1); /* contracted */
    channels_same(map, 1, 0, PORT_RESULT, last);
    if (map->op->operand_count > 2) channels_same(map, 2, 0, PORT_RESULT, last);
}

void footprint_linear(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    uint32_t last = result->rank - 1;
    *out = box_all(m, op->operand[operand]);
    if (operand == 0) {
        memcpy(out->lo, result->lo, last * sizeof *out->lo);
        memcpy(out->hi, result->hi, last * sizeof *out->hi);
    } else {
        out->lo[0] = result->lo[last];
        out->hi[0] = result->hi[last];
    }
}

/* -- matmul -- */
/* Where the matrix dimensions of a and b are. A vector has no row (a) or no column (b) dimension, and neither
 * has the result then. */
struct product {
    uint32_t rank_a, rank_b, batch_a, batch_b; /* ranks, and numbers of batch dimensions */
    bool has_m, has_n;
    uint32_t k_a, k_b;
};

static struct product product_of(uint32_t rank_a, uint32_t rank_b) {
    return (struct product){
        .rank_a = rank_a,
        .rank_b = rank_b,
        .batch_a = rank_a > 2 ? rank_a - 2 : 0,
        .batch_b = rank_b > 2 ? rank_b - 2 : 0,
        .has_m = rank_a > 1,
        .has_n = rank_b > 1,
        .k_a = rank_a - 1,
        .k_b = rank_b > 1 ? rank_b - 2 : 0,
    };
}

enum status infer_matmul(struct infer *infer) {
    struct types *types = &infer->m->types;
    TRY(expect_same_elems(infer));
    for (uint32_t i = 0; i < 2; i++)
        if (!infer_rank(infer, i))
            return infer_error(infer, "operand %c is a scalar, expected rank 1 to %d", "ab"[i], MAX_RANK);
    struct product p = product_of(infer_rank(infer, 0), infer_rank(infer, 1));
    TRY(expect_extent(infer, 1, p.k_b, infer_dim(infer, 0, p.k_a)));
    dim_id a[MAX_RANK], b[MAX_RANK], shape[MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t d = 0; d < p.batch_a; d++) a[d] = infer_dim(infer, 0, d);
    for (uint32_t d = 0; d < p.batch_b; d++) b[d] = infer_dim(infer, 1, d);
    TRY(broadcast_into(infer, 0, a, p.batch_a, shape, &rank));
    TRY(broadcast_into(infer, 1, b, p.batch_b, shape, &rank));
    if (p.has_m) shape[rank++] = infer_dim(infer, 0, p.batch_a);
    if (p.has_n) shape[rank++] = infer_dim(infer, 1, p.rank_b - 1);
    infer->results[0] = type_make(infer_operand(infer, 0).elem, dims_make(types, shape, rank));
    return STATUS_OK;
}

/* One product for each element of the batch shape; a batch of b alone, or of a with one matrix b, is one
 * product. */
enum status eval_matmul(const struct eval *eval) {
    const struct tensor *a = eval->in[0], *b = eval->in[1];
    struct product p = product_of(a->rank, b->rank);
    int64_t m = p.has_m ? a->dim[p.batch_a] : 1, n = p.has_n ? b->dim[b->rank - 1] : 1, k = a->dim[p.k_a];
    TRY(gemm_check_blas(eval));
    enum elem elem = gemm_elem(a->elem);
    size_t bytes = elem_bytes(elem);
    struct tensor batch = {.elem = elem}, batch_a = {.elem = elem, .rank = p.batch_a},
                  batch_b = {.elem = elem, .rank = p.batch_b};
    batch.rank = eval->out->rank - p.has_m - p.has_n;
    memcpy(batch.dim, eval->out->dim, sizeof batch.dim);
    memcpy(batch_a.dim, a->dim, sizeof batch_a.dim);
    memcpy(batch_b.dim, b->dim, sizeof batch_b.dim);
    struct wide wa = wide_of(a), wb = wide_of(b);
    char *y = wide_result(eval->out), *at = y;
    if (!p.batch_b && p.has_m) { /* the rows of all matrices a are those of one */
        for (uint32_t d = 0; d < p.batch_a; d++) m *= a->dim[d];
        batch.rank = batch_a.rank = 0;
    }
    struct broadcast_walk w = broadcast_walk(&batch, (const struct tensor *[]){&batch_a, &batch_b}, 2);
    uint32_t last = w.rank - 1;
    for (; w.rows; broadcast_next_row(&w))
        for (int64_t i = 0; i < w.row_length; i++, at += (size_t)(m * n) * bytes) {
            const char *one_a = wa.at, *one_b = wb.at;
            if (!m || !n) continue;
            one_a += (size_t)((w.offset[0] + i * w.stride[0][last]) * m * k) * bytes;
            one_b += (size_t)((w.offset[1] + i * w.stride[1][last]) * k * n) * bytes;
            gemm(&(struct gemm){
                elem, eval->ordered, false, m, n, k, {one_a, k, false}, {one_b, n, false}, at, n});
        }
    wide_store(eval->out, y);
    wide_free(&wa);
    wide_free(&wb);
    return STATUS_OK;
}

void channels_matmul(struct channel_map *map) {
    const struct types *types = &map->m->types;
    struct product p = product_of(type_rank(types, value_get(map->m, map->op->operand[0])->type),
                                  type_rank(types, value_get(map->m, map->op->operand[1])->type));
    uint32_t batch = p.batch_a > p.batch_b ? p.batch_a : p.batch_b;
    for (uint32_t d = 0; d < p.batch_a; d++) channels_same(map, 0, d, PORT_RESULT, batch - p.batch_a + d);
    for (uint32_t d = 0; d < p.batch_b; d++) channels_same(map, 1, d, PORT_RESULT, batch - p.batch_b + d);
    channels_same(map, 0, p.k_a, 1, p.k_b); /* contracted */
    if (p.has_m) channels_same(map, 0, p.batch_a, PORT_RESULT, batch);
    if (p.has_n) channels_same(map, 1, p.rank_b - 1, PORT_RESULT, batch + p.has_m);
}

void footprint_matmul(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    int64_t dim[MAX_RANK];
    uint32_t rank = value_extents(m, op->operand[operand], dim);
    struct product p = product_of(value_extents(m, op->operand[0], (int64_t[MAX_RANK]){0}),
                                  value_extents(m, op->operand[1], (int64_t[MAX_RANK]){0}));
    uint32_t batch = operand ? p.batch_b : p.batch_a;
    struct box result_batch = *result;
    result_batch.rank = result->rank - p.has_m - p.has_n;
    struct box inner = box_all(m, op->operand[operand]);
    *out = broadcast_box(dim, batch, &result_batch);
    out->rank = rank;
    for (uint32_t d = batch; d < rank; d++) out->lo[d] = inner.lo[d], out->hi[d] = inner.hi[d];
    uint32_t own = operand ? rank - 1 : batch, from = operand ? result->rank - 1 : result_batch.rank;
    if (operand ? p.has_n : p.has_m) out->lo[own] = result->lo[from], out->hi[own] = result->hi[from];
}
