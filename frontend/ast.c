#include "frontend/ast_build.h"
#include "frontend/parser.tab.h"

#include <math.h>
#include <string.h>

/* A node's depth is one more than that of the deepest node below it; the first one that is too deep is
 * reported. */
static uint32_t depth_over(struct lexer *lexer, struct loc loc, uint32_t below) {
    if (below + 1 > AST_MAX_DEPTH && !lexer->too_deep) {
        lexer->too_deep = true;
        diag_error(lexer->diag, loc, "nested more than %d deep", AST_MAX_DEPTH);
    }
    return below + 1;
}

static uint32_t deeper(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

#define append(list, node)                                                                                   \
    do {                                                                                                     \
        if ((list).first)                                                                                    \
            (list).last->next = (node);                                                                      \
        else                                                                                                 \
            (list).first = (node);                                                                           \
        (list).last = (node);                                                                                \
    } while (0)

/* -- statements -- */
struct ast_stmt *stmt_new(struct lexer *lexer, enum ast_stmt_kind kind, struct loc loc, uint32_t depth) {
    struct ast_stmt *stmt = arena_new(lexer->arena, struct ast_stmt);
    stmt->kind = kind;
    stmt->loc = loc;
    stmt->depth = depth_over(lexer, loc, depth);
    return stmt;
}

struct ast_stmt *stmt_plan(struct lexer *lexer, struct loc loc) {
    struct ast_stmt *stmt = stmt_new(lexer, AST_PLAN, loc, 0);
    stmt->plan = arena_strdup(lexer->arena, str_text(&lexer->plan));
    str_free(&lexer->plan);
    return stmt;
}

struct ast_stmts stmts_add(struct ast_stmts list, struct ast_stmt *stmt) {
    append(list, stmt);
    list.depth = deeper(list.depth, stmt->depth);
    return list;
}

struct ast_stmts stmts_join(struct ast_stmts a, struct ast_stmts b) {
    append(a, b.first);
    a.last = b.last;
    a.depth = deeper(a.depth, b.depth);
    return a;
}

struct ast_target *target_new(struct lexer *lexer, struct ast_name name, struct ast_type *type,
                              struct ast_call *place) {
    struct ast_target *target = arena_new(lexer->arena, struct ast_target);
    *target = (struct ast_target){.name = name, .type = type, .place = place};
    return target;
}

struct ast_targets targets_add(struct ast_targets list, struct ast_target *target) {
    append(list, target);
    list.count++;
    return list;
}

struct ast_type *type_new(struct lexer *lexer, enum elem elem, struct loc loc, struct ast_exprs dims,
                          struct ast_calls parts) {
    struct ast_type *type = arena_new(lexer->arena, struct ast_type);
    *type = (struct ast_type){elem, loc, dims, parts};
    return type;
}

struct ast_call *call_new(struct lexer *lexer, struct ast_name name, struct ast_args args) {
    struct ast_call *call = arena_new(lexer->arena, struct ast_call);
    *call = (struct ast_call){name, args};
    return call;
}

struct ast_calls calls_add(struct lexer *lexer, struct ast_calls list, struct ast_call *call) {
    struct ast_call_node *node = arena_new(lexer->arena, struct ast_call_node);
    node->call = *call;
    append(list, node);
    return list;
}

struct ast_param *param_new(struct lexer *lexer, struct ast_name name, struct ast_expr *fallback) {
    struct ast_param *param = arena_new(lexer->arena, struct ast_param);
    *param = (struct ast_param){.name = name, .fallback = fallback};
    return param;
}

struct ast_params params_add(struct ast_params list, struct ast_param *param) {
    append(list, param);
    return list;
}

struct ast_part *part_new(struct lexer *lexer, struct ast_name name, struct ast_expr *index) {
    struct ast_part *part = arena_new(lexer->arena, struct ast_part);
    *part = (struct ast_part){.name = name, .index = index};
    return part;
}

struct ast_arg *arg_new(struct lexer *lexer, struct ast_name name, struct ast_expr *expr) {
    struct ast_arg *arg = arena_new(lexer->arena, struct ast_arg);
    *arg = (struct ast_arg){.name = name, .expr = expr};
    return arg;
}

struct ast_args args_add(struct ast_args list, struct ast_arg *arg) {
    append(list, arg);
    list.depth = deeper(list.depth, arg->expr->depth);
    return list;
}

struct ast_exprs exprs_add(struct ast_exprs list, struct ast_expr *expr) {
    append(list, expr);
    list.count++;
    list.depth = deeper(list.depth, expr->depth);
    return list;
}

/* -- expressions -- */
static struct ast_expr *expr_new(struct lexer *lexer, enum ast_expr_kind kind, struct loc loc,
                                 uint32_t depth) {
    struct ast_expr *expr = arena_new(lexer->arena, struct ast_expr);
    expr->kind = kind;
    expr->loc = loc;
    expr->depth = depth_over(lexer, loc, depth);
    return expr;
}

struct ast_expr *expr_number(struct lexer *lexer, struct loc loc, struct ast_number number) {
    struct ast_expr *expr = expr_new(lexer, AST_NUMBER, loc, 0);
    expr->number = number;
    return expr;
}

struct ast_expr *expr_bool(struct lexer *lexer, struct loc loc, bool value) {
    struct ast_expr *expr = expr_new(lexer, AST_BOOL, loc, 0);
    expr->boolean = value;
    return expr;
}

struct ast_expr *expr_elem(struct lexer *lexer, struct loc loc, enum elem elem) {
    struct ast_expr *expr = expr_new(lexer, AST_ELEM, loc, 0);
    expr->elem = elem;
    return expr;
}

struct ast_expr *expr_path(struct lexer *lexer, struct ast_name name, struct ast_part *parts, uint32_t depth,
                           bool is_weight) {
    struct ast_expr *expr = expr_new(lexer, AST_PATH, name.loc, depth);
    expr->path.name = name;
    expr->path.parts = parts;
    expr->path.is_weight = is_weight;
    return expr;
}

struct ast_expr *expr_list(struct lexer *lexer, struct loc loc, struct ast_exprs list) {
    struct ast_expr *expr = expr_new(lexer, AST_LIST, loc, list.depth);
    expr->list = list;
    return expr;
}

/* -5 is a number, so that the smallest integer can be written. */
struct ast_expr *expr_negate(struct lexer *lexer, struct loc loc, struct ast_expr *of) {
    if (of->kind == AST_NUMBER && !of->number.negative) {
        of->number = number_negative(of->number);
        of->loc = loc;
        return of;
    }
    struct ast_expr *expr = expr_new(lexer, AST_NEGATE, loc, of->depth);
    expr->binary.left = of;
    return expr;
}

struct ast_expr *expr_binary(struct lexer *lexer, struct loc loc, char op, struct ast_expr *left,
                             struct ast_expr *right) {
    struct ast_expr *expr = expr_new(lexer, AST_BINARY, loc, deeper(left->depth, right->depth));
    expr->binary.op = op;
    expr->binary.left = left;
    expr->binary.right = right;
    return expr;
}

struct ast_expr *expr_call(struct lexer *lexer, struct loc loc, struct ast_name name, struct ast_args args) {
    struct ast_expr *expr = expr_new(lexer, AST_CALL, loc, args.depth);
    expr->call.of = (struct ast_call){name, args};
    return expr;
}

void expr_body(struct lexer *lexer, struct ast_expr *call, struct ast_stmts body) {
    call->call.has_body = true;
    call->call.body = body;
    call->depth = depth_over(lexer, call->loc, deeper(call->depth, body.depth));
}

void expr_schedule(struct lexer *lexer, struct ast_expr *call, struct ast_args args) {
    call->call.has_schedule = true;
    call->call.schedule = args;
    call->depth = depth_over(lexer, call->loc, deeper(call->depth, args.depth));
}

/* -- literals -- */
struct ast_expr *expr_scalar(struct lexer *lexer, struct loc loc, enum elem elem, struct ast_number number,
                             struct ast_call *place) {
    struct ast_expr *expr = expr_new(lexer, AST_SCALAR, loc, 0);
    expr->literal.elem = elem;
    expr->literal.numbers = *numbers_add(lexer, numbers_new(lexer), number);
    expr->literal.place = place;
    return expr;
}

struct ast_expr *expr_tensor(struct lexer *lexer, struct loc loc, struct ast_type *type,
                             struct ast_numbers *numbers, struct ast_call *place) {
    struct ast_expr *expr = expr_new(lexer, AST_TENSOR, loc, type->dims.depth);
    expr->literal.elem = type->elem;
    expr->literal.type = type;
    expr->literal.numbers = *numbers;
    expr->literal.place = place;
    return expr;
}

struct ast_number number_inf(void) {
    return (struct ast_number){.is_float = true, .real = INFINITY};
}

struct ast_number number_nan(void) {
    return (struct ast_number){.is_float = true, .real = NAN};
}

struct ast_number number_negative(struct ast_number number) {
    number.negative = true;
    number.real = -number.real;
    return number;
}

struct ast_numbers *numbers_new(struct lexer *lexer) {
    return arena_new(lexer->arena, struct ast_numbers);
}

struct ast_numbers *numbers_add(struct lexer *lexer, struct ast_numbers *list, struct ast_number number) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 4;
        struct ast_number *at = arena_array(lexer->arena, struct ast_number, list->capacity);
        if (list->count) memcpy(at, list->at, list->count * sizeof *at);
        list->at = at;
    }
    list->at[list->count++] = number;
    return list;
}

/* -- names -- */
struct ast_name reserved_name(const char *word, struct loc loc) {
    return (struct ast_name){word, false, loc};
}

struct ast_name quoted_name(struct ast_name name) {
    name.format = true;
    return name;
}

struct ast_name name_of_path(struct lexer *lexer, struct ast_name name, const struct ast_part *parts) {
    if (parts) diag_error(lexer->diag, name.loc, "an op or a block has a name without parts");
    return name;
}

struct ast_name name_joined(struct lexer *lexer, struct ast_name name, struct ast_name part) {
    name.text = arena_printf(lexer->arena, "%s.%s", name.text, part.text);
    return name;
}

void plan_add(struct lexer *lexer, const char *before, struct ast_name word) {
    str_add(&lexer->plan, before);
    if (word.format)
        str_add_quoted(&lexer->plan, word.text);
    else
        str_add(&lexer->plan, word.text);
}

/* -- the whole -- */
enum { MAX_TEXT = 1 << 30 };

enum status ast_parse(const char *text, size_t length, uint32_t file, struct arena *arena, struct diag *diag,
                      struct ast_file *out) {
    struct loc start = {file, 1, 1};
    if (length > MAX_TEXT)
        return diag_error(diag, start, "a text of %zu bytes; at most 1 GiB are read", length);
    if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, length -= 3;
    struct lexer lexer = {.arena = arena, .diag = diag, .next = start, .out = out};
    uint32_t errors = diag->errors;
    *out = (struct ast_file){0};
    lexer_open(&lexer, text, length);
    int failed = adze_parse_parse(&lexer);
    lexer_close(&lexer);
    return failed || diag->errors > errors ? STATUS_FAILED : STATUS_OK;
}
