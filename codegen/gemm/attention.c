/* The kernel works on the transposed problem: queries stand in lanes, so that the softmax over keys is
 * vertical, and both products read k and v in place, element by element, against a panel in scratch. Keys
 * come in blocks with a running maximum and sum (Milakov and Gimelshein's online softmax). */
#include "codegen/gemm/attention.h"
#include "codegen/gemm/nest.h"
#include "codegen/gemm/transpose.h"
#include "codegen/vmath.h"

#include <math.h>

enum { BLOCK_BYTES = 16384, CAUSAL_KEYS = 128, UNROLL = 8, MAX_VECTORS = 4 };

/* Vectors of queries that are computed, those past the end too; narrow blocks read keys and values more
 * often. */
static double query_cost(uint32_t needed, uint32_t vectors) {
    return div_up(needed, vectors) * vectors * (1 + 0.25 / vectors);
}

struct attention_cut attention_cut(const struct attention_problem *p, const struct dot *dot) {
    uint32_t most = dot->registers >= 32 ? MAX_VECTORS : 2, needed = div_up(p->t, dot->lanes), vectors = 1;
    for (uint32_t v = 2; v <= most; v++)
        if (query_cost(needed, v) < query_cost(needed, vectors)) vectors = v;
    uint32_t mr = (dot->registers - 1 - vectors) / vectors;
    if (mr > TILE_MAX_POINTS) mr = TILE_MAX_POINTS;
    uint32_t keys = BLOCK_BYTES / (vectors * dot->lanes * 4);
    if (p->causal && keys > CAUSAL_KEYS) keys = CAUSAL_KEYS;
    uint32_t blocks = div_up(p->s, keys);
    return (struct attention_cut){vectors, mr, div_up(p->s, blocks)};
}

static uint32_t query_blocks(const struct attention_problem *p, const struct attention_cut *cut,
                             uint32_t lanes) {
    return div_up(p->t, cut->vectors * lanes);
}

uint32_t attention_items(const struct attention_problem *p, const struct attention_cut *cut, uint32_t lanes) {
    return p->n * p->heads * query_blocks(p, cut, lanes);
}

/* Scratch holds panels with the queries of the block in each row: q^T, the scores and then weights of a block
 * of keys, the sums y^T, and a row each of maxima and sums of weights. */
struct attention_panels {
    uint64_t q, scores, sums, maxima, totals, end; /* elements */
};
static struct attention_panels attention_panels_of(const struct attention_problem *p,
                                                   const struct attention_cut *cut, uint32_t lanes) {
    uint64_t row = cut->vectors * lanes;
    struct attention_panels at = {.q = 0};
    at.scores = at.q + p->d * row;
    at.sums = at.scores + cut->keys * row;
    at.maxima = at.sums + p->e * row;
    at.totals = at.maxima + row;
    at.end = at.totals + row;
    return at;
}

uint64_t attention_scratch(const struct attention_problem *p, const struct attention_cut *cut,
                           uint32_t lanes) {
    return (attention_panels_of(p, cut, lanes).end * sizeof(float) + 63) / 64 * 64;
}

struct emitter {
    const struct gen *g;
    const struct attention_problem *p;
    struct attention_cut cut;
    uint32_t row; /* queries of a block, the length of all panels' rows */
    uint32_t blocks;
    LLVMValueRef panel_q, scores, sums, maxima, totals;
    LLVMValueRef q, k, v, y, mask; /* of the item's batch and head; mask also of its first query */
    LLVMValueRef first_query;      /* i64 */
};

static LLVMValueRef load_row(const struct emitter *e, LLVMValueRef row, uint32_t v) {
    const struct gen *g = e->g;
    return gen_load(g, gen_at_const(g, row, (int64_t)v * g->lanes), 4 * g->lanes, g->lanes);
}

static void store_row(const struct emitter *e, LLVMValueRef value, LLVMValueRef row, uint32_t v) {
    const struct gen *g = e->g;
    gen_store(g, value, gen_at_const(g, row, (int64_t)v * g->lanes), 4 * g->lanes, g->lanes);
}

static LLVMValueRef row_at(const struct emitter *e, LLVMValueRef panel, LLVMValueRef index) {
    return gen_at(e->g, panel, gen_mul(e->g, index, e->row));
}

/* Position of query `lane` of the block; past the last one, the last one again. */
static LLVMValueRef query(const struct emitter *e, LLVMValueRef lane) {
    return gen_min(e->g, gen_add(e->g, e->first_query, lane), gen_i64(e->g, (int64_t)e->p->t - 1));
}

/* -- q^T, scaled -- */

static void pack_chunk(const struct emitter *e, LLVMValueRef lane, LLVMValueRef column, uint32_t columns) {
    const struct gen *g = e->g;
    LLVMValueRef rows[64], scale = gen_splat(g, gen_f32(g, e->p->scale));
    int64_t stride = (int64_t)e->p->heads * e->p->d;
    for (uint32_t i = 0; i < g->lanes; i++) {
        LLVMValueRef from = gen_mul(g, query(e, gen_add(g, lane, gen_i64(g, i))), stride);
        rows[i] = gen_load(g, gen_at(g, e->q, gen_add(g, from, column)), 4, columns);
    }
    gen_transpose(g, rows);
    LLVMValueRef to = gen_at(g, row_at(e, e->panel_q, column), lane);
    for (uint32_t i = 0; i < columns; i++) {
        LLVMValueRef at = gen_at_const(g, to, (int64_t)i * e->row);
        gen_store(g, LLVMBuildFMul(g->b, rows[i], scale, ""), at, 4 * g->lanes, g->lanes);
    }
}

static void pack_queries(const struct emitter *e) {
    const struct gen *g = e->g;
    struct gen_loop lanes, columns;
    uint32_t whole = e->p->d / g->lanes * g->lanes, rest = e->p->d % g->lanes;
    gen_loop_begin(g, &lanes, gen_i64(g, 0), gen_i64(g, e->row), g->lanes, false, NULL, 0);
    if (whole) {
        gen_loop_begin(g, &columns, gen_i64(g, 0), gen_i64(g, whole), g->lanes, false, NULL, 0);
        pack_chunk(e, lanes.index, columns.index, g->lanes);
        gen_loop_end(g, &columns, NULL);
    }
    if (rest) pack_chunk(e, lanes.index, gen_i64(g, whole), rest);
    gen_loop_end(g, &lanes, NULL);
}

/* -- scores: k q^T -- */

/* What the mask adds for query `lane` (clamped) and a key, as an f32. */
static LLVMValueRef mask_value(const struct emitter *e, LLVMValueRef key, LLVMValueRef position) {
    const struct gen *g = e->g;
    LLVMValueRef index =
        gen_add(g, gen_mul(g, position, e->p->mask_stride[2]), gen_mul(g, key, e->p->mask_stride[3]));
    if (!e->p->mask_is_bool) return LLVMBuildLoad2(g->b, g->f32, gen_at(g, e->mask, index), "");
    LLVMTypeRef i8 = LLVMInt8TypeInContext(g->context);
    LLVMValueRef at = LLVMBuildGEP2(g->b, i8, e->mask, &index, 1, "");
    LLVMValueRef visible =
        LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildLoad2(g->b, i8, at, ""), LLVMConstNull(i8), "");
    return LLVMBuildSelect(g->b, visible, gen_f32(g, 0), gen_f32(g, -INFINITY), "");
}

/* A mask with rows of its own for queries is turned into the panel of scores first, one by one. */
static void turn_mask(const struct emitter *e, LLVMValueRef first_key, uint32_t keys) {
    const struct gen *g = e->g;
    struct gen_loop lanes, rows;
    gen_loop_begin(g, &lanes, gen_i64(g, 0), gen_i64(g, e->row), 1, false, NULL, 0);
    LLVMValueRef position = query(e, lanes.index);
    gen_loop_begin(g, &rows, gen_i64(g, 0), gen_i64(g, keys), 1, false, NULL, 0);
    LLVMValueRef value = mask_value(e, gen_add(g, first_key, rows.index), position);
    LLVMBuildStore(g->b, value, gen_at(g, row_at(e, e->scores, rows.index), lanes.index));
    gen_loop_end(g, &rows, NULL);
    gen_loop_end(g, &lanes, NULL);
}

static LLVMValueRef hide_future(const struct emitter *e, LLVMValueRef score, LLVMValueRef key, uint32_t v) {
    const struct gen *g = e->g;
    LLVMValueRef lane[64];
    for (uint32_t i = 0; i < g->lanes; i++) lane[i] = gen_i32(g, v * g->lanes + i);
    LLVMValueRef undef = LLVMGetPoison(LLVMVectorType(g->i32, g->lanes));
    LLVMValueRef last = LLVMBuildSub(g->b, key, e->first_query, ""); /* lanes from here on see the key */
    LLVMValueRef wide =
        LLVMBuildInsertElement(g->b, undef, LLVMBuildTrunc(g->b, last, g->i32, ""), gen_i32(g, 0), "");
    wide = LLVMBuildShuffleVector(g->b, wide, undef, LLVMConstNull(LLVMVectorType(g->i32, g->lanes)), "");
    LLVMValueRef hidden = LLVMBuildICmp(g->b, LLVMIntSLT, LLVMConstVector(lane, g->lanes), wide, "");
    return LLVMBuildSelect(g->b, hidden, gen_splat(g, gen_f32(g, -INFINITY)), score, "");
}

static void store_scores(const struct emitter *e, LLVMValueRef first_key, LLVMValueRef x, uint32_t points,
                         const LLVMValueRef *acc) {
    const struct gen *g = e->g;
    bool own_rows = e->p->has_mask && e->p->mask_stride[2], shared = e->p->has_mask && !own_rows;
    for (uint32_t i = 0; i < points; i++) {
        LLVMValueRef key = gen_add(g, gen_add(g, first_key, x), gen_i64(g, i));
        LLVMValueRef row = row_at(e, e->scores, gen_add(g, x, gen_i64(g, i)));
        LLVMValueRef same = shared ? gen_splat(g, mask_value(e, key, gen_i64(g, 0))) : NULL;
        for (uint32_t v = 0; v < e->cut.vectors; v++) {
            LLVMValueRef s = acc[i * e->cut.vectors + v];
            if (same) s = LLVMBuildFAdd(g->b, s, same, "");
            if (own_rows) s = LLVMBuildFAdd(g->b, s, load_row(e, row, v), "");
            if (e->p->causal) s = hide_future(e, s, key, v);
            store_row(e, s, row, v);
        }
    }
}

/* Points 0 … count of a product with a panel, in tiles; `point_a`, `step_a` say where a's elements are. Sums
 * start from the panel `from` (null: zero) and go to `done`. */
struct product {
    uint32_t count, depth;
    LLVMValueRef a, b, from;
    int64_t point_a, step_a;
};

static void load_tile(const struct emitter *e, LLVMValueRef panel, LLVMValueRef x, uint32_t points,
                      LLVMValueRef *acc) {
    for (uint32_t i = 0; i < points * e->cut.vectors; i++) {
        LLVMValueRef row = row_at(e, panel, gen_add(e->g, x, gen_i64(e->g, i / e->cut.vectors)));
        acc[i] = load_row(e, row, i % e->cut.vectors);
    }
}

static void product_tile(const struct emitter *e, const struct product *m, LLVMValueRef x, uint32_t points,
                         LLVMValueRef *acc) {
    const struct gen *g = e->g;
    uint32_t unroll = m->depth < UNROLL ? m->depth : UNROLL;
    struct walk w = {
        .block = {m->depth / unroll, unroll * m->step_a, (int64_t)unroll * e->row},
        .row = {1, 0, 0},
        .column = {1, 0, 0},
        .steps = unroll,
        .tail = m->depth % unroll,
        .step_a = m->step_a,
        .step_b = e->row,
        .unroll = unroll,
    };
    struct tile tile = {
        .points = points,
        .vectors = e->cut.vectors,
        .point_a = m->point_a,
        .b_align = 4 * g->lanes,
        .b_last = g->lanes,
    };
    struct tile_range range = {
        .a = gen_at(g, m->a, gen_mul(g, x, m->point_a)),
        .b = m->b,
        .blocks = gen_i64(g, w.block.trips),
        .with_tail = LLVMConstInt(g->i1, 1, false),
    };
    for (uint32_t i = 0; i < points * e->cut.vectors; i++) acc[i] = gen_zero(g);
    if (m->from) load_tile(e, m->from, x, points, acc);
    tile_accumulate(g, &w, &tile, &range, acc);
}

/* Calls body for each tile, in one loop for the longer and one for the shorter tiles of an even cut. */
typedef void tile_body(const struct emitter *e, const struct product *m, LLVMValueRef first_key,
                       LLVMValueRef x, uint32_t points);
static void for_tiles(const struct emitter *e, const struct product *m, LLVMValueRef first_key,
                      tile_body *body) {
    const struct gen *g = e->g;
    uint32_t tiles = div_up(m->count, e->cut.mr), base = m->count / tiles, longer = m->count % tiles;
    uint32_t border = longer * (base + 1);
    struct gen_loop l;
    if (longer) {
        gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, border), base + 1, false, NULL, 0);
        body(e, m, first_key, l.index, base + 1);
        gen_loop_end(g, &l, NULL);
    }
    gen_loop_begin(g, &l, gen_i64(g, border), gen_i64(g, m->count), base, false, NULL, 0);
    body(e, m, first_key, l.index, base);
    gen_loop_end(g, &l, NULL);
}

static void score_tile(const struct emitter *e, const struct product *m, LLVMValueRef first_key,
                       LLVMValueRef x, uint32_t points) {
    LLVMValueRef acc[GEN_MAX_CARRIED];
    product_tile(e, m, x, points, acc);
    store_scores(e, first_key, x, points, acc);
}

static void sum_tile(const struct emitter *e, const struct product *m, LLVMValueRef first_key, LLVMValueRef x,
                     uint32_t points) {
    (void)first_key;
    LLVMValueRef acc[GEN_MAX_CARRIED];
    product_tile(e, m, x, points, acc);
    for (uint32_t i = 0; i < points * e->cut.vectors; i++)
        store_row(e, acc[i], row_at(e, e->sums, gen_add(e->g, x, gen_i64(e->g, i / e->cut.vectors))),
                  i % e->cut.vectors);
}

/* -- softmax -- */

static void row_maxima(const struct emitter *e, uint32_t keys, LLVMValueRef *most) {
    const struct gen *g = e->g;
    struct gen_loop l;
    for (uint32_t v = 0; v < e->cut.vectors; v++) most[v] = load_row(e, e->maxima, v);
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, keys), 1, false, most, e->cut.vectors);
    LLVMValueRef row = row_at(e, e->scores, l.index);
    for (uint32_t v = 0; v < e->cut.vectors; v++) most[v] = vmath_max(g->b, most[v], load_row(e, row, v));
    gen_loop_end(g, &l, most);
}

/* Replaces scores by e^(score - base) and returns their sums. */
static void weigh(const struct emitter *e, uint32_t keys, const LLVMValueRef *base, LLVMValueRef *total) {
    const struct gen *g = e->g;
    struct gen_loop l;
    for (uint32_t v = 0; v < e->cut.vectors; v++) total[v] = gen_zero(g);
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, keys), 1, false, total, e->cut.vectors);
    LLVMValueRef row = row_at(e, e->scores, l.index);
    for (uint32_t v = 0; v < e->cut.vectors; v++) {
        LLVMValueRef x = LLVMBuildFSub(g->b, load_row(e, row, v), base[v], "");
        LLVMValueRef weight = vmath_exp(g->b, x);
        total[v] = LLVMBuildFAdd(g->b, total[v], weight, "");
        store_row(e, weight, row, v);
    }
    gen_loop_end(g, &l, total);
}

/* Sums so far were taken relative to another maximum. */
static void rescale(const struct emitter *e, const LLVMValueRef *factor) {
    const struct gen *g = e->g;
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, e->p->e), 1, false, NULL, 0);
    LLVMValueRef row = row_at(e, e->sums, l.index);
    for (uint32_t v = 0; v < e->cut.vectors; v++)
        store_row(e, LLVMBuildFMul(g->b, load_row(e, row, v), factor[v], ""), row, v);
    gen_loop_end(g, &l, NULL);
}

/* A row that nothing is visible in so far has the maximum -Inf; it is measured from 0, so that its weights
 * are 0 and not NaN. */
static LLVMValueRef finite_base(const struct gen *g, LLVMValueRef most) {
    LLVMValueRef lowest = gen_splat(g, gen_f32(g, -INFINITY));
    LLVMValueRef none = LLVMBuildFCmp(g->b, LLVMRealOEQ, most, lowest, "");
    return LLVMBuildSelect(g->b, none, gen_zero(g), most, "");
}

static void soften(const struct emitter *e, uint32_t keys) {
    const struct gen *g = e->g;
    LLVMValueRef most[MAX_VECTORS], base[MAX_VECTORS], total[MAX_VECTORS], factor[MAX_VECTORS];
    row_maxima(e, keys, most);
    for (uint32_t v = 0; v < e->cut.vectors; v++) base[v] = finite_base(g, most[v]);
    weigh(e, keys, base, total);
    for (uint32_t v = 0; v < e->cut.vectors; v++) {
        if (e->blocks > 1) {
            LLVMValueRef before = load_row(e, e->maxima, v), old = load_row(e, e->totals, v);
            factor[v] = vmath_exp(g->b, LLVMBuildFSub(g->b, before, base[v], ""));
            total[v] = LLVMBuildFAdd(g->b, LLVMBuildFMul(g->b, old, factor[v], ""), total[v], "");
        }
        store_row(e, most[v], e->maxima, v);
        store_row(e, total[v], e->totals, v);
    }
    if (e->blocks > 1) rescale(e, factor);
}

/* -- an item -- */

static void emit_block(const struct emitter *e, LLVMValueRef first_key, uint32_t keys) {
    const struct gen *g = e->g;
    const struct attention_problem *p = e->p;
    int64_t row_k = (int64_t)p->heads / p->shared * p->d, row_v = (int64_t)p->heads / p->shared * p->e;
    if (p->has_mask && p->mask_stride[2]) turn_mask(e, first_key, keys);
    struct product scores = {
        .count = keys,
        .depth = p->d,
        .a = gen_at(g, e->k, gen_mul(g, first_key, row_k)),
        .b = e->panel_q,
        .point_a = row_k,
        .step_a = 1,
    };
    for_tiles(e, &scores, first_key, score_tile);
    soften(e, keys);
    struct product sums = {
        .count = p->e,
        .depth = keys,
        .a = gen_at(g, e->v, gen_mul(g, first_key, row_v)),
        .b = e->scores,
        .from = e->blocks > 1 ? e->sums : NULL,
        .point_a = 1,
        .step_a = row_v,
    };
    for_tiles(e, &sums, first_key, sum_tile);
}

/* y = the sums over the totals, turned back. */
static void store_chunk(const struct emitter *e, LLVMValueRef lane, LLVMValueRef column, uint32_t columns) {
    const struct gen *g = e->g;
    LLVMValueRef rows[64], total = gen_load(g, gen_at(g, e->totals, lane), 4 * g->lanes, g->lanes);
    LLVMValueRef inverse = LLVMBuildFDiv(g->b, gen_splat(g, gen_f32(g, 1)), total, "");
    LLVMValueRef from = gen_at(g, row_at(e, e->sums, column), lane);
    for (uint32_t i = 0; i < g->lanes; i++) {
        rows[i] = gen_zero(g);
        if (i >= columns) continue;
        LLVMValueRef sum = gen_load(g, gen_at_const(g, from, (int64_t)i * e->row), 4 * g->lanes, g->lanes);
        rows[i] = LLVMBuildFMul(g->b, sum, inverse, "");
    }
    gen_transpose(g, rows);
    int64_t stride = (int64_t)e->p->heads * e->p->e;
    for (uint32_t i = 0; i < g->lanes; i++) {
        LLVMValueRef position = gen_add(g, gen_add(g, e->first_query, lane), gen_i64(g, i));
        struct gen_if exists;
        LLVMValueRef in = LLVMBuildICmp(g->b, LLVMIntSLT, position, gen_i64(g, e->p->t), "");
        gen_if_begin(g, &exists, in, NULL, 0);
        gen_store(g, rows[i], gen_at(g, e->y, gen_add(g, gen_mul(g, position, stride), column)), 4, columns);
        gen_if_end(g, &exists, NULL);
    }
}

static void store_result(const struct emitter *e) {
    const struct gen *g = e->g;
    struct gen_loop lanes, columns;
    uint32_t whole = e->p->e / g->lanes * g->lanes, rest = e->p->e % g->lanes;
    gen_loop_begin(g, &lanes, gen_i64(g, 0), gen_i64(g, e->row), g->lanes, false, NULL, 0);
    if (whole) {
        gen_loop_begin(g, &columns, gen_i64(g, 0), gen_i64(g, whole), g->lanes, false, NULL, 0);
        store_chunk(e, lanes.index, columns.index, g->lanes);
        gen_loop_end(g, &columns, NULL);
    }
    if (rest) store_chunk(e, lanes.index, gen_i64(g, whole), rest);
    gen_loop_end(g, &lanes, NULL);
}

static void clear_state(const struct emitter *e) {
    const struct gen *g = e->g;
    for (uint32_t v = 0; v < e->cut.vectors; v++) {
        store_row(e, gen_splat(g, gen_f32(g, -INFINITY)), e->maxima, v);
        store_row(e, gen_zero(g), e->totals, v);
    }
    if (e->blocks == 1) return;
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, e->p->e), 1, false, NULL, 0);
    for (uint32_t v = 0; v < e->cut.vectors; v++) store_row(e, gen_zero(g), row_at(e, e->sums, l.index), v);
    gen_loop_end(g, &l, NULL);
}

/* Blocks of keys of one length in a loop, then the shorter last one; causal queries end where they see
 * nothing. */
static void emit_blocks(const struct emitter *e) {
    const struct gen *g = e->g;
    uint32_t whole = e->p->s / e->cut.keys, rest = e->p->s % e->cut.keys;
    LLVMValueRef end = gen_i64(g, (int64_t)whole * e->cut.keys),
                 seen = gen_add(g, e->first_query, gen_i64(g, e->row));
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), e->p->causal ? gen_min(g, end, seen) : end, e->cut.keys, false, NULL,
                   0);
    emit_block(e, l.index, e->cut.keys);
    gen_loop_end(g, &l, NULL);
    if (!rest) return;
    struct gen_if visible;
    if (e->p->causal) gen_if_begin(g, &visible, LLVMBuildICmp(g->b, LLVMIntSLT, end, seen, ""), NULL, 0);
    emit_block(e, end, rest);
    if (e->p->causal) gen_if_end(g, &visible, NULL);
}

static LLVMValueRef split(const struct gen *g, LLVMValueRef *rest, uint32_t trips) {
    LLVMValueRef n = gen_i64(g, trips), index = LLVMBuildURem(g->b, *rest, n, "");
    *rest = LLVMBuildUDiv(g->b, *rest, n, "");
    return index;
}

/* Moves a pointer to the matrix of a batch and head: rows of heads x width. */
static LLVMValueRef head_of(const struct emitter *e, LLVMValueRef base, LLVMValueRef batch, LLVMValueRef head,
                            uint32_t rows, uint32_t heads, uint32_t width) {
    const struct gen *g = e->g;
    LLVMValueRef offset = gen_mul(g, batch, (int64_t)rows * heads * width);
    return gen_at(g, base, gen_add(g, offset, gen_mul(g, head, width)));
}

static void emit_item(struct emitter *e, const struct attention_buffers *buf, LLVMValueRef item) {
    const struct gen *g = e->g;
    const struct attention_problem *p = e->p;
    LLVMValueRef block = split(g, &item, query_blocks(p, &e->cut, g->lanes)),
                 head = split(g, &item, p->heads);
    LLVMValueRef kv_head = LLVMBuildUDiv(g->b, head, gen_i64(g, p->shared), "");
    e->first_query = gen_mul(g, block, e->row);
    e->q = head_of(e, buf->q, item, head, p->t, p->heads, p->d);
    e->k = head_of(e, buf->k, item, kv_head, p->s, p->heads / p->shared, p->d);
    e->v = head_of(e, buf->v, item, kv_head, p->s, p->heads / p->shared, p->e);
    e->y = head_of(e, buf->y, item, head, p->t, p->heads, p->e);
    if (p->has_mask) {
        LLVMValueRef at =
            gen_add(g, gen_mul(g, item, p->mask_stride[0]), gen_mul(g, head, p->mask_stride[1]));
        LLVMTypeRef elem = p->mask_is_bool ? LLVMInt8TypeInContext(g->context) : g->f32;
        e->mask = LLVMBuildGEP2(g->b, elem, buf->mask, &at, 1, "");
    }
    pack_queries(e);
    clear_state(e);
    emit_blocks(e);
    store_result(e);
}

void attention_emit(const struct gen *g, const struct attention_problem *p, const struct attention_cut *cut,
                    const struct attention_buffers *buffers) {
    struct attention_panels at = attention_panels_of(p, cut, g->lanes);
    struct emitter e = {
        .g = g,
        .p = p,
        .cut = *cut,
        .row = cut->vectors * g->lanes,
        .blocks = div_up(p->s, cut->keys),
        .panel_q = gen_at_const(g, buffers->scratch, (int64_t)at.q),
        .scores = gen_at_const(g, buffers->scratch, (int64_t)at.scores),
        .sums = gen_at_const(g, buffers->scratch, (int64_t)at.sums),
        .maxima = gen_at_const(g, buffers->scratch, (int64_t)at.maxima),
        .totals = gen_at_const(g, buffers->scratch, (int64_t)at.totals),
    };
    LLVMValueRef lo = LLVMBuildZExt(g->b, buffers->lo, g->i64, ""),
                 hi = LLVMBuildZExt(g->b, buffers->hi, g->i64, "");
    struct gen_loop l;
    gen_loop_begin(g, &l, lo, hi, 1, true, NULL, 0);
    emit_item(&e, buffers, l.index);
    gen_loop_end(g, &l, NULL);
}
