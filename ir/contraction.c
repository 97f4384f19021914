#include "ir/contraction.h"

#include "ir/panels.h"

#include <string.h>

static uint32_t out_extent(const struct conv_problem *p, uint32_t in, uint32_t kernel, uint32_t axis) {
    uint32_t pads = p->pad[axis] + p->pad[axis + 2], reach = p->dilation[axis] * (kernel - 1) + 1;
    if (p->transposed) return (in - 1) * p->stride[axis] + reach + p->output_pad[axis] - pads;
    return (in + pads - reach) / p->stride[axis] + 1;
}

uint32_t conv_out_height(const struct conv_problem *p) {
    return out_extent(p, p->h, p->kh, 0);
}

uint32_t conv_out_width(const struct conv_problem *p) {
    return out_extent(p, p->w, p->kw, 1);
}

bool conv_is_flat(const struct conv_problem *p) {
    return !p->transposed && p->kh == 1 && p->kw == 1 && p->stride[0] == 1 && p->stride[1] == 1 &&
           p->pad[0] == 0 && p->pad[1] == 0 && p->pad[2] == 0 && p->pad[3] == 0;
}

/* Numbers of this generator are 32 bits wide; a tensor it reads has fewer than 2^31 elements. */
enum { MOST_ELEMENTS = INT32_MAX, MOST_PHASES = 4 };

static const char *plain_f32(const struct module *m, value_id v, int64_t dims[MAX_RANK]) {
    struct type t = value_get(m, v)->type;
    if (t.elem != ELEM_f32) return "only f32 is covered";
    if (t.quant.i || t.sparse.i) return "a quantized or sparse operand";
    if (!type_static(&m->types, t, dims)) return "a shape is not known";
    if (type_count(&m->types, t) == 0) return "a tensor is empty";
    if (type_storage_count(&m->types, t) > MOST_ELEMENTS) return "a tensor is too large";
    return NULL;
}

/* Weights are plain, or coded. */
static const char *read_weights(const struct module *m, value_id v, int64_t dims[MAX_RANK],
                                struct contraction *out) {
    struct type type = value_get(m, v)->type;
    struct sparse s = sparse_get(&m->types, type.sparse);
    if (panels_hold(m, type)) return plain_f32(m, v, dims);
    if (!type_static(&m->types, type, dims)) return "a shape is not known";
    if (type_count(&m->types, type) == 0) return "a tensor is empty";
    if (type_count(&m->types, type) > MOST_ELEMENTS) return "a tensor is too large";
    out->coded = true;
    out->together = s.kind == SPARSE_NM || s.kind == SPARSE_BLOCK ? s.b : 1;
    return NULL;
}

/* Whether a layout is channel-blocked, whatever the block. */
static bool is_channel_blocked(const struct module *m, struct type t) {
    if (!t.layout.i) return false;
    const struct layout *l = layout_get(&m->types, t.layout);
    return l->count >= 3 && l->at[1].dim == 1 && l->at[1].block > 1 && !l->at[1].inner &&
           l->at[l->count - 1].dim == 1 && l->at[l->count - 1].inner;
}

static void spread(const int64_t *from, uint32_t spatial, uint32_t fill, uint32_t out[2]) {
    out[0] = spatial == 2 ? (uint32_t)from[0] : fill;
    out[1] = (uint32_t)from[spatial - 1];
}

/* A column becomes a row: the storage is the same, (n, c/V, h, 1, c%V) and (n, c/V, 1, h, c%V). */
static void turn(struct conv_problem *p) {
    struct conv_problem q = *p;
    q.h = p->w, q.w = p->h;
    q.kh = p->kw, q.kw = p->kh;
    for (uint32_t i = 0; i < 2; i++) {
        q.stride[i] = p->stride[1 - i];
        q.dilation[i] = p->dilation[1 - i];
        q.pad[2 * i] = p->pad[2 * i + 1], q.pad[2 * i + 1] = p->pad[2 * i];
    }
    q.turned = true;
    *p = q;
}

static const char *finish_transposed(const struct op *op, uint32_t spatial, struct conv_problem p,
                                     struct contraction *out) {
    const int64_t *more = op_ints(op, ATTR_output_pad, NULL);
    if (p.groups > 1) return "a transposed convolution with groups";
    if (p.dilation[0] > 1 || p.dilation[1] > 1) return "a transposed convolution with dilation";
    if (p.stride[0] > MOST_PHASES || p.stride[1] > MOST_PHASES)
        return "a transposed convolution of a large stride";
    for (uint32_t i = 0; i < spatial; i++)
        if (more[i] < 0 || more[i] > INT16_MAX) return "an output padding is negative or too large";
    spread(more, spatial, 0, p.output_pad);
    if (out->coded) return "a transposed convolution reads plain weights";
    *out = (struct contraction){.kind = CONTRACTION_CONV_TRANSPOSE, .conv = p};
    return NULL;
}

static const char *read_conv(const struct module *m, const struct op *op, struct contraction *out) {
    int64_t x[MAX_RANK], w[MAX_RANK];
    const char *reason = plain_f32(m, op->operand[0], x);
    if (!reason) reason = read_weights(m, op->operand[1], w, out);
    if (reason) return reason;
    bool transposed = op->kind == OP_conv_transpose1d || op->kind == OP_conv_transpose2d;
    uint32_t spatial = op->kind == OP_conv2d || op->kind == OP_conv_transpose2d ? 2 : 1;
    const int64_t *pad = op_ints(op, ATTR_pad, NULL), *stride = op_ints(op, ATTR_stride, NULL);
    const int64_t *dilation = op_ints(op, ATTR_dilation, NULL);
    for (uint32_t i = 0; i < 2 * spatial; i++)
        if (pad[i] < 0 || pad[i] > INT16_MAX) return "a padding is negative or too large";
    for (uint32_t i = 0; i < spatial; i++)
        if (stride[i] > INT16_MAX || dilation[i] > INT16_MAX) return "a stride or dilation is too large";
    struct conv_problem p = {
        .n = (uint32_t)x[0],
        .c = (uint32_t)x[1],
        .h = spatial == 2 ? (uint32_t)x[2] : 1,
        .w = (uint32_t)x[spatial + 1],
        .o = (uint32_t)(transposed ? w[1] : w[0]),
        .transposed = transposed,
        .kh = spatial == 2 ? (uint32_t)w[2] : 1,
        .kw = (uint32_t)w[spatial + 1],
        .groups = (uint32_t)op_int(op, ATTR_groups),
        .blocked = is_channel_blocked(m, value_get(m, op->operand[0])->type),
    };
    spread(stride, spatial, 1, p.stride);
    spread(dilation, spatial, 1, p.dilation);
    p.pad[0] = spatial == 2 ? (uint32_t)pad[0] : 0;
    p.pad[1] = (uint32_t)pad[spatial - 1];
    p.pad[2] = spatial == 2 ? (uint32_t)pad[2] : 0;
    p.pad[3] = (uint32_t)pad[2 * spatial - 1];
    if (transposed) return finish_transposed(op, spatial, p, out);
    if (p.w == 1 && p.kw == 1 && !p.pad[1] && !p.pad[3] && p.h > 1) turn(&p);
    bool depthwise = p.groups > 1 && p.groups == p.c && p.groups == p.o;
    out->kind = depthwise ? CONTRACTION_DEPTHWISE : CONTRACTION_CONV;
    out->conv = p;
    return NULL;
}

static const char *read_linear(const struct module *m, const struct op *op, struct contraction *out) {
    int64_t x[MAX_RANK], w[MAX_RANK];
    const char *reason = plain_f32(m, op->operand[0], x);
    if (!reason) reason = read_weights(m, op->operand[1], w, out);
    if (reason) return reason;
    if (value_get(m, op->operand[0])->type.layout.i) return "linear reads plain rows";
    uint32_t rank = type_rank(&m->types, value_get(m, op->operand[0])->type);
    uint32_t rows = 1;
    for (uint32_t i = 0; i + 1 < rank; i++) rows *= (uint32_t)x[i];
    out->kind = CONTRACTION_MATMUL;
    out->matmul = (struct matmul_problem){.m = rows,
                                          .n = (uint32_t)w[0],
                                          .k = (uint32_t)w[1],
                                          .packed = true,
                                          .packable = true,
                                          .transposed = true};
    return NULL;
}

/* Batch dimensions of a matrix product, right-aligned, as outer axes with stride 0 where one broadcasts. */
static void read_batch(const int64_t *a, uint32_t rank_a, const int64_t *b, uint32_t rank_b,
                       struct matmul_problem *p) {
    uint32_t rank = rank_a > rank_b ? rank_a : rank_b;
    int64_t move_a = (int64_t)p->m * p->k, move_b = (int64_t)p->k * p->n, move_out = (int64_t)p->m * p->n;
    p->n_outer = rank - 2;
    for (uint32_t i = 2; i < rank; i++) { /* counted from the right */
        int64_t da = i < rank_a ? a[rank_a - 1 - i] : 1, db = i < rank_b ? b[rank_b - 1 - i] : 1;
        int64_t trips = da > db ? da : db;
        p->outer[rank - 1 - i] =
            (struct outer_axis){(uint32_t)trips, da > 1 ? move_a : 0, db > 1 ? move_b : 0, move_out, 0};
        move_a *= da;
        move_b *= db;
        move_out *= trips;
    }
}

static const char *read_matmul(const struct module *m, const struct op *op, struct contraction *out) {
    int64_t a[MAX_RANK], b[MAX_RANK];
    const char *reason = plain_f32(m, op->operand[0], a);
    if (!reason) reason = plain_f32(m, op->operand[1], b);
    if (reason) return reason;
    const struct value *vb = value_get(m, op->operand[1]);
    if (value_get(m, op->operand[0])->type.layout.i) return "matmul reads plain rows";
    uint32_t rank_a = type_rank(&m->types, value_get(m, op->operand[0])->type);
    uint32_t rank_b = type_rank(&m->types, vb->type);
    if (rank_a < 2 || rank_b < 2) return "a vector as an operand of matmul";
    struct matmul_problem p = {
        .m = (uint32_t)a[rank_a - 2], .n = (uint32_t)b[rank_b - 1], .k = (uint32_t)b[rank_b - 2]};
    int64_t batch_b = 1;
    for (uint32_t i = 0; i + 2 < rank_b; i++) batch_b *= b[i];
    if (batch_b == 1 && rank_a >= rank_b) { /* one b for all: the batch is more rows */
        for (uint32_t i = 0; i + 2 < rank_a; i++) p.m *= (uint32_t)a[i];
    } else {
        read_batch(a, rank_a, b, rank_b, &p);
    }
    p.packable = rank_b == 2;
    p.packed = vb->type.layout.i != 0;
    if (p.packed && !p.packable) return "a batch of packed matrices";
    *out = (struct contraction){.kind = CONTRACTION_MATMUL, .matmul = p};
    return NULL;
}

const char *contraction_of(const struct module *m, const struct op *op, struct contraction *out) {
    int64_t dims[MAX_RANK];
    const char *reason = plain_f32(m, op->result[0], dims);
    if (reason) return reason;
    *out = (struct contraction){0};
    switch (op->kind) {
    case OP_conv1d:
    case OP_conv2d:
    case OP_conv_transpose1d:
    case OP_conv_transpose2d:
        return read_conv(m, op, out);
    case OP_linear:
        return read_linear(m, op, out);
    case OP_matmul:
        return read_matmul(m, op, out);
    default:
        return "the dense generator has no form of this op";
    }
}

/* (d/block, rest in order, d%block); with `inner` > 1 dimension `summed` is blocked too, before the lanes. */
static layout_id panel_layout(struct module *m, uint32_t rank, uint32_t dim, uint32_t block, uint32_t summed,
                              uint32_t inner) {
    struct layout l = {.count = 0};
    l.at[l.count++] = (struct layout_dim){(uint8_t)dim, false, block};
    for (uint32_t i = 0; i < rank; i++)
        if (i != dim) l.at[l.count++] = (struct layout_dim){(uint8_t)i, false, i == summed ? inner : 1};
    if (inner > 1) l.at[l.count++] = (struct layout_dim){(uint8_t)summed, true, inner};
    l.at[l.count++] = (struct layout_dim){(uint8_t)dim, true, block};
    return layout_make(&m->types, &l);
}

layout_id contraction_weights_layout(struct module *m, const struct op *op, const struct contraction *c,
                                     const struct schedule *s, const struct target *target) {
    uint32_t rank = type_rank(&m->types, value_get(m, op->operand[1])->type);
    uint32_t lanes = target_lanes(target);
    switch (c->kind) {
    case CONTRACTION_CONV:
        return panel_layout(m, rank, 0, s->nr, 1, c->conv.blocked ? lanes : 1);
    case CONTRACTION_DEPTHWISE:
        return panel_layout(m, rank, 0, lanes, 1, 1);
    case CONTRACTION_CONV_TRANSPOSE:
        return panel_layout(m, rank, 1, s->nr, 0, lanes);
    case CONTRACTION_MATMUL:
        if (!c->matmul.packed) return (layout_id){0};
        return panel_layout(m, rank, c->matmul.transposed ? 0 : 1, s->nr, 0, 1);
    }
    return (layout_id){0};
}

layout_id contraction_result_layout(struct module *m, const struct op *op, const struct contraction *c,
                                    const struct target *target) {
    if (c->kind == CONTRACTION_MATMUL) return (layout_id){0};
    uint32_t rank = type_rank(&m->types, value_get(m, op->result[0])->type);
    return layout_channel_blocked(&m->types, rank, target_lanes(target));
}
