/* How a row of output points is cut into tiles, and what is counted of a nest. */
#include "codegen/gemm/decode.h"
#include "codegen/gemm/forms.h"

#include <string.h>

const char *schedule_refuse(const struct schedule *s, uint32_t lanes) {
    uint32_t vectors = s->nr / lanes;
    if (s->mr == 0 || s->mr > TILE_MAX_POINTS) return "the schedule's mr is out of range";
    if (s->nr == 0 || s->nr % lanes || vectors > TILE_MAX_VECTORS)
        return "the schedule's nr is no multiple of the vector, or too large";
    if (s->mr * vectors > TILE_MAX_SUMS) return "the schedule's tile has too many sums";
    if (s->nc == 0 || s->nc > UINT16_MAX || s->unroll == 0 || s->unroll > TILE_MAX_UNROLL)
        return "the schedule's nc or unroll is out of range";
    return NULL;
}

uint32_t nest_stretches(uint32_t blocks, uint32_t per) {
    return per == 0 || per >= blocks ? 1 : div_up(blocks, per);
}

uint32_t nest_panel(const struct nest *n) {
    return n->vectors * n->lanes;
}

uint32_t nest_panels(const struct nest *n) {
    return div_up(n->channels, nest_panel(n));
}

uint32_t nest_items(const struct nest *n) {
    uint32_t items = div_up(nest_panels(n), n->item_panels);
    items *= div_up(n->rows, n->item_rows) * div_up(n->tiles, n->item_tiles);
    for (uint32_t i = 0; i < n->n_outer; i++) items *= n->outer[i].trips;
    return items;
}

uint64_t nest_sums(const struct nest *n) {
    if (n->k_blocks == 1) return 0;
    uint32_t points = 0;
    for (uint32_t i = 0; i < n->n_runs; i++)
        if (n->runs[i].points > points) points = n->runs[i].points;
    uint64_t bytes = (uint64_t)n->item_rows * n->item_tiles * points * nest_panel(n) * sizeof(float);
    return (bytes + 63) / 64 * 64;
}

uint64_t nest_scratch(const struct nest *n) {
    if (n->b == NEST_B_IN_PLACE) return nest_sums(n);
    if (n->b == NEST_B_DECODED) return nest_sums(n) + decode_bytes(&n->panels);
    uint64_t steps = (uint64_t)div_up(n->walk.block.trips, n->k_blocks) * n->walk.steps + n->walk.tail;
    return nest_sums(n) + (steps * nest_panel(n) * sizeof(float) + 63) / 64 * 64;
}

/* Bit p is set when point first + p has no input under column k. */
static uint32_t skipped(uint32_t first, uint32_t points, int64_t k, int64_t stride, int64_t pad,
                        int64_t dilation, int64_t extent) {
    uint32_t bits = 0;
    for (uint32_t p = 0; p < points; p++) {
        int64_t x = (int64_t)(first + p) * stride - pad + k * dilation;
        if (x < 0 || x >= extent) bits |= 1u << p;
    }
    return bits;
}

bool nest_partition(struct nest *n, uint32_t width, uint32_t mr, int64_t stride, int64_t pad,
                    int64_t dilation, int64_t extent) {
    uint32_t tiles = div_up(width, mr), base = width / tiles, longer = width % tiles, x = 0;
    n->n_runs = 0;
    n->tiles = tiles;
    for (uint32_t t = 0; t < tiles; t++) {
        struct tile_run r = {.first_tile = t, .tiles = 1, .first_point = x, .points = base + (t < longer)};
        for (uint32_t k = 0; k < n->walk.column.trips; k++)
            r.skip[k] = skipped(x, r.points, k, stride, pad, dilation, extent);
        x += r.points;
        struct tile_run *last = n->n_runs ? &n->runs[n->n_runs - 1] : NULL;
        if (last && last->points == r.points && !memcmp(last->skip, r.skip, sizeof r.skip)) {
            last->tiles++;
            continue;
        }
        if (n->n_runs == NEST_MAX_RUNS) return false;
        n->runs[n->n_runs++] = r;
    }
    return true;
}
