/* Normalizations: softmax, log_softmax, layernorm, batchnorm. All sums are taken in f64. */
#include "ir/ops/shape.h"

#include <math.h>

/* Reads and writes `count` elements that are `step` apart. */
static void load(const struct tensor *from, int64_t start, int64_t step, int64_t count, double *out) {
    for (int64_t i = 0; i < count; i++) out[i] = tensor_get_f64(from, start + i * step);
}
static void store(struct tensor *to, int64_t start, int64_t step, int64_t count, const double *in) {
    for (int64_t i = 0; i < count; i++) tensor_set_f64(to, start + i * step, in[i]);
}

/* -- softmax and log_softmax -- */
enum status infer_same(struct infer *infer) {
    uint32_t axis;
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), infer_rank(infer, 0), &axis));
    struct type x = infer_operand(infer, 0);
    infer->results[0] = type_make(x.elem, x.shape);
    return STATUS_OK;
}

/* A row of -inf only has no largest element to subtract and gives NaN, as the formula does; so does any row
 * with a NaN or +inf. */
static void softmax_row(double *row, int64_t count, bool logarithm) {
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < count; i++) most = row[i] > most || isnan(row[i]) ? row[i] : most;
    for (int64_t i = 0; i < count; i++) sum += exp(row[i] - most);
    double log_sum = log(sum);
    for (int64_t i = 0; i < count; i++)
        row[i] = logarithm ? row[i] - most - log_sum : exp(row[i] - most) / sum;
}

enum status eval_softmax(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    uint32_t axis = op_axis(eval->op, x->rank);
    int64_t outer = extent_product(x->dim, 0, axis), count = x->dim[axis];
    int64_t inner = extent_product(x->dim, axis + 1, x->rank);
    double *row = xcalloc((size_t)count, sizeof *row);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t start = o * count * inner + i;
            load(x, start, inner, count, row);
            softmax_row(row, count, eval->op->kind == OP_log_softmax);
            store(&eval->out[0], start, inner, count, row);
        }
    free(row);
    return STATUS_OK;
}

void channels_along_axis(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0), axis = op_axis(map->op, rank);
    for (uint32_t i = 0; i < rank; i++) {
        if (i != axis) {
            channels_same(map, 0, i, PORT_RESULT, i);
            continue;
        }
        channels_freeze(map, 0, i, "softmax adds up over it");
        channels_freeze(map, PORT_RESULT, i, "softmax adds up over it");
    }
}

void footprint_along_axis(const struct module *m, const struct op *op, uint32_t operand,
                          const struct box *result, struct box *out) {
    (void)operand;
    int64_t x[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x), axis = op_axis(op, rank);
    *out = *result;
    if (box_empty(result)) return;
    out->lo[axis] = 0;
    out->hi[axis] = x[axis];
}

/* -- layernorm -- */
enum status infer_layernorm(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x), axis;
    TRY(infer_axis(infer, ATTR_axis, op_int(infer->op, ATTR_axis), rank, &axis));
    TRY(expect_same_elems(infer));
    for (uint32_t k = 1; k < infer->op->operand_count; k++) {
        if (!infer_has(infer, k)) continue;
        const char *name = k == 1 ? "scale" : "bias";
        struct type w = infer_operand(infer, k);
        bool fits = type_rank(types, w) == rank - axis;
        for (uint32_t i = axis; fits && i < rank; i++)
            fits = dim_same(dims_at(types, w.shape, i - axis), dims_at(types, x.shape, i));
        if (!fits)
            return infer_error(infer, "%s has shape %s, expected the dimensions of %s from %u on", name,
                               infer_shape_text(infer, w.shape), infer_shape_text(infer, x.shape), axis);
    }
    infer->results[0] = type_make(x.elem, x.shape);
    return STATUS_OK;
}

static void normalize_row(double *row, int64_t count, double epsilon) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < count; i++) mean += row[i];
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++) {
        row[i] -= mean;
        variance += row[i] * row[i];
    }
    variance /= (double)count;
    for (int64_t i = 0; i < count; i++) row[i] /= sqrt(variance + epsilon);
}

enum status eval_layernorm(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    const struct tensor *scale = eval->op->operand_count > 1 ? eval->in[1] : NULL;
    const struct tensor *bias = eval->op->operand_count > 2 ? eval->in[2] : NULL;
    uint32_t axis = op_axis(eval->op, x->rank);
    int64_t rows = extent_product(x->dim, 0, axis), count = extent_product(x->dim, axis, x->rank);
    if (!count) return STATUS_OK;
    double *row = xcalloc((size_t)count, sizeof *row);
    for (int64_t r = 0; r < rows; r++) {
        load(x, r * count, 1, count, row);
        normalize_row(row, count, op_float(eval->op, ATTR_epsilon));
        for (int64_t i = 0; scale && i < count; i++) row[i] *= tensor_get_f64(scale, i);
        for (int64_t i = 0; bias && i < count; i++) row[i] += tensor_get_f64(bias, i);
        store(&eval->out[0], r * count, 1, count, row);
    }
    free(row);
    return STATUS_OK;
}

static bool has_operand(const struct op *op, uint32_t i) {
    return i < op->operand_count && !value_none(op->operand[i]);
}

/* The statistics are those of the channels that are left; one that goes takes its scale and bias along. */
void channels_layernorm(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0), axis = op_axis(map->op, rank);
    for (uint32_t i = 0; i < rank; i++) {
        channels_same(map, 0, i, PORT_RESULT, i);
        for (uint32_t k = 1; k < 3 && i >= axis; k++)
            if (has_operand(map->op, k)) channels_same(map, k, i - axis, PORT_RESULT, i);
    }
}

void footprint_layernorm(const struct module *m, const struct op *op, uint32_t operand,
                         const struct box *result, struct box *out) {
    int64_t x[MAX_RANK];
    uint32_t rank = operand_extents(m, op, 0, x), axis = op_axis(op, rank);
    if (operand == 0) {
        *out = *result;
        for (uint32_t i = axis; i < rank && !box_empty(result); i++) {
            out->lo[i] = 0;
            out->hi[i] = x[i];
        }
        return;
    }
    *out = box_none(rank - axis);
    for (uint32_t i = axis; i < rank && !box_empty(result); i++) {
        out->lo[i - axis] = result->lo[i];
        out->hi[i - axis] = result->hi[i];
    }
}

/* -- building primitives; each step hands a missing operand on, so that the first error is the only one -- */
static value_id one(struct builder *b, enum op_kind kind, value_id x) {
    return value_none(x) ? x : build(b, kind, &x, 1, NULL, 0, NULL);
}
static value_id two(struct builder *b, enum op_kind kind, value_id x, value_id y) {
    return value_none(x) || value_none(y) ? (value_id){0}
                                          : build(b, kind, (value_id[]){x, y}, 2, NULL, 0, NULL);
}
static value_id number(struct builder *b, enum elem elem, double value) {
    return module_add_literal(b->m, tensor_scalar_f64(elem, value));
}
static value_id mean_over(struct builder *b, value_id x, const int64_t *axes, uint32_t count) {
    struct attr attrs[] = {attr_ints(b->m, ATTR_axes, axes, count), attr_bool(ATTR_keep, true)};
    return value_none(x) ? x : build(b, OP_reduce_mean, &x, 1, attrs, 2, NULL);
}

enum status expand_layernorm(struct builder *b, const struct op *op, value_id *out) {
    struct op o = *op; /* building moves the array that op points into */
    struct type type = operand_type(b->m, &o, 0);
    uint32_t rank = type_rank(&b->m->types, type), axis = op_axis(&o, rank), count = 0;
    int64_t axes[MAX_RANK];
    for (uint32_t i = axis; i < rank; i++) axes[count++] = i;
    value_id centered = two(b, OP_sub, o.operand[0], mean_over(b, o.operand[0], axes, count));
    value_id variance = mean_over(b, two(b, OP_mul, centered, centered), axes, count);
    value_id deviation =
        one(b, OP_sqrt, two(b, OP_add, variance, number(b, type.elem, op_float(&o, ATTR_epsilon))));
    value_id y = two(b, OP_div, centered, deviation);
    if (has_operand(&o, 1)) y = two(b, OP_mul, y, o.operand[1]);
    if (has_operand(&o, 2)) y = two(b, OP_add, y, o.operand[2]);
    out[0] = y;
    return value_none(y) ? STATUS_FAILED : STATUS_OK;
}

/* -- batchnorm -- */
enum status infer_batchnorm(struct infer *infer) {
    static const char *const name[] = {"x", "scale", "bias", "mean", "variance"};
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    if (type_rank(types, x) < 2)
        return infer_error(infer, "the operand has rank %u, expected 2 or more", type_rank(types, x));
    dim_id channels = dims_at(types, x.shape, 1);
    TRY(expect_same_elems(infer));
    for (uint32_t k = 1; k < 5; k++) {
        struct type w = infer_operand(infer, k);
        if (type_rank(types, w) != 1 || !dim_same(dims_at(types, w.shape, 0), channels))
            return infer_error(infer, "%s has shape %s, expected [%s], the channels of the operand", name[k],
                               infer_shape_text(infer, w.shape), infer_dim_text(infer, channels));
    }
    infer->results[0] = type_make(x.elem, x.shape);
    return STATUS_OK;
}

enum status eval_batchnorm(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    int64_t plane = extent_product(x->dim, 2, x->rank), channels = x->dim[1];
    double epsilon = op_float(eval->op, ATTR_epsilon), *row = xcalloc((size_t)plane, sizeof *row);
    for (int64_t i = 0; i < x->dim[0] * channels; i++) {
        double w[5];
        for (uint32_t k = 1; k < 5; k++) w[k] = tensor_get_f64(eval->in[k], i % channels);
        double deviation = sqrt(w[4] + epsilon);
        load(x, i * plane, 1, plane, row);
        for (int64_t p = 0; p < plane; p++) row[p] = (row[p] - w[3]) / deviation * w[1] + w[2];
        store(&eval->out[0], i * plane, 1, plane, row);
    }
    free(row);
    return STATUS_OK;
}

void channels_batchnorm(struct channel_map *map) {
    uint32_t rank = port_rank(map, 0);
    for (uint32_t i = 0; i < rank; i++) channels_same(map, 0, i, PORT_RESULT, i);
    for (uint32_t k = 1; k < 5; k++) channels_same(map, k, 0, PORT_RESULT, 1);
}

void footprint_batchnorm(const struct module *m, const struct op *op, uint32_t operand,
                         const struct box *result, struct box *out) {
    (void)m, (void)op;
    *out = *result;
    if (operand == 0) return;
    *out = box_none(1);
    if (box_empty(result)) return;
    out->lo[0] = result->lo[1];
    out->hi[0] = result->hi[1];
}

enum status expand_batchnorm(struct builder *b, const struct op *op, value_id *out) {
    struct op o = *op;
    struct type type = operand_type(b->m, &o, 0);
    uint32_t spatial = type_rank(&b->m->types, type) - 2;
    int64_t axes[MAX_RANK];
    for (uint32_t i = 0; i < spatial; i++) axes[i] = 1 + i;
    struct attr add_spatial = attr_ints(b->m, ATTR_axes, axes, spatial);
    value_id w[5];
    for (uint32_t k = 1; k < 5; k++)
        w[k] = spatial ? build(b, OP_unsqueeze, &o.operand[k], 1, &add_spatial, 1, NULL) : o.operand[k];
    value_id deviation =
        one(b, OP_sqrt, two(b, OP_add, w[4], number(b, type.elem, op_float(&o, ATTR_epsilon))));
    value_id y = two(b, OP_div, two(b, OP_sub, o.operand[0], w[3]), deviation);
    out[0] = two(b, OP_add, two(b, OP_mul, y, w[1]), w[2]);
    return value_none(out[0]) ? STATUS_FAILED : STATUS_OK;
}
