#include "codegen/body.h"

#include "codegen/loop.h"
#include "codegen/point.h"
#include "codegen/simd_memory.h"

#include <stdlib.h>
#include <string.h>

/* A value of the body: where it comes from, and its register in the evaluation that is going on. */
struct slot {
    value_id value;
    enum { SLOT_MEMORY, SLOT_CONSTANT, SLOT_SEED, SLOT_OP } from;
    uint32_t index; /* of the access, seed */
    const struct tensor *constant;
    enum elem elem;
    LLVMValueRef reg;
};

struct step {
    op_id op;
    uint32_t in[3], out;
};

struct memory {
    struct access access;
    uint32_t buffer;              /* position in buf */
    const struct tensor *literal; /* several elements, which live in the module */
};

struct body {
    struct emit *e;
    struct frame frame;
    VEC(struct slot) slots;
    VEC(struct step) steps;
    VEC(struct memory) loads;
    VEC(struct memory) stores;
    VEC(uint32_t) wanted;
    struct map slot_of; /* value -> slot */
};

/* -- what has to be computed -- */

static uint32_t find_slot(struct body *body, value_id value) {
    const uint32_t *at = map_get(&body->slot_of, &value.i, sizeof value.i);
    return at ? *at : UINT32_MAX;
}

static uint32_t add_slot(struct body *body, value_id value, struct slot slot) {
    bool is_new;
    uint32_t *at = map_put(&body->slot_of, &value.i, sizeof value.i, &is_new);
    check(is_new);
    *at = body->slots.count;
    slot.value = value;
    slot.elem = value_get(body->e->m, value)->type.elem;
    *vec_push(&body->slots) = slot;
    return *at;
}

/* The value that the op is handed for one of its body's arguments, and its place in buf; a value of the root
 * is itself, at the place of the operand that it is. */
static value_id outer_value(const struct body *body, const struct op *op, value_id value,
                            uint32_t *out_buffer) {
    const struct value *v = value_get(body->e->m, value);
    if (op->kind == OP_fuse && v->kind == VALUE_ARGUMENT) {
        *out_buffer = v->index;
        return op->operand[v->index];
    }
    *out_buffer = UINT32_MAX;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (value_same(op->operand[i], value)) *out_buffer = i;
    return value;
}

/* Makes a slot for a value that comes from outside. */
static bool add_operand(struct body *body, const struct op *op, value_id value, const char **why_not) {
    struct module *m = body->e->m;
    uint32_t buffer;
    const struct value *v = value_get(m, outer_value(body, op, value, &buffer));
    const struct tensor *literal = v->kind == VALUE_LITERAL ? &v->literal : NULL;
    if (literal && tensor_count(literal) == 1) {
        add_slot(body, value, (struct slot){.from = SLOT_CONSTANT, .constant = literal});
        return true;
    }
    struct memory memory = {.buffer = buffer, .literal = literal};
    if (!literal && buffer == UINT32_MAX) {
        *why_not = "a body that uses a value which is not its own";
        return false;
    }
    if (!access_make(&m->types, &body->frame, v->type, &memory.access)) {
        *why_not = "an operand whose shape does not broadcast to the result's";
        return false;
    }
    uint32_t index = body->loads.count;
    *vec_push(&body->loads) = memory;
    add_slot(body, value, (struct slot){.from = SLOT_MEMORY, .index = index});
    return true;
}

/* Is this value computed by an op that belongs to what is evaluated? */
static bool is_inside(const struct body *body, op_id evaluated, const struct value *v) {
    if (v->kind != VALUE_RESULT) return false;
    const struct op *op = op_get(body->e->m, evaluated);
    return op->kind == OP_fuse ? v->region.i == op->body.i : v->op.i == evaluated.i;
}

/* Marks the ops that the wanted values need: one walk over the body from its end. */
static bool *mark_needed(struct body *body, op_id evaluated, const op_id *ops, uint32_t count) {
    struct module *m = body->e->m;
    bool *needed = xcalloc(count + 1, sizeof *needed);
    struct map wanted = {0};
    bool is_new;
    for (uint32_t i = 0; i < body->wanted.count; i++)
        map_put(&wanted, &body->wanted.at[i], sizeof body->wanted.at[i], &is_new);
    for (uint32_t i = count; i-- > 0;) {
        const struct op *op = op_get(m, ops[i]);
        for (uint32_t r = 0; r < op->result_count; r++)
            if (map_get(&wanted, &op->result[r].i, sizeof(uint32_t)) &&
                find_slot(body, op->result[r]) == UINT32_MAX)
                needed[i] = true;
        for (uint32_t k = 0; needed[i] && k < op->operand_count; k++)
            if (is_inside(body, evaluated, value_get(m, op->operand[k])))
                map_put(&wanted, &op->operand[k].i, sizeof(uint32_t), &is_new);
    }
    map_free(&wanted);
    return needed;
}

static bool add_step(struct body *body, op_id evaluated, op_id id, const char **why_not) {
    struct module *m = body->e->m;
    const struct op *op = op_get(m, id);
    if (!point_covers(op->kind)) {
        *why_not = "an op that is not pointwise among the pointwise ones";
        return false;
    }
    struct step step = {.op = id};
    for (uint32_t k = 0; k < op->operand_count; k++) {
        if (find_slot(body, op->operand[k]) == UINT32_MAX &&
            !add_operand(body, op_get(m, evaluated), op->operand[k], why_not))
            return false;
        step.in[k] = find_slot(body, op->operand[k]);
    }
    step.out = add_slot(body, op->result[0], (struct slot){.from = SLOT_OP});
    *vec_push(&body->steps) = step;
    return true;
}

static bool add_steps(struct body *body, op_id evaluated, const char **why_not) {
    struct module *m = body->e->m;
    const struct op *op = op_get(m, evaluated);
    const op_id *ops = op->kind == OP_fuse ? region_get(m, op->body)->ops.at : &evaluated;
    uint32_t count = op->kind == OP_fuse ? region_get(m, op->body)->ops.count : 1;
    bool *needed = mark_needed(body, evaluated, ops, count), ok = true;
    for (uint32_t i = 0; ok && i < count; i++)
        if (needed[i]) ok = add_step(body, evaluated, ops[i], why_not);
    free(needed);
    /* What is wanted may be an operand as it is; from here on wanted[] holds slots. */
    for (uint32_t i = 0; ok && i < body->wanted.count; i++) {
        value_id value = {body->wanted.at[i]};
        if (find_slot(body, value) == UINT32_MAX) ok = add_operand(body, op, value, why_not);
        if (ok) body->wanted.at[i] = find_slot(body, value);
    }
    return ok;
}

static bool add_stores(struct body *body, op_id evaluated, const char **why_not) {
    struct module *m = body->e->m;
    const struct op *op = op_get(m, evaluated);
    for (uint32_t i = 0; i < op->result_count; i++) {
        struct memory memory = {.buffer = op->operand_count + i};
        struct type type = value_get(m, op->result[i])->type;
        bool ok = access_make(&m->types, &body->frame, type, &memory.access);
        int64_t dims[MAX_RANK];
        ok = ok && type_static(&m->types, type, dims) &&
             type_rank(&m->types, type) == body->frame.logical_rank &&
             memcmp(dims, body->frame.logical, sizeof *dims * body->frame.logical_rank) == 0;
        if (!ok) {
            *why_not = "results of different shapes";
            return false;
        }
        if (body->frame.padded && !memory.access.reads_whole) {
            *why_not = "results of a padded layout and of another";
            return false;
        }
        *vec_push(&body->stores) = memory;
    }
    return true;
}

struct body *body_new(struct emit *e, const struct body_request *request, const char **why_not) {
    struct body *body = xcalloc(1, sizeof *body);
    const struct op *op = op_get(e->m, request->op);
    body->e = e;
    bool ok = frame_make(&e->m->types, request->frame, &body->frame, why_not);
    for (uint32_t i = 0; ok && i < request->seed_count; i++)
        add_slot(body, request->seeds[i], (struct slot){.from = SLOT_SEED, .index = i});
    bool of_fuse = op->kind == OP_fuse;
    uint32_t results = of_fuse ? region_get(e->m, op->body)->results.count : op->result_count;
    const value_id *wanted = of_fuse ? region_get(e->m, op->body)->results.at : op->result;
    if (request->wanted_count > 0) wanted = request->wanted, results = request->wanted_count;
    for (uint32_t i = 0; i < results; i++) *vec_push(&body->wanted) = wanted[i].i;
    ok = ok && add_steps(body, request->op, why_not);
    ok = ok && (request->wanted_count > 0 || add_stores(body, request->op, why_not));
    if (ok) return body;
    body_free(body);
    return NULL;
}

void body_free(struct body *body) {
    vec_free(&body->slots);
    vec_free(&body->steps);
    vec_free(&body->loads);
    vec_free(&body->stores);
    vec_free(&body->wanted);
    map_free(&body->slot_of);
    free(body);
}

/* -- questions -- */

static uint32_t access_needs(const struct frame *frame, const struct access *a, bool is_store) {
    uint32_t needs = 0;
    for (uint32_t k = 0; k < frame->rank; k++) {
        bool walks = a->affine ? a->stride[k] != 0 : true;
        if (frame->extent[k] != 1 && walks && !a->same) needs |= 1u << k;
    }
    if (frame->padded && (is_store || !a->reads_whole)) needs |= 1u << frame->outer | 1u << (frame->rank - 1);
    return needs;
}

uint32_t body_needs(const struct body *body) {
    uint32_t needs = 0;
    for (uint32_t i = 0; i < body->loads.count; i++)
        needs |= access_needs(&body->frame, &body->loads.at[i].access, false);
    for (uint32_t i = 0; i < body->stores.count; i++)
        needs |= access_needs(&body->frame, &body->stores.at[i].access, true);
    return needs;
}

uint32_t body_op_count(const struct body *body) {
    return body->steps.count;
}

const struct frame *body_frame(const struct body *body) {
    return &body->frame;
}

bool body_masks_well(const struct body *body) {
    const struct target *target = body->e->target;
    if (target->arch != ARCH_X86_64) return false;
    if (target_has(target, CPU_AVX512BW | CPU_AVX512VL)) return true;
    bool words = target_has(target, CPU_AVX2);
    for (uint32_t i = 0; i < body->loads.count; i++) words &= elem_bytes(body->loads.at[i].access.elem) >= 4;
    for (uint32_t i = 0; i < body->stores.count; i++)
        words &= elem_bytes(body->stores.at[i].access.elem) >= 4;
    return words;
}

/* -- fewer dimensions -- */

static bool merges(const struct body *body, uint32_t k) {
    const struct frame *f = &body->frame;
    for (uint32_t i = 0; i < body->loads.count + body->stores.count; i++) {
        const struct access *a = i < body->loads.count ? &body->loads.at[i].access
                                                       : &body->stores.at[i - body->loads.count].access;
        if (a->stride[k] != a->stride[k + 1] * f->extent[k + 1]) return false;
    }
    return !(f->padded && k + 2 == f->rank) && !(f->padded && (f->outer == k || f->outer == k + 1));
}

static void remove_stride(int64_t *stride, uint32_t k, uint32_t rank) {
    memmove(stride + k, stride + k + 1, (rank - k - 1) * sizeof *stride);
}

/* Drops dimension k of the frame and of everything that walks it. */
static void remove_dimension(struct body *body, uint32_t k) {
    struct frame *f = &body->frame;
    for (uint32_t i = 0; i < body->loads.count; i++)
        remove_stride(body->loads.at[i].access.stride, k, f->rank);
    for (uint32_t i = 0; i < body->stores.count; i++)
        remove_stride(body->stores.at[i].access.stride, k, f->rank);
    remove_stride(f->stride, k, f->rank);
    remove_stride(f->extent, k, f->rank);
    f->rank--;
    if (f->padded && f->outer > k) f->outer--;
}

void body_collapse(struct body *body) {
    struct frame *f = &body->frame;
    for (uint32_t i = 0; i < body->loads.count; i++)
        if (!body->loads.at[i].access.affine) return;
    for (uint32_t i = 0; i < body->stores.count; i++)
        if (!body->stores.at[i].access.affine) return;
    for (uint32_t k = f->rank; k-- > 0;)
        if (f->extent[k] == 1 && !(f->padded && (k == f->outer || k == f->rank - 1)))
            remove_dimension(body, k);
    for (uint32_t k = f->rank; k-- > 0;) {
        if (k + 1 >= f->rank || !merges(body, k)) continue;
        f->extent[k + 1] *= f->extent[k];
        remove_dimension(body, k);
    }
}

/* -- evaluation -- */

void body_bind(struct body *body, LLVMValueRef buf) {
    for (uint32_t i = 0; i < body->loads.count; i++) {
        struct memory *memory = &body->loads.at[i];
        memory->access.pointer = memory->literal ? literal_pointer(body->e, memory->literal)
                                                 : kernel_pointer(body->e, buf, memory->buffer);
    }
    for (uint32_t i = 0; i < body->stores.count; i++)
        body->stores.at[i].access.pointer = kernel_pointer(body->e, buf, body->stores.at[i].buffer);
}

static struct access_point access_point(const struct body_point *point) {
    return (struct access_point){point->lanes, point->index, point->offset, point->mask};
}

/* The register of a slot; operands are loaded when they are first needed. */
static LLVMValueRef slot_register(struct body *body, uint32_t i, const struct body_point *point) {
    struct slot *slot = &body->slots.at[i];
    if (slot->reg) return slot->reg;
    struct access_point at = access_point(point);
    if (slot->from == SLOT_MEMORY)
        slot->reg = access_load(body->e, &body->frame, &body->loads.at[slot->index].access, &at);
    else if (slot->from == SLOT_CONSTANT)
        slot->reg = register_constant(body->e, slot->constant, 0, point->lanes);
    else if (slot->from == SLOT_SEED)
        slot->reg = point->seeds[slot->index];
    else
        bug("a body whose ops are out of order");
    return slot->reg;
}

void body_eval(struct body *body, const struct body_point *point, LLVMValueRef *out) {
    struct module *m = body->e->m;
    for (uint32_t i = 0; i < body->slots.count; i++) body->slots.at[i].reg = NULL;
    for (uint32_t s = 0; s < body->steps.count; s++) {
        const struct step *step = &body->steps.at[s];
        const struct op *op = op_get(m, step->op);
        struct point p = {.e = body->e, .op = op, .lanes = point->lanes};
        for (uint32_t k = 0; k < op->operand_count; k++) {
            p.x[k] = slot_register(body, step->in[k], point);
            p.constant[k] = body->slots.at[step->in[k]].constant;
        }
        p.elem = body->slots.at[step->in[0]].elem;
        p.result = body->slots.at[step->out].elem;
        body->slots.at[step->out].reg = point_emit(&p);
    }
    for (uint32_t i = 0; i < body->wanted.count; i++) out[i] = slot_register(body, body->wanted.at[i], point);
}

static void store_result(struct body *body, const struct body_point *point, uint32_t i, LLVMValueRef value) {
    struct access_point at = access_point(point);
    access_store(body->e, &body->frame, &body->stores.at[i].access, &at, value);
}

void body_eval_store(struct body *body, const struct body_point *point) {
    LLVMValueRef out[MAX_RESULTS];
    check(body->wanted.count <= MAX_RESULTS && body->stores.count == body->wanted.count);
    body_eval(body, point, out);
    for (uint32_t i = 0; i < body->wanted.count; i++) store_result(body, point, i, out[i]);
}
