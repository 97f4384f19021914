/* Kernels of pointwise ops alone: loops over the result's storage around body.h.
 *
 * The frame's dimensions are cut into *outer* ones, whose positions are the kernel's items, and inner ones,
 * which are loops; the last is walked in vectors. A long last dimension is cut into chunks, which are items
 * too. */
#include "codegen/body.h"
#include "codegen/loop.h"
#include "codegen/simd_memory.h"

#include <string.h>

enum {
    ITEM_ELEMENTS = 8192, /* a few microseconds of work */
    UNROLL = 4,           /* vectors in a turn of the innermost loop, for bodies of few ops */
    FEW_OPS = 4
};

struct pointwise {
    struct emit *e;
    struct body *body;
    const struct frame *frame;
    uint32_t outer;        /* dimensions that are items */
    int64_t chunk, chunks; /* of the last dimension; chunks = 1: it is whole */
    unsigned lanes;
    LLVMValueRef index[MAX_STORAGE_RANK];
    LLVMValueRef from, to; /* of the last dimension */
};

static int64_t outer_extent(const struct pointwise *p) {
    int64_t count = 1;
    for (uint32_t k = 0; k < p->outer; k++) count *= p->frame->extent[k];
    return count;
}

static int64_t inner_extent(const struct frame *f, uint32_t from) {
    int64_t count = 1;
    for (uint32_t k = from; k < f->rank; k++) count *= f->extent[k];
    return count;
}

static void partition(struct pointwise *p) {
    const struct frame *f = p->frame;
    p->outer = 0;
    while (p->outer + 1 < f->rank && inner_extent(f, p->outer) > 2 * ITEM_ELEMENTS) p->outer++;
    p->chunks = 1;
    p->chunk = f->rank > 0 ? f->extent[f->rank - 1] : 1;
    if (f->rank > 0 && p->outer + 1 == f->rank && p->chunk > 2 * ITEM_ELEMENTS) {
        p->chunk = ITEM_ELEMENTS;
        p->chunks = ceil_div(f->extent[f->rank - 1], p->chunk);
    }
}

/* Lanes of the widest element type in a vector register, at most what the last dimension has. */
static unsigned choose_lanes(const struct pointwise *p) {
    const struct frame *f = p->frame;
    unsigned lanes = target_lanes(p->e->target);
    int64_t extent = f->rank > 0 ? f->extent[f->rank - 1] : 1;
    while (lanes > 1 && lanes > extent) lanes /= 2;
    while (f->padded && lanes > 1 && f->block % lanes != 0) lanes /= 2;
    return lanes;
}

static void vector_at(struct pointwise *p, LLVMValueRef at, unsigned lanes, LLVMValueRef mask) {
    if (p->frame->rank > 0) p->index[p->frame->rank - 1] = at;
    body_eval_store(p->body, &(struct body_point){.lanes = lanes, .index = p->index, .mask = mask});
}

/* [from, to) in vectors: groups of them, single ones, and what is left under a mask or one by one. */
static void walk_last(struct pointwise *p) {
    struct emit *e = p->e;
    struct loop loop;
    unsigned lanes = p->lanes;
    bool whole = p->chunks == 1 && (p->chunk % lanes) == 0;
    LLVMValueRef length = LLVMBuildSub(e->builder, p->to, p->from, "");
    LLVMValueRef even = LLVMBuildAnd(e->builder, length, int64(e, -(int64_t)lanes), "");
    LLVMValueRef vectors_to = add64(e, p->from, even), at = p->from;
    if (body_op_count(p->body) <= FEW_OPS && p->chunk >= 2 * UNROLL * lanes) {
        LLVMValueRef groups = LLVMBuildAnd(e->builder, length, int64(e, -(int64_t)(UNROLL * lanes)), "");
        at = add64(e, p->from, groups);
        loop_begin(e, &loop, p->from, at, UNROLL * lanes);
        for (unsigned u = 0; u < UNROLL; u++)
            vector_at(p, add64(e, loop.index, int64(e, u * lanes)), lanes, NULL);
        loop_end(e, &loop);
    }
    loop_begin(e, &loop, at, vectors_to, lanes);
    vector_at(p, loop.index, lanes, NULL);
    loop_end(e, &loop);
    if (whole || lanes == 1) return;
    if (body_masks_well(p->body)) {
        struct branch rest;
        LLVMValueRef left = LLVMBuildSub(e->builder, p->to, vectors_to, "");
        branch_begin(e, &rest, LLVMBuildICmp(e->builder, LLVMIntSGT, left, int64(e, 0), ""));
        vector_at(p, vectors_to, lanes, simd_first_lanes(e->builder, left, lanes));
        branch_end(e, &rest);
        return;
    }
    loop_begin(e, &loop, vectors_to, p->to, 1);
    vector_at(p, loop.index, 1, NULL);
    loop_end(e, &loop);
}

static void walk_item(struct pointwise *p, LLVMValueRef item) {
    struct emit *e = p->e;
    const struct frame *f = p->frame;
    p->from = int64(e, 0);
    p->to = int64(e, p->chunk);
    if (p->chunks > 1) {
        LLVMValueRef chunk = LLVMBuildURem(e->builder, item, int64(e, p->chunks), "");
        item = LLVMBuildUDiv(e->builder, item, int64(e, p->chunks), "");
        p->from = scale64(e, chunk, p->chunk);
        p->to = min64(e, add64(e, p->from, int64(e, p->chunk)), int64(e, f->extent[f->rank - 1]));
    }
    for (uint32_t k = p->outer; k-- > 0;) {
        LLVMValueRef extent = int64(e, f->extent[k]);
        p->index[k] = k > 0 ? LLVMBuildURem(e->builder, item, extent, "") : item;
        if (k > 0) item = LLVMBuildUDiv(e->builder, item, extent, "");
    }
    struct loop loops[MAX_STORAGE_RANK];
    for (uint32_t k = p->outer; k + 1 < f->rank; k++) {
        loop_begin(e, &loops[k], int64(e, 0), int64(e, f->extent[k]), 1);
        p->index[k] = loops[k].index;
    }
    walk_last(p);
    for (uint32_t k = f->rank; k-- > p->outer;)
        if (k + 1 < f->rank) loop_end(e, &loops[k]);
}

enum emit_result emit_pointwise(struct emit *e, op_id op, const char *symbol, struct kernel *out,
                                const char **why_not) {
    if (op_get(e->m, op)->kind != OP_relayout) return emit_pointwise_body(e, op, symbol, out, why_not);
    *why_not = "a relayout has a kernel of its own";
    return EMIT_DECLINED;
}

enum emit_result emit_pointwise_body(struct emit *e, op_id op, const char *symbol, struct kernel *out,
                                     const char **why_not) {
    const struct op *o = op_get(e->m, op);
    struct type frame = value_get(e->m, o->result[0])->type;
    struct body_request request = {.op = op, .frame = frame};
    struct pointwise p = {.e = e};
    p.body = body_new(e, &request, why_not);
    if (!p.body) return EMIT_DECLINED;
    body_collapse(p.body);
    p.frame = body_frame(p.body);
    partition(&p);
    int64_t items = outer_extent(&p) * p.chunks;
    if (items >= UINT32_MAX) {
        *why_not = "more items than a kernel may have";
        body_free(p.body);
        return EMIT_DECLINED;
    }
    p.lanes = choose_lanes(&p);
    struct kernel_code code = kernel_begin(e, symbol);
    if (inner_extent(p.frame, 0) > 0) {
        body_bind(p.body, code.buf);
        struct loop loop;
        loop_begin(e, &loop, code.lo, code.hi, 1);
        walk_item(&p, loop.index);
        loop_end(e, &loop);
    } else {
        items = 0;
    }
    kernel_end(e);
    body_free(p.body);
    *out = (struct kernel){.function = code.function, .items = (uint32_t)items};
    return EMIT_DONE;
}
