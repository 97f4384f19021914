/* Literals: numbers of a known element type. */
#include "frontend/elaborate.h"

#include <math.h>

/* -- checks: a literal is exactly what its type can hold, but floats are rounded -- */
static bool int_fits(enum elem elem, uint64_t magnitude, bool negative) {
    size_t bits = 8 * elem_bytes(elem);
    if (elem_kind(elem) == ELEM_KIND_BOOL) return magnitude <= 1 && !(negative && magnitude);
    if (elem_kind(elem) == ELEM_KIND_UINT)
        return !(negative && magnitude) && (bits == 64 || magnitude < (uint64_t)1 << bits);
    return magnitude < ((uint64_t)1 << (bits - 1)) + negative;
}

static enum status set_number(struct elab *e, struct loc loc, const struct ast_number *n,
                              struct tensor *tensor, int64_t i) {
    if (elem_is_float(tensor->elem)) {
        double value = n->is_float ? n->real : n->negative ? -(double)n->integer : (double)n->integer;
        tensor_set_f64(tensor, i, value);
        return STATUS_OK;
    }
    if (n->is_float) return diag_error(e->diag, loc, "a float where %s is expected", elem_name(tensor->elem));
    if (!int_fits(tensor->elem, n->integer, n->negative))
        return diag_error(e->diag, loc, "%s%llu does not fit %s", n->negative ? "-" : "",
                          (unsigned long long)n->integer, elem_name(tensor->elem));
    tensor_set_i64(tensor, i, (int64_t)(n->negative ? -n->integer : n->integer));
    return STATUS_OK;
}

enum status fill_numbers(struct elab *e, struct loc loc, const struct ast_numbers *numbers,
                         struct tensor *tensor) {
    for (uint32_t i = 0; i < numbers->count; i++) TRY(set_number(e, loc, &numbers->at[i], tensor, i));
    return STATUS_OK;
}

static enum elem own_elem(const struct constant *c) {
    return c->kind == CONSTANT_INT ? ELEM_i64 : c->kind == CONSTANT_FLOAT ? ELEM_f32 : ELEM_bool;
}

static struct ast_number number_of(const struct constant *c) {
    if (c->kind == CONSTANT_FLOAT) return (struct ast_number){.is_float = true, .real = c->f};
    if (c->kind == CONSTANT_BOOL) return (struct ast_number){.integer = c->b};
    return (struct ast_number){.negative = c->i < 0, .integer = c->i < 0 ? -(uint64_t)c->i : (uint64_t)c->i};
}

enum status literal_of(struct elab *e, const struct constant *c, enum elem elem, value_id *out) {
    if (c->kind != CONSTANT_INT && c->kind != CONSTANT_FLOAT && c->kind != CONSTANT_BOOL)
        return diag_error(e->diag, c->loc, "expected a value, found %s", constant_text(c));
    if (elem == ELEM_NONE) elem = own_elem(c);
    if ((c->kind == CONSTANT_BOOL) != (elem == ELEM_bool))
        return diag_error(e->diag, c->loc, "%s where %s is expected", constant_text(c), elem_name(elem));
    struct tensor tensor = tensor_new(elem, 0, NULL);
    struct ast_number number = number_of(c);
    if (set_number(e, c->loc, &number, &tensor, 0) != STATUS_OK) {
        tensor_free(&tensor);
        return STATUS_FAILED;
    }
    *out = module_add_literal(e->m, tensor);
    value_get(e->m, *out)->loc = c->loc;
    return STATUS_OK;
}

/* -- typed literals -- */
static enum status literal_tensor(struct elab *e, const struct ast_expr *expr, struct type type,
                                  struct tensor *out) {
    int64_t dims[MAX_RANK], count = 1;
    uint32_t rank = type_rank(&e->m->types, type);
    if (!type_static(&e->m->types, type, dims) || !tensor_shape_ok(type.elem, rank, dims))
        return diag_error(e->diag, expr->loc, "a literal's shape must be made of numbers");
    for (uint32_t i = 0; i < rank; i++) count *= dims[i];
    if (count != expr->literal.numbers.count)
        return diag_error(e->diag, expr->loc, "%u numbers where the shape has %lld",
                          expr->literal.numbers.count, (long long)count);
    *out = tensor_new(type.elem, rank, dims);
    return STATUS_OK;
}

enum status eval_literal(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                         value_id *out) {
    struct type type = {.elem = expr->literal.elem};
    struct place place = {0};
    struct tensor tensor;
    if (!elab_step(e, expr->loc, expr->literal.numbers.count)) return STATUS_FAILED;
    if (expr->literal.type) TRY(eval_type(e, scope, expr->literal.type, &type));
    if (expr->literal.place) TRY(eval_place(e, expr->literal.place, &place));
    TRY(literal_tensor(e, expr, type, &tensor));
    if (fill_numbers(e, expr->loc, &expr->literal.numbers, &tensor) != STATUS_OK) {
        tensor_free(&tensor);
        return STATUS_FAILED;
    }
    *out = module_add_literal(e->m, tensor);
    struct value *v = value_get(e->m, *out);
    v->type = type;
    v->place = place;
    v->loc = expr->loc;
    return STATUS_OK;
}
