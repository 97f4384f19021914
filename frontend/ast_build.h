/* Constructors of the syntax tree, for the parser's actions. */
#ifndef ADZE_FRONTEND_AST_BUILD_H
#define ADZE_FRONTEND_AST_BUILD_H

#include "frontend/lexer.h"

/* `depth`: of the deepest node below it. */
struct ast_stmt *stmt_new(struct lexer *lexer, enum ast_stmt_kind kind, struct loc loc, uint32_t depth);
struct ast_stmt *stmt_plan(struct lexer *lexer, struct loc loc); /* of the plan text collected */
struct ast_stmts stmts_add(struct ast_stmts list, struct ast_stmt *stmt);
struct ast_stmts stmts_join(struct ast_stmts a, struct ast_stmts b);

struct ast_target *target_new(struct lexer *lexer, struct ast_name name, struct ast_type *type,
                              struct ast_call *place);
struct ast_targets targets_add(struct ast_targets list, struct ast_target *target);
struct ast_type *type_new(struct lexer *lexer, enum elem elem, struct loc loc, struct ast_exprs dims,
                          struct ast_calls parts);
struct ast_call *call_new(struct lexer *lexer, struct ast_name name, struct ast_args args);
struct ast_calls calls_add(struct lexer *lexer, struct ast_calls list, struct ast_call *call);
struct ast_param *param_new(struct lexer *lexer, struct ast_name name, struct ast_expr *fallback);
struct ast_params params_add(struct ast_params list, struct ast_param *param);
struct ast_part *part_new(struct lexer *lexer, struct ast_name name, struct ast_expr *index);
struct ast_arg *arg_new(struct lexer *lexer, struct ast_name name, struct ast_expr *expr);
struct ast_args args_add(struct ast_args list, struct ast_arg *arg);
struct ast_exprs exprs_add(struct ast_exprs list, struct ast_expr *expr);

struct ast_expr *expr_number(struct lexer *lexer, struct loc loc, struct ast_number number);
struct ast_expr *expr_bool(struct lexer *lexer, struct loc loc, bool value);
struct ast_expr *expr_elem(struct lexer *lexer, struct loc loc, enum elem elem);
struct ast_expr *expr_path(struct lexer *lexer, struct ast_name name, struct ast_part *parts, uint32_t depth,
                           bool is_weight);
struct ast_expr *expr_list(struct lexer *lexer, struct loc loc, struct ast_exprs list);
struct ast_expr *expr_negate(struct lexer *lexer, struct loc loc, struct ast_expr *of);
struct ast_expr *expr_binary(struct lexer *lexer, struct loc loc, char op, struct ast_expr *left,
                             struct ast_expr *right);
struct ast_expr *expr_call(struct lexer *lexer, struct loc loc, struct ast_name name, struct ast_args args);
void expr_body(struct lexer *lexer, struct ast_expr *call, struct ast_stmts body);
void expr_schedule(struct lexer *lexer, struct ast_expr *call, struct ast_args args);
struct ast_expr *expr_scalar(struct lexer *lexer, struct loc loc, enum elem elem, struct ast_number number,
                             struct ast_call *place);
struct ast_expr *expr_tensor(struct lexer *lexer, struct loc loc, struct ast_type *type,
                             struct ast_numbers *numbers, struct ast_call *place);

struct ast_number number_inf(void);
struct ast_number number_nan(void);
struct ast_number number_negative(struct ast_number number);
struct ast_numbers *numbers_new(struct lexer *lexer);
struct ast_numbers *numbers_add(struct lexer *lexer, struct ast_numbers *list, struct ast_number number);

struct ast_name reserved_name(const char *word, struct loc loc);
struct ast_name quoted_name(struct ast_name name); /* in the plan's text: in quotes */
/* The name of a call: an error if it has parts. */
struct ast_name name_of_path(struct lexer *lexer, struct ast_name name, const struct ast_part *parts);
struct ast_name name_joined(struct lexer *lexer, struct ast_name name, struct ast_name part);
/* Adds a word of the plan to its text. */
void plan_add(struct lexer *lexer, const char *before, struct ast_name word);

#endif
