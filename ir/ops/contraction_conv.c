/* Convolutions and transposed convolutions: inference, channel mapping, footprint. */
#include "ir/ops/broadcast.h"
#include "ir/ops/conv.h"
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"

#include <string.h>

/* The last `spatial` extents of a rank spatial + 2 shape, 1 in front for 1d. */
static void spatial_of(const int64_t *dim, uint32_t spatial, int64_t out[CONV_SPATIAL]) {
    for (uint32_t s = 0; s < CONV_SPATIAL; s++) {
        uint32_t missing = CONV_SPATIAL - spatial;
        out[s] = s < missing ? 1 : dim[2 + s - missing];
    }
}

struct conv conv_of(const struct op *op, bool transposed, uint32_t rank, const int64_t *x, const int64_t *w,
                    const int64_t *y) {
    uint32_t spatial = rank - 2;
    struct conv c = {.batch = x[0], .groups = op_int(op, ATTR_groups)};
    const int64_t *large = transposed ? y : x, *small = transposed ? x : y;
    c.large_channels = large[1] / c.groups;
    c.small_channels = small[1] / c.groups;
    spatial_of(large, spatial, c.large);
    spatial_of(small, spatial, c.small);
    for (uint32_t s = 0; s < CONV_SPATIAL; s++) c.window[s] = (struct window){1, 1, 1, 0, 0};
    window_of(op, spatial, w + 2, c.window + CONV_SPATIAL - spatial);
    return c;
}

/* -- inference -- */
static uint32_t rank_of(const struct infer *infer) {
    enum op_kind kind = infer->op->kind;
    return kind == OP_conv1d || kind == OP_conv_transpose1d ? 3 : 4;
}

/* What both directions ask of their operands: types, ranks, constant kernel extents, sane attributes. */
static enum status check_operands(const struct infer *infer, uint32_t rank, int64_t taps[MAX_SPATIAL]) {
    TRY(expect_same_elems(infer));
    TRY(expect_rank(infer, 0, rank));
    TRY(expect_rank(infer, 1, rank));
    for (uint32_t s = 0; s + 2 < rank; s++) TRY(expect_constant(infer, 1, 2 + s, &taps[s]));
    int64_t groups = op_int(infer->op, ATTR_groups);
    if (groups < 1) return infer_error(infer, "groups is %lld, expected at least 1", (long long)groups);
    return window_check(infer, rank - 2, taps, false);
}

/* A number of channels that the groups share out. */
static enum status check_groups(const struct infer *infer, uint32_t i, uint32_t axis) {
    int64_t groups = op_int(infer->op, ATTR_groups), channels;
    if (groups == 1) return STATUS_OK;
    TRY(expect_constant(infer, i, axis, &channels));
    if (channels % groups == 0) return STATUS_OK;
    char name[32];
    op_info_operand_name(op_info(infer->op->kind), i, name);
    return infer_error(infer, "operand %s has %lld channels, expected a multiple of groups = %lld", name,
                       (long long)channels, (long long)groups);
}

static enum status check_bias(const struct infer *infer, dim_id channels) {
    if (!infer_has(infer, 2)) return STATUS_OK;
    TRY(expect_rank(infer, 2, 1));
    return expect_extent(infer, 2, 0, channels);
}

enum status infer_conv(struct infer *infer) {
    struct types *types = &infer->m->types;
    uint32_t rank = rank_of(infer);
    int64_t taps[MAX_SPATIAL];
    struct window window[MAX_SPATIAL];
    TRY(check_operands(infer, rank, taps));
    dim_id groups = dim_const(types, op_int(infer->op, ATTR_groups));
    TRY(check_groups(infer, 0, 1));
    TRY(check_groups(infer, 1, 0));
    TRY(expect_extent(infer, 1, 1, dim_floor_div(types, infer_dim(infer, 0, 1), groups)));
    dim_id dims[MAX_RANK] = {infer_dim(infer, 0, 0), infer_dim(infer, 1, 0)};
    TRY(check_bias(infer, dims[1]));
    window_of(infer->op, rank - 2, taps, window);
    for (uint32_t s = 0; s + 2 < rank; s++)
        TRY(window_positions(infer, &window[s], infer_dim(infer, 0, 2 + s), false, &dims[2 + s]));
    infer->results[0] = type_make(infer_operand(infer, 0).elem, dims_make(types, dims, rank));
    return STATUS_OK;
}

/* (in - 1) * stride + extent of the window - padding + output_pad. */
static enum status transposed_extent(const struct infer *infer, const struct window *w, int64_t output_pad,
                                     dim_id in, dim_id *out) {
    struct types *types = &infer->m->types;
    int64_t more = window_extent(w) - w->stride - w->before - w->after + output_pad;
    dim_id extent = dim_add(types, dim_mul(types, in, dim_const(types, w->stride)), dim_const(types, more));
    if (!extent.i) return infer_error(infer, "the result's extent overflows");
    if (dim_hi(types, extent) < 1)
        return infer_error(infer, "padding leaves a result of extent %lld", (long long)dim_hi(types, extent));
    *out = extent;
    return STATUS_OK;
}

enum status infer_conv_transpose(struct infer *infer) {
    struct types *types = &infer->m->types;
    uint32_t rank = rank_of(infer);
    int64_t taps[MAX_SPATIAL];
    struct window window[MAX_SPATIAL];
    TRY(check_operands(infer, rank, taps));
    TRY(check_groups(infer, 0, 1));
    TRY(expect_extent(infer, 1, 0, infer_dim(infer, 0, 1)));
    dim_id groups = dim_const(types, op_int(infer->op, ATTR_groups));
    dim_id dims[MAX_RANK] = {infer_dim(infer, 0, 0), dim_mul(types, infer_dim(infer, 1, 1), groups)};
    if (!dims[1].i) return infer_error(infer, "the number of channels overflows");
    TRY(check_bias(infer, dims[1]));
    window_of(infer->op, rank - 2, taps, window);
    const int64_t *output_pad = op_ints(infer->op, ATTR_output_pad, NULL);
    for (uint32_t s = 0; s + 2 < rank; s++) {
        if (output_pad[s] < 0 || output_pad[s] > DIM_MAX)
            return infer_error(infer, "output_pad[%u] is %lld, expected 0 to %d", s, (long long)output_pad[s],
                               DIM_MAX);
        TRY(transposed_extent(infer, &window[s], output_pad[s], infer_dim(infer, 0, 2 + s), &dims[2 + s]));
    }
    infer->results[0] = type_make(infer_operand(infer, 0).elem, dims_make(types, dims, rank));
    return STATUS_OK;
}

/* -- channels -- */
static void link_groups(struct channel_map *map, uint32_t port_a, uint32_t dim_a, int64_t chunk_a,
                        uint32_t port_b, uint32_t dim_b, int64_t chunk_b, int64_t groups) {
    channels_link(map, (struct channel_side){port_a, dim_a, 0, chunk_a, chunk_a},
                  (struct channel_side){port_b, dim_b, 0, chunk_b, chunk_b}, groups);
}

/* `in` and `out` are the dimensions of the kernel that hold input and output channels. With groups only a
 * whole group can go: its input channels, its kernels and its output channels. The kernel's dimension that
 * counts channels within a group serves all groups at once. */
static void channels_of_conv(struct channel_map *map, uint32_t in, uint32_t out) {
    const struct module *m = map->m;
    int64_t groups = op_int(map->op, ATTR_groups);
    uint32_t rank = type_rank(&m->types, value_get(m, map->op->operand[0])->type);
    bool bias = map->op->operand_count > 2;
    channels_same(map, 0, 0, PORT_RESULT, 0);
    for (uint32_t d = 2; d < rank; d++) {
        channels_freeze(map, 0, d, "windows slide along it");
        channels_freeze(map, 1, d, "it counts the taps of the kernel");
        channels_freeze(map, PORT_RESULT, d, "windows slide along it");
    }
    if (groups == 1) {
        channels_same(map, 0, 1, 1, in); /* contracted */
        channels_same(map, 1, out, PORT_RESULT, 1);
        if (bias) channels_same(map, 2, 0, PORT_RESULT, 1);
        return;
    }
    int64_t of_x, of_y; /* channels of a group */
    check(
        dim_is_const(&m->types, dims_at(&m->types, value_get(m, map->op->operand[0])->type.shape, 1), &of_x));
    check(
        dim_is_const(&m->types, dims_at(&m->types, value_get(m, map->op->result[0])->type.shape, 1), &of_y));
    of_x /= groups;
    of_y /= groups;
    link_groups(map, 0, 1, of_x, PORT_RESULT, 1, of_y, groups);
    link_groups(map, 1, 0, in == 0 ? of_x : of_y, PORT_RESULT, 1, of_y, groups);
    channels_freeze(map, 1, 1, "it counts channels within a group, and all groups share it");
    if (bias) link_groups(map, 2, 0, of_y, PORT_RESULT, 1, of_y, groups);
}

void channels_conv(struct channel_map *map) {
    channels_of_conv(map, 1, 0);
}
void channels_conv_transpose(struct channel_map *map) {
    channels_of_conv(map, 0, 1);
}

/* -- footprints -- */
/* The channels [lo, hi) of one side in whole groups, as channels of a side with `chunk` channels in each
 * group. */
static void groups_read(int64_t lo, int64_t hi, int64_t of_result, int64_t chunk, int64_t *out_lo,
                        int64_t *out_hi) {
    *out_lo = *out_hi = 0;
    if (lo >= hi) return;
    *out_lo = lo / of_result * chunk;
    *out_hi = ceil_div(hi, of_result) * chunk;
}

static void footprint_of_conv(const struct module *m, const struct op *op, bool transposed, uint32_t operand,
                              const struct box *result, struct box *out) {
    int64_t x[MAX_RANK], w[MAX_RANK], y[MAX_RANK];
    uint32_t rank = value_extents(m, op->operand[0], x);
    (void)value_extents(m, op->operand[1], w);
    (void)value_extents(m, op->result[0], y);
    struct conv c = conv_of(op, transposed, rank, x, w, y);
    int64_t lo = result->lo[1], hi = result->hi[1];
    int64_t of_x = x[1] / c.groups, of_y = y[1] / c.groups;
    *out = box_all(m, op->operand[operand]);
    if (operand == 2) {
        out->lo[0] = lo;
        out->hi[0] = hi;
        return;
    }
    for (uint32_t d = 2; d < rank; d++) {
        const struct window *window = &c.window[CONV_SPATIAL - rank + d];
        struct window_span span = transposed ? window_readers(window, x[d], result->lo[d], result->hi[d])
                                             : window_read(window, x[d], result->lo[d], result->hi[d]);
        out->lo[d] = operand == 0 ? span.lo : span.tap_lo;
        out->hi[d] = operand == 0 ? span.hi : span.tap_hi;
    }
    if (operand == 0) {
        out->lo[0] = result->lo[0];
        out->hi[0] = result->hi[0];
        groups_read(lo, hi, of_y, of_x, &out->lo[1], &out->hi[1]);
    } else if (!transposed) { /* a kernel for each output channel */
        out->lo[0] = lo;
        out->hi[0] = hi;
    } else { /* kernels for the input channels of a group; within one group the output channels are known */
        groups_read(lo, hi, of_y, of_x, &out->lo[0], &out->hi[0]);
        if (lo < hi && lo / of_y == (hi - 1) / of_y) out->lo[1] = lo % of_y, out->hi[1] = (hi - 1) % of_y + 1;
    }
}

void footprint_conv(const struct module *m, const struct op *op, uint32_t operand, const struct box *result,
                    struct box *out) {
    footprint_of_conv(m, op, false, operand, result, out);
}

void footprint_conv_transpose(const struct module *m, const struct op *op, uint32_t operand,
                              const struct box *result, struct box *out) {
    footprint_of_conv(m, op, true, operand, result, out);
}
