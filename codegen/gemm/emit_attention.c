/* emit_attention: a kernel for an attention op of the root. */
#include "codegen/gemm/attention.h"
#include "codegen/kernel.h"
#include "codegen/loop.h"
#include "ir/ops/attention.h"

#include <math.h>

static const char *read_operand(const struct module *m, value_id v, int64_t dims[MAX_RANK]) {
    const struct value *value = value_get(m, v);
    if (value->kind == VALUE_LITERAL) return "an operand is a literal";
    if (value->type.elem != ELEM_f32) return "only f32 is covered";
    if (value->type.layout.i || value->type.quant.i || value->type.sparse.i) return "an operand is not plain";
    if (!type_static(&m->types, value->type, dims)) return "a shape is not known";
    if (type_count(&m->types, value->type) == 0) return "an operand is empty";
    if (type_count(&m->types, value->type) > INT32_MAX) return "a tensor is too large";
    return NULL;
}

static const char *read_mask(const struct module *m, value_id v, struct attention_problem *p) {
    const struct value *value = value_get(m, v);
    int64_t dims[MAX_RANK], step = 1;
    if (value->kind == VALUE_LITERAL) return "the mask is a literal";
    if (value->type.elem != ELEM_f32 && value->type.elem != ELEM_bool)
        return "only f32 and bool masks are covered";
    if (value->type.layout.i) return "the mask is not plain";
    if (!type_static(&m->types, value->type, dims)) return "a shape is not known";
    uint32_t rank = type_rank(&m->types, value->type), missing = 4 - rank;
    p->has_mask = true;
    p->mask_is_bool = value->type.elem == ELEM_bool;
    for (uint32_t i = 4; i-- > 0;) {
        int64_t extent = i < missing ? 1 : dims[i - missing];
        p->mask_stride[i] = extent == 1 ? 0 : step;
        step *= extent;
    }
    return step > INT32_MAX ? "a tensor is too large" : NULL;
}

static const char *read_problem(const struct module *m, const struct op *op, struct attention_problem *p) {
    int64_t q[MAX_RANK], k[MAX_RANK], v[MAX_RANK];
    if (op->kind != OP_attention) return "not attention by itself";
    const char *reason = read_operand(m, op->operand[ATTENTION_Q], q);
    if (!reason) reason = read_operand(m, op->operand[ATTENTION_K], k);
    if (!reason) reason = read_operand(m, op->operand[ATTENTION_V], v);
    if (reason) return reason;
    if (value_get(m, op->result[0])->type.layout.i) return "the result is not plain";
    struct heads h = heads_of(op, q[2], v[2]);
    *p = (struct attention_problem){
        .n = (uint32_t)q[0],
        .t = (uint32_t)q[1],
        .s = (uint32_t)k[1],
        .heads = (uint32_t)h.heads,
        .shared = (uint32_t)h.shared,
        .d = (uint32_t)h.d,
        .e = (uint32_t)h.e,
        .scale = h.scale,
        .causal = op_bool(op, ATTR_causal),
    };
    if (op->operand_count <= ATTENTION_MASK || !op->operand[ATTENTION_MASK].i) return NULL;
    return read_mask(m, op->operand[ATTENTION_MASK], p);
}

enum emit_result emit_attention(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                                const char **why_not) {
    const struct op *op = op_get(e->m, id);
    const struct dot *dot = dot_for(e->target, ELEM_f32, ELEM_f32, ELEM_f32);
    struct attention_problem p;
    *why_not = read_problem(e->m, op, &p);
    if (!*why_not && !dot) *why_not = "no tiles for this target";
    if (*why_not) return EMIT_DECLINED;
    struct attention_cut cut = attention_cut(&p, dot);
    struct kernel_code code = kernel_begin(e, symbol);
    struct gen g;
    gen_init(&g, e->builder, code.function, dot);
    struct attention_buffers buffers = {
        .q = kernel_pointer(e, code.buf, ATTENTION_Q),
        .k = kernel_pointer(e, code.buf, ATTENTION_K),
        .v = kernel_pointer(e, code.buf, ATTENTION_V),
        .mask = p.has_mask ? kernel_pointer(e, code.buf, ATTENTION_MASK) : NULL,
        .y = kernel_pointer(e, code.buf, op->operand_count),
        .scratch = kernel_pointer(e, code.buf, op->operand_count + 1),
        .lo = LLVMGetParam(code.function, 2),
        .hi = LLVMGetParam(code.function, 3),
    };
    attention_emit(&g, &p, &cut, &buffers);
    kernel_end(e);
    *out = (struct kernel){.function = code.function,
                           .items = attention_items(&p, &cut, g.lanes),
                           .worker_scratch = attention_scratch(&p, &cut, g.lanes)};
    return EMIT_DONE;
}
