/* Quantized ops: quantized values (ir/quant.h) where scales are constants that those can have, else the
 * integer and rounding arithmetic that the ops stand for. */
#include "frontend/onnx/window.h"
#include "ir/quant.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* A scale or zero point of rank 1 in the shape that aligns it with dimension `axis` of a value of rank
 * `rank`. */
static ref along(struct node *n, ref r, uint32_t axis, uint32_t rank) {
    int64_t axes[MAX_RANK];
    if (ref_none(r) || ref_rank(n->im, r) != 1 || rank <= axis + 1) return r;
    uint32_t count = rank - axis - 1;
    int64_t one;
    if (dim_is_const(&n->im->m->types, ref_dim(n->im, r, 0), &one) && one == 1) return r;
    for (uint32_t i = 0; i < count; i++) axes[i] = i + 1;
    return emit1_with(n, OP_unsqueeze, r, node_attr_ints(n, ATTR_axes, axes, count));
}

/* x - zero in i32; the zero point may be left out. */
static ref centred(struct node *n, ref x, ref zero) {
    ref wide = emit_cast(n, x, ELEM_i32);
    return ref_none(zero) ? wide : emit2(n, OP_sub, wide, emit_cast(n, zero, ELEM_i32));
}

static bool is_quantized(enum elem elem) {
    return elem == ELEM_u8 || elem == ELEM_i8 || elem == ELEM_u16 || elem == ELEM_i16;
}

/* round(x) + zero, saturated to so many bits of the element type; in the float type of x. */
static ref saturated_bits(struct node *n, ref x, ref zero, enum elem elem, int bits) {
    double steps = ldexp(1, bits);
    double low = elem_kind(elem) == ELEM_KIND_INT ? -steps / 2 : 0;
    ref y = emit1(n, OP_round, x);
    if (!ref_none(y) && !ref_none(zero)) y = emit2(n, OP_add, y, emit_cast(n, zero, ref_elem(n->im, x)));
    y = emit1_with(n, OP_clip, y, attr_float(ATTR_min, low), attr_float(ATTR_max, low + steps - 1));
    return emit_cast(n, y, elem);
}

static ref saturated(struct node *n, ref x, ref zero, enum elem elem) {
    return saturated_bits(n, x, zero, elem, (int)elem_bytes(elem) * 8);
}

/* A list of one number counts as the number. */
static bool is_list(const struct node *n, ref scale) {
    int64_t count;
    if (ref_rank(n->im, scale) != 1) return false;
    return !dim_is_const(&n->im->m->types, ref_dim(n->im, scale, 0), &count) || count != 1;
}

/* Each scale, or zero point, of a block along `axis` once for each of its elements. */
static enum status spread_blocks(struct node *n, ref x, uint32_t axis, int64_t block, ref *r) {
    int64_t extent, blocks;
    if (ref_none(*r)) return STATUS_OK;
    if (ref_rank(n->im, *r) != ref_rank(n->im, x))
        return node_error(n, "scales of rank %u for rank %u", ref_rank(n->im, *r), ref_rank(n->im, x));
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &extent) ||
        !dim_is_const(&n->im->m->types, ref_dim(n->im, *r, axis), &blocks))
        return unsupported(n, "%s in blocks of a dimension without a size", n->proto->op_type);
    if (block < 1 || ceil_div(extent, block) != blocks)
        return node_error(n, "%" PRId64 " elements in blocks of %" PRId64 " have not %" PRId64 " scales",
                          extent, block, blocks);
    struct tensor at = tensor_new(ELEM_i64, 1, &extent);
    for (int64_t i = 0; i < extent; i++) tensor_set_i64(&at, i, i / block);
    *r = emit2_with(n, OP_gather, *r, ref_of_tensor(n->im, at), attr_int(ATTR_axis, axis));
    return ref_none(*r) ? STATUS_FAILED : STATUS_OK;
}

/* The axis of scales that are not one number, and scales and zero points in blocks spread along it. */
static enum status quant_axis(struct node *n, ref x, ref *scale_ref, ref *zero, uint32_t *axis) {
    int64_t given = node_int(n, "axis", 1), block = node_int(n, "block_size", 0);
    ref scale = *scale_ref;
    *axis = 0;
    if (block) {
        TRY(node_axis(n, given, ref_rank(n->im, x), axis));
        TRY(spread_blocks(n, x, *axis, block, scale_ref));
        return spread_blocks(n, x, *axis, block, zero);
    }
    if (ref_rank(n->im, scale) > 1) return node_error(n, "the scale has rank %u", ref_rank(n->im, scale));
    if (!is_list(n, scale) && ref_rank(n->im, scale) <= ref_rank(n->im, x)) return STATUS_OK;
    return node_axis(n, given, ref_rank(n->im, x), axis);
}

/* -- quantized values -- */
static bool is_positive(const struct tensor *scale) {
    if (!scale || scale->elem != ELEM_f32) return false;
    for (int64_t i = 0; i < tensor_count(scale); i++) {
        double value = tensor_get_f64(scale, i);
        if (!(value > 0 && isfinite(value))) return false;
    }
    return true;
}

/* One constant scale and zero point, for integers of type elem. */
static bool activation_quant(const struct node *n, ref scale, ref zero, enum elem elem, struct quant *out) {
    const struct tensor *s = ref_constant(n->im, scale),
                        *z = ref_none(zero) ? NULL : ref_constant(n->im, zero);
    if (!is_positive(s) || tensor_count(s) != 1) return false;
    if (!ref_none(zero) && (!z || tensor_count(z) != 1 || z->elem != elem)) return false;
    *out = (struct quant){.axis = -1, .literal = true, .scale = tensor_get_f64(s, 0)};
    out->zero = z ? tensor_get_i64(z, 0) : 0;
    return true;
}

/* The quantized value behind plain integers, if it has this scale and zero point. */
static value_id activation_of(const struct node *n, ref x, ref scale, ref zero) {
    const struct item *item = item_get(n->im, x);
    struct quant q;
    if (item->kind != ITEM_VALUE || !item->integers.i || item->is_decoded) return (value_id){0};
    struct type type = value_get(n->im->m, item->integers)->type;
    if (!activation_quant(n, scale, zero, type.elem, &q)) return (value_id){0};
    return quant_make(&n->im->m->types, q).i == type.quant.i ? item->integers : (value_id){0};
}

/* The plain integers of x, a value of f32, quantized; x dequantized from the same quant is not rounded again.
 */
static ref quantized(struct node *n, ref x, struct quant q, enum elem elem) {
    const struct item *item = item_get(n->im, x);
    if (item->integers.i && item->is_decoded) {
        struct type type = value_get(n->im->m, item->integers)->type;
        if (type.elem == elem && type.quant.i == quant_make(&n->im->m->types, q).i)
            return emit_integers(n, item->integers);
    }
    ref y = emit1_with(n, OP_quantize, x, attr_float(ATTR_scale, q.scale), attr_int(ATTR_zero, q.zero),
                       attr_elem(ATTR_to, elem));
    return ref_none(y) ? y : emit_integers(n, item_get(n->im, y)->value);
}

static bool all_zero(const struct tensor *t) {
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (tensor_get_i64(t, i)) return false;
    return true;
}

/* A constant of bytes with constant scales, one or one for each index of `axis`, as a quantized parameter; 0
 * if it is none. Constants of rank 1 are left to be folded: biases are floats. */
static value_id weight_of(struct node *n, ref x, ref scale, ref zero, uint32_t axis) {
    const struct tensor *t = ref_constant(n->im, x), *s = ref_constant(n->im, scale);
    const struct tensor *z = ref_none(zero) ? NULL : ref_constant(n->im, zero);
    if (!t || t->rank < 2 || (t->elem != ELEM_i8 && t->elem != ELEM_u8) || !is_positive(s))
        return (value_id){0};
    bool one = tensor_count(s) == 1;
    if (s->rank > 1 || (!one && (axis >= t->rank || s->dim[0] != t->dim[axis]))) return (value_id){0};
    if (!ref_none(zero) && (!z || z->elem != t->elem || tensor_count(z) != tensor_count(s)))
        return (value_id){0};
    struct tensor weight = *t;
    weight.data = arena_copy(&n->im->m->arena, t->data, tensor_bytes(t));
    weight.owned = false;
    struct tensor scales = tensor_view(s, one ? 0 : 1, s->dim), zeros = {0};
    if (z && !all_zero(z)) zeros = tensor_view(z, one ? 0 : 1, z->dim);
    const char *name = item_get(n->im, x)->name;
    return module_add_quantized(n->im->m, name ? name : n->proto->output[0], weight, one ? -1 : (int32_t)axis,
                                0, &scales, &zeros, n->im->model->loc);
}

/* Quotients are rounded to whole numbers, and products to the scale's type, from one of at least f32. */
static enum elem quotient_elem(enum elem scale) {
    if (elem_is_int(scale)) return ELEM_f64;
    return elem_bytes(scale) == 2 ? ELEM_f32 : scale;
}

enum status import_quantize_linear(struct node *n) {
    ref x = node_in(n, 0), scale = node_in(n, 1), zero = node_in(n, 2);
    uint32_t axis, rank = ref_rank(n->im, x);
    char text[ONNX_ELEM_TEXT];
    int64_t type = node_int(n, "output_dtype", 0);
    (void)node_int(n, "saturate", 1); /* of float8 only */
    (void)node_int(n, "precision", 0);
    bool is_nibble = !ref_none(zero) && item_get(n->im, zero)->is_nibble;
    TRY(quant_axis(n, x, &scale, &zero, &axis));
    enum elem elem = !ref_none(zero) ? ref_elem(n->im, zero) : type ? onnx_elem(type) : ELEM_u8;
    enum elem nibble = onnx_nibble_elem(type);
    if (is_nibble) nibble = elem;
    if (nibble) elem = nibble;
    if (!is_quantized(elem))
        return unsupported(n, "QuantizeLinear to %s", elem ? elem_name(elem) : onnx_elem_text(type, text));
    struct quant q;
    if (!nibble && item_get(n->im, x)->kind == ITEM_VALUE && ref_elem(n->im, x) == ELEM_f32 &&
        activation_quant(n, scale, zero, elem, &q))
        return node_result(n, quantized(n, x, q, elem));
    enum elem wide = quotient_elem(ref_elem(n->im, scale));
    ref y = emit2(n, OP_div, emit_cast(n, x, wide), emit_cast(n, along(n, scale, axis, rank), wide));
    int bits = nibble ? 4 : (int)elem_bytes(elem) * 8;
    return node_result(n, ref_none(y) ? y : saturated_bits(n, y, along(n, zero, axis, rank), elem, bits));
}

enum status import_dequantize_linear(struct node *n) {
    ref x = node_in(n, 0), scale = node_in(n, 1), zero = node_in(n, 2);
    uint32_t axis, rank = ref_rank(n->im, x);
    TRY(quant_axis(n, x, &scale, &zero, &axis));
    if (!elem_is_int(ref_elem(n->im, x))) return unsupported(n, "DequantizeLinear of floats");
    if (!ref_none(zero) && ref_elem(n->im, zero) != ref_elem(n->im, x))
        return node_error(n, "the zero point is %s, input 0 %s", elem_name(ref_elem(n->im, zero)),
                          elem_name(ref_elem(n->im, x)));
    value_id integers = activation_of(n, x, scale, zero);
    if (!integers.i) integers = weight_of(n, x, scale, zero, axis);
    if (integers.i) return node_result(n, emit_decoded(n, integers));
    enum elem elem = ref_elem(n->im, scale), wide = quotient_elem(elem);
    ref steps = emit_cast(n, centred(n, x, along(n, zero, axis, rank)), wide);
    return node_result_as(n, emit2(n, OP_mul, steps, emit_cast(n, along(n, scale, axis, rank), wide)), elem);
}

/* scale = (max - min) / 255 over a range that includes 0, zero = round(-min / scale). Where all is 0 any
 * scale will do: 1, as onnxruntime has it. */
enum status import_dynamic_quantize_linear(struct node *n) {
    ref x = node_in(n, 0), none = ref_f64(n->im, ELEM_f32, 0), steps = ref_f64(n->im, ELEM_f32, 255);
    ref low = emit2(n, OP_min, emit1(n, OP_reduce_min, x), none),
        high = emit2(n, OP_max, emit1(n, OP_reduce_max, x), none);
    ref range = emit2(n, OP_sub, high, low), flat = emit2(n, OP_equal, range, none);
    ref scale = emit3(n, OP_where, flat, ref_f64(n->im, ELEM_f32, 1), emit2(n, OP_div, range, steps));
    ref zero = emit2(n, OP_div, emit2(n, OP_sub, none, low), scale);
    if (ref_none(zero)) return STATUS_FAILED;
    zero = saturated(n, zero, (ref){0}, ELEM_u8);
    ref y = emit2(n, OP_div, x, scale);
    if (ref_none(y) || ref_none(zero)) return STATUS_FAILED;
    node_out(n, 1, scale);
    node_out(n, 2, zero);
    return node_result(n, saturated(n, y, zero, ELEM_u8));
}

/* -- matrix products. A zero point per row of a has one number for each row, one per column of b for each
 * column. -- */
static ref integer_product(struct node *n, ref a, ref a_zero, ref b, ref b_zero) {
    uint32_t rank = ref_rank(n->im, a);
    if (rank >= 2) a_zero = along(n, a_zero, rank - 2, rank);
    return emit2(n, OP_matmul, centred(n, a, a_zero), centred(n, b, b_zero));
}

enum status import_matmul_integer(struct node *n) {
    for (uint32_t i = 0; i < 2; i++)
        if (!elem_is_int(ref_elem(n->im, node_in(n, i))) || elem_bytes(ref_elem(n->im, node_in(n, i))) != 1)
            return node_error(n, "input %u is %s, expected bytes", i,
                              elem_name(ref_elem(n->im, node_in(n, i))));
    return node_result(n, integer_product(n, node_in(n, 0), node_in(n, 2), node_in(n, 1), node_in(n, 3)));
}

/* acc * (a * b / y) + zero in f64, where all products of 8-bit numbers are exact. */
static ref requantized(struct node *n, ref sum, ref a_scale, ref b_scale, ref y_scale, ref zero) {
    ref scale = emit2(n, OP_mul, emit_cast(n, a_scale, ELEM_f64), emit_cast(n, b_scale, ELEM_f64));
    scale = emit2(n, OP_div, scale, emit_cast(n, y_scale, ELEM_f64));
    ref y = emit2(n, OP_mul, emit_cast(n, sum, ELEM_f64), scale);
    return ref_none(y) ? y : saturated(n, y, zero, ref_elem(n->im, zero));
}

/* -- ops of QLinear…, as a contraction between quantized values -- */
struct qlinear {
    value_id x, w;
    struct quant y;
};

/* Inputs 0 to 7 as quantized values, the scales of the weights along `axis`; false if one has no such form.
 * Makes the weight's parameter last, when all else fits. */
static bool match_qlinear(struct node *n, uint32_t axis, struct qlinear *out) {
    ref w = node_in(n, 3), w_scale = node_in(n, 4), w_zero = node_in(n, 5), y_zero = node_in(n, 7);
    out->x = activation_of(n, node_in(n, 0), node_in(n, 1), node_in(n, 2));
    if (!out->x.i) return false;
    if (!activation_quant(n, node_in(n, 6), y_zero, ref_elem(n->im, y_zero), &out->y)) return false;
    out->w = activation_of(n, w, w_scale, w_zero);
    if (!out->w.i) out->w = weight_of(n, w, w_scale, w_zero, axis);
    return out->w.i != 0;
}

/* The bias in the scale of the sums as floats; false if it is no constant. */
static bool real_bias(struct node *n, ref bias, ref x_scale, ref w_scale, ref *out) {
    const struct tensor *b = ref_none(bias) ? NULL : ref_constant(n->im, bias);
    const struct tensor *xs = ref_constant(n->im, x_scale), *ws = ref_constant(n->im, w_scale);
    if (ref_none(bias)) return true;
    if (!b || !xs || !ws || b->rank != 1 || (tensor_count(ws) != 1 && tensor_count(ws) != b->dim[0]))
        return false;
    struct tensor t = tensor_new(ELEM_f32, 1, b->dim);
    for (int64_t i = 0; i < b->dim[0]; i++) {
        double scale = tensor_get_f64(xs, 0) * tensor_get_f64(ws, tensor_count(ws) == 1 ? 0 : i);
        tensor_set_f64(&t, i, (double)tensor_get_i64(b, i) * scale);
    }
    *out = ref_of_tensor(n->im, t);
    item_get(n->im, *out)->name = item_get(n->im, bias)->name;
    return true;
}

enum status import_qlinear_matmul(struct node *n) {
    ref a = node_in(n, 0), b = node_in(n, 3), a_scale = node_in(n, 1), y_zero = node_in(n, 7);
    uint32_t rank = ref_rank(n->im, a), b_rank = ref_rank(n->im, b);
    if (!is_quantized(ref_elem(n->im, y_zero)))
        return unsupported(n, "QLinearMatMul to another type than u8, i8, u16, i16");
    struct qlinear q;
    if (b_rank && match_qlinear(n, b_rank - 1, &q)) {
        ref y = emit2(n, OP_matmul, emit_decoded(n, q.x), emit_decoded(n, q.w));
        return node_result(n, ref_none(y) ? y : quantized(n, y, q.y, ref_elem(n->im, y_zero)));
    }
    ref sum = integer_product(n, a, node_in(n, 2), b, node_in(n, 5));
    if (rank >= 2) a_scale = along(n, a_scale, rank - 2, rank);
    return node_result(n, requantized(n, sum, a_scale, node_in(n, 4), node_in(n, 6), y_zero));
}

/* -- convolutions: on doubles, which hold every sum of products exactly -- */
static ref integer_convolution(struct node *n, ref x, ref x_zero, ref w, ref w_zero) {
    w_zero = along(n, w_zero, 0, ref_rank(n->im, w));
    ref in[2] = {emit_cast(n, centred(n, x, x_zero), ELEM_f64),
                 emit_cast(n, centred(n, w, w_zero), ELEM_f64)};
    if (ref_none(in[0]) || ref_none(in[1])) return (ref){0};
    return emit_convolution(n, in, 2);
}

enum status import_conv_integer(struct node *n) {
    ref sum = integer_convolution(n, node_in(n, 0), node_in(n, 2), node_in(n, 1), node_in(n, 3));
    return node_result(n, emit_cast(n, sum, ELEM_i32));
}

enum status import_qlinear_conv(struct node *n) {
    ref x = node_in(n, 0), w = node_in(n, 3), w_scale = node_in(n, 4), y_zero = node_in(n, 7),
        bias = node_in(n, 8);
    uint32_t rank = ref_rank(n->im, x);
    if (!is_quantized(ref_elem(n->im, y_zero)))
        return unsupported(n, "QLinearConv to another type than u8, i8, u16, i16");
    ref real = {0};
    struct qlinear q;
    if (real_bias(n, bias, node_in(n, 1), w_scale, &real) && match_qlinear(n, 0, &q)) {
        ref in[3] = {emit_decoded(n, q.x), emit_decoded(n, q.w), real};
        if (ref_none(in[0]) || ref_none(in[1])) return STATUS_FAILED;
        ref y = emit_convolution(n, in, ref_none(real) ? 2 : 3);
        return node_result(n, ref_none(y) ? y : quantized(n, y, q.y, ref_elem(n->im, y_zero)));
    }
    ref sum = integer_convolution(n, x, node_in(n, 2), w, node_in(n, 5));
    if (!ref_none(bias)) sum = emit2(n, OP_add, sum, emit_cast(n, along(n, bias, 1, rank), ELEM_f64));
    return node_result(n,
                       requantized(n, sum, node_in(n, 1), along(n, w_scale, 1, rank), node_in(n, 6), y_zero));
}
