#include "codegen/fold.h"

#include "codegen/register.h"
#include "codegen/simd_memory.h"

#include <string.h>

/* Sums kept apart, to hide the latency of one after the other. */
enum { PARTS = 4 };

struct line line_along(struct emit *e, enum elem elem, int64_t extent) {
    unsigned lanes = target_lanes(e->target);
    while (lanes > 1 && lanes / 2 >= extent) lanes /= 2;
    return (struct line){
        .e = e, .elem = elem, .extent = extent, .lanes = lanes, .stride = 1, .active = lanes};
}

struct line line_beside(struct emit *e, enum elem elem, int64_t extent, int64_t stride, unsigned active) {
    unsigned lanes = target_lanes(e->target);
    while (lanes > 1 && lanes / 2 >= active) lanes /= 2;
    return (struct line){.e = e,
                         .elem = elem,
                         .extent = extent,
                         .lanes = lanes,
                         .side_by_side = true,
                         .stride = stride,
                         .active = active};
}

static LLVMValueRef first_lanes(const struct line *line, int64_t count) {
    if (count >= line->lanes || line->lanes == 1) return NULL;
    return simd_first_lanes(line->e->builder, int64(line->e, count), line->lanes);
}

LLVMValueRef line_load(const struct line *line, LLVMValueRef pointer, const struct line_at *at, double fill) {
    struct emit *e = line->e;
    LLVMTypeRef elem = memory_type(e->context, line->elem, 1);
    LLVMTypeRef type = memory_type(e->context, line->elem, line->lanes);
    LLVMValueRef v =
        simd_load(e->builder, type, simd_address(e->builder, elem, pointer, at->offset), at->mask);
    v = register_from_memory(e, line->elem, v);
    if (!at->mask || fill == 0) return v;
    return LLVMBuildSelect(e->builder, at->mask, v, register_number(e, line->elem, fill, line->lanes), "");
}

void line_store(const struct line *line, LLVMValueRef pointer, const struct line_at *at, LLVMValueRef value) {
    struct emit *e = line->e;
    LLVMTypeRef elem = memory_type(e->context, line->elem, 1);
    simd_store(e->builder, register_to_memory(e, line->elem, value),
               simd_address(e->builder, elem, pointer, at->offset), at->mask);
}

static struct line_at at_position(const struct line *line, LLVMValueRef position, LLVMValueRef mask) {
    return (struct line_at){scale64(line->e, position, line->stride), position, mask};
}

/* Positions that one vector covers. */
static int64_t width(const struct line *line) {
    return line->side_by_side ? 1 : line->lanes;
}

/* The mask of all vectors but the last one along the line. */
static LLVMValueRef common_mask(const struct line *line) {
    return line->side_by_side ? first_lanes(line, line->active) : NULL;
}

/* Positions [lo, hi), a multiple of PARTS vectors. */
static void fold_turns(const struct line *line, const struct fold *fold, LLVMValueRef lo, LLVMValueRef hi,
                       LLVMValueRef mask, LLVMValueRef *parts) {
    struct emit *e = line->e;
    int64_t w = width(line);
    struct loop loop;
    loop_begin_carried(e, &loop, lo, hi, PARTS * w, parts, PARTS * fold->count);
    for (uint32_t p = 0; p < PARTS; p++) {
        struct line_at at = at_position(line, add64(e, loop.index, int64(e, p * w)), mask);
        fold->step(fold->ctx, &at, parts + p * fold->count);
    }
    loop_end_carried(e, &loop, parts);
}

/* Positions [0, end) in pieces that are folded from the identity on and merged. */
static void fold_pieces(const struct line *line, const struct fold *fold, int64_t piece, int64_t end,
                        LLVMValueRef mask, LLVMValueRef *parts) {
    struct emit *e = line->e;
    LLVMValueRef of_piece[PARTS * FOLD_MAX];
    struct loop pieces;
    loop_begin_carried(e, &pieces, int64(e, 0), int64(e, end), piece, parts, PARTS * fold->count);
    for (uint32_t p = 0; p < PARTS; p++)
        memcpy(of_piece + p * fold->count, fold->identity, fold->count * sizeof *of_piece);
    LLVMValueRef hi = min64(e, add64(e, pieces.index, int64(e, piece)), int64(e, end));
    fold_turns(line, fold, pieces.index, hi, mask, of_piece);
    for (uint32_t p = 0; p < PARTS; p++)
        fold->merge(fold->ctx, parts + p * fold->count, of_piece + p * fold->count);
    loop_end_carried(e, &pieces, parts);
}

void line_fold(const struct line *line, const struct fold *fold, LLVMValueRef *acc) {
    struct emit *e = line->e;
    int64_t w = width(line), whole = line->extent / w * w, grouped = 0;
    LLVMValueRef mask = common_mask(line), parts[PARTS * FOLD_MAX];
    struct loop loop;
    if (line->extent >= 2 * PARTS * w) {
        grouped = line->extent / (PARTS * w) * (PARTS * w);
        for (uint32_t p = 0; p < PARTS; p++)
            memcpy(parts + p * fold->count, fold->identity, fold->count * sizeof *acc);
        int64_t turns = FOLD_TURNS * PARTS * w;
        if (grouped <= 2 * turns)
            fold_turns(line, fold, int64(e, 0), int64(e, grouped), mask, parts);
        else
            fold_pieces(line, fold, turns, grouped, mask, parts);
        for (uint32_t p = 2; p < PARTS; p += 2) fold->merge(fold->ctx, parts, parts + p * fold->count);
        for (uint32_t p = 3; p < PARTS; p += 2)
            fold->merge(fold->ctx, parts + fold->count, parts + p * fold->count);
        fold->merge(fold->ctx, parts, parts + fold->count);
        fold->merge(fold->ctx, acc, parts);
    }
    if (grouped < whole) {
        loop_begin_carried(e, &loop, int64(e, grouped), int64(e, whole), w, acc, fold->count);
        struct line_at at = at_position(line, loop.index, mask);
        fold->step(fold->ctx, &at, acc);
        loop_end_carried(e, &loop, acc);
    }
    if (whole == line->extent) return;
    struct line_at at = at_position(line, int64(e, whole), first_lanes(line, line->extent - whole));
    fold->step(fold->ctx, &at, acc);
}

void fold_across(const struct line *line, const struct fold *fold, LLVMValueRef *acc) {
    LLVMBuilderRef b = line->e->builder;
    if (line->side_by_side) return;
    unsigned lanes = line->lanes;
    for (unsigned half = lanes / 2; half > 0; half /= 2) {
        LLVMValueRef other[FOLD_MAX];
        for (uint32_t k = 0; k < fold->count; k++) {
            int index[64];
            for (unsigned i = 0; i < lanes; i++) index[i] = (int)(i ^ half);
            other[k] = simd_shuffle(b, acc[k], LLVMGetPoison(LLVMTypeOf(acc[k])), index, lanes);
        }
        fold->merge(fold->ctx, acc, other);
    }
}

void line_each(const struct line *line, void (*f)(void *ctx, const struct line_at *at), void *ctx) {
    struct emit *e = line->e;
    int64_t w = width(line), whole = line->extent / w * w;
    struct loop loop;
    if (whole > 0) {
        loop_begin(e, &loop, int64(e, 0), int64(e, whole), w);
        struct line_at at = at_position(line, loop.index, common_mask(line));
        f(ctx, &at);
        loop_end(e, &loop);
    }
    if (whole == line->extent) return;
    struct line_at at = at_position(line, int64(e, whole), first_lanes(line, line->extent - whole));
    f(ctx, &at);
}
