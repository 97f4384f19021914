/* Expressions that compute values: names, literals, ops, arithmetic. */
#include "frontend/elaborate.h"

#include <string.h>

/* -- names -- */
static enum op_kind op_of(char op) {
    switch (op) {
    case '+':
        return OP_add;
    case '-':
        return OP_sub;
    case '*':
        return OP_mul;
    case '/':
        return OP_div;
    case '%':
        return OP_mod;
    default:
        bug("operator %c", op);
    }
}

/* What computes an expression; NULL: nothing, it is a name or a literal. */
static const char *op_text(const struct ast_expr *expr) {
    switch (expr->kind) {
    case AST_CALL:
        return expr->call.of.name.text;
    case AST_NEGATE:
        return op_info(OP_neg)->name;
    case AST_BINARY:
        return op_info(op_of(expr->binary.op))->name;
    default:
        return NULL;
    }
}

enum status eval_nested(struct elab *e, struct scope *scope, const struct ast_expr *expr, const char *name,
                        value_id *out) {
    const char *op = op_text(expr);
    if (op) name = *name && strlen(name) <= MAX_PREFIX ? arena_printf(&e->arena, "%s.%s", name, op) : op;
    return eval_value(e, scope, expr, name, ELEM_NONE, out);
}

static const char *first_name(struct names names) {
    return names.count ? names.at[0] : "";
}

static enum status not_in_body(struct elab *e, struct loc loc, const char *name) {
    return diag_error(e->diag, loc, "the body of a fuse sees its operands only; make '%s' one of them", name);
}

static enum status no_such_name(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                                const char *name) {
    struct near near = near_to(name);
    scope_offer(scope, &near);
    offer_weights(e, &near);
    return diag_error(e->diag, expr->loc, "no value and no weight has the name '%s'%s", name,
                      near_hint(&near, &e->arena));
}

static bool in_body(const struct scope *scope) {
    for (; scope; scope = scope->parent)
        if (scope->kind == SCOPE_FUSE) return true;
    return false;
}

static enum status eval_path(struct elab *e, struct scope *scope, const struct ast_expr *expr, enum elem elem,
                             value_id *out) {
    struct path path = resolve_path(e, scope, expr);
    switch (path.kind) {
    case PATH_BAD:
        return STATUS_FAILED;
    case PATH_VALUE:
        *out = path.value;
        return STATUS_OK;
    case PATH_CONSTANT:
        path.constant.loc = expr->loc;
        return literal_of(e, &path.constant, elem, out);
    case PATH_TEXT:
        break;
    }
    if (in_body(scope)) return not_in_body(e, expr->loc, path.text);
    if (!expr->path.parts && !expr->path.is_weight && !weight_exists(e, path.text))
        return no_such_name(e, scope, expr, path.text);
    return weight_value(e, path.text, expr->loc, out);
}

/* -- operands: constants wait until the types of the others are known -- */
struct operand {
    value_id value;
    bool given, waiting;
    struct constant constant;
};

static enum status eval_operand(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                                const char *name, struct operand *out) {
    out->given = true;
    if (expr->kind == AST_PATH) {
        struct path path = resolve_path(e, scope, expr);
        if (path.kind == PATH_BAD) return STATUS_FAILED;
        if (path.kind == PATH_CONSTANT) {
            out->waiting = true;
            out->constant = path.constant;
            out->constant.loc = expr->loc;
            return STATUS_OK;
        }
    } else if (expr_is_constant(e, scope, expr)) {
        out->waiting = true;
        return eval_constant(e, scope, expr, &out->constant);
    }
    return eval_nested(e, scope, expr, name, &out->value);
}

/* The element type of a waiting constant: that of the first operand of its kind. Where operands need not
 * agree (not broadcasting), integers are i64. */
static enum elem elem_for(const struct module *m, const struct op_info *info, const struct operand *operands,
                          uint32_t count, const struct constant *constant) {
    bool agree = (info->traits & TRAIT_BROADCASTS) != 0;
    elem_set wanted = constant->kind == CONSTANT_FLOAT && !agree ? ELEMS_FLOAT : ELEMS_NUMERIC;
    if (constant->kind == CONSTANT_BOOL || (constant->kind == CONSTANT_INT && !agree)) return ELEM_NONE;
    for (uint32_t i = 0; i < count; i++) {
        if (!operands[i].given || operands[i].waiting) continue;
        enum elem elem = value_get(m, operands[i].value)->type.elem;
        if (elem_in(elem, wanted)) return elem;
    }
    bool some_float = false;
    for (uint32_t i = 0; i < count; i++)
        some_float = some_float || (operands[i].waiting && operands[i].constant.kind == CONSTANT_FLOAT);
    return agree && some_float ? ELEM_f32 : ELEM_NONE;
}

static enum status settle(struct elab *e, const struct op_info *info, const struct operand *operands,
                          uint32_t count, value_id *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = operands[i].value;
        if (!operands[i].waiting) continue;
        enum elem elem = elem_for(e->m, info, operands, count, &operands[i].constant);
        TRY(literal_of(e, &operands[i].constant, elem, &out[i]));
    }
    return STATUS_OK;
}

/* -- ops -- */
bool room_for_op(struct elab *e, const struct scope *scope, struct loc loc) {
    if (e->m->ops.count > MAX_OPS) {
        if (!e->stopped) diag_error(e->diag, loc, "a model of more than %d ops", MAX_OPS);
        e->stopped = true;
        return false;
    }
    region_id region = scope->builder->region;
    if (region.i == e->m->root.i || region_get(e->m, region)->ops.count < MAX_BODY_OPS) return true;
    diag_error(e->diag, loc, "a fuse of more than %d ops", MAX_BODY_OPS);
    return false;
}

static enum status finish_op(struct elab *e, struct scope *scope, struct loc loc, enum op_kind kind,
                             const value_id *operands, uint32_t count, const struct attr *attrs,
                             uint32_t attr_count, struct names names, struct results *out) {
    const char *padded[MAX_RESULTS] = {0};
    if (!room_for_op(e, scope, loc)) return STATUS_FAILED;
    for (uint32_t i = 0; i < names.count && i < MAX_RESULTS; i++)
        padded[i] = *names.at[i] ? names.at[i] : NULL;
    scope->builder->loc = loc;
    op_id id = build_op(scope->builder, kind, operands, count, attrs, attr_count, padded);
    if (!id.i) return STATUS_FAILED;
    const struct op *op = op_get(e->m, id);
    out->count = op->result_count;
    memcpy(out->at, op->result, op->result_count * sizeof *op->result);
    return STATUS_OK;
}

struct op_call {
    const struct op_info *info;
    struct operand *operands;
    uint32_t count, most; /* operands so far, and room */
    struct attr *attrs;
    uint32_t attr_count;
    bool named, failed;
};

static enum status unknown_argument(struct elab *e, const struct op_call *call, const struct ast_arg *arg) {
    struct near near = near_to(arg->name.text);
    uint32_t n = op_info_attrs(call->info);
    for (uint32_t i = 0; i < n; i++) near_offer(&near, attr_name_text(call->info->attrs[i].name));
    struct str has = {0};
    for (uint32_t i = 0; i < n; i++)
        str_printf(&has, "%s%s", i ? ", " : "; it has ", attr_name_text(call->info->attrs[i].name));
    diag_error(e->diag, arg->name.loc, "%s has no attribute '%s'%s", call->info->name, arg->name.text,
               near.best ? near_hint(&near, &e->arena) : str_text(&has));
    str_free(&has);
    return STATUS_FAILED;
}

static enum status attr_argument(struct elab *e, const struct scope *scope, struct op_call *call,
                                 const struct attr_spec *spec, const struct ast_arg *arg) {
    for (uint32_t i = 0; i < call->attr_count; i++)
        if (call->attrs[i].name == spec->name)
            return diag_error(e->diag, arg->name.loc, "attribute '%s' is given twice", arg->name.text);
    call->named = true;
    TRY(eval_attr(e, scope, call->info, spec, arg, &call->attrs[call->attr_count]));
    call->attr_count++;
    return STATUS_OK;
}

static bool operand_by_name(const struct op_call *call, const char *text, uint32_t *out) {
    char name[32];
    for (*out = 0; *out < op_info_operands(call->info, NULL); ++*out) {
        op_info_operand_name(call->info, *out, name);
        if (!strcmp(name, text)) return true;
    }
    return false;
}

static enum status operand_argument(struct elab *e, struct scope *scope, struct op_call *call, uint32_t i,
                                    const struct ast_arg *arg, const char *name) {
    if (i >= call->most)
        return diag_error(e->diag, arg->expr->loc, "%s takes %u operand%s (%s)", call->info->name, call->most,
                          call->most == 1 ? "" : "s", call->info->operands);
    if (call->operands[i].given)
        return diag_error(e->diag, arg->expr->loc, "operand '%s' is given twice", arg->name.text);
    if (i >= call->count) call->count = i + 1;
    return eval_operand(e, scope, arg->expr, name, &call->operands[i]);
}

static enum status argument(struct elab *e, struct scope *scope, struct op_call *call,
                            const struct ast_arg *arg, const char *name) {
    if (!arg->name.text) {
        if (call->named)
            return diag_error(e->diag, arg->expr->loc, "operands without a name come before named arguments");
        return operand_argument(e, scope, call, call->count, arg, name);
    }
    for (const struct attr_spec *s = call->info->attrs; s->name; s++)
        if (!strcmp(attr_name_text(s->name), arg->name.text)) return attr_argument(e, scope, call, s, arg);
    uint32_t i;
    if (!operand_by_name(call, arg->name.text, &i)) return unknown_argument(e, call, arg);
    call->named = true;
    return operand_argument(e, scope, call, i, arg, name);
}

static enum status call_op(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                           enum op_kind kind, struct names names, struct results *out) {
    struct op_call call = {.info = op_info(kind)};
    uint32_t n = 0;
    for (const struct ast_arg *a = expr->call.of.args.first; a; a = a->next) n++;
    call.most = op_info_operands(call.info, NULL);
    if (call.info->traits & TRAIT_VARIADIC && n > call.most) call.most = n;
    call.operands = arena_array(&e->arena, struct operand, call.most);
    call.attrs = arena_array(&e->arena, struct attr, op_info_attrs(call.info));
    const char *name = first_name(names);
    for (const struct ast_arg *a = expr->call.of.args.first; a && !e->stopped; a = a->next)
        if (argument(e, scope, &call, a, name) != STATUS_OK) call.failed = true;
    if (call.failed || e->stopped) return STATUS_FAILED;
    value_id *operands = arena_array(&e->arena, value_id, call.count);
    TRY(settle(e, call.info, call.operands, call.count, operands));
    return finish_op(e, scope, expr->loc, kind, operands, call.count, call.attrs, call.attr_count, names,
                     out);
}

static enum status unknown_op(struct elab *e, const struct ast_expr *expr) {
    const char *name = expr->call.of.name.text;
    struct near near = near_to(name);
    near_offer_ops(&near);
    for (uint32_t i = 0; i < e->blocks.count; i++) near_offer(&near, e->blocks.at[i].stmt->block.name.text);
    return diag_error(e->diag, expr->loc, "no op and no block has the name '%s'%s", name,
                      near_hint(&near, &e->arena));
}

static enum status eval_call(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                             struct names names, struct results *out) {
    struct block *block = find_block(e, expr->call.of.name.text);
    enum op_kind kind = op_by_name(expr->call.of.name.text);
    if (block && expr->call.has_schedule)
        return diag_error(e->diag, expr->loc, "a block has no schedule; its ops have");
    if (block) return call_block(e, scope, block, expr, names, out);
    if (kind == OP_NONE) return unknown_op(e, expr);
    if (kind == OP_fuse)
        TRY(call_fuse(e, scope, expr, names, out));
    else
        TRY(call_op(e, scope, expr, kind, names, out));
    if (!expr->call.has_schedule) return STATUS_OK;
    const struct schedule *schedule;
    TRY(eval_schedule(e, scope, &expr->call.schedule, &schedule));
    op_get(e->m, value_get(e->m, out->at[0])->op)->schedule = schedule;
    return STATUS_OK;
}

/* -- arithmetic -- */
static enum status eval_arithmetic(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                                   const char *name, value_id *out) {
    bool negate = expr->kind == AST_NEGATE;
    enum op_kind kind = negate ? OP_neg : op_of(expr->binary.op);
    struct operand operands[2] = {{.given = false}};
    const struct ast_expr *sides[2] = {expr->binary.left, expr->binary.right};
    uint32_t count = negate ? 1 : 2;
    bool failed = false;
    for (uint32_t i = 0; i < count && !e->stopped; i++) {
        failed = eval_operand(e, scope, sides[i], name, &operands[i]) != STATUS_OK || failed;
    }
    if (failed || e->stopped) return STATUS_FAILED;
    value_id values[2];
    struct results results;
    TRY(settle(e, op_info(kind), operands, count, values));
    TRY(finish_op(e, scope, expr->loc, kind, values, count, NULL, 0, (struct names){&name, 1}, &results));
    *out = results.at[0];
    return STATUS_OK;
}

/* -- expressions -- */
static enum status eval_one(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                            const char *name, enum elem elem, value_id *out) {
    if (expr->kind == AST_PATH) return eval_path(e, scope, expr, elem, out);
    if (expr->kind == AST_SCALAR || expr->kind == AST_TENSOR) return eval_literal(e, scope, expr, out);
    if (expr_is_constant(e, scope, expr)) {
        struct constant constant;
        TRY(eval_constant(e, scope, expr, &constant));
        return literal_of(e, &constant, elem, out);
    }
    if (expr->kind != AST_CALL) return eval_arithmetic(e, scope, expr, name, out);
    struct results results;
    TRY(eval_call(e, scope, expr, (struct names){&name, 1}, &results));
    if (results.count != 1)
        return diag_error(e->diag, expr->loc, "'%s' gives %u results where one is needed",
                          expr->call.of.name.text, results.count);
    *out = results.at[0];
    return STATUS_OK;
}

enum status eval_value(struct elab *e, struct scope *scope, const struct ast_expr *expr, const char *name,
                       enum elem elem, value_id *out) {
    if (!elab_step(e, expr->loc, 1) || !elab_enter(e, expr->loc)) return STATUS_FAILED;
    enum status status = eval_one(e, scope, expr, name, elem, out);
    elab_leave(e);
    return status;
}

enum status eval_results(struct elab *e, struct scope *scope, const struct ast_expr *expr, struct names names,
                         struct results *out) {
    if (expr->kind != AST_CALL || !strcmp(expr->call.of.name.text, "layout")) {
        out->count = 1;
        return eval_value(e, scope, expr, first_name(names), ELEM_NONE, &out->at[0]);
    }
    if (!elab_step(e, expr->loc, 1) || !elab_enter(e, expr->loc)) return STATUS_FAILED;
    enum status status = eval_call(e, scope, expr, names, out);
    elab_leave(e);
    return status;
}
