/* Attention: inference, channel mapping, footprint. */
#include "ir/ops/attention.h"

#include "ir/ops/broadcast.h"
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"

#include <math.h>

struct heads heads_of(const struct op *op, int64_t q_width, int64_t v_width) {
    struct heads h = {.heads = op_int(op, ATTR_heads), .kv_heads = op_int(op, ATTR_kv_heads)};
    if (!h.kv_heads) h.kv_heads = h.heads;
    h.shared = h.heads / h.kv_heads;
    h.d = q_width / h.heads;
    h.e = v_width / h.kv_heads;
    h.scale = op_float(op, ATTR_scale);
    if (h.scale == 0) h.scale = 1 / sqrt((double)max_i64(h.d, 1));
    return h;
}

/* -- inference -- */
static enum status check_heads(const struct infer *infer) {
    int64_t heads = op_int(infer->op, ATTR_heads), kv_heads = op_int(infer->op, ATTR_kv_heads);
    if (heads < 1 || heads > DIM_MAX)
        return infer_error(infer, "heads is %lld, expected 1 to %d", (long long)heads, DIM_MAX);
    if (kv_heads < 0 || (kv_heads && heads % kv_heads))
        return infer_error(infer, "kv_heads is %lld, expected 0 or a divisor of heads = %lld",
                           (long long)kv_heads, (long long)heads);
    return STATUS_OK;
}

/* The width of a head of operand i. */
static enum status head_width(const struct infer *infer, uint32_t i, int64_t heads, int64_t *out) {
    int64_t width;
    TRY(expect_constant(infer, i, 2, &width));
    *out = width / heads;
    if (width % heads == 0) return STATUS_OK;
    return infer_error(infer, "operand %c has width %lld, expected a multiple of %lld heads", "qkv"[i],
                       (long long)width, (long long)heads);
}

/* The mask broadcasts to [n, heads, t, s]; it does not widen it. */
static enum status check_mask(const struct infer *infer, int64_t heads) {
    struct types *types = &infer->m->types;
    if (infer_operand(infer, ATTENTION_MASK).elem != ELEM_bool)
        TRY(expect_elem(infer, ATTENTION_MASK, infer_operand(infer, 0).elem));
    uint32_t rank = infer_rank(infer, ATTENTION_MASK);
    if (rank > 4) return infer_error(infer, "operand mask has rank %u, expected at most 4", rank);
    const dim_id scores[4] = {infer_dim(infer, ATTENTION_Q, 0), dim_const(types, heads),
                              infer_dim(infer, ATTENTION_Q, 1), infer_dim(infer, ATTENTION_K, 1)};
    for (uint32_t d = 0; d < rank; d++) {
        int64_t one;
        if (dim_is_const(types, infer_dim(infer, ATTENTION_MASK, d), &one) && one == 1) continue;
        TRY(expect_extent(infer, ATTENTION_MASK, d, scores[4 - rank + d]));
    }
    return STATUS_OK;
}

enum status infer_attention(struct infer *infer) {
    struct types *types = &infer->m->types;
    enum elem elem = infer_operand(infer, 0).elem;
    for (uint32_t i = ATTENTION_Q; i <= ATTENTION_V; i++) {
        TRY(expect_elem(infer, i, elem));
        TRY(expect_rank(infer, i, 3));
        TRY(expect_extent(infer, i, 0, infer_dim(infer, ATTENTION_Q, 0)));
    }
    TRY(check_heads(infer));
    TRY(expect_extent(infer, ATTENTION_V, 1, infer_dim(infer, ATTENTION_K, 1)));
    int64_t heads = op_int(infer->op, ATTR_heads), kv_heads = op_int(infer->op, ATTR_kv_heads);
    if (!kv_heads) kv_heads = heads;
    int64_t d_of_q, d_of_k, e, width;
    TRY(head_width(infer, ATTENTION_Q, heads, &d_of_q));
    TRY(head_width(infer, ATTENTION_K, kv_heads, &d_of_k));
    TRY(head_width(infer, ATTENTION_V, kv_heads, &e));
    if (d_of_q != d_of_k)
        return infer_error(infer, "a head of operand k has width %lld, expected %lld as those of q",
                           (long long)d_of_k, (long long)d_of_q);
    if (infer_has(infer, ATTENTION_MASK)) TRY(check_mask(infer, heads));
    if (!mul_i64(heads, e, &width)) return infer_error(infer, "the result's width overflows");
    dim_id dims[3] = {infer_dim(infer, ATTENTION_Q, 0), infer_dim(infer, ATTENTION_Q, 1),
                      dim_const(types, width)};
    infer->results[0] = type_make(elem, dims_make(types, dims, 3));
    return STATUS_OK;
}

/* -- channels -- */
static int64_t constant_extent(const struct channel_map *map, value_id v, uint32_t axis) {
    int64_t extent;
    check(dim_is_const(&map->m->types, dims_at(&map->m->types, value_get(map->m, v)->type.shape, axis),
                       &extent));
    return extent;
}

/* `count` runs of `chunk` channels each, one after the other. */
static struct channel_side runs(uint32_t port, uint32_t dim, int64_t chunk) {
    return (struct channel_side){port, dim, 0, chunk, chunk};
}

/* What can go is a head of keys and values with all that is its own: its heads of queries and results.
 * Channels within heads stay, since all heads have one width. */
void channels_attention(struct channel_map *map) {
    const struct types *types = &map->m->types;
    const struct op *op = map->op;
    struct heads h = heads_of(op, constant_extent(map, op->operand[ATTENTION_Q], 2),
                              constant_extent(map, op->operand[ATTENTION_V], 2));
    struct channel_side y = runs(PORT_RESULT, 2, h.shared * h.e);
    for (uint32_t i = ATTENTION_Q; i <= ATTENTION_V; i++) channels_same(map, i, 0, PORT_RESULT, 0);
    channels_same(map, ATTENTION_Q, 1, PORT_RESULT, 1);
    channels_freeze(map, ATTENTION_K, 1, "its positions share the weights of the average");
    channels_freeze(map, ATTENTION_V, 1, "its positions share the weights of the average");
    channels_link(map, runs(ATTENTION_Q, 2, h.shared * h.d), y, h.kv_heads);
    channels_link(map, runs(ATTENTION_K, 2, h.d), y, h.kv_heads);
    channels_link(map, runs(ATTENTION_V, 2, h.e), y, h.kv_heads);
    if (op->operand_count <= ATTENTION_MASK) return;
    struct type mask = value_get(map->m, op->operand[ATTENTION_MASK])->type;
    uint32_t missing = 4 - type_rank(types, mask);
    for (uint32_t d = missing; d < 4; d++) {
        int64_t extent = 0;
        if (dim_is_const(types, dims_at(types, mask.shape, d - missing), &extent) && extent == 1) continue;
        if (d == 0)
            channels_same(map, ATTENTION_MASK, 0, PORT_RESULT, 0);
        else if (d == 1)
            channels_link(map, runs(ATTENTION_MASK, 1 - missing, h.shared), y, h.kv_heads);
        else if (d == 2)
            channels_same(map, ATTENTION_MASK, d - missing, PORT_RESULT, 1);
        else
            channels_freeze(map, ATTENTION_MASK, d - missing, "it follows the positions of the keys");
    }
}

/* -- footprint -- */
static void set(struct box *box, uint32_t axis, int64_t lo, int64_t hi) {
    box->lo[axis] = lo;
    box->hi[axis] = hi;
}

void footprint_attention(const struct module *m, const struct op *op, uint32_t operand,
                         const struct box *result, struct box *out) {
    int64_t q[MAX_RANK], v[MAX_RANK], own[MAX_RANK];
    (void)value_extents(m, op->operand[ATTENTION_Q], q);
    (void)value_extents(m, op->operand[ATTENTION_V], v);
    uint32_t rank = value_extents(m, op->operand[operand], own);
    struct heads h = heads_of(op, q[2], v[2]);
    *out = box_all(m, op->operand[operand]);
    if (box_empty(result)) {
        *out = (struct box){.rank = rank};
        return;
    }
    /* heads [lo, hi) of queries, [kv_lo, kv_hi) of keys; keys that the last query sees */
    int64_t lo = result->lo[2] / h.e, hi = (result->hi[2] - 1) / h.e + 1;
    int64_t kv_lo = lo / h.shared, kv_hi = (hi - 1) / h.shared + 1;
    int64_t seen = op_bool(op, ATTR_causal) ? min_i64(v[1], result->hi[1]) : v[1];
    if (operand == ATTENTION_MASK) {
        struct box scores = {.rank = 4};
        set(&scores, 0, result->lo[0], result->hi[0]);
        set(&scores, 1, lo, hi);
        set(&scores, 2, result->lo[1], result->hi[1]);
        set(&scores, 3, 0, seen);
        *out = broadcast_box(own, rank, &scores);
        return;
    }
    set(out, 0, result->lo[0], result->hi[0]);
    if (operand == ATTENTION_Q) {
        set(out, 1, result->lo[1], result->hi[1]);
        set(out, 2, lo * h.d, hi * h.d);
        return;
    }
    int64_t width = operand == ATTENTION_K ? h.d : h.e;
    set(out, 1, 0, seen);
    set(out, 2, kv_lo * width, kv_hi * width);
    if (operand == ATTENTION_V && hi - lo == 1) /* within a head column c of y needs column c of v */
        set(out, 2, kv_lo * h.e + result->lo[2] - lo * h.e, kv_lo * h.e + result->hi[2] - lo * h.e);
}
