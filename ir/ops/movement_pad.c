/* pad: each dimension is first cut where its padding is negative, then what is left is continued. */
#include "ir/ops/move.h"
#include "ir/ops/shape.h"

static int64_t pad_before(const struct op *op, uint32_t i) {
    return op_ints(op, ATTR_pads, NULL)[i];
}
static int64_t pad_after(const struct op *op, uint32_t i) {
    uint32_t count;
    const int64_t *pads = op_ints(op, ATTR_pads, &count);
    return pads[count / 2 + i];
}

/* An error when a dimension of which nothing is left has to be continued. */
static enum status check_source(const struct infer *infer, uint32_t i, dim_id dim) {
    enum keyword mode = op_keyword(infer->op, ATTR_mode);
    int64_t before = pad_before(infer->op, i), after = pad_after(infer->op, i), extent;
    bool grows = before > 0 || after > 0;
    if (!dim_is_const(&infer->m->types, dim, &extent)) return STATUS_OK; /* checked when it is bound */
    int64_t left = extent + min_i64(before, 0) + min_i64(after, 0);
    if (left < 0)
        return infer_error(infer, "pads cuts %lld elements off dimension %u, which has %lld",
                           (long long)(extent - left), i, (long long)extent);
    if (mode != KEYWORD_constant && grows && !left)
        return infer_error(infer, "dimension %u has no element that mode %s could repeat", i,
                           keyword_text(mode));
    return STATUS_OK;
}

enum status infer_pad(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x), count;
    const int64_t *pads = op_ints(infer->op, ATTR_pads, &count);
    if (count != 2 * rank) return infer_error(infer, "pads has %u numbers, expected %u", count, 2 * rank);
    enum keyword mode = op_keyword(infer->op, ATTR_mode);
    if (mode != KEYWORD_constant && mode != KEYWORD_reflect && mode != KEYWORD_edge && mode != KEYWORD_wrap)
        return infer_error(infer, "mode is %s, expected constant, reflect, edge or wrap", keyword_text(mode));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        if (pads[i] < -DIM_MAX || pads[i] > DIM_MAX || pads[rank + i] < -DIM_MAX || pads[rank + i] > DIM_MAX)
            return infer_error(infer, "pads for dimension %u is out of range", i);
        dim_id dim = dims_at(types, x.shape, i);
        TRY(check_source(infer, i, dim));
        dims[i] = dim_add(types, dim, dim_const(types, pads[i] + pads[rank + i]));
    }
    return infer_result(infer, 0, x.elem, dims, rank);
}

static int64_t modulo(int64_t a, int64_t n) {
    return a - floor_div(a, n) * n;
}

/* The operand's index for position i of the result along a dimension of this extent; -1 for the fill value.
 * reflect mirrors at the first and last elements, which are not repeated; more padding than elements goes on
 * to and fro. */
static int64_t pad_source(enum keyword mode, int64_t extent, int64_t before, int64_t after, int64_t i) {
    int64_t first = max_i64(-before, 0), left = extent - first + min_i64(after, 0);
    int64_t at = i - max_i64(before, 0);
    if (at >= 0 && at < left) return first + at;
    if (mode == KEYWORD_constant) return -1;
    if (mode == KEYWORD_edge) return first + (at < 0 ? 0 : left - 1);
    if (mode == KEYWORD_wrap) return first + modulo(at, left);
    if (left == 1) return first;
    at = modulo(at, 2 * (left - 1));
    return first + (at < left ? at : 2 * (left - 1) - at);
}

enum status eval_pad(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    enum keyword mode = op_keyword(eval->op, ATTR_mode);
    int64_t *map[MAX_RANK];
    for (uint32_t d = 0; d < x->rank; d++) {
        map[d] = xcalloc((size_t)y->dim[d], sizeof **map);
        for (int64_t i = 0; i < y->dim[d]; i++)
            map[d][i] = pad_source(mode, x->dim[d], pad_before(eval->op, d), pad_after(eval->op, d), i);
    }
    struct tensor fill = tensor_scalar_f64(y->elem, op_float(eval->op, ATTR_value));
    move_mapped(x, map, fill.data, y);
    tensor_free(&fill);
    for (uint32_t d = 0; d < x->rank; d++) free(map[d]);
    return STATUS_OK;
}

void channels_pad(struct channel_map *map) {
    for (uint32_t i = 0; i < port_rank(map, 0); i++) {
        int64_t before = pad_before(map->op, i), after = pad_after(map->op, i);
        bool repeats = op_keyword(map->op, ATTR_mode) != KEYWORD_constant && (before > 0 || after > 0);
        int64_t extent = channels_extent(map, 0, i);
        if (repeats) channels_freeze(map, 0, i, "padding repeats its elements");
        if (repeats || extent < 0) {
            channels_freeze(map, PORT_RESULT, i,
                            repeats ? "padding repeats its elements" : "its extent is not known");
            continue;
        }
        /* What is cut off, and the channels that hold the value, are tied to nothing. */
        int64_t first = max_i64(-before, 0), left = extent - first + min_i64(after, 0);
        channels_link(map, (struct channel_side){0, i, first, 1, 1},
                      (struct channel_side){PORT_RESULT, i, max_i64(before, 0), 1, 1}, left);
    }
}

/* Smallest range of the operand's indices that positions [lo, hi) use; empty if they are all fill. */
static void pad_range(const struct op *op, uint32_t d, int64_t extent, int64_t lo, int64_t hi,
                      int64_t *out_lo, int64_t *out_hi) {
    *out_lo = extent;
    *out_hi = 0;
    for (int64_t i = lo; i < hi; i++) {
        int64_t at = pad_source(op_keyword(op, ATTR_mode), extent, pad_before(op, d), pad_after(op, d), i);
        if (at < 0) continue;
        *out_lo = min_i64(*out_lo, at);
        *out_hi = max_i64(*out_hi, at + 1);
    }
}

void footprint_pad(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                   struct box *out) {
    (void)operand;
    int64_t x[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x);
    *out = box_none(rank);
    for (uint32_t i = 0; i < rank; i++)
        pad_range(op, i, x[i], result->lo[i], result->hi[i], &out->lo[i], &out->hi[i]);
    if (box_empty(out)) *out = box_none(rank);
}
