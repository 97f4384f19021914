/* The syntax tree of a text in the language: what was written, before any name is looked up.
 *
 * Nodes and texts live in one arena. Lists are singly linked in the order of the text. No node is nested
 * deeper than AST_MAX_DEPTH, so that recursive walks are safe. */
#ifndef ADZE_FRONTEND_AST_H
#define ADZE_FRONTEND_AST_H

#include "ir/base/diag.h"
#include "ir/elem.h"

enum { AST_MAX_DEPTH = 200 };

struct ast_expr;
struct ast_stmt;

/* A name as written: bare, "quoted", or f"formatted" with {i}, {i + 1} or {i - 1} in it. */
struct ast_name {
    const char *text;
    bool format;
    struct loc loc;
};

/* `.name` or `[index]` after a name. */
struct ast_part {
    struct ast_part *next;
    struct ast_name name; /* text NULL: an index */
    struct ast_expr *index;
};

struct ast_number {
    bool is_float, negative;
    uint64_t integer;
    double real;
};

struct ast_numbers {
    struct ast_number *at;
    uint32_t count, capacity;
};

struct ast_arg {
    struct ast_arg *next;
    struct ast_name name; /* text NULL: by position */
    struct ast_expr *expr;
};
struct ast_args {
    struct ast_arg *first, *last;
    uint32_t depth;
};

/* A word with arguments: `quant(axis = 0)`, `layout(n, c, h, w)`, `scratch(64)`, `random(1)`. */
struct ast_call {
    struct ast_name name;
    struct ast_args args;
};
struct ast_calls {
    struct ast_call_node {
        struct ast_call_node *next;
        struct ast_call call;
    } * first, *last;
};

struct ast_exprs {
    struct ast_expr *first, *last;
    uint32_t count, depth;
};

struct ast_stmts {
    struct ast_stmt *first, *last;
    uint32_t depth;
};

struct ast_type {
    enum elem elem;
    struct loc loc;
    struct ast_exprs dims;
    struct ast_calls parts;
};

enum ast_expr_kind {
    AST_NUMBER,
    AST_BOOL,
    AST_ELEM,
    AST_PATH,
    AST_LIST,
    AST_NEGATE,
    AST_BINARY,
    AST_CALL,
    AST_SCALAR, /* f32 0.5 */
    AST_TENSOR, /* i64[2] {1, 2} */
};

struct ast_expr {
    enum ast_expr_kind kind;
    struct loc loc;
    uint32_t depth;
    struct ast_expr *next;
    union {
        struct ast_number number;
        bool boolean;
        enum elem elem;
        struct {
            struct ast_name name;
            struct ast_part *parts, *last;
            bool is_weight; /* @name: never a value */
        } path;
        struct ast_exprs list;
        struct {
            char op; /* + - * / % */
            struct ast_expr *left, *right;
        } binary; /* of AST_NEGATE: left alone */
        struct {
            struct ast_call of;
            bool has_body, has_schedule;
            struct ast_stmts body; /* of fuse */
            struct ast_args schedule;
        } call;
        struct {
            enum elem elem; /* of a scalar */
            struct ast_type *type;
            struct ast_numbers numbers;
            struct ast_call *place;
        } literal;
    };
};

enum ast_stmt_kind {
    AST_ASSIGN,
    AST_INPUT,
    AST_WEIGHT,
    AST_WEIGHTS,
    AST_OUTPUT,
    AST_DIM,
    AST_METADATA,
    AST_PLAN,
    AST_MODEL,
    AST_INCLUDE,
    AST_BLOCK,
    AST_REPEAT,
    AST_RETURN,
};

/* `name: type at place`: what is given a value, or declared. */
struct ast_target {
    struct ast_target *next;
    struct ast_name name;
    struct ast_type *type;  /* NULL: not written */
    struct ast_call *place; /* NULL: not written */
};
struct ast_targets {
    struct ast_target *first, *last;
    uint32_t count;
};

struct ast_param {
    struct ast_param *next;
    struct ast_name name;
    struct ast_expr *fallback; /* NULL: must be given */
};
struct ast_params {
    struct ast_param *first, *last;
};

struct ast_stmt {
    enum ast_stmt_kind kind;
    struct loc loc;
    uint32_t depth;
    struct ast_stmt *next;
    union {
        struct {
            struct ast_targets targets;
            struct ast_expr *expr;
        } assign;
        struct {
            struct ast_target *target;
            struct ast_call *made_by;    /* of a weight; NULL: from a file */
            struct ast_numbers *numbers; /* of a weight: written out */
        } declare;
        struct {
            const char *path;
            const char *prefix; /* NULL: none */
        } weights;
        struct {
            struct ast_name name; /* text NULL: that of the expression */
            struct ast_expr *expr;
        } output;
        struct {
            struct ast_name name;
            struct ast_expr *lo, *hi;
        } dim;
        struct {
            const char *key, *value;
        } metadata;
        const char *plan; /* its canonical text */
        struct {
            struct ast_name name;
            struct ast_calls parts;
        } model;
        const char *include;
        struct {
            struct ast_name name;
            struct ast_params params;
            struct ast_stmts body;
        } block;
        struct {
            struct ast_name index;
            struct ast_expr *lo, *hi;
            bool inclusive;
            struct ast_stmts body;
        } repeat;
        struct ast_exprs results;
    };
};

/* A whole text, or an included one. */
struct ast_file {
    struct ast_stmts stmts;
};

/* Parses `length` bytes of source number `file` of `diag`. Reports as many errors as it can tell apart. */
MUST_USE enum status ast_parse(const char *text, size_t length, uint32_t file, struct arena *arena,
                               struct diag *diag, struct ast_file *out);

#endif
