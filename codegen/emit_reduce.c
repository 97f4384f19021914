/* Kernels of reductions over any dimensions. Stored dimensions that are neighbours and both kept (or both
 * reduced) are merged, so that the walk alternates between kept and reduced ones; an item is one position of
 * the kept ones, or a vector of them when the innermost dimension is kept. */
#include "codegen/emit_reduction.h"
#include "codegen/fold.h"
#include "codegen/register.h"
#include "codegen/simd_memory.h"
#include "codegen/vmath.h"
#include "ir/ops/shape.h"

#include <math.h>
#include <string.h>

struct dimension {
    int64_t extent, stride; /* in the operand */
    bool reduced;
};

struct reducer {
    struct emit *e;
    enum op_kind kind;
    enum elem elem, acc; /* of the operand; what is summed in */
    uint32_t rank;
    struct dimension dim[MAX_STORAGE_RANK + 1];
    int64_t count;          /* elements that become one */
    int64_t outer;          /* positions of the kept dimensions, without an innermost one */
    int64_t inner, vectors; /* innermost kept extent (1: the innermost is reduced), and its vectors */
    LLVMValueRef from, to;  /* pointers; from moves with the loops */
    struct line line;
    const struct line *folding;
    /* argmax: the extreme that is looked for. */
    LLVMValueRef extreme;
    bool last;
};

/* -- what is folded -- */

static bool is_extreme(enum op_kind kind) {
    return kind == OP_reduce_max || kind == OP_reduce_min || kind == OP_argmax || kind == OP_argmin;
}
static bool wants_largest(enum op_kind kind) {
    return kind == OP_reduce_max || kind == OP_argmax;
}
static bool is_arg(enum op_kind kind) {
    return kind == OP_argmax || kind == OP_argmin;
}
/* A mean of 64-bit integers sums quotients and remainders apart, for the sum itself may not fit. */
static bool is_split_mean(const struct reducer *r) {
    return r->kind == OP_reduce_mean && elem_is_int(r->elem) && elem_bytes(r->elem) == 8;
}

static LLVMValueRef divide(const struct reducer *r, LLVMValueRef x, int64_t by, bool remainder) {
    LLVMBuilderRef b = r->e->builder;
    LLVMValueRef d = simd_i(LLVMTypeOf(x), (uint64_t)by);
    if (elem_in(r->elem, ELEMS_SINT))
        return remainder ? LLVMBuildSRem(b, x, d, "") : LLVMBuildSDiv(b, x, d, "");
    return remainder ? LLVMBuildURem(b, x, d, "") : LLVMBuildUDiv(b, x, d, "");
}

static LLVMValueRef combine(const struct reducer *r, LLVMValueRef a, LLVMValueRef x) {
    LLVMBuilderRef b = r->e->builder;
    bool is_float = elem_is_float(r->acc), is_signed = elem_in(r->acc, ELEMS_SINT);
    if (is_extreme(r->kind)) {
        bool largest = wants_largest(r->kind);
        if (is_float) return largest ? vmath_max(b, a, x) : vmath_min(b, a, x);
        if (is_signed) return simd_call2(b, largest ? "llvm.smax" : "llvm.smin", a, x);
        return simd_call2(b, largest ? "llvm.umax" : "llvm.umin", a, x);
    }
    if (r->kind == OP_reduce_prod) return is_float ? LLVMBuildFMul(b, a, x, "") : LLVMBuildMul(b, a, x, "");
    return is_float ? LLVMBuildFAdd(b, a, x, "") : LLVMBuildAdd(b, a, x, "");
}

static double identity_number(const struct reducer *r) {
    if (is_extreme(r->kind)) return wants_largest(r->kind) ? -INFINITY : INFINITY;
    return r->kind == OP_reduce_prod ? 1 : 0;
}

static void step(void *ctx, const struct line_at *at, LLVMValueRef *acc) {
    struct reducer *r = ctx;
    LLVMBuilderRef b = r->e->builder;
    LLVMValueRef x = line_load(r->folding, r->from, at, identity_number(r));
    if (is_split_mean(r)) {
        acc[0] = combine(r, acc[0], divide(r, x, r->count, false));
        acc[1] = combine(r, acc[1], divide(r, x, r->count, true));
        return;
    }
    x = register_cast(r->e, x, r->elem, r->acc);
    if (r->kind == OP_reduce_sum_square && elem_is_float(r->acc))
        acc[0] = simd_fma(b, x, x, acc[0]);
    else
        acc[0] = combine(r, acc[0], r->kind == OP_reduce_sum_square ? LLVMBuildMul(b, x, x, "") : x);
}

static void merge(void *ctx, LLVMValueRef *acc, const LLVMValueRef *other) {
    struct reducer *r = ctx;
    for (uint32_t k = 0; k < (is_split_mean(r) ? 2u : 1u); k++) acc[k] = combine(r, acc[k], other[k]);
}

/* -- positions of the extreme -- */

/* Positions count up, so the first is the smallest. Positions where the operand is not the extreme count as
 * `none`. */
static LLVMValueRef none(const struct reducer *r, unsigned lanes) {
    LLVMTypeRef i64 = LLVMInt64TypeInContext(r->e->context);
    return simd_i(simd_type(i64, lanes), r->last ? (uint64_t)-1 : (uint64_t)INT64_MAX);
}

static void merge_position(void *ctx, LLVMValueRef *acc, const LLVMValueRef *other) {
    struct reducer *r = ctx;
    acc[0] = simd_call2(r->e->builder, r->last ? "llvm.smax" : "llvm.smin", acc[0], other[0]);
}

static void step_position(void *ctx, const struct line_at *at, LLVMValueRef *acc) {
    struct reducer *r = ctx;
    LLVMBuilderRef b = r->e->builder;
    unsigned lanes = r->folding->lanes;
    LLVMTypeRef i64s = simd_type(LLVMInt64TypeInContext(r->e->context), lanes);
    LLVMValueRef x = line_load(r->folding, r->from, at, 0), found;
    if (elem_is_float(r->elem)) {
        LLVMValueRef nans = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealUNO, x, x, ""),
                                         LLVMBuildFCmp(b, LLVMRealUNO, r->extreme, r->extreme, ""), "");
        found = LLVMBuildOr(b, LLVMBuildFCmp(b, LLVMRealOEQ, x, r->extreme, ""), nans, "");
    } else {
        found = LLVMBuildICmp(b, LLVMIntEQ, x, r->extreme, "");
    }
    if (at->mask) found = LLVMBuildAnd(b, found, at->mask, "");
    LLVMValueRef position = simd_splat(b, at->position, lanes);
    if (!r->folding->side_by_side) position = LLVMBuildAdd(b, position, simd_iota(i64s, 0, 1), "");
    LLVMValueRef candidate = LLVMBuildSelect(b, found, position, none(r, lanes), "");
    merge_position(r, acc, &candidate);
}

/* -- one item -- */

static LLVMValueRef finish(struct reducer *r, LLVMValueRef *acc) {
    LLVMBuilderRef b = r->e->builder;
    LLVMTypeRef type = LLVMTypeOf(acc[0]);
    if (r->kind == OP_reduce_mean && elem_is_float(r->acc))
        return LLVMBuildFDiv(b, acc[0], simd_f(type, (double)r->count), "");
    if (r->kind != OP_reduce_mean) return acc[0];
    if (r->count == 0) return LLVMConstNull(type);
    if (!is_split_mean(r)) return divide(r, acc[0], r->count, false);
    /* The sum is count * q + rest with |rest| < count; towards zero, a rest of the other sign takes one off.
     */
    LLVMValueRef q = LLVMBuildAdd(b, acc[0], divide(r, acc[1], r->count, false), "");
    if (!elem_in(r->elem, ELEMS_SINT)) return q;
    LLVMValueRef rest = divide(r, acc[1], r->count, true), zero = LLVMConstNull(type), one = simd_i(type, 1);
    LLVMValueRef down = LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntSGT, q, zero, ""),
                                     LLVMBuildICmp(b, LLVMIntSLT, rest, zero, ""), "");
    LLVMValueRef up = LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntSLT, q, zero, ""),
                                   LLVMBuildICmp(b, LLVMIntSGT, rest, zero, ""), "");
    q = LLVMBuildSelect(b, down, LLVMBuildSub(b, q, one, ""), q, "");
    return LLVMBuildSelect(b, up, LLVMBuildAdd(b, q, one, ""), q, "");
}

/* All lanes hold the same sums where the line was folded across. Dividing one of them is less work, and LLVM
 * 22 narrows for ever a vector that is divided by a constant and of which one lane is read. */
static LLVMValueRef finish_line(struct reducer *r, const struct line *line, LLVMValueRef *acc,
                                uint32_t count) {
    if (line->side_by_side || !elem_is_int(r->acc)) return finish(r, acc);
    for (uint32_t k = 0; k < count; k++) acc[k] = simd_lane(r->e->builder, acc[k], 0);
    return simd_splat(r->e->builder, finish(r, acc), line->lanes);
}

static void fold_dims(struct reducer *r, uint32_t k, uint32_t innermost, const struct fold *fold,
                      LLVMValueRef *acc);

/* Positions [lo, hi) of dimension k. */
static void fold_range(struct reducer *r, uint32_t k, uint32_t innermost, LLVMValueRef lo, LLVMValueRef hi,
                       const struct fold *fold, LLVMValueRef *acc) {
    struct emit *e = r->e;
    struct loop loop;
    LLVMValueRef start = r->from;
    loop_begin_carried(e, &loop, lo, hi, 1, acc, fold->count);
    r->from = simd_address(e->builder, memory_type(e->context, r->elem, 1), start,
                           scale64(e, loop.index, r->dim[k].stride));
    fold_dims(r, k + 1, innermost, fold, acc);
    loop_end_carried(e, &loop, acc);
    r->from = start;
}

/* Folds over the reduced dimensions from k on: by loops, and over the innermost by the line. */
static void fold_dims(struct reducer *r, uint32_t k, uint32_t innermost, const struct fold *fold,
                      LLVMValueRef *acc) {
    struct emit *e = r->e;
    while (k < innermost && !r->dim[k].reduced) k++;
    if (k == innermost) {
        line_fold(r->folding, fold, acc);
        return;
    }
    LLVMValueRef end = int64(e, r->dim[k].extent), piece[FOLD_MAX];
    if (r->dim[k].extent <= 2 * FOLD_TURNS) {
        fold_range(r, k, innermost, int64(e, 0), end, fold, acc);
        return;
    }
    struct loop pieces;
    loop_begin_carried(e, &pieces, int64(e, 0), end, FOLD_TURNS, acc, fold->count);
    memcpy(piece, fold->identity, fold->count * sizeof *piece);
    LLVMValueRef hi = min64(e, add64(e, pieces.index, int64(e, FOLD_TURNS)), end);
    fold_range(r, k, innermost, pieces.index, hi, fold, piece);
    fold->merge(fold->ctx, acc, piece);
    loop_end_carried(e, &pieces, acc);
}

static void fold_all(struct reducer *r, const struct line *line, const struct fold *fold, LLVMValueRef *acc) {
    uint32_t innermost = 0;
    for (uint32_t k = 0; k < r->rank; k++)
        if (r->dim[k].reduced) innermost = k;
    r->folding = line;
    fold_dims(r, 0, innermost, fold, acc);
    fold_across(line, fold, acc);
}

static LLVMValueRef reduce_line(struct reducer *r, const struct line *line) {
    struct fold fold = {.ctx = r, .count = is_split_mean(r) ? 2 : 1, .step = step, .merge = merge};
    for (uint32_t k = 0; k < fold.count; k++)
        fold.identity[k] = register_number(r->e, r->acc, identity_number(r), line->lanes);
    LLVMValueRef acc[FOLD_MAX];
    memcpy(acc, fold.identity, sizeof acc);
    fold_all(r, line, &fold, acc);
    if (!is_arg(r->kind)) return finish_line(r, line, acc, fold.count);
    r->extreme = acc[0];
    struct fold find = {.ctx = r, .count = 1, .step = step_position, .merge = merge_position};
    find.identity[0] = none(r, line->lanes);
    acc[0] = find.identity[0];
    fold_all(r, line, &find, acc);
    return acc[0];
}

static void store(struct reducer *r, const struct line *line, LLVMValueRef value, LLVMValueRef at) {
    struct emit *e = r->e;
    enum elem elem = is_arg(r->kind) ? ELEM_i64 : r->elem;
    if (!is_arg(r->kind)) value = register_round(e, elem, register_cast(e, value, r->acc, elem));
    LLVMValueRef address = simd_address(e->builder, memory_type(e->context, elem, 1), r->to, at);
    if (!line->side_by_side) value = simd_lane(e->builder, value, 0);
    LLVMValueRef mask = NULL;
    if (line->side_by_side && line->active < line->lanes)
        mask = simd_first_lanes(e->builder, int64(e, line->active), line->lanes);
    simd_store(e->builder, register_to_memory(e, elem, value), address, mask);
}

/* Vector `v` of the innermost kept dimension at the position of the outer ones that r->from points to. */
static void reduce_vectors(struct reducer *r, LLVMValueRef outer, LLVMValueRef v) {
    struct emit *e = r->e;
    if (!r->line.side_by_side) {
        store(r, &r->line, reduce_line(r, &r->line), outer);
        return;
    }
    int64_t whole = r->inner / r->line.lanes;
    unsigned left = (unsigned)(r->inner % r->line.lanes);
    LLVMTypeRef elem = memory_type(e->context, r->elem, 1);
    LLVMValueRef first = scale64(e, v, r->line.lanes), to = add64(e, scale64(e, outer, r->inner), first);
    r->from = simd_address(e->builder, elem, r->from, first);
    LLVMValueRef from = r->from;
    struct branch branch;
    bool both = whole > 0 && left > 0;
    if (whole > 0) {
        if (both) branch_begin(e, &branch, LLVMBuildICmp(e->builder, LLVMIntSLT, v, int64(e, whole), ""));
        struct line line = r->line;
        line.active = line.lanes;
        store(r, &line, reduce_line(r, &line), to);
        if (both) branch_end(e, &branch);
    }
    r->from = from;
    if (left > 0) {
        if (both) branch_begin(e, &branch, LLVMBuildICmp(e->builder, LLVMIntEQ, v, int64(e, whole), ""));
        struct line line = r->line;
        line.active = left;
        store(r, &line, reduce_line(r, &line), to);
        if (both) branch_end(e, &branch);
    }
}

static void reduce_item(struct reducer *r, LLVMValueRef item) {
    struct emit *e = r->e;
    LLVMTypeRef elem = memory_type(e->context, r->elem, 1);
    LLVMValueRef vector = int64(e, 0), rest;
    if (r->vectors > 1) {
        vector = LLVMBuildURem(e->builder, item, int64(e, r->vectors), "");
        item = LLVMBuildUDiv(e->builder, item, int64(e, r->vectors), "");
    }
    rest = item;
    for (uint32_t k = r->rank; k-- > 0;) {
        if (r->dim[k].reduced || (r->line.side_by_side && k + 1 == r->rank)) continue;
        LLVMValueRef extent = int64(e, r->dim[k].extent);
        LLVMValueRef index = LLVMBuildURem(e->builder, rest, extent, "");
        r->from = simd_address(e->builder, elem, r->from, scale64(e, index, r->dim[k].stride));
        rest = LLVMBuildUDiv(e->builder, rest, extent, "");
    }
    reduce_vectors(r, item, vector);
}

/* -- planning -- */

/* The storage dimensions of the operand, merged; false when the layout cannot be reduced in place. */
static bool find_dimensions(struct reducer *r, const struct op *op, uint32_t axes, const char **why_not) {
    const struct types *types = &r->e->m->types;
    struct type x = operand_type(r->e->m, op, 0), y = result_type(r->e->m, op, 0);
    struct layout layout = type_layout(types, x);
    int64_t extent[MAX_STORAGE_RANK], stride[MAX_STORAGE_RANK], step_size = 1;
    uint32_t rank = type_storage(types, x, extent);
    for (uint32_t k = rank; k-- > 0; step_size *= extent[k]) stride[k] = step_size;
    for (uint32_t k = 0; k < rank; k++) {
        bool reduced = axes >> layout.at[k].dim & 1;
        if (reduced && layout.at[k].block != 1) *why_not = "blocks that are reduced";
        struct dimension *before = r->rank > 0 ? &r->dim[r->rank - 1] : NULL;
        if (extent[k] == 1) continue;
        if (before && before->reduced == reduced) {
            before->extent *= extent[k];
            before->stride = stride[k];
        } else {
            r->dim[r->rank++] = (struct dimension){extent[k], stride[k], reduced};
        }
    }
    if ((x.layout.i || y.layout.i) && x.layout.i != y.layout.i)
        *why_not = "operand and result in different layouts";
    if (value_get(r->e->m, op->operand[0])->kind == VALUE_LITERAL) *why_not = "a literal that is reduced";
    return *why_not == NULL;
}

static void plan(struct reducer *r) {
    bool kept = r->rank > 0 && !r->dim[r->rank - 1].reduced, any = false;
    int64_t innermost = 1, stride = 1;
    r->count = r->outer = r->inner = r->vectors = 1;
    for (uint32_t k = 0; k < r->rank; k++) {
        if (r->dim[k].reduced) {
            r->count *= r->dim[k].extent;
            innermost = r->dim[k].extent;
            stride = r->dim[k].stride;
            any = true;
        } else if (kept && k + 1 == r->rank) {
            r->inner = r->dim[k].extent;
        } else {
            r->outer *= r->dim[k].extent;
        }
    }
    if (!any) innermost = 1;
    if (kept) {
        r->line = line_beside(r->e, r->elem, innermost, stride, (unsigned)min_i64(r->inner, 64));
        r->vectors = ceil_div(r->inner, r->line.lanes);
    } else {
        r->line = line_along(r->e, r->elem, innermost);
    }
}

static enum elem acc_elem(const struct reducer *r) {
    if (elem_is_float(r->elem)) return r->elem == ELEM_f64 ? ELEM_f64 : ELEM_f32;
    if (r->kind != OP_reduce_mean) return r->elem;
    return elem_in(r->elem, ELEMS_SINT) ? ELEM_i64 : ELEM_u64;
}

enum emit_result emit_reduce(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                             const char **why_not) {
    const struct op *op = op_get(e->m, id);
    struct reducer r = {.e = e, .kind = op->kind, .elem = operand_type(e->m, op, 0).elem};
    uint32_t rank = type_rank(&e->m->types, operand_type(e->m, op, 0));
    *why_not = NULL;
    if (is_arg(op->kind)) r.last = op_bool(op, ATTR_last);
    uint32_t axes = is_arg(op->kind) ? 1u << op_axis(op, rank) : op_axes(op, rank);
    if (!find_dimensions(&r, op, axes, why_not)) return EMIT_DECLINED;
    r.acc =
        is_arg(op->kind) ? (elem_is_float(r.elem) && r.elem != ELEM_f64 ? ELEM_f32 : r.elem) : acc_elem(&r);
    plan(&r);
    int64_t items = r.outer * r.vectors;
    if (r.inner == 0 || (is_arg(op->kind) && r.count == 0)) items = 0;
    if (items >= UINT32_MAX) {
        *why_not = "more items than a kernel may have";
        return EMIT_DECLINED;
    }
    struct kernel_code code = kernel_begin(e, symbol);
    if (items > 0) {
        LLVMValueRef from = kernel_pointer(e, code.buf, 0);
        r.to = kernel_pointer(e, code.buf, 1);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        r.from = from;
        reduce_item(&r, loop.index);
        loop_end(e, &loop);
    }
    kernel_end(e);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
