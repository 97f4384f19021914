/* Evaluation of pointwise ops: chunks of rows of the broadcast shape, widened, computed and stored. */
#include "ir/ops/broadcast.h"
#include "ir/ops/chunk.h"
#include "ir/ops/functions.h"
#include "ir/ops/scalar.h"

#include <string.h>

static struct scalar_parameters parameters_of(const struct op *op, enum elem elem) {
    struct scalar_parameters p = {.elem = elem};
    uint32_t count = op_info_attrs(op_info(op->kind)), n = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct attr *a = &op->attr[i];
        check(n < MAX_SCALAR_PARAMETERS);
        p.at[n++] = attr_kind_of(a->name) == ATTR_KIND_KEYWORD ? (double)a->keyword : a->f;
    }
    return p;
}

union run {
    double f[CHUNK];
    int64_t i[CHUNK];
    uint64_t u[CHUNK];
};

/* `count` elements from `start` on, or the one element at `start` repeated. */
static void load(const struct tensor *from, int64_t start, int64_t stride, int64_t count, union run *out) {
    int64_t different = stride ? count : 1;
    if (elem_is_float(from->elem)) {
        chunk_load_f64(from, start, different, out->f);
        for (int64_t i = different; i < count; i++) out->f[i] = out->f[0];
    } else {
        chunk_load_i64(from, start, different, out->i);
        for (int64_t i = different; i < count; i++) out->i[i] = out->i[0];
    }
}

static void compute(const struct scalar *scalar, const struct scalar_parameters *p, int64_t count,
                    const union run *a, const union run *b, union run *y) {
    enum elem_kind kind = elem_kind(p->elem);
    if (kind == ELEM_KIND_FLOAT && scalar->test)
        scalar->test(p, count, a->f, b->f, y->i);
    else if (kind == ELEM_KIND_FLOAT)
        scalar->floats(p, count, a->f, b->f, y->f);
    else if (kind == ELEM_KIND_INT)
        scalar->ints(p, count, a->i, b->i, y->i);
    else
        scalar->uints(p, count, a->u, b->u, y->u);
}

enum status eval_pointwise(const struct eval *eval) {
    const struct scalar *scalar = scalar_of(eval->op->kind);
    if (scalar->whole) return scalar->whole(eval);
    struct scalar_parameters p = parameters_of(eval->op, eval->in[0]->elem);
    uint32_t operands = eval->op->operand_count;
    struct broadcast_walk w = broadcast_walk(eval->out, eval->in, operands);
    union run a, b, y;
    int64_t done = 0;
    for (; w.rows; broadcast_next_row(&w))
        for (int64_t i = 0; i < w.row_length; i += CHUNK) {
            int64_t count = min_i64(CHUNK, w.row_length - i);
            uint32_t last = w.rank - 1;
            load(eval->in[0], w.offset[0] + i * w.stride[0][last], w.stride[0][last], count, &a);
            if (operands > 1)
                load(eval->in[1], w.offset[1] + i * w.stride[1][last], w.stride[1][last], count, &b);
            compute(scalar, &p, count, &a, operands > 1 ? &b : &a, &y);
            if (elem_is_float(eval->out->elem))
                chunk_store_f64(eval->out, done, count, y.f);
            else
                chunk_store_i64(eval->out, done, count, y.i);
            done += count;
        }
    return STATUS_OK;
}

enum status eval_pointwise_identity(const struct eval *eval) {
    if (tensor_bytes(eval->out)) memcpy(eval->out->data, eval->in[0]->data, tensor_bytes(eval->out));
    return STATUS_OK;
}

enum status eval_pointwise_cast(const struct eval *eval) {
    struct tensor cast = tensor_cast(eval->in[0], eval->out->elem);
    if (tensor_bytes(eval->out)) memcpy(eval->out->data, cast.data, tensor_bytes(eval->out));
    tensor_free(&cast);
    return STATUS_OK;
}

enum status eval_pointwise_where(const struct eval *eval) {
    struct broadcast_walk w = broadcast_walk(eval->out, eval->in, 3);
    size_t bytes = elem_bytes(eval->out->elem);
    const uint8_t *condition = eval->in[0]->data;
    char *y = eval->out->data;
    const int64_t *stride[3] = {w.stride[0], w.stride[1], w.stride[2]};
    uint32_t last = w.rank - 1;
    for (; w.rows; broadcast_next_row(&w))
        for (int64_t i = 0; i < w.row_length; i++, y += bytes) {
            uint32_t from = condition[w.offset[0] + i * stride[0][last]] ? 1 : 2;
            int64_t at = w.offset[from] + i * stride[from][last];
            memcpy(y, (const char *)eval->in[from]->data + (size_t)at * bytes, bytes);
        }
    return STATUS_OK;
}
