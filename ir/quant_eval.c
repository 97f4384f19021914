/* Reference evaluation of ops with quantized or narrowly stored operands: the op's own evaluation does the
 * sums, on integers held in f64, where they are exact, or on decoded operands. */
#include "ir/quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STORED = 4 }; /* operands of an op that may be stored */

/* q - zero as f64. */
static struct tensor centred(const struct types *types, struct type type, const struct tensor *t) {
    struct quant_view v;
    quant_view(types, type, t, &v);
    struct tensor out = tensor_new(ELEM_f64, t->rank, t->dim);
    for (int64_t i = 0, n = tensor_count(t); i < n; i++)
        ((double *)out.data)[i] =
            (double)(tensor_get_i64(t, i) - quant_zero(&v, quant_scale_index(&v.q, t, i)));
    return out;
}

static int32_t wrap_i32(double sum) {
    return (int32_t)(uint32_t)(uint64_t)(int64_t)sum;
}

/* Position along dimension `dim` of element i. */
static int64_t coordinate(const struct tensor *t, int32_t dim, int64_t i) {
    int64_t inner = 1;
    for (uint32_t d = (uint32_t)dim + 1; d < t->rank; d++) inner *= t->dim[d];
    return i / inner % t->dim[dim];
}

struct factor {
    struct quant_view view;
    int32_t dim;     /* of the result, along which the scale varies; -1: it does not */
    uint32_t *index; /* of the scale for each coordinate of dim */
};

static struct factor factor_of(const struct eval *eval, uint32_t i) {
    struct factor f = {.dim = op_scale_dim(eval->m, eval->op, i, NULL)};
    quant_view(&eval->m->types, value_get(eval->m, eval->op->operand[i])->type, eval->in[i], &f.view);
    if (f.dim >= 0) {
        f.index = xcalloc((size_t)max_i64(eval->out->dim[f.dim], 1), sizeof *f.index);
        (void)op_scale_dim(eval->m, eval->op, i, f.index);
    }
    return f;
}

static float factor_scale(const struct factor *f, const struct tensor *y, int64_t i) {
    return quant_scale(&f->view, f->dim < 0 ? 0 : f->index[coordinate(y, f->dim, i)]);
}

/* The dimension of the result that a bias goes along: that of its only dimension. */
static int32_t bias_dim(const struct eval *eval) {
    struct channel_map map = {.m = eval->m, .op = eval->op};
    int32_t dim = -1;
    op_info(eval->op->kind)->channels(&map);
    for (uint32_t l = 0; l < map.links.count; l++) {
        if (map.links.at[l].a.port == 2) dim = (int32_t)map.links.at[l].b.dim;
        if (map.links.at[l].b.port == 2) dim = (int32_t)map.links.at[l].a.dim;
    }
    vec_free(&map.links);
    vec_free(&map.frozen);
    return dim;
}

static void scale_products(const struct eval *eval, const struct tensor *sum) {
    const struct tensor *bias = eval->op->operand_count > 2 ? eval->in[2] : NULL;
    struct factor a = factor_of(eval, 0), b = factor_of(eval, 1);
    struct tensor *y = eval->out;
    int32_t along = bias ? bias_dim(eval) : -1;
    for (int64_t i = 0, n = tensor_count(y); i < n; i++) {
        float scale_a = factor_scale(&a, y, i), scale_b = factor_scale(&b, y, i);
        int32_t acc = wrap_i32(((const double *)sum->data)[i]);
        double add = bias ? tensor_get_f64(bias, along < 0 ? 0 : coordinate(y, along, i)) : 0;
        if (eval->f64) {
            ((double *)y->data)[i] = (double)acc * ((double)scale_a * (double)scale_b) + add;
        } else {
            float product = (float)acc * (scale_a * scale_b);
            ((float *)y->data)[i] = bias ? product + (float)add : product;
        }
    }
    free(a.index);
    free(b.index);
}

static void scale_mean(const struct eval *eval, const struct tensor *mean) {
    struct factor a = factor_of(eval, 0);
    for (int64_t i = 0, n = tensor_count(eval->out); i < n; i++)
        tensor_set_f64(eval->out, i,
                       ((const double *)mean->data)[i] * (double)factor_scale(&a, eval->out, i));
    free(a.index);
}

/* The op's own sums over integers in f64, without the bias: below 2^53 they are exact. */
static enum status eval_integers(const struct eval *eval) {
    bool contraction = op_info(eval->op->kind)->class == CLASS_CONTRACTION;
    uint32_t factors = contraction ? 2 : 1;
    struct op op = *eval->op;
    struct tensor wide[2] = {0}, sum = tensor_new(ELEM_f64, eval->out->rank, eval->out->dim);
    const struct tensor *in[2] = {&wide[0], &wide[1]};
    for (uint32_t i = 0; i < factors; i++)
        wide[i] = centred(&eval->m->types, value_get(eval->m, op.operand[i])->type, eval->in[i]);
    op.operand_count = factors;
    struct eval inner = {eval->m, &op, in, &sum, true, false, eval->diag};
    enum status status = op_info(op.kind)->eval(&inner);
    if (status == STATUS_OK && contraction)
        scale_products(eval, &sum);
    else if (status == STATUS_OK)
        scale_mean(eval, &sum);
    for (uint32_t i = 0; i < factors; i++) tensor_free(&wide[i]);
    tensor_free(&sum);
    return status;
}

static enum status eval_decoded(const struct eval *eval) {
    enum elem to = eval->f64 ? ELEM_f64 : ELEM_f32;
    struct tensor decoded[MAX_STORED] = {0};
    const struct tensor *in[MAX_STORED];
    check(eval->op->operand_count <= MAX_STORED);
    for (uint32_t i = 0; i < eval->op->operand_count; i++) {
        in[i] = eval->in[i];
        if (!in[i]) continue;
        struct type type = value_get(eval->m, eval->op->operand[i])->type;
        if (op_operand_type(eval->m, eval->op, i).elem == type.elem) continue;
        if (type.quant.i)
            decoded[i] = tensor_dequantize(&eval->m->types, type, in[i], to);
        else
            decoded[i] = tensor_cast(in[i], to);
        in[i] = &decoded[i];
    }
    struct eval inner = *eval;
    inner.in = in;
    enum status status = op_info(eval->op->kind)->eval(&inner);
    for (uint32_t i = 0; i < eval->op->operand_count; i++) tensor_free(&decoded[i]);
    return status;
}

enum status quant_eval(const struct eval *eval) {
    return op_sums_integers(eval->m, eval->op) ? eval_integers(eval) : eval_decoded(eval);
}
