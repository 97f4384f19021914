/* quantize and dequantize: between floats and the integers that stand for them. */
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"
#include "ir/ops/scalar.h"
#include "ir/quant.h"

enum status infer_quantize(struct infer *infer) {
    const struct op *op = infer->op;
    enum elem to = op_attr(op, ATTR_to)->elem;
    double scale = op_float(op, ATTR_scale);
    int64_t zero = op_int(op, ATTR_zero);
    if (!elem_in(to, QUANTIZED_ELEMS))
        return infer_error(infer, "attribute to is %s, expected i8, u8, i16 or u16", elem_name(to));
    if (!((float)scale > 0 && isfinite((float)scale)))
        return infer_error(infer, "attribute scale is %g, expected a positive, finite f32", scale);
    if (zero < elem_min(to) || zero > elem_max(to))
        return infer_error(infer, "attribute zero is %lld, expected a value of %s", (long long)zero,
                           elem_name(to));
    struct quant quant = {.axis = -1, .literal = true, .scale = scale, .zero = zero};
    infer->results[0] = type_make(to, infer_operand(infer, 0).shape);
    infer->results[0].quant = quant_make(&infer->m->types, quant);
    return STATUS_OK;
}

enum status eval_pointwise_quantize(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    float scale = (float)op_float(eval->op, ATTR_scale);
    int32_t zero = (int32_t)op_int(eval->op, ATTR_zero);
    enum elem to = eval->out->elem;
    for (int64_t i = 0, n = tensor_count(x); i < n; i++) {
        int32_t q;
        if (eval->f64) {
            double nearest = nearbyint(((const double *)x->data)[i] / (double)scale) + zero;
            q = isnan(nearest) ? zero
                               : (int32_t)fmin(fmax(nearest, (double)elem_min(to)), (double)elem_max(to));
        } else {
            q = quantize_f32(((const float *)x->data)[i], scale, zero, to);
        }
        tensor_set_i64(eval->out, i, q);
    }
    return STATUS_OK;
}

enum status infer_dequantize(struct infer *infer) {
    struct type x = value_get(infer->m, infer->op->operand[0])->type;
    if (!x.quant.i)
        return infer_error(infer, "operand x is %s without a quant, expected quantized integers",
                           elem_name(x.elem));
    infer->results[0] = type_make(ELEM_f32, x.shape);
    return STATUS_OK;
}

/* The operand arrives decoded (ir/quant.h): what is left is to hand it on. */
enum status eval_pointwise_dequantize(const struct eval *eval) {
    return eval_copy(eval);
}
