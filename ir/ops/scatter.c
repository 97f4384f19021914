/* scatter: rows of x replaced by, or taken together with, rows of updates, at places that are data. */
#include "ir/ops/move.h"
#include "ir/ops/shape.h"

#include <math.h>

static const enum keyword reductions[] = {KEYWORD_none, KEYWORD_add, KEYWORD_mul, KEYWORD_max, KEYWORD_min};

enum status infer_scatter(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0), indices = infer_operand(infer, 1);
    uint32_t rank = type_rank(types, x), rank_i = type_rank(types, indices);
    enum keyword reduction = op_keyword(infer->op, ATTR_reduction);
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(reductions); i++) known = known || reductions[i] == reduction;
    if (!known)
        return infer_error(infer, "reduction is %s, expected none, add, mul, max or min",
                           keyword_text(reduction));
    if (reduction != KEYWORD_none && !elem_in(x.elem, ELEMS_NUMERIC))
        return infer_error(infer, "reduction %s of %s", keyword_text(reduction), elem_name(x.elem));
    if (rank == 0) return infer_error(infer, "x has rank 0, expected rows");
    if (indices.elem != ELEM_i32 && indices.elem != ELEM_i64)
        return infer_error(infer, "indices is %s, expected i32 or i64", elem_name(indices.elem));
    TRY(expect_elem(infer, 2, x.elem));
    TRY(expect_rank(infer, 2, rank_i + rank - 1));
    for (uint32_t i = 0; i < rank_i; i++) TRY(expect_extent(infer, 2, i, infer_dim(infer, 1, i)));
    for (uint32_t i = 1; i < rank; i++) TRY(expect_extent(infer, 2, rank_i + i - 1, infer_dim(infer, 0, i)));
    infer->results[0] = type_make(x.elem, x.shape);
    return STATUS_OK;
}

/* -- evaluation -- */
static double reduce_reals(enum keyword reduction, double a, double b) {
    switch (reduction) {
    case KEYWORD_add:
        return a + b;
    case KEYWORD_mul:
        return a * b;
    case KEYWORD_max:
        return isnan(a) || a > b ? a : b;
    default:
        return isnan(a) || a < b ? a : b;
    }
}

static int64_t reduce_wholes(enum keyword reduction, int64_t a, int64_t b, bool is_unsigned) {
    bool above = is_unsigned ? (uint64_t)a > (uint64_t)b : a > b;
    switch (reduction) {
    case KEYWORD_add:
        return (int64_t)((uint64_t)a + (uint64_t)b);
    case KEYWORD_mul:
        return (int64_t)((uint64_t)a * (uint64_t)b);
    case KEYWORD_max:
        return above ? a : b;
    default:
        return above ? b : a;
    }
}

static void reduce_row(enum keyword reduction, struct tensor *y, int64_t to, const struct tensor *from,
                       int64_t at, int64_t count) {
    bool is_unsigned = elem_kind(y->elem) == ELEM_KIND_UINT;
    for (int64_t i = 0; i < count; i++) {
        if (elem_is_float(y->elem))
            tensor_set_f64(y, to + i,
                           reduce_reals(reduction, tensor_get_f64(y, to + i), tensor_get_f64(from, at + i)));
        else
            tensor_set_i64(y, to + i,
                           reduce_wholes(reduction, tensor_get_i64(y, to + i), tensor_get_i64(from, at + i),
                                         is_unsigned));
    }
}

enum status eval_scatter(const struct eval *eval) {
    const struct tensor *x = eval->in[0], *indices = eval->in[1], *updates = eval->in[2];
    struct tensor *y = &eval->out[0];
    enum keyword reduction = op_keyword(eval->op, ATTR_reduction);
    int64_t extent = x->dim[0], inner = extent_product(x->dim, 1, x->rank), all = tensor_count(x);
    struct strided whole = {0, {1}};
    move_strided(x, &whole, y, &whole, 1, &all);
    for (int64_t i = 0, count = tensor_count(indices); i < count; i++) {
        int64_t index = tensor_get_i64(indices, i), at = index < 0 ? index + extent : index;
        if (at < 0 || at >= extent)
            return diag_error(eval->diag, eval->op->loc,
                              "scatter: index %lld is out of range for an extent of %lld", (long long)index,
                              (long long)extent);
        if (reduction != KEYWORD_none) {
            reduce_row(reduction, y, at * inner, updates, i * inner, inner);
            continue;
        }
        struct strided from = {i * inner, {1}}, to = {at * inner, {1}};
        move_strided(updates, &from, y, &to, 1, &inner);
    }
    return STATUS_OK;
}

/* -- channels and footprint -- */
void channels_scatter(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0), rank_i = port_rank(map, 1);
    channels_freeze(map, 0, 0, "indices point into it");
    channels_freeze(map, PORT_RESULT, 0, "indices point into it");
    for (uint32_t i = 0; i < rank_i; i++) {
        channels_freeze(map, 1, i, "each index has a place of its own");
        channels_freeze(map, 2, i, "each index has a place of its own");
    }
    for (uint32_t i = 1; i < rank; i++) {
        channels_same(map, 0, i, PORT_RESULT, i);
        channels_same(map, 2, rank_i + i - 1, PORT_RESULT, i);
    }
}

/* Which updates get into the box, the indices tell at run time. */
void footprint_scatter(const struct module *m, const struct op *op, uint32_t operand,
                       const struct box *result, struct box *out) {
    int64_t extent[MAX_RANK];
    uint32_t rank = operand_extents(m, op, operand, extent);
    uint32_t rank_i = type_rank(&m->types, operand_type(m, op, 1));
    *out = box_none(rank);
    if (box_empty(result)) return;
    for (uint32_t i = 0; i < rank; i++) {
        bool all = operand == 1 || (operand == 2 && i < rank_i);
        uint32_t from = operand == 0 ? i : i + 1 - rank_i;
        out->lo[i] = all ? 0 : result->lo[from];
        out->hi[i] = all ? extent[i] : result->hi[from];
    }
}
