/* Which schedules are worth trying: register tiles by the work they waste, boxes and order by what they read.
 */
#include "ir/contraction.h"

enum { MOST_POINTS = 30, MOST_VECTORS = 4, FMA_PER_CYCLE = 2, LOADS_PER_CYCLE = 2, FMA_LATENCY = 4 };
enum { ITEMS_FOR_ALL = 32, CYCLES_OF_AN_ITEM = 20000 };

static uint32_t div_up(uint32_t a, uint32_t b) {
    return (a + b - 1) / b;
}
static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}
static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Cycles of one step of the sum in a tile: arithmetic, loads, or the latency of the accumulation. */
static double step_cycles(uint32_t points, uint32_t vectors) {
    double fma = (double)points * vectors / FMA_PER_CYCLE;
    double load = (double)(points + vectors) / LOADS_PER_CYCLE;
    double most = fma > load ? fma : load;
    return most > FMA_LATENCY ? most : FMA_LATENCY;
}

/* Cycles per step over a row of `width` points and all channels, in tiles of mr x nv vectors. */
static double plane_cycles(uint32_t lanes, uint32_t width, uint32_t channels, uint32_t mr, uint32_t nv) {
    uint32_t tiles = div_up(width, mr), base = width / tiles, longer = width % tiles;
    uint32_t vectors = div_up(channels, lanes), whole = vectors / nv, rest = vectors % nv;
    double cycles = 0;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t points = base + (i == 0), count = i == 0 ? longer : tiles - longer;
        if (count == 0) continue;
        cycles += count * whole * step_cycles(points, nv);
        if (rest) cycles += count * step_cycles(points, rest);
    }
    return cycles;
}

struct register_tile {
    uint32_t mr, nv;
    double cycles;
};

static uint32_t insert(struct register_tile t, struct register_tile *out, uint32_t count, uint32_t room) {
    if (count == room && out[room - 1].cycles <= t.cycles) return count;
    uint32_t at = count < room ? count++ : room - 1;
    for (; at > 0 && out[at - 1].cycles > t.cycles; at--) out[at] = out[at - 1];
    out[at] = t;
    return count;
}

/* The best few register tiles for a plane, cheapest first; with `whole`, of panels that divide the channels.
 * Between equals the larger tile wins: it reads less. */
static uint32_t register_tiles(const struct target *target, uint32_t width, uint32_t channels,
                               uint32_t most_mr, uint32_t most_nv, bool whole, struct register_tile *out,
                               uint32_t room) {
    uint32_t lanes = target_lanes(target), registers = target->vector_registers, count = 0;
    for (uint32_t nv = 1; nv <= most_nv && (nv - 1) * lanes < channels; nv++) {
        if (whole && channels % (nv * lanes)) continue;
        for (uint32_t mr = 1; mr <= min_u32(most_mr, width) && mr * nv + nv + 1 <= registers; mr++) {
            double cycles = plane_cycles(lanes, width, channels, mr, nv) * (1 + 0.02 / (mr * nv));
            count = insert((struct register_tile){mr, nv, cycles}, out, count, room);
        }
    }
    return count;
}

/* Straight code of one piece of a tile must stay small beside the instruction cache. */
static uint32_t pick_unroll(uint32_t steps, uint32_t columns, uint32_t tile) {
    uint32_t unroll = steps;
    while (unroll > 2 && unroll % 2 == 0 && unroll * columns * tile > 1000) unroll /= 2;
    return unroll;
}

/* What a contraction is to the choice of boxes: `lines` pieces of points, `panels` of weights. */
struct traffic {
    uint32_t lines, panels;
    double input, panel; /* bytes */
    double l2, cycles;
};

/* Lines of an item, and the order of items: what is read again must come from L2. */
static void pick_box(const struct traffic *t, struct schedule *s) {
    uint32_t most = max_u32(1, (uint32_t)(0.4 * t->l2 / (t->input / t->lines)));
    uint32_t mc = min_u32(t->lines, most);
    mc = div_up(t->lines, div_up(t->lines, mc));
    double weights = t->panel * t->panels;
    double points_once = t->input + (weights < 0.6 * t->l2 ? weights : weights * div_up(t->lines, mc));
    double weights_once = weights + (t->input < 0.6 * t->l2 ? t->input : t->input * t->panels);
    s->order = weights_once < points_once ? SCHEDULE_WEIGHTS_OUTSIDE : SCHEDULE_POINTS_OUTSIDE;
    s->mc = s->order == SCHEDULE_WEIGHTS_OUTSIDE ? t->lines : mc;
    /* Many workers want many items, as long as each is worth handing out. */
    uint32_t wanted = min_u32(ITEMS_FOR_ALL, 1 + (uint32_t)(t->cycles / CYCLES_OF_AN_ITEM));
    uint32_t pieces = div_up(wanted, t->panels);
    if (div_up(t->lines, s->mc) < pieces) s->mc = div_up(t->lines, pieces);
}

/* A long panel is read again for each line: in stretches of the sum that stay near. `channels` come in blocks
 * of `block`, which are not divided. Weights that do not stay in L2 are fetched while others are used. */
static void pick_stretch(const struct traffic *t, uint32_t channels, uint32_t block, struct schedule *s) {
    if (s->mc < 2) return;
    if (t->panel * t->panels > 0.5 * t->l2) s->prefetch |= SCHEDULE_PREFETCH_WEIGHTS;
    if (t->panel <= 0.125 * t->l2) return;
    uint32_t blocks = max_u32(1, channels / block);
    uint32_t stretches = min_u32(blocks, max_u32(1, (uint32_t)(t->panel / (0.0625 * t->l2))));
    s->kc = div_up(blocks, stretches) * block;
    if (s->kc >= blocks * block) s->kc = 0;
}

/* Rounding errors grow with the terms of a sum, `depth` of each channel: longer sums are made of stretches.
 */
enum { LONGEST_SUM = 8192 };

static void bound_stretch(uint32_t channels, uint32_t block, uint32_t depth, struct schedule *s) {
    uint32_t blocks = channels / block, per = max_u32(1, LONGEST_SUM / 2 / (block * depth));
    if ((s->kc ? s->kc : channels) > LONGEST_SUM / depth && per < blocks) s->kc = per * block;
}

/* Coded panels are decoded by every item that reads them: an item has all lines, in stretches of the sum
 * whose decoded weights stay in L1 for few points and in L2 for many, and which end where columns that are
 * coded together end. `depth` counts the columns of a channel. */
enum { FEW_POINTS = 32, STAYS_IN_L1 = 16 << 10 };

static void pick_coded(const struct contraction *c, const struct traffic *t, uint32_t points,
                       uint32_t channels, uint32_t block, uint32_t depth, struct schedule *s) {
    s->mc = t->lines;
    s->order = SCHEDULE_WEIGHTS_OUTSIDE;
    s->prefetch &= ~(uint32_t)SCHEDULE_PREFETCH_WEIGHTS;
    s->kc = 0;
    double room = points <= FEW_POINTS ? STAYS_IN_L1 : 0.125 * t->l2, sums = 4.0 * points * s->nr;
    uint32_t blocks = channels / block;
    if (blocks == 0 || t->panel <= room || sums > t->l2 / 2) return;
    for (uint32_t n = (uint32_t)(t->panel / room) + 1; n > 1; n--) {
        uint32_t per = div_up(blocks, min_u32(n, blocks));
        if (per * block * depth % c->together) continue;
        s->kc = per < blocks ? per * block : 0;
        return;
    }
}

/* Bytes of the input that are read at all: strides larger than the kernel leave gaps. */
static double conv_input_bytes(const struct conv_problem *p) {
    if (p->transposed) return 4.0 * p->c * p->h * p->w;
    uint32_t rows = min_u32(p->h, conv_out_height(p) * min_u32(p->kh, p->stride[0]));
    uint32_t columns = min_u32(p->w, conv_out_width(p) * min_u32(p->kw, p->stride[1]));
    return 4.0 * p->c / p->groups * rows * columns;
}

static uint32_t propose_conv(const struct contraction *what, const struct target *target,
                             struct proposal *out, uint32_t room) {
    const struct conv_problem *p = &what->conv;
    struct register_tile tiles[4];
    uint32_t lanes = target_lanes(target), oh = conv_out_height(p), ow = conv_out_width(p);
    uint32_t c = p->c / p->groups, o = p->o / p->groups, block = p->blocked ? lanes : 1, count = 0;
    bool flat = conv_is_flat(p);
    if (p->groups > 1 && (c % lanes || o % lanes)) return 0;
    uint32_t phases = p->transposed ? p->stride[0] * p->stride[1] : 1;
    uint32_t width = p->transposed ? div_up(ow, p->stride[1]) : flat ? oh * ow : ow;
    uint32_t n = register_tiles(target, width, o, MOST_POINTS, MOST_VECTORS, p->groups > 1, tiles, 4);
    double k = (double)c * p->kh * p->kw / phases;
    for (uint32_t i = 0; i < n && count < room; i++) {
        uint32_t mr = tiles[i].mr, nr = tiles[i].nv * lanes;
        double cycles = tiles[i].cycles * k * (flat ? 1 : p->transposed ? oh * p->stride[1] : oh);
        struct schedule s = {.mr = mr, .nr = nr, .nc = 1, .prefetch = SCHEDULE_PREFETCH_POINTS};
        struct traffic t = {.lines = flat            ? div_up(oh * ow, mr)
                                     : p->transposed ? div_up(oh, p->stride[0])
                                                     : oh,
                            .panels = div_up(o, nr),
                            .input = conv_input_bytes(p),
                            .panel = 4 * k * nr,
                            .cycles = cycles,
                            .l2 = (double)target_l2_bytes(target)};
        pick_box(&t, &s);
        pick_stretch(&t, c, block, &s);
        if (!p->transposed) bound_stretch(c, block, p->kh * p->kw, &s);
        if (what->coded) pick_coded(what, &t, oh * ow, c, block, p->kh * p->kw, &s);
        s.unroll = pick_unroll(block, p->kw, mr * tiles[i].nv);
        out[count++] = (struct proposal){s, cycles * p->groups * p->n};
    }
    return count;
}

/* As many points as there are registers beside a vector of weights and one of the input; all loads are cheap
 * against the sums, but weights and rows of the input are read again for every tile. */
static uint32_t propose_depthwise(const struct conv_problem *p, const struct target *target,
                                  struct proposal *out) {
    uint32_t lanes = target_lanes(target), ow = conv_out_width(p), oh = conv_out_height(p);
    uint32_t most = min_u32(MOST_POINTS, target->vector_registers - 2);
    uint32_t mr = div_up(ow, div_up(ow, min_u32(ow, most))), panels = div_up(p->c, lanes);
    uint32_t mc = panels * p->n >= ITEMS_FOR_ALL ? oh : div_up(oh, div_up(ITEMS_FOR_ALL, panels * p->n));
    double cycles = (double)p->n * panels * oh * ow * (p->kh * p->kw + 2) / FMA_PER_CYCLE;
    *out = (struct proposal){{.mr = mr, .nr = lanes, .mc = mc, .nc = 1, .unroll = 1}, cycles};
    return 1;
}

/* Rows of b that lie this many elements apart are better packed, when enough lines of a read them. */
enum { MATMUL_UNROLL = 8, ROW_PANEL = 32, FAR_COLUMNS = 512, PACKED_FOR_LINES = 4 };

static uint32_t propose_matmul(const struct contraction *what, const struct target *target,
                               struct proposal *out, uint32_t room) {
    const struct matmul_problem *p = &what->matmul;
    struct register_tile tiles[4];
    uint32_t lanes = target_lanes(target), count = 0;
    /* Rows whose distance is a multiple of 2 KiB share a few sets of L1: no more of them than it has ways. */
    uint32_t most_mr = p->k % 512 == 0 ? 6 : MOST_POINTS;
    /* A single row is bound by streaming the weights: two lines of them a step keep the memory busy, and
     * narrow panels make items for many workers. */
    uint32_t most_nv = p->m == 1 ? max_u32(2, ROW_PANEL / lanes) : MOST_VECTORS;
    uint32_t n = register_tiles(target, p->m, p->n, most_mr, most_nv, false, tiles, 4);
    double outer = 1;
    for (uint32_t i = 0; i < p->n_outer; i++) outer *= p->outer[i].trips;
    for (uint32_t i = 0; i < n && count < room; i++) {
        uint32_t mr = tiles[i].mr, nr = tiles[i].nv * lanes;
        struct schedule s = {.mr = mr, .nr = nr, .nc = 1};
        struct traffic t = {.lines = div_up(p->m, mr),
                            .panels = div_up(p->n, nr),
                            .input = 4.0 * p->m * p->k,
                            .panel = 4.0 * p->k * nr,
                            .cycles = tiles[i].cycles * p->k,
                            .l2 = (double)target_l2_bytes(target)};
        pick_box(&t, &s);
        pick_stretch(&t, p->k, MATMUL_UNROLL, &s);
        bound_stretch(p->k, MATMUL_UNROLL, 1, &s);
        if (!p->packed) s.prefetch = 0;
        if (!p->packed && p->n >= FAR_COLUMNS && t.lines >= PACKED_FOR_LINES) {
            /* Long items, because each packs its panel anew. */
            s.order |= SCHEDULE_PACK_B;
            s.mc = div_up(t.lines, div_up(ITEMS_FOR_ALL, t.panels));
        }
        if (what->coded) pick_coded(what, &t, p->m, p->k, MATMUL_UNROLL, 1, &s);
        s.unroll = MATMUL_UNROLL;
        out[count++] = (struct proposal){s, tiles[i].cycles * p->k * outer};
    }
    return count;
}

uint32_t contraction_propose(const struct contraction *c, const struct target *target, struct proposal *out,
                             uint32_t room) {
    switch (c->kind) {
    case CONTRACTION_CONV:
    case CONTRACTION_CONV_TRANSPOSE:
        return propose_conv(c, target, out, room);
    case CONTRACTION_DEPTHWISE:
        return propose_depthwise(&c->conv, target, out);
    case CONTRACTION_MATMUL:
        return propose_matmul(c, target, out, room);
    }
    return 0;
}
