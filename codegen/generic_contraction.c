/* One element of each kind of contraction. */
#include "codegen/generic.h"
#include "codegen/register.h"
#include "codegen/simd.h"
#include "ir/ops/conv.h"
#include "ir/ops/shape.h"

static LLVMValueRef zero(const struct generic *g) {
    return LLVMConstNull(register_type(g->e->context, g->acc, 1));
}

static LLVMValueRef add(const struct generic *g, LLVMValueRef a, LLVMValueRef b) {
    return elem_is_float(g->acc) ? LLVMBuildFAdd(g->e->builder, a, b, "")
                                 : LLVMBuildAdd(g->e->builder, a, b, "");
}

/* Adds operand 2 at one coordinate, if there is one. */
static LLVMValueRef add_bias(const struct generic *g, LLVMValueRef acc, LLVMValueRef channel) {
    return g->operand[2] ? add(g, acc, generic_load(g, 2, &channel)) : acc;
}

LLVMValueRef generic_linear(const struct generic *g, const LLVMValueRef *index) {
    struct emit *e = g->e;
    int64_t w[MAX_RANK], y[MAX_RANK];
    operand_extents(e->m, g->op, 1, w);
    uint32_t rank = result_extents(e->m, g->op, 0, y);
    LLVMValueRef acc = zero(g), x_at[MAX_RANK], w_at[2] = {index[rank - 1]};
    for (uint32_t d = 0; d + 1 < rank; d++) x_at[d] = index[d];
    struct loop loop;
    loop_begin_carried(e, &loop, int64(e, 0), int64(e, w[1]), 1, &acc, 1);
    x_at[rank - 1] = w_at[1] = loop.index;
    acc = generic_fma(g, generic_load(g, 0, x_at), generic_load(g, 1, w_at), acc);
    loop_end_carried(e, &loop, &acc);
    return add_bias(g, acc, index[rank - 1]);
}

LLVMValueRef generic_matmul(const struct generic *g, const LLVMValueRef *index) {
    struct emit *e = g->e;
    int64_t dims[2][MAX_RANK], y[MAX_RANK];
    uint32_t rank[2] = {operand_extents(e->m, g->op, 0, dims[0]), operand_extents(e->m, g->op, 1, dims[1])};
    uint32_t result_rank = result_extents(e->m, g->op, 0, y);
    /* Rank 1 stands for a row on the left, a column on the right; the result lacks that dimension. */
    uint32_t has_row = rank[0] > 1, has_column = rank[1] > 1, batch = result_rank - has_row - has_column;
    LLVMValueRef acc = zero(g), at[2][MAX_RANK];
    for (uint32_t o = 0; o < 2; o++)
        for (uint32_t d = 0; d + 2 < rank[o]; d++)
            at[o][d] = dims[o][d] == 1 ? int64(e, 0) : index[batch - (rank[o] - 2) + d];
    if (has_row) at[0][rank[0] - 2] = index[batch];
    if (has_column) at[1][rank[1] - 1] = index[result_rank - 1];
    struct loop loop;
    loop_begin_carried(e, &loop, int64(e, 0), int64(e, dims[0][rank[0] - 1]), 1, &acc, 1);
    at[0][rank[0] - 1] = loop.index;
    at[1][has_column ? rank[1] - 2 : 0] = loop.index;
    acc = generic_fma(g, generic_load(g, 0, at[0]), generic_load(g, 1, at[1]), acc);
    loop_end_carried(e, &loop, &acc);
    return acc;
}

/* -- convolutions: 1d is 2d with height 1 -- */

static struct conv conv_shape(const struct generic *g, bool transposed) {
    int64_t x[MAX_RANK], w[MAX_RANK], y[MAX_RANK];
    uint32_t rank = operand_extents(g->e->m, g->op, 0, x);
    operand_extents(g->e->m, g->op, 1, w);
    result_extents(g->e->m, g->op, 0, y);
    return conv_of(g->op, transposed, rank, x, w, y);
}

/* (a, b, row, column), without the row for 1d. */
static void spatial_index(const struct generic *g, LLVMValueRef *out, LLVMValueRef a, LLVMValueRef b,
                          LLVMValueRef row, LLVMValueRef column) {
    bool flat = g->op->kind == OP_conv1d || g->op->kind == OP_conv_transpose1d;
    out[0] = a;
    out[1] = b;
    out[2] = flat ? column : row;
    out[3] = column;
}

/* Taps k for which start + k * dilation is in [0, extent). */
static void taps_inside(struct emit *e, const struct window *w, LLVMValueRef start, int64_t extent,
                        LLVMValueRef *lo, LLVMValueRef *hi) {
    LLVMBuilderRef b = e->builder;
    LLVMValueRef d = int64(e, w->dilation), zero64 = int64(e, 0);
    LLVMValueRef above = LLVMBuildSub(b, int64(e, w->dilation - 1), start, "");
    LLVMValueRef below = LLVMBuildSub(b, int64(e, extent + w->dilation - 1), start, "");
    *lo = LLVMBuildSDiv(b, max64(e, above, zero64), d, "");
    *hi = min64(e, LLVMBuildSDiv(b, max64(e, below, zero64), d, ""), int64(e, w->taps));
}

LLVMValueRef generic_conv(const struct generic *g, const LLVMValueRef *index) {
    struct emit *e = g->e;
    LLVMBuilderRef b = e->builder;
    struct conv c = conv_shape(g, false);
    bool flat = g->op->kind == OP_conv1d;
    LLVMValueRef y = flat ? int64(e, 0) : index[2], x = flat ? index[2] : index[3], start[2], lo[2], hi[2];
    const LLVMValueRef at[2] = {y, x};
    for (int s = 0; s < 2; s++) {
        start[s] = LLVMBuildSub(b, scale64(e, at[s], c.window[s].stride), int64(e, c.window[s].before), "");
        taps_inside(e, &c.window[s], start[s], c.large[s], &lo[s], &hi[s]);
    }
    LLVMValueRef group = LLVMBuildUDiv(b, index[1], int64(e, c.small_channels), "");
    LLVMValueRef first = scale64(e, group, c.large_channels), acc = zero(g), x_at[4], w_at[4];
    struct loop channel, ky, kx;
    loop_begin_carried(e, &channel, int64(e, 0), int64(e, c.large_channels), 1, &acc, 1);
    loop_begin_carried(e, &ky, lo[0], hi[0], 1, &acc, 1);
    loop_begin_carried(e, &kx, lo[1], hi[1], 1, &acc, 1);
    spatial_index(g, x_at, index[0], add64(e, first, channel.index),
                  add64(e, start[0], scale64(e, ky.index, c.window[0].dilation)),
                  add64(e, start[1], scale64(e, kx.index, c.window[1].dilation)));
    spatial_index(g, w_at, index[1], channel.index, ky.index, kx.index);
    acc = generic_fma(g, generic_load(g, 0, x_at), generic_load(g, 1, w_at), acc);
    loop_end_carried(e, &kx, &acc);
    loop_end_carried(e, &ky, &acc);
    loop_end_carried(e, &channel, &acc);
    return add_bias(g, acc, index[1]);
}

/* The position p of the operand with p * stride - before + tap * dilation = at, and whether there is one. */
static LLVMValueRef source_of(struct emit *e, const struct window *w, int64_t extent, LLVMValueRef at,
                              LLVMValueRef tap, LLVMValueRef *exists) {
    LLVMBuilderRef b = e->builder;
    LLVMValueRef t = LLVMBuildSub(b, add64(e, at, int64(e, w->before)), scale64(e, tap, w->dilation), "");
    LLVMValueRef stride = int64(e, w->stride), p = LLVMBuildSDiv(b, t, stride, "");
    LLVMValueRef rest = LLVMBuildSRem(b, t, stride, "");
    LLVMValueRef inside = LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntSGE, t, int64(e, 0), ""),
                                       LLVMBuildICmp(b, LLVMIntSLT, p, int64(e, extent), ""), "");
    *exists = LLVMBuildAnd(b, inside, LLVMBuildICmp(b, LLVMIntEQ, rest, int64(e, 0), ""), "");
    return p;
}

LLVMValueRef generic_conv_transpose(const struct generic *g, const LLVMValueRef *index) {
    struct emit *e = g->e;
    LLVMBuilderRef b = e->builder;
    struct conv c = conv_shape(g, true);
    bool flat = g->op->kind == OP_conv_transpose1d;
    LLVMValueRef y = flat ? int64(e, 0) : index[2], x = flat ? index[2] : index[3];
    LLVMValueRef group = LLVMBuildUDiv(b, index[1], int64(e, c.large_channels), "");
    LLVMValueRef channel_in_group = LLVMBuildURem(b, index[1], int64(e, c.large_channels), "");
    LLVMValueRef first = scale64(e, group, c.small_channels), acc = zero(g), x_at[4], w_at[4], exists[2];
    struct loop channel, ky, kx;
    loop_begin_carried(e, &ky, int64(e, 0), int64(e, c.window[0].taps), 1, &acc, 1);
    LLVMValueRef row = source_of(e, &c.window[0], c.small[0], y, ky.index, &exists[0]);
    loop_begin_carried(e, &kx, int64(e, 0), int64(e, c.window[1].taps), 1, &acc, 1);
    LLVMValueRef column = source_of(e, &c.window[1], c.small[1], x, kx.index, &exists[1]);
    /* A tap without a source has no channels to sum over. */
    LLVMValueRef any = LLVMBuildAnd(b, exists[0], exists[1], "");
    LLVMValueRef count = LLVMBuildSelect(b, any, int64(e, c.small_channels), int64(e, 0), "");
    loop_begin_carried(e, &channel, int64(e, 0), count, 1, &acc, 1);
    LLVMValueRef from = add64(e, first, channel.index);
    spatial_index(g, x_at, index[0], from, row, column);
    spatial_index(g, w_at, from, channel_in_group, ky.index, kx.index);
    acc = generic_fma(g, generic_load(g, 0, x_at), generic_load(g, 1, w_at), acc);
    loop_end_carried(e, &channel, &acc);
    loop_end_carried(e, &kx, &acc);
    loop_end_carried(e, &ky, &acc);
    return add_bias(g, acc, index[1]);
}
