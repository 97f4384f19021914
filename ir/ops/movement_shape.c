/* Ops that keep the elements in their row-major order: reshape, flatten, squeeze, unsqueeze. */
#include "ir/ops/shape.h"

#include <string.h>

/* -- inference -- */

/* Products of the dimensions of two shapes, those left out that occur in both: so they may stay small where
 * the number of elements has no bound. `without` is a dimension of b that does not count. False on overflow.
 */
static bool remaining_products(struct types *types, dims_id a, const dim_id *b, uint32_t rank_b,
                               uint32_t without, dim_id *out_a, dim_id *out_b) {
    bool used[MAX_RANK] = {false};
    *out_a = *out_b = dim_const(types, 1);
    for (uint32_t i = 0; i < dims_rank(types, a); i++) {
        dim_id dim = dims_at(types, a, i);
        uint32_t j = dim_same(dim, dim_const(types, 0)) ? rank_b : 0; /* 0 makes the others meaningless */
        while (j < rank_b && (j == without || used[j] || !dim_same(b[j], dim))) j++;
        if (j < rank_b)
            used[j] = true;
        else
            *out_a = dim_mul(types, *out_a, dim);
    }
    for (uint32_t j = 0; j < rank_b; j++)
        if (j != without && !used[j]) *out_b = dim_mul(types, *out_b, b[j]);
    return out_a->i && out_b->i;
}

/* The extent that a -1 stands for: what is left of the operand divided by what is left of the others, which
 * has to divide it exactly. */
static enum status infer_rest(struct infer *infer, dim_id *dims, uint32_t rank, uint32_t rest) {
    struct types *types = &infer->m->types;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t extent;
        if (i != rest && dim_is_const(types, dims[i], &extent) && extent == 0)
            return infer_error(infer, "a dimension of -1 is not determined beside one of extent 0");
    }
    dims_id from = infer_operand(infer, 0).shape;
    dim_id whole, known, found = {0};
    if (remaining_products(types, from, dims, rank, rest, &whole, &known))
        found = dim_floor_div(types, whole, known);
    if (!found.i || !dim_same(dim_mul(types, found, known), whole))
        return infer_error(infer,
                           "the extent of dimension %u, given as -1, does not follow from the shape %s", rest,
                           infer_shape_text(infer, from));
    dims[rest] = found;
    return STATUS_OK;
}

enum status infer_reshape(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    dims_id shape = op_attr(infer->op, ATTR_shape)->dims;
    uint32_t rank = dims_rank(types, shape), rest = UINT32_MAX;
    dim_id dims[MAX_RANK], have, want;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t extent;
        dims[i] = dims_at(types, shape, i);
        if (!dim_is_const(types, dims[i], &extent) || extent >= 0) continue;
        if (extent != -1 || rest != UINT32_MAX)
            return infer_error(infer, "shape is %s, expected extents of at least 0 and at most one -1",
                               infer_shape_text(infer, shape));
        rest = i;
    }
    if (rest != UINT32_MAX) TRY(infer_rest(infer, dims, rank, rest));
    if (!remaining_products(types, x.shape, dims, rank, UINT32_MAX, &have, &want))
        return infer_error(infer, "the number of elements is too large");
    if (!dim_same(have, want))
        return infer_error(infer, "shape %s does not hold as many elements as %s: %s, not %s",
                           infer_shape_text(infer, shape), infer_shape_text(infer, x.shape),
                           infer_dim_text(infer, want), infer_dim_text(infer, have));
    return infer_result(infer, 0, x.elem, dims, rank);
}

enum status infer_flatten(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x);
    int64_t axis = op_int(infer->op, ATTR_axis), from_start = axis < 0 ? axis + rank : axis;
    if (from_start < 0 || from_start > rank)
        return infer_error(infer, "axis is %lld, expected one of -%u to %u for rank %u", (long long)axis,
                           rank, rank, rank);
    dim_id dims[2] = {dims_product(types, x.shape, 0, (uint32_t)from_start),
                      dims_product(types, x.shape, (uint32_t)from_start, rank)};
    return infer_result(infer, 0, x.elem, dims, 2);
}

enum status infer_squeeze(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t rank = type_rank(types, x), kept = 0, set;
    bool all = op_attr(infer->op, ATTR_axes)->ints.count == 0;
    TRY(infer_axes(infer, rank, &set));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) {
        dim_id dim = dims_at(types, x.shape, i);
        bool one = dim_lo(types, dim) == 1 && dim_hi(types, dim) == 1;
        if (all && !one && !dim_is_const(types, dim, NULL) && dim_lo(types, dim) <= 1 &&
            dim_hi(types, dim) >= 1)
            return infer_error(
                infer, "whether dimension %u (%s) has extent 1 is not known; name the dimensions in axes", i,
                infer_dim_text(infer, dim));
        if (!all && (set >> i & 1) && !one)
            return infer_error(infer, "dimension %u has extent %s, expected 1", i,
                               infer_dim_text(infer, dim));
        if (!one || !(set >> i & 1)) dims[kept++] = dim;
    }
    return infer_result(infer, 0, x.elem, dims, kept);
}

enum status infer_unsqueeze(struct infer *infer) {
    struct types *types = &infer->m->types;
    struct type x = infer_operand(infer, 0);
    uint32_t added = op_attr(infer->op, ATTR_axes)->ints.count, rank = type_rank(types, x), set = 0, next = 0;
    if (added > MAX_RANK - rank)
        return infer_error(infer, "the result would have rank %u, at most %d is supported", rank + added,
                           MAX_RANK);
    if (added) TRY(infer_axes(infer, rank + added, &set));
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank + added; i++)
        dims[i] = set >> i & 1 ? dim_const(types, 1) : dims_at(types, x.shape, next++);
    return infer_result(infer, 0, x.elem, dims, rank + added);
}

/* -- evaluation -- */
enum status eval_copy(const struct eval *eval) {
    const struct tensor *x = eval->in[0];
    struct tensor *y = &eval->out[0];
    check(tensor_bytes(x) == tensor_bytes(y));
    if (tensor_bytes(x)) memcpy(y->data, x->data, tensor_bytes(x));
    return STATUS_OK;
}

/* -- groups: the shortest runs of neighbouring dimensions with equal products on both sides -- */
struct group {
    uint32_t a, a_end, b, b_end; /* dimensions [a, a_end) of the operand are [b, b_end) of the result */
};

struct two_shapes {
    const struct types *types;
    dims_id shape_a, shape_b;
    uint32_t rank_a, rank_b;
    int64_t a[MAX_RANK], b[MAX_RANK]; /* -1: symbolic */
};

static struct two_shapes shapes_of(const struct module *m, const struct op *op) {
    struct two_shapes s = {&m->types, operand_type(m, op, 0).shape, result_type(m, op, 0).shape, 0, 0, {0},
                           {0}};
    s.rank_a = dims_rank(s.types, s.shape_a);
    s.rank_b = dims_rank(s.types, s.shape_b);
    for (uint32_t i = 0; i < s.rank_a; i++)
        if (!dim_is_const(s.types, dims_at(s.types, s.shape_a, i), &s.a[i])) s.a[i] = -1;
    for (uint32_t i = 0; i < s.rank_b; i++)
        if (!dim_is_const(s.types, dims_at(s.types, s.shape_b, i), &s.b[i])) s.b[i] = -1;
    return s;
}

/* A product of dimensions: a constant and how often each symbol or division occurs in it. */
struct product {
    int64_t constant;
    uint32_t count;
    dim_id factor[MAX_RANK * DIM_FACTORS];
};

static bool product_of(const struct types *types, dims_id shape, uint32_t from, uint32_t to,
                       struct product *out) {
    *out = (struct product){.constant = 1};
    for (uint32_t i = from; i < to; i++) {
        int64_t constant;
        dim_id factor[DIM_FACTORS];
        if (!dim_factors(types, dims_at(types, shape, i), &constant, factor)) return false;
        if (!mul_i64(out->constant, constant, &out->constant)) return false;
        for (int f = 0; f < DIM_FACTORS && factor[f].i; f++) out->factor[out->count++] = factor[f];
    }
    return true;
}

static bool same_product(struct product a, const struct product *b) {
    if (a.constant != b->constant || a.count != b->count) return false;
    for (uint32_t i = 0; i < b->count; i++) { /* strike each factor of b out of a */
        uint32_t j = 0;
        while (j < a.count && !dim_same(a.factor[j], b->factor[i])) j++;
        if (j == a.count) return false;
        a.factor[j] = a.factor[--a.count];
    }
    return true;
}

/* The next group from (g->a_end, g->b_end) on; false at the end. Dimensions of extent 1 that are left over at
 * the end of one side form no group. A sum of symbols is a factor like any other only where it stands alone.
 */
static bool next_group(const struct two_shapes *s, struct group *g) {
    uint32_t a = g->a_end, b = g->b_end;
    if (a == s->rank_a || b == s->rank_b) return false;
    *g = (struct group){a, a + 1, b, b + 1};
    if (dim_same(dims_at(s->types, s->shape_a, a), dims_at(s->types, s->shape_b, b))) return true;
    uint32_t most = s->rank_a - a + s->rank_b - b;
    for (uint32_t total = 3; total <= most; total++)
        for (uint32_t n = 1; n < total; n++) {
            struct product pa, pb;
            if (a + n > s->rank_a || b + total - n > s->rank_b) continue;
            if (!product_of(s->types, s->shape_a, a, a + n, &pa) ||
                !product_of(s->types, s->shape_b, b, b + total - n, &pb) || !same_product(pa, &pb))
                continue;
            *g = (struct group){a, a + n, b, b + total - n};
            return true;
        }
    *g = (struct group){a, s->rank_a, b, s->rank_b}; /* all the rest */
    return true;
}

/* -- channels -- */

/* What both sides' dimensions of a group are made of: a dimension of a and one of b have this factor in
 * common, `outer` times over, and within it each index stands for `inner` neighbours. */
struct factor {
    int64_t extent;
    struct factor_side {
        uint32_t dim;
        int64_t outer, inner;
    } a, b;
};
enum { MAX_FACTORS = 2 * MAX_RANK };

/* The place of the next factor in a side: its dimension, and what of that is not used up. */
struct factor_cursor {
    const int64_t *extent;
    uint32_t dim, end;
    int64_t outer, rest;
};

static void next_dim(struct factor_cursor *c) {
    while (c->rest == 1 && c->dim < c->end) {
        c->outer = 1;
        c->rest = ++c->dim < c->end ? c->extent[c->dim] : 1;
    }
}

static struct factor_cursor cursor_of(const int64_t *extent, uint32_t from, uint32_t to) {
    struct factor_cursor c = {extent, from, to, 1, extent[from]};
    next_dim(&c);
    return c;
}

static struct factor_side take_factor(struct factor_cursor *c, int64_t factor) {
    c->rest /= factor;
    struct factor_side side = {c->dim, c->outer, c->rest};
    c->outer *= factor;
    next_dim(c);
    return side;
}

/* The factors of a group, outermost first, as far as the slices of one side are whole slices of the other. */
static uint32_t factors_of(const struct two_shapes *s, const struct group *g, struct factor *out) {
    struct factor_cursor a = cursor_of(s->a, g->a, g->a_end), b = cursor_of(s->b, g->b, g->b_end);
    uint32_t n = 0;
    while (n < MAX_FACTORS && a.dim < g->a_end && b.dim < g->b_end) {
        int64_t extent = min_i64(a.rest, b.rest);
        if (extent <= 0 || a.rest % extent || b.rest % extent) break;
        struct factor_side side_a = take_factor(&a, extent), side_b = take_factor(&b, extent);
        out[n++] = (struct factor){extent, side_a, side_b};
    }
    return n;
}

static void link_factor(struct channel_map *map, const struct factor *f) {
    struct channel_side a = {0, f->a.dim, 0, f->a.inner, f->a.inner},
                        b = {PORT_RESULT, f->b.dim, 0, f->b.inner, f->b.inner};
    for (int64_t i = 0; i < f->a.outer; i++) {
        a.start = i * f->extent * f->a.inner;
        channels_link(map, a, b, f->extent);
    }
    a.start = 0;
    for (int64_t i = 1; i < f->b.outer; i++) {
        b.start = i * f->extent * f->b.inner;
        channels_link(map, a, b, f->extent);
    }
}

static void freeze_others(struct channel_map *map, uint32_t port, const int64_t *extent, uint32_t from,
                          uint32_t to, uint32_t used) {
    for (uint32_t i = from; i < to; i++)
        if (!(used >> i & 1) && extent[i] != 1)
            channels_freeze(map, port, i, "is part of a dimension that is split or merged");
}

/* A dimension can lose slices of one factor, and the factors of other dimensions are independent of that. The
 * choice says which factor comes first; the outermost is the usual one. */
static void channels_group(struct channel_map *map, const struct two_shapes *s, const struct group *g) {
    struct factor factor[MAX_FACTORS];
    uint32_t n = factors_of(s, g, factor), used_a = 0, used_b = 0;
    if (n > 1 && n > map->choices) map->choices = n;
    for (uint32_t i = 0; i < n; i++) {
        const struct factor *f = &factor[(i + map->choice) % n];
        if (used_a >> f->a.dim & 1 || used_b >> f->b.dim & 1) continue;
        used_a |= 1u << f->a.dim;
        used_b |= 1u << f->b.dim;
        link_factor(map, f);
    }
    freeze_others(map, 0, s->a, g->a, g->a_end, used_a);
    freeze_others(map, PORT_RESULT, s->b, g->b, g->b_end, used_b);
}

void channels_reshape(struct channel_map *map) {
    struct two_shapes s = shapes_of(map->m, map->op);
    struct group g = {0, 0, 0, 0};
    while (next_group(&s, &g)) channels_group(map, &s, &g);
}

/* -- footprint -- */
struct reach { /* smallest box so far of the operand's dimensions [a, a_end) */
    const struct two_shapes *s;
    const struct group *g;
    struct box *out;
    bool any;
};

/* Adds the elements first to last of the group, counted in row-major order. The outer coordinates that both
 * ends share are fixed; the first that differs takes the range between them, and all inside it are whole. */
static void reach_add(struct reach *r, int64_t first, int64_t last) {
    int64_t inner = extent_product(r->s->a, r->g->a, r->g->a_end);
    bool fixed = true;
    for (uint32_t i = r->g->a; i < r->g->a_end; i++) {
        inner /= r->s->a[i];
        int64_t lo = 0, hi = r->s->a[i];
        if (fixed) {
            lo = first / inner % r->s->a[i];
            hi = last / inner % r->s->a[i] + 1;
            fixed = hi == lo + 1;
        }
        r->out->lo[i] = r->any ? min_i64(r->out->lo[i], lo) : lo;
        r->out->hi[i] = r->any ? max_i64(r->out->hi[i], hi) : hi;
    }
    r->any = true;
}

/* All runs of the result's box in dimensions [d, b_end): `at` is the position of the outer ones. `run` is the
 * first dimension from which the box is one contiguous run. */
static void reach_runs(struct reach *r, const struct box *result, uint32_t d, uint32_t run, int64_t at) {
    int64_t inner = extent_product(r->s->b, d + 1, r->g->b_end);
    at *= r->s->b[d];
    if (d == run) {
        reach_add(r, (at + result->lo[d]) * inner, (at + result->hi[d]) * inner - 1);
        return;
    }
    for (int64_t i = result->lo[d]; i < result->hi[d]; i++) reach_runs(r, result, d + 1, run, at + i);
}

void footprint_reshape(const struct module *m, const struct op *op, uint32_t operand,
                       const struct box *result, struct box *out) {
    (void)operand;
    struct two_shapes s = shapes_of(m, op);
    *out = box_none(s.rank_a);
    if (box_empty(result)) return;
    *out = box_all(m, op->operand[0]);
    struct group g = {0, 0, 0, 0};
    while (next_group(&s, &g)) {
        struct reach reach = {&s, &g, out, false};
        uint32_t run = g.b_end - 1;
        while (run > g.b && result->lo[run] == 0 && result->hi[run] == s.b[run]) run--;
        reach_runs(&reach, result, g.b, run, 0);
    }
}
