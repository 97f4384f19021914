/* Sums of products of integers, in ops on floats that have the same bits. */
#include "ir/decision.h"
#include "passes/lowering.h"

#include <string.h>

/* Columns [lo, hi) of a tensor seen as a matrix, where `step` columns are one index of dimension 1. */
static struct tensor columns_between(const struct tensor *t, int64_t lo, int64_t hi, int64_t step) {
    struct tensor out;
    int64_t dim[MAX_RANK], rows = t->dim[0], columns = rows ? tensor_count(t) / rows : 0;
    size_t width = elem_bytes(t->elem), bytes = (size_t)(hi - lo) * width;
    for (uint32_t d = 0; d < t->rank; d++) dim[d] = t->dim[d];
    dim[1] = (hi - lo) / step;
    out = tensor_new(t->elem, t->rank, dim);
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)out.data + (size_t)i * bytes,
               (const char *)t->data + (size_t)(i * columns + lo) * width, bytes);
    return out;
}

/* Columns of the weight's integers, with scales of 1. */
static value_id unscaled(struct lowering *l, value_id v, struct tensor integers) {
    const struct tensor *t = value_constant(l->m, v);
    const struct tensor *zero = t->quant && t->quant->zero.data ? &t->quant->zero : NULL;
    sparse_id sparse = value_get(l->m, v)->type.sparse;
    int32_t axis = zero ? t->quant->axis : -1;
    struct tensor one = zero ? tensor_new(ELEM_f32, zero->rank, zero->dim) : tensor_scalar_f64(ELEM_f32, 1);
    for (int64_t i = 0, n = tensor_count(&one); i < n; i++) ((float *)one.data)[i] = 1;
    value_id plain = module_add_quantized(l->m, value_get(l->m, v)->name, integers, axis, 0, &one, zero,
                                          lowering_op(l)->loc);
    tensor_free(&one);
    value_get(l->m, plain)->type.sparse = sparse;
    decision_copy(l->m, v, plain);
    return plain;
}

/* q - zero in the sum's type. */
static value_id centred(struct lowering *l, value_id v) {
    const struct tensor *t = value_constant(l->m, v);
    struct quant_view view;
    quant_view(&l->m->types, value_get(l->m, v)->type, t, &view);
    if (t) {
        struct tensor wide = tensor_new(l->sum, t->rank, t->dim);
        for (int64_t k = 0, n = tensor_count(t); k < n; k++)
            tensor_set_f64(
                &wide, k,
                (double)(tensor_get_i64(t, k) - quant_zero(&view, quant_scale_index(&view.q, t, k))));
        value_id plain = lowering_constant(l, value_get(l->m, v)->name, wide);
        decision_copy(l->m, v, plain);
        return plain;
    }
    value_id wide = lowering_cast(l, v, l->sum);
    if (!view.literal_zero) return wide;
    return lowering_two(l, OP_sub, wide,
                        module_add_literal(l->m, tensor_scalar_f64(l->sum, view.literal_zero)));
}

/* The product of the scales of operands 0 and 1 in f32, shaped to broadcast to the result. */
static value_id scale_product(struct lowering *l) {
    const struct module *m = l->m;
    value_id result = lowering_op(l)->result[0];
    int64_t extent[MAX_RANK], dim[MAX_RANK];
    uint32_t rank = type_rank(&m->types, value_get(m, result)->type), *index[2] = {NULL, NULL};
    struct quant_view view[2];
    int32_t along[2];
    for (uint32_t d = 0; d < MAX_RANK; d++) dim[d] = extent[d] = 1;
    for (uint32_t i = 0; i < 2; i++) {
        quant_view(&m->types, lowering_type(l, i), value_constant(m, lowering_op(l)->operand[i]), &view[i]);
        along[i] = op_scale_dim(m, lowering_op(l), i, NULL);
        if (along[i] < 0) continue;
        check(dim_is_const(
            &m->types, dims_at(&m->types, value_get(m, result)->type.shape, (uint32_t)along[i]), &extent[i]));
        dim[along[i]] = extent[i];
        index[i] = xcalloc((size_t)max_i64(extent[i], 1), sizeof *index[i]);
        (void)op_scale_dim(m, lowering_op(l), i, index[i]);
    }
    struct tensor t = tensor_new(ELEM_f32, along[0] < 0 && along[1] < 0 ? 0 : rank, dim);
    for (int64_t k = 0, n = tensor_count(&t); k < n; k++) {
        float factor[2];
        for (uint32_t i = 0; i < 2; i++) {
            int64_t inner = 1;
            for (uint32_t d = (uint32_t)(along[i] + 1); d < t.rank; d++) inner *= dim[d];
            factor[i] = quant_scale(&view[i], index[i] ? index[i][k / inner % extent[i]] : 0);
        }
        ((float *)t.data)[k] = factor[0] * factor[1];
    }
    free(index[0]);
    free(index[1]);
    return t.rank ? lowering_constant(l, "scale", t) : module_add_literal(l->m, t);
}

/* A sum in f64 as the i32 that it wraps to, in f32. Casts through integers only where it may wrap. */
static value_id narrowed(struct lowering *l, value_id sum) {
    struct type w = lowering_type(l, 1);
    int64_t count = type_static(&l->m->types, w, NULL) ? type_count(&l->m->types, w) : INT64_MAX;
    if (count < 1 << 15) return lowering_cast(l, sum, ELEM_f32);
    return lowering_cast(l, lowering_cast(l, lowering_cast(l, sum, ELEM_i64), ELEM_i32), ELEM_f32);
}

/* The bias goes along the same dimension of the result as operand 1's outputs. */
static value_id with_bias(struct lowering *l, value_id v) {
    if (lowering_op(l)->operand_count < 3 || !v.i) return v;
    value_id bias = lowering_op(l)->operand[2];
    const struct types *types = &l->m->types;
    uint32_t rank = type_rank(types, value_get(l->m, v)->type);
    if (lowering_op(l)->kind != OP_linear) {
        dim_id dims[MAX_RANK];
        for (uint32_t d = 0; d + 1 < rank; d++)
            dims[d] = d ? dim_const(&l->m->types, 1) : dims_at(types, value_get(l->m, bias)->type.shape, 0);
        struct attr shape = attr_dims(ATTR_shape, dims_make(&l->m->types, dims, rank - 1));
        bias = lowering_one(l, OP_reshape, bias, &shape, 1);
    }
    return lowering_two(l, OP_add, v, bias);
}

/* -- sums of products -- */

/* The sum over columns [lo, hi) of a row of weights is exact in f32, in whatever order: no sum of some of its
 * terms can leave the integers that f32 has, whatever the inputs are. */
struct bounds {
    const struct tensor *w;
    struct quant_view view;
    int64_t columns, low, high; /* of what is multiplied with the weights: low <= 0 <= high */
};

static bool row_is_exact(const struct bounds *b, int64_t row, int64_t lo, int64_t hi) {
    int64_t up = 0, down = 0;
    for (int64_t i = row * b->columns + lo; i < row * b->columns + hi; i++) {
        int64_t q = tensor_get_i64(b->w, i) - quant_zero(&b->view, quant_scale_index(&b->view.q, b->w, i));
        up += q > 0 ? q : 0;
        down -= q < 0 ? q : 0;
    }
    int64_t most = max_i64(b->high * up - b->low * down, b->high * down - b->low * up);
    return most <= 1 << 24;
}

/* Ranges of dimension 1 of the weights, `size` of them each but for the last, over which all sums are exact.
 */
static bool slices_are_exact(const struct bounds *b, int64_t size, int64_t step) {
    for (int64_t row = 0; row < b->w->dim[0]; row++)
        for (int64_t lo = 0; lo < b->columns; lo += size * step)
            if (!row_is_exact(b, row, lo, min_i64(lo + size * step, b->columns))) return false;
    return true;
}

/* The largest such size of few; 0: none, the sum is done in f64. Groups of columns that a sparse format
 * stores together are not divided. */
static int64_t exact_slices(const struct lowering *l) {
    enum { MOST_SLICES = 16 };
    const struct op *op = lowering_op(l);
    const struct tensor *w = value_constant(l->m, op->operand[1]);
    if (!lowering_reads_coded(l, 1) || value_constant(l->m, op->operand[0]) || !tensor_count(w)) return 0;
    struct quant_view x;
    struct bounds b = {.w = w, .columns = tensor_count(w) / w->dim[0]};
    enum elem elem = lowering_type(l, 0).elem;
    quant_view(&l->m->types, lowering_type(l, 0), NULL, &x);
    quant_view(&l->m->types, lowering_type(l, 1), w, &b.view);
    b.low = elem_min(elem) - x.literal_zero;
    b.high = elem_max(elem) - x.literal_zero;
    int64_t all = w->dim[1], step = b.columns / all;
    if (slices_are_exact(&b, all, step)) return all;
    if (op->kind != OP_linear && op_int(op, ATTR_groups) != 1) return 0;
    struct sparse s = sparse_get(&l->m->types, lowering_type(l, 1).sparse);
    int64_t together = s.kind == SPARSE_NM || s.kind == SPARSE_BLOCK ? s.b : 1;
    together /= common_divisor(together, step);
    for (int64_t n = 2; n <= MOST_SLICES; n++) {
        int64_t size = round_up(ceil_div(all, n), together);
        if (size < all && slices_are_exact(&b, size, step)) return size;
    }
    return 0;
}

/* The product over indices [lo, hi) of dimension 1 of the weights. */
static value_id partial_product(struct lowering *l, const struct op *op, int64_t lo, int64_t hi) {
    value_id x = op->operand[0];
    const struct tensor *w = value_constant(l->m, op->operand[1]);
    int64_t step = tensor_count(w) / w->dim[0] / w->dim[1];
    if (hi - lo < w->dim[1]) {
        int64_t axis = op->kind == OP_linear ? type_rank(&l->m->types, value_get(l->m, x)->type) - 1 : 1;
        const struct attr range[] = {attr_ints(l->m, ATTR_starts, &lo, 1), attr_ints(l->m, ATTR_ends, &hi, 1),
                                     attr_ints(l->m, ATTR_axes, &axis, 1)};
        x = lowering_one(l, OP_slice, x, range, COUNT_OF(range));
    }
    value_id factors[2] = {x.i ? centred(l, x) : x,
                           unscaled(l, op->operand[1], columns_between(w, lo * step, hi * step, step))};
    if (!factors[0].i) return factors[0];
    return build(&l->b, op->kind, factors, 2, op->attr, op_info_attrs(op_info(op->kind)), NULL);
}

/* Partial products in f32, added as the integers that they are. */
static value_id exact_product(struct lowering *l, const struct op *op, int64_t size) {
    int64_t all = value_constant(l->m, op->operand[1])->dim[1];
    value_id sum = {0};
    l->sum = ELEM_f32;
    if (size == all) return partial_product(l, op, 0, all);
    for (int64_t lo = 0; lo < all; lo += size) {
        value_id part = lowering_cast(l, partial_product(l, op, lo, min_i64(lo + size, all)), ELEM_i32);
        sum = lo ? lowering_two(l, OP_add, sum, part) : part;
        if (!sum.i) return sum;
    }
    return lowering_cast(l, sum, ELEM_f32);
}

static value_id wide_product(struct lowering *l, const struct op *op) {
    l->sum = ELEM_f64;
    value_id factors[2] = {centred(l, op->operand[0]), centred(l, op->operand[1])};
    if (!factors[0].i || !factors[1].i) return (value_id){0};
    return narrowed(l, build(&l->b, op->kind, factors, 2, op->attr, op_info_attrs(op_info(op->kind)), NULL));
}

static value_id lower_mean(struct lowering *l, const struct op *op) {
    struct quant_view view;
    l->sum = ELEM_f64;
    quant_view(&l->m->types, lowering_type(l, 0), value_constant(l->m, op->operand[0]), &view);
    value_id mean =
        lowering_one(l, op->kind, centred(l, op->operand[0]), op->attr, op_info_attrs(op_info(op->kind)));
    struct tensor scale = tensor_scalar_f64(ELEM_f64, (double)quant_scale(&view, 0));
    return lowering_cast(l, lowering_two(l, OP_mul, mean, module_add_literal(l->m, scale)), ELEM_f32);
}

value_id lower_sum(struct lowering *l) {
    const struct op op = *lowering_op(l); /* ops move when others are made */
    if (op_info(op.kind)->class != CLASS_CONTRACTION) return lower_mean(l, &op);
    int64_t size = exact_slices(l);
    value_id sum = size ? exact_product(l, &op, size) : wide_product(l, &op);
    return with_bias(l, lowering_two(l, OP_mul, sum, scale_product(l)));
}
