#include "codegen/gemm/tile.h"

/* Values carried through the loops of the walk: the accumulators, then the pointers. */
struct state {
    LLVMValueRef v[GEN_MAX_CARRIED];
    uint32_t n_acc;
    bool fetches;
};

static LLVMValueRef *a_of(struct state *s) {
    return &s->v[s->n_acc];
}
static LLVMValueRef *b_of(struct state *s) {
    return &s->v[s->n_acc + 1];
}
static LLVMValueRef *fetch_of(struct state *s) {
    return &s->v[s->n_acc + 2];
}
static uint32_t carried(const struct state *s) {
    return s->n_acc + 2 + s->fetches;
}

uint32_t tile_registers(uint32_t points, uint32_t vectors) {
    return points * vectors + vectors + 1;
}

/* One k: a vector of b for each column of the tile, a broadcast for each point that takes part. */
static void emit_step(const struct gen *g, const struct walk *w, const struct tile *t, LLVMValueRef a,
                      LLVMValueRef b, uint32_t step, uint32_t skip, LLVMValueRef *acc) {
    LLVMValueRef bv[TILE_MAX_VECTORS];
    bool tight = tile_registers(t->points, t->vectors) + 1 >= g->registers;
    const struct gen half = gen_half(g), *last = t->half_last ? &half : g;
    for (uint32_t v = 0; v < t->vectors; v++) {
        LLVMValueRef at = gen_at_const(g, b, step * w->step_b + (int64_t)v * g->lanes);
        bool is_last = v + 1 == t->vectors;
        bv[v] = gen_load(is_last ? last : g, at, t->b_align, is_last ? t->b_last : g->lanes);
    }
    LLVMValueRef x[TILE_MAX_POINTS];
    uint32_t group = t->half_last && !tight ? 2 : 1, n = 0, in[TILE_MAX_POINTS];
    for (uint32_t p = 0; p < t->points; p++)
        if (!(skip >> p & 1)) in[n++] = p;
    for (uint32_t first = 0; first < n; first += group) {
        uint32_t end = first + group < n ? first + group : n;
        for (uint32_t i = first; i < end; i++) {
            LLVMValueRef at = gen_at_const(g, a, step * w->step_a + in[i] * t->point_a);
            x[i] = t->a_vectors ? gen_load(last, at, 4 * g->lanes, g->lanes) : gen_element(g, at);
        }
        for (uint32_t v = 0; v < t->vectors; v++)
            for (uint32_t i = first; i < end; i++) {
                LLVMValueRef *c = &acc[in[i] * t->vectors + v];
                const struct gen *of = v + 1 == t->vectors ? last : g;
                *c = gen_fma(of, t->a_vectors ? x[i] : gen_splat(of, x[i]), bv[v], *c);
            }
        if (tight || group > 1) gen_step_barrier(g);
    }
}

/* Spreads the prefetches of one block over its steps, so that each line of a is asked for once. */
static void prefetch_points(const struct gen *g, const struct walk *w, const struct tile *t, LLVMValueRef a,
                            uint32_t step, uint32_t steps) {
    for (uint32_t p = step * t->points / steps; p < (step + 1) * t->points / steps; p++)
        gen_prefetch(g, gen_at_const(g, a, w->block.a + p * t->point_a), 1);
}

/* `n` steps from `first` on, in straight code, at the state's pointers plus constant offsets. */
static void emit_straight(const struct gen *g, const struct walk *w, const struct tile *t,
                          const struct tile_range *r, struct state *s, int64_t a_off, int64_t b_off,
                          uint32_t n, uint32_t skip, bool prefetch) {
    LLVMValueRef a = gen_at_const(g, *a_of(s), a_off), b = gen_at_const(g, *b_of(s), b_off);
    for (uint32_t i = 0; i < n; i++) {
        if (prefetch) prefetch_points(g, w, t, a, i, n);
        if (s->fetches && i < r->fetch_lines) gen_prefetch(g, gen_at_const(g, *fetch_of(s), i * 16), 2);
        emit_step(g, w, t, a, b, i, skip, s->v);
        gen_step_barrier(g);
    }
    if (s->fetches) *fetch_of(s) = gen_at_const(g, *fetch_of(s), r->fetch_lines * 16);
}

/* All steps of one column; longer ones than the unrolling are a loop and a remainder. */
static void emit_column(const struct gen *g, const struct walk *w, const struct tile *t,
                        const struct tile_range *r, struct state *s, uint32_t column, uint32_t steps) {
    int64_t a_off = column * w->column.a, b_off = column * w->column.b;
    uint32_t skip = t->skip[column];
    if (skip == (1u << t->points) - 1) return;
    if (steps <= w->unroll) {
        bool prefetch = t->prefetch_a && column == 0;
        emit_straight(g, w, t, r, s, a_off, b_off, steps, skip, prefetch);
        return;
    }
    LLVMValueRef a = *a_of(s), b = *b_of(s);
    *a_of(s) = gen_at_const(g, a, a_off);
    *b_of(s) = gen_at_const(g, b, b_off);
    uint32_t looped = steps - steps % w->unroll;
    struct gen_loop l;
    gen_loop_begin(g, &l, gen_i64(g, 0), gen_i64(g, looped), w->unroll, false, s->v, carried(s));
    emit_straight(g, w, t, r, s, 0, 0, w->unroll, skip, false);
    *a_of(s) = gen_at_const(g, *a_of(s), w->unroll * w->step_a);
    *b_of(s) = gen_at_const(g, *b_of(s), w->unroll * w->step_b);
    gen_loop_end(g, &l, s->v);
    if (steps > looped) emit_straight(g, w, t, r, s, 0, 0, steps - looped, skip, false);
    *a_of(s) = a;
    *b_of(s) = b;
}

static void emit_block(const struct gen *g, const struct walk *w, const struct tile *t,
                       const struct tile_range *r, struct state *s, uint32_t steps) {
    if (w->row.trips == 1 && !r->rows_guarded) {
        for (uint32_t x = 0; x < w->column.trips; x++) emit_column(g, w, t, r, s, x, steps);
        return;
    }
    LLVMValueRef a = *a_of(s), b = *b_of(s);
    *a_of(s) = gen_at(g, a, gen_mul(g, r->row_lo, w->row.a));
    *b_of(s) = gen_at(g, b, gen_mul(g, r->row_lo, w->row.b));
    struct gen_loop l;
    gen_loop_begin(g, &l, r->row_lo, r->row_hi, 1, r->rows_guarded, s->v, carried(s));
    for (uint32_t x = 0; x < w->column.trips; x++) emit_column(g, w, t, r, s, x, steps);
    *a_of(s) = gen_at_const(g, *a_of(s), w->row.a);
    *b_of(s) = gen_at_const(g, *b_of(s), w->row.b);
    gen_loop_end(g, &l, s->v);
    *a_of(s) = a;
    *b_of(s) = b;
}

void tile_accumulate(const struct gen *g, const struct walk *w, const struct tile *t,
                     const struct tile_range *r, LLVMValueRef *acc) {
    struct state s = {.n_acc = t->points * t->vectors, .fetches = r->fetch != NULL};
    for (uint32_t i = 0; i < s.n_acc; i++) s.v[i] = acc[i];
    *a_of(&s) = r->a;
    *b_of(&s) = r->b;
    if (s.fetches) *fetch_of(&s) = r->fetch;
    if (w->block.trips > 0) {
        struct gen_loop l;
        bool maybe_none = !LLVMIsAConstantInt(r->blocks);
        gen_loop_begin(g, &l, gen_i64(g, 0), r->blocks, 1, maybe_none, s.v, carried(&s));
        emit_block(g, w, t, r, &s, w->steps);
        *a_of(&s) = gen_at_const(g, *a_of(&s), w->block.a);
        *b_of(&s) = gen_at_const(g, *b_of(&s), w->block.b);
        gen_loop_end(g, &l, s.v);
    }
    if (w->tail > 0) {
        struct gen_if cond;
        bool always = LLVMIsAConstantInt(r->with_tail) && LLVMConstIntGetZExtValue(r->with_tail);
        if (!always) gen_if_begin(g, &cond, r->with_tail, s.v, carried(&s));
        struct tile last = *t;
        last.prefetch_a = false;
        emit_block(g, w, &last, r, &s, w->tail);
        if (!always) gen_if_end(g, &cond, s.v);
    }
    for (uint32_t i = 0; i < s.n_acc; i++) acc[i] = s.v[i];
}
