#include "ir/ops/broadcast.h"

#include <string.h>

static bool is_one(const struct types *types, dim_id dim) {
    int64_t value;
    return dim_is_const(types, dim, &value) && value == 1;
}

static enum status broadcast_error(const struct infer *infer, uint32_t i, dim_id found, dim_id expected) {
    struct types *types = &infer->m->types;
    struct str shape = {0}, a = {0}, b = {0};
    dims_print(types, infer_operand(infer, i).shape, &shape);
    dim_print(types, found, &a);
    dim_print(types, expected, &b);
    char name[32];
    op_info_operand_name(op_info(infer->op->kind), i, name);
    enum status status = infer_error(infer, "operand %s %s does not broadcast: extent %s, expected %s or 1",
                                     name, str_text(&shape), str_text(&a), str_text(&b));
    str_free(&shape);
    str_free(&a);
    str_free(&b);
    return status;
}

enum status broadcast_into(const struct infer *infer, uint32_t i, const dim_id *b, uint32_t rank,
                           dim_id shape[MAX_RANK], uint32_t *shape_rank) {
    struct types *types = &infer->m->types;
    if (rank > *shape_rank) {
        uint32_t more = rank - *shape_rank;
        memmove(shape + more, shape, *shape_rank * sizeof *shape);
        for (uint32_t d = 0; d < more; d++) shape[d] = dim_const(types, 1);
        *shape_rank = rank;
    }
    for (uint32_t d = 0; d < rank; d++) {
        dim_id *have = &shape[*shape_rank - rank + d];
        if (dim_same(*have, b[d]) || is_one(types, b[d])) continue;
        if (!is_one(types, *have)) return broadcast_error(infer, i, b[d], *have);
        *have = b[d];
    }
    return STATUS_OK;
}

enum status broadcast_operand(const struct infer *infer, uint32_t i, dim_id shape[MAX_RANK],
                              uint32_t *shape_rank) {
    dim_id dims[MAX_RANK];
    uint32_t rank = infer_rank(infer, i);
    for (uint32_t d = 0; d < rank; d++) dims[d] = infer_dim(infer, i, d);
    return broadcast_into(infer, i, dims, rank, shape, shape_rank);
}

/* True if stepping once in dimension d is stepping extent[d + 1] times in the next one, for all operands. */
static bool mergeable(const struct broadcast_walk *w, uint32_t d) {
    for (uint32_t k = 0; k < w->operands; k++)
        if (w->stride[k][d] != w->stride[k][d + 1] * w->extent[d + 1]) return false;
    return true;
}

static void merge(struct broadcast_walk *w) {
    for (uint32_t d = w->rank - 1; d-- > 0;) {
        if (!mergeable(w, d)) continue;
        w->extent[d] *= w->extent[d + 1];
        for (uint32_t k = 0; k < w->operands; k++) w->stride[k][d] = w->stride[k][d + 1];
        for (uint32_t e = d + 1; e + 1 < w->rank; e++) {
            w->extent[e] = w->extent[e + 1];
            for (uint32_t k = 0; k < w->operands; k++) w->stride[k][e] = w->stride[k][e + 1];
        }
        w->rank--;
    }
}

struct broadcast_walk broadcast_walk(const struct tensor *result, const struct tensor *const *in,
                                     uint32_t operands) {
    struct broadcast_walk w = {.operands = operands, .row_length = 1, .rows = 1};
    for (uint32_t d = 0; d < result->rank; d++) { /* extents of 1 step nowhere: left out */
        if (result->dim[d] == 1) continue;
        w.extent[w.rank] = result->dim[d];
        for (uint32_t k = 0; k < operands; k++) {
            uint32_t missing = result->rank - in[k]->rank;
            if (d < missing || in[k]->dim[d - missing] == 1) continue; /* stride 0 */
            w.stride[k][w.rank] = 1;
            for (uint32_t e = d - missing + 1; e < in[k]->rank; e++) w.stride[k][w.rank] *= in[k]->dim[e];
        }
        w.rank++;
    }
    if (!w.rank) { /* a scalar: one row of one element */
        w.rank = 1;
        w.extent[0] = 1;
    }
    merge(&w);
    w.row_length = w.extent[w.rank - 1];
    for (uint32_t d = 0; d + 1 < w.rank; d++) w.rows *= w.extent[d];
    if (!w.row_length) w.rows = 0;
    return w;
}

void broadcast_next_row(struct broadcast_walk *w) {
    w->rows--;
    for (uint32_t d = w->rank - 1; d-- > 0;) {
        for (uint32_t k = 0; k < w->operands; k++) w->offset[k] += w->stride[k][d];
        if (++w->at[d] < w->extent[d]) return;
        for (uint32_t k = 0; k < w->operands; k++) w->offset[k] -= w->stride[k][d] * w->extent[d];
        w->at[d] = 0;
    }
}

struct box broadcast_box(const int64_t *dim, uint32_t rank, const struct box *result) {
    struct box box = {.rank = rank};
    check(rank <= result->rank);
    for (uint32_t d = 0; d < rank; d++) {
        uint32_t r = result->rank - rank + d;
        bool repeats = dim[d] == 1;
        box.lo[d] = repeats ? 0 : result->lo[r];
        box.hi[d] = repeats ? 1 : result->hi[r];
    }
    return box;
}

uint32_t value_extents(const struct module *m, value_id v, int64_t dim[MAX_RANK]) {
    struct type type = value_get(m, v)->type;
    check(type_static(&m->types, type, dim));
    return type_rank(&m->types, type);
}

struct box box_all(const struct module *m, value_id v) {
    struct box box = {0};
    box.rank = value_extents(m, v, box.hi);
    return box;
}

bool box_empty(const struct box *box) {
    for (uint32_t d = 0; d < box->rank; d++)
        if (box->lo[d] >= box->hi[d]) return true;
    return false;
}
