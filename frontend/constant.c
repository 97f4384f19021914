/* Constants: integer arithmetic, lists, symbolic dimensions, words. */
#include "frontend/elaborate.h"

#include <math.h>
#include <string.h>

const char *constant_text(const struct constant *constant) {
    static const char *const text[] = {
        [CONSTANT_INT] = "an integer",  [CONSTANT_FLOAT] = "a float",        [CONSTANT_BOOL] = "a bool",
        [CONSTANT_WORD] = "a name",     [CONSTANT_ELEM] = "an element type", [CONSTANT_LIST] = "a list",
        [CONSTANT_DIM] = "a dimension", [CONSTANT_LAYOUT] = "a layout",
    };
    return text[constant->kind];
}

/* -- names -- */
/* Adds `.name` or `.3` for [3]. */
static enum status add_part(struct elab *e, const struct scope *scope, const struct ast_part *part,
                            struct str *text) {
    if (part->name.text) {
        const char *name = name_text(e, scope, &part->name);
        if (!name) return STATUS_FAILED;
        str_printf(text, ".%s", name);
        return STATUS_OK;
    }
    int64_t index;
    TRY(eval_int(e, scope, part->index, "an index", &index));
    str_printf(text, ".%lld", (long long)index);
    return STATUS_OK;
}

static struct path joined(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                          const char *first) {
    struct str text = {0};
    struct path path = {.kind = PATH_TEXT};
    str_add(&text, first);
    for (const struct ast_part *p = expr->path.parts; p && path.kind == PATH_TEXT; p = p->next)
        if (add_part(e, scope, p, &text) != STATUS_OK) path.kind = PATH_BAD;
    if (text.length > MAX_NAME) {
        diag_error(e->diag, expr->loc, "a name of more than %d bytes", MAX_NAME);
        path.kind = PATH_BAD;
    }
    if (path.kind == PATH_TEXT) path.text = arena_strdup(&e->arena, str_text(&text));
    str_free(&text);
    return path;
}

/* An element of a list: strides[i], sizes[i][0]. */
static struct path list_item(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                             struct constant constant) {
    for (const struct ast_part *p = expr->path.parts; p; p = p->next) {
        int64_t index;
        if (constant.kind != CONSTANT_LIST || !p->index) {
            diag_error(e->diag, expr->loc, "%s has no parts", constant_text(&constant));
            return (struct path){0};
        }
        if (eval_int(e, scope, p->index, "an index", &index) != STATUS_OK) return (struct path){0};
        if (index < 0 || index >= constant.list.count) {
            diag_error(e->diag, p->index->loc, "index %lld is outside the list of %u", (long long)index,
                       constant.list.count);
            return (struct path){0};
        }
        constant = constant.list.at[index];
    }
    return (struct path){.kind = PATH_CONSTANT, .constant = constant, .text = ""};
}

struct path resolve_path(struct elab *e, const struct scope *scope, const struct ast_expr *expr) {
    const char *first = name_text(e, scope, &expr->path.name);
    if (!first) return (struct path){0};
    const struct binding *b = expr->path.is_weight ? NULL : scope_find(scope, first);
    if (!b) return joined(e, scope, expr, first);
    if (b->kind == BINDING_BAD) return (struct path){.kind = PATH_BAD, .text = first};
    if (b->kind == BINDING_CONSTANT && b->constant.kind == CONSTANT_WORD)
        return joined(e, scope, expr, b->constant.word);
    if (b->kind == BINDING_CONSTANT && b->constant.kind == CONSTANT_LIST)
        return list_item(e, scope, expr, b->constant);
    if (expr->path.parts) return joined(e, scope, expr, first);
    if (b->kind == BINDING_CONSTANT)
        return (struct path){.kind = PATH_CONSTANT, .constant = b->constant, .text = first};
    return (struct path){.kind = PATH_VALUE, .value = b->value, .text = first};
}

bool expr_is_constant(struct elab *e, const struct scope *scope, const struct ast_expr *expr) {
    switch (expr->kind) {
    case AST_NUMBER:
    case AST_BOOL:
    case AST_ELEM:
    case AST_LIST:
        return true;
    case AST_PATH: {
        if (expr->path.is_weight || expr->path.name.format) return false;
        const struct binding *b = scope_find(scope, expr->path.name.text);
        return b && b->kind == BINDING_CONSTANT && b->constant.kind != CONSTANT_WORD;
    }
    case AST_NEGATE:
        return expr_is_constant(e, scope, expr->binary.left);
    case AST_BINARY:
        return expr_is_constant(e, scope, expr->binary.left) &&
               expr_is_constant(e, scope, expr->binary.right);
    case AST_CALL:
        return !strcmp(expr->call.of.name.text, "layout");
    case AST_SCALAR:
    case AST_TENSOR:
        return false;
    }
    return false;
}

/* -- arithmetic -- */
enum status constant_dim(struct elab *e, const struct constant *c, dim_id *out) {
    switch (c->kind) {
    case CONSTANT_INT:
        *out = dim_const(&e->m->types, c->i);
        return STATUS_OK;
    case CONSTANT_DIM:
        *out = c->dim;
        return STATUS_OK;
    case CONSTANT_WORD:
        break;
    default:
        return diag_error(e->diag, c->loc, "expected an integer or a symbol, found %s", constant_text(c));
    }
    if (!map_get_str(&e->symbols, c->word)) {
        if (!e->declaring) {
            struct near near = near_to(c->word);
            const char *key;
            uint32_t cursor = 0, value;
            while (map_next(&e->symbols, &cursor, &key, &value)) near_offer(&near, key);
            return diag_error(e->diag, c->loc, "no dimension has the name '%s'%s", c->word,
                              near_hint(&near, &e->arena));
        }
        (void)map_put_str(&e->symbols, c->word, NULL);
    }
    *out = dim_symbol(&e->m->types, c->word, 0, DIM_MAX);
    return out->i ? STATUS_OK : diag_error(e->diag, c->loc, "the name of a symbol is too long");
}

static bool is_number(const struct constant *c) {
    return c->kind == CONSTANT_INT || c->kind == CONSTANT_FLOAT;
}

static double as_double(const struct constant *c) {
    return c->kind == CONSTANT_INT ? (double)c->i : c->f;
}

/* The constant of a dimension expression that came out constant is an integer. */
static struct constant dim_constant(struct elab *e, dim_id dim, struct loc loc) {
    struct constant c = {.kind = CONSTANT_DIM, .loc = loc, .dim = dim};
    int64_t value;
    if (dim_is_const(&e->m->types, dim, &value))
        c = (struct constant){.kind = CONSTANT_INT, .loc = loc, .i = value};
    return c;
}

static enum status int_arithmetic(struct elab *e, struct loc loc, char op, int64_t a, int64_t b,
                                  int64_t *out) {
    bool fits = true;
    if ((op == '/' || op == '%') && b <= 0)
        return diag_error(e->diag, loc, "division by %lld: the divisor of integers must be positive",
                          (long long)b);
    switch (op) {
    case '+':
        fits = add_i64(a, b, out);
        break;
    case '-':
        fits = !__builtin_sub_overflow(a, b, out);
        break;
    case '*':
        fits = mul_i64(a, b, out);
        break;
    case '/':
        *out = floor_div(a, b);
        break;
    case '%':
        *out = a - b * floor_div(a, b);
        break;
    default:
        bug("operator %c", op);
    }
    return fits ? STATUS_OK : diag_error(e->diag, loc, "the result does not fit 64 bits");
}

static double float_arithmetic(char op, double a, double b) {
    switch (op) {
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    case '/':
        return a / b;
    default:
        return fmod(a, b);
    }
}

static enum status dim_arithmetic(struct elab *e, struct loc loc, char op, const struct constant *left,
                                  const struct constant *right, struct constant *out) {
    struct types *types = &e->m->types;
    dim_id a, b, result = {0};
    TRY(constant_dim(e, left, &a));
    TRY(constant_dim(e, right, &b));
    switch (op) {
    case '+':
        result = dim_add(types, a, b);
        break;
    case '-':
        result = dim_sub(types, a, b);
        break;
    case '*':
        result = dim_mul(types, a, b);
        break;
    case '/':
        result = dim_floor_div(types, a, b);
        break;
    case '%':
        result = dim_sub(types, a, dim_mul(types, dim_floor_div(types, a, b), b));
        break;
    default:
        bug("operator %c", op);
    }
    if (!result.i)
        return diag_error(e->diag, loc,
                          "a dimension that overflows, or is divided by what may be zero or negative");
    *out = dim_constant(e, result, loc);
    return STATUS_OK;
}

static enum status eval_binary(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                               struct constant *out) {
    struct constant left, right;
    char op = expr->binary.op;
    TRY(eval_constant(e, scope, expr->binary.left, &left));
    TRY(eval_constant(e, scope, expr->binary.right, &right));
    *out = (struct constant){.kind = CONSTANT_INT, .loc = expr->binary.left->loc};
    if (left.kind == CONSTANT_INT && right.kind == CONSTANT_INT)
        return int_arithmetic(e, expr->loc, op, left.i, right.i, &out->i);
    if (is_number(&left) && is_number(&right)) {
        out->kind = CONSTANT_FLOAT;
        out->f = float_arithmetic(op, as_double(&left), as_double(&right));
        return STATUS_OK;
    }
    return dim_arithmetic(e, expr->loc, op, &left, &right, out);
}

static enum status eval_negate(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                               struct constant *out) {
    TRY(eval_constant(e, scope, expr->binary.left, out));
    if (out->kind == CONSTANT_FLOAT) {
        out->f = -out->f;
        return STATUS_OK;
    }
    if (out->kind == CONSTANT_INT) return int_arithmetic(e, expr->loc, '-', 0, out->i, &out->i);
    struct constant zero = {.kind = CONSTANT_INT, .loc = expr->loc};
    return dim_arithmetic(e, expr->loc, '-', &zero, out, out);
}

static enum status eval_number(struct elab *e, const struct ast_expr *expr, struct constant *out) {
    const struct ast_number *n = &expr->number;
    if (n->is_float) {
        *out = (struct constant){.kind = CONSTANT_FLOAT, .loc = expr->loc, .f = n->real};
        return STATUS_OK;
    }
    uint64_t most = (uint64_t)INT64_MAX + n->negative;
    if (n->integer > most)
        return diag_error(e->diag, expr->loc, "%llu does not fit 64 bits with a sign",
                          (unsigned long long)n->integer);
    int64_t value = (int64_t)(n->negative ? -n->integer : n->integer);
    *out = (struct constant){.kind = CONSTANT_INT, .loc = expr->loc, .i = value};
    return STATUS_OK;
}

static enum status eval_list(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                             struct constant *out) {
    struct constant *at = arena_array(&e->arena, struct constant, expr->list.count);
    uint32_t n = 0;
    for (const struct ast_expr *item = expr->list.first; item; item = item->next)
        TRY(eval_constant(e, scope, item, &at[n++]));
    *out = (struct constant){.kind = CONSTANT_LIST, .loc = expr->loc};
    out->list.at = at;
    out->list.count = n;
    return STATUS_OK;
}

static enum status eval_path(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                             struct constant *out) {
    struct path path = resolve_path(e, scope, expr);
    /* Symbols and keywords have name spaces of their own: a value of the same name does not hide one. */
    bool hides = (path.kind == PATH_VALUE || path.kind == PATH_BAD) && path.text;
    if (hides && (e->declaring || map_get_str(&e->symbols, path.text) || keyword_by_name(path.text)))
        path.kind = PATH_TEXT;
    switch (path.kind) {
    case PATH_BAD:
        return STATUS_FAILED;
    case PATH_VALUE:
        return diag_error(e->diag, expr->loc, "'%s' is a value; expected a constant", path.text);
    case PATH_CONSTANT:
        *out = path.constant;
        break;
    case PATH_TEXT:
        *out = (struct constant){.kind = CONSTANT_WORD, .word = path.text};
        break;
    }
    out->loc = expr->loc;
    return STATUS_OK;
}

static enum status eval_here(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                             struct constant *out) {
    switch (expr->kind) {
    case AST_NUMBER:
        return eval_number(e, expr, out);
    case AST_BOOL:
        *out = (struct constant){.kind = CONSTANT_BOOL, .loc = expr->loc, .b = expr->boolean};
        return STATUS_OK;
    case AST_ELEM:
        *out = (struct constant){.kind = CONSTANT_ELEM, .loc = expr->loc, .elem = expr->elem};
        return STATUS_OK;
    case AST_PATH:
        return eval_path(e, scope, expr, out);
    case AST_LIST:
        return eval_list(e, scope, expr, out);
    case AST_NEGATE:
        return eval_negate(e, scope, expr, out);
    case AST_BINARY:
        return eval_binary(e, scope, expr, out);
    case AST_CALL:
        if (strcmp(expr->call.of.name.text, "layout")) break;
        *out = (struct constant){.kind = CONSTANT_LAYOUT, .loc = expr->loc};
        return eval_layout(e, &expr->call.of, 0, &out->layout);
    case AST_SCALAR:
    case AST_TENSOR:
        break;
    }
    return diag_error(e->diag, expr->loc, "expected a constant, found a value");
}

enum status eval_constant(struct elab *e, const struct scope *scope, const struct ast_expr *expr,
                          struct constant *out) {
    if (!elab_step(e, expr->loc, 1)) return STATUS_FAILED;
    if (!elab_enter(e, expr->loc)) return STATUS_FAILED;
    enum status status = eval_here(e, scope, expr, out);
    elab_leave(e);
    return status;
}

enum status eval_int(struct elab *e, const struct scope *scope, const struct ast_expr *expr, const char *what,
                     int64_t *out) {
    struct constant c;
    TRY(eval_constant(e, scope, expr, &c));
    if (c.kind != CONSTANT_INT)
        return diag_error(e->diag, expr->loc, "%s must be an integer, found %s", what, constant_text(&c));
    *out = c.i;
    return STATUS_OK;
}
