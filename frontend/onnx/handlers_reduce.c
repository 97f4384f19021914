/* Reductions, and softmax and its kin. */
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
enum status import_reduce_prod(struct node *n) {
    return plain_reduction(n, OP_reduce_prod);
}

/* Of bools, too: they are compared as numbers. */
static enum status extreme(struct node *n, enum op_kind kind) {
    struct reduction r;
    TRY(read_reduction(n, &r));
    if (ref_elem(n->im, r.x) != ELEM_bool) return node_result(n, reduce(n, &r, kind, r.x));
    return node_result_as(n, reduce(n, &r, kind, emit_cast(n, r.x, ELEM_u8)), ELEM_bool);
}
enum status import_reduce_max(struct node *n) {
    return extreme(n, OP_reduce_max);
}
enum status import_reduce_min(struct node *n) {
    return extreme(n, OP_reduce_min);
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

/* Functions of sums are computed in f64 where the operand has integers, and cut down to them; in f32 where it
 * has narrow floats, whose sums may be too large for them. */
static enum status read_real_reduction(struct node *n, struct reduction *r) {
    TRY(read_reduction(n, r));
    r->x = elem_is_int(ref_elem(n->im, r->x)) ? emit_cast(n, r->x, ELEM_f64) : node_in_wide(n, 0);
    return ref_none(r->x) ? STATUS_FAILED : STATUS_OK;
}

enum status import_reduce_l2(struct node *n) {
    struct reduction r;
    TRY(read_real_reduction(n, &r));
    return node_result_narrow(n, emit1(n, OP_sqrt, squares(n, &r)));
}

enum status import_reduce_log_sum(struct node *n) {
    struct reduction r;
    TRY(read_real_reduction(n, &r));
    return node_result_narrow(n, emit1(n, OP_log, reduce(n, &r, OP_reduce_sum, r.x)));
}

/* max + log(sum(exp(x - max))): exact where exp alone overflows. An infinite maximum is not subtracted. */
enum status import_reduce_log_sum_exp(struct node *n) {
    struct reduction r;
    TRY(read_real_reduction(n, &r));
    if (r.nothing || ref_rank(n->im, r.x) == 0) return node_result(n, node_in(n, 0));
    struct reduction kept = r;
    kept.keep = true;
    ref zero = ref_f64(n->im, ref_elem(n->im, r.x), 0), most = reduce(n, &kept, OP_reduce_max, r.x);
    ref difference = emit2(n, OP_sub, most, most); /* 0, but NaN for infinities */
    ref top = emit3(n, OP_where, emit2(n, OP_equal, difference, zero), most, zero);
    ref sum = reduce(n, &r, OP_reduce_sum, emit1(n, OP_exp, emit2(n, OP_sub, r.x, top)));
    ref shift = r.keep ? top : reduce(n, &r, OP_reduce_max, top);
    return node_result_narrow(n, emit2(n, OP_add, emit1(n, OP_log, sum), shift));
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
    enum { LONGEST = 1 << 24 };
    int64_t size;
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &size) || size > LONGEST) {
        (void)unsupported(n, "Hardmax along a dimension without a size, or of more than %d", LONGEST);
        return (ref){0};
    }
    if (!size) return x; /* as empty */
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

/* The elements `shift` places before, 0 at the start; after, 0 at the end, when shift is negative. */
static ref shifted(struct node *n, ref x, uint32_t axis, int64_t shift) {
    int64_t pads[2 * MAX_RANK] = {0};
    if (ref_none(x)) return x;
    uint32_t rank = ref_rank(n->im, x);
    pads[axis] = shift, pads[rank + axis] = -shift;
    return emit1_with(n, OP_pad, x, node_attr_ints(n, ATTR_pads, pads, 2 * rank));
}

/* By doubling: after k steps each element is the sum of the last 2^k, so what is infinite stays where it is.
 */
enum status import_cumsum(struct node *n) {
    ref x = node_in_wide(n, 0);
    struct ints given;
    int64_t size;
    uint32_t axis;
    bool exclusive = node_int(n, "exclusive", 0) != 0, reverse = node_int(n, "reverse", 0) != 0;
    TRY(node_ints_or_input(n, "axis", 1, &given));
    if (given.count != 1) return node_error(n, "it has %u axes, expected one", given.count);
    TRY(node_axis(n, given.at[0], ref_rank(n->im, x), &axis));
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &size))
        return unsupported(n, "CumSum along a dimension without a size (fix it by --shape or --dim)");
    int64_t step = reverse ? -1 : 1;
    if (exclusive && size) x = shifted(n, x, axis, step);
    for (int64_t done = 1; done < size && !ref_none(x); done *= 2)
        x = emit2(n, OP_add, x, shifted(n, x, axis, done * step));
    return node_result_narrow(n, x);
}
