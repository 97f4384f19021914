#include "test/support/plan_check.h"

#include <stdlib.h>
#include <string.h>

struct checker {
    const struct module *m;
    uint32_t *scratch;  /* by byte: the value that owns it, 0 at first */
    uint32_t **output;  /* by port and byte */
    uint64_t *bytes_of; /* by output: size of the port */
    uint32_t *owner_of; /* by value: the value whose bytes it is (itself but for views) */
    struct str *why;
    uint64_t scratch_bytes;
};

static bool fault(struct checker *c, const struct op *op, value_id v, const char *what) {
    struct place p = value_get(c->m, v)->place;
    str_printf(c->why, "memory plan: %s: %s %s", op ? op_info(op->kind)->name : "end",
               value_get(c->m, v)->name, what);
    if (p.space == PLACE_SCRATCH) str_printf(c->why, " (scratch at %llu)", (unsigned long long)p.offset);
    if (p.space == PLACE_OUTPUT) str_printf(c->why, " (output %u)", p.port);
    return false;
}

static uint64_t stored_bytes(const struct checker *c, value_id v) {
    return (uint64_t)type_storage_bytes(&c->m->types, value_get(c->m, v)->type);
}

/* The owners of the memory that a value's place is in, NULL if nobody stores there. */
static uint32_t *owners(struct checker *c, value_id v, uint64_t *limit) {
    struct place p = value_get(c->m, v)->place;
    if (p.space == PLACE_SCRATCH) {
        *limit = c->scratch_bytes;
        return c->scratch;
    }
    if (p.space != PLACE_OUTPUT || p.port >= c->m->outputs.count) return NULL;
    *limit = c->bytes_of[p.port];
    return c->output[p.port];
}

static bool outside(struct checker *c, value_id v) {
    uint64_t limit = 0, bytes = stored_bytes(c, v), offset = value_get(c->m, v)->place.offset;
    return owners(c, v, &limit) && (offset > limit || bytes > limit - offset);
}

static bool owns_all(struct checker *c, value_id v) {
    uint64_t limit, offset = value_get(c->m, v)->place.offset;
    uint32_t *at = owners(c, v, &limit);
    for (uint64_t i = 0, n = at ? stored_bytes(c, v) : 0; i < n; i++)
        if (at[offset + i] != c->owner_of[v.i]) return false;
    return true;
}

static void take(struct checker *c, value_id v) {
    uint64_t limit, offset = value_get(c->m, v)->place.offset;
    uint32_t *at = owners(c, v, &limit);
    for (uint64_t i = 0, n = at ? stored_bytes(c, v) : 0; i < n; i++) at[offset + i] = c->owner_of[v.i];
}

static bool overlap(const struct checker *c, value_id a, value_id b) {
    struct place x = value_get(c->m, a)->place, y = value_get(c->m, b)->place;
    if (x.space != y.space || x.port != y.port) return false;
    return x.offset < y.offset + stored_bytes(c, b) && y.offset < x.offset + stored_bytes(c, a);
}

static bool same_place(const struct checker *c, value_id a, value_id b) {
    struct place x = value_get(c->m, a)->place, y = value_get(c->m, b)->place;
    return x.space == y.space && x.port == y.port && x.offset == y.offset;
}

/* A view in its operand's place is no step: the bytes are there. */
static bool is_no_step(const struct checker *c, const struct op *op) {
    bool plain =
        !value_get(c->m, op->operand[0])->type.layout.i && !value_get(c->m, op->result[0])->type.layout.i;
    return op_info(op->kind)->traits & TRAIT_VIEW && plain && same_place(c, op->operand[0], op->result[0]);
}

/* Constants, and views of them, are in the weights. */
static bool is_memory(const struct checker *c, value_id v) {
    enum value_kind kind = value_get(c->m, (value_id){c->owner_of[v.i]})->kind;
    return kind != VALUE_LITERAL && kind != VALUE_PARAMETER &&
           value_get(c->m, v)->place.space != PLACE_WEIGHTS;
}

static bool check_operands(struct checker *c, const struct op *op) {
    for (uint32_t i = 0; i < op->operand_count; i++) {
        value_id v = op->operand[i];
        if (!v.i || !is_memory(c, v) || !stored_bytes(c, v)) continue;
        if (value_get(c->m, v)->place.space == PLACE_NONE) return fault(c, op, v, "has no place");
        if (outside(c, v)) return fault(c, op, v, "lies outside of its memory");
        if (!owns_all(c, v)) return fault(c, op, v, "is read after something else was stored over it");
    }
    return true;
}

static bool check_results(struct checker *c, const struct op *op) {
    for (uint32_t r = 0; r < op->result_count; r++) {
        value_id v = op->result[r];
        if (!stored_bytes(c, v)) continue;
        enum place_space space = value_get(c->m, v)->place.space;
        if (space != PLACE_SCRATCH && space != PLACE_OUTPUT)
            return fault(c, op, v, "is not stored where steps may store");
        if (outside(c, v)) return fault(c, op, v, "lies outside of its memory");
        for (uint32_t i = 0; i < op->operand_count; i++)
            if (op->operand[i].i && is_memory(c, op->operand[i]) && overlap(c, v, op->operand[i]))
                return fault(c, op, v, "is stored over an operand of its step");
        for (uint32_t k = 0; k < r; k++)
            if (overlap(c, v, op->result[k])) return fault(c, op, v, "overlaps another result");
    }
    return true;
}

static bool run(struct checker *c) {
    const struct region *root = region_get(c->m, c->m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(c->m, root->ops.at[i]);
        if (op->kind == OP_relayout && value_constant(c->m, op->operand[0]))
            continue; /* packed when compiled */
        if (!check_operands(c, op)) return false;
        if (op->operand_count && op->operand[0].i && is_no_step(c, op)) {
            c->owner_of[op->result[0].i] = c->owner_of[op->operand[0].i];
            continue;
        }
        if (!check_results(c, op)) return false;
        for (uint32_t r = 0; r < op->result_count; r++) take(c, op->result[r]);
    }
    for (uint32_t i = 0; i < c->m->outputs.count; i++) {
        value_id v = c->m->outputs.at[i].value;
        struct place p = value_get(c->m, v)->place;
        if (!stored_bytes(c, v)) continue;
        if (p.space != PLACE_OUTPUT || p.port != i || p.offset)
            return fault(c, NULL, v, "is an output but not in its port");
        if (!owns_all(c, v)) return fault(c, NULL, v, "is an output that something was stored over");
    }
    return true;
}

bool plan_check(const struct module *m, struct str *why) {
    uint32_t n = m->outputs.count;
    struct checker c = {.m = m, .why = why, .scratch_bytes = m->scratch_bytes};
    c.scratch = xcalloc(m->scratch_bytes + 1, sizeof *c.scratch);
    c.output = xcalloc(n + 1, sizeof *c.output);
    c.bytes_of = xcalloc(n + 1, sizeof *c.bytes_of);
    c.owner_of = xcalloc(m->values.count, sizeof *c.owner_of);
    for (uint32_t i = 0; i < m->values.count; i++) c.owner_of[i] = i;
    for (uint32_t i = 0; i < n; i++) {
        c.bytes_of[i] = stored_bytes(&c, m->outputs.at[i].value);
        c.output[i] = xcalloc(c.bytes_of[i] + 1, sizeof **c.output);
    }
    bool ok = run(&c);
    for (uint32_t i = 0; i < n; i++) free(c.output[i]);
    free(c.scratch);
    free(c.output);
    free(c.bytes_of);
    free(c.owner_of);
    return ok;
}
