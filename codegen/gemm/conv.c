/* conv2d with channels of the output in lanes: direct, without copies of the input. */
#include "codegen/gemm/forms.h"

static const char *refuse(const struct conv_problem *p, uint32_t lanes, const struct schedule *s) {
    const char *reason = schedule_refuse(s, lanes);
    if (reason) return reason;
    if (p->kw > WALK_MAX_COLUMNS) return "the kernel is too wide";
    if (p->groups > 1 && !p->blocked) return "a grouped convolution needs a channel-blocked input";
    if (p->groups > 1 && (p->c / p->groups % lanes || p->o / p->groups % s->nr))
        return "the channels of a group are no multiple of the vector";
    return NULL;
}

static struct walk conv_walk(const struct conv_problem *p, uint32_t v, const struct schedule *s) {
    uint32_t c = p->c / p->groups;
    int64_t plane = (int64_t)p->h * p->w * v, column_b = (int64_t)v * s->nr;
    return (struct walk){
        .block = {c / v, plane, p->kh * p->kw * column_b},
        .row = {p->kh, (int64_t)p->dilation[0] * p->w * v, p->kw * column_b},
        .column = {p->kw, (int64_t)p->dilation[1] * v, column_b},
        .steps = v,
        .tail = c % v,
        .step_a = 1,
        .step_b = s->nr,
        .unroll = s->unroll,
    };
}

const char *conv_nest(const struct conv_problem *p, uint32_t lanes, const struct schedule *s,
                      struct nest *out_nest) {
    const char *reason = refuse(p, lanes, s);
    if (reason) return reason;
    uint32_t v = p->blocked ? lanes : 1;
    uint32_t oh = conv_out_height(p), ow = conv_out_width(p), c = p->c / p->groups, o = p->o / p->groups;
    int64_t in_plane = (int64_t)p->h * p->w * v, out_plane = (int64_t)oh * ow * lanes;
    bool flat = conv_is_flat(p);
    struct nest n = {
        .channels = o,
        .lanes = lanes,
        .vectors = s->nr / lanes,
        .out_vector = out_plane,
        .rows = flat ? 1 : oh,
        .a_row = (int64_t)p->stride[0] * p->w * v,
        .out_row = (int64_t)ow * lanes,
        .border = {p->kh > 1 || p->pad[0] || p->pad[2], p->stride[0], p->pad[0], p->dilation[0], p->h},
        .a_point = (int64_t)p->stride[1] * v,
        .out_point = lanes,
        .a_origin = -((int64_t)p->pad[0] * p->w + p->pad[1]) * v,
        .walk = conv_walk(p, v, s),
        .out_padded = true,
        .b_padded = true,
        .b_aligned = true,
        .out_aligned = true,
        .item_panels = s->nc,
        .k_blocks = nest_stretches(c / v, s->kc / v),
        .panels_slowest = (s->order & SCHEDULE_WEIGHTS_OUTSIDE) != 0,
        .prefetch_a = (s->prefetch & SCHEDULE_PREFETCH_POINTS) && flat,
        .prefetch_b = s->prefetch & SCHEDULE_PREFETCH_WEIGHTS,
    };
    n.b_panel = (int64_t)div_up(c, v) * p->kh * p->kw * v * s->nr;
    n.outer[n.n_outer++] =
        (struct outer_axis){p->n, div_up(p->c, v) * in_plane, 0, div_up(p->o, lanes) * out_plane, 0};
    if (p->groups > 1)
        n.outer[n.n_outer++] =
            (struct outer_axis){p->groups, c / v * in_plane, o / s->nr * n.b_panel, o / lanes * out_plane, o};
    bool cut = flat ? nest_partition(&n, oh * ow, s->mr, 1, 0, 1, INT64_MAX)
                    : nest_partition(&n, ow, s->mr, p->stride[1], p->pad[1], p->dilation[1], p->w);
    if (!cut) return "too many kinds of tiles in a row";
    n.item_rows = flat ? 1 : s->mc && s->mc < oh ? s->mc : oh;
    n.item_tiles = flat && s->mc && s->mc < n.tiles ? s->mc : n.tiles;
    *out_nest = n;
    return NULL;
}

const char *depthwise_nest(const struct conv_problem *p, uint32_t lanes, const struct schedule *s,
                           struct nest *out_nest) {
    if (p->kw > WALK_MAX_COLUMNS) return "the kernel is too wide";
    const char *reason = schedule_refuse(s, lanes);
    if (reason) return reason;
    if (s->nr != lanes) return "a depthwise panel is one vector wide";
    uint32_t oh = conv_out_height(p), ow = conv_out_width(p);
    int64_t in_plane = (int64_t)p->h * p->w * lanes, out_plane = (int64_t)oh * ow * lanes;
    struct nest n = {
        .channels = p->c,
        .lanes = lanes,
        .vectors = 1,
        .a_panel = in_plane,
        .b_panel = (int64_t)p->kh * p->kw * lanes,
        .out_vector = out_plane,
        .rows = oh,
        .a_row = (int64_t)p->stride[0] * p->w * lanes,
        .out_row = (int64_t)ow * lanes,
        .border = {p->kh > 1 || p->pad[0] || p->pad[2], p->stride[0], p->pad[0], p->dilation[0], p->h},
        .a_point = (int64_t)p->stride[1] * lanes,
        .out_point = lanes,
        .a_origin = -((int64_t)p->pad[0] * p->w + p->pad[1]) * lanes,
        .walk =
            {
                .block = {1, 0, 0},
                .row = {p->kh, (int64_t)p->dilation[0] * p->w * lanes, (int64_t)p->kw * lanes},
                .column = {p->kw, (int64_t)p->dilation[1] * lanes, lanes},
                .steps = 1,
                .unroll = 1,
            },
        .out_padded = true,
        .b_padded = true,
        .b_aligned = true,
        .out_aligned = true,
        .item_panels = s->nc,
        .item_rows = s->mc && s->mc < oh ? s->mc : oh,
        .k_blocks = 1,
        .a_vectors = true,
        .panels_slowest = (s->order & SCHEDULE_WEIGHTS_OUTSIDE) != 0,
    };
    n.outer[n.n_outer++] =
        (struct outer_axis){p->n, div_up(p->c, lanes) * in_plane, 0, div_up(p->c, lanes) * out_plane, 0};
    if (!nest_partition(&n, ow, s->mr, p->stride[1], p->pad[1], p->dilation[1], p->w))
        return "too many kinds of tiles in a row";
    n.item_tiles = n.tiles;
    *out_nest = n;
    return NULL;
}
