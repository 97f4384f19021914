/* Rules of the contractions. */
#include "test/support/fuzz/gen.h"

#include <string.h>

enum { MOST_PRODUCTS = 400000 };

static struct gen_want numeric(const struct op_info *info, uint32_t min_rank, uint32_t max_rank) {
    return (struct gen_want){.elems = info->elems, .min_rank = min_rank, .max_rank = max_rank};
}

static int64_t product(const int64_t *dim, uint32_t from, uint32_t to) {
    int64_t p = 1;
    for (uint32_t i = from; i < to; i++) p *= dim[i];
    return p;
}

static value_id maybe_bias(struct gen *g, enum elem elem, int64_t n) {
    if (gen_chance(g, 40)) return (value_id){0};
    return gen_parameter(g, elem, 1, &n, 3);
}

/* An extent that keeps both the result and the work small. */
static int64_t columns(struct gen *g, int64_t rows, int64_t depth) {
    int64_t most = GEN_MAX_ELEMENTS / max_i64(rows, 1);
    most = min_i64(most, MOST_PRODUCTS / max_i64(rows * depth, 1));
    return gen_extent(g, max_i64(min_i64(most, gen_chance(g, 85) ? 80 : 600), 1));
}

bool gen_rule_linear(struct gen *g, enum op_kind kind) {
    value_id x = gen_pick(g, numeric(op_info(kind), 1, 5));
    int64_t dim[MAX_RANK];
    uint32_t rank = gen_dims(g, x, dim);
    int64_t k = dim[rank - 1], n = columns(g, product(dim, 0, rank - 1), k);
    enum elem elem = gen_elem_of(g, x);
    value_id w = gen_parameter(g, elem, 2, (int64_t[]){n, k}, k);
    return gen_op(g, kind, (value_id[]){x, w, maybe_bias(g, elem, n)}, 3, NULL, 0).i;
}

/* Something of the pool that a can be multiplied with. */
static value_id find_factor(struct gen *g, value_id a, const int64_t *dim, uint32_t rank) {
    for (int tries = 0; tries < 10; tries++) {
        value_id b = gen_find(
            g, (struct gen_want){.elems = ELEM_BIT(gen_elem_of(g, a)), .min_rank = 1, .max_rank = 5});
        if (!b.i) break;
        int64_t other[MAX_RANK];
        uint32_t n = gen_dims(g, b, other);
        bool ok = other[n == 1 ? 0 : n - 2] == dim[rank - 1];
        for (uint32_t i = 3; ok && i <= n && i <= rank; i++)
            ok = other[n - i] == dim[rank - i] || other[n - i] == 1 || dim[rank - i] == 1;
        if (ok && product(other, 0, n) * product(dim, 0, rank) < MOST_PRODUCTS) return b;
    }
    return (value_id){0};
}

bool gen_rule_matmul(struct gen *g, enum op_kind kind) {
    value_id a = gen_pick(g, numeric(op_info(kind), 1, 4));
    int64_t dim[MAX_RANK], other[MAX_RANK];
    uint32_t rank = gen_dims(g, a, dim), n = 0;
    value_id b = gen_chance(g, 35) ? find_factor(g, a, dim, rank) : (value_id){0};
    if (!b.i) {
        int64_t k = dim[rank - 1];
        if (rank > 2 && gen_chance(g, 60))
            for (uint32_t i = gen_chance(g, 30); i < rank - 2; i++)
                other[n++] = gen_chance(g, 30) ? 1 : dim[i];
        else if (rank < 4 && gen_chance(g, 15))
            other[n++] = gen_between(g, 1, 3); /* a repeats */
        if (rank > 2 && n == 1 && dim[rank - 3] != 1) other[0] = gen_chance(g, 50) ? 1 : dim[rank - 3];
        other[n++] = k;
        if (n > 1 || gen_chance(g, 80)) other[n++] = columns(g, product(dim, 0, rank - 1) * 3, k);
        b = gen_parameter(g, gen_elem_of(g, a), n, other, k);
    }
    return gen_binary(g, kind, a, b).i;
}

/* -- convolutions -- */
struct window_choice {
    int64_t taps[2], stride[2], dilation[2], pad[4];
};

/* A window along each dimension that fits at least once; false if the extents are too small. */
static bool choose_windows(struct gen *g, const int64_t *in, uint32_t spatial, struct window_choice *w) {
    static const int64_t taps[] = {1, 1, 2, 3, 3, 3, 5, 7, 4, 11};
    bool alike = gen_chance(g, 60), far = gen_chance(g, 15); /* windows wholly in the padding */
    for (uint32_t s = 0; s < spatial; s++) {
        if (s && alike) {
            w->taps[s] = w->taps[0], w->stride[s] = w->stride[0], w->dilation[s] = w->dilation[0];
        } else {
            w->taps[s] = taps[gen_below(g, COUNT_OF(taps))];
            w->stride[s] = gen_chance(g, 60) ? 1 : gen_between(g, 1, 4);
            w->dilation[s] = gen_chance(g, 80) ? 1 : gen_between(g, 2, 3);
        }
        int64_t extent = (w->taps[s] - 1) * w->dilation[s] + 1;
        bool same = gen_chance(g, 60); /* as models have it; else anything */
        int64_t most = far ? 2 * extent + 3 : extent;
        w->pad[s] = same && !far ? extent / 2 : gen_between(g, 0, most);
        w->pad[spatial + s] = same && !far ? extent / 2 : gen_between(g, 0, most);
        if (in[s] + w->pad[s] + w->pad[spatial + s] < extent) return false;
    }
    return true;
}

static uint32_t window_attrs(struct gen *g, const struct window_choice *w, uint32_t spatial, int64_t groups,
                             struct attr attrs[4]) {
    attrs[0] = attr_ints(g->m, ATTR_stride, w->stride, spatial);
    attrs[1] = attr_ints(g->m, ATTR_dilation, w->dilation, spatial);
    attrs[2] = attr_ints(g->m, ATTR_pad, w->pad, 2 * spatial);
    attrs[3] = attr_int(ATTR_groups, groups);
    return 4;
}

static int64_t choose_groups(struct gen *g, int64_t channels) {
    if (channels < 2 || gen_chance(g, 55)) return 1;
    if (gen_chance(g, 55)) return channels; /* depthwise */
    for (int tries = 0; tries < 8; tries++) {
        int64_t n = gen_between(g, 2, channels);
        if (channels % n == 0) return n;
    }
    return 1;
}

/* [n, c, spatial …] */
static value_id pick_image(struct gen *g, elem_set elems, uint32_t spatial) {
    value_id found =
        gen_find(g, (struct gen_want){
                        .elems = elems, .min_rank = spatial + 2, .max_rank = spatial + 2, .nonempty = true});
    if (found.i && gen_chance(g, 75)) return found;
    static const int64_t channels[] = {1,  2,  3,  4,  7,  8,  9,  15,  16,  17,  24,  31,
                                       32, 33, 48, 64, 65, 96, 97, 127, 128, 129, 200, 257};
    static const int64_t extents[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17};
    int64_t dim[MAX_RANK] = {gen_chance(g, 80) ? 1 : gen_between(g, 2, 3),
                             channels[gen_below(g, gen_chance(g, 75) ? 14 : COUNT_OF(channels))]};
    for (uint32_t s = 0; s < spatial; s++) dim[2 + s] = extents[gen_below(g, COUNT_OF(extents))];
    if (spatial == 1 && gen_chance(g, 50)) dim[2] = gen_between(g, 1, 40);
    while (product(dim, 2, spatial + 2) > 1 && product(dim, 0, spatial + 2) > GEN_MAX_ELEMENTS)
        for (uint32_t s = 0; s < spatial; s++) dim[2 + s] = (dim[2 + s] + 1) / 2;
    return gen_leaf(g, NULL, gen_elem(g, elems), spatial + 2, dim);
}

bool gen_rule_conv(struct gen *g, enum op_kind kind) {
    uint32_t spatial = kind == OP_conv1d ? 1 : 2;
    value_id x = pick_image(g, op_info(kind)->elems, spatial);
    int64_t dim[MAX_RANK];
    gen_dims(g, x, dim);
    struct window_choice window;
    if (!choose_windows(g, dim + 2, spatial, &window)) return false;
    int64_t groups = choose_groups(g, dim[1]), taps = product(window.taps, 0, spatial);
    int64_t depth = dim[1] / groups * taps, pixels = dim[0] * product(dim, 2, spatial + 2);
    int64_t of_group =
        groups == dim[1] && gen_chance(g, 70) ? 1 : max_i64(columns(g, pixels * groups, depth), 1);
    int64_t w_dim[MAX_RANK] = {groups * of_group, dim[1] / groups};
    memcpy(w_dim + 2, window.taps, sizeof window.taps);
    enum elem elem = gen_elem_of(g, x);
    value_id w = gen_parameter(g, elem, spatial + 2, w_dim, depth);
    struct attr attrs[4];
    uint32_t n = window_attrs(g, &window, spatial, groups, attrs);
    return gen_op(g, kind, (value_id[]){x, w, maybe_bias(g, elem, w_dim[0])}, 3, attrs, n).i;
}

bool gen_rule_conv_transpose(struct gen *g, enum op_kind kind) {
    uint32_t spatial = kind == OP_conv_transpose1d ? 1 : 2;
    value_id x = pick_image(g, op_info(kind)->elems, spatial);
    int64_t dim[MAX_RANK], output_pad[2];
    gen_dims(g, x, dim);
    struct window_choice w;
    int64_t roomy[2] = {64, 64};
    choose_windows(g, roomy, spatial, &w);
    for (uint32_t s = 0; s < spatial; s++) {
        output_pad[s] = gen_chance(g, 60) ? 0 : gen_between(g, 0, max_i64(w.stride[s], w.dilation[s]) - 1);
        int64_t extent = (dim[2 + s] - 1) * w.stride[s] + (w.taps[s] - 1) * w.dilation[s] + 1 + output_pad[s];
        if (extent - w.pad[s] - w.pad[spatial + s] < 1) w.pad[s] = w.pad[spatial + s] = 0;
    }
    int64_t groups = choose_groups(g, dim[1]), taps = product(w.taps, 0, spatial);
    int64_t pixels = dim[0] * product(dim, 2, spatial + 2) * product(w.stride, 0, spatial);
    int64_t of_group = max_i64(columns(g, pixels * groups, dim[1] / groups * taps), 1);
    int64_t w_dim[MAX_RANK] = {dim[1], of_group};
    memcpy(w_dim + 2, w.taps, sizeof w.taps);
    enum elem elem = gen_elem_of(g, x);
    value_id kernel = gen_parameter(g, elem, spatial + 2, w_dim, dim[1] / groups * taps);
    struct attr attrs[5];
    uint32_t n = window_attrs(g, &w, spatial, groups, attrs);
    attrs[n++] = attr_ints(g->m, ATTR_output_pad, output_pad, spatial);
    return gen_op(g, kind, (value_id[]){x, kernel, maybe_bias(g, elem, groups * of_group)}, 3, attrs, n).i;
}

/* -- attention -- */
static value_id maybe_mask(struct gen *g, enum elem elem, int64_t n, int64_t heads, int64_t t, int64_t s) {
    if (gen_chance(g, 50)) return (value_id){0};
    const int64_t full[] = {n, heads, t, s};
    int64_t dim[4];
    uint32_t rank = (uint32_t)gen_between(g, 1, 4);
    for (uint32_t i = 0; i < rank; i++) dim[i] = gen_chance(g, 35) ? 1 : full[4 - rank + i];
    return gen_leaf(g, NULL, gen_chance(g, 40) ? ELEM_bool : elem, rank, dim);
}

bool gen_rule_attention(struct gen *g, enum op_kind kind) {
    static const int64_t widths[] = {1, 3, 4, 7, 8, 9, 16, 17, 32};
    int64_t n = gen_between(g, 1, 2), kv_heads = gen_between(g, 1, 3);
    int64_t heads = kv_heads * (gen_chance(g, 70) ? 1 : gen_between(g, 1, 3));
    int64_t d = widths[gen_below(g, COUNT_OF(widths))], e = gen_chance(g, 70) ? d : gen_between(g, 1, 17);
    int64_t t = max_i64(gen_extent(g, 33), 1), s = gen_chance(g, 60) ? t : max_i64(gen_extent(g, 33), 1);
    enum elem elem = gen_elem(g, op_info(kind)->elems);
    if (n * (heads * (t * (d + e)) + kv_heads * s * (d + e)) > GEN_MAX_ELEMENTS) return false;
    value_id q = gen_leaf(g, NULL, elem, 3, (int64_t[]){n, t, heads * d}), k, v;
    if (t == s && heads == kv_heads && gen_chance(g, 30)) {
        k = q;
        v = q;
    } else {
        k = gen_leaf(g, NULL, elem, 3, (int64_t[]){n, s, kv_heads * d});
        v = gen_leaf(g, NULL, elem, 3, (int64_t[]){n, s, kv_heads * e});
    }
    struct attr attrs[4] = {
        attr_int(ATTR_heads, heads), attr_int(ATTR_kv_heads, heads == kv_heads ? 0 : kv_heads),
        attr_bool(ATTR_causal, gen_chance(g, 30)), attr_float(ATTR_scale, gen_chance(g, 70) ? 0 : 0.25)};
    value_id mask = maybe_mask(g, elem, n, heads, t, s);
    /* A row that a mask of false hides all of is NaN: dropped when evaluated. */
    return gen_op(g, kind, (value_id[]){q, k, v, mask}, 4, attrs, 4).i;
}
