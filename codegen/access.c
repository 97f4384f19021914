#include "codegen/access.h"

#include "codegen/simd_memory.h"

#include <string.h>

bool frame_make(const struct types *types, struct type type, struct frame *out, const char **why_not) {
    struct frame f = {.layout = type_layout(types, type), .logical_rank = type_rank(types, type)};
    check(type_static(types, type, f.logical));
    f.rank = type_storage(types, type, f.extent);
    int64_t stride = 1;
    for (uint32_t k = f.rank; k-- > 0;) {
        f.stride[k] = stride;
        stride *= f.extent[k];
    }
    for (uint32_t k = 0; k < f.rank; k++) {
        const struct layout_dim *at = &f.layout.at[k];
        if (!at->inner || f.logical[at->dim] % at->block == 0) continue;
        if (k + 1 != f.rank) {
            *why_not = "a layout padded along another dimension than the innermost one";
            return false;
        }
        f.padded = true;
        f.block = at->block;
        f.limit = f.logical[at->dim];
        for (uint32_t o = 0; o < f.rank; o++)
            if (f.layout.at[o].dim == at->dim && !f.layout.at[o].inner) f.outer = o;
    }
    *out = f;
    return true;
}

/* The storage dimension of `layout` that holds the whole (or the blocks, or the inner part) of logical
 * dimension d. */
static uint32_t find_part(const struct layout *layout, uint32_t d, bool inner) {
    for (uint32_t p = 0; p < layout->count; p++)
        if (layout->at[p].dim == d && layout->at[p].inner == inner) return p;
    return UINT32_MAX;
}

/* Sets the stride for dimension k of the frame; false when the offset is not linear in it. */
static bool find_stride(const struct frame *frame, uint32_t k, struct access *a) {
    const struct layout_dim *at = &frame->layout.at[k];
    uint32_t missing = frame->logical_rank - a->rank;
    a->stride[k] = 0;
    if (at->dim < missing) return true;
    if (a->logical[at->dim - missing] == 1 && frame->logical[at->dim] != 1) return true;
    uint32_t d = at->dim - missing, outer = find_part(&a->layout, d, false);
    const struct layout_dim *own = &a->layout.at[outer];
    if (own->block == 1) {
        a->stride[k] = a->storage_stride[outer] * (at->inner ? 1 : at->block);
        return true;
    }
    if (at->block != own->block) return false;
    a->stride[k] = a->storage_stride[at->inner ? find_part(&a->layout, d, true) : outer];
    return true;
}

bool access_make(const struct types *types, const struct frame *frame, struct type type, struct access *out) {
    struct access a = {.elem = type.elem,
                       .layout = type_layout(types, type),
                       .rank = type_rank(types, type),
                       .affine = true,
                       .same = true,
                       .reads_whole = true};
    check(type_static(types, type, a.logical));
    if (a.rank > frame->logical_rank) return false;
    for (uint32_t d = 0; d < a.rank; d++)
        if (a.logical[d] != 1 && a.logical[d] != frame->logical[frame->logical_rank - a.rank + d])
            return false;
    uint32_t count = type_storage(types, type, a.extent);
    int64_t stride = 1;
    for (uint32_t p = count; p-- > 0;) {
        a.storage_stride[p] = stride;
        stride *= a.extent[p];
    }
    for (uint32_t k = 0; k < frame->rank; k++) {
        if (!find_stride(frame, k, &a)) a.affine = a.same = false;
        if (frame->extent[k] != 1 && a.stride[k] != frame->stride[k]) a.same = false;
    }
    if (frame->padded) {
        uint32_t last = frame->rank - 1, missing = frame->logical_rank - a.rank,
                 dim = frame->layout.at[last].dim;
        bool blocked = dim >= missing && find_part(&a.layout, dim - missing, true) != UINT32_MAX;
        a.reads_whole = a.affine && (a.stride[last] == 0 || blocked);
    }
    *out = a;
    return true;
}

/* -- addresses -- */

static LLVMTypeRef i64_type(const struct emit *e) {
    return LLVMInt64TypeInContext(e->context);
}

/* sum + x * by, leaving out what does nothing. */
static LLVMValueRef add_scaled(struct emit *e, LLVMValueRef sum, LLVMValueRef x, int64_t by) {
    if (by == 0) return sum;
    if (by != 1) x = LLVMBuildMul(e->builder, x, simd_i(LLVMTypeOf(x), (uint64_t)by), "");
    if (!sum) return x;
    if (simd_lanes(LLVMTypeOf(x)) != simd_lanes(LLVMTypeOf(sum))) {
        unsigned lanes =
            simd_lanes(LLVMTypeOf(x)) > 1 ? simd_lanes(LLVMTypeOf(x)) : simd_lanes(LLVMTypeOf(sum));
        if (simd_lanes(LLVMTypeOf(x)) == 1)
            x = simd_splat(e->builder, x, lanes);
        else
            sum = simd_splat(e->builder, sum, lanes);
    }
    return LLVMBuildAdd(e->builder, sum, x, "");
}

static LLVMValueRef affine_offset(struct emit *e, const struct frame *frame, const struct access *a,
                                  const struct access_point *point) {
    if (a->same && point->offset) return point->offset;
    LLVMValueRef sum = NULL;
    for (uint32_t k = 0; k < frame->rank; k++)
        if (frame->extent[k] != 1) sum = add_scaled(e, sum, point->index[k], a->stride[k]);
    return sum ? sum : LLVMConstNull(i64_type(e));
}

/* The logical coordinate along frame dimension `dim` of all lanes: a scalar where the lanes share it. */
static LLVMValueRef logical_coordinate(struct emit *e, const struct frame *frame, uint32_t dim,
                                       const struct access_point *point) {
    LLVMValueRef sum = NULL;
    for (uint32_t k = 0; k < frame->rank; k++) {
        const struct layout_dim *at = &frame->layout.at[k];
        if (at->dim == dim) sum = add_scaled(e, sum, point->index[k], at->inner ? 1 : at->block);
    }
    if (point->lanes > 1 && frame->layout.at[frame->rank - 1].dim == dim)
        sum = add_scaled(e, sum, simd_iota(simd_type(i64_type(e), point->lanes), 0, 1), 1);
    return sum;
}

/* The offsets of all lanes by division with the blocks of the access's layout. */
static LLVMValueRef divided_offsets(struct emit *e, const struct frame *frame, const struct access *a,
                                    const struct access_point *point) {
    LLVMValueRef sum = NULL;
    uint32_t missing = frame->logical_rank - a->rank;
    for (uint32_t p = 0; p < a->layout.count; p++) {
        const struct layout_dim *at = &a->layout.at[p];
        if (a->logical[at->dim] == 1) continue;
        LLVMValueRef x = logical_coordinate(e, frame, at->dim + missing, point);
        if (at->block > 1) {
            LLVMValueRef block = simd_i(LLVMTypeOf(x), at->block);
            x = at->inner ? LLVMBuildURem(e->builder, x, block, "") : LLVMBuildUDiv(e->builder, x, block, "");
        }
        sum = add_scaled(e, sum, x, a->storage_stride[p]);
    }
    if (!sum) sum = LLVMConstNull(i64_type(e));
    return simd_lanes(LLVMTypeOf(sum)) == point->lanes ? sum : simd_splat(e->builder, sum, point->lanes);
}

static LLVMValueRef all_offsets(struct emit *e, const struct frame *frame, const struct access *a,
                                const struct access_point *point) {
    if (!a->affine) return divided_offsets(e, frame, a, point);
    LLVMValueRef first = affine_offset(e, frame, a, point);
    if (point->lanes == 1) return first;
    LLVMTypeRef type = simd_type(i64_type(e), point->lanes);
    return add_scaled(e, first, simd_iota(type, 0, a->stride[frame->rank - 1]), 1);
}

/* The lanes within the limit of a padded frame. */
static LLVMValueRef lanes_within(struct emit *e, const struct frame *frame,
                                 const struct access_point *point) {
    LLVMBuilderRef b = e->builder;
    LLVMValueRef limit = simd_i(i64_type(e), (uint64_t)frame->limit);
    LLVMValueRef first =
        add_scaled(e, point->index[frame->rank - 1], point->index[frame->outer], frame->block);
    if (point->lanes == 1) return LLVMBuildICmp(b, LLVMIntSLT, first, limit, "");
    return simd_first_lanes(b, LLVMBuildSub(b, limit, first, ""), point->lanes);
}

static LLVMValueRef both(struct emit *e, LLVMValueRef x, LLVMValueRef y) {
    if (!x || !y) return x ? x : y;
    return LLVMBuildAnd(e->builder, x, y, "");
}

/* -- loads and stores -- */

LLVMValueRef access_load(struct emit *e, const struct frame *frame, const struct access *a,
                         const struct access_point *point) {
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef elem = memory_type(e->context, a->elem, 1),
                type = memory_type(e->context, a->elem, point->lanes);
    int64_t lane_stride = a->affine && frame->rank > 0 ? a->stride[frame->rank - 1] : 0;
    LLVMValueRef within = a->reads_whole ? NULL : lanes_within(e, frame, point), mask = point->mask, v;
    if (a->affine && (point->lanes == 1 || lane_stride == 0)) {
        LLVMValueRef offset = affine_offset(e, frame, a, point);
        if (within) offset = LLVMBuildSelect(b, within, offset, LLVMConstNull(i64_type(e)), "");
        v = simd_splat(b, simd_load(b, elem, simd_address(b, elem, a->pointer, offset), NULL), point->lanes);
    } else if (a->affine && lane_stride == 1) {
        LLVMValueRef address = simd_address(b, elem, a->pointer, affine_offset(e, frame, a, point));
        v = simd_load(b, type, address, both(e, mask, within));
    } else {
        LLVMValueRef offsets = all_offsets(e, frame, a, point);
        if (point->lanes == 1 && within) {
            offsets = LLVMBuildSelect(b, within, offsets, LLVMConstNull(i64_type(e)), "");
            within = NULL;
        }
        v = simd_gather(b, type, a->pointer, offsets, both(e, mask, within));
    }
    return register_from_memory(e, a->elem, v);
}

void access_store(struct emit *e, const struct frame *frame, const struct access *a,
                  const struct access_point *point, LLVMValueRef value) {
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef elem = memory_type(e->context, a->elem, 1);
    LLVMValueRef mask = point->mask;
    value = register_to_memory(e, a->elem, value);
    if (frame->padded) {
        LLVMValueRef within = lanes_within(e, frame, point);
        if (a->reads_whole)
            value = LLVMBuildSelect(b, within, value, LLVMConstNull(LLVMTypeOf(value)), "");
        else
            mask = both(e, mask, within);
    }
    bool straight = a->affine && (point->lanes == 1 || a->stride[frame->rank - 1] == 1);
    if (straight)
        simd_store(b, value, simd_address(b, elem, a->pointer, affine_offset(e, frame, a, point)), mask);
    else
        simd_scatter(b, value, a->pointer, all_offsets(e, frame, a, point), mask);
}
