#include "codegen/gemm/gen.h"

#include <string.h>

void gen_init(struct gen *g, LLVMBuilderRef b, LLVMValueRef fn, const struct dot *dot) {
    LLVMModuleRef module = LLVMGetGlobalParent(fn);
    LLVMContextRef c = LLVMGetModuleContext(module);
    LLVMTypeRef f32 = LLVMFloatTypeInContext(c);
    *g = (struct gen){
        .context = c,
        .module = module,
        .b = b,
        .fn = fn,
        .i1 = LLVMInt1TypeInContext(c),
        .i32 = LLVMInt32TypeInContext(c),
        .i64 = LLVMInt64TypeInContext(c),
        .f32 = f32,
        .ptr = LLVMPointerTypeInContext(c, 0),
        .vec = LLVMVectorType(f32, dot->lanes),
        .lanes = dot->lanes,
        .registers = dot->registers,
        .fma = dot->fused,
    };
}

struct gen gen_half(const struct gen *g) {
    struct gen half = *g;
    half.lanes = g->lanes / 2;
    half.vec = LLVMVectorType(g->f32, half.lanes);
    return half;
}

/* The lanes of (v, zeros) from 0 on. */
static LLVMValueRef first_lanes(const struct gen *g, LLVMValueRef v) {
    LLVMValueRef index[64];
    for (uint32_t i = 0; i < g->lanes; i++) index[i] = gen_i32(g, i);
    return LLVMBuildShuffleVector(g->b, v, LLVMConstNull(LLVMTypeOf(v)), LLVMConstVector(index, g->lanes),
                                  "");
}

LLVMValueRef gen_widen(const struct gen *g, LLVMValueRef v) {
    return LLVMGetVectorSize(LLVMTypeOf(v)) == g->lanes ? v : first_lanes(g, v);
}

LLVMValueRef gen_i32(const struct gen *g, uint32_t v) {
    return LLVMConstInt(g->i32, v, false);
}

LLVMValueRef gen_i64(const struct gen *g, int64_t v) {
    return LLVMConstInt(g->i64, (unsigned long long)v, true);
}

LLVMValueRef gen_f32(const struct gen *g, double v) {
    return LLVMConstReal(g->f32, v);
}

LLVMValueRef gen_zero(const struct gen *g) {
    return LLVMConstNull(g->vec);
}

LLVMValueRef gen_splat(const struct gen *g, LLVMValueRef v) {
    LLVMValueRef undef = LLVMGetPoison(g->vec);
    LLVMValueRef one = LLVMBuildInsertElement(g->b, undef, v, gen_i32(g, 0), "");
    return LLVMBuildShuffleVector(g->b, one, undef, LLVMConstNull(LLVMVectorType(g->i32, g->lanes)), "");
}

static bool is_const(LLVMValueRef v, int64_t k) {
    return LLVMIsAConstantInt(v) && LLVMConstIntGetSExtValue(v) == k;
}

LLVMValueRef gen_add(const struct gen *g, LLVMValueRef x, LLVMValueRef y) {
    if (is_const(x, 0)) return y;
    if (is_const(y, 0)) return x;
    return LLVMBuildAdd(g->b, x, y, "");
}

LLVMValueRef gen_mul(const struct gen *g, LLVMValueRef x, int64_t by) {
    if (by == 0) return gen_i64(g, 0);
    if (by == 1) return x;
    return LLVMBuildMul(g->b, x, gen_i64(g, by), "");
}

LLVMValueRef gen_div(const struct gen *g, LLVMValueRef x, int64_t by) {
    return by == 1 ? x : LLVMBuildUDiv(g->b, x, gen_i64(g, by), "");
}

LLVMValueRef gen_rem(const struct gen *g, LLVMValueRef x, int64_t by) {
    return by == 1 ? gen_i64(g, 0) : LLVMBuildURem(g->b, x, gen_i64(g, by), "");
}

static LLVMValueRef choose(const struct gen *g, LLVMIntPredicate when, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, when, x, y, ""), x, y, "");
}

LLVMValueRef gen_min(const struct gen *g, LLVMValueRef x, LLVMValueRef y) {
    return choose(g, LLVMIntSLT, x, y);
}

LLVMValueRef gen_max(const struct gen *g, LLVMValueRef x, LLVMValueRef y) {
    return choose(g, LLVMIntSGT, x, y);
}

LLVMValueRef gen_at(const struct gen *g, LLVMValueRef base, LLVMValueRef index) {
    if (is_const(index, 0)) return base;
    return LLVMBuildGEP2(g->b, g->f32, base, &index, 1, "");
}

LLVMValueRef gen_at_const(const struct gen *g, LLVMValueRef base, int64_t index) {
    return gen_at(g, base, gen_i64(g, index));
}

LLVMValueRef gen_intrinsic(const struct gen *g, const char *name, LLVMTypeRef *types, uint32_t n_types,
                           LLVMValueRef *args, uint32_t n_args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(g->module, id, types, n_types);
    LLVMTypeRef type = LLVMIntrinsicGetType(g->context, id, types, n_types);
    return LLVMBuildCall2(g->b, type, f, args, n_args, "");
}

static LLVMValueRef lane_mask(const struct gen *g, uint32_t active) {
    LLVMValueRef bit[64];
    for (uint32_t i = 0; i < g->lanes; i++) bit[i] = LLVMConstInt(g->i1, i < active, false);
    return LLVMConstVector(bit, g->lanes);
}

LLVMValueRef gen_load(const struct gen *g, LLVMValueRef at, uint32_t align, uint32_t active) {
    if (active < g->lanes) {
        LLVMTypeRef types[] = {g->vec, g->ptr};
        LLVMValueRef args[] = {at, lane_mask(g, active), gen_zero(g)};
        LLVMValueRef v = gen_intrinsic(g, "llvm.masked.load", types, 2, args, 3);
        LLVMSetInstrParamAlignment(v, 1, align);
        return v;
    }
    LLVMValueRef v = LLVMBuildLoad2(g->b, g->vec, at, "");
    LLVMSetAlignment(v, align);
    return v;
}

void gen_store(const struct gen *g, LLVMValueRef v, LLVMValueRef at, uint32_t align, uint32_t active) {
    if (active < g->lanes) {
        LLVMTypeRef types[] = {g->vec, g->ptr};
        LLVMValueRef args[] = {v, at, lane_mask(g, active)};
        LLVMValueRef call = gen_intrinsic(g, "llvm.masked.store", types, 2, args, 3);
        LLVMSetInstrParamAlignment(call, 2, align);
        return;
    }
    LLVMSetAlignment(LLVMBuildStore(g->b, v, at), align);
}

LLVMValueRef gen_element(const struct gen *g, LLVMValueRef at) {
    LLVMValueRef v = LLVMBuildLoad2(g->b, g->f32, at, "");
    LLVMSetAlignment(v, 4);
    return v;
}

LLVMValueRef gen_clear_lanes(const struct gen *g, LLVMValueRef v, uint32_t active) {
    if (active >= g->lanes) return v;
    return LLVMBuildSelect(g->b, lane_mask(g, active), v, gen_zero(g), "");
}

LLVMValueRef gen_fma(const struct gen *g, LLVMValueRef x, LLVMValueRef y, LLVMValueRef acc) {
    LLVMValueRef args[] = {x, y, acc};
    return gen_intrinsic(g, g->fma ? "llvm.fma" : "llvm.fmuladd", (LLVMTypeRef[]){g->vec}, 1, args, 3);
}

void gen_prefetch(const struct gen *g, LLVMValueRef at, uint32_t level) {
    LLVMValueRef args[] = {at, gen_i32(g, 0), gen_i32(g, level == 1 ? 3 : 2), gen_i32(g, 1)};
    gen_intrinsic(g, "llvm.prefetch", (LLVMTypeRef[]){g->ptr}, 1, args, 4);
}

void gen_step_barrier(const struct gen *g) {
    LLVMMetadataRef text = LLVMMDStringInContext2(g->context, "step", 4);
    LLVMValueRef node = LLVMMetadataAsValue(g->context, LLVMMDNodeInContext2(g->context, &text, 1));
    gen_intrinsic(g, "llvm.codeview.annotation", NULL, 0, &node, 1);
}

static LLVMBasicBlockRef new_block(const struct gen *g) {
    return LLVMAppendBasicBlockInContext(g->context, g->fn, "");
}

static void add_incoming(LLVMValueRef phi, LLVMValueRef v, LLVMBasicBlockRef from) {
    LLVMAddIncoming(phi, &v, &from, 1);
}

void gen_loop_begin(const struct gen *g, struct gen_loop *l, LLVMValueRef lo, LLVMValueRef hi, int64_t step,
                    bool guarded, LLVMValueRef *carried, uint32_t n_carried) {
    l->entry = LLVMGetInsertBlock(g->b);
    l->body = new_block(g);
    l->after = new_block(g);
    l->hi = hi;
    l->step = step;
    l->n_carried = n_carried;
    l->guarded = guarded;
    if (guarded)
        LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, lo, hi, ""), l->body, l->after);
    else
        LLVMBuildBr(g->b, l->body);
    LLVMPositionBuilderAtEnd(g->b, l->body);
    l->index = LLVMBuildPhi(g->b, g->i64, "");
    add_incoming(l->index, lo, l->entry);
    for (uint32_t i = 0; i < n_carried; i++) {
        l->initial[i] = carried[i];
        l->phi[i] = LLVMBuildPhi(g->b, LLVMTypeOf(carried[i]), "");
        add_incoming(l->phi[i], carried[i], l->entry);
        carried[i] = l->phi[i];
    }
}

void gen_loop_end(const struct gen *g, struct gen_loop *l, LLVMValueRef *carried) {
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(g->b);
    LLVMValueRef next = LLVMBuildAdd(g->b, l->index, gen_i64(g, l->step), "");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, next, l->hi, ""), l->body, l->after);
    add_incoming(l->index, next, latch);
    for (uint32_t i = 0; i < l->n_carried; i++) add_incoming(l->phi[i], carried[i], latch);
    LLVMPositionBuilderAtEnd(g->b, l->after);
    for (uint32_t i = 0; l->guarded && i < l->n_carried; i++) {
        LLVMValueRef merged = LLVMBuildPhi(g->b, LLVMTypeOf(carried[i]), "");
        add_incoming(merged, l->initial[i], l->entry);
        add_incoming(merged, carried[i], latch);
        carried[i] = merged;
    }
}

void gen_if_begin(const struct gen *g, struct gen_if *s, LLVMValueRef cond, LLVMValueRef *carried,
                  uint32_t n_carried) {
    s->entry = LLVMGetInsertBlock(g->b);
    s->n_carried = n_carried;
    for (uint32_t i = 0; i < n_carried; i++) s->initial[i] = carried[i];
    LLVMBasicBlockRef then = new_block(g);
    s->after = new_block(g);
    LLVMBuildCondBr(g->b, cond, then, s->after);
    LLVMPositionBuilderAtEnd(g->b, then);
}

void gen_if_end(const struct gen *g, struct gen_if *s, LLVMValueRef *carried) {
    LLVMBasicBlockRef from = LLVMGetInsertBlock(g->b);
    LLVMBuildBr(g->b, s->after);
    LLVMPositionBuilderAtEnd(g->b, s->after);
    for (uint32_t i = 0; i < s->n_carried; i++) {
        LLVMValueRef merged = LLVMBuildPhi(g->b, LLVMTypeOf(carried[i]), "");
        add_incoming(merged, s->initial[i], s->entry);
        add_incoming(merged, carried[i], from);
        carried[i] = merged;
    }
}
