#include "ir/quant.h"

#include "ir/decision.h"

#include <math.h>
#include <string.h>

/* -- scales -- */
static int64_t columns_of(uint32_t rank, const int64_t *dim) {
    int64_t columns = 1;
    for (uint32_t d = 1; d < rank; d++) columns *= dim[d];
    return columns;
}

uint32_t quant_scale_shape(struct quant q, uint32_t rank, const int64_t *dim, int64_t out[2]) {
    if (q.axis < 0) return 0;
    check((uint32_t)q.axis < rank);
    out[0] = dim[q.axis];
    if (!q.group) return 1;
    out[1] = ceil_div(columns_of(rank, dim), q.group);
    return 2;
}

int64_t quant_scale_index(const struct tensor_quant *q, const struct tensor *t, int64_t i) {
    if (q->axis < 0) return 0;
    if (q->group) {
        int64_t columns = columns_of(t->rank, t->dim);
        return i / columns * q->scale.dim[1] + i % columns / q->group;
    }
    int64_t inner = 1;
    for (uint32_t d = (uint32_t)q->axis + 1; d < t->rank; d++) inner *= t->dim[d];
    return i / inner % t->dim[q->axis];
}

static struct tensor kept_copy(struct module *m, const struct tensor *t) {
    struct tensor copy = *t;
    copy.data = arena_copy(&m->arena, t->data, tensor_bytes(t));
    copy.owned = false;
    copy.quant = NULL;
    return copy;
}

const struct tensor_quant *quant_keep(struct module *m, int32_t axis, int64_t group,
                                      const struct tensor *scale, const struct tensor *zero) {
    struct tensor_quant *q = arena_array(&m->arena, struct tensor_quant, 1);
    q->axis = axis;
    q->group = group;
    q->scale = kept_copy(m, scale);
    if (zero && zero->data) q->zero = kept_copy(m, zero);
    return q;
}

value_id module_add_quantized(struct module *m, const char *name, struct tensor tensor, int32_t axis,
                              int64_t group, const struct tensor *scale, const struct tensor *zero,
                              struct loc loc) {
    tensor.quant = quant_keep(m, axis, group, scale, zero);
    value_id v = module_parameter(m, module_add_weight(m, name, tensor, loc));
    value_get(m, v)->type.quant = quant_make(&m->types, (struct quant){.axis = axis, .group = group});
    return v;
}

void quant_view(const struct types *types, struct type type, const struct tensor *tensor,
                struct quant_view *out) {
    struct quant q = quant_get(types, type.quant);
    *out = (struct quant_view){.q.axis = -1};
    if (!q.literal) {
        check(tensor && tensor->quant);
        out->q = *tensor->quant;
        return;
    }
    out->literal_scale = (float)q.scale;
    out->literal_zero = (int32_t)q.zero;
}

float quant_scale(const struct quant_view *v, int64_t index) {
    return v->q.scale.data ? ((const float *)v->q.scale.data)[index] : v->literal_scale;
}

int32_t quant_zero(const struct quant_view *v, int64_t index) {
    return v->q.zero.data ? (int32_t)tensor_get_i64(&v->q.zero, index) : v->literal_zero;
}

/* -- values -- */
int32_t quantize_f32(float x, float scale, int32_t zero, enum elem elem) {
    float low = (float)(elem_min(elem) - zero), high = (float)(elem_max(elem) - zero);
    float q = nearbyintf(x / scale);
    if (isnan(q)) return zero;
    return (int32_t)fminf(fmaxf(q, low), high) + zero;
}

/* Elements that share a scale come in runs: `inner` of them, or a group of a row. */
static int64_t run_length(const struct quant_view *v, const struct tensor *t, int64_t at) {
    if (v->q.axis < 0) return tensor_count(t);
    int64_t inner = 1;
    if (v->q.group) {
        int64_t columns = columns_of(t->rank, t->dim), column = at % columns;
        return min_i64(v->q.group - column % v->q.group, columns - column);
    }
    for (uint32_t d = (uint32_t)v->q.axis + 1; d < t->rank; d++) inner *= t->dim[d];
    return inner;
}

struct tensor tensor_dequantize(const struct types *types, struct type type, const struct tensor *t,
                                enum elem to) {
    struct quant_view v;
    quant_view(types, type, t, &v);
    struct tensor out = tensor_new(to, t->rank, t->dim);
    for (int64_t i = 0, end, n = tensor_count(t); i < n; i = end) {
        int64_t at = quant_scale_index(&v.q, t, i);
        float scale = quant_scale(&v, at);
        int64_t zero = quant_zero(&v, at);
        end = i + run_length(&v, t, i);
        for (int64_t k = i; k < end; k++) {
            int64_t q = tensor_get_i64(t, k) - zero;
            if (to == ELEM_f64)
                ((double *)out.data)[k] = (double)q * (double)scale;
            else
                ((float *)out.data)[k] = (float)q * scale;
        }
    }
    return out;
}

value_id module_plain_parameter(struct module *m, value_id v, enum elem elem) {
    const struct value *value = value_get(m, v);
    const struct weight *w = weight_get(m, value->weight);
    struct type type = value->type;
    struct tensor plain = type.quant.i && elem == ELEM_f32
                              ? tensor_dequantize(&m->types, type, &w->tensor, elem)
                              : tensor_cast(&w->tensor, elem);
    plain.quant = NULL;
    value_id made = module_parameter(m, module_add_weight(m, w->name, plain, w->loc));
    decision_copy(m, v, made);
    return made;
}

/* -- what ops make of quantized operands -- */
static struct type operand_type(const struct module *m, const struct op *op, uint32_t i) {
    return value_get(m, op->operand[i])->type;
}

static bool has_operand(const struct op *op, uint32_t i) {
    return i < op->operand_count && !value_none(op->operand[i]);
}

static bool is_literal_quant(const struct module *m, struct type type) {
    return type.quant.i && quant_get(&m->types, type.quant).literal;
}

/* Narrow floats beside f32, or beside what is decoded to it, are widened by contractions. */
static bool is_widened(const struct module *m, const struct op *op, struct type type) {
    if (op_info(op->kind)->class != CLASS_CONTRACTION || !(op_info(op->kind)->traits & TRAIT_QUANT_SUMS))
        return false;
    if (type.elem != ELEM_f16 && type.elem != ELEM_bf16) return false;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (has_operand(op, i) && (operand_type(m, op, i).elem == ELEM_f32 || operand_type(m, op, i).quant.i))
            return true;
    return false;
}

struct type op_operand_type(const struct module *m, const struct op *op, uint32_t i) {
    struct type type = operand_type(m, op, i);
    uint32_t traits = op_info(op->kind)->traits;
    bool moves = (traits & TRAIT_QUANT_MOVES) && is_literal_quant(m, type);
    bool decoded = type.quant.i && !moves && (traits & (TRAIT_QUANT_SUMS | TRAIT_QUANT_DECODES));
    if (decoded || is_widened(m, op, type)) return type_make(ELEM_f32, type.shape);
    return type;
}

bool op_has_stored_operands(const struct module *m, const struct op *op) {
    if (!(op_info(op->kind)->traits & (TRAIT_QUANT_SUMS | TRAIT_QUANT_DECODES))) return false;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (has_operand(op, i) && op_operand_type(m, op, i).elem != operand_type(m, op, i).elem) return true;
    return false;
}

int32_t op_scale_dim(const struct module *m, const struct op *op, uint32_t i, uint32_t *out) {
    struct quant q = quant_get(&m->types, operand_type(m, op, i).quant);
    int32_t dim = -1;
    if (q.literal || q.axis < 0) return -1;
    struct channel_map map = {.m = m, .op = op};
    op_info(op->kind)->channels(&map);
    for (uint32_t l = 0; l < map.links.count; l++) {
        struct channel_side a = map.links.at[l].a, b = map.links.at[l].b;
        if (a.port == PORT_RESULT) {
            struct channel_side swap = a;
            a = b, b = swap;
        }
        if (a.port != i || a.dim != (uint32_t)q.axis || b.port != PORT_RESULT) continue;
        dim = (int32_t)b.dim;
        for (int64_t n = 0; out && n < map.links.at[l].count; n++)
            for (int64_t c = 0; c < b.chunk; c++)
                out[b.start + n * b.stride + c] = (uint32_t)(a.start + n * a.stride + c);
    }
    vec_free(&map.links);
    vec_free(&map.frozen);
    return dim;
}

/* One scale for each output of the sum: none that varies along what is summed. */
static bool scales_factor_out(const struct module *m, const struct op *op, uint32_t i) {
    struct quant q = quant_get(&m->types, operand_type(m, op, i).quant);
    return q.literal || (!q.group && (q.axis < 0 || op_scale_dim(m, op, i, NULL) >= 0));
}

bool op_sums_integers(const struct module *m, const struct op *op) {
    const struct op_info *info = op_info(op->kind);
    if (!(info->traits & TRAIT_QUANT_SUMS)) return false;
    uint32_t factors = info->class == CLASS_CONTRACTION ? 2 : 1;
    for (uint32_t i = 0; i < factors; i++)
        if (!operand_type(m, op, i).quant.i || !scales_factor_out(m, op, i)) return false;
    return true;
}

/* -- modules with one right result -- */
/* Each number of the result is one of the operands', or one rounding of what is computed from them. */
static const enum op_kind rounding_once[] = {
    OP_identity, OP_relu,      OP_clip,       OP_neg,        OP_abs,           OP_sign,  OP_floor,
    OP_ceil,     OP_round,     OP_not,        OP_cast,       OP_quantize,      OP_add,   OP_sub,
    OP_mul,      OP_min,       OP_max,        OP_prelu,      OP_and,           OP_or,    OP_xor,
    OP_equal,    OP_less,      OP_less_equal, OP_greater,    OP_greater_equal, OP_where, OP_dequantize,
    OP_div,      OP_maxpool1d, OP_maxpool2d,  OP_reduce_max, OP_reduce_min};

static bool is_narrow_float(struct type type) {
    return type.elem == ELEM_f16 || type.elem == ELEM_bf16;
}

static bool has_one_result(const struct module *m, const struct op *op) {
    enum op_class class = op_info(op->kind)->class;
    if (op_sums_integers(m, op)) return true;
    if (class == CLASS_MOVEMENT || class == CLASS_INDEXING)
        return op->kind != OP_resize || op_keyword(op, ATTR_mode) == KEYWORD_nearest;
    for (size_t i = 0; i < COUNT_OF(rounding_once); i++) {
        if (op->kind != rounding_once[i]) continue;
        return class != CLASS_POINTWISE || !is_narrow_float(value_get(m, op->result[0])->type);
    }
    return false;
}

/* A clip from 0 to 6 and a product of two that vary may be a hard swish written out (passes/raise.c). */
static bool is_gate(const struct op *op) {
    return op->kind == OP_clip && op_float(op, ATTR_min) == 0 && op_float(op, ATTR_max) == 6;
}

static bool is_product(const struct module *m, const struct op *op) {
    return op->kind == OP_mul && !value_constant(m, op->operand[0]) && !value_constant(m, op->operand[1]);
}

bool module_has_one_result(const struct module *m) {
    const struct region *root = region_get(m, m->root);
    bool gates = false, products = false;
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        if (!has_one_result(m, op)) return false;
        gates = gates || is_gate(op);
        products = products || is_product(m, op);
    }
    return !(gates && products);
}
