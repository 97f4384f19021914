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

/* Element start + tap * dilation of an extent: clamped into it, and whether it was inside. */
static LLVMValueRef tap_position(struct emit *e, const struct window *w, int64_t extent, LLVMValueRef start,
                                 LLVMValueRef tap, LLVMValueRef *inside) {
    LLVMValueRef at = add64(e, start, scale64(e, tap, w->dilation));
    LLVMValueRef clamped = max64(e, int64(e, 0), min64(e, at, int64(e, extent - 1)));
    *inside = LLVMBuildICmp(e->builder, LLVMIntEQ, at, clamped, "");
    return clamped;
}

/* Padding is zeros that are multiplied like any other element: 0 times Inf is NaN. */
LLVMValueRef generic_conv(const struct generic *g, const LLVMValueRef *index) {
    struct emit *e = g->e;
    LLVMBuilderRef b = e->builder;
    struct conv c = conv_shape(g, false);
    if (conv_large(&c) == 0) return add_bias(g, zero(g), index[1]);
    bool flat = g->op->kind == OP_conv1d;
    LLVMValueRef y = flat ? int64(e, 0) : index[2], x = flat ? index[2] : index[3], start[2], inside[2];
    const LLVMValueRef at[2] = {y, x};
    for (int s = 0; s < 2; s++)
        start[s] = LLVMBuildSub(b, scale64(e, at[s], c.window[s].stride), int64(e, c.window[s].before), "");
    LLVMValueRef group = LLVMBuildUDiv(b, index[1], int64(e, c.small_channels), "");
    LLVMValueRef first = scale64(e, group, c.large_channels), acc = zero(g), x_at[4], w_at[4];
    struct loop channel, ky, kx;
    loop_begin_carried(e, &channel, int64(e, 0), int64(e, c.large_channels), 1, &acc, 1);
    loop_begin_carried(e, &ky, int64(e, 0), int64(e, c.window[0].taps), 1, &acc, 1);
    LLVMValueRef row = tap_position(e, &c.window[0], c.large[0], start[0], ky.index, &inside[0]);
    loop_begin_carried(e, &kx, int64(e, 0), int64(e, c.window[1].taps), 1, &acc, 1);
    LLVMValueRef column = tap_position(e, &c.window[1], c.large[1], start[1], kx.index, &inside[1]);
    spatial_index(g, x_at, index[0], add64(e, first, channel.index), row, column);
    spatial_index(g, w_at, index[1], channel.index, ky.index, kx.index);
    LLVMValueRef value = generic_load(g, 0, x_at), both = LLVMBuildAnd(b, inside[0], inside[1], "");
    value = LLVMBuildSelect(b, both, value, zero(g), "");
    acc = generic_fma(g, value, generic_load(g, 1, w_at), acc);
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
