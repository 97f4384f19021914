/* Kernels of gather and embedding: rows of a table, picked by indices that are data. A negative index counts
 * from the end; an index outside the table takes the nearest row, so nothing outside is ever read. */
#include "codegen/emit_movement.h"
#include "codegen/loop.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "ir/ops/shape.h"

enum { ITEM_BYTES = 16384 };

struct lookup {
    struct emit *e;
    uint32_t bytes;               /* of an element */
    int64_t outer, extent, inner; /* of the table: before, along and after the axis */
    int64_t count;                /* indices */
    enum elem index_elem;
    LLVMValueRef table, indices, result;
};

/* `length` elements, at least one, in vectors of which the last may overlap the one before; or one by one. */
static void copy_row(const struct lookup *l, LLVMValueRef to, LLVMValueRef from, int64_t length) {
    struct emit *e = l->e;
    LLVMBuilderRef b = e->builder;
    int64_t lanes = (e->target->vector_bytes ? e->target->vector_bytes : 16) / l->bytes;
    LLVMTypeRef elem = LLVMIntTypeInContext(e->context, l->bytes * 8);
    while (lanes > length) lanes /= 2;
    LLVMTypeRef type = simd_type(elem, (unsigned)lanes);
    struct loop loop;
    loop_begin(e, &loop, int64(e, 0), int64(e, length / lanes * lanes), lanes);
    LLVMValueRef v = simd_load(b, type, simd_address(b, elem, from, loop.index), NULL);
    simd_store(b, v, simd_address(b, elem, to, loop.index), NULL);
    loop_end(e, &loop);
    if (length % lanes == 0) return;
    LLVMValueRef last = int64(e, length - lanes);
    v = simd_load(b, type, simd_address(b, elem, from, last), NULL);
    simd_store(b, v, simd_address(b, elem, to, last), NULL);
}

static LLVMValueRef row_of(const struct lookup *l, LLVMValueRef i) {
    struct emit *e = l->e;
    LLVMTypeRef elem = memory_type(e->context, l->index_elem, 1);
    LLVMValueRef index = simd_load(e->builder, elem, simd_address(e->builder, elem, l->indices, i), NULL);
    index = LLVMBuildSExt(e->builder, index, LLVMInt64TypeInContext(e->context), "");
    LLVMValueRef negative = LLVMBuildICmp(e->builder, LLVMIntSLT, index, int64(e, 0), "");
    LLVMValueRef from_end = LLVMBuildAdd(e->builder, index, int64(e, l->extent), "");
    index = LLVMBuildSelect(e->builder, negative, from_end, index, "");
    return max64(e, int64(e, 0), min64(e, index, int64(e, l->extent - 1)));
}

/* An item is one or more rows of the result, counted over the outer dimensions and the indices. */
static void copy_rows(const struct lookup *l, LLVMValueRef item, int64_t rows_per_item) {
    struct emit *e = l->e;
    LLVMTypeRef elem = LLVMIntTypeInContext(e->context, l->bytes * 8);
    LLVMValueRef first = scale64(e, item, rows_per_item);
    LLVMValueRef end = min64(e, add64(e, first, int64(e, rows_per_item)), int64(e, l->outer * l->count));
    struct loop loop;
    loop_begin(e, &loop, first, end, 1);
    LLVMValueRef outer = LLVMBuildUDiv(e->builder, loop.index, int64(e, l->count), "");
    LLVMValueRef i = LLVMBuildURem(e->builder, loop.index, int64(e, l->count), "");
    LLVMValueRef row = LLVMBuildAdd(e->builder, scale64(e, outer, l->extent), row_of(l, i), "");
    LLVMValueRef from = simd_address(e->builder, elem, l->table, scale64(e, row, l->inner));
    LLVMValueRef to = simd_address(e->builder, elem, l->result, scale64(e, loop.index, l->inner));
    copy_row(l, to, from, l->inner);
    loop_end(e, &loop);
}

enum emit_result emit_lookup(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                             const char **why_not) {
    const struct op *op = op_get(e->m, id);
    uint32_t table = op->kind == OP_embedding ? 1 : 0, indices = 1 - table;
    struct type of_table = operand_type(e->m, op, table), of_indices = operand_type(e->m, op, indices);
    if (of_table.layout.i || of_indices.layout.i || result_type(e->m, op, 0).layout.i) {
        *why_not = "a layout that is not plain";
        return EMIT_DECLINED;
    }
    int64_t dims[MAX_RANK];
    uint32_t rank = operand_extents(e->m, op, table, dims),
             axis = op->kind == OP_embedding ? 0 : op_axis(op, rank);
    struct lookup l = {.e = e,
                       .bytes = (uint32_t)elem_bytes(of_table.elem),
                       .outer = extent_product(dims, 0, axis),
                       .extent = dims[axis],
                       .inner = extent_product(dims, axis + 1, rank),
                       .count = type_count(&e->m->types, of_indices),
                       .index_elem = of_indices.elem};
    int64_t rows = l.outer * l.count, rows_per_item = max_i64(1, ITEM_BYTES / max_i64(1, l.inner * l.bytes));
    int64_t items = l.inner && l.extent ? ceil_div(rows, rows_per_item) : 0;
    if (items >= UINT32_MAX) {
        *why_not = "more items than a kernel may have";
        return EMIT_DECLINED;
    }
    struct kernel_code code = kernel_begin(e, symbol);
    if (items > 0) {
        l.table = operand_pointer(e, op, table, code.buf);
        l.indices = operand_pointer(e, op, indices, code.buf);
        l.result = kernel_pointer(e, code.buf, op->operand_count);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        copy_rows(&l, loop.index, rows_per_item);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
