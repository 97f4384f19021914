/* Matrix products on plain rows: rows of a are the points, columns of b stand in lanes. */
#include "codegen/gemm/forms.h"

const char *matmul_nest(const struct matmul_problem *p, uint32_t lanes, const struct schedule *s,
                        struct nest *out_nest) {
    const char *reason = schedule_refuse(s, lanes);
    if (reason) return reason;
    bool pack = !p->packed && s->order & SCHEDULE_PACK_B;
    int64_t ldb = p->packed || pack ? s->nr : p->n;
    struct nest n = {
        .n_outer = p->n_outer,
        .channels = p->n,
        .lanes = lanes,
        .vectors = s->nr / lanes,
        .b_panel = p->packed ? (int64_t)p->k * s->nr : s->nr,
        .out_vector = lanes,
        .rows = 1,
        .a_point = p->k,
        .out_point = p->n,
        .walk =
            {
                .block = {p->k / s->unroll, s->unroll, s->unroll * ldb},
                .row = {1, 0, 0},
                .column = {1, 0, 0},
                .steps = s->unroll,
                .tail = p->k % s->unroll,
                .step_a = 1,
                .step_b = ldb,
                .unroll = s->unroll,
            },
        .b_padded = p->packed || pack,
        .b_aligned = p->packed || pack,
        .b = pack ? NEST_B_PACKED : NEST_B_IN_PLACE,
        .b_depth = p->n,
        .item_panels = s->nc,
        .item_rows = 1,
        .k_blocks = nest_stretches(p->k / s->unroll, s->kc / s->unroll),
        .panels_slowest = (s->order & SCHEDULE_WEIGHTS_OUTSIDE) != 0,
        .prefetch_b = s->prefetch & SCHEDULE_PREFETCH_WEIGHTS,
    };
    for (uint32_t i = 0; i < p->n_outer; i++) n.outer[i] = p->outer[i];
    if (!nest_partition(&n, p->m, s->mr, 1, 0, 1, INT64_MAX)) return "too many kinds of tiles in a row";
    n.item_tiles = s->mc && s->mc < n.tiles ? s->mc : n.tiles;
    *out_nest = n;
    return NULL;
}
