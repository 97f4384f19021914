/* Kernels of scatter. An item is a range of rows of the result: it copies those of x, and then goes over all
 * indices for the ones that point into its range, in their order; so every split gives the same bytes. A
 * negative index counts from the end; an index outside is left out. */
#include "codegen/emit_movement.h"
#include "codegen/loop.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/vmath.h"
#include "ir/ops/shape.h"

/* Each item reads all indices: few items, of many elements each. */
enum { ITEM_BYTES = 1 << 16, MOST_ITEMS = 32 };

struct scatter {
    struct emit *e;
    enum elem elem, index_elem;
    enum keyword reduction;
    int64_t rows, inner, count; /* of x; elements of a row; indices */
    unsigned lanes;
    LLVMValueRef x, indices, updates, y;
};

static LLVMValueRef combined(const struct scatter *s, LLVMValueRef old, LLVMValueRef update) {
    LLVMBuilderRef b = s->e->builder;
    bool real = elem_is_float(s->elem), is_signed = elem_in(s->elem, ELEMS_SINT);
    switch (s->reduction) {
    case KEYWORD_add:
        return real ? LLVMBuildFAdd(b, old, update, "") : LLVMBuildAdd(b, old, update, "");
    case KEYWORD_mul:
        return real ? LLVMBuildFMul(b, old, update, "") : LLVMBuildMul(b, old, update, "");
    case KEYWORD_max:
        return real ? vmath_max(b, old, update)
                    : simd_call2(b, is_signed ? "llvm.smax" : "llvm.umax", old, update);
    case KEYWORD_min:
        return real ? vmath_min(b, old, update)
                    : simd_call2(b, is_signed ? "llvm.smin" : "llvm.umin", old, update);
    default:
        bug("scatter: no reduction");
    }
}

/* `lanes` elements from `at` on, both into the row that starts at `to`. */
static void put(const struct scatter *s, LLVMValueRef to, LLVMValueRef from, LLVMValueRef at, unsigned lanes,
                bool combine) {
    struct emit *e = s->e;
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef elem = memory_type(e->context, s->elem, 1), type = memory_type(e->context, s->elem, lanes);
    LLVMValueRef address = simd_address(b, elem, to, at);
    LLVMValueRef value = simd_load(b, type, simd_address(b, elem, from, at), NULL);
    if (combine) {
        LLVMValueRef old = register_from_memory(e, s->elem, simd_load(b, type, address, NULL));
        value = combined(s, old, register_from_memory(e, s->elem, value));
        value = register_to_memory(e, s->elem, register_round(e, s->elem, value));
    }
    simd_store(b, value, address, NULL);
}

static void put_all(const struct scatter *s, LLVMValueRef to, LLVMValueRef from, LLVMValueRef length,
                    bool combine) {
    struct emit *e = s->e;
    struct loop loop;
    LLVMValueRef whole = LLVMBuildAnd(e->builder, length, int64(e, -(int64_t)s->lanes), "");
    if (s->lanes > 1) {
        loop_begin(e, &loop, int64(e, 0), whole, s->lanes);
        put(s, to, from, loop.index, s->lanes, combine);
        loop_end(e, &loop);
    }
    loop_begin(e, &loop, whole, length, 1);
    put(s, to, from, loop.index, 1, combine);
    loop_end(e, &loop);
}

static LLVMValueRef row_of(const struct scatter *s, LLVMValueRef i) {
    struct emit *e = s->e;
    LLVMTypeRef elem = memory_type(e->context, s->index_elem, 1);
    LLVMValueRef index = simd_load(e->builder, elem, simd_address(e->builder, elem, s->indices, i), NULL);
    index = LLVMBuildSExt(e->builder, index, LLVMInt64TypeInContext(e->context), "");
    LLVMValueRef negative = LLVMBuildICmp(e->builder, LLVMIntSLT, index, int64(e, 0), "");
    return LLVMBuildSelect(e->builder, negative, add64(e, index, int64(e, s->rows)), index, "");
}

static void emit_range(const struct scatter *s, LLVMValueRef item, int64_t rows_per_item) {
    struct emit *e = s->e;
    LLVMTypeRef elem = memory_type(e->context, s->elem, 1);
    LLVMValueRef first = scale64(e, item, rows_per_item);
    LLVMValueRef end = min64(e, add64(e, first, int64(e, rows_per_item)), int64(e, s->rows));
    LLVMValueRef start = scale64(e, first, s->inner);
    LLVMValueRef length = LLVMBuildSub(e->builder, scale64(e, end, s->inner), start, "");
    put_all(s, simd_address(e->builder, elem, s->y, start), simd_address(e->builder, elem, s->x, start),
            length, false);
    struct loop loop;
    struct branch branch;
    loop_begin(e, &loop, int64(e, 0), int64(e, s->count), 1);
    LLVMValueRef row = row_of(s, loop.index);
    LLVMValueRef inside = LLVMBuildAnd(e->builder, LLVMBuildICmp(e->builder, LLVMIntSGE, row, first, ""),
                                       LLVMBuildICmp(e->builder, LLVMIntSLT, row, end, ""), "");
    branch_begin(e, &branch, inside);
    put_all(s, simd_address(e->builder, elem, s->y, scale64(e, row, s->inner)),
            simd_address(e->builder, elem, s->updates, scale64(e, loop.index, s->inner)), int64(e, s->inner),
            s->reduction != KEYWORD_none);
    branch_end(e, &branch);
    loop_end(e, &loop);
}

static bool all_plain(const struct module *m, const struct op *op) {
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (operand_type(m, op, i).layout.i) return false;
    return !result_type(m, op, 0).layout.i;
}

enum emit_result emit_scatter(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                              const char **why_not) {
    const struct op *op = op_get(e->m, id);
    *why_not = "a layout that is not plain";
    if (!all_plain(e->m, op)) return EMIT_DECLINED;
    int64_t dims[MAX_RANK];
    uint32_t rank = operand_extents(e->m, op, 0, dims);
    struct scatter s = {.e = e,
                        .elem = operand_type(e->m, op, 0).elem,
                        .index_elem = operand_type(e->m, op, 1).elem,
                        .reduction = op_keyword(op, ATTR_reduction),
                        .rows = dims[0],
                        .inner = extent_product(dims, 1, rank),
                        .count = type_count(&e->m->types, operand_type(e->m, op, 1))};
    int64_t bytes = s.rows * s.inner * (int64_t)elem_bytes(s.elem);
    int64_t items = min_i64(min_i64(MOST_ITEMS, ceil_div(bytes, ITEM_BYTES)), s.rows);
    int64_t vector = e->target->vector_bytes ? e->target->vector_bytes : 16;
    s.lanes = (unsigned)max_i64(1, vector / (int64_t)elem_bytes(s.elem));
    struct kernel_code code = kernel_begin(e, symbol);
    if (items > 0) {
        int64_t rows_per_item = ceil_div(s.rows, items);
        items = ceil_div(s.rows, rows_per_item);
        s.x = operand_pointer(e, op, 0, code.buf);
        s.indices = operand_pointer(e, op, 1, code.buf);
        s.updates = operand_pointer(e, op, 2, code.buf);
        s.y = kernel_pointer(e, code.buf, 3);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        emit_range(&s, loop.index, rows_per_item);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
