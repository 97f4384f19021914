#include "codegen/loop.h"

#include "codegen/register.h"
#include "codegen/simd.h"
#include "codegen/simd_memory.h"
#include "codegen/target_machine.h"

struct kernel_code kernel_begin(struct emit *e, const char *symbol) {
    LLVMTypeRef ptr = LLVMPointerTypeInContext(e->context, 0), i32 = LLVMInt32TypeInContext(e->context);
    LLVMTypeRef i64 = LLVMInt64TypeInContext(e->context);
    LLVMTypeRef parameters[] = {ptr, ptr, i32, i32};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), parameters, 4, 0);
    struct kernel_code code = {.function = LLVMAddFunction(e->module, symbol, type)};
    target_attributes(code.function, e->target->arch, e->target->features);
    unsigned kind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(code.function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(e->context, kind, 0));
    LLVMPositionBuilderAtEnd(e->builder, LLVMAppendBasicBlockInContext(e->context, code.function, "entry"));
    code.buf = LLVMGetParam(code.function, 0);
    code.lo = LLVMBuildZExt(e->builder, LLVMGetParam(code.function, 2), i64, "");
    code.hi = LLVMBuildZExt(e->builder, LLVMGetParam(code.function, 3), i64, "");
    return code;
}

void kernel_end(struct emit *e) {
    LLVMBuildRetVoid(e->builder);
}

LLVMValueRef kernel_pointer(struct emit *e, LLVMValueRef buf, uint32_t i) {
    LLVMTypeRef ptr = LLVMPointerTypeInContext(e->context, 0);
    LLVMValueRef at = simd_address(e->builder, ptr, buf, int64(e, i));
    return LLVMBuildLoad2(e->builder, ptr, at, "");
}

LLVMValueRef operand_pointer(struct emit *e, const struct op *op, uint32_t i, LLVMValueRef buf) {
    const struct value *v = value_get(e->m, op->operand[i]);
    return v->kind == VALUE_LITERAL ? literal_pointer(e, &v->literal) : kernel_pointer(e, buf, i);
}

LLVMValueRef int64(struct emit *e, int64_t value) {
    return LLVMConstInt(LLVMInt64TypeInContext(e->context), (uint64_t)value, 1);
}

static bool is_constant(LLVMValueRef x, int64_t *out) {
    if (!LLVMIsAConstantInt(x)) return false;
    *out = LLVMConstIntGetSExtValue(x);
    return true;
}

LLVMValueRef add64(struct emit *e, LLVMValueRef x, LLVMValueRef y) {
    int64_t c;
    if (is_constant(x, &c) && c == 0) return y;
    if (is_constant(y, &c) && c == 0) return x;
    return LLVMBuildAdd(e->builder, x, y, "");
}

LLVMValueRef scale64(struct emit *e, LLVMValueRef x, int64_t by) {
    if (by == 0) return int64(e, 0);
    return by == 1 ? x : LLVMBuildMul(e->builder, x, int64(e, by), "");
}

LLVMValueRef min64(struct emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(e->builder, LLVMBuildICmp(e->builder, LLVMIntSLT, x, y, ""), x, y, "");
}

LLVMValueRef max64(struct emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildSelect(e->builder, LLVMBuildICmp(e->builder, LLVMIntSGT, x, y, ""), x, y, "");
}

static LLVMBasicBlockRef new_block(struct emit *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->context, simd_function(e->builder), name);
}

void loop_begin_carried(struct emit *e, struct loop *loop, LLVMValueRef lo, LLVMValueRef hi, int64_t step,
                        LLVMValueRef *carried, uint32_t count) {
    LLVMBuilderRef b = e->builder;
    int64_t from, to;
    check(count <= LOOP_MAX_CARRIED && step > 0);
    bool known = is_constant(lo, &from) && is_constant(hi, &to);
    *loop = (struct loop){.hi = hi,
                          .step = step,
                          .count = count,
                          .empty = known && from >= to,
                          .once = known && from < to && to - from <= step};
    for (uint32_t i = 0; i < count; i++) loop->initial[i] = carried[i];
    if (loop->once) {
        loop->index = lo;
        return;
    }
    loop->before = LLVMGetInsertBlock(b);
    loop->body = new_block(e, "loop");
    loop->after = new_block(e, "after");
    if (known && !loop->empty)
        LLVMBuildBr(b, loop->body);
    else
        LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, lo, hi, ""), loop->body, loop->after);
    LLVMPositionBuilderAtEnd(b, loop->body);
    loop->index = LLVMBuildPhi(b, LLVMTypeOf(lo), "i");
    LLVMAddIncoming(loop->index, &lo, &loop->before, 1);
    for (uint32_t i = 0; i < count; i++) {
        loop->phi[i] = LLVMBuildPhi(b, LLVMTypeOf(carried[i]), "");
        LLVMAddIncoming(loop->phi[i], &carried[i], &loop->before, 1);
        carried[i] = loop->phi[i];
    }
    loop->empty = !known || loop->empty; /* from here on: may the body be skipped? */
}

void loop_end_carried(struct emit *e, struct loop *loop, LLVMValueRef *carried) {
    LLVMBuilderRef b = e->builder;
    if (loop->once) return;
    LLVMValueRef next = LLVMBuildAdd(b, loop->index, int64(e, loop->step), "");
    LLVMBasicBlockRef end = LLVMGetInsertBlock(b);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, loop->hi, ""), loop->body, loop->after);
    LLVMAddIncoming(loop->index, &next, &end, 1);
    for (uint32_t i = 0; i < loop->count; i++) LLVMAddIncoming(loop->phi[i], &carried[i], &end, 1);
    LLVMPositionBuilderAtEnd(b, loop->after);
    for (uint32_t i = 0; i < loop->count; i++) {
        LLVMValueRef last = LLVMBuildPhi(b, LLVMTypeOf(carried[i]), "");
        LLVMAddIncoming(last, &carried[i], &end, 1);
        if (loop->empty) LLVMAddIncoming(last, &loop->initial[i], &loop->before, 1);
        carried[i] = last;
    }
}

void loop_begin(struct emit *e, struct loop *loop, LLVMValueRef lo, LLVMValueRef hi, int64_t step) {
    loop_begin_carried(e, loop, lo, hi, step, NULL, 0);
}

void loop_end(struct emit *e, struct loop *loop) {
    loop_end_carried(e, loop, NULL);
}

void branch_begin(struct emit *e, struct branch *branch, LLVMValueRef condition) {
    LLVMBasicBlockRef then = new_block(e, "then");
    branch->after = new_block(e, "join");
    LLVMBuildCondBr(e->builder, condition, then, branch->after);
    LLVMPositionBuilderAtEnd(e->builder, then);
}

void branch_end(struct emit *e, struct branch *branch) {
    LLVMBuildBr(e->builder, branch->after);
    LLVMPositionBuilderAtEnd(e->builder, branch->after);
}
