/* y = (W x + b) * s + t becomes (s W) x + (s b + t): one number for each output channel, computed in double
 * in a fixed order. */
#include "ir/quant.h"
#include "passes/pass.h"

#include <math.h>

struct affine {
    value_id x;
    int64_t channels;
    double *scale, *shift; /* NULL: 1, 0 */
};

static void affine_free(struct affine *a) {
    free(a->scale);
    free(a->shift);
}

/* The dimension of a contraction's result that its weight's output channels run along; -1: this op folds
 * nothing. */
static int channel_axis(const struct module *m, const struct op *op) {
    switch (op->kind) {
    case OP_conv1d:
    case OP_conv2d:
    case OP_conv_transpose1d:
    case OP_conv_transpose2d:
        return 1;
    case OP_linear:
        return (int)type_rank(&m->types, value_get(m, op->result[0])->type) - 1;
    default:
        return -1;
    }
}

static bool batchnorm_affine(const struct module *m, const struct op *op, struct affine *out) {
    const struct tensor *p[4];
    for (uint32_t i = 0; i < 4; i++)
        if (!(p[i] = value_constant(m, op->operand[i + 1]))) return false;
    int64_t n = tensor_count(p[0]);
    *out = (struct affine){op->operand[0], n, xcalloc((size_t)n, sizeof(double)),
                           xcalloc((size_t)n, sizeof(double))};
    for (int64_t c = 0; c < n; c++) {
        double s = tensor_get_f64(p[0], c) / sqrt(tensor_get_f64(p[3], c) + op_float(op, ATTR_epsilon));
        out->scale[c] = s;
        out->shift[c] = tensor_get_f64(p[1], c) - tensor_get_f64(p[2], c) * s;
    }
    return true;
}

/* Whether constant `t` has one number for each index of dimension `axis` of a value of this rank (or one
 * number for all). */
static bool per_channel(const struct tensor *t, uint32_t rank, uint32_t axis, int64_t channels) {
    if (tensor_count(t) == 1) return t->rank <= rank;
    if (tensor_count(t) != channels || t->rank > rank) return false;
    uint32_t from_end = rank - axis;
    return from_end <= t->rank && t->dim[t->rank - from_end] == channels;
}

static bool pointwise_affine(const struct module *m, const struct op *op, uint32_t axis, int64_t channels,
                             struct affine *out) {
    bool commutes = op->kind == OP_mul || op->kind == OP_add;
    if (!commutes && op->kind != OP_sub && op->kind != OP_div) return false;
    struct type result = value_get(m, op->result[0])->type;
    for (uint32_t side = 1; side < 2; side--) {
        const struct tensor *t = value_constant(m, op->operand[side]);
        value_id x = op->operand[1 - side];
        if (side == 0 && !commutes) return false;
        if (!t || !elem_is_float(t->elem) || value_constant(m, x)) continue;
        if (!per_channel(t, type_rank(&m->types, result), axis, channels)) continue;
        if (value_get(m, x)->type.shape.i != result.shape.i) continue;
        *out = (struct affine){.x = x, .channels = channels};
        double **list = op->kind == OP_mul || op->kind == OP_div ? &out->scale : &out->shift;
        *list = xcalloc((size_t)channels, sizeof(double));
        for (int64_t c = 0; c < channels; c++) {
            double v = tensor_get_f64(t, tensor_count(t) == 1 ? 0 : c);
            (*list)[c] = op->kind == OP_sub ? -v : op->kind == OP_div ? 1 / v : v;
        }
        return true;
    }
    return false;
}

/* Uses of every value; values made on the way take over those of what they replace. */
struct uses {
    uint32_t *of;
    uint32_t count;
};

static void take_over_uses(struct uses *uses, const struct module *m, value_id from, value_id to) {
    uses->of = xrealloc(uses->of, m->values.count * sizeof *uses->of);
    for (uint32_t v = uses->count; v < m->values.count; v++)
        uses->of[v] = 1; /* an inner value of the rebuilt form */
    uses->count = m->values.count;
    uses->of[to.i] = uses->of[from.i];
}

/* The contraction that defines v, if v has no other use and its weight and bias are float constants. */
static const struct op *foldable(const struct module *m, value_id v, const struct uses *uses) {
    const struct value *value = value_get(m, v);
    if (value->kind != VALUE_RESULT || uses->of[v.i] != 1) return NULL;
    const struct op *op = op_get(m, value->op);
    if (op->erased || channel_axis(m, op) < 0 || !value_constant(m, op->operand[1])) return NULL;
    if (op_has_stored_operands(m, op)) return NULL; /* its weights are on a grid of their own */
    if (op->operand_count > 2 && op->operand[2].i && !value_constant(m, op->operand[2])) return NULL;
    return op;
}

/* The output channel of weight element i. Transposed convolutions have w[in, out / groups, kernel], the
 * others out first. */
static int64_t output_channel(const struct op *op, const struct tensor *w, int64_t i, int64_t channels) {
    if (op->kind != OP_conv_transpose1d && op->kind != OP_conv_transpose2d)
        return i / (tensor_count(w) / channels);
    int64_t kernel = tensor_count(w) / (w->dim[0] * w->dim[1]), in = i / kernel / w->dim[1];
    int64_t group = in / (w->dim[0] / op_int(op, ATTR_groups));
    return group * w->dim[1] + i / kernel % w->dim[1];
}

static int64_t output_channels(const struct op *op, const struct tensor *w) {
    bool transposed = op->kind == OP_conv_transpose1d || op->kind == OP_conv_transpose2d;
    return transposed ? w->dim[1] * op_int(op, ATTR_groups) : w->dim[0];
}

/* What a sparse weight does not hold stays so: 0 times a negative scale would be -0. */
static struct tensor folded_weight(const struct module *m, const struct op *op, const struct affine *a) {
    bool sparse = value_get(m, op->operand[1])->type.sparse.i != 0;
    struct tensor t = tensor_copy(value_constant(m, op->operand[1]));
    for (int64_t i = 0; a->scale && i < tensor_count(&t); i++) {
        double w = tensor_get_f64(&t, i), scale = a->scale[output_channel(op, &t, i, a->channels)];
        if (!sparse || w != 0 || !isfinite(scale)) tensor_set_f64(&t, i, w * scale);
    }
    return t;
}

static struct tensor folded_bias(const struct module *m, const struct op *op, const struct affine *a) {
    bool has = op->operand_count > 2 && op->operand[2].i;
    const struct tensor *old = has ? value_constant(m, op->operand[2]) : NULL;
    struct tensor t = tensor_new(value_constant(m, op->operand[1])->elem, 1, &a->channels);
    for (int64_t c = 0; c < a->channels; c++)
        tensor_set_f64(&t, c,
                       (old ? tensor_get_f64(old, c) : 0) * (a->scale ? a->scale[c] : 1) +
                           (a->shift ? a->shift[c] : 0));
    return t;
}

static value_id weight_named(struct module *m, const char *name, struct tensor t, struct loc loc) {
    return module_parameter(m, module_add_weight(m, name, t, loc));
}

/* Infinities do not distribute over a sum: (0 + 1) * inf is inf, 0 * inf + 1 * inf is NaN. They come from a
 * division by 0, or from products that are too large for the element type. */
static bool all_finite(const struct tensor *t) {
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (!isfinite(tensor_get_f64(t, i))) return false;
    return true;
}

/* Frees both tensors and gives false if one is not finite. */
static bool both_finite(struct tensor *a, struct tensor *b) {
    if (all_finite(a) && all_finite(b)) return true;
    tensor_free(a);
    tensor_free(b);
    return false;
}

/* None if a folded number is not finite. `at`: position of the op that is folded. */
static value_id rebuild(struct module *m, uint32_t at, const struct op *op, const struct affine *a,
                        const char *name, struct diag *diag) {
    const struct value *w = value_get(m, op->operand[1]);
    const struct value *b = value_get(m, op->operand[op->operand_count > 2 ? 2 : 0]);
    const char *weight_name = w->kind == VALUE_LITERAL ? "folded" : w->name;
    const char *bias_name =
        b->kind == VALUE_PARAMETER ? b->name : arena_printf(&m->arena, "%s.bias", weight_name);
    bool had_bias = b->kind == VALUE_PARAMETER && op->operand_count > 2;
    struct tensor weight = folded_weight(m, op, a), bias = folded_bias(m, op, a);
    if (!both_finite(&weight, &bias)) return (value_id){0};
    value_id operands[3] = {op->operand[0], weight_named(m, weight_name, weight, op->loc),
                            weight_named(m, bias_name, bias, op->loc)};
    value_get(m, operands[1])->type.sparse = value_get(m, op->operand[1])->type.sparse;
    decision_copy(m, op->operand[1], operands[1]);
    if (had_bias) decision_copy(m, op->operand[2], operands[2]);
    struct builder builder = builder_at(m, at, diag);
    return build(&builder, op->kind, operands, 3, op->attr, op_info_attrs(op_info(op->kind)), name);
}

/* A batch norm with nothing to fold into: x * s + t, with s and t of shape [c, 1, …]. None if a number of
 * them is not finite. */
static value_id scale_and_shift(struct module *m, uint32_t at, const struct affine *a, struct diag *diag) {
    const struct op *op = op_get(m, region_get(m, m->root)->ops.at[at]);
    struct value *result = value_get(m, op->result[0]);
    uint32_t rank = type_rank(&m->types, result->type);
    int64_t dim[MAX_RANK];
    for (uint32_t i = 0; i + 1 < rank; i++) dim[i] = i ? 1 : a->channels;
    struct tensor s = tensor_new(result->type.elem, rank - 1, dim),
                  t = tensor_new(result->type.elem, rank - 1, dim);
    for (int64_t c = 0; c < a->channels; c++)
        tensor_set_f64(&s, c, a->scale[c]), tensor_set_f64(&t, c, a->shift[c]);
    if (!both_finite(&s, &t)) return (value_id){0};
    const char *name = result->name;
    value_id x = op->operand[0];
    struct builder b = builder_at(m, at, diag);
    value_id sv = weight_named(m, arena_printf(&m->arena, "%s.scale", name), s, b.loc);
    value_id tv = weight_named(m, arena_printf(&m->arena, "%s.shift", name), t, b.loc);
    value_id product = build(&b, OP_mul, (value_id[]){x, sv}, 2, NULL, 0, name);
    return product.i ? build(&b, OP_add, (value_id[]){product, tv}, 2, NULL, 0, name) : product;
}

static bool read_affine(const struct module *m, const struct op *op, const struct uses *uses,
                        struct affine *out) {
    if (op->kind == OP_batchnorm) return batchnorm_affine(m, op, out);
    if (op->operand_count != 2 || op->result_count != 1) return false;
    for (uint32_t side = 0; side < 2; side++) {
        const struct op *before = foldable(m, op->operand[side], uses);
        if (!before) continue;
        int64_t channels = output_channels(before, value_constant(m, before->operand[1]));
        if (pointwise_affine(m, op, (uint32_t)channel_axis(m, before), channels, out)) return true;
    }
    return false;
}

/* A batch norm in primitives. */
static value_id take_apart(struct module *m, uint32_t at, struct diag *diag) {
    struct op op = *op_get(m, region_get(m, m->root)->ops.at[at]); /* building moves the array */
    struct builder b = builder_at(m, at, diag);
    value_id out = {0};
    return op_info(op.kind)->expand(&b, &op, &out) == STATUS_OK ? out : (value_id){0};
}

/* What replaces the op at position `at`: none where nothing may be folded. No batch norm is left. */
static value_id folded(struct module *m, uint32_t at, const struct uses *uses, struct diag *diag) {
    const struct op *op = op_get(m, region_get(m, m->root)->ops.at[at]);
    if (op->erased) return (value_id){0};
    bool norm = op->kind == OP_batchnorm;
    struct affine a = {0};
    value_id v = {0};
    if (read_affine(m, op, uses, &a)) {
        const struct op *contraction = foldable(m, a.x, uses);
        if (contraction && norm && channel_axis(m, contraction) != 1) contraction = NULL;
        if (contraction) v = rebuild(m, at, contraction, &a, value_get(m, op->result[0])->name, diag);
        if (!v.i && norm) v = scale_and_shift(m, at, &a, diag);
    }
    affine_free(&a);
    return v.i || !norm ? v : take_apart(m, at, diag);
}

enum status pass_fold_batchnorm(struct module *m, const struct pass_options *options, struct diag *diag) {
    (void)options;
    struct uses uses = {module_count_uses(m), m->values.count};
    uint32_t known = m->values.count;
    value_id *to = xcalloc(known, sizeof *to);
    for (uint32_t i = 0; i < region_get(m, m->root)->ops.count; i++) {
        op_id id = region_get(m, m->root)->ops.at[i];
        struct op *op = op_get(m, id);
        for (uint32_t k = 0; k < op->operand_count; k++)
            while (op->operand[k].i < known && to[op->operand[k].i].i) op->operand[k] = to[op->operand[k].i];
        uint32_t before = region_get(m, m->root)->ops.count;
        value_id v = folded(m, i, &uses, diag);
        if (!v.i) continue;
        value_id old = op_get(m, id)->result[0];
        take_over_uses(&uses, m, old, v);
        module_take_name(m, old, v);
        i += region_get(m, m->root)->ops.count - before;
        to[old.i] = v;
        module_erase_op(m, id);
    }
    for (uint32_t i = 0; i < m->outputs.count; i++) {
        value_id *v = &m->outputs.at[i].value;
        while (v->i < known && to[v->i].i) *v = to[v->i];
    }
    free(to);
    free(uses.of);
    module_remove_dead(m);
    return STATUS_OK;
}
