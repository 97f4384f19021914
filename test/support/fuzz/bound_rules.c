/* Rules of the error analysis for all but pointwise ops. */
#include "test/support/fuzz/bound.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void all_unknown(struct bounded *b) {
    for (int64_t i = 0, n = tensor_count(&b->value); i < n; i++) b->error[i] = INFINITY;
}

static bool any_unsure(const struct bound_step *s) {
    for (uint32_t i = 0; i < s->operands; i++)
        if (s->in[i] && bound_any(s->in[i])) return true;
    return false;
}

/* -- sums -- */
enum part { PART_SIZE, PART_SIZE_AND_ERROR, PART_UNKNOWN, PART_MAYBE_ZERO, PART_NOT_FINITE, PART_ONE };

/* Zero within its error; or a denormal, which a factor that is multiplied in first can make zero. */
static bool is_maybe_zero(const struct bounded *b, int64_t i) {
    double size = fabs(tensor_get_f64(&b->value, i)), error = b->error[i];
    return (size > 0 || error > 0) && (size <= error || size < FLT_MIN);
}

/* |x|, |x| + e, 1 where nothing is known (x may be zero or not, is not finite) and 0 elsewhere, or 1. NaN and
 * infinities count as 0 in sizes: what they reach is not finite, and sure. */
static struct tensor part_of(const struct bounded *b, enum part part) {
    struct tensor t = tensor_copy(&b->value);
    for (int64_t i = 0, n = tensor_count(&t); i < n; i++) {
        double size = fabs(tensor_get_f64(&t, i)), part_value = 1;
        bool unknown = isinf(b->error[i]);
        if (!isfinite(size)) size = 0;
        if (part == PART_SIZE) part_value = size;
        if (part == PART_SIZE_AND_ERROR) part_value = unknown ? size : size + b->error[i];
        if (part == PART_UNKNOWN) part_value = unknown;
        if (part == PART_MAYBE_ZERO) part_value = is_maybe_zero(b, i);
        if (part == PART_NOT_FINITE) part_value = !isfinite(tensor_get_f64(&b->value, i));
        tensor_set_f64(&t, i, part_value);
    }
    return t;
}

/* The op on parts of its operands; operand `special` takes another part. */
static struct tensor eval_parts(const struct bound_step *s, enum part part, uint32_t special,
                                enum part other) {
    struct tensor part_tensor[8] = {{0}};
    const struct tensor *in[8] = {0};
    for (uint32_t i = 0; i < s->operands; i++) {
        if (!s->in[i]) continue;
        part_tensor[i] = part_of(s->in[i], i == special ? other : part);
        in[i] = &part_tensor[i];
    }
    struct tensor out = bound_eval(s, in);
    for (uint32_t i = 0; i < s->operands; i++) tensor_free(&part_tensor[i]);
    return out;
}

/* What depends on something of which nothing is known. */
static void spread_unknown(const struct bound_step *s, uint32_t operand) {
    bool any = false;
    for (int64_t i = 0, n = tensor_count(&s->in[operand]->value); i < n; i++)
        any = any || isinf(s->in[operand]->error[i]);
    if (!any) return;
    if (s->op->kind == OP_reduce_prod || operand > 1) {
        all_unknown(s->out);
        return;
    }
    struct tensor reached = eval_parts(s, PART_ONE, operand, PART_UNKNOWN);
    struct tensor bias = s->operands > 2 && s->in[2] ? part_of(s->in[2], PART_ONE) : (struct tensor){0};
    double floor = bias.data ? 1 : 0; /* a bias of ones adds one */
    for (int64_t i = 0, n = tensor_count(&reached); i < n; i++)
        if (tensor_get_f64(&reached, i) > floor) s->out->error[i] = INFINITY;
    tensor_free(&reached);
    tensor_free(&bias);
}

/* An infinity times what may be zero or not is NaN or an infinity: the weight of a position that attention
 * hides or that underflows in f32. */
static void spread_maybe_zero(const struct bound_step *s, uint32_t operand) {
    const struct bounded *x = s->in[operand], *y = s->in[1 - operand];
    bool zero = false, infinite = false;
    for (int64_t i = 0, n = tensor_count(&x->value); i < n && !zero; i++) zero = is_maybe_zero(x, i);
    for (int64_t i = 0, n = tensor_count(&y->value); i < n && !infinite; i++)
        infinite = !isfinite(tensor_get_f64(&y->value, i));
    if (!zero || !infinite) return;
    struct tensor reached = eval_parts(s, PART_NOT_FINITE, operand, PART_MAYBE_ZERO);
    for (int64_t i = 0, n = tensor_count(&reached); i < n; i++)
        if (tensor_get_f64(&reached, i) > 0) s->out->error[i] = INFINITY;
    tensor_free(&reached);
}

static bool any_outside(const struct tensor *t, double least, double most) {
    for (int64_t i = 0, n = tensor_count(t); i < n; i++) {
        double size = fabs(tensor_get_f64(t, i));
        if (size != 0 && !(size >= least && size <= most)) return true;
    }
    return false;
}

static bool is_padded(const struct op *op) {
    uint32_t n;
    bool padded = false;
    if (!op_info_attr(op_info(op->kind), ATTR_pad)) return false;
    const int64_t *pad = op_ints(op, ATTR_pad, &n);
    for (uint32_t i = 0; i < n; i++) padded = padded || pad[i];
    return padded;
}

/* Where the order of the operations decides: products of many sizes; and padding, which an infinite weight
 * turns into NaN if it is multiplied and not skipped. Transposed convolutions may pad their kernels too. */
static bool order_decides(const struct bound_step *s) {
    if (s->op->kind == OP_reduce_prod) return any_outside(&s->in[0]->value, 1e-6, 1e6);
    bool transposed = s->op->kind == OP_conv_transpose1d || s->op->kind == OP_conv_transpose2d;
    if (transposed && any_outside(&s->in[0]->value, 0, DBL_MAX)) return true;
    bool kernel = op_info(s->op->kind)->class == CLASS_CONTRACTION && is_padded(s->op);
    return kernel && any_outside(&s->in[1]->value, 0, DBL_MAX);
}

void bound_sum(const struct bound_step *s, double terms) {
    if (!elem_is_float(s->elem)) {
        if (any_unsure(s)) all_unknown(s->out);
        return;
    }
    if (order_decides(s)) {
        all_unknown(s->out);
        return;
    }
    struct tensor size = eval_parts(s, PART_SIZE, UINT32_MAX, PART_SIZE);
    struct tensor with_error = eval_parts(s, PART_SIZE_AND_ERROR, UINT32_MAX, PART_SIZE);
    double unit = bound_unit(s->elem), sum_unit = bound_sum_unit(s->elem);
    double relative = terms * sum_unit + 2 * unit;
    for (int64_t i = 0, n = tensor_count(&size); i < n; i++) {
        double a = tensor_get_f64(&size, i), b = tensor_get_f64(&with_error, i);
        double *e = &s->out->error[i];
        if (isfinite(tensor_get_f64(&s->out->value, i))) /* else it is sure, unless told otherwise below */
            *e = b - a + (relative + 0x1p-50) * b + (terms + 1) * bound_tiny(s->elem);
        if (b * terms > 1e38 && s->elem != ELEM_f64) *e = INFINITY; /* a sum on the way may overflow */
    }
    tensor_free(&size);
    tensor_free(&with_error);
    for (uint32_t k = 0; k < s->operands; k++)
        if (s->in[k]) spread_unknown(s, k);
    for (uint32_t k = 0; k < 2 && op_info(s->op->kind)->class == CLASS_CONTRACTION; k++)
        spread_maybe_zero(s, k);
}

/* -- movement -- */
/* The errors as a tensor of the operand's type: of integers and bool, 1 where it is not sure. */
static struct tensor error_tensor(const struct bounded *b) {
    struct tensor t = tensor_new(b->value.elem, b->value.rank, b->value.dim);
    for (int64_t i = 0, n = tensor_count(&t); i < n; i++) {
        if (elem_is_float(t.elem))
            tensor_set_f64(&t, i, b->error[i]);
        else
            tensor_set_i64(&t, i, b->error[i] != 0);
    }
    return t;
}

/* op(errors) - op(0): padding has a value of its own. All results, the caller's. */
static void move_errors(const struct bound_step *s, uint32_t result, double *out) {
    struct tensor *errors = xcalloc(s->operands, sizeof *errors),
                  *zeros = xcalloc(s->operands, sizeof *zeros);
    const struct tensor **in = xcalloc(s->operands, sizeof *in), **none = xcalloc(s->operands, sizeof *none);
    bool lookup = s->op->kind == OP_gather || s->op->kind == OP_embedding;
    uint32_t index = s->op->kind == OP_gather ? 1 : 0;
    for (uint32_t i = 0; i < s->operands; i++) {
        const struct tensor *v = &s->in[i]->value;
        if (lookup && i == index) {
            in[i] = none[i] = v;
            continue;
        }
        errors[i] = error_tensor(s->in[i]);
        zeros[i] = tensor_new(v->elem, v->rank, v->dim);
        in[i] = &errors[i];
        none[i] = &zeros[i];
    }
    struct tensor moved[MAX_RESULTS], still[MAX_RESULTS];
    struct eval eval = {.m = s->m, .op = s->op, .f64 = true, .ordered = true, .diag = s->diag};
    for (int pass = 0; pass < 2; pass++) {
        struct tensor *to = pass ? still : moved;
        for (uint32_t r = 0; r < s->op->result_count; r++)
            to[r] = tensor_new(s->out[r].value.elem, s->out[r].value.rank, s->out[r].value.dim);
        eval.in = pass ? none : in;
        eval.out = to;
        check(op_info(s->op->kind)->eval(&eval) == STATUS_OK);
    }
    bool real = elem_is_float(s->out[result].value.elem);
    for (int64_t i = 0, n = tensor_count(&moved[result]); i < n; i++) {
        double e =
            real ? fabs(tensor_get_f64(&moved[result], i) - tensor_get_f64(&still[result], i))
                 : (tensor_get_i64(&moved[result], i) != tensor_get_i64(&still[result], i) ? INFINITY : 0);
        out[i] = e;
    }
    for (uint32_t r = 0; r < s->op->result_count; r++) {
        tensor_free(&moved[r]);
        tensor_free(&still[r]);
    }
    for (uint32_t i = 0; i < s->operands; i++) {
        tensor_free(&errors[i]);
        tensor_free(&zeros[i]);
    }
    free(errors);
    free(zeros);
    free(in);
    free(none);
}

/* Where the interpolated sample lies is rounded too: by u times the position. */
static void add_interpolation(const struct bound_step *s) {
    double most = 0, unit = bound_unit(s->elem), extents = 8;
    const struct tensor *x = &s->in[0]->value;
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        double v = fabs(tensor_get_f64(x, i));
        if (isfinite(v)) most = fmax(most, v);
    }
    for (uint32_t i = 0; i < x->rank; i++) extents += (double)x->dim[i];
    for (int64_t i = 0, n = tensor_count(&s->out->value); i < n; i++)
        s->out->error[i] += 2 * most * (unit + extents * bound_sum_unit(s->elem));
}

void bound_movement(const struct bound_step *s) {
    bool lookup = s->op->kind == OP_gather || s->op->kind == OP_embedding;
    const struct bounded *index = lookup ? s->in[s->op->kind == OP_gather ? 1 : 0] : NULL;
    for (uint32_t r = 0; r < s->op->result_count; r++) {
        if (index && bound_any(index)) all_unknown(&s->out[r]);
        if (!index || !bound_any(index)) move_errors(s, r, s->out[r].error);
    }
    if (s->op->kind == OP_resize && op_keyword(s->op, ATTR_mode) == KEYWORD_linear) add_interpolation(s);
}

/* -- largest and smallest -- */
void bound_largest(const struct bound_step *s) {
    if (!any_unsure(s)) return;
    if (!elem_is_float(s->elem)) {
        all_unknown(s->out);
        return;
    }
    struct tensor up = bound_moved(s->in[0], 1), down = bound_moved(s->in[0], -1);
    struct tensor high = bound_eval(s, (const struct tensor *[]){&up});
    struct tensor low = bound_eval(s, (const struct tensor *[]){&down});
    for (int64_t i = 0, n = tensor_count(&high); i < n; i++) {
        double v = tensor_get_f64(&s->out->value, i), h = tensor_get_f64(&high, i),
               l = tensor_get_f64(&low, i);
        if (isfinite(v))
            s->out->error[i] = fmax(h - v, v - l);
        else /* an unknown element could be NaN */
            s->out->error[i] = (isnan(v) && isnan(h) && isnan(l)) || (v == h && v == l) ? 0 : INFINITY;
    }
    bool unknown = false;
    for (int64_t i = 0, n = tensor_count(&s->in[0]->value); i < n; i++)
        unknown = unknown || isinf(s->in[0]->error[i]);
    for (int64_t i = 0, n = tensor_count(&high); unknown && i < n; i++)
        if (!isfinite(tensor_get_f64(&s->out->value, i))) s->out->error[i] = INFINITY;
    tensor_free(&up);
    tensor_free(&down);
    tensor_free(&high);
    tensor_free(&low);
}

/* -- rows along an axis: element k of row r is number start(r) + k * step -- */
struct rows {
    int64_t count, length, step;
};

static struct rows rows_of(const struct bound_step *s) {
    const struct tensor *x = &s->in[0]->value;
    int64_t axis = op_int(s->op, ATTR_axis), inner = 1;
    if (axis < 0) axis += x->rank;
    for (uint32_t i = (uint32_t)axis + 1; i < x->rank; i++) inner *= x->dim[i];
    int64_t length = x->dim[axis];
    return (struct rows){length ? tensor_count(x) / length : 0, length, inner};
}

static int64_t row_start(const struct rows *rows, int64_t r) {
    return r / rows->step * rows->step * rows->length + r % rows->step;
}

void bound_arg(const struct bound_step *s) {
    if (!any_unsure(s)) return;
    if (!elem_is_float(s->in[0]->value.elem)) {
        all_unknown(s->out);
        return;
    }
    struct rows rows = rows_of(s);
    double sign = s->op->kind == OP_argmax ? 1 : -1;
    for (int64_t r = 0; r < rows.count; r++) {
        int64_t start = row_start(&rows, r), best = start + tensor_get_i64(&s->out->value, r) * rows.step;
        double v = sign * tensor_get_f64(&s->in[0]->value, best), e = s->in[0]->error[best];
        bool sure = !isinf(e);
        for (int64_t k = 0; k < rows.length; k++) {
            int64_t at = start + k * rows.step;
            double other = sign * tensor_get_f64(&s->in[0]->value, at), slack = e + s->in[0]->error[at];
            if (at != best && slack > 0 && !(other + slack < v)) sure = false;
        }
        if (!sure) s->out->error[r] = INFINITY;
    }
}

/* Element b of its row stands where it stands if no other may change places with it. */
static bool stands(const struct bounded *x, const struct rows *rows, int64_t start, int64_t b) {
    double v = tensor_get_f64(&x->value, start + b * rows->step), e = x->error[start + b * rows->step];
    for (int64_t k = 0; k < rows->length; k++) {
        int64_t at = start + k * rows->step;
        double slack = e + x->error[at];
        if (k != b && slack > 0 && !(fabs(tensor_get_f64(&x->value, at) - v) > slack)) return false;
    }
    return !isinf(e);
}

/* The k-th largest number moves by no more than the one that moves most. */
void bound_topk(const struct bound_step *s) {
    const struct bounded *x = s->in[0];
    struct bounded *y = &s->out[0], *indices = &s->out[1];
    if (!any_unsure(s)) return;
    if (!elem_is_float(x->value.elem)) {
        all_unknown(y);
        all_unknown(indices);
        return;
    }
    struct rows rows = rows_of(s);
    int64_t count = op_int(s->op, ATTR_count);
    for (int64_t r = 0; r < rows.count; r++) {
        double most = 0;
        for (int64_t k = 0; k < rows.length; k++)
            most = fmax(most, x->error[row_start(&rows, r) + k * rows.step]);
        for (int64_t k = 0; k < count; k++) {
            int64_t at = (r / rows.step * count + k) * rows.step + r % rows.step;
            y->error[at] = most;
            if (!stands(x, &rows, row_start(&rows, r), tensor_get_i64(&indices->value, at)))
                indices->error[at] = INFINITY;
        }
    }
}

/* -- scatter: an update after the other -- */
struct guess {
    double value, error;
};

/* What was near the largest number on the way may have become an infinity. */
static struct guess taken_together(enum keyword reduction, struct guess a, struct guess b, enum elem elem) {
    if (reduction == KEYWORD_none) return b;
    struct guess y = {a.value * b.value,
                      fabs(a.value) * b.error + fabs(b.value) * a.error + a.error * b.error};
    if (reduction == KEYWORD_add) y = (struct guess){a.value + b.value, a.error + b.error};
    if (reduction == KEYWORD_max || reduction == KEYWORD_min) {
        bool first = isnan(a.value) || (reduction == KEYWORD_max ? a.value > b.value : a.value < b.value);
        return (struct guess){first ? a.value : b.value, fmax(a.error, b.error)};
    }
    y.error += (fabs(y.value) + y.error) * bound_unit(elem) + bound_tiny(elem);
    bool near_most = isfinite(y.value) && fabs(y.value) + y.error > bound_most(elem) * (1 - 0x1p-8);
    if (near_most || isnan(y.error)) y.error = INFINITY;
    return y;
}

void bound_scatter(const struct bound_step *s) {
    const struct bounded *x = s->in[0], *indices = s->in[1], *updates = s->in[2];
    bool real = elem_is_float(s->elem);
    if (bound_any(indices) || (!real && any_unsure(s))) {
        all_unknown(s->out);
        return;
    }
    if (!real) return;
    int64_t extent = x->value.dim[0], n = tensor_count(&x->value), inner = extent ? n / extent : 0;
    struct guess *y = xcalloc((size_t)n + 1, sizeof *y);
    for (int64_t i = 0; i < n; i++) y[i] = (struct guess){tensor_get_f64(&x->value, i), x->error[i]};
    for (int64_t i = 0; i < tensor_count(&indices->value) * inner; i++) {
        int64_t index = tensor_get_i64(&indices->value, i / inner), row = index < 0 ? index + extent : index;
        struct guess update = {tensor_get_f64(&updates->value, i), updates->error[i]},
                     *at = &y[row * inner + i % inner];
        *at = taken_together(op_keyword(s->op, ATTR_reduction), *at, update, s->elem);
    }
    for (int64_t i = 0; i < n; i++)
        s->out->error[i] = isfinite(y[i].value) ? y[i].error : isinf(y[i].error) ? INFINITY : 0;
    free(y);
}

void bound_softmax(const struct bound_step *s) {
    struct rows rows = rows_of(s);
    const struct bounded *x = s->in[0];
    bool logarithm = s->op->kind == OP_log_softmax;
    double unit = bound_unit(s->elem), sum_unit = bound_sum_unit(s->elem);
    for (int64_t r = 0; r < rows.count; r++) {
        int64_t start = row_start(&rows, r);
        double most = -INFINITY, error = 0, sum = 0;
        for (int64_t k = 0; k < rows.length; k++) {
            most = fmax(most, tensor_get_f64(&x->value, start + k * rows.step));
            error = fmax(error, x->error[start + k * rows.step]);
        }
        for (int64_t k = 0; k < rows.length; k++)
            sum += exp(tensor_get_f64(&x->value, start + k * rows.step) - most);
        double terms = (double)rows.length * sum_unit + 16 * unit;
        for (int64_t k = 0; k < rows.length; k++) {
            int64_t at = start + k * rows.step;
            double y = tensor_get_f64(&s->out->value, at), below = most - tensor_get_f64(&x->value, at);
            double argument = isfinite(below) ? 4 * unit * below : 0, *e = &s->out->error[at];
            if (isinf(error))
                *e = INFINITY;
            else if (!isfinite(y))
                *e = 0;
            else if (logarithm)
                *e = 2 * error + terms + argument + 4 * unit * (fabs(y) + fabs(log(sum)));
            else
                *e = y * (expm1(2 * error) + terms + argument) + 8 * bound_tiny(s->elem);
        }
    }
}
