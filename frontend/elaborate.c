#include "frontend/elaborate.h"

#include "ir/base/file.h"

#include <string.h>
#include <sys/stat.h>

/* -- limits -- */
bool elab_step(struct elab *e, struct loc loc, uint32_t steps) {
    if (e->stopped) return false;
    e->steps += steps;
    if (e->steps <= e->steps_allowed) return true;
    diag_error(e->diag, loc, "blocks and repeats unroll to too many statements");
    e->stopped = true;
    return false;
}

bool elab_enter(struct elab *e, struct loc loc) {
    if (e->nested >= MAX_NESTED) {
        diag_error(e->diag, loc, "nested more than %d deep, calls of blocks included", MAX_NESTED);
        e->stopped = true;
        return false;
    }
    e->nested++;
    return true;
}

void elab_leave(struct elab *e) {
    e->nested--;
}

/* -- assignments -- */
/* What is defined twice keeps its first meaning; what a repeat should have carried on has none. */
static void bind_bad(struct elab *e, struct scope *scope, const struct ast_targets *targets) {
    for (const struct ast_target *t = targets->first; t; t = t->next) {
        struct binding bad = {.name = t->name.text, .loc = t->name.loc, .kind = BINDING_BAD};
        if (!t->name.format && !map_get_str(&scope->names, bad.name)) (void)scope_bind(e, scope, &bad);
    }
}

static enum status type_mismatch(struct elab *e, const struct ast_target *target, struct type declared,
                                 struct type found) {
    struct str want = {0}, have = {0};
    type_print(&e->m->types, type_make(declared.elem, declared.shape), &want);
    type_print(&e->m->types, type_make(found.elem, found.shape), &have);
    diag_error(e->diag, target->name.loc, "'%s' is declared as %s, but is %s", target->name.text,
               str_text(&want), str_text(&have));
    str_free(&want);
    str_free(&have);
    return STATUS_FAILED;
}

/* Element type and shape are checked; quantization, sparsity, layout and place are what the text says. */
static enum status declare(struct elab *e, const struct scope *scope, const struct ast_target *target,
                           value_id v) {
    struct type declared, found = value_get(e->m, v)->type;
    if (!target->type) return STATUS_OK;
    TRY(eval_type(e, scope, target->type, &declared));
    if (declared.elem != found.elem || declared.shape.i != found.shape.i)
        return type_mismatch(e, target, declared, found);
    if (target->type->parts.first) value_get(e->m, v)->type = declared;
    if (!target->place) return STATUS_OK;
    return eval_place(e, target->place, &value_get(e->m, v)->place);
}

/* `pad = 2` names a constant, `layer = encoder.layer[i]` a scope of weights. */
static enum status bind_constant(struct elab *e, struct scope *scope, const struct ast_stmt *stmt,
                                 const struct constant *constant) {
    const struct ast_target *target = stmt->assign.targets.first;
    struct binding b = {.name = name_text(e, scope, &target->name),
                        .loc = target->name.loc,
                        .kind = BINDING_CONSTANT,
                        .constant = *constant};
    if (!b.name) return STATUS_FAILED;
    if (target->type) return diag_error(e->diag, target->name.loc, "a constant has no type");
    return scope_bind(e, scope, &b);
}

static enum status weight_scope(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                                bool *is, struct constant *out) {
    *is = false;
    if (expr->kind != AST_PATH || expr->path.is_weight) return STATUS_OK;
    struct path path = resolve_path(e, scope, expr);
    if (path.kind == PATH_BAD) return STATUS_FAILED;
    if (path.kind != PATH_TEXT || weight_exists(e, path.text)) return STATUS_OK;
    *is = weight_scope_exists(e, path.text);
    *out = (struct constant){.kind = CONSTANT_WORD, .loc = expr->loc, .word = path.text};
    return STATUS_OK;
}

/* Values made by this very statement take the name that it gives them, also those that a block named. */
static void rename_result(struct elab *e, value_id v, const char *name, uint32_t ops_before) {
    const struct value *value = value_get(e->m, v);
    if (value->kind == VALUE_RESULT && value->op.i >= ops_before) (void)module_rename_value(e->m, v, name);
}

static enum status bind_results(struct elab *e, struct scope *scope, const struct ast_stmt *stmt,
                                struct names names, const struct results *results, uint32_t ops_before) {
    uint32_t i = 0;
    for (const struct ast_target *t = stmt->assign.targets.first; t; t = t->next, i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++) again = again || value_same(results->at[k], results->at[i]);
        if (!again) rename_result(e, results->at[i], names.at[i], ops_before);
        TRY(declare(e, scope, t, results->at[i]));
        struct binding b = {
            .name = name_text(e, scope, &t->name), .loc = t->name.loc, .value = results->at[i]};
        TRY(scope_bind(e, scope, &b));
    }
    return STATUS_OK;
}

static enum status names_of(struct elab *e, const struct scope *scope, const struct ast_targets *targets,
                            struct names *out) {
    const char **at = arena_array(&e->arena, const char *, targets->count);
    *out = (struct names){at, targets->count};
    for (const struct ast_target *t = targets->first; t; t = t->next) {
        const char *name = name_text(e, scope, &t->name);
        if (!name) return STATUS_FAILED;
        *at++ = scope_value_name(e, scope, name);
    }
    return STATUS_OK;
}

static enum status run_assign(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    const struct ast_targets *targets = &stmt->assign.targets;
    const struct ast_expr *expr = stmt->assign.expr;
    struct constant constant;
    struct names names;
    struct results results = {0};
    if (targets->count == 1 && expr_is_constant(e, scope, expr)) {
        TRY(eval_constant(e, scope, expr, &constant));
        return bind_constant(e, scope, stmt, &constant);
    }
    bool is_scope;
    TRY(weight_scope(e, scope, expr, &is_scope, &constant));
    if (targets->count == 1 && is_scope) return bind_constant(e, scope, stmt, &constant);
    TRY(names_of(e, scope, targets, &names));
    uint32_t ops_before = e->m->ops.count;
    TRY(eval_results(e, scope, expr, names, &results));
    if (results.count != targets->count)
        return diag_error(e->diag, stmt->loc, "%u name%s for %u result%s", targets->count,
                          targets->count == 1 ? "" : "s", results.count, results.count == 1 ? "" : "s");
    return bind_results(e, scope, stmt, names, &results, ops_before);
}

static enum status run_return(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    if (!scope->returned)
        return diag_error(e->diag, stmt->loc,
                          scope->kind == SCOPE_REPEAT ? "return inside of a repeat"
                                                      : "return outside of a block");
    if (stmt->results.count > MAX_RESULTS)
        return diag_error(e->diag, stmt->loc, "%u results; at most %d are possible", stmt->results.count,
                          MAX_RESULTS);
    scope->has_returned = true;
    struct results *out = scope->returned;
    uint32_t i = 0;
    for (const struct ast_expr *x = stmt->results.first; x; x = x->next, i++) {
        const char *name = i < scope->names_wanted.count ? scope->names_wanted.at[i] : "";
        TRY(eval_value(e, scope, x, name, ELEM_NONE, &out->at[i]));
    }
    out->count = i;
    return STATUS_OK;
}

/* -- declarations -- */
static enum status run_input(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    const struct ast_target *target = stmt->declare.target;
    const char *name = name_text(e, scope, &target->name);
    struct type type;
    struct binding b = {.name = name, .loc = target->name.loc};
    if (!name) return STATUS_FAILED;
    e->declaring = true;
    enum status status = eval_type(e, scope, target->type, &type);
    e->declaring = false;
    TRY(status);
    TRY(scope_bind(e, scope, &b));
    value_id v = module_add_input(e->m, name, type, target->name.loc);
    scope_find(scope, name)->value = v;
    return target->place ? eval_place(e, target->place, &value_get(e->m, v)->place) : STATUS_OK;
}

static enum status run_output(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    const struct ast_expr *expr = stmt->output.expr;
    const char *name = NULL;
    if (stmt->output.name.text) {
        name = name_text(e, scope, &stmt->output.name);
    } else if (expr->kind == AST_PATH) {
        struct path path = resolve_path(e, scope, expr);
        if (path.kind == PATH_CONSTANT) return diag_error(e->diag, expr->loc, "a constant is no output");
        if (path.kind != PATH_BAD) name = path.text;
    } else {
        return diag_error(e->diag, stmt->loc, "an output that is no name is given one: output y = …");
    }
    if (!name) return STATUS_FAILED;
    for (uint32_t i = 0; i < e->m->outputs.count; i++)
        if (!strcmp(e->m->outputs.at[i].name, name))
            return diag_error(e->diag, stmt->loc, "there is an output '%s' already", name);
    value_id v;
    TRY(eval_value(e, scope, expr, name, ELEM_NONE, &v));
    module_add_output(e->m, name, v);
    return STATUS_OK;
}

static enum status run_dim(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    const char *name = name_text(e, scope, &stmt->dim.name);
    int64_t lo, hi;
    bool is_new;
    if (!name) return STATUS_FAILED;
    TRY(eval_int(e, scope, stmt->dim.lo, "a bound", &lo));
    TRY(eval_int(e, scope, stmt->dim.hi, "a bound", &hi));
    if (lo < 0 || hi < lo || hi > DIM_MAX)
        return diag_error(e->diag, stmt->dim.name.loc,
                          "dimension '%s' in %lld..=%lld: bounds are from 0 to 2^30 and in order", name,
                          (long long)lo, (long long)hi);
    (void)map_put_str(&e->symbols, name, &is_new);
    if (!is_new)
        return diag_error(e->diag, stmt->dim.name.loc, "dimension '%s' is declared or used already", name);
    dim_id symbol = dim_symbol(&e->m->types, name, lo, hi);
    return symbol.i ? STATUS_OK : diag_error(e->diag, stmt->dim.name.loc, "the name of a symbol is too long");
}

static enum status run_model(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    const char *name = name_text(e, scope, &stmt->model.name);
    if (!name) return STATUS_FAILED;
    if (e->m->loc.line) return diag_error(e->diag, stmt->loc, "a second model in one text");
    e->m->name = arena_strdup(&e->m->arena, name);
    e->m->loc = stmt->loc;
    for (const struct ast_call_node *part = stmt->model.parts.first; part; part = part->next) {
        const struct ast_arg *a = part->call.args.first;
        bool one = a && !a->next && !a->name.text;
        if (one && !strcmp(part->call.name.text, "target") && a->expr->kind == AST_PATH)
            e->m->target = arena_strdup(&e->m->arena, a->expr->path.name.text);
        else if (one && !strcmp(part->call.name.text, "scratch") && a->expr->kind == AST_NUMBER &&
                 !a->expr->number.is_float)
            e->m->scratch_bytes = a->expr->number.integer;
        else
            return diag_error(e->diag, part->call.name.loc, "expected target(\"name\") or scratch(bytes)");
    }
    return STATUS_OK;
}

static enum status run_plan(struct elab *e, const struct ast_stmt *stmt) {
    if (e->m->plan) return diag_error(e->diag, stmt->loc, "a second plan in one text");
    e->m->plan = arena_strdup(&e->m->arena, stmt->plan);
    return STATUS_OK;
}

static enum status run_metadata(struct elab *e, const struct ast_stmt *stmt) {
    for (uint32_t i = 0; i < e->m->metadata.count; i++)
        if (!strcmp(e->m->metadata.at[i].key, stmt->metadata.key))
            return diag_error(e->diag, stmt->loc, "metadata \"%s\" is given already", stmt->metadata.key);
    module_add_metadata(e->m, stmt->metadata.key, stmt->metadata.value);
    return STATUS_OK;
}

/* -- statements -- */
static const char *const stmt_text[] = {
    [AST_ASSIGN] = "an assignment", [AST_INPUT] = "input",   [AST_WEIGHT] = "weight",
    [AST_WEIGHTS] = "weights",      [AST_OUTPUT] = "output", [AST_DIM] = "dim",
    [AST_METADATA] = "metadata",    [AST_PLAN] = "plan",     [AST_MODEL] = "model",
    [AST_INCLUDE] = "include",      [AST_BLOCK] = "block",   [AST_REPEAT] = "repeat",
    [AST_RETURN] = "return",
};

static enum status run_stmt(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    bool anywhere = stmt->kind == AST_ASSIGN || stmt->kind == AST_RETURN || stmt->kind == AST_REPEAT;
    bool in_repeat = stmt->kind == AST_OUTPUT && scope->kind == SCOPE_REPEAT;
    if (scope->has_returned) return diag_error(e->diag, stmt->loc, "a statement after return");
    if (scope->kind != SCOPE_MODEL && !anywhere && !in_repeat)
        return diag_error(e->diag, stmt->loc, "%s inside of a body", stmt_text[stmt->kind]);
    switch (stmt->kind) {
    case AST_ASSIGN:
        return run_assign(e, scope, stmt);
    case AST_INPUT:
        return run_input(e, scope, stmt);
    case AST_WEIGHT:
        return run_weight(e, scope, stmt);
    case AST_OUTPUT:
        return run_output(e, scope, stmt);
    case AST_DIM:
        return run_dim(e, scope, stmt);
    case AST_METADATA:
        return run_metadata(e, stmt);
    case AST_PLAN:
        return run_plan(e, stmt);
    case AST_MODEL:
        return run_model(e, scope, stmt);
    case AST_REPEAT:
        return run_repeat(e, scope, stmt);
    case AST_RETURN:
        return run_return(e, scope, stmt);
    case AST_WEIGHTS:
    case AST_INCLUDE:
    case AST_BLOCK:
        break;
    }
    bug("statement %s among those to run", stmt_text[stmt->kind]);
}

/* Runs one statement; what it should have defined is bad if it fails. */
static enum status run_and_bind(struct elab *e, struct scope *scope, const struct ast_stmt *stmt) {
    if (!elab_step(e, stmt->loc, 1) || !elab_enter(e, stmt->loc)) return STATUS_FAILED;
    enum status status = run_stmt(e, scope, stmt);
    elab_leave(e);
    if (e->diag->errors > DIAG_MAX_ERRORS) e->stopped = true;
    if (status == STATUS_OK) return STATUS_OK;
    if (stmt->kind == AST_ASSIGN) bind_bad(e, scope, &stmt->assign.targets);
    if (stmt->kind == AST_INPUT)
        bind_bad(e, scope, &(struct ast_targets){stmt->declare.target, stmt->declare.target, 1});
    return STATUS_FAILED;
}

enum status run_stmts(struct elab *e, struct scope *scope, const struct ast_stmts *stmts) {
    enum status status = STATUS_OK;
    for (const struct ast_stmt *s = stmts->first; s && !e->stopped; s = s->next)
        if (run_and_bind(e, scope, s) != STATUS_OK) status = STATUS_FAILED;
    return e->stopped ? STATUS_FAILED : status;
}

/* -- files: includes, blocks and weights files come first, so that the order of definitions is free -- */
static enum status collect(struct elab *e, const char *shown, const char *text, size_t length,
                           struct folder folder);

static const char *folder_of(struct elab *e, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return "";
    return slash == path ? "/." : arena_strndup(&e->arena, path, (size_t)(slash - path));
}

/* A file included twice counts once; so a circle ends. */
static enum status first_time(struct elab *e, const char *path, struct loc loc, bool *out) {
    struct stat info;
    *out = true;
    if (stat(path, &info)) return STATUS_OK; /* opening it will say why */
    if (!S_ISREG(info.st_mode)) return diag_error(e->diag, loc, "'%s' is no regular file", path);
    for (uint32_t i = 0; i < e->included.count; i++)
        if (e->included.at[i].device == info.st_dev && e->included.at[i].inode == info.st_ino) *out = false;
    *vec_push(&e->included) = (struct included){info.st_dev, info.st_ino};
    return STATUS_OK;
}

/* A main file that includes itself is a circle too. */
static void note_main_file(struct elab *e, const char *path) {
    struct stat info;
    if (!stat(path, &info)) *vec_push(&e->included) = (struct included){info.st_dev, info.st_ino};
}

static enum status include(struct elab *e, const struct ast_stmt *stmt, struct folder folder) {
    const char *path = path_in(e, folder.open, stmt->include);
    struct folder inner = {folder_of(e, path), folder_of(e, path_in(e, folder.shown, stmt->include))};
    bool is_first;
    TRY(first_time(e, path, stmt->loc, &is_first));
    if (!is_first) return STATUS_OK;
    if (e->included.count > MAX_INCLUDES)
        return diag_error(e->diag, stmt->loc, "more than %d included files", MAX_INCLUDES);
    struct file_view view;
    if (file_open_view(path, e->diag, &view) != STATUS_OK) {
        diag_note(e->diag, stmt->loc, "it is included here");
        return STATUS_FAILED;
    }
    enum status status = collect(e, path, (const char *)view.bytes, view.size, inner);
    file_close_view(&view);
    return status;
}

static enum status collect_stmt(struct elab *e, const struct ast_stmt *stmt, struct folder folder) {
    switch (stmt->kind) {
    case AST_INCLUDE:
        return include(e, stmt, folder);
    case AST_WEIGHTS:
        return open_weights(e, stmt, folder);
    case AST_BLOCK:
        define_block(e, stmt);
        return STATUS_OK;
    default:
        *vec_push(&e->stmts) = stmt;
        return STATUS_OK;
    }
}

static enum status collect(struct elab *e, const char *shown, const char *text, size_t length,
                           struct folder folder) {
    struct ast_file file;
    uint32_t source = diag_add_source(e->diag, shown, text, length);
    e->steps_allowed += length;
    TRY(ast_parse(text ? text : "", length, source, &e->arena, e->diag, &file));
    if (!elab_enter(e, (struct loc){source, 1, 1})) return STATUS_FAILED;
    enum status status = STATUS_OK;
    for (const struct ast_stmt *s = file.stmts.first; s; s = s->next)
        if (collect_stmt(e, s, folder) != STATUS_OK) status = STATUS_FAILED;
    elab_leave(e);
    return status;
}

static enum status run_model_stmts(struct elab *e) {
    struct builder builder = builder_at_end(e->m, e->m->root, e->diag);
    struct scope scope = scope_make(SCOPE_MODEL, NULL, "", "", &builder);
    for (uint32_t i = 0; i < e->stmts.count && !e->stopped; i++)
        (void)run_and_bind(e, &scope, e->stmts.at[i]);
    scope_free(&scope);
    return STATUS_OK;
}

enum status elaborate(struct elab *e, const char *name, const char *text, size_t length) {
    uint32_t errors = e->diag->errors;
    e->steps_allowed = MAX_STEPS;
    struct folder folder = {folder_of(e, name), ""};
    note_main_file(e, name);
    TRY(collect(e, name, text, length, folder));
    TRY(run_model_stmts(e));
    if (e->diag->errors == errors && !e->m->outputs.count)
        diag_error(e->diag, (struct loc){1, 0, 0}, "the model has no output");
    return e->diag->errors > errors || e->stopped ? STATUS_FAILED : STATUS_OK;
}
