/* Bodies: blocks inlined where they are called, fuse regions, repeats unrolled. */
#include "frontend/elaborate.h"

#include <string.h>

/* -- blocks -- */
void define_block(struct elab *e, const struct ast_stmt *stmt) {
    const char *name = stmt->block.name.text;
    if (op_by_name(name) != OP_NONE) {
        diag_error(e->diag, stmt->loc, "block '%s' has the name of an op", name);
        return;
    }
    if (stmt->block.name.format) {
        diag_error(e->diag, stmt->loc, "the name of a block is no format string");
        return;
    }
    bool is_new;
    uint32_t *index = map_put_str(&e->block_names, name, &is_new);
    if (!is_new) {
        diag_error(e->diag, stmt->loc, "block '%s' is defined already", name);
        diag_note(e->diag, e->blocks.at[*index].stmt->loc, "it was defined here");
        return;
    }
    *index = e->blocks.count;
    *vec_push(&e->blocks) = (struct block){stmt, false};
}

struct block *find_block(const struct elab *e, const char *name) {
    uint32_t *index = map_get_str(&e->block_names, name);
    return index ? &e->blocks.at[*index] : NULL;
}

/* What an argument stands for: a value, or a constant; a name that is neither is a word for now (a weight, a
 * scope of weights, a keyword or a symbol). */
static enum status eval_argument(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                                 const char *name, struct binding *out) {
    if (expr->kind == AST_PATH && !expr->path.is_weight) {
        struct path path = resolve_path(e, scope, expr);
        if (path.kind == PATH_BAD) return STATUS_FAILED;
        if (path.kind == PATH_TEXT) {
            out->kind = BINDING_CONSTANT;
            out->constant = (struct constant){.kind = CONSTANT_WORD, .loc = expr->loc, .word = path.text};
            return STATUS_OK;
        }
    }
    out->kind = expr_is_constant(e, scope, expr) ? BINDING_CONSTANT : BINDING_VALUE;
    if (out->kind == BINDING_CONSTANT) return eval_constant(e, scope, expr, &out->constant);
    return eval_nested(e, scope, expr, name, &out->value);
}

static const struct ast_arg *argument_for(const struct ast_expr *call, const struct ast_param *param,
                                          uint32_t index) {
    uint32_t i = 0;
    for (const struct ast_arg *a = call->call.of.args.first; a; a = a->next, i++)
        if (a->name.text ? !strcmp(a->name.text, param->name.text) : i == index) return a;
    return NULL;
}

/* Every argument belongs to one parameter. */
static enum status check_arguments(struct elab *e, const struct block *block, const struct ast_expr *call) {
    const char *name = block->stmt->block.name.text;
    uint32_t params = 0, i = 0;
    bool named = false;
    for (const struct ast_param *p = block->stmt->block.params.first; p; p = p->next) params++;
    for (const struct ast_arg *a = call->call.of.args.first; a; a = a->next, i++) {
        if (!a->name.text && i >= params)
            return diag_error(e->diag, a->expr->loc, "block '%s' takes %u arguments", name, params);
        if (!a->name.text && named)
            return diag_error(e->diag, a->expr->loc, "arguments without a name come before named ones");
        if (!a->name.text) continue;
        named = true;
        struct near near = near_to(a->name.text);
        uint32_t at = 0;
        const struct ast_param *p = block->stmt->block.params.first;
        for (; p && strcmp(p->name.text, a->name.text); p = p->next, at++) near_offer(&near, p->name.text);
        if (!p)
            return diag_error(e->diag, a->name.loc, "block '%s' has no parameter '%s'%s", name, a->name.text,
                              near_hint(&near, &e->arena));
        if (argument_for(call, p, at) != a)
            return diag_error(e->diag, a->name.loc, "parameter '%s' is given twice", a->name.text);
    }
    return STATUS_OK;
}

static enum status bind_arguments(struct elab *e, struct scope *scope, struct scope *inner,
                                  const struct block *block, const struct ast_expr *call, const char *name) {
    uint32_t i = 0;
    for (const struct ast_param *p = block->stmt->block.params.first; p; p = p->next, i++) {
        const struct ast_arg *arg = argument_for(call, p, i);
        struct binding b = {.name = p->name.text, .loc = p->name.loc};
        if (!arg && !p->fallback) {
            diag_error(e->diag, call->loc, "block '%s' needs an argument for '%s'",
                       block->stmt->block.name.text, p->name.text);
            diag_note(e->diag, p->name.loc, "the parameter stands here");
            return STATUS_FAILED;
        }
        TRY(eval_argument(e, arg ? scope : inner, arg ? arg->expr : p->fallback, name, &b));
        TRY(scope_bind(e, inner, &b));
    }
    return STATUS_OK;
}

static enum status run_block(struct elab *e, struct scope *inner, struct block *block,
                             const struct ast_expr *call) {
    const struct ast_stmt *stmt = block->stmt;
    block->active = true;
    uint32_t errors = e->diag->errors;
    enum status status = run_stmts(e, inner, &stmt->block.body);
    find_block(e, stmt->block.name.text)->active = false;
    if (status == STATUS_OK && !inner->has_returned)
        status = diag_error(e->diag, stmt->loc, "block '%s' returns nothing", stmt->block.name.text);
    if (e->diag->errors > errors)
        diag_note(e->diag, call->loc, "in the block '%s' called here", stmt->block.name.text);
    return status;
}

enum status call_block(struct elab *e, struct scope *scope, struct block *block, const struct ast_expr *call,
                       struct names names, struct results *out) {
    const char *name = names.count ? names.at[0] : "";
    if (block->active)
        return diag_error(e->diag, call->loc, "block '%s' calls itself", block->stmt->block.name.text);
    if (strlen(name) > MAX_PREFIX) name = block->stmt->block.name.text;
    if (!elab_step(e, call->loc, STEPS_OF_SCOPE)) return STATUS_FAILED;
    TRY(check_arguments(e, block, call));
    const char *prefix = *name ? arena_printf(&e->arena, "%s.", name) : "";
    struct scope inner = scope_make(SCOPE_BLOCK, NULL, prefix, "", scope->builder);
    inner.returned = out;
    inner.names_wanted = names;
    enum status status = bind_arguments(e, scope, &inner, block, call, name);
    if (status == STATUS_OK) status = run_block(e, &inner, block, call);
    scope_free(&inner);
    return status;
}

/* -- fuse -- */
static enum status fuse_argument(struct elab *e, struct scope *scope, const struct ast_arg *arg,
                                 const char *name, value_id *out) {
    enum status status = eval_nested(e, scope, arg->expr, name, out);
    if (status == STATUS_OK && !arg->name.text && arg->expr->kind != AST_PATH)
        return diag_error(e->diag, arg->expr->loc, "an operand of fuse that is no name is given one: x = …");
    return status;
}

static enum status fuse_operands(struct elab *e, struct scope *scope, const struct ast_expr *call,
                                 const char *name, value_id *out) {
    bool failed = false;
    for (const struct ast_arg *a = call->call.of.args.first; a; a = a->next)
        failed = fuse_argument(e, scope, a, name, out++) != STATUS_OK || failed;
    return failed ? STATUS_FAILED : STATUS_OK;
}

/* The arguments' names inside: as given, or the last part of what was written. */
static enum status bind_fuse_arguments(struct elab *e, struct scope *inner, const struct ast_expr *call,
                                       region_id body) {
    uint32_t i = 0;
    for (const struct ast_arg *a = call->call.of.args.first; a; a = a->next, i++) {
        value_id arg = region_get(e->m, body)->args.at[i];
        const struct ast_name *written = a->name.text ? &a->name : &a->expr->path.name;
        const char *name = name_text(e, inner, written);
        if (!name) return STATUS_FAILED;
        if (!a->name.text && a->expr->path.parts) name = resolve_path(e, inner->parent, a->expr).text;
        struct binding b = {.name = name, .loc = a->expr->loc, .value = arg};
        TRY(scope_bind(e, inner, &b));
        value_get(e->m, arg)->name = arena_strdup(&e->m->arena, name);
        value_get(e->m, arg)->loc = a->expr->loc;
    }
    return STATUS_OK;
}

static enum status fuse_body(struct elab *e, struct scope *scope, const struct ast_expr *call,
                             region_id body) {
    struct builder builder = builder_at_end(e->m, body, e->diag);
    struct results results = {0};
    struct scope inner = scope_make(SCOPE_FUSE, scope, "", "", &builder);
    inner.returned = &results;
    enum status status = bind_fuse_arguments(e, &inner, call, body);
    if (status == STATUS_OK) status = run_stmts(e, &inner, &call->call.body);
    if (status == STATUS_OK && !inner.has_returned)
        status = diag_error(e->diag, call->loc, "the body of this fuse returns nothing");
    for (uint32_t i = 0; status == STATUS_OK && i < results.count; i++) {
        if (value_get(e->m, results.at[i])->region.i != body.i)
            status = diag_error(e->diag, call->loc, "a fuse returns values that its body computes");
        *vec_push(&region_get(e->m, body)->results) = results.at[i];
    }
    scope_free(&inner);
    return status;
}

enum status call_fuse(struct elab *e, struct scope *scope, const struct ast_expr *call, struct names names,
                      struct results *out) {
    uint32_t count = 0;
    for (const struct ast_arg *a = call->call.of.args.first; a; a = a->next) count++;
    if (scope->kind == SCOPE_FUSE) return diag_error(e->diag, call->loc, "a fuse inside of a fuse");
    if (!room_for_op(e, scope, call->loc)) return STATUS_FAILED;
    value_id *operands = arena_array(&e->arena, value_id, count);
    TRY(fuse_operands(e, scope, call, names.count ? names.at[0] : "", operands));
    scope->builder->loc = call->loc;
    op_id id = build_fuse_begin(scope->builder, operands, count);
    if (fuse_body(e, scope, call, op_get(e->m, id)->body) != STATUS_OK) {
        op_get(e->m, id)->erased = true;
        return STATUS_FAILED;
    }
    const char *padded[MAX_RESULTS] = {0};
    for (uint32_t i = 0; i < names.count && i < MAX_RESULTS; i++)
        padded[i] = *names.at[i] ? names.at[i] : NULL;
    TRY(build_fuse_end(scope->builder, id, padded));
    const struct op *op = op_get(e->m, id);
    out->count = op->result_count;
    memcpy(out->at, op->result, op->result_count * sizeof *op->result);
    return STATUS_OK;
}

/* -- repeat -- */
static enum status run_once(struct elab *e, struct scope *scope, const struct ast_stmt *stmt, int64_t i) {
    const char *suffix = arena_printf(&e->arena, "%s.%lld", scope->suffix, (long long)i);
    struct scope inner = scope_make(SCOPE_REPEAT, scope, scope->prefix, suffix, scope->builder);
    struct binding index = {.name = name_text(e, scope, &stmt->repeat.index),
                            .loc = stmt->repeat.index.loc,
                            .kind = BINDING_CONSTANT,
                            .constant = {.kind = CONSTANT_INT, .loc = stmt->loc, .i = i}};
    enum status status = STATUS_FAILED;
    if (index.name) {
        *map_put_str(&inner.names, index.name, NULL) = 0;
        *vec_push(&inner.bindings) = index;
        status = run_stmts(e, &inner, &stmt->repeat.body);
    }
    scope_free(&inner);
    return status;
}

enum status run_repeat(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    int64_t lo, hi;
    TRY(eval_int(e, scope, stmt->repeat.lo, "a bound", &lo));
    TRY(eval_int(e, scope, stmt->repeat.hi, "a bound", &hi));
    if (stmt->repeat.inclusive && !add_i64(hi, 1, &hi))
        return diag_error(e->diag, stmt->loc, "the range does not fit 64 bits");
    if (hi < lo)
        return diag_error(e->diag, stmt->loc, "repeat from %lld to below %lld", (long long)lo, (long long)hi);
    for (int64_t i = lo; i < hi; i++) {
        if (!elab_step(e, stmt->loc, STEPS_OF_SCOPE)) return STATUS_FAILED;
        TRY(run_once(e, scope, stmt, i));
    }
    return STATUS_OK;
}
