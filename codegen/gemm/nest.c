#include "codegen/gemm/nest.h"
#include "codegen/gemm/decode.h"

/* An item's place: offsets of its outer position, and its box of panels, rows and tiles (i64 values). */
struct item_place {
    LLVMValueRef a, b, out, channel, outer[NEST_MAX_OUTER];
    LLVMValueRef panel_lo, panel_hi, row_lo, row_hi, tile_lo, tile_hi;
};

/* One panel (or the last, narrower one) and one stretch of k. */
struct stretch {
    uint32_t vectors, last_active; /* vectors of the panel, lanes of the last one */
    LLVMValueRef b, out, channel;  /* address; element offset; number of the first channel */
    LLVMValueRef a_k;              /* offset of a for the stretch */
    LLVMValueRef blocks;           /* full blocks of k */
    LLVMValueRef first, final;     /* i1, whether it starts, ends k; null: both */
    LLVMValueRef fetch;            /* address of the weights after this stretch, or null */
};

struct emitter {
    const struct gen *g;
    const struct nest *n;
    const struct nest_buffers *buf;
    nest_sink *sink;
    void *ctx;
    uint32_t max_points;
};

static LLVMValueRef split(const struct gen *g, LLVMValueRef *rest, uint32_t trips) {
    if (trips == 1) return gen_i64(g, 0);
    LLVMValueRef n = gen_i64(g, trips), index = LLVMBuildURem(g->b, *rest, n, "");
    *rest = LLVMBuildUDiv(g->b, *rest, n, "");
    return index;
}

/* The range of box `index` when `total` is cut into boxes of `size`. */
static void box(const struct gen *g, LLVMValueRef index, uint32_t size, uint32_t total, LLVMValueRef *lo,
                LLVMValueRef *hi) {
    *lo = gen_mul(g, index, size);
    *hi = gen_add(g, *lo, gen_i64(g, size));
    if (total % size) *hi = gen_min(g, *hi, gen_i64(g, total));
}

static struct item_place decode(const struct emitter *e, LLVMValueRef item) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    LLVMValueRef zero = gen_i64(g, 0), panel_box = zero;
    struct item_place at = {.a = zero, .b = zero, .out = gen_i64(g, n->out_origin), .channel = zero};
    uint32_t panel_boxes = div_up(nest_panels(n), n->item_panels);
    if (!n->panels_slowest) panel_box = split(g, &item, panel_boxes);
    LLVMValueRef tile_box = split(g, &item, div_up(n->tiles, n->item_tiles));
    LLVMValueRef row_box = split(g, &item, div_up(n->rows, n->item_rows));
    for (uint32_t i = n->n_outer; i-- > 0;) {
        const struct outer_axis *o = &n->outer[i];
        LLVMValueRef index = split(g, &item, o->trips);
        at.outer[i] = index;
        at.a = gen_add(g, at.a, gen_mul(g, index, o->a));
        at.b = gen_add(g, at.b, gen_mul(g, index, o->b));
        at.out = gen_add(g, at.out, gen_mul(g, index, o->out));
        at.channel = gen_add(g, at.channel, gen_mul(g, index, o->channel));
    }
    if (n->panels_slowest) panel_box = split(g, &item, panel_boxes);
    box(g, panel_box, n->item_panels, nest_panels(n), &at.panel_lo, &at.panel_hi);
    box(g, row_box, n->item_rows, n->rows, &at.row_lo, &at.row_hi);
    box(g, tile_box, n->item_tiles, n->tiles, &at.tile_lo, &at.tile_hi);
    return at;
}

/* Whether some output row sees no kernel row at all, which only odd paddings do. */
static bool row_may_be_empty(const struct nest *n) {
    const struct row_border *r = &n->border;
    for (uint32_t y = 0; y < n->rows; y++) {
        bool any = false;
        for (uint32_t k = 0; k < n->walk.row.trips && !any; k++) {
            int64_t in = y * r->stride - r->pad + k * r->dilation;
            any = in >= 0 && in < r->extent;
        }
        if (!any) return true;
    }
    return false;
}

/* The kernel rows that touch the input at output row y: rounding up below, down above. */
static void row_range(const struct emitter *e, LLVMValueRef y, LLVMValueRef *lo, LLVMValueRef *hi) {
    const struct gen *g = e->g;
    const struct row_border *r = &e->n->border;
    LLVMValueRef trips = gen_i64(g, e->n->walk.row.trips);
    *lo = gen_i64(g, 0);
    *hi = trips;
    if (!r->present) return;
    LLVMValueRef dilation = gen_i64(g, r->dilation);
    LLVMValueRef top = LLVMBuildSub(g->b, gen_i64(g, r->pad), gen_mul(g, y, r->stride), "");
    LLVMValueRef above = gen_max(g, top, gen_i64(g, 0));
    LLVMValueRef below = gen_max(g, gen_add(g, top, gen_i64(g, r->extent - 1)), gen_i64(g, -r->dilation));
    *lo = gen_add(g, above, gen_i64(g, r->dilation - 1));
    *hi = gen_add(g, below, dilation);
    if (r->dilation != 1) {
        *lo = LLVMBuildUDiv(g->b, *lo, dilation, "");
        *hi = LLVMBuildUDiv(g->b, *hi, dilation, "");
    }
    *hi = gen_min(g, *hi, trips);
}

/* Steps of a tile's walk in one piece of straight code, and how many such pieces there are. */
static uint32_t piece_steps(const struct walk *w) {
    return w->steps < w->unroll ? w->steps : w->unroll;
}

static void fetch_plan(const struct nest *n, uint32_t *lines, int64_t *share, uint32_t *sharers) {
    const struct walk *w = &n->walk;
    uint32_t tiles = n->item_rows * n->item_tiles;
    uint32_t piece_lines = div_up(piece_steps(w) * nest_panel(n), 16);
    uint32_t pieces = div_up(w->block.trips, n->k_blocks) * w->row.trips * w->column.trips *
                      div_up(w->steps, piece_steps(w));
    *sharers = tiles < piece_lines ? tiles : piece_lines;
    *lines = div_up(piece_lines, *sharers);
    *share = (int64_t)*lines * 16 * pieces;
}

static LLVMValueRef in_item(const struct emitter *e, const struct item_place *at, LLVMValueRef y,
                            LLVMValueRef t) {
    const struct gen *g = e->g;
    LLVMValueRef row = LLVMBuildSub(g->b, y, at->row_lo, ""), tile = LLVMBuildSub(g->b, t, at->tile_lo, "");
    return gen_add(g, gen_mul(g, row, e->n->item_tiles), tile);
}

/* Partial sums of one tile; they never leave the worker's scratch. Each stretch sums from zero: errors then
 * grow with the terms of a stretch and the number of stretches, not with all terms. */
static void add_sums(const struct emitter *e, LLVMValueRef from, LLVMValueRef *acc, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        LLVMValueRef at = gen_at_const(e->g, from, (int64_t)i * e->g->lanes);
        acc[i] = LLVMBuildFAdd(e->g->b, acc[i], LLVMBuildLoad2(e->g->b, LLVMTypeOf(acc[i]), at, ""), "");
    }
}

static void store_sums(const struct emitter *e, LLVMValueRef to, LLVMValueRef *acc, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        LLVMBuildStore(e->g->b, acc[i], gen_at_const(e->g, to, (int64_t)i * e->g->lanes));
}

void nest_store(const struct gen *g, const struct nest *n, LLVMValueRef out, LLVMValueRef sums,
                const struct nest_point *at) {
    if (n->out_padded) sums = gen_clear_lanes(g, sums, at->active);
    gen_store(g, sums, gen_at(g, out, at->out), n->out_aligned ? 4 * g->lanes : 4,
              n->out_padded ? g->lanes : at->active);
}

static LLVMValueRef on_grid(const struct gen *g, LLVMValueRef index, uint32_t first, uint32_t step) {
    return gen_add(g, gen_mul(g, index, step ? step : 1), gen_i64(g, first));
}

/* Hands the finished sums of a tile over, whose first point is x of row y. */
static void finish(const struct emitter *e, const struct item_place *place, const struct stretch *s,
                   LLVMValueRef y, LLVMValueRef x, uint32_t points, LLVMValueRef *acc) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    const struct out_grid *grid = &n->grid;
    LLVMValueRef out = gen_add(g, s->out, gen_add(g, gen_mul(g, y, n->out_row), gen_mul(g, x, n->out_point)));
    LLVMValueRef row = on_grid(g, y, grid->first_row, grid->row_step);
    for (uint32_t p = 0; p < points; p++)
        for (uint32_t v = 0; v < s->vectors; v++) {
            struct nest_point at = {
                .out = gen_add(g, out, gen_i64(g, p * n->out_point + v * n->out_vector)),
                .row = row,
                .x = on_grid(g, gen_add(g, x, gen_i64(g, p)), grid->first_x, grid->x_step),
                .channel = gen_add(g, s->channel, gen_i64(g, (int64_t)v * g->lanes)),
                .outer = place->outer,
                .active = v + 1 == s->vectors ? s->last_active : g->lanes,
            };
            e->sink(e->ctx, g, gen_widen(g, acc[p * s->vectors + v]), &at);
        }
}

/* Where vectors are wide, some machines compute their halves one after the other; the others lose nothing. */
static bool is_half(const struct gen *g, uint32_t active) {
    return g->lanes >= 16 && 2 * active <= g->lanes;
}

static void emit_tile(const struct emitter *e, const struct item_place *at, const struct stretch *s,
                      const struct tile_run *run, LLVMValueRef y, LLVMValueRef t, LLVMValueRef a_row,
                      const struct tile_range *rows) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    uint32_t n_acc = run->points * s->vectors;
    LLVMValueRef acc[GEN_MAX_CARRIED], scratch = NULL;
    bool half_last = is_half(g, s->last_active);
    const struct gen half = gen_half(g);
    for (uint32_t i = 0; i < n_acc; i++)
        acc[i] = gen_zero(half_last && (i + 1) % s->vectors == 0 ? &half : g);

    LLVMValueRef in_run = LLVMBuildSub(g->b, t, gen_i64(g, run->first_tile), "");
    LLVMValueRef x = gen_add(g, gen_mul(g, in_run, run->points), gen_i64(g, run->first_point));
    LLVMValueRef index = in_item(e, at, y, t);
    struct gen_if cond;

    struct tile tile = {
        .points = run->points,
        .vectors = s->vectors,
        .point_a = n->a_point,
        .b_align = n->b_aligned ? 4 * g->lanes : 4,
        .b_last = n->b_padded ? g->lanes : s->last_active,
        .half_last = half_last,
        .a_vectors = n->a_vectors,
        .prefetch_a = n->prefetch_a,
    };
    for (uint32_t k = 0; k < n->walk.column.trips; k++) tile.skip[k] = run->skip[k];
    struct tile_range range = *rows;
    range.a = gen_at(g, a_row, gen_mul(g, x, n->a_point));
    range.b = s->b;
    range.blocks = s->blocks;
    range.with_tail = s->final ? s->final : LLVMConstInt(g->i1, 1, false);
    if (s->fetch) {
        uint32_t sharers;
        int64_t share;
        fetch_plan(n, &range.fetch_lines, &share, &sharers);
        LLVMValueRef turn = gen_min(g, index, gen_i64(g, sharers - 1));
        range.fetch = gen_at(g, s->fetch, gen_mul(g, turn, share));
    }
    tile_accumulate(g, &n->walk, &tile, &range, acc);
    if (s->first) {
        scratch = gen_at(g, e->buf->scratch, gen_mul(g, index, (int64_t)e->max_points * nest_panel(n)));
        gen_if_begin(g, &cond, LLVMBuildNot(g->b, s->first, ""), acc, n_acc);
        add_sums(e, scratch, acc, n_acc);
        gen_if_end(g, &cond, acc);
    }

    if (!s->final) {
        finish(e, at, s, y, x, run->points, acc);
        return;
    }
    gen_if_begin(g, &cond, s->final, NULL, 0);
    finish(e, at, s, y, x, run->points, acc);
    gen_if_end(g, &cond, NULL);
    gen_if_begin(g, &cond, LLVMBuildNot(g->b, s->final, ""), NULL, 0);
    store_sums(e, scratch, acc, n_acc);
    gen_if_end(g, &cond, NULL);
}

static void emit_rows(const struct emitter *e, const struct item_place *at, const struct stretch *s) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    struct gen_loop rows, tiles;
    gen_loop_begin(g, &rows, at->row_lo, at->row_hi, 1, false, NULL, 0);
    struct tile_range range = {.rows_guarded = n->border.present && row_may_be_empty(n)};
    row_range(e, rows.index, &range.row_lo, &range.row_hi);
    LLVMValueRef a = gen_add(g, gen_add(g, at->a, s->a_k), gen_mul(g, rows.index, n->a_row));
    LLVMValueRef a_row = gen_at(g, e->buf->a, gen_add(g, a, gen_i64(g, n->a_origin)));
    bool whole = n->item_tiles >= n->tiles;
    for (uint32_t i = 0; i < n->n_runs; i++) {
        const struct tile_run *r = &n->runs[i];
        LLVMValueRef lo = gen_i64(g, r->first_tile), hi = gen_i64(g, r->first_tile + r->tiles);
        if (!whole) {
            lo = gen_max(g, lo, at->tile_lo);
            hi = gen_min(g, hi, at->tile_hi);
        }
        gen_loop_begin(g, &tiles, lo, hi, 1, !whole, NULL, 0);
        emit_tile(e, at, s, r, rows.index, tiles.index, a_row, &range);
        gen_loop_end(g, &tiles, NULL);
    }
    gen_loop_end(g, &rows, NULL);
}

static LLVMValueRef copy_address(const struct emitter *e) {
    return gen_at_const(e->g, e->buf->scratch, (int64_t)(nest_sums(e->n) / sizeof(float)));
}

/* Copies the rows k_lo <= k < k_hi of a panel of plain b to scratch; returns where. */
static LLVMValueRef pack_panel(const struct emitter *e, LLVMValueRef panel, LLVMValueRef k_lo,
                               LLVMValueRef k_hi, uint32_t vectors, uint32_t last_active) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    LLVMValueRef to = copy_address(e);
    struct gen_loop l;
    gen_loop_begin(g, &l, k_lo, k_hi, 1, true, NULL, 0);
    LLVMValueRef row = gen_at(g, panel, gen_mul(g, l.index, n->b_depth));
    LLVMValueRef copy = gen_at(g, to, gen_mul(g, LLVMBuildSub(g->b, l.index, k_lo, ""), nest_panel(n)));
    for (uint32_t v = 0; v < vectors; v++) {
        uint32_t active = v + 1 == vectors ? last_active : g->lanes;
        LLVMValueRef b = gen_load(g, gen_at_const(g, row, (int64_t)v * g->lanes), 4, active);
        gen_store(g, b, gen_at_const(g, copy, (int64_t)v * g->lanes), 4 * g->lanes, g->lanes);
    }
    gen_loop_end(g, &l, NULL);
    return to;
}

/* Decodes the stretch of a panel to scratch; returns where. `number` counts stretches. */
static LLVMValueRef unpack_panel(const struct emitter *e, const struct item_place *at, LLVMValueRef panel,
                                 LLVMValueRef number, const struct stretch *s) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    LLVMValueRef before = LLVMIsAConstantInt(at->b) ? at->b : gen_div(g, at->b, n->b_panel);
    struct decode_at stretch = {.coded = e->buf->b,
                                .panel = gen_add(g, before, panel),
                                .stretch = number,
                                .blocks = s->blocks,
                                .final = s->final,
                                .vectors = s->vectors,
                                .active = s->last_active,
                                .to = copy_address(e)};
    decode_panel(g, &n->panels, &stretch);
    return stretch.to;
}

/* All of k for one panel, in stretches when the schedule says so. */
static void emit_panel(const struct emitter *e, const struct item_place *at, LLVMValueRef panel,
                       uint32_t vectors, uint32_t last_active) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    const struct walk *w = &n->walk;
    LLVMValueRef origin = gen_add(g, at->b, gen_i64(g, n->b_origin));
    LLVMValueRef b = gen_at(g, e->buf->b, gen_add(g, origin, gen_mul(g, panel, n->b_panel)));
    LLVMValueRef depth = gen_i64(g, (int64_t)w->block.trips * w->steps + w->tail);
    struct stretch s = {
        .vectors = vectors,
        .last_active = last_active,
        .b = b,
        .out = gen_add(g, at->out, gen_mul(g, panel, n->vectors * n->out_vector)),
        .channel = gen_add(g, at->channel, gen_mul(g, panel, nest_panel(n))),
        .a_k = gen_mul(g, panel, n->a_panel),
        .blocks = gen_i64(g, w->block.trips),
    };
    uint32_t per = div_up(w->block.trips, n->k_blocks);
    if (n->k_blocks == 1) {
        if (n->b == NEST_B_PACKED) s.b = pack_panel(e, b, gen_i64(g, 0), depth, vectors, last_active);
        if (n->b == NEST_B_DECODED) s.b = unpack_panel(e, at, panel, gen_i64(g, 0), &s);
        if (n->prefetch_b) s.fetch = gen_at_const(g, s.b, per * w->block.b);
        emit_rows(e, at, &s);
        return;
    }
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, n->k_blocks), 1, false, NULL, 0);
    LLVMValueRef done = gen_mul(g, l.index, per), left = gen_i64(g, w->block.trips);
    s.blocks = gen_min(g, gen_i64(g, per), LLVMBuildSub(g->b, left, done, ""));
    s.first = LLVMBuildICmp(g->b, LLVMIntEQ, l.index, gen_i64(g, 0), "");
    s.final = LLVMBuildICmp(g->b, LLVMIntEQ, l.index, gen_i64(g, n->k_blocks - 1), "");
    s.a_k = gen_add(g, s.a_k, gen_mul(g, done, w->block.a));
    s.b = gen_at(g, b, gen_mul(g, done, w->block.b));
    if (n->b == NEST_B_DECODED) s.b = unpack_panel(e, at, panel, l.index, &s);
    if (n->b == NEST_B_PACKED) {
        LLVMValueRef lo = gen_mul(g, done, w->steps),
                     next = gen_add(g, lo, gen_i64(g, (int64_t)per * w->steps));
        s.b = pack_panel(e, b, lo, LLVMBuildSelect(g->b, s.final, depth, next, ""), vectors, last_active);
    }
    if (n->prefetch_b) s.fetch = gen_at_const(g, s.b, per * w->block.b);
    emit_rows(e, at, &s);
    gen_loop_end(g, &l, NULL);
}

static void emit_item(const struct emitter *e, LLVMValueRef item) {
    const struct gen *g = e->g;
    const struct nest *n = e->n;
    struct item_place at = decode(e, item);
    uint32_t whole = n->channels / nest_panel(n), rest = n->channels % nest_panel(n);
    if (whole > 0) {
        LLVMValueRef hi = rest ? gen_min(g, at.panel_hi, gen_i64(g, whole)) : at.panel_hi;
        struct gen_loop l;
        gen_loop_begin(g, &l, at.panel_lo, hi, 1, rest != 0, NULL, 0);
        emit_panel(e, &at, l.index, n->vectors, g->lanes);
        gen_loop_end(g, &l, NULL);
    }
    if (rest > 0) {
        uint32_t vectors = div_up(rest, g->lanes), active = rest - (vectors - 1) * g->lanes;
        struct gen_if cond;
        LLVMValueRef last = gen_i64(g, whole);
        gen_if_begin(g, &cond, LLVMBuildICmp(g->b, LLVMIntSGT, at.panel_hi, last, ""), NULL, 0);
        emit_panel(e, &at, last, vectors, active);
        gen_if_end(g, &cond, NULL);
    }
}

void nest_emit(const struct gen *g, const struct nest *n, const struct nest_buffers *buffers, nest_sink *sink,
               void *ctx) {
    struct emitter e = {.g = g, .n = n, .buf = buffers, .sink = sink, .ctx = ctx};
    for (uint32_t i = 0; i < n->n_runs; i++)
        if (n->runs[i].points > e.max_points) e.max_points = n->runs[i].points;
    LLVMValueRef lo = LLVMBuildZExt(g->b, buffers->lo, g->i64, "");
    LLVMValueRef hi = LLVMBuildZExt(g->b, buffers->hi, g->i64, "");
    struct gen_loop l;
    gen_loop_begin(g, &l, lo, hi, 1, true, NULL, 0);
    emit_item(&e, l.index);
    gen_loop_end(g, &l, NULL);
}
