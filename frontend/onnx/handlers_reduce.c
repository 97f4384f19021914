/* Reductions and normalizations. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <string.h>

/* -- reductions: axes are an attribute, or an input in later opsets; none means all of them, unless told
 * otherwise -- */
struct reduction {
    ref x;
    struct ints axes;
    bool keep, nothing; /* nothing: no axis at all, the op is pointwise */
};

static enum status read_reduction(struct node *n, struct reduction *r) {
    r->x = node_in(n, 0);
    TRY(node_ints_or_input(n, "axes", 1, &r->axes));
    r->keep = node_int(n, "keepdims", 1) != 0;
    r->nothing = node_int(n, "noop_with_empty_axes", 0) != 0 && !r->axes.count;
    for (uint32_t i = 0; i < r->axes.count; i++) {
        uint32_t axis;
        TRY(node_axis(n, r->axes.at[i], ref_rank(n->im, r->x), &axis));
    }
    return n->failed ? STATUS_FAILED : STATUS_OK;
}

static ref reduce(struct node *n, const struct reduction *r, enum op_kind kind, ref x) {
    if (r->nothing || (!ref_none(x) && ref_rank(n->im, x) == 0)) return x;
    return emit1_with(n, kind, x, node_attr_ints(n, ATTR_axes, r->axes.at, r->axes.count),
                      attr_bool(ATTR_keep, r->keep));
}

static enum status plain_reduction(struct node *n, enum op_kind kind) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    return node_result(n, reduce(n, &r, kind, r.x));
}
enum status import_reduce_sum(struct node *n) {
    return plain_reduction(n, OP_reduce_sum);
}
enum status import_reduce_mean(struct node *n) {
    return plain_reduction(n, OP_reduce_mean);
}
enum status import_reduce_max(struct node *n) {
    return plain_reduction(n, OP_reduce_max);
}
enum status import_reduce_min(struct node *n) {
    return plain_reduction(n, OP_reduce_min);
}
enum status import_reduce_prod(struct node *n) {
    return plain_reduction(n, OP_reduce_prod);
}

static ref squares(struct node *n, const struct reduction *r) {
    bool pointwise = r->nothing || ref_rank(n->im, r->x) == 0;
    return pointwise ? emit2(n, OP_mul, r->x, r->x) : reduce(n, r, OP_reduce_sum_square, r->x);
}

enum status import_reduce_sum_square(struct node *n) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    return node_result(n, squares(n, &r));
}

enum status import_reduce_l1(struct node *n) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    return node_result(n, reduce(n, &r, OP_reduce_sum, emit1(n, OP_abs, r.x)));
}

enum status import_reduce_l2(struct node *n) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    if (!elem_is_float(ref_elem(n->im, r.x))) return unsupported(n, "ReduceL2 of integers");
    return node_result(n, emit1(n, OP_sqrt, squares(n, &r)));
}

enum status import_reduce_log_sum(struct node *n) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    if (!elem_is_float(ref_elem(n->im, r.x))) return unsupported(n, "ReduceLogSum of integers");
    return node_result(n, emit1(n, OP_log, reduce(n, &r, OP_reduce_sum, r.x)));
}

/* max + log(sum(exp(x - max))): exact where exp alone overflows. */
enum status import_reduce_log_sum_exp(struct node *n) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    if (!elem_is_float(ref_elem(n->im, r.x))) return unsupported(n, "ReduceLogSumExp of integers");
    if (r.nothing || ref_rank(n->im, r.x) == 0) return node_result(n, r.x);
    struct reduction kept = r;
    kept.keep = true;
    ref shifted = emit2(n, OP_sub, r.x, reduce(n, &kept, OP_reduce_max, r.x));
    ref sum = reduce(n, &r, OP_reduce_sum, emit1(n, OP_exp, shifted));
    return node_result(n, emit2(n, OP_add, emit1(n, OP_log, sum), reduce(n, &r, OP_reduce_max, r.x)));
}

static enum status arg_reduction(struct node *n, enum op_kind kind) {
    ref x = node_in(n, 0);
    uint32_t axis;
    TRY(node_axis(n, node_int(n, "axis", 0), ref_rank(n->im, x), &axis));
    bool keep = node_int(n, "keepdims", 1) != 0, last = node_int(n, "select_last_index", 0) != 0;
    return node_result(n, emit1_with(n, kind, x, attr_int(ATTR_axis, axis), attr_bool(ATTR_keep, keep),
                                     attr_bool(ATTR_last, last)));
}
enum status import_argmax(struct node *n) {
    return arg_reduction(n, OP_argmax);
}
enum status import_argmin(struct node *n) {
    return arg_reduction(n, OP_argmin);
}

/* -- softmax and its kin -- */
typedef ref along_axis(struct node *n, ref x, uint32_t axis);

static ref softmax(struct node *n, ref x, uint32_t axis) {
    return emit1_with(n, OP_softmax, x, attr_int(ATTR_axis, axis));
}

static ref log_softmax(struct node *n, ref x, uint32_t axis) {
    return emit1_with(n, OP_log_softmax, x, attr_int(ATTR_axis, axis));
}

/* 1 at the first largest element, 0 elsewhere. */
static ref hardmax(struct node *n, ref x, uint32_t axis) {
    int64_t size;
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &size) || size > INT32_MAX) {
        (void)unsupported(n, "Hardmax over a dimension without a size (fix it by --shape or --dim)");
        return (ref){0};
    }
    int64_t dims[MAX_RANK];
    uint32_t rank = ref_rank(n->im, x);
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == axis ? size : 1;
    struct tensor positions = tensor_new(ELEM_i64, rank, dims);
    for (int64_t i = 0; i < size; i++) tensor_set_i64(&positions, i, i);
    ref best = emit1_with(n, OP_argmax, x, attr_int(ATTR_axis, axis), attr_bool(ATTR_keep, true));
    ref hit = emit2(n, OP_equal, best, ref_of_tensor(n->im, positions));
    return ref_none(hit) ? hit : emit1_with(n, OP_cast, hit, attr_elem(ATTR_to, ref_elem(n->im, x)));
}

static enum status along_given_axis(struct node *n, along_axis *op) {
    ref x = node_in(n, 0);
    uint32_t axis;
    TRY(node_axis(n, node_int(n, "axis", -1), ref_rank(n->im, x), &axis));
    return node_result(n, op(n, x, axis));
}

/* Before opset 13 all dimensions from `axis` on are taken together, as the rows of a matrix. */
static enum status along_flattened(struct node *n, along_axis *op) {
    struct importer *im = n->im;
    ref x = node_in(n, 0);
    uint32_t rank = ref_rank(im, x), axis = 0;
    int64_t given = node_int(n, "axis", 1);
    dim_id dims[MAX_RANK];
    if (given != rank) TRY(node_axis(n, given, rank, &axis)); /* the rank itself: rows of one element */
    if (given == rank) axis = rank;
    if (rank && axis == rank - 1) return node_result(n, op(n, x, axis));
    for (uint32_t i = 0; i < rank; i++) dims[i] = ref_dim(im, x, i);
    ref flat = emit1_with(n, OP_flatten, x, attr_int(ATTR_axis, axis));
    if (ref_none(flat)) return STATUS_FAILED;
    ref y = op(n, flat, 1);
    return node_result(n, emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, rank)));
}

enum status import_softmax(struct node *n) {
    return along_given_axis(n, softmax);
}
enum status import_softmax_flat(struct node *n) {
    return along_flattened(n, softmax);
}
enum status import_log_softmax(struct node *n) {
    return along_given_axis(n, log_softmax);
}
enum status import_log_softmax_flat(struct node *n) {
    return along_flattened(n, log_softmax);
}
enum status import_hardmax(struct node *n) {
    return along_given_axis(n, hardmax);
}
enum status import_hardmax_flat(struct node *n) {
    return along_flattened(n, hardmax);
}

/* -- normalizations -- */
enum status import_batchnorm(struct node *n) {
    ref in[5];
    for (uint32_t i = 0; i < 5; i++) in[i] = node_in(n, i);
    double epsilon = node_float(n, "epsilon", 1e-5);
    (void)node_float(n, "momentum", 0.9); /* of training */
    if (node_int(n, "training_mode", 0)) return unsupported(n, "BatchNormalization in training mode");
    if (!node_int(n, "spatial", 1)) return unsupported(n, "BatchNormalization with spatial = 0");
    if (node_wants(n, 1)) return unsupported(n, "BatchNormalization with outputs of training");
    return node_result(n, emit_op(n, OP_batchnorm, in, 5, EMIT_ATTRS(attr_float(ATTR_epsilon, epsilon))));
}

/* True if the last dimensions of x are exactly those of r. */
static bool has_trailing_shape(const struct importer *im, ref r, ref x, uint32_t axis) {
    uint32_t rank = ref_rank(im, x);
    if (ref_rank(im, r) != rank - axis) return false;
    for (uint32_t i = axis; i < rank; i++)
        if (!dim_same(ref_dim(im, r, i - axis), ref_dim(im, x, i))) return false;
    return true;
}

enum status import_layernorm(struct node *n) {
    ref x = node_in(n, 0), scale = node_in(n, 1), bias = node_in(n, 2);
    uint32_t axis;
    double epsilon = node_float(n, "epsilon", 1e-5);
    if (node_int(n, "stash_type", 1) != 1)
        return unsupported(n, "LayerNormalization with a stash_type other than float");
    TRY(node_axis(n, node_int(n, "axis", -1), ref_rank(n->im, x), &axis));
    if (node_wants(n, 1) || node_wants(n, 2))
        return unsupported(n, "LayerNormalization with outputs of training");
    struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_float(ATTR_epsilon, epsilon)};
    bool direct = has_trailing_shape(n->im, scale, x, axis) &&
                  (ref_none(bias) || has_trailing_shape(n->im, bias, x, axis));
    if (direct)
        return node_result(
            n, emit_op(n, OP_layernorm, (const ref[]){x, scale, bias}, ref_none(bias) ? 2 : 3, attrs, 2));
    ref y = emit2(n, OP_mul, emit_op(n, OP_layernorm, &x, 1, attrs, 2), scale); /* these broadcast */
    return node_result(n, ref_none(bias) ? y : emit2(n, OP_add, y, bias));
}

/* (x - mean) / sqrt(variance + epsilon) over the axes. */
static ref standardized(struct node *n, ref x, const int64_t *axes, uint32_t count, double epsilon) {
    struct attr attrs[] = {node_attr_ints(n, ATTR_axes, axes, count), attr_bool(ATTR_keep, true)};
    ref centred = emit2(n, OP_sub, x, emit_op(n, OP_reduce_mean, &x, 1, attrs, 2));
    ref square = emit2(n, OP_mul, centred, centred);
    ref variance = emit_op(n, OP_reduce_mean, &square, 1, attrs, 2);
    ref deviation =
        emit1(n, OP_sqrt, emit2(n, OP_add, variance, ref_f64(n->im, ref_elem(n->im, x), epsilon)));
    return emit2(n, OP_div, centred, deviation);
}

/* A number for each channel, in the shape [channels, 1, …] that aligns with dimension 1 of x. */
static ref per_channel(struct node *n, ref r, uint32_t rank) {
    int64_t axes[MAX_RANK];
    for (uint32_t i = 2; i < rank; i++) axes[i - 2] = i - 1;
    if (rank <= 2) return r;
    return emit1_with(n, OP_unsqueeze, r, node_attr_ints(n, ATTR_axes, axes, rank - 2));
}

enum status import_instance_norm(struct node *n) {
    ref x = node_in(n, 0);
    uint32_t rank = ref_rank(n->im, x);
    int64_t axes[MAX_RANK];
    double epsilon = node_float(n, "epsilon", 1e-5);
    if (rank < 3) return node_error(n, "input 0 has rank %u, expected at least 3", rank);
    for (uint32_t i = 2; i < rank; i++) axes[i - 2] = i;
    ref y = standardized(n, x, axes, rank - 2, epsilon);
    y = emit2(n, OP_mul, y, per_channel(n, node_in(n, 1), rank));
    return node_result(n, emit2(n, OP_add, y, per_channel(n, node_in(n, 2), rank)));
}

enum status import_mean_variance_norm(struct node *n) {
    static const int64_t usual[] = {0, 2, 3};
    struct ints axes = node_ints(n, "axes");
    if (!axes.given) axes = (struct ints){usual, 3, true};
    return node_result(n, standardized(n, node_in(n, 0), axes.at, axes.count, 1e-9));
}

/* x / norm along axis, 0 where the norm is 0. */
enum status import_lp_norm(struct node *n) {
    ref x = node_in(n, 0);
    uint32_t axis;
    int64_t p = node_int(n, "p", 2);
    TRY(node_axis(n, node_int(n, "axis", -1), ref_rank(n->im, x), &axis));
    if (p != 1 && p != 2) return node_error(n, "attribute 'p' is %" PRId64 ", expected 1 or 2", p);
    struct attr attrs[] = {node_attr_ints(n, ATTR_axes, (const int64_t[]){axis}, 1),
                           attr_bool(ATTR_keep, true)};
    ref magnitude = p == 1 ? emit1(n, OP_abs, x) : x;
    ref norm = emit_op(n, p == 1 ? OP_reduce_sum : OP_reduce_sum_square, &magnitude, 1, attrs, 2);
    if (p == 2) norm = emit1(n, OP_sqrt, norm);
    ref zero = ref_f64(n->im, ref_elem(n->im, x), 0), one = ref_f64(n->im, ref_elem(n->im, x), 1);
    ref divisor = emit3(n, OP_where, emit2(n, OP_equal, norm, zero), one, norm);
    return node_result(n, emit2(n, OP_div, x, divisor));
}
