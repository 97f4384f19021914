/* Attention in plain loops, for what the fast kernel does not cover. */
#include "codegen/generic.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/vmath.h"
#include "ir/ops/attention.h"
#include "ir/ops/shape.h"

#include <math.h>

struct rows {
    struct generic g;
    struct heads h;
    int64_t t, s;
    bool causal;
    LLVMValueRef scores;                 /* [s] of acc, in scratch */
    LLVMValueRef n, head, kv, row, seen; /* of the item; positions that it sees */
};

static LLVMTypeRef acc_type(const struct rows *r) {
    return register_type(r->g.e->context, r->g.acc, 1);
}

static LLVMValueRef score_at(const struct rows *r, LLVMValueRef j) {
    return simd_address(r->g.e->builder, acc_type(r), r->scores, j);
}

/* What the mask adds to the score of position j: -Inf for false. */
static LLVMValueRef mask_term(const struct rows *r, LLVMValueRef j) {
    struct emit *e = r->g.e;
    int64_t dims[MAX_RANK];
    uint32_t rank = operand_extents(e->m, r->g.op, ATTENTION_MASK, dims);
    LLVMValueRef all[4] = {r->n, r->head, r->row, j}, index[4];
    for (uint32_t d = 0; d < rank; d++) index[d] = dims[d] == 1 ? int64(e, 0) : all[4 - rank + d];
    LLVMValueRef x;
    body_eval(r->g.operand[ATTENTION_MASK], &(struct body_point){.lanes = 1, .index = index}, &x);
    enum elem elem = operand_type(e->m, r->g.op, ATTENTION_MASK).elem;
    if (elem != ELEM_bool) return register_cast(e, x, elem, r->g.acc);
    return LLVMBuildSelect(e->builder, x, LLVMConstNull(acc_type(r)), simd_f(acc_type(r), -INFINITY), "");
}

/* scores[j] = scale * q · k[j] + mask, and their largest. */
static LLVMValueRef fill_scores(const struct rows *r) {
    struct emit *e = r->g.e;
    LLVMValueRef most = simd_f(acc_type(r), -INFINITY);
    struct loop position, depth;
    loop_begin_carried(e, &position, int64(e, 0), r->seen, 1, &most, 1);
    LLVMValueRef sum = LLVMConstNull(acc_type(r));
    loop_begin_carried(e, &depth, int64(e, 0), int64(e, r->h.d), 1, &sum, 1);
    LLVMValueRef q[] = {r->n, r->row, add64(e, scale64(e, r->head, r->h.d), depth.index)};
    LLVMValueRef k[] = {r->n, position.index, add64(e, scale64(e, r->kv, r->h.d), depth.index)};
    sum = generic_fma(&r->g, generic_load(&r->g, ATTENTION_Q, q), generic_load(&r->g, ATTENTION_K, k), sum);
    loop_end_carried(e, &depth, &sum);
    sum = LLVMBuildFMul(e->builder, sum, simd_f(acc_type(r), r->h.scale), "");
    if (r->g.operand[ATTENTION_MASK]) sum = LLVMBuildFAdd(e->builder, sum, mask_term(r, position.index), "");
    simd_store(e->builder, sum, score_at(r, position.index), NULL);
    most = vmath_max(e->builder, most, sum);
    loop_end_carried(e, &position, &most);
    return most;
}

/* scores[j] = e^(score - most), and their sum. */
static LLVMValueRef exponentiate(const struct rows *r, LLVMValueRef most) {
    struct emit *e = r->g.e;
    LLVMValueRef sum = LLVMConstNull(acc_type(r));
    struct loop loop;
    loop_begin_carried(e, &loop, int64(e, 0), r->seen, 1, &sum, 1);
    LLVMValueRef x = simd_load(e->builder, acc_type(r), score_at(r, loop.index), NULL);
    x = vmath_exp(e->builder, LLVMBuildFSub(e->builder, x, most, ""));
    simd_store(e->builder, x, score_at(r, loop.index), NULL);
    sum = LLVMBuildFAdd(e->builder, sum, x, "");
    loop_end_carried(e, &loop, &sum);
    return sum;
}

static void attend(const struct rows *r, struct body *rest) {
    struct emit *e = r->g.e;
    LLVMValueRef most = fill_scores(r), total = exponentiate(r, most);
    struct loop column, position;
    loop_begin(e, &column, int64(e, 0), int64(e, r->h.e), 1);
    LLVMValueRef sum = LLVMConstNull(acc_type(r));
    loop_begin_carried(e, &position, int64(e, 0), r->seen, 1, &sum, 1);
    LLVMValueRef v[] = {r->n, position.index, add64(e, scale64(e, r->kv, r->h.e), column.index)};
    LLVMValueRef weight = simd_load(e->builder, acc_type(r), score_at(r, position.index), NULL);
    sum = generic_fma(&r->g, weight, generic_load(&r->g, ATTENTION_V, v), sum);
    loop_end_carried(e, &position, &sum);
    enum elem elem = result_type(e->m, r->g.op, 0).elem;
    LLVMValueRef y = r->s == 0 ? sum : LLVMBuildFDiv(e->builder, sum, total, "");
    y = register_round(e, elem, register_cast(e, y, r->g.acc, elem));
    LLVMValueRef index[] = {r->n, r->row, add64(e, scale64(e, r->head, r->h.e), column.index)};
    struct body_point point = {.lanes = 1, .index = index, .seeds = &y};
    body_eval_store(rest, &point);
    loop_end(e, &column);
}

static void emit_row(struct rows *r, struct body *rest, LLVMValueRef item) {
    struct emit *e = r->g.e;
    LLVMBuilderRef b = e->builder;
    r->row = LLVMBuildURem(b, item, int64(e, r->t), "");
    item = LLVMBuildUDiv(b, item, int64(e, r->t), "");
    r->head = LLVMBuildURem(b, item, int64(e, r->h.heads), "");
    r->n = LLVMBuildUDiv(b, item, int64(e, r->h.heads), "");
    r->kv = LLVMBuildUDiv(b, r->head, int64(e, r->h.shared), "");
    r->seen = int64(e, r->s);
    if (r->causal) r->seen = min64(e, r->seen, add64(e, r->row, int64(e, 1)));
    attend(r, rest);
}

static bool make_bodies(struct rows *r, op_id id, struct body **rest, const char **why_not) {
    struct emit *e = r->g.e;
    for (uint32_t i = 0; i < r->g.op->operand_count; i++) {
        value_id v = r->g.op->operand[i];
        if (value_none(v)) continue;
        struct type type = value_get(e->m, v)->type;
        struct body_request request = {
            .op = id, .frame = type_make(type.elem, type.shape), .wanted = &v, .wanted_count = 1};
        r->g.operand[i] = body_new(e, &request, why_not);
        if (!r->g.operand[i]) return false;
    }
    struct body_request request = {
        .op = id, .frame = result_type(e->m, r->g.op, 0), .seeds = r->g.op->result, .seed_count = 1};
    *rest = body_new(e, &request, why_not);
    return *rest != NULL;
}

enum emit_result emit_generic_attention(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                                        const char **why_not) {
    const struct op *op = op_get(e->m, id);
    struct rows r = {.g = {.e = e, .root = op, .op = op}, .causal = op_bool(op, ATTR_causal)};
    int64_t q[MAX_RANK], k[MAX_RANK], v[MAX_RANK];
    operand_extents(e->m, op, ATTENTION_Q, q);
    operand_extents(e->m, op, ATTENTION_K, k);
    operand_extents(e->m, op, ATTENTION_V, v);
    enum elem elem = result_type(e->m, op, 0).elem;
    r.g.acc = elem == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    r.h = heads_of(op, q[2], v[2]);
    r.t = q[1];
    r.s = k[1];
    struct body *rest = NULL;
    int64_t items = q[0] * r.h.heads * r.t;
    bool ok = make_bodies(&r, id, &rest, why_not);
    if (ok && result_type(e->m, op, 0).layout.i) *why_not = "a layout that is not plain", ok = false;
    if (ok && items >= UINT32_MAX) *why_not = "more items than a kernel may have", ok = false;
    if (r.h.e == 0) items = 0;
    if (ok) {
        struct kernel_code code = kernel_begin(e, symbol);
        if (items > 0) {
            body_bind(rest, code.buf);
            for (uint32_t i = 0; i < GENERIC_MAX_OPERANDS; i++)
                if (r.g.operand[i]) body_bind(r.g.operand[i], code.buf);
            r.scores = kernel_pointer(e, code.buf, op->operand_count + op->result_count);
            struct loop loop;
            loop_begin(e, &loop, code.lo, code.hi, 1);
            emit_row(&r, rest, loop.index);
            loop_end(e, &loop);
        }
        kernel_end(e);
        uint64_t scratch = (uint64_t)round_up(r.s * (int64_t)elem_bytes(r.g.acc), 64);
        *out =
            (struct kernel){.function = code.function, .items = (uint32_t)items, .worker_scratch = scratch};
    }
    for (uint32_t i = 0; i < GENERIC_MAX_OPERANDS; i++)
        if (r.g.operand[i]) body_free(r.g.operand[i]);
    if (rest) body_free(rest);
    return ok ? EMIT_DONE : EMIT_DECLINED;
}
