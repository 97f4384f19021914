/* Local rewrites that remove work. Each rule returns the value that replaces the op's only result, or none; a
 * rule is exact: it may not change a single bit of any result. */
#include "passes/pass.h"

#include <string.h>

struct simplifier {
    struct module *m;
    struct diag *diag;
    value_id *to; /* replacement of every value known at the start */
    uint32_t known;
    uint32_t at;     /* position in the root of the op at hand */
    struct map seen; /* text of an op -> its op id + 1, for equal ops */
};

static const struct op *definition(const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    return value->kind == VALUE_RESULT ? op_get(m, value->op) : NULL;
}

static bool same_type_as_operand(const struct module *m, const struct op *op) {
    return type_same(value_get(m, op->operand[0])->type, value_get(m, op->result[0])->type);
}

/* -- ops that give back their operand -- */
static bool perm_is_identity(const struct op *op) {
    uint32_t n;
    const int64_t *perm = op_ints(op, ATTR_perm, &n);
    for (uint32_t i = 0; i < n; i++)
        if (perm[i] != i) return false;
    return n > 0;
}

static bool all_zero(const struct op *op, enum attr_name name) {
    uint32_t n;
    const int64_t *at = op_ints(op, name, &n);
    for (uint32_t i = 0; i < n; i++)
        if (at[i]) return false;
    return true;
}

static bool steps_forward(const struct op *op) {
    uint32_t n;
    const int64_t *steps = op_ints(op, ATTR_steps, &n);
    for (uint32_t i = 0; i < n; i++)
        if (steps[i] < 0) return false;
    return true;
}

/* The type must be the same to the layout. */
static bool gives_operand_back(const struct module *m, const struct op *op) {
    if (!op->operand_count || !op->operand[0].i || !same_type_as_operand(m, op)) return false;
    switch (op->kind) {
    case OP_identity:
    case OP_cast:
    case OP_expand:
    case OP_relayout:
        return true;
    case OP_concat:
        return op->operand_count == 1;
    case OP_transpose:
        return perm_is_identity(op);
    case OP_pad:
        return all_zero(op, ATTR_pads);
    case OP_slice:
        return steps_forward(op);
    default:
        return op_info(op->kind)->traits & TRAIT_VIEW;
    }
}

/* -- arithmetic with a neutral literal: x * 1 and x / 1 are exact, x + 0 is not (-0) -- */
static bool is_scalar(const struct module *m, value_id v, double value) {
    const struct tensor *t = value_constant(m, v);
    return t && tensor_count(t) == 1 && tensor_get_f64(t, 0) == value;
}

static value_id neutral_operand(const struct module *m, const struct op *op) {
    if (op->operand_count != 2) return (value_id){0};
    if ((op->kind == OP_mul || op->kind == OP_div) && is_scalar(m, op->operand[1], 1) &&
        same_type_as_operand(m, op))
        return op->operand[0];
    if (op->kind == OP_mul && is_scalar(m, op->operand[0], 1) &&
        type_same(value_get(m, op->operand[1])->type, value_get(m, op->result[0])->type))
        return op->operand[1];
    return (value_id){0};
}

/* -- pairs -- */
static value_id merged_transposes(struct simplifier *s, op_id id) {
    const struct op *op = op_get(s->m, id), *inner = definition(s->m, op->operand[0]);
    uint32_t n, k;
    const int64_t *outer_perm = op_ints(op, ATTR_perm, &n);
    if (!inner || inner->kind != OP_transpose) return (value_id){0};
    const int64_t *inner_perm = op_ints(inner, ATTR_perm, &k);
    if (n == 0 || k != n) return (value_id){0};
    int64_t perm[MAX_RANK];
    for (uint32_t i = 0; i < n; i++) perm[i] = inner_perm[outer_perm[i]];
    bool cancels = true;
    for (uint32_t i = 0; i < n; i++) cancels = cancels && perm[i] == i;
    if (cancels) return inner->operand[0];
    struct builder b = builder_at(s->m, s->at, s->diag);
    struct attr attr = attr_ints(s->m, ATTR_perm, perm, n);
    return build(&b, OP_transpose, &inner->operand[0], 1, &attr, 1, value_get(s->m, op->result[0])->name);
}

/* A view of a view is one reshape of the first operand. */
static value_id merged_views(struct simplifier *s, op_id id) {
    const struct op *op = op_get(s->m, id), *inner = definition(s->m, op->operand[0]);
    if (!inner || !(op_info(inner->kind)->traits & TRAIT_VIEW)) return (value_id){0};
    struct builder b = builder_at(s->m, s->at, s->diag);
    struct attr attr = attr_dims(ATTR_shape, value_get(s->m, op->result[0])->type.shape);
    return build(&b, OP_reshape, &inner->operand[0], 1, &attr, 1, value_get(s->m, op->result[0])->name);
}

/* pow(x, 2) = x * x, and x / c = x * (1 / c) where 1 / c is exact. */
static value_id cheaper_arithmetic(struct simplifier *s, op_id id) {
    const struct op *op = op_get(s->m, id);
    const struct tensor *c = op->operand_count == 2 ? value_constant(s->m, op->operand[1]) : NULL;
    if (!c || tensor_count(c) != 1 || !elem_is_float(c->elem)) return (value_id){0};
    double value = tensor_get_f64(c, 0);
    struct builder b = builder_at(s->m, s->at, s->diag);
    const char *name = value_get(s->m, op->result[0])->name;
    if (op->kind == OP_pow && value == 2 && same_type_as_operand(s->m, op))
        return build(&b, OP_mul, (value_id[]){op->operand[0], op->operand[0]}, 2, NULL, 0, name);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int64_t exponent = (int64_t)(bits >> 52 & 2047) - 1023;
    bool power_of_two = !(bits & 0xFFFFFFFFFFFFF) && exponent >= -14 && exponent <= 14; /* exact in f16 too */
    if (op->kind != OP_div || !power_of_two) return (value_id){0};
    struct tensor inverse = tensor_copy(c);
    tensor_set_f64(&inverse, 0, 1 / value);
    return build(&b, OP_mul, (value_id[]){op->operand[0], module_add_literal(s->m, inverse)}, 2, NULL, 0,
                 name);
}

/* -- equal ops -- */
static void key_attr(const struct attr *a, struct str *key) {
    switch (attr_kind_of(a->name)) {
    case ATTR_KIND_INTS: /* the counts tell lists apart whose bytes run on */
        str_printf(key, "%u:", a->ints.count);
        str_add_bytes(key, (const char *)a->ints.at, a->ints.count * sizeof *a->ints.at);
        break;
    case ATTR_KIND_FLOATS:
        str_printf(key, "%u:", a->floats.count);
        str_add_bytes(key, (const char *)a->floats.at, a->floats.count * sizeof *a->floats.at);
        break;
    case ATTR_KIND_BOOL:
        str_add_char(key, (char)a->b);
        break;
    case ATTR_KIND_KEYWORD:
        str_printf(key, "%d", a->keyword);
        break;
    case ATTR_KIND_ELEM:
        str_printf(key, "%d", a->elem);
        break;
    case ATTR_KIND_DIMS:
        str_printf(key, "%u", a->dims.i);
        break;
    case ATTR_KIND_LAYOUT:
        str_printf(key, "%u", a->layout.i);
        break;
    default:
        str_add_bytes(key, (const char *)&a->i, sizeof a->i);
    }
    str_add_char(key, ';');
}

static value_id equal_op(struct simplifier *s, op_id id) {
    const struct op *op = op_get(s->m, id);
    if (op->body.i || op->result_count != 1) return (value_id){0};
    struct type type = value_get(s->m, op->result[0])->type; /* what the op does not say itself */
    struct str key = {0};
    str_printf(&key, "%d:%u:%u.%u.%u:", op->kind, op->operand_count, type.layout.i, type.quant.i,
               type.sparse.i);
    for (uint32_t i = 0; i < op->operand_count; i++) {
        const struct value *v = value_get(s->m, op->operand[i]);
        if (v->kind == VALUE_LITERAL) {
            str_printf(&key, "l%u.%u.", v->type.elem, v->type.shape.i);
            str_add_bytes(&key, v->literal.data, tensor_bytes(&v->literal));
        } else {
            str_printf(&key, "v%u.", op->operand[i].i);
        }
    }
    uint32_t attrs = op_info_attrs(op_info(op->kind));
    for (uint32_t i = 0; i < attrs; i++) key_attr(&op->attr[i], &key);
    uint32_t *slot = map_put(&s->seen, key.text, key.length, NULL);
    str_free(&key);
    if (*slot) return op_get(s->m, (op_id){*slot})->result[0];
    *slot = id.i;
    return (value_id){0};
}

static value_id simpler(struct simplifier *s, op_id id) {
    const struct op *op = op_get(s->m, id);
    if (op->result_count != 1 || op->body.i) return (value_id){0};
    if (gives_operand_back(s->m, op)) return op->operand[0];
    value_id v = neutral_operand(s->m, op);
    if (!v.i && op->kind == OP_transpose) v = merged_transposes(s, id);
    if (!v.i && op_info(op->kind)->traits & TRAIT_VIEW) v = merged_views(s, id);
    if (!v.i) v = cheaper_arithmetic(s, id);
    return v.i ? v : equal_op(s, id);
}

static value_id resolve(const struct simplifier *s, value_id v) {
    while (v.i < s->known && s->to[v.i].i) v = s->to[v.i];
    return v;
}

enum status pass_simplify(struct module *m, const struct pass_options *options, struct diag *diag) {
    (void)options;
    struct simplifier s = {.m = m, .diag = diag, .known = m->values.count};
    s.to = xcalloc(s.known, sizeof *s.to);
    for (uint32_t i = 0; i < region_get(m, m->root)->ops.count; i++) {
        op_id id = region_get(m, m->root)->ops.at[i];
        struct op *op = op_get(m, id);
        if (op->erased) continue;
        for (uint32_t k = 0; k < op->operand_count; k++) op->operand[k] = resolve(&s, op->operand[k]);
        uint32_t before = region_get(m, m->root)->ops.count;
        s.at = i;
        value_id v = simpler(&s, id);
        if (!v.i) continue;
        i += region_get(m, m->root)->ops.count - before; /* ops built before this one */
        value_id old = op_get(m, id)->result[0];
        if (old.i < s.known) s.to[old.i] = v;
        if (region_get(m, m->root)->ops.count > before) module_take_name(m, old, v);
        module_erase_op(m, id);
    }
    for (uint32_t i = 0; i < m->outputs.count; i++)
        m->outputs.at[i].value = resolve(&s, m->outputs.at[i].value);
    free(s.to);
    map_free(&s.seen);
    module_remove_dead(m);
    return STATUS_OK;
}
