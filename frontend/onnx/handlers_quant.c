/* Quantized ops, as the integer and rounding arithmetic that they stand for. */
#include "frontend/onnx/window.h"

#include <inttypes.h>

static ref cast_to(struct node *n, ref x, enum elem elem) {
    if (ref_none(x) || ref_elem(n->im, x) == elem) return x;
    return emit1_with(n, OP_cast, x, attr_elem(ATTR_to, elem));
}

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
    ref wide = cast_to(n, x, ELEM_i32);
    return ref_none(zero) ? wide : emit2(n, OP_sub, wide, cast_to(n, zero, ELEM_i32));
}

static bool is_quantized(enum elem elem) {
    return elem == ELEM_u8 || elem == ELEM_i8 || elem == ELEM_u16 || elem == ELEM_i16;
}

/* round(x) + zero, saturated to the element type; in the float type of x. */
static ref saturated(struct node *n, ref x, ref zero, enum elem elem) {
    double steps = elem_bytes(elem) == 1 ? 256 : 65536;
    double low = elem_kind(elem) == ELEM_KIND_INT ? -steps / 2 : 0;
    ref y = emit1(n, OP_round, x);
    if (!ref_none(y) && !ref_none(zero)) y = emit2(n, OP_add, y, cast_to(n, zero, ref_elem(n->im, x)));
    y = emit1_with(n, OP_clip, y, attr_float(ATTR_min, low), attr_float(ATTR_max, low + steps - 1));
    return cast_to(n, y, elem);
}

/* The axis of scales that are not one number; blocks along it are not supported. */
static enum status quant_axis(struct node *n, ref x, ref scale, uint32_t *axis) {
    int64_t given = node_int(n, "axis", 1);
    *axis = 0;
    if (node_int(n, "block_size", 0)) return unsupported(n, "%s in blocks", n->proto->op_type);
    if (ref_rank(n->im, scale) > 1) return node_error(n, "the scale has rank %u", ref_rank(n->im, scale));
    return ref_rank(n->im, scale) ? node_axis(n, given, ref_rank(n->im, x), axis) : STATUS_OK;
}

enum status import_quantize_linear(struct node *n) {
    ref x = node_in(n, 0), scale = node_in(n, 1), zero = node_in(n, 2);
    uint32_t axis, rank = ref_rank(n->im, x);
    int64_t type = node_int(n, "output_dtype", 0);
    (void)node_int(n, "saturate", 1); /* of float8 only */
    (void)node_int(n, "precision", 0);
    TRY(quant_axis(n, x, scale, &axis));
    enum elem elem = !ref_none(zero) ? ref_elem(n->im, zero) : type ? onnx_elem((int32_t)type) : ELEM_u8;
    if (!is_quantized(elem)) return unsupported(n, "QuantizeLinear to another type than u8, i8, u16, i16");
    x = cast_to(n, x, ref_elem(n->im, scale));
    ref y = emit2(n, OP_div, x, along(n, scale, axis, rank));
    return node_result(n, ref_none(y) ? y : saturated(n, y, along(n, zero, axis, rank), elem));
}

enum status import_dequantize_linear(struct node *n) {
    ref x = node_in(n, 0), scale = node_in(n, 1), zero = node_in(n, 2);
    uint32_t axis, rank = ref_rank(n->im, x);
    TRY(quant_axis(n, x, scale, &axis));
    if (!elem_is_int(ref_elem(n->im, x))) return unsupported(n, "DequantizeLinear of floats");
    ref wide = cast_to(n, centred(n, x, along(n, zero, axis, rank)), ref_elem(n->im, scale));
    return node_result(n, emit2(n, OP_mul, wide, along(n, scale, axis, rank)));
}

/* scale = (max - min) / 255 over a range that includes 0, zero = round(-min / scale). */
enum status import_dynamic_quantize_linear(struct node *n) {
    ref x = node_in(n, 0), none = ref_f64(n->im, ELEM_f32, 0), steps = ref_f64(n->im, ELEM_f32, 255);
    ref low = emit2(n, OP_min, emit1(n, OP_reduce_min, x), none),
        high = emit2(n, OP_max, emit1(n, OP_reduce_max, x), none);
    ref scale = emit2(n, OP_div, emit2(n, OP_sub, high, low), steps);
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
    return node_result(n, integer_product(n, node_in(n, 0), node_in(n, 2), node_in(n, 1), node_in(n, 3)));
}

/* acc * (a * b / y) + zero in f64, where all products of 8-bit numbers are exact. */
static ref requantized(struct node *n, ref sum, ref a_scale, ref b_scale, ref y_scale, ref zero) {
    ref scale = emit2(n, OP_mul, cast_to(n, a_scale, ELEM_f64), cast_to(n, b_scale, ELEM_f64));
    scale = emit2(n, OP_div, scale, cast_to(n, y_scale, ELEM_f64));
    ref y = emit2(n, OP_mul, cast_to(n, sum, ELEM_f64), scale);
    return ref_none(y) ? y : saturated(n, y, zero, ref_elem(n->im, zero));
}

enum status import_qlinear_matmul(struct node *n) {
    ref a = node_in(n, 0), a_scale = node_in(n, 1), y_zero = node_in(n, 7);
    uint32_t rank = ref_rank(n->im, a);
    if (!is_quantized(ref_elem(n->im, y_zero)))
        return unsupported(n, "QLinearMatMul to another type than u8, i8, u16, i16");
    ref sum = integer_product(n, a, node_in(n, 2), node_in(n, 3), node_in(n, 5));
    if (rank >= 2) a_scale = along(n, a_scale, rank - 2, rank);
    return node_result(n, requantized(n, sum, a_scale, node_in(n, 4), node_in(n, 6), y_zero));
}

/* -- convolutions: on doubles, which hold every sum of products exactly -- */
static ref integer_convolution(struct node *n, ref x, ref x_zero, ref w, ref w_zero) {
    w_zero = along(n, w_zero, 0, ref_rank(n->im, w));
    ref in[2] = {cast_to(n, centred(n, x, x_zero), ELEM_f64), cast_to(n, centred(n, w, w_zero), ELEM_f64)};
    if (ref_none(in[0]) || ref_none(in[1])) return (ref){0};
    return emit_convolution(n, in, 2);
}

enum status import_conv_integer(struct node *n) {
    ref sum = integer_convolution(n, node_in(n, 0), node_in(n, 2), node_in(n, 1), node_in(n, 3));
    return node_result(n, cast_to(n, sum, ELEM_i32));
}

enum status import_qlinear_conv(struct node *n) {
    ref x = node_in(n, 0), w = node_in(n, 3), w_scale = node_in(n, 4), y_zero = node_in(n, 7),
        bias = node_in(n, 8);
    uint32_t rank = ref_rank(n->im, x);
    if (!is_quantized(ref_elem(n->im, y_zero)))
        return unsupported(n, "QLinearConv to another type than u8, i8, u16, i16");
    ref sum = integer_convolution(n, x, node_in(n, 2), w, node_in(n, 5));
    if (!ref_none(bias)) sum = emit2(n, OP_add, sum, cast_to(n, along(n, bias, 1, rank), ELEM_f64));
    return node_result(n,
                       requantized(n, sum, node_in(n, 1), along(n, w_scale, 1, rank), node_in(n, 6), y_zero));
}
