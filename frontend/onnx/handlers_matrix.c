/* Matrix products and determinants. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>

enum status import_matmul(struct node *n) {
    return node_result(n, emit2(n, OP_matmul, node_in(n, 0), node_in(n, 1)));
}

static ref scaled(struct node *n, ref x, double factor) {
    if (ref_none(x) || factor == 1) return x;
    return emit2(n, OP_mul, x, ref_f64(n->im, ref_elem(n->im, x), factor));
}

/* alpha * A' B' + beta * C. With B transposed that is `linear`, whose weights lie as they are. */
enum status import_gemm(struct node *n) {
    double alpha = node_float(n, "alpha", 1), beta = node_float(n, "beta", 1);
    bool trans_a = node_int(n, "transA", 0) != 0, trans_b = node_int(n, "transB", 0) != 0;
    ref a = node_in(n, 0), b = node_in(n, 1), c = node_in(n, 2);
    if (ref_rank(n->im, a) != 2 || ref_rank(n->im, b) != 2)
        return node_error(n, "the operands have ranks %u and %u, expected 2", ref_rank(n->im, a),
                          ref_rank(n->im, b));
    if (trans_a) a = emit_transpose(n, a, 2, (const int64_t[]){1, 0});
    if (ref_none(a)) return STATUS_FAILED;
    bool bias = !ref_none(c) && alpha == 1 && beta == 1 && trans_b && ref_rank(n->im, c) == 1 &&
                dim_same(ref_dim(n->im, c, 0), ref_dim(n->im, b, 0));
    if (bias) return node_result(n, emit3(n, OP_linear, a, b, c));
    ref y = emit2(n, trans_b ? OP_linear : OP_matmul, a, b);
    y = scaled(n, y, alpha);
    if (!ref_none(c) && beta != 0) y = emit2(n, OP_add, y, scaled(n, c, beta));
    return node_result(n, y);
}

/* -- Det: elimination with pivots, all matrices side by side -- */
/* One column less, and one row: the one whose first number is largest. *det takes that number as a factor,
 * and a change of sign if the row was not the first. */
static ref eliminated(struct node *n, ref a, int64_t size, ref *det) {
    enum elem elem = ref_elem(n->im, a);
    ref zero = ref_f64(n->im, elem, 0), one = ref_f64(n->im, elem, 1);
    ref column = emit_part(n, a, 2, 0, 1), first = emit_part(n, a, 1, 0, 1);
    struct tensor rows = tensor_new(ELEM_i64, 3, (const int64_t[]){1, size, 1});
    for (int64_t i = 0; i < size; i++) tensor_set_i64(&rows, i, i);
    ref best = emit1_with(n, OP_argmax, emit1(n, OP_abs, column), attr_int(ATTR_axis, 1),
                          attr_bool(ATTR_keep, true));
    ref is_best = emit2(n, OP_equal, ref_of_tensor(n->im, rows), best);
    ref row = emit1_with(n, OP_reduce_sum, emit3(n, OP_where, is_best, a, zero),
                         node_attr_ints(n, ATTR_axes, (const int64_t[]){1}, 1), attr_bool(ATTR_keep, true));
    ref pivot = emit_part(n, row, 2, 0, 1);
    ref moved = emit2(n, OP_equal, best, ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, 0)));
    ref factor = emit3(n, OP_where, moved, pivot, emit1(n, OP_neg, pivot));
    *det = ref_none(*det) ? factor : emit2(n, OP_mul, *det, factor);
    if (size == 1) return a;
    ref others = emit_part(n, emit3(n, OP_where, is_best, first, a), 1, 1, size);
    /* Where the pivot is 0 so is the determinant, whatever comes. */
    ref divisor = emit3(n, OP_where, emit2(n, OP_equal, pivot, zero), one, pivot);
    ref share = emit2(n, OP_div, emit_part(n, others, 2, 0, 1), divisor);
    return emit2(n, OP_sub, emit_part(n, others, 2, 1, size),
                 emit2(n, OP_mul, share, emit_part(n, row, 2, 1, size)));
}

enum status import_det(struct node *n) {
    enum { LARGEST = 64 };
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), det = {0};
    enum elem elem = ref_elem(n->im, x), wide = elem == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    uint32_t rank = ref_rank(n->im, x);
    int64_t size, columns;
    dim_id dims[MAX_RANK], matrices = dim_const(types, 1);
    if (rank < 2 || !elem_is_float(elem)) return node_error(n, "input 0 holds no matrices of floats");
    if (!dim_is_const(types, ref_dim(n->im, x, rank - 2), &size) ||
        !dim_is_const(types, ref_dim(n->im, x, rank - 1), &columns))
        return unsupported(n, "Det of a matrix without a size (fix it by --shape or --dim)");
    if (size != columns)
        return node_error(n, "a matrix of %" PRId64 " rows and %" PRId64 " columns", size, columns);
    if (size > LARGEST) return unsupported(n, "Det of more than %d rows", LARGEST);
    for (uint32_t i = 0; i + 2 < rank; i++) {
        dims[i] = ref_dim(n->im, x, i);
        matrices = dim_mul(types, matrices, dims[i]);
    }
    struct attr shape = node_attr_dims(n, ATTR_shape, dims, rank - 2);
    if (!size) return node_result(n, emit1_with(n, OP_expand, ref_f64(n->im, elem, 1), shape));
    const dim_id flat[3] = {matrices, dim_const(types, size), dim_const(types, size)};
    ref a = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, flat, 3));
    if (wide != elem) a = emit1_with(n, OP_cast, a, attr_elem(ATTR_to, wide));
    for (int64_t left = size; left > 0 && !ref_none(a); left--) a = eliminated(n, a, left, &det);
    if (ref_none(a) || ref_none(det)) return STATUS_FAILED;
    if (wide != elem) det = emit1_with(n, OP_cast, det, attr_elem(ATTR_to, elem));
    return node_result(n, emit1_with(n, OP_reshape, det, shape));
}
