/* conv_transpose as a gather: the outputs whose position leaves the same remainder by the stride (a phase)
 * see the same taps of the kernel, each stride-th one, and together are a plain convolution of the input with
 * those taps in reverse order. No output is visited twice. */
#include "codegen/gemm/forms.h"

/* One axis of a phase: its outputs first + i * stride, i < count, see input i - pad + t under tap t < taps,
 * which is kernel position last_tap - t * stride. */
struct phase {
    uint32_t first, count, taps;
    int64_t pad, last_tap;
};

static struct phase phase_of(uint32_t remainder, uint32_t stride, uint32_t pad, uint32_t kernel,
                             uint32_t out) {
    struct phase f = {.first = (remainder + stride - pad % stride) % stride};
    if (f.first >= out) return f;
    f.count = div_up(out - f.first, stride);
    f.taps = remainder < kernel ? div_up(kernel - remainder, stride) : 0;
    int64_t first_input = (f.first + pad) / stride;
    f.pad = (int64_t)f.taps - 1 - first_input;
    f.last_tap = (int64_t)remainder + ((int64_t)f.taps - 1) * stride;
    return f;
}

static const char *phase_nest(const struct conv_problem *p, uint32_t v, const struct schedule *s,
                              const struct phase *y, const struct phase *x, struct nest *out) {
    uint32_t oh = conv_out_height(p), ow = conv_out_width(p);
    int64_t in_plane = (int64_t)p->h * p->w * v, out_plane = (int64_t)oh * ow * v,
            column_b = (int64_t)v * s->nr;
    int64_t row_b = p->kw * column_b;
    bool reaches = y->taps > 0 && x->taps > 0; /* else there is nothing but the epilogue */
    struct nest n = {
        .outer = {{p->n, div_up(p->c, v) * in_plane, 0, div_up(p->o, v) * out_plane, 0}},
        .n_outer = 1,
        .channels = p->o,
        .lanes = v,
        .vectors = s->nr / v,
        .b_panel = div_up(p->c, v) * p->kh * row_b,
        .out_vector = out_plane,
        .rows = y->count,
        .a_row = (int64_t)p->w * v,
        .out_row = (int64_t)p->stride[0] * ow * v,
        .border = {true, 1, y->pad, 1, reaches ? p->h : 0},
        .a_point = v,
        .out_point = (int64_t)p->stride[1] * v,
        .a_origin = -(y->pad * p->w + x->pad) * v,
        .b_origin = reaches ? y->last_tap * row_b + x->last_tap * column_b : 0,
        .out_origin = ((int64_t)y->first * ow + x->first) * v,
        .grid = {y->first, p->stride[0], x->first, p->stride[1]},
        .walk =
            {
                .block = {p->c / v, in_plane, p->kh * row_b},
                .row = {reaches ? y->taps : 1, (int64_t)p->w * v, -(int64_t)p->stride[0] * row_b},
                .column = {reaches ? x->taps : 0, v, -(int64_t)p->stride[1] * column_b},
                .steps = v,
                .tail = p->c % v,
                .step_a = 1,
                .step_b = s->nr,
                .unroll = s->unroll,
            },
        .out_padded = true,
        .b_padded = true,
        .b_aligned = true,
        .out_aligned = true,
        .item_panels = s->nc,
        .item_rows = s->mc && s->mc < y->count ? s->mc : y->count,
        .k_blocks = 1,
        .panels_slowest = (s->order & SCHEDULE_WEIGHTS_OUTSIDE) != 0,
    };
    if (!nest_partition(&n, x->count, s->mr, 1, x->pad, 1, p->w)) return "too many kinds of tiles in a row";
    n.item_tiles = n.tiles;
    *out = n;
    return NULL;
}

const char *transpose_nests(const struct conv_problem *p, uint32_t lanes, const struct schedule *s,
                            struct nest out_nests[TRANSPOSE_MAX_PHASES], uint32_t *out_count) {
    const char *reason = schedule_refuse(s, lanes);
    if (reason) return reason;
    if (p->stride[0] * p->stride[1] > TRANSPOSE_MAX_PHASES)
        return "a transposed convolution of a large stride";
    if (p->kw > WALK_MAX_COLUMNS) return "the kernel is too wide";
    *out_count = 0;
    for (uint32_t i = 0; i < p->stride[0]; i++)
        for (uint32_t k = 0; k < p->stride[1]; k++) {
            struct phase y = phase_of(i, p->stride[0], p->pad[0], p->kh, conv_out_height(p));
            struct phase x = phase_of(k, p->stride[1], p->pad[1], p->kw, conv_out_width(p));
            if (y.count == 0 || x.count == 0) continue;
            reason = phase_nest(p, lanes, s, &y, &x, &out_nests[(*out_count)++]);
            if (reason) return reason;
        }
    return NULL;
}
