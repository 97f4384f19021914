/* Ops that work element by element. */
#include "frontend/onnx/importer.h"

#include <math.h>
#include <string.h>

/* -- one operand, no parameters, one IR op -- */
#define UNARY(name)                                                                                          \
    enum status import_##name(struct node *n) {                                                              \
        return node_result(n, emit1(n, OP_##name, node_in(n, 0)));                                           \
    }
UNARY(relu)
UNARY(sigmoid)
UNARY(tanh)
UNARY(exp)
UNARY(log)
UNARY(sqrt)
UNARY(reciprocal)
UNARY(sin)
UNARY(cos)
UNARY(asin)
UNARY(acos)
UNARY(atan)
UNARY(asinh)
UNARY(acosh)
UNARY(atanh)
UNARY(neg)
UNARY(abs)
UNARY(sign)
UNARY(floor)
UNARY(ceil)
UNARY(round)
UNARY(softplus)
UNARY(softsign)
UNARY(hard_swish)

/* Of integers, too, in opset 9: cut down to them. */
enum status import_erf(struct node *n) {
    ref x = node_in(n, 0);
    enum elem elem = ref_elem(n->im, x);
    if (elem_is_int(elem)) x = emit_cast(n, x, ELEM_f64);
    return node_result_as(n, emit1(n, OP_erf, x), elem);
}

enum status import_leaky_relu(struct node *n) {
    double alpha = node_float(n, "alpha", 0.01);
    return node_result(n, emit1_with(n, OP_leaky_relu, node_in(n, 0), attr_float(ATTR_alpha, alpha)));
}

enum status import_elu(struct node *n) {
    double alpha = node_float(n, "alpha", 1.0);
    return node_result(n, emit1_with(n, OP_elu, node_in(n, 0), attr_float(ATTR_alpha, alpha)));
}

enum status import_hard_sigmoid(struct node *n) {
    double alpha = node_float(n, "alpha", 0.2), beta = node_float(n, "beta", 0.5);
    return node_result(n, emit1_with(n, OP_hard_sigmoid, node_in(n, 0), attr_float(ATTR_alpha, alpha),
                                     attr_float(ATTR_beta, beta)));
}

enum status import_gelu(struct node *n) {
    static const char *const words[] = {"none", "tanh", NULL};
    static const enum keyword keywords[] = {KEYWORD_none, KEYWORD_tanh};
    uint32_t approximate;
    TRY(node_word(n, "approximate", words, 0, &approximate));
    return node_result(
        n, emit1_with(n, OP_gelu, node_in(n, 0), attr_keyword(ATTR_approximate, keywords[approximate])));
}

enum status import_cast(struct node *n) {
    char text[ONNX_ELEM_TEXT];
    int64_t to = node_int(n, "to", 0);
    (void)node_int(n, "saturate", 1); /* of float8 only */
    (void)node_attr(n, "round_mode");
    enum elem elem = onnx_elem(to);
    if (!elem) return unsupported(n, "Cast to %s", onnx_elem_text(to, text));
    return node_result_as(n, node_in(n, 0), elem);
}

enum status import_cast_like(struct node *n) {
    (void)node_int(n, "saturate", 1);
    return node_result_as(n, node_in(n, 0), ref_elem(n->im, node_in(n, 1)));
}

enum status import_identity(struct node *n) {
    return node_result(n, node_in(n, 0));
}

/* At inference the identity; its mask, if anybody wants it, is all true, or all 1 before opset 10. */
enum status import_dropout(struct node *n) {
    ref x = node_in(n, 0), ratio = node_in(n, 1), training = node_in(n, 2);
    (void)node_float(n, "ratio", 0.5);
    (void)node_int(n, "seed", 0);
    const struct tensor *t = ref_none(training) ? NULL : ref_constant(n->im, training),
                        *r = ref_none(ratio) ? NULL : ref_constant(n->im, ratio);
    bool keeps_all = r && tensor_count(r) == 1 && tensor_get_f64(r, 0) == 0;
    bool trains = !ref_none(training) && (!t || tensor_count(t) != 1 || tensor_get_i64(t, 0));
    if (trains && !keeps_all) return unsupported(n, "Dropout in training mode");
    if (node_wants(n, 1)) {
        dim_id dims[MAX_RANK];
        uint32_t rank = ref_rank(n->im, x);
        for (uint32_t i = 0; i < rank; i++) dims[i] = ref_dim(n->im, x, i);
        struct attr shape = node_attr_dims(n, ATTR_shape, dims, rank);
        ref mask = emit1_with(n, OP_expand, ref_of_tensor(n->im, tensor_scalar_i64(ELEM_bool, 1)), shape);
        mask = emit_cast(n, mask, n->opset < 10 ? ref_elem(n->im, x) : ELEM_bool);
        if (ref_none(mask)) return STATUS_FAILED;
        node_out(n, 1, mask);
    }
    return node_result(n, x);
}

/* -- clip -- */

/* Bounds of integers beyond 2^53 do not survive as floats; those go through min and max. */
static bool fits_attr(const struct importer *im, enum elem elem, ref bound) {
    const struct tensor *t = ref_none(bound) ? NULL : ref_constant(im, bound);
    if (ref_none(bound)) return true;
    if (!t || tensor_count(t) != 1) return false;
    if (!elem_is_int(elem)) return !isnan(tensor_get_f64(t, 0));
    return tensor_get_i64(t, 0) >= -((int64_t)1 << 53) && tensor_get_i64(t, 0) <= (int64_t)1 << 53 &&
           (elem != ELEM_u64 || tensor_get_i64(t, 0) >= 0);
}

enum status import_clip(struct node *n) {
    ref x = node_in(n, 0), low = node_in(n, 1), high = node_in(n, 2);
    if (n->opset < 11) { /* attributes, whose defaults are the type's limits */
        double lo = node_float(n, "min", -INFINITY), hi = node_float(n, "max", INFINITY);
        return node_result(n, emit1_with(n, OP_clip, x, attr_float(ATTR_min, lo), attr_float(ATTR_max, hi)));
    }
    if (ref_none(low) && ref_none(high)) return node_result(n, x);
    enum elem elem = ref_elem(n->im, x);
    if (fits_attr(n->im, elem, low) && fits_attr(n->im, elem, high)) {
        double lo, hi;
        TRY(node_float_or_input(n, "min", 1, -INFINITY, &lo));
        TRY(node_float_or_input(n, "max", 2, INFINITY, &hi));
        return node_result(n, emit1_with(n, OP_clip, x, attr_float(ATTR_min, lo), attr_float(ATTR_max, hi)));
    }
    if (!ref_none(low)) x = emit2(n, OP_max, x, low);
    if (!ref_none(high)) x = emit2(n, OP_min, x, high);
    return node_result(n, x);
}

/* -- made of several ops -- */
static ref number(struct node *n, ref like, double value) {
    return ref_none(like) ? like : ref_f64(n->im, ref_elem(n->im, like), value);
}

enum status import_selu(struct node *n) {
    double alpha = node_float(n, "alpha", 1.67326319217681884765625);
    double gamma = node_float(n, "gamma", 1.05070102214813232421875);
    ref x = node_in_wide(n, 0);
    return node_result_narrow(
        n, emit2(n, OP_mul, emit1_with(n, OP_elu, x, attr_float(ATTR_alpha, alpha)), number(n, x, gamma)));
}

/* max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) is alpha * elu(x / alpha) with elu's alpha 1, for alpha >
 * 0. */
enum status import_celu(struct node *n) {
    double alpha = node_float(n, "alpha", 1.0);
    ref x = node_in_wide(n, 0), unit = number(n, x, alpha);
    if (alpha == 0) return node_error(n, "attribute 'alpha' is 0, by which it divides");
    ref scaled = emit2(n, OP_div, x, unit);
    if (alpha > 0)
        return node_result_narrow(
            n, emit2(n, OP_mul, emit1_with(n, OP_elu, scaled, attr_float(ATTR_alpha, 1)), unit));
    ref back =
        emit1_with(n, OP_elu, emit1(n, OP_neg, scaled), attr_float(ATTR_alpha, 1)); /* e^-z - 1 for z > 0 */
    ref curve = emit2(n, OP_mul, emit2(n, OP_mul, back, emit1(n, OP_exp, scaled)), number(n, x, -alpha));
    return node_result_narrow(n, emit3(n, OP_where, emit2(n, OP_less, x, number(n, x, 0)), curve, x));
}

enum status import_thresholded_relu(struct node *n) {
    double alpha = node_float(n, "alpha", 1.0);
    ref x = node_in(n, 0);
    return node_result(n,
                       emit3(n, OP_where, emit2(n, OP_greater, x, number(n, x, alpha)), x, number(n, x, 0)));
}

/* x + bias below -lambd, x - bias above lambd, 0 between. Integers are computed in f64, as bias and lambd are
 * floats. */
enum status import_shrink(struct node *n) {
    double lambd = node_float(n, "lambd", 0.5), bias = node_float(n, "bias", 0);
    ref x = node_in(n, 0);
    enum elem elem = ref_elem(n->im, x);
    if (!elem_is_float(elem)) x = emit_cast(n, x, ELEM_f64);
    ref below = emit2(n, OP_less, x, number(n, x, -lambd)),
        above = emit2(n, OP_greater, x, number(n, x, lambd));
    ref high = emit3(n, OP_where, above, emit2(n, OP_sub, x, number(n, x, bias)), number(n, x, 0));
    ref y = emit3(n, OP_where, below, emit2(n, OP_add, x, number(n, x, bias)), high);
    return node_result_as(n, y, elem);
}

enum status import_mish(struct node *n) {
    ref x = node_in_wide(n, 0);
    return node_result_narrow(n, emit2(n, OP_mul, x, emit1(n, OP_tanh, emit1(n, OP_softplus, x))));
}

enum status import_tan(struct node *n) {
    ref x = node_in_wide(n, 0);
    return node_result_narrow(n, emit2(n, OP_div, emit1(n, OP_sin, x), emit1(n, OP_cos, x)));
}

/* -- hyperbolic functions -- */

/* e^|x| / 2 as (h / 2) h with h = e^(|x| / 2), as e^|x| overflows before its half does; and e^-|x| / 2. */
static void half_powers(struct node *n, ref size, ref *up, ref *down) {
    ref h = emit1(n, OP_exp, emit2(n, OP_mul, size, number(n, size, 0.5)));
    *up = emit2(n, OP_mul, emit2(n, OP_mul, h, number(n, size, 0.5)), h);
    *down = emit2(n, OP_div, number(n, size, 0.25), *up);
}

enum status import_cosh(struct node *n) {
    ref up, down;
    half_powers(n, emit1(n, OP_abs, node_in_wide(n, 0)), &up, &down);
    return node_result_narrow(n, emit2(n, OP_add, up, down));
}

/* Up to 1, where the powers would cancel, by b = e^-|x| - 1: sinh |x| = -(b + b / (b + 1)) / 2. */
enum status import_sinh(struct node *n) {
    ref x = node_in_wide(n, 0), size = emit1(n, OP_abs, x), up, down;
    half_powers(n, size, &up, &down);
    ref b = emit1_with(n, OP_elu, emit1(n, OP_neg, size), attr_float(ATTR_alpha, 1));
    ref rest = emit2(n, OP_div, b, emit2(n, OP_add, b, number(n, x, 1)));
    ref near = emit2(n, OP_mul, emit2(n, OP_add, b, rest), number(n, x, -0.5));
    ref is_far = emit2(n, OP_greater, size, number(n, x, 1));
    ref y = emit3(n, OP_where, is_far, emit2(n, OP_sub, up, down), near);
    return node_result_narrow(n, emit2(n, OP_mul, y, emit1(n, OP_sign, x)));
}

/* NaN alone differs from itself. */
enum status import_isnan(struct node *n) {
    ref x = node_in(n, 0);
    return node_result(n, emit1(n, OP_not, emit2(n, OP_equal, x, x)));
}

enum status import_isinf(struct node *n) {
    bool negative = node_int(n, "detect_negative", 1) != 0, positive = node_int(n, "detect_positive", 1) != 0;
    ref x = node_in(n, 0);
    ref up = emit2(n, OP_equal, x, number(n, x, positive ? INFINITY : NAN));
    ref down = emit2(n, OP_equal, x, number(n, x, negative ? -INFINITY : NAN));
    return node_result(n, emit2(n, OP_or, up, down));
}

/* -- two and more operands -- */
#define BINARY(name)                                                                                         \
    enum status import_##name(struct node *n) {                                                              \
        return node_result(n, emit2(n, OP_##name, node_in(n, 0), node_in(n, 1)));                            \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(equal)
BINARY(less)
BINARY(less_equal)
BINARY(greater)
BINARY(greater_equal)

/* One IR op computes on truth values and on bits; ONNX tells them apart. */
static enum status bits(struct node *n, enum op_kind kind, uint32_t operands, elem_set elems) {
    ref x[2] = {{0}};
    for (uint32_t i = 0; i < operands; i++) {
        x[i] = node_in(n, i);
        enum elem elem = ref_elem(n->im, x[i]);
        if (!elem_in(elem, elems) || elem != ref_elem(n->im, x[0]))
            return node_error(n, "input %u is %s, expected %s", i, elem_name(elem),
                              i                    ? elem_name(ref_elem(n->im, x[0]))
                              : elems == ELEMS_INT ? "integers"
                                                   : "bool");
    }
    return node_result(n, emit_op(n, kind, x, operands, NULL, 0));
}

#define BITS(name, kind, operands, elems)                                                                    \
    enum status import_##name(struct node *n) {                                                              \
        return bits(n, OP_##kind, operands, elems);                                                          \
    }
BITS(and, and, 2, ELEMS_BOOL)
BITS(or, or, 2, ELEMS_BOOL)
BITS(xor, xor, 2, ELEMS_BOOL)
BITS(not, not, 1, ELEMS_BOOL)
BITS(bitwise_and, and, 2, ELEMS_INT)
BITS(bitwise_or, or, 2, ELEMS_INT)
BITS(bitwise_xor, xor, 2, ELEMS_INT)
BITS(bitwise_not, not, 1, ELEMS_INT)

/* The slope broadcasts to x, not x to the slope. */
enum status import_prelu(struct node *n) {
    ref x = node_in(n, 0), y = emit2(n, OP_prelu, x, node_in(n, 1));
    if (ref_none(y)) return STATUS_FAILED;
    bool same = ref_rank(n->im, y) == ref_rank(n->im, x);
    for (uint32_t i = 0; same && i < ref_rank(n->im, x); i++)
        same = dim_same(ref_dim(n->im, y, i), ref_dim(n->im, x, i));
    if (!same) return node_error(n, "the slope does not broadcast to the shape of input 0");
    return node_result(n, y);
}

enum status import_swish(struct node *n) {
    double alpha = node_float(n, "alpha", 1);
    ref x = node_in_wide(n, 0);
    if (alpha == 1) return node_result_narrow(n, emit1(n, OP_silu, x));
    ref bent = emit1(n, OP_sigmoid, emit2(n, OP_mul, x, number(n, x, alpha)));
    return node_result_narrow(n, emit2(n, OP_mul, x, bent));
}

enum status import_where(struct node *n) {
    return node_result(n, emit3(n, OP_where, node_in(n, 0), node_in(n, 1), node_in(n, 2)));
}

/* fmod = 1 is C's remainder, of the dividend's sign, else the remainder has the divisor's sign; the IR's mod
 * is the former for floats and the latter for integers. */
enum status import_mod(struct node *n) {
    bool fmod = node_int(n, "fmod", 0) != 0;
    ref a = node_in(n, 0), b = node_in(n, 1);
    bool floats = elem_is_float(ref_elem(n->im, a));
    ref rest = emit2(n, OP_mod, a, b);
    if (fmod == floats) return node_result(n, rest);
    if (fmod) { /* as for floored rests, 0 where b is 0 */
        ref truncated = emit2(n, OP_sub, a, emit2(n, OP_mul, b, emit2(n, OP_div, a, b)));
        ref none = number(n, a, 0);
        return node_result(n, emit3(n, OP_where, emit2(n, OP_equal, b, none), none, truncated));
    }
    ref zero = number(n, a, 0),
        negative = emit2(n, OP_xor, emit2(n, OP_less, rest, zero), emit2(n, OP_less, b, zero));
    ref wrong = emit2(n, OP_and, negative, emit1(n, OP_not, emit2(n, OP_equal, rest, zero)));
    return node_result(n, emit3(n, OP_where, wrong, emit2(n, OP_add, rest, b), rest));
}

/* An integer to a power that may be none: whole powers exactly, others by way of f64. */
static ref integer_power(struct node *n, ref a, ref b) {
    enum elem whole = ref_elem(n->im, a);
    ref rounded = emit_cast(n, b, whole), wide = emit_cast(n, b, ELEM_f64);
    ref is_whole = emit2(n, OP_equal, wide, emit_cast(n, rounded, ELEM_f64));
    ref exact = emit2(n, OP_pow, a, rounded);
    ref inexact = emit_cast(n, emit2(n, OP_pow, emit_cast(n, a, ELEM_f64), wide), whole);
    return emit3(n, OP_where, is_whole, exact, inexact);
}

/* By a power of two out of a table; 0 where nothing is left of the number. */
enum status import_bit_shift(struct node *n) {
    static const char *const directions[] = {"LEFT", "RIGHT", NULL};
    ref x = node_in(n, 0), by = node_in(n, 1);
    enum elem elem = ref_elem(n->im, x);
    int64_t bits = elem_is_int(elem) ? (int64_t)elem_bytes(elem) * 8 : 0;
    uint32_t right;
    if (!node_attr(n, "direction")) return node_error(n, "it has no direction");
    TRY(node_word(n, "direction", directions, 0, &right));
    if (!bits || elem_kind(elem) == ELEM_KIND_INT || ref_elem(n->im, by) != elem)
        return node_error(n, "it shifts %s by %s, expected unsigned integers", elem_name(elem),
                          elem_name(ref_elem(n->im, by)));
    struct tensor powers = tensor_new(elem, 1, &bits);
    for (int64_t i = 0; i < bits; i++) tensor_set_i64(&powers, i, (int64_t)((uint64_t)1 << i));
    ref within = emit2(n, OP_min, by, ref_of_tensor(n->im, tensor_scalar_i64(elem, bits - 1)));
    ref index = emit1_with(n, OP_cast, within, attr_elem(ATTR_to, ELEM_i64));
    ref factor = emit2_with(n, OP_gather, ref_of_tensor(n->im, powers), index, attr_int(ATTR_axis, 0));
    ref y = emit2(n, right ? OP_div : OP_mul, x, factor);
    ref some = emit2(n, OP_less, by, ref_of_tensor(n->im, tensor_scalar_i64(elem, bits)));
    return node_result(n, emit3(n, OP_where, some, y, ref_of_tensor(n->im, tensor_scalar_i64(elem, 0))));
}

/* True if all numbers of one type, or these constants of it, are numbers of the float type, too. */
static bool has_all(const struct importer *im, enum elem elem, ref r) {
    const struct tensor *t = ref_constant(im, r);
    enum elem from = ref_elem(im, r);
    bool same = true;
    if (t) {
        struct tensor there = tensor_cast(t, elem), back = tensor_cast(&there, from);
        same = !memcmp(back.data, t->data, tensor_bytes(t));
        tensor_free(&there);
        tensor_free(&back);
        return same;
    }
    if (elem_is_float(from)) return elem_bytes(from) < elem_bytes(elem);
    return elem_bits(from) <= (elem == ELEM_f64 ? 32 : elem == ELEM_f32 ? 16 : 8);
}

/* A type in which both base and exponent are exact, as far as there is one. */
static enum elem common_elem(const struct importer *im, ref base, ref exponent) {
    enum elem elem = ref_elem(im, base);
    if (elem_is_int(elem))
        return elem_in(ref_elem(im, exponent), ELEMS_UINT) ||
                       elem_bytes(ref_elem(im, exponent)) > elem_bytes(elem)
                   ? ELEM_i64
                   : elem;
    if (has_all(im, elem, exponent)) return elem;
    return elem_bytes(elem) == 2 && has_all(im, ELEM_f32, exponent) ? ELEM_f32 : ELEM_f64;
}

/* The result has the base's type. */
enum status import_pow(struct node *n) {
    ref a = node_in(n, 0), b = node_in(n, 1);
    enum elem base = ref_elem(n->im, a), exponent = ref_elem(n->im, b);
    if (base == exponent) return node_result(n, emit2(n, OP_pow, a, b));
    if (elem_is_int(base) && elem_is_float(exponent)) return node_result(n, integer_power(n, a, b));
    enum elem elem = common_elem(n->im, a, b);
    return node_result_as(n, emit2(n, OP_pow, emit_cast(n, a, elem), emit_cast(n, b, elem)), base);
}

/* Two operands are rounded once; of more, floats may be summed wide. */
static ref fold_left(struct node *n, enum op_kind kind, bool wide) {
    ref y = wide ? node_in_wide(n, 0) : node_in(n, 0);
    for (uint32_t i = 1; i < n->proto->n_input; i++) {
        ref x = wide ? node_in_wide(n, i) : node_in(n, i);
        if (ref_none(x)) {
            node_error(n, "input %u is missing", i);
            return (ref){0};
        }
        y = emit2(n, kind, y, x);
    }
    return y;
}

enum status import_min(struct node *n) {
    return node_result(n, fold_left(n, OP_min, false));
}
enum status import_max(struct node *n) {
    return node_result(n, fold_left(n, OP_max, false));
}
enum status import_sum(struct node *n) {
    return node_result_narrow(n, fold_left(n, OP_add, n->proto->n_input > 2));
}
enum status import_mean(struct node *n) {
    if (n->proto->n_input == 1) return node_result(n, node_in(n, 0));
    ref sum = fold_left(n, OP_add, true);
    return node_result_narrow(n, emit2(n, OP_div, sum, number(n, sum, (double)n->proto->n_input)));
}
