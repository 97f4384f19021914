/* Matrix products. */
#include "frontend/onnx/importer.h"

enum status import_matmul(struct node *n) {
    return node_result(n, emit2(n, OP_matmul, node_in(n, 0), node_in(n, 1)));
}

static ref transposed(struct node *n, ref x) {
    return emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, (const int64_t[]){1, 0}, 2));
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
    if (trans_a) a = transposed(n, a);
    if (ref_none(a)) return STATUS_FAILED;
    bool bias = !ref_none(c) && alpha == 1 && beta == 1 && trans_b && ref_rank(n->im, c) == 1 &&
                dim_same(ref_dim(n->im, c, 0), ref_dim(n->im, b, 0));
    if (bias) return node_result(n, emit3(n, OP_linear, a, b, c));
    ref y = emit2(n, trans_b ? OP_linear : OP_matmul, a, b);
    y = scaled(n, y, alpha);
    if (!ref_none(c) && beta != 0) y = emit2(n, OP_add, y, scaled(n, c, beta));
    return node_result(n, y);
}
