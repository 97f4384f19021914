#include "test/support/fuzz/forms.h"

#include "ir/quant.h"

#include <string.h>

static uint32_t dims_of(const struct module *m, value_id v, int64_t dim[MAX_RANK]) {
    struct type type = value_get(m, v)->type;
    check(type_static(&m->types, type, dim));
    return type_rank(&m->types, type);
}

static const struct op *maker(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    return value->kind == VALUE_RESULT ? op_get(m, value->op) : NULL;
}

static bool is_conv(const struct op *op) {
    return op->kind == OP_conv1d || op->kind == OP_conv2d;
}

static bool is_contraction(const struct op *op) {
    return op_info(op->kind)->class == CLASS_CONTRACTION && op->kind != OP_attention;
}

/* -- convolutions -- */
struct slide {
    int64_t in, taps, extent, stride, before, after;
};

static uint32_t slides_of(const struct module *m, const struct op *op, struct slide out[2]) {
    int64_t x[MAX_RANK], w[MAX_RANK];
    uint32_t spatial = dims_of(m, op->operand[0], x) - 2;
    dims_of(m, op->operand[1], w);
    const int64_t *stride = op_ints(op, ATTR_stride, NULL), *pad = op_ints(op, ATTR_pad, NULL),
                  *dilation = op_ints(op, ATTR_dilation, NULL);
    for (uint32_t s = 0; s < spatial; s++)
        out[s] = (struct slide){x[2 + s],  w[2 + s], (w[2 + s] - 1) * dilation[s] + 1,
                                stride[s], pad[s],   pad[spatial + s]};
    return spatial;
}

static bool form_window_in_padding(const struct form_context *c, const struct op *op) {
    struct slide s[2];
    if (!is_conv(op)) return false;
    for (uint32_t i = slides_of(c->m, op, s); i-- > 0;) {
        int64_t last = (s[i].in + s[i].before + s[i].after - s[i].extent) / s[i].stride * s[i].stride;
        if (s[i].before >= s[i].extent || last >= s[i].before + s[i].in) return true;
    }
    return false;
}

static bool form_window_past_input(const struct form_context *c, const struct op *op) {
    struct slide s[2];
    if (!is_conv(op)) return false;
    for (uint32_t i = slides_of(c->m, op, s); i-- > 0;)
        if (s[i].extent > s[i].in) return true;
    return false;
}

static bool form_padded_point(const struct form_context *c, const struct op *op) {
    struct slide s[2];
    bool more = false;
    if (!is_conv(op)) return false;
    for (uint32_t i = slides_of(c->m, op, s); i-- > 0;) {
        if (s[i].taps != 1) return false;
        more = more || s[i].before || s[i].after || s[i].stride > 1;
    }
    return more;
}

static int64_t filters_of_channel(const struct form_context *c, const struct op *op) {
    int64_t x[MAX_RANK], w[MAX_RANK];
    if (!is_conv(op)) return 0;
    dims_of(c->m, op->operand[0], x);
    dims_of(c->m, op->operand[1], w);
    return x[1] > 1 && op_int(op, ATTR_groups) == x[1] ? w[0] / x[1] : 0;
}

static bool form_depthwise(const struct form_context *c, const struct op *op) {
    return filters_of_channel(c, op) == 1;
}

static bool form_multiplier(const struct form_context *c, const struct op *op) {
    return filters_of_channel(c, op) > 1;
}

static bool form_grouped(const struct form_context *c, const struct op *op) {
    return is_conv(op) && op_int(op, ATTR_groups) > 1 && !filters_of_channel(c, op);
}

static bool form_empty_pool_side(const struct form_context *c, const struct op *op) {
    uint32_t n;
    (void)c;
    if (!op_info_attr(op_info(op->kind), ATTR_window)) return false;
    const int64_t *pad = op_ints(op, ATTR_pad, &n);
    for (uint32_t i = 0; i < n / 2; i++)
        if (!pad[i] != !pad[n / 2 + i]) return true;
    return false;
}

/* -- products -- */
static int64_t summed(const struct form_context *c, const struct op *op) {
    int64_t x[MAX_RANK], w[MAX_RANK], products = 1;
    uint32_t rank = dims_of(c->m, op->operand[0], x), w_rank = dims_of(c->m, op->operand[1], w);
    if (op->kind == OP_linear || op->kind == OP_matmul) return x[rank - 1];
    for (uint32_t i = is_conv(op) ? 1 : 2; i < w_rank; i++) products *= w[i];
    return is_conv(op) ? products : products * x[1] / op_int(op, ATTR_groups);
}

static bool form_deep_sum(const struct form_context *c, const struct op *op) {
    return is_contraction(op) && summed(c, op) > 256;
}

static bool form_turned_factor(const struct form_context *c, const struct op *op) {
    for (uint32_t i = 0; i < 2 && (op->kind == OP_matmul || op->kind == OP_linear); i++) {
        const struct op *by = maker(c->m, op->operand[i]);
        if (by && by->kind == OP_transpose) return true;
    }
    return false;
}

static bool form_repeated_batch(const struct form_context *c, const struct op *op) {
    int64_t a[MAX_RANK], b[MAX_RANK];
    if (op->kind != OP_matmul) return false;
    uint32_t n = dims_of(c->m, op->operand[0], a), k = dims_of(c->m, op->operand[1], b);
    for (uint32_t i = 3; i <= n || i <= k; i++) {
        int64_t x = i <= n ? a[n - i] : 1, y = i <= k ? b[k - i] : 1;
        if (x != y) return true;
    }
    return false;
}

static bool form_integer_contraction(const struct form_context *c, const struct op *op) {
    struct type type = value_get(c->m, op->operand[0])->type;
    return is_contraction(op) && !type.quant.i && !elem_is_float(type.elem);
}

static bool form_quantized_contraction(const struct form_context *c, const struct op *op) {
    return is_contraction(op) && op_sums_integers(c->m, op);
}

/* -- rows -- */
static bool form_several_axes(const struct form_context *c, const struct op *op) {
    uint32_t n;
    (void)c;
    if (op_info(op->kind)->class != CLASS_REDUCTION || !op_info_attr(op_info(op->kind), ATTR_axes))
        return false;
    (void)op_ints(op, ATTR_axes, &n);
    return n != 1;
}

static bool form_not_last_axis(const struct form_context *c, const struct op *op) {
    static const enum op_kind kinds[] = {OP_softmax, OP_log_softmax, OP_layernorm, OP_argmax, OP_argmin};
    int64_t dim[MAX_RANK];
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (op->kind != kinds[i]) continue;
        int64_t axis = op_int(op, ATTR_axis), rank = dims_of(c->m, op->operand[0], dim);
        return axis != -1 && axis != rank - 1;
    }
    return false;
}

/* -- who reads what -- */
static bool form_same_operand_twice(const struct form_context *c, const struct op *op) {
    (void)c;
    for (uint32_t i = 0; i < op->operand_count; i++)
        for (uint32_t k = 0; k < i && op->operand[i].i; k++)
            if (value_same(op->operand[i], op->operand[k])) return true;
    return false;
}

static bool form_own_pieces(const struct form_context *c, const struct op *op) {
    if (op->kind != OP_concat) return false;
    for (uint32_t i = 0; i < op->operand_count; i++) {
        const struct op *a = maker(c->m, op->operand[i]);
        for (uint32_t k = 0; a && k < i; k++) {
            const struct op *b = maker(c->m, op->operand[k]);
            if (b && (a->kind == OP_split || a->kind == OP_slice) && a->kind == b->kind &&
                value_same(a->operand[0], b->operand[0]))
                return true;
        }
    }
    return false;
}

static bool form_kind_changing_cast(const struct form_context *c, const struct op *op) {
    return op->kind == OP_cast && elem_kind(value_get(c->m, op->operand[0])->type.elem) !=
                                      elem_kind(value_get(c->m, op->result[0])->type.elem);
}

static bool form_shared_weight(const struct form_context *c, const struct op *op) {
    for (uint32_t i = 0; i < op->operand_count; i++) {
        value_id v = op->operand[i];
        if (v.i && value_get(c->m, v)->kind == VALUE_PARAMETER && c->uses[v.i] > 1) return true;
    }
    return false;
}

static bool form_zero_rows(const struct form_context *c, const struct op *op) {
    if (!is_contraction(op) || value_get(c->m, op->operand[1])->kind != VALUE_PARAMETER) return false;
    const struct tensor *w = value_constant(c->m, op->operand[1]);
    int64_t n = tensor_count(w), rows = w->rank ? w->dim[0] : 0;
    for (int64_t r = 0; n && r < rows; r++) {
        bool zero = true;
        for (int64_t i = r * (n / rows); i < (r + 1) * (n / rows) && zero; i++)
            zero = tensor_get_f64(w, i) == 0;
        if (zero) return true;
    }
    return false;
}

static bool form_read_output(const struct form_context *c, const struct op *op) {
    for (uint32_t i = 0; i < op->operand_count; i++)
        for (uint32_t k = 0; k < c->m->outputs.count; k++)
            if (op->operand[i].i && value_same(op->operand[i], c->m->outputs.at[k].value)) return true;
    return false;
}

static bool form_empty_result(const struct form_context *c, const struct op *op) {
    return type_count(&c->m->types, value_get(c->m, op->result[0])->type) == 0;
}

static bool form_single_result(const struct form_context *c, const struct op *op) {
    return type_count(&c->m->types, value_get(c->m, op->result[0])->type) == 1;
}

static const struct {
    const char *what;
    bool (*holds)(const struct form_context *c, const struct op *op);
} forms[FORMS] = {
#define FORM(name, what) {what, form_##name},
#include "test/support/fuzz/forms.def"
};

const char *form_what(enum form form) {
    return forms[form].what;
}

bool form_holds(enum form form, const struct form_context *ctx, const struct op *op) {
    return forms[form].holds(ctx, op);
}

/* -- broadcasting -- */
const char *form_sides_name(enum form_sides sides) {
    static const char *const names[SIDES_COUNT] = {"of equal shapes", "the first operand repeats",
                                                   "another operand repeats", "both sides repeat"};
    return names[sides];
}

static bool repeats(const struct module *m, value_id v, value_id result) {
    struct type x = value_get(m, v)->type, y = value_get(m, result)->type;
    return x.shape.i != y.shape.i;
}

bool form_sides_of(const struct module *m, const struct op *op, enum form_sides *sides) {
    if (!(op_info(op->kind)->traits & TRAIT_BROADCASTS) || op->operand_count < 2) return false;
    bool first = repeats(m, op->operand[0], op->result[0]), other = false;
    for (uint32_t i = 1; i < op->operand_count; i++)
        other = other || repeats(m, op->operand[i], op->result[0]);
    *sides = first && other ? SIDES_BOTH : first ? SIDES_FIRST : other ? SIDES_SECOND : SIDES_ALIKE;
    return true;
}
