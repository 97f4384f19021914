/* Normalizations. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <string.h>

/* Casts the operands to the type that holds the values of all; two unlike ones of 16 bits meet in f32. */
static bool to_widest(struct node *n, ref *in, uint32_t count) {
    enum elem widest = ref_elem(n->im, in[0]);
    for (uint32_t i = 1; i < count; i++) {
        enum elem elem = ref_elem(n->im, in[i]);
        if (elem != widest && elem_bytes(elem) == elem_bytes(widest)) widest = ELEM_f32;
        if (elem_bytes(elem) > elem_bytes(widest)) widest = elem;
    }
    for (uint32_t i = 0; i < count; i++) {
        in[i] = emit_cast(n, in[i], widest);
        if (ref_none(in[i])) return false;
    }
    return true;
}

/* With spatial = 0, of opsets before 9, each element of a sample has parameters of its own. */
static ref batchnorm_of_elements(struct node *n, const ref in[5], double epsilon) {
    ref variance = emit2(n, OP_add, in[4], ref_f64(n->im, ref_elem(n->im, in[4]), epsilon));
    ref y = emit2(n, OP_div, emit2(n, OP_sub, in[0], in[3]), emit1(n, OP_sqrt, variance));
    return emit2(n, OP_add, emit2(n, OP_mul, y, in[1]), in[2]);
}

enum status import_batchnorm(struct node *n) {
    ref in[5];
    double epsilon = node_float(n, "epsilon", 1e-5);
    (void)node_float(n, "momentum", 0.9); /* of training */
    if (node_int(n, "training_mode", 0)) return unsupported(n, "BatchNormalization in training mode");
    bool spatial = node_int(n, "spatial", 1) != 0;
    if (node_wants(n, 1)) return unsupported(n, "BatchNormalization with outputs of training");
    for (uint32_t i = 0; i < 5; i++) in[i] = spatial ? node_in(n, i) : node_in_wide(n, i);
    if (!to_widest(n, in, 5)) return STATUS_FAILED;
    ref y = spatial ? emit_op(n, OP_batchnorm, in, 5, EMIT_ATTRS(attr_float(ATTR_epsilon, epsilon)))
                    : batchnorm_of_elements(n, in, epsilon);
    return node_result_narrow(n, y);
}

/* True if the last dimensions of x are exactly those of r. */
static bool has_trailing_shape(const struct importer *im, ref r, ref x, uint32_t axis) {
    uint32_t rank = ref_rank(im, x);
    if (ref_rank(im, r) != rank - axis) return false;
    for (uint32_t i = axis; i < rank; i++)
        if (!dim_same(ref_dim(im, r, i - axis), ref_dim(im, x, i))) return false;
    return true;
}

/* The type of the first stage of a norm. As that is computed in f32 at least, whatever it says, it is but the
 * type of results. */
static enum status read_stash(struct node *n, enum elem *out) {
    int64_t type = node_int(n, "stash_type", 1);
    *out = onnx_elem(type);
    if (*out && elem_is_float(*out)) return STATUS_OK;
    return node_error(n, "attribute 'stash_type' is %" PRId64 ", which is no type of floats", type);
}

/* The outputs that nobody but training needs: the mean and 1 / sqrt(variance + epsilon). */
static enum status statistics(struct node *n, uint32_t axis, double epsilon, enum elem elem) {
    if (!node_wants(n, 1) && !node_wants(n, 2)) return STATUS_OK;
    ref x = node_in_wide(n, 0);
    int64_t axes[MAX_RANK];
    uint32_t count = 0;
    for (uint32_t i = axis; i < ref_rank(n->im, x); i++) axes[count++] = i;
    struct attr attrs[] = {node_attr_ints(n, ATTR_axes, axes, count), attr_bool(ATTR_keep, true)};
    ref mean = emit_op(n, OP_reduce_mean, &x, 1, attrs, 2), centred = emit2(n, OP_sub, x, mean);
    ref square = emit2(n, OP_mul, centred, centred),
        variance = emit_op(n, OP_reduce_mean, &square, 1, attrs, 2);
    ref sum = emit2(n, OP_add, variance, ref_f64(n->im, ref_elem(n->im, x), epsilon));
    ref inverse = emit1(n, OP_reciprocal, emit1(n, OP_sqrt, sum));
    mean = emit_cast(n, mean, elem), inverse = emit_cast(n, inverse, elem);
    if (ref_none(inverse)) return STATUS_FAILED;
    node_out(n, 1, mean);
    node_out(n, 2, inverse);
    return STATUS_OK;
}

enum status import_layernorm(struct node *n) {
    ref x = node_in(n, 0), scale = node_in(n, 1), bias = node_in(n, 2);
    uint32_t axis;
    double epsilon = node_float(n, "epsilon", 1e-5);
    enum elem stash;
    TRY(read_stash(n, &stash));
    TRY(node_axis(n, node_int(n, "axis", -1), ref_rank(n->im, x), &axis));
    TRY(statistics(n, axis, epsilon, stash));
    struct attr attrs[] = {attr_int(ATTR_axis, axis), attr_float(ATTR_epsilon, epsilon)};
    bool direct = has_trailing_shape(n->im, scale, x, axis) &&
                  (ref_none(bias) || has_trailing_shape(n->im, bias, x, axis));
    if (direct)
        return node_result(
            n, emit_op(n, OP_layernorm, (const ref[]){x, scale, bias}, ref_none(bias) ? 2 : 3, attrs, 2));
    x = node_in_wide(n, 0), scale = node_in_wide(n, 1), bias = node_in_wide(n, 2);
    ref y = emit2(n, OP_mul, emit_op(n, OP_layernorm, &x, 1, attrs, 2), scale); /* these broadcast */
    return node_result_narrow(n, ref_none(bias) ? y : emit2(n, OP_add, y, bias));
}

/* x / sqrt(mean of squares + epsilon) over the dimensions from axis on, times a scale whose type the result
 * has. */
enum status import_rms_norm(struct node *n) {
    ref x = node_in_wide(n, 0), scale = node_in_wide(n, 1);
    uint32_t axis, rank = ref_rank(n->im, x);
    double epsilon = node_float(n, "epsilon", 1e-5);
    int64_t axes[MAX_RANK];
    enum elem stash;
    TRY(read_stash(n, &stash));
    TRY(node_axis(n, node_int(n, "axis", -1), rank, &axis));
    for (uint32_t i = axis; i < rank; i++) axes[i - axis] = i;
    ref mean = emit1_with(n, OP_reduce_mean, emit2(n, OP_mul, x, x),
                          node_attr_ints(n, ATTR_axes, axes, rank - axis), attr_bool(ATTR_keep, true));
    ref size = emit1(n, OP_sqrt, emit2(n, OP_add, mean, ref_f64(n->im, ref_elem(n->im, x), epsilon)));
    ref y = emit_cast(n, emit2(n, OP_div, x, size), ref_elem(n->im, scale));
    return node_result_as(n, emit2(n, OP_mul, y, scale), ref_elem(n->im, node_in(n, 1)));
}

/* (x - mean) / sqrt(variance + epsilon) over the dimensions from axis on. */
static ref standardized(struct node *n, ref x, uint32_t axis, double epsilon) {
    return emit1_with(n, OP_layernorm, x, attr_int(ATTR_axis, axis), attr_float(ATTR_epsilon, epsilon));
}

/* The same over any dimensions: those move to the end and back. */
static ref standardized_over(struct node *n, ref x, const struct ints *axes, double epsilon) {
    uint32_t rank = ref_rank(n->im, x), count = 0, axis;
    int64_t perm[MAX_RANK], back[MAX_RANK];
    bool over[MAX_RANK] = {false};
    for (uint32_t i = 0; i < axes->count; i++) {
        if (node_axis(n, axes->at[i], rank, &axis) != STATUS_OK) return (ref){0};
        over[axis] = true;
    }
    for (uint32_t i = 0; i < rank; i++)
        if (!over[i]) perm[count++] = i;
    axis = count;
    for (uint32_t i = 0; i < rank; i++)
        if (over[i]) perm[count++] = i;
    for (uint32_t i = 0; i < rank; i++) back[perm[i]] = i;
    if (axis == rank) return emit2(n, OP_sub, x, x);
    x = emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, perm, rank));
    if (ref_none(x)) return x;
    x = standardized(n, x, axis, epsilon);
    return ref_none(x) ? x : emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, back, rank));
}

/* A number for each channel, in the shape [channels, 1, …] that aligns with dimension 1 of x. */
static ref per_channel(struct node *n, ref r, uint32_t rank) {
    int64_t axes[MAX_RANK];
    for (uint32_t i = 2; i < rank; i++) axes[i - 2] = i - 1;
    if (rank <= 2) return r;
    return emit1_with(n, OP_unsqueeze, r, node_attr_ints(n, ATTR_axes, axes, rank - 2));
}

enum status import_instance_norm(struct node *n) {
    ref x = node_in_wide(n, 0);
    uint32_t rank = ref_rank(n->im, x);
    double epsilon = node_float(n, "epsilon", 1e-5);
    if (rank < 3) return node_error(n, "input 0 has rank %u, expected at least 3", rank);
    ref y = standardized(n, x, 2, epsilon);
    y = emit2(n, OP_mul, y, per_channel(n, node_in_wide(n, 1), rank));
    return node_result_narrow(n, emit2(n, OP_add, y, per_channel(n, node_in_wide(n, 2), rank)));
}

enum status import_mean_variance_norm(struct node *n) {
    static const int64_t usual[] = {0, 2, 3};
    struct ints axes = node_ints(n, "axes");
    if (!axes.given) axes = (struct ints){usual, 3, true};
    /* ONNX adds 1e-9 to the deviation itself: its square under the root is that, but for deviations near it.
     */
    return node_result(n, standardized_over(n, node_in(n, 0), &axes, 1e-18));
}

/* x / norm along axis, 0 where the norm is 0. */
enum status import_lp_norm(struct node *n) {
    ref x = node_in_wide(n, 0);
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
    return node_result_narrow(n, emit2(n, OP_div, x, divisor));
}

/* Groups of channels become rows that are standardized; scale and bias are per group before opset 21, then
 * per channel. */
enum status import_group_norm(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in_wide(n, 0), scale = node_in_wide(n, 1), bias = node_in_wide(n, 2);
    uint32_t rank = ref_rank(n->im, x);
    int64_t groups = node_int(n, "num_groups", 0), channels, given;
    double epsilon = node_float(n, "epsilon", 1e-5);
    dim_id dims[MAX_RANK];
    enum elem stash;
    TRY(read_stash(n, &stash));
    if (rank < 3) return node_error(n, "input 0 has rank %u, expected at least 3", rank);
    if (!dim_is_const(types, ref_dim(n->im, x, 1), &channels) || groups < 1 || channels % groups)
        return node_error(n, "its channels do not divide into %" PRId64 " groups", groups);
    for (uint32_t i = 0; i < rank; i++) dims[i] = ref_dim(n->im, x, i);
    dim_id rows[3] = {dims[0], dim_const(types, groups), dim_const(types, channels / groups)};
    for (uint32_t i = 2; i < rank; i++) rows[2] = dim_mul(types, rows[2], dims[i]);
    ref y = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, rows, 3));
    if (ref_none(y)) return STATUS_FAILED;
    y = standardized(n, y, 2, epsilon);
    bool per_group = ref_rank(n->im, scale) == 1 && dim_is_const(types, ref_dim(n->im, scale, 0), &given) &&
                     given == groups && n->opset < 21;
    if (per_group) {
        y = emit2(n, OP_mul, y, per_channel(n, scale, 3));
        y = emit2(n, OP_add, y, per_channel(n, bias, 3));
    }
    y = emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, rank));
    if (per_group) return node_result_narrow(n, y);
    y = emit2(n, OP_mul, y, per_channel(n, scale, rank));
    return node_result_narrow(n, emit2(n, OP_add, y, per_channel(n, bias, rank)));
}

/* x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta: the sum by shifted
 * slices. */
enum status import_lrn(struct node *n) {
    enum { WIDEST = 4096 };
    ref x = node_in_wide(n, 0);
    uint32_t rank = ref_rank(n->im, x);
    int64_t size = node_int(n, "size", 0), channels, pads[2 * MAX_RANK] = {0};
    double alpha = node_float(n, "alpha", 1e-4), beta = node_float(n, "beta", 0.75),
           bias = node_float(n, "bias", 1);
    if (rank < 2 || size < 1) return node_error(n, "size %" PRId64 " at rank %u", size, rank);
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, 1), &channels))
        return unsupported(n, "LRN over a dimension without a size (fix it by --shape or --dim)");
    pads[1] = min_i64((size - 1) / 2, max_i64(channels - 1, 0)); /* beyond all channels there is nothing */
    pads[rank + 1] = min_i64(size - 1 - (size - 1) / 2, max_i64(channels - 1, 0));
    int64_t neighbours = pads[1] + pads[rank + 1] + 1;
    if (neighbours > WIDEST) return unsupported(n, "LRN over more than %d channels", WIDEST);
    ref wide = emit1_with(n, OP_pad, emit2(n, OP_mul, x, x), node_attr_ints(n, ATTR_pads, pads, 2 * rank)),
        sum = {0};
    for (int64_t i = 0; i < neighbours; i++) {
        int64_t end = i + channels;
        ref slice = emit1_with(n, OP_slice, wide, node_attr_ints(n, ATTR_starts, &i, 1),
                               node_attr_ints(n, ATTR_ends, &end, 1),
                               node_attr_ints(n, ATTR_axes, (const int64_t[]){1}, 1),
                               node_attr_ints(n, ATTR_steps, (const int64_t[]){1}, 1));
        if (ref_none(slice)) return STATUS_FAILED;
        sum = i ? emit2(n, OP_add, sum, slice) : slice;
    }
    enum elem elem = ref_elem(n->im, x);
    ref base = emit2(n, OP_mul, sum, ref_f64(n->im, elem, alpha / (double)size));
    base = emit2(n, OP_add, base, ref_f64(n->im, elem, bias));
    return node_result_narrow(n, emit2(n, OP_div, x, emit2(n, OP_pow, base, ref_f64(n->im, elem, beta))));
}
