/* From a syntax tree to a module; internal to the frontend.
 *
 * A text is untrusted: nesting, statements, ops and made-up weights are bounded, so that no text makes it
 * hang, recurse without end or take all memory. A statement that fails binds its names to BINDING_BAD, which
 * is passed on without further errors. */
#ifndef ADZE_FRONTEND_ELABORATE_H
#define ADZE_FRONTEND_ELABORATE_H

#include "frontend/ast.h"
#include "frontend/near.h"
#include "frontend/read.h"
#include "ir/print.h"

enum {
    MAX_OPS = 250000,         /* of a model, those of fuse bodies included */
    MAX_BODY_OPS = 2000,      /* of a fuse */
    MAX_STEPS = 1000000,      /* statements and expressions worked on, beyond one for each byte of text */
    STEPS_OF_SCOPE = 10,      /* that a call of a block or an iteration counts for */
    MAX_NESTED = 600,         /* of expressions, bodies, and calls of blocks, all together */
    MAX_PREFIX = 120,         /* bytes of a name that other names are made from */
    MAX_NAME = 1000,          /* bytes of a name */
    MAX_INCLUDES = 200,       /* files */
    MAX_MADE_BYTES = 1 << 30, /* of weights that no file holds */
};

/* -- constants: what attributes, dimensions and block arguments are made of -- */
enum constant_kind {
    CONSTANT_INT,
    CONSTANT_FLOAT,
    CONSTANT_BOOL,
    CONSTANT_WORD, /* a keyword, a symbol, or the name of a weight or a scope of weights */
    CONSTANT_ELEM,
    CONSTANT_LIST,
    CONSTANT_DIM, /* not constant: else it is an int */
    CONSTANT_LAYOUT
};
struct constant {
    enum constant_kind kind;
    struct loc loc;
    union {
        int64_t i;
        double f;
        bool b;
        const char *word;
        enum elem elem;
        dim_id dim;
        layout_id layout;
        struct {
            const struct constant *at;
            uint32_t count;
        } list;
    };
};

/* -- names -- */
enum binding_kind { BINDING_VALUE, BINDING_CONSTANT, BINDING_BAD };
struct binding {
    const char *name;
    struct loc loc;
    enum binding_kind kind;
    value_id value;
    struct constant constant;
};

enum scope_kind { SCOPE_MODEL, SCOPE_BLOCK, SCOPE_REPEAT, SCOPE_FUSE };
/* Names wanted for the results of an expression, the first of them at least. */
struct names {
    const char *const *at;
    uint32_t count;
};

struct scope {
    enum scope_kind kind;
    struct scope *parent; /* of a repeat: sees all; of a fuse: sees constants; else NULL */
    const char *prefix;   /* names of values are prefix + name + suffix */
    const char *suffix;
    struct map names; /* indices into bindings */
    VEC(struct binding) bindings;
    struct builder *builder;
    struct results *returned;  /* of a block or a fuse; NULL: nothing can be returned */
    struct names names_wanted; /* for what it returns */
    bool has_returned;
};

struct results {
    uint32_t count;
    value_id at[MAX_RESULTS];
};

struct block {
    const struct ast_stmt *stmt;
    bool active; /* being inlined */
};

struct source_file {
    struct weight_source source;
    const char *path, *prefix;
    struct loc loc;
};

struct included {
    uint64_t device, inode;
};

struct elab {
    struct module *m;
    struct diag *diag;
    struct arena arena; /* syntax trees and what lives as long */
    const struct read_options *options;
    VEC(const struct ast_stmt *) stmts; /* of the root, includes expanded, blocks apart */
    VEC(struct block) blocks;
    struct map block_names;
    VEC(struct source_file) sources;
    struct map weight_scopes; /* every a and a.b of a weight a.b.c */
    bool has_weight_scopes;   /* those of the files too, from the first use on */
    VEC(struct included) included;
    struct map symbols;
    bool declaring; /* in the type of an input: unknown names are new symbols */
    bool stopped;   /* a limit was hit, or there were errors enough */
    uint64_t steps, steps_allowed;
    uint32_t nested;
    int64_t made_bytes;
};

/* -- elaborate.c -- */
MUST_USE enum status elaborate(struct elab *e, const char *name, const char *text, size_t length);
enum status run_stmts(struct elab *e, struct scope *scope, const struct ast_stmts *stmts);
/* Counts a step; false, after an error, when it is one too many. */
bool elab_step(struct elab *e, struct loc loc, uint32_t steps);
bool elab_enter(struct elab *e, struct loc loc); /* a level of nesting; leave by elab_leave if true */
void elab_leave(struct elab *e);

/* -- scope.c -- */
struct scope scope_make(enum scope_kind kind, struct scope *parent, const char *prefix, const char *suffix,
                        struct builder *builder);
void scope_free(struct scope *scope);
/* The binding of `name` that `scope` sees; NULL if there is none. */
struct binding *scope_find(const struct scope *scope, const char *name);
/* Gives `name` a meaning; an error if it has one already, but for names from around a repeat. */
enum status scope_bind(struct elab *e, struct scope *scope, const struct binding *binding);
const char *scope_value_name(struct elab *e, const struct scope *scope, const char *name);
void scope_offer(const struct scope *scope, struct near *near);
/* The name as it counts: formatted, of bounded length; NULL after an error. */
const char *name_text(struct elab *e, const struct scope *scope, const struct ast_name *name);

/* -- constant.c -- */
/* Whether `expr` computes a constant rather than a value. */
bool expr_is_constant(struct elab *e, const struct scope *scope, const struct ast_expr *expr);
MUST_USE enum status eval_constant(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                                   struct constant *out);
MUST_USE enum status eval_int(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                              const char *what, int64_t *out);
MUST_USE enum status constant_dim(struct elab *e, const struct constant *constant, dim_id *out);
/* "an integer", "a list", … for messages. */
const char *constant_text(const struct constant *constant);

/* What a name with its parts stands for. */
enum path_kind { PATH_BAD, PATH_VALUE, PATH_CONSTANT, PATH_TEXT };
struct path {
    enum path_kind kind;
    value_id value;
    struct constant constant;
    const char *text; /* of PATH_BAD: NULL, or the name of what failed before */
};
struct path resolve_path(struct elab *e, const struct scope *scope, const struct ast_expr *expr);

/* -- type.c -- */
MUST_USE enum status eval_type(struct elab *e, const struct scope *scope, const struct ast_type *type,
                               struct type *out);
MUST_USE enum status eval_layout(struct elab *e, const struct ast_call *call, uint32_t rank, layout_id *out);
MUST_USE enum status eval_place(struct elab *e, const struct ast_call *call, struct place *out);
MUST_USE enum status eval_schedule(struct elab *e, const struct scope *scope, const struct ast_args *args,
                                   const struct schedule **out);

/* -- attribute.c -- */
MUST_USE enum status eval_attr(struct elab *e, const struct scope *scope, const struct op_info *info,
                               const struct attr_spec *spec, const struct ast_arg *arg, struct attr *out);

/* -- literal.c -- */
MUST_USE enum status literal_of(struct elab *e, const struct constant *constant, enum elem elem,
                                value_id *out);
MUST_USE enum status eval_literal(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                                  value_id *out);
MUST_USE enum status fill_numbers(struct elab *e, struct loc loc, const struct ast_numbers *numbers,
                                  struct tensor *tensor);

/* -- parameter.c -- */
/* The folder that a file's own paths start from: as a path to open, and from the main text's folder. */
struct folder {
    const char *open, *shown; /* "" or a path without the last / */
};
const char *path_in(struct elab *e, const char *folder, const char *path);
MUST_USE enum status open_weights(struct elab *e, const struct ast_stmt *stmt, struct folder folder);
MUST_USE enum status weight_value(struct elab *e, const char *name, struct loc loc, value_id *out);
bool weight_exists(struct elab *e, const char *name);
bool weight_scope_exists(struct elab *e, const char *name);
void offer_weights(struct elab *e, struct near *near);
enum status run_weight(struct elab *e, struct scope *scope, const struct ast_stmt *stmt);

/* -- call.c -- */
/* One value; constants become literals of type `elem` (ELEM_NONE: i64, f32 or bool). A new value is called
 * `name`, or by its op if that is empty. */
MUST_USE enum status eval_value(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                                const char *name, enum elem elem, value_id *out);
/* The same for an operand of what is called `name`: the value is called `name`.op. */
MUST_USE enum status eval_nested(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                                 const char *name, value_id *out);
/* Any number of values. */
MUST_USE enum status eval_results(struct elab *e, struct scope *scope, const struct ast_expr *expr,
                                  struct names names, struct results *out);
/* Counts an op; false, after an error, if there are too many. */
bool room_for_op(struct elab *e, const struct scope *scope, struct loc loc);

/* -- block.c -- */
void define_block(struct elab *e, const struct ast_stmt *stmt);
struct block *find_block(const struct elab *e, const char *name);
MUST_USE enum status call_block(struct elab *e, struct scope *scope, struct block *block,
                                const struct ast_expr *call, struct names names, struct results *out);
MUST_USE enum status call_fuse(struct elab *e, struct scope *scope, const struct ast_expr *call,
                               struct names names, struct results *out);
enum status run_repeat(struct elab *e, struct scope *scope, const struct ast_stmt *stmt);

#endif
