/* Pointwise ops in the error analysis: the op at all corners of its operands' intervals, and what is rounded
 * on the way. */
#include "test/support/fuzz/bound.h"

#include <math.h>
#include <stdlib.h>

/* Units of roundoff: of the result, of the operands' sizes, and absolute. Ops that are not here round once.
 */
static const struct rounding {
    double result, operands, absolute;
} roundings[OP_COUNT] = {
    /* exact */
    [OP_identity] = {0},
    [OP_relu] = {0},
    [OP_neg] = {0},
    [OP_abs] = {0},
    [OP_sign] = {0},
    [OP_floor] = {0},
    [OP_ceil] = {0},
    [OP_round] = {0},
    [OP_min] = {0},
    [OP_max] = {0},
    [OP_where] = {0},
    /* one or two roundings; numbers in attributes are rounded too. A pass may take a product apart or a sum
     * together, so that sums round by their terms. */
    [OP_clip] = {1},
    [OP_cast] = {1},
    [OP_dequantize] = {1},
    [OP_add] = {1, 2},
    [OP_sub] = {1, 2},
    [OP_mul] = {3},
    [OP_div] = {4},
    [OP_mod] = {1},
    [OP_prelu] = {3},
    [OP_leaky_relu] = {3},
    [OP_sqrt] = {2},
    [OP_reciprocal] = {3},
    /* functions: the bounds of codegen/vmath.h with room to spare; formulas of several of them may cancel */
    [OP_exp] = {6},
    [OP_log] = {6},
    [OP_sin] = {6},
    [OP_cos] = {6},
    [OP_asin] = {8},
    [OP_acos] = {8},
    [OP_atan] = {8},
    [OP_asinh] = {8},
    [OP_acosh] = {8},
    [OP_atanh] = {8},
    [OP_tanh] = {6},
    [OP_erf] = {6},
    [OP_sigmoid] = {8},
    [OP_softplus] = {8},
    [OP_softsign] = {4},
    [OP_pow] = {16},
    [OP_silu] = {10, 1},
    [OP_gelu] = {10, 6},
    [OP_elu] = {8, 0, 4},
    [OP_hard_sigmoid] = {4, 4, 4},
    [OP_hard_swish] = {6, 4},
};

/* -- broadcasting -- */
static int64_t operand_index(const struct tensor *out, const struct tensor *in, int64_t i) {
    int64_t index = 0, stride = 1;
    for (uint32_t d = 0; d < out->rank; d++) { /* from the last dimension */
        int64_t at = i % out->dim[out->rank - 1 - d];
        i /= out->dim[out->rank - 1 - d];
        if (d >= in->rank) continue;
        int64_t extent = in->dim[in->rank - 1 - d];
        index += (extent == 1 ? 0 : at) * stride;
        stride *= extent;
    }
    return index;
}

static double value_at(const struct bounded *b, int64_t i) {
    return elem_is_float(b->value.elem) ? tensor_get_f64(&b->value, i) : (double)tensor_get_i64(&b->value, i);
}

/* -- corners -- */
static void widen(const struct bound_step *s, const struct tensor *corner) {
    bool real = elem_is_float(s->out->value.elem);
    for (int64_t i = 0, n = tensor_count(corner); i < n; i++) {
        double *e = &s->out->error[i];
        if (!real) {
            int64_t x = tensor_get_i64(corner, i), y = tensor_get_i64(&s->out->value, i);
            *e = fmax(*e, fabs((double)x - (double)y));
            continue;
        }
        double x = tensor_get_f64(corner, i), y = tensor_get_f64(&s->out->value, i);
        if (isfinite(x) && isfinite(y))
            *e = fmax(*e, fabs(x - y));
        else if (!(x == y || (isnan(x) && isnan(y))))
            *e = INFINITY;
    }
}

/* Evaluates the op with operand k moved by sign[k]. */
static void visit_corner(const struct bound_step *s, const int *sign) {
    struct tensor moved[3] = {{0}};
    const struct tensor *in[3] = {0};
    for (uint32_t k = 0; k < s->operands; k++) {
        moved[k] = bound_moved(s->in[k], sign[k]);
        in[k] = &moved[k];
    }
    struct tensor corner = bound_eval(s, in);
    widen(s, &corner);
    tensor_free(&corner);
    for (uint32_t k = 0; k < s->operands; k++) tensor_free(&moved[k]);
}

static void visit_corners(const struct bound_step *s) {
    bool unsure[3] = {false};
    for (uint32_t k = 0; k < s->operands; k++) unsure[k] = bound_any(s->in[k]);
    for (int code = 0; code < 27; code++) {
        int sign[3] = {code % 3 - 1, code / 3 % 3 - 1, code / 9 - 1};
        bool all = true;
        for (uint32_t k = 0; k < 3; k++) {
            bool there = k < s->operands && unsure[k];
            all = all && (there || sign[k] == 0);
        }
        if (all && (sign[0] || sign[1] || sign[2])) visit_corner(s, sign);
    }
}

/* -- what corners do not show -- */
/* Operand k is where the op has a pole, so that an interval around 0 says nothing. */
static bool has_pole(enum op_kind kind, uint32_t k) {
    return ((kind == OP_div || kind == OP_mod) && k == 1) ||
           ((kind == OP_reciprocal || kind == OP_pow) && k == 0);
}

/* The remainder jumps where the quotient comes to another integer; of integers it may where an operand is
 * unsure. */
static bool may_jump(double a, double a_error, double b, double b_error, bool real) {
    if (a_error == 0 && b_error == 0) return false;
    if (!real || fabs(b) <= b_error) return true;
    double least = fmax(fabs(a) - a_error, 0) / (fabs(b) + b_error);
    double most = (fabs(a) + a_error) / (fabs(b) - b_error);
    return floor(least) != floor(most);
}

static void look_inside(const struct bound_step *s, int64_t i) {
    double v[3] = {0}, e[3] = {0}, *error = &s->out->error[i];
    for (uint32_t k = 0; k < s->operands; k++) {
        int64_t at = operand_index(&s->out->value, &s->in[k]->value, i);
        v[k] = value_at(s->in[k], at);
        e[k] = s->in[k]->error[at];
        if (isinf(e[k])) *error = INFINITY;
        if (has_pole(s->op->kind, k) && e[k] > 0 && fabs(v[k]) <= e[k]) *error = INFINITY;
    }
    /* Waves turn between the corners, but are no steeper than 1. */
    if (s->op->kind == OP_sin || s->op->kind == OP_cos) *error = fmax(*error, fmin(e[0], 2));
    /* In f32 the quotient is rounded before it is rounded to an integer. */
    if (s->op->kind == OP_quantize) {
        double quotient = fabs(v[0] / op_float(s->op, ATTR_scale)),
               to_jump = fabs(quotient - floor(quotient) - 0.5);
        if (to_jump <= 0x1p-22 * quotient) *error = fmax(*error, 1);
    }
    /* A remainder that jumps may land anywhere below the divisor. */
    bool finite = isfinite(v[0]) && isfinite(v[1]);
    if (s->op->kind == OP_mod && finite && may_jump(v[0], e[0], v[1], e[1], elem_is_float(s->elem)))
        *error = INFINITY;
    if (s->op->kind == OP_equal && e[0] + e[1] > 0 && fabs(v[0] - v[1]) <= e[0] + e[1]) *error = INFINITY;
    if (s->op->kind == OP_cast && s->elem == ELEM_bool && e[0] > 0 && fabs(v[0]) <= e[0]) *error = INFINITY;
}

/* In f64 a power is as good as its logarithm: codegen/vmath.h. */
static double exponent_units(const struct bound_step *s, int64_t i) {
    const struct tensor *out = &s->out->value;
    double x = value_at(s->in[0], operand_index(out, &s->in[0]->value, i)),
           y = value_at(s->in[1], operand_index(out, &s->in[1]->value, i)), exponent = fabs(y * log(fabs(x)));
    return isfinite(exponent) ? 2.5 * exponent : 0;
}

static void round_result(const struct bound_step *s, int64_t i) {
    struct rounding r = roundings[s->op->kind];
    double *error = &s->out->error[i], y = tensor_get_f64(&s->out->value, i), unit = bound_unit(s->elem),
           sizes = 0;
    if (!isfinite(y) || isinf(*error)) return;
    if (r.operands > 0)
        for (uint32_t k = 0; k < s->operands; k++) {
            int64_t at = operand_index(&s->out->value, &s->in[k]->value, i);
            double size = fabs(value_at(s->in[k], at)) + s->in[k]->error[at];
            if (isfinite(size)) sizes += size;
        }
    if (s->op->kind == OP_pow && s->elem == ELEM_f64) r.result += exponent_units(s, i);
    double units = r.result * (fabs(y) + *error) + r.operands * sizes + r.absolute;
    *error = *error * (1 + 0x1p-10) + unit * units;
    bool exact = r.result == 0 && r.operands == 0;
    if (!exact) *error += 4 * bound_tiny(s->elem);
}

void bound_pointwise(const struct bound_step *s) {
    visit_corners(s);
    bool real = elem_is_float(s->elem);
    for (int64_t i = 0, n = tensor_count(&s->out->value); i < n; i++) {
        look_inside(s, i);
        if (real) round_result(s, i);
    }
}
