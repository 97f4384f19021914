#include "codegen/generic.h"
#include "codegen/register.h"
#include "codegen/simd.h"
#include "ir/ops/shape.h"

enum { ITEM_ELEMENTS = 256 };

LLVMValueRef generic_load(const struct generic *g, uint32_t i, const LLVMValueRef *index) {
    LLVMValueRef x;
    body_eval(g->operand[i], &(struct body_point){.lanes = 1, .index = index}, &x);
    return register_cast(g->e, x, value_get(g->e->m, g->op->operand[i])->type.elem, g->acc);
}

LLVMValueRef generic_fma(const struct generic *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef acc) {
    if (elem_is_float(g->acc)) return simd_fma(g->e->builder, a, b, acc);
    return LLVMBuildAdd(g->e->builder, acc, LLVMBuildMul(g->e->builder, a, b, ""), "");
}

static generic_fn *function_of(enum op_kind kind) {
    switch (kind) {
    case OP_linear:
        return generic_linear;
    case OP_matmul:
        return generic_matmul;
    case OP_conv1d:
    case OP_conv2d:
        return generic_conv;
    case OP_conv_transpose1d:
    case OP_conv_transpose2d:
        return generic_conv_transpose;
    default:
        return NULL;
    }
}

static const struct op *find_contraction(const struct module *m, const struct op *root) {
    if (root->kind != OP_fuse) return function_of(root->kind) ? root : NULL;
    const struct region *body = region_get(m, root->body);
    for (uint32_t i = 0; i < body->ops.count; i++) {
        const struct op *op = op_get(m, body->ops.at[i]);
        if (function_of(op->kind)) return op;
    }
    return NULL;
}

/* Logical coordinates from those in the frame's storage; inside the logical extents even where the storage is
 * padding. */
static void logical_index(struct emit *e, const struct frame *frame, const LLVMValueRef *storage,
                          LLVMValueRef *out) {
    for (uint32_t d = 0; d < frame->logical_rank; d++) {
        LLVMValueRef sum = int64(e, 0);
        bool blocked = false;
        for (uint32_t k = 0; k < frame->rank; k++) {
            const struct layout_dim *at = &frame->layout.at[k];
            if (at->dim != d) continue;
            sum = add64(e, sum, scale64(e, storage[k], at->inner ? 1 : at->block));
            blocked = blocked || at->inner;
        }
        out[d] = blocked ? min64(e, sum, int64(e, frame->logical[d] - 1)) : sum;
    }
}

/* The elements [first, first + count) of the frame's storage, clipped to it. */
static void emit_item(const struct generic *g, struct body *rest, LLVMValueRef item) {
    struct emit *e = g->e;
    const struct frame *frame = body_frame(rest);
    int64_t count = 1;
    for (uint32_t k = 0; k < frame->rank; k++) count *= frame->extent[k];
    LLVMValueRef first = scale64(e, item, ITEM_ELEMENTS);
    struct loop loop;
    loop_begin(e, &loop, first, min64(e, add64(e, first, int64(e, ITEM_ELEMENTS)), int64(e, count)), 1);
    LLVMValueRef left = loop.index, storage[MAX_STORAGE_RANK], index[MAX_RANK];
    for (uint32_t k = frame->rank; k-- > 0;) {
        storage[k] = LLVMBuildURem(e->builder, left, int64(e, frame->extent[k]), "");
        left = LLVMBuildUDiv(e->builder, left, int64(e, frame->extent[k]), "");
    }
    logical_index(e, frame, storage, index);
    LLVMValueRef value = function_of(g->op->kind)(g, index);
    enum elem elem = value_get(e->m, g->op->result[0])->type.elem;
    value = register_round(e, elem, register_cast(e, value, g->acc, elem));
    struct body_point point = {.lanes = 1, .index = storage, .seeds = &value};
    body_eval_store(rest, &point);
    loop_end(e, &loop);
}

/* A body that yields operand i: a load, or what the fuse computes it from. */
static bool make_operands(struct generic *g, op_id root, const char **why_not) {
    struct module *m = g->e->m;
    for (uint32_t i = 0; i < g->op->operand_count; i++) {
        value_id v = g->op->operand[i];
        if (value_none(v)) continue;
        struct type type = value_get(m, v)->type;
        struct body_request request = {
            .op = root, .frame = type_make(type.elem, type.shape), .wanted = &v, .wanted_count = 1};
        g->operand[i] = body_new(g->e, &request, why_not);
        if (!g->operand[i]) return false;
    }
    return true;
}

static enum elem acc_of(enum elem elem) {
    return elem_is_float(elem) && elem != ELEM_f64 ? ELEM_f32 : elem;
}

static void free_bodies(struct generic *g, struct body *rest) {
    for (uint32_t i = 0; i < GENERIC_MAX_OPERANDS; i++)
        if (g->operand[i]) body_free(g->operand[i]);
    if (rest) body_free(rest);
}

enum emit_result emit_generic(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                              const char **why_not) {
    const struct op *root = op_get(e->m, id);
    if (root->kind == OP_attention) return emit_generic_attention(e, id, symbol, out, why_not);
    struct generic g = {.e = e, .root = root, .op = find_contraction(e->m, root)};
    *why_not = "an op that is no contraction";
    if (!g.op) return EMIT_DECLINED;
    struct type type = value_get(e->m, root->result[0])->type;
    g.acc = acc_of(value_get(e->m, g.op->result[0])->type.elem);
    struct body_request request = {.op = id, .frame = type, .seeds = g.op->result, .seed_count = 1};
    struct body *rest = make_operands(&g, id, why_not) ? body_new(e, &request, why_not) : NULL;
    int64_t elements = type_storage_count(&e->m->types, type), items = ceil_div(elements, ITEM_ELEMENTS);
    if (rest && items >= UINT32_MAX) *why_not = "more items than a kernel may have";
    if (!rest || items >= UINT32_MAX) {
        free_bodies(&g, rest);
        return EMIT_DECLINED;
    }
    struct kernel_code code = kernel_begin(e, symbol);
    g.buf = code.buf;
    if (items > 0) {
        body_bind(rest, code.buf);
        for (uint32_t i = 0; i < GENERIC_MAX_OPERANDS; i++)
            if (g.operand[i]) body_bind(g.operand[i], code.buf);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        emit_item(&g, rest, loop.index);
        loop_end(e, &loop);
    }
    kernel_end(e);
    free_bodies(&g, rest);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
