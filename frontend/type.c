/* Types, layouts, places and schedules. */
#include "frontend/elaborate.h"

#include <string.h>

/* -- arguments of parts: name = integer -- */
static enum status positive(struct elab *e, const struct ast_expr *expr, int64_t lo, int64_t hi,
                            int64_t *out) {
    if (expr->kind != AST_NUMBER || expr->number.is_float || expr->number.negative ||
        expr->number.integer > (uint64_t)hi || expr->number.integer < (uint64_t)lo)
        return diag_error(e->diag, expr->loc, "expected a number from %lld to %lld", (long long)lo,
                          (long long)hi);
    *out = (int64_t)expr->number.integer;
    return STATUS_OK;
}

static uint32_t count_args(const struct ast_args *args) {
    uint32_t n = 0;
    for (const struct ast_arg *a = args->first; a; a = a->next) n++;
    return n;
}

/* -- layouts: layout(n, c/16, h, w, c%16); d0 … d7 name dimensions of any rank -- */
static int layout_axis(const struct ast_expr *expr) {
    if (expr->kind != AST_PATH || expr->path.parts) return -1;
    const char *name = expr->path.name.text;
    if (name[0] == 'd' && name[1] >= '0' && name[1] < '0' + MAX_RANK && !name[2]) return name[1] - '0';
    static const char letters[] = "nchw";
    const char *at = name[0] && !name[1] ? strchr(letters, name[0]) : NULL;
    if (!strcmp(name, "l")) return 2;
    return at ? (int)(at - letters) : -1;
}

static enum status layout_dim(struct elab *e, const struct ast_expr *expr, struct layout_dim *out) {
    bool blocked = expr->kind == AST_BINARY && (expr->binary.op == '/' || expr->binary.op == '%');
    int axis = layout_axis(blocked ? expr->binary.left : expr);
    int64_t block = 1;
    if (axis < 0)
        return diag_error(e->diag, expr->loc,
                          "expected a dimension as n, c/16 or c%%16, or d0 to d%d by position", MAX_RANK - 1);
    if (blocked) TRY(positive(e, expr->binary.right, 2, 1 << 20, &block));
    *out = (struct layout_dim){(uint8_t)axis, blocked && expr->binary.op == '%', (uint32_t)block};
    return STATUS_OK;
}

/* The number of logical dimensions: those that appear. */
static uint32_t layout_rank(const struct layout *layout) {
    uint32_t rank = 0;
    for (uint32_t i = 0; i < layout->count; i++)
        if (layout->at[i].dim + 1u > rank) rank = layout->at[i].dim + 1u;
    return rank;
}

enum status eval_layout(struct elab *e, const struct ast_call *call, uint32_t rank, layout_id *out) {
    struct layout layout = {0};
    const struct ast_arg *first = call->args.first;
    *out = (layout_id){0};
    if (first && !first->next && first->expr->kind == AST_PATH &&
        !strcmp(first->expr->path.name.text, "plain"))
        return STATUS_OK;
    for (const struct ast_arg *a = first; a; a = a->next) {
        if (layout.count == MAX_STORAGE_RANK || a->name.text)
            return diag_error(e->diag, a->expr->loc, "a layout lists at most %d dimensions",
                              MAX_STORAGE_RANK);
        TRY(layout_dim(e, a->expr, &layout.at[layout.count++]));
    }
    if (!rank) rank = layout_rank(&layout);
    if (!layout_valid(&layout, rank))
        return diag_error(e->diag, call->name.loc,
                          "a layout lists each of the %u dimensions once, whole or as d/block and d%%block",
                          rank);
    *out = layout_make(&e->m->types, &layout);
    return STATUS_OK;
}

/* -- quant and sparse -- */
static enum status quant_arg(struct elab *e, const struct ast_arg *a, struct quant *q) {
    struct constant c;
    const char *name = a->name.text ? a->name.text : "";
    TRY(eval_constant(e, NULL, a->expr, &c));
    if (!strcmp(name, "scale") && c.kind == CONSTANT_FLOAT && c.f > 0) {
        q->scale = c.f;
        q->literal = true;
        return STATUS_OK;
    }
    if (c.kind == CONSTANT_INT) {
        if (!strcmp(name, "axis") && c.i >= 0 && c.i < MAX_RANK) {
            q->axis = (int32_t)c.i;
            return STATUS_OK;
        }
        if (!strcmp(name, "group") && c.i > 0) {
            q->group = c.i;
            return STATUS_OK;
        }
        if (!strcmp(name, "zero")) {
            q->zero = c.i;
            return STATUS_OK;
        }
    }
    return diag_error(
        e->diag, a->expr->loc,
        "quant takes axis (a dimension), group (positive), scale (a positive float), zero (an integer)");
}

static enum status eval_quant(struct elab *e, const struct ast_call *call, quant_id *out) {
    struct quant q = {.axis = -1};
    for (const struct ast_arg *a = call->args.first; a; a = a->next) TRY(quant_arg(e, a, &q));
    if (q.zero && !q.literal)
        return diag_error(e->diag, call->name.loc, "a zero point is written together with its scale");
    *out = quant_make(&e->m->types, q);
    return STATUS_OK;
}

static enum status eval_sparse(struct elab *e, const struct ast_call *call, sparse_id *out) {
    static const struct {
        const char *name;
        enum sparse_kind kind;
        uint32_t args;
    } rows[] = {{"csr", SPARSE_CSR, 0},
                {"bitmask", SPARSE_BITMASK, 0},
                {"block", SPARSE_BLOCK, 2},
                {"nm", SPARSE_NM, 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].name, call->name.text)) continue;
        if (count_args(&call->args) != rows[i].args)
            return diag_error(e->diag, call->name.loc, "%s takes %u numbers", rows[i].name, rows[i].args);
        int64_t n[2] = {0, 0};
        uint32_t k = 0;
        for (const struct ast_arg *a = call->args.first; a; a = a->next)
            TRY(positive(e, a->expr, 1, 1 << 20, &n[k++]));
        *out = sparse_make(&e->m->types, (struct sparse){rows[i].kind, (uint32_t)n[0], (uint32_t)n[1]});
        return STATUS_OK;
    }
    return diag_error(e->diag, call->name.loc,
                      "'%s' is no part of a type; there are layout, quant, csr, bitmask, block and nm",
                      call->name.text);
}

static enum status eval_part(struct elab *e, const struct ast_call *call, struct type *type) {
    if (!strcmp(call->name.text, "layout"))
        return eval_layout(e, call, type_rank(&e->m->types, *type), &type->layout);
    if (!strcmp(call->name.text, "quant")) return eval_quant(e, call, &type->quant);
    return eval_sparse(e, call, &type->sparse);
}

/* -- types -- */
static enum status eval_dims(struct elab *e, const struct scope *scope, const struct ast_type *type,
                             dims_id *out) {
    dim_id dims[MAX_RANK];
    uint32_t rank = 0;
    if (type->dims.count > MAX_RANK)
        return diag_error(e->diag, type->loc, "a shape of %u dimensions; at most %d are possible",
                          type->dims.count, MAX_RANK);
    for (const struct ast_expr *d = type->dims.first; d; d = d->next) {
        struct constant c;
        TRY(eval_constant(e, scope, d, &c));
        TRY(constant_dim(e, &c, &dims[rank]));
        if (dim_lo(&e->m->types, dims[rank]) < 0)
            return diag_error(e->diag, d->loc, "a dimension that may be negative");
        rank++;
    }
    *out = dims_make(&e->m->types, dims, rank);
    return STATUS_OK;
}

enum status eval_type(struct elab *e, const struct scope *scope, const struct ast_type *type,
                      struct type *out) {
    dims_id shape;
    TRY(eval_dims(e, scope, type, &shape));
    *out = type_make(type->elem, shape);
    for (const struct ast_call_node *part = type->parts.first; part; part = part->next)
        TRY(eval_part(e, &part->call, out));
    return STATUS_OK;
}

/* -- places: scratch(4096), weights(64), input(0, 0), output(1, 64) -- */
enum status eval_place(struct elab *e, const struct ast_call *call, struct place *out) {
    static const struct {
        const char *name;
        enum place_space space;
        uint32_t args;
    } rows[] = {{"scratch", PLACE_SCRATCH, 1},
                {"weights", PLACE_WEIGHTS, 1},
                {"input", PLACE_INPUT, 2},
                {"output", PLACE_OUTPUT, 2}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].name, call->name.text)) continue;
        if (count_args(&call->args) != rows[i].args)
            return diag_error(e->diag, call->name.loc, "%s takes %s", rows[i].name,
                              rows[i].args == 1 ? "an offset" : "the number of a port and an offset");
        int64_t n[2] = {0, 0};
        uint32_t k = 0;
        for (const struct ast_arg *a = call->args.first; a; a = a->next, k++)
            TRY(positive(e, a->expr, 0, k + 1 < rows[i].args ? UINT16_MAX : INT64_MAX, &n[k]));
        *out = (struct place){rows[i].space, rows[i].args == 2 ? (uint32_t)n[0] : 0,
                              (uint64_t)n[rows[i].args - 1]};
        return STATUS_OK;
    }
    return diag_error(e->diag, call->name.loc, "a place is in scratch, weights, input or output");
}

/* -- schedules -- */
enum status eval_schedule(struct elab *e, const struct scope *scope, const struct ast_args *args,
                          const struct schedule **out) {
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
#define SCHEDULE(name, doc) {#name, offsetof(struct schedule, name)},
#include "ir/schedule.def"
    };
    struct schedule *schedule = arena_new(&e->m->arena, struct schedule);
    for (const struct ast_arg *a = args->first; a; a = a->next) {
        const char *name = a->name.text ? a->name.text : "";
        struct near near = near_to(name);
        size_t i = 0;
        for (; i < COUNT_OF(fields) && strcmp(fields[i].name, name); i++) near_offer(&near, fields[i].name);
        if (i == COUNT_OF(fields))
            return diag_error(e->diag, a->expr->loc, "schedule has no field '%s'%s", name,
                              near_hint(&near, &e->arena));
        int64_t value;
        TRY(eval_int(e, scope, a->expr, name, &value));
        if (value < 0 || value > UINT32_MAX)
            return diag_error(e->diag, a->expr->loc, "schedule: %s is %lld, expected 0 to 2^32 - 1", name,
                              (long long)value);
        memcpy((char *)schedule + fields[i].offset, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
    }
    *out = schedule;
    return STATUS_OK;
}
