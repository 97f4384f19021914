/* Kernels of topk: a heap of the best positions found so far, the worst of them on top, lies in the result of
 * positions itself; sorting it in place puts them in order. n elements and k places take n log k steps at
 * worst, and mostly one comparison an element. */
#include "codegen/emit_reduction.h"
#include "codegen/loop.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/target_machine.h"
#include "ir/ops/shape.h"

struct top {
    struct emit *e;
    enum elem elem;
    bool smallest;
    int64_t extent, count, inner; /* along the axis, of the operand and of the result; after it */
    LLVMValueRef x, y, heap;      /* element 0 of a row of each */
    LLVMValueRef sift;            /* a function, see below */
};

static LLVMTypeRef i64_type(const struct top *t) {
    return LLVMInt64TypeInContext(t->e->context);
}

static LLVMValueRef stored(const struct top *t, LLVMValueRef position) {
    struct emit *e = t->e;
    LLVMTypeRef type = memory_type(e->context, t->elem, 1);
    return simd_load(e->builder, type, simd_address(e->builder, type, t->x, scale64(e, position, t->inner)),
                     NULL);
}
static LLVMValueRef element(const struct top *t, LLVMValueRef position) {
    return register_from_memory(t->e, t->elem, stored(t, position));
}

static LLVMValueRef place(const struct top *t, LLVMValueRef i) {
    return simd_address(t->e->builder, i64_type(t), t->heap, scale64(t->e, i, t->inner));
}
static LLVMValueRef heap_get(const struct top *t, LLVMValueRef i) {
    return simd_load(t->e->builder, i64_type(t), place(t, i), NULL);
}
static void heap_set(const struct top *t, LLVMValueRef i, LLVMValueRef position) {
    simd_store(t->e->builder, position, place(t, i), NULL);
}

/* Value a comes before value b whatever their positions. Of floats a NaN is the largest. */
static LLVMValueRef beats(const struct top *t, LLVMValueRef a, LLVMValueRef b) {
    LLVMBuilderRef builder = t->e->builder;
    if (elem_is_float(t->elem)) {
        LLVMValueRef larger = t->smallest ? b : a, other = t->smallest ? a : b;
        return LLVMBuildAnd(builder, LLVMBuildFCmp(builder, LLVMRealUGT, larger, other, ""),
                            LLVMBuildFCmp(builder, LLVMRealORD, other, other, ""), "");
    }
    bool is_signed = elem_in(t->elem, ELEMS_SINT);
    LLVMIntPredicate above = is_signed ? LLVMIntSGT : LLVMIntUGT, below = is_signed ? LLVMIntSLT : LLVMIntULT;
    return LLVMBuildICmp(builder, t->smallest ? below : above, a, b, "");
}

/* The element at position i comes after the one at j. */
static LLVMValueRef worse(const struct top *t, LLVMValueRef i, LLVMValueRef j) {
    LLVMBuilderRef b = t->e->builder;
    LLVMValueRef x = element(t, i), y = element(t, j);
    LLVMValueRef equal = LLVMBuildNot(b, beats(t, x, y), "");
    LLVMValueRef later = LLVMBuildAnd(b, equal, LLVMBuildICmp(b, LLVMIntSGT, i, j, ""), "");
    return LLVMBuildOr(b, beats(t, y, x), later, "");
}

/* The worse child of the hole, and the position there; both are in the heap. */
static LLVMValueRef worse_child(const struct top *t, LLVMValueRef left, LLVMValueRef end,
                                LLVMValueRef *position) {
    LLVMBuilderRef b = t->e->builder;
    LLVMValueRef right = add64(t->e, left, int64(t->e, 1));
    LLVMValueRef there = LLVMBuildICmp(b, LLVMIntSLT, right, end, "");
    right = LLVMBuildSelect(b, there, right, left, "");
    LLVMValueRef of_left = heap_get(t, left), of_right = heap_get(t, right);
    LLVMValueRef take = worse(t, of_right, of_left);
    *position = LLVMBuildSelect(b, take, of_right, of_left, "");
    return LLVMBuildSelect(b, take, right, left, "");
}

/* void sift(x, heap, hole, end, position): puts the position into the hole of heap[0 … end), or below it. */
static void fill_sift(struct top t) {
    struct emit *e = t.e;
    LLVMBuilderRef b = e->builder;
    LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(e->context, t.sift, "entry");
    LLVMBasicBlockRef head = LLVMAppendBasicBlockInContext(e->context, t.sift, "head");
    LLVMBasicBlockRef look = LLVMAppendBasicBlockInContext(e->context, t.sift, "look");
    LLVMBasicBlockRef down = LLVMAppendBasicBlockInContext(e->context, t.sift, "down");
    LLVMBasicBlockRef done = LLVMAppendBasicBlockInContext(e->context, t.sift, "done");
    t.x = LLVMGetParam(t.sift, 0);
    t.heap = LLVMGetParam(t.sift, 1);
    LLVMValueRef first = LLVMGetParam(t.sift, 2), end = LLVMGetParam(t.sift, 3),
                 own = LLVMGetParam(t.sift, 4);
    LLVMPositionBuilderAtEnd(b, entry);
    LLVMBuildBr(b, head);

    LLVMPositionBuilderAtEnd(b, head);
    LLVMValueRef hole = LLVMBuildPhi(b, i64_type(&t), "hole");
    LLVMAddIncoming(hole, &first, &entry, 1);
    LLVMValueRef left = add64(e, scale64(e, hole, 2), int64(e, 1));
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, left, end, ""), look, done);

    LLVMPositionBuilderAtEnd(b, look);
    LLVMValueRef position, child = worse_child(&t, left, end, &position);
    LLVMBuildCondBr(b, worse(&t, position, own), down, done);

    LLVMPositionBuilderAtEnd(b, down);
    heap_set(&t, hole, position);
    LLVMBuildBr(b, head);
    LLVMAddIncoming(hole, &child, &down, 1);

    LLVMPositionBuilderAtEnd(b, done);
    heap_set(&t, hole, own);
    LLVMBuildRetVoid(b);
}

static LLVMValueRef sift_function(const struct top *t, const char *symbol) {
    struct emit *e = t->e;
    LLVMTypeRef ptr = LLVMPointerTypeInContext(e->context, 0), i64 = i64_type(t);
    LLVMTypeRef parameters[] = {ptr, ptr, i64, i64, i64};
    struct str name = {0};
    str_printf(&name, "%s.sift", symbol);
    LLVMValueRef f = LLVMAddFunction(e->module, str_text(&name),
                                     LLVMFunctionType(LLVMVoidTypeInContext(e->context), parameters, 5, 0));
    str_free(&name);
    LLVMSetLinkage(f, LLVMInternalLinkage);
    target_attributes(f, e->target->arch, e->target->features);
    return f;
}

static void sift(const struct top *t, LLVMValueRef hole, LLVMValueRef end, LLVMValueRef position) {
    LLVMValueRef arguments[] = {t->x, t->heap, hole, end, position};
    LLVMBuildCall2(t->e->builder, LLVMGlobalGetValueType(t->sift), t->sift, arguments, 5, "");
}

/* n - 1 - i: loops count up. */
static LLVMValueRef from_end(struct emit *e, int64_t n, LLVMValueRef i) {
    return LLVMBuildSub(e->builder, int64(e, n - 1), i, "");
}

static void emit_row(const struct top *t) {
    struct emit *e = t->e;
    LLVMValueRef count = int64(e, t->count), zero = int64(e, 0);
    struct loop loop;
    struct branch branch;
    loop_begin(e, &loop, zero, count, 1);
    heap_set(t, loop.index, loop.index);
    loop_end(e, &loop);
    loop_begin(e, &loop, zero, int64(e, t->count / 2), 1);
    LLVMValueRef hole = from_end(e, t->count / 2, loop.index);
    sift(t, hole, count, heap_get(t, hole));
    loop_end(e, &loop);
    /* The others are later ones, so that they have to be better than the worst. */
    loop_begin(e, &loop, count, int64(e, t->extent), 1);
    branch_begin(e, &branch, beats(t, element(t, loop.index), element(t, heap_get(t, zero))));
    sift(t, zero, count, loop.index);
    branch_end(e, &branch);
    loop_end(e, &loop);
    /* The worst goes to the end of what is left. */
    loop_begin(e, &loop, zero, int64(e, t->count - 1), 1);
    LLVMValueRef last = from_end(e, t->count, loop.index), moved = heap_get(t, last);
    heap_set(t, last, heap_get(t, zero));
    sift(t, zero, last, moved);
    loop_end(e, &loop);
    LLVMTypeRef type = memory_type(e->context, t->elem, 1);
    loop_begin(e, &loop, zero, count, 1);
    LLVMValueRef to = simd_address(e->builder, type, t->y, scale64(e, loop.index, t->inner));
    simd_store(e->builder, stored(t, heap_get(t, loop.index)), to, NULL);
    loop_end(e, &loop);
}

enum emit_result emit_top(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                          const char **why_not) {
    const struct op *op = op_get(e->m, id);
    *why_not = "an op that is not topk";
    if (op->kind != OP_topk) return EMIT_DECLINED;
    *why_not = "a layout that is not plain";
    if (operand_type(e->m, op, 0).layout.i || result_type(e->m, op, 0).layout.i) return EMIT_DECLINED;
    int64_t dims[MAX_RANK];
    uint32_t rank = operand_extents(e->m, op, 0, dims), axis = op_axis(op, rank);
    struct top t = {.e = e,
                    .elem = operand_type(e->m, op, 0).elem,
                    .smallest = op_bool(op, ATTR_smallest),
                    .extent = dims[axis],
                    .count = op_int(op, ATTR_count),
                    .inner = extent_product(dims, axis + 1, rank)};
    int64_t items = t.count ? extent_product(dims, 0, axis) * t.inner : 0;
    *why_not = "more items than a kernel may have";
    if (items >= UINT32_MAX) return EMIT_DECLINED;
    if (items > 0) {
        t.sift = sift_function(&t, symbol);
        fill_sift(t);
    }
    struct kernel_code code = kernel_begin(e, symbol);
    if (items > 0) {
        LLVMTypeRef type = memory_type(e->context, t.elem, 1);
        LLVMValueRef x = operand_pointer(e, op, 0, code.buf), y = kernel_pointer(e, code.buf, 1);
        LLVMValueRef indices = kernel_pointer(e, code.buf, 2);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        LLVMValueRef outer = LLVMBuildUDiv(e->builder, loop.index, int64(e, t.inner), "");
        LLVMValueRef inner = LLVMBuildURem(e->builder, loop.index, int64(e, t.inner), "");
        t.x = simd_address(e->builder, type, x, add64(e, scale64(e, outer, t.extent * t.inner), inner));
        LLVMValueRef first = add64(e, scale64(e, outer, t.count * t.inner), inner);
        t.y = simd_address(e->builder, type, y, first);
        t.heap = simd_address(e->builder, i64_type(&t), indices, first);
        emit_row(&t);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
