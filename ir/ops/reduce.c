/* Reductions over dimensions: sums, means, products, extremes, and where an extreme is. */
#include "ir/ops/shape.h"

#include <math.h>

/* -- inference -- */
static enum status infer_reduced(struct infer *infer, enum elem elem, uint32_t set) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    bool keep = op_bool(infer->op, ATTR_keep);
    uint32_t rank = 0;
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < type_rank(types, x); i++) {
        if (!(set >> i & 1))
            dims[rank++] = dims_at(types, x.shape, i);
        else if (keep)
            dims[rank++] = dim_const(types, 1);
    }
    return infer_result(infer, 0, elem, dims, rank);
}

enum status infer_reduce(struct infer *infer) {
    uint32_t set;
    TRY(infer_axes(infer, infer_rank(infer, 0), &set));
    return infer_reduced(infer, infer_operand(infer, 0).elem, set);
}

enum status infer_arg(struct infer *infer) {
    uint32_t axis;
    int64_t extent;
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), infer_rank(infer, 0), &axis));
    if (dim_is_const(&infer->m->types, infer_dim(infer, 0, axis), &extent) && extent == 0)
        return infer_error(infer, "dimension %u has no elements to choose from", axis);
    return infer_reduced(infer, ELEM_i64, 1u << axis);
}

/* -- evaluation -- */

/* Visits the operand's elements in row-major order and tells for each which element of the result it goes
 * into. */
struct walk {
    uint32_t rank;
    int64_t extent[MAX_RANK], stride[MAX_RANK], index[MAX_RANK], at;
};

static struct walk walk_begin(const struct tensor *x, uint32_t set) {
    struct walk w = {.rank = x->rank};
    int64_t step = 1;
    for (uint32_t i = x->rank; i-- > 0;) {
        w.extent[i] = x->dim[i];
        w.stride[i] = set >> i & 1 ? 0 : step;
        if (!(set >> i & 1)) step *= x->dim[i];
    }
    return w;
}

static void walk_next(struct walk *w) {
    for (uint32_t d = w->rank; d-- > 0;) {
        w->at += w->stride[d];
        if (++w->index[d] < w->extent[d]) return;
        w->at -= w->stride[d] * w->extent[d];
        w->index[d] = 0;
    }
}

/* True if b takes the place of a; a NaN takes that of any number. */
static bool beats_f64(double a, double b, bool largest) {
    return isnan(b) ? !isnan(a) : largest ? b > a : b < a;
}
static bool beats_i64(int64_t a, int64_t b, bool largest, bool is_unsigned) {
    if (is_unsigned) return largest ? (uint64_t)b > (uint64_t)a : (uint64_t)b < (uint64_t)a;
    return largest ? b > a : b < a;
}

static double start_f64(enum op_kind kind) {
    return kind == OP_reduce_prod  ? 1
           : kind == OP_reduce_max ? -INFINITY
           : kind == OP_reduce_min ? INFINITY
                                   : 0;
}

static void reduce_f64(enum op_kind kind, const struct tensor *x, uint32_t set, struct tensor *y) {
    int64_t outputs = tensor_count(y), inputs = tensor_count(x);
    double *sum = xcalloc((size_t)outputs, sizeof *sum);
    for (int64_t i = 0; i < outputs; i++) sum[i] = start_f64(kind);
    struct walk w = walk_begin(x, set);
    for (int64_t i = 0; i < inputs; i++, walk_next(&w)) {
        double v = tensor_get_f64(x, i), *to = &sum[w.at];
        if (kind == OP_reduce_max || kind == OP_reduce_min)
            *to = beats_f64(*to, v, kind == OP_reduce_max) ? v : *to;
        else if (kind == OP_reduce_prod)
            *to *= v;
        else
            *to += kind == OP_reduce_sum_square ? v * v : v;
    }
    for (int64_t i = 0; i < outputs; i++)
        tensor_set_f64(y, i, kind == OP_reduce_mean ? sum[i] / (double)(inputs / outputs) : sum[i]);
    free(sum);
}

/* Wide enough for the sum of any number of 64-bit integers. */
__extension__ typedef __int128 wide;

static int64_t extreme_i64(enum elem elem, bool largest) {
    if (elem_kind(elem) == ELEM_KIND_UINT)
        return largest ? (int64_t)(UINT64_MAX >> (64 - 8 * elem_bytes(elem))) : 0;
    int64_t most = (int64_t)(UINT64_MAX >> (65 - 8 * elem_bytes(elem)));
    return largest ? most : -most - 1;
}

/* Sums, products and sums of squares wrap, so they need only the low 64 bits; the sum that a mean divides is
 * exact. */
static void reduce_i64(enum op_kind kind, const struct tensor *x, uint32_t set, struct tensor *y) {
    int64_t outputs = tensor_count(y), inputs = tensor_count(x);
    bool is_unsigned = elem_kind(x->elem) == ELEM_KIND_UINT,
         extreme = kind == OP_reduce_max || kind == OP_reduce_min;
    uint64_t *low = xcalloc((size_t)outputs, sizeof *low);
    wide *sum = xcalloc(kind == OP_reduce_mean ? (size_t)outputs : 1, sizeof *sum);
    uint64_t start = kind == OP_reduce_prod ? 1
                     : extreme              ? (uint64_t)extreme_i64(x->elem, kind == OP_reduce_min)
                                            : 0;
    for (int64_t i = 0; i < outputs; i++) low[i] = start;
    struct walk w = walk_begin(x, set);
    for (int64_t i = 0; i < inputs; i++, walk_next(&w)) {
        int64_t v = tensor_get_i64(x, i);
        uint64_t *to = &low[w.at];
        if (extreme)
            *to = beats_i64((int64_t)*to, v, kind == OP_reduce_max, is_unsigned) ? (uint64_t)v : *to;
        else if (kind == OP_reduce_mean)
            sum[w.at] += is_unsigned ? (wide)(uint64_t)v : (wide)v;
        else if (kind == OP_reduce_prod)
            *to *= (uint64_t)v;
        else
            *to += kind == OP_reduce_sum_square ? (uint64_t)v * (uint64_t)v : (uint64_t)v;
    }
    for (int64_t i = 0; i < outputs; i++) {
        if (kind == OP_reduce_mean) low[i] = inputs ? (uint64_t)(sum[i] / (inputs / outputs)) : 0;
        tensor_set_i64(y, i, (int64_t)low[i]);
    }
    free(low);
    free(sum);
}

enum status eval_reduce(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    uint32_t set = op_axes(eval->op, x->rank);
    if (elem_is_float(x->elem))
        reduce_f64(eval->op->kind, x, set, y);
    else
        reduce_i64(eval->op->kind, x, set, y);
    return STATUS_OK;
}

/* Of equal elements the first counts, or the last if asked for. The first NaN (or the last) beats them all.
 */
static int64_t extreme_at(const struct tensor *x, int64_t start, int64_t step, int64_t count, bool largest,
                          bool last) {
    int64_t best = 0;
    bool is_float = elem_is_float(x->elem), is_unsigned = elem_kind(x->elem) == ELEM_KIND_UINT;
    for (int64_t i = 1; i < count; i++) {
        int64_t a = start + best * step, b = start + i * step;
        bool later, earlier;
        if (is_float) {
            later = beats_f64(tensor_get_f64(x, a), tensor_get_f64(x, b), largest);
            earlier = beats_f64(tensor_get_f64(x, b), tensor_get_f64(x, a), largest);
        } else {
            later = beats_i64(tensor_get_i64(x, a), tensor_get_i64(x, b), largest, is_unsigned);
            earlier = beats_i64(tensor_get_i64(x, b), tensor_get_i64(x, a), largest, is_unsigned);
        }
        if (later || (last && !earlier)) best = i;
    }
    return best;
}

enum status eval_arg(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    uint32_t axis = op_axis(eval->op, x->rank);
    bool largest = eval->op->kind == OP_argmax, last = op_bool(eval->op, ATTR_last);
    int64_t outer = extent_product(x->dim, 0, axis), inner = extent_product(x->dim, axis + 1, x->rank);
    if (!tensor_count(y)) return STATUS_OK;
    if (!x->dim[axis])
        return diag_error(eval->diag, eval->op->loc, "%s: dimension %u has no elements to choose from",
                          op_info(eval->op->kind)->name, axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            tensor_set_i64(y, o * inner + i,
                           extreme_at(x, o * x->dim[axis] * inner + i, inner, x->dim[axis], largest, last));
    return STATUS_OK;
}

/* -- channels and footprint -- */
/* `why` the dimensions of the set stay; NULL: they need not. */
static void channels_reduced(struct channel_map *map, uint32_t set, const char *why) {
    uint32_t rank = port_rank(map, 0), kept = 0;
    bool keep = op_bool(map->op, ATTR_keep);
    for (uint32_t i = 0; i < rank; i++) {
        if (set >> i & 1) {
            if (why)
                channels_freeze(map, 0, i, why);
            else
                channels_free(map, 0, i);
            kept += keep;
        } else {
            channels_same(map, 0, i, PORT_RESULT, kept++);
        }
    }
}

void channels_reduce(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0);
    channels_reduced(map, op_axes(map->op, rank), NULL);
}

void channels_arg(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0);
    channels_reduced(map, 1u << op_axis(map->op, rank), "is searched, and the result is a position in it");
}

static void footprint_reduced(const struct module *m, const struct op *op, uint32_t set,
                              const struct box *result, struct box *out) {
    int64_t x[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x), kept = 0;
    *out = box_none(rank);
    if (box_empty(result)) return;
    bool keep = op_bool(op, ATTR_keep);
    for (uint32_t i = 0; i < rank; i++) {
        bool reduced = set >> i & 1;
        out->lo[i] = reduced ? 0 : result->lo[kept];
        out->hi[i] = reduced ? x[i] : result->hi[kept];
        kept += !reduced || keep;
    }
}

void footprint_reduce(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                      struct box *out) {
    (void)operand;
    uint32_t rank = type_rank(&m->types, operand_type(m, op, 0));
    footprint_reduced(m, op, op_axes(op, rank), result, out);
}

void footprint_arg(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                   struct box *out) {
    (void)operand;
    uint32_t rank = type_rank(&m->types, operand_type(m, op, 0));
    footprint_reduced(m, op, 1u << op_axis(op, rank), result, out);
}
