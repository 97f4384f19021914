#include "passes/candidates.h"

#include "ir/op.h"

/* Estimates only rank candidates, so round numbers do: a core's clock, and bytes that pass through it in a
 * nanosecond. */
static const double ns_per_cycle = 0.3, bytes_per_ns = 8;
/* Scalar loops next to vector kernels. */
static const double generic_slowdown = 20;
/* Proposals of one contraction and layout that compete. */
enum { PROPOSALS = 3 };

struct list {
    struct module *m;
    const struct op *op;
    const struct target *target;
    struct candidate *at;
    uint32_t count, room;
};

static struct type type_of(const struct list *l, value_id v) {
    return value_get(l->m, v)->type;
}

static double bytes_moved(const struct list *l) {
    double bytes = 0;
    for (uint32_t i = 0; i < l->op->operand_count; i++)
        if (l->op->operand[i].i)
            bytes += (double)type_count(&l->m->types, type_of(l, l->op->operand[i])) *
                     (double)elem_bytes(type_of(l, l->op->operand[i]).elem);
    for (uint32_t i = 0; i < l->op->result_count; i++)
        bytes += (double)type_count(&l->m->types, type_of(l, l->op->result[i])) *
                 (double)elem_bytes(type_of(l, l->op->result[i]).elem);
    return bytes;
}

static layout_id *new_layouts(const struct list *l) {
    return arena_array(&l->m->arena, layout_id, l->op->operand_count + 1);
}

static void add(struct list *l, struct candidate c) {
    if (l->count < l->room) l->at[l->count++] = c;
}

static void add_plain(struct list *l, const char *why_slow) {
    double cost = bytes_moved(l) / bytes_per_ns * (why_slow ? generic_slowdown : 1);
    add(l, (struct candidate){.in = new_layouts(l), .cost_ns = cost, .why_slow = why_slow});
}

/* -- channel-blocked -- */

/* The share of the stored elements that are padding costs time too. */
static double padding_factor(int64_t channels, int64_t lanes) {
    return channels ? (double)round_up(channels, lanes) / (double)channels : 1;
}

/* What an operand that broadcasts to a channel-blocked result is stored in: its channels innermost in the
 * same blocks; plain where it has one channel or none, or as many as do not match. */
static layout_id following_layout(const struct list *l, struct type operand, struct type result,
                                  uint32_t block) {
    int64_t dims[MAX_RANK], wide[MAX_RANK];
    uint32_t rank = type_rank(&l->m->types, operand), full = type_rank(&l->m->types, result);
    if (!type_static(&l->m->types, operand, dims) || !type_static(&l->m->types, result, wide))
        return (layout_id){0};
    if (rank + 1 < full || rank > full) return (layout_id){0};
    uint32_t axis = 1 + rank - full; /* of the channels in the operand */
    if (dims[axis] != wide[1] || wide[1] == 1) return (layout_id){0};
    struct layout layout = {.count = rank + 1};
    for (uint32_t i = 0; i < rank; i++)
        layout.at[i] = (struct layout_dim){(uint8_t)i, false, i == axis ? block : 1};
    layout.at[rank] = (struct layout_dim){(uint8_t)axis, true, block};
    return layout_make(&l->m->types, &layout);
}

/* Rank 3 to 5 with enough channels that blocks are not mostly padding. */
static bool may_block(const struct list *l, struct type type) {
    int64_t dims[MAX_RANK];
    uint32_t rank = type_rank(&l->m->types, type);
    if (!l->target || rank < 3 || rank > 5 || !type_static(&l->m->types, type, dims)) return false;
    return padding_factor(dims[1], target_lanes(l->target)) <= 2;
}

/* Operands of pointwise ops broadcast; those of the others have the result's rank and channels of their own.
 */
static layout_id operand_layout(const struct list *l, struct type operand, struct type result,
                                uint32_t block) {
    bool broadcasts = l->op->body.i || op_info(l->op->kind)->traits & TRAIT_BROADCASTS;
    return broadcasts ? following_layout(l, operand, result, block)
                      : layout_channel_blocked(&l->m->types, type_rank(&l->m->types, operand), block);
}

static void add_following(struct list *l) {
    struct type result = type_of(l, l->op->result[0]);
    if (!may_block(l, result)) return;
    uint32_t block = target_lanes(l->target);
    layout_id *in = new_layouts(l);
    for (uint32_t i = 0; i < l->op->operand_count; i++)
        if (l->op->operand[i].i) in[i] = operand_layout(l, type_of(l, l->op->operand[i]), result, block);
    double factor = padding_factor(dim_lo(&l->m->types, dims_at(&l->m->types, result.shape, 1)), block);
    layout_id out = layout_channel_blocked(&l->m->types, type_rank(&l->m->types, result), block);
    add(l, (struct candidate){.out = out, .in = in, .cost_ns = bytes_moved(l) / bytes_per_ns * factor});
}

/* -- contractions -- */

/* The contraction of an op and, for each operand of it, the position among the operands of the fuse around
 * it. */
struct anchor {
    const struct op *op;
    uint32_t x,
        w; /* positions of operands 0 and 1 among the outer op's; UINT32_MAX: computed inside the body */
};

static uint32_t outer_position(const struct list *l, value_id v) {
    const struct value *value = value_get(l->m, v);
    if (!l->op->body.i) {
        for (uint32_t i = 0; i < l->op->operand_count; i++)
            if (value_same(l->op->operand[i], v)) return i;
        return UINT32_MAX;
    }
    return value->kind == VALUE_ARGUMENT ? value->index : UINT32_MAX;
}

static bool find_anchor(const struct list *l, struct anchor *out) {
    const struct op *found = NULL;
    if (!l->op->body.i) {
        if (op_info(l->op->kind)->class == CLASS_CONTRACTION) found = l->op;
    } else {
        const struct region *body = region_get(l->m, l->op->body);
        for (uint32_t i = 0; i < body->ops.count && !found; i++) {
            const struct op *op = op_get(l->m, body->ops.at[i]);
            if (op_info(op->kind)->class == CLASS_CONTRACTION) found = op;
        }
    }
    if (!found || op_info(found->kind)->traits & TRAIT_COMPOSITE) return false;
    *out = (struct anchor){found, outer_position(l, found->operand[0]), outer_position(l, found->operand[1])};
    return true;
}

static void add_scheduled(struct list *l, const struct anchor *a, const struct contraction *c, layout_id x) {
    struct proposal proposals[PROPOSALS];
    uint32_t n = contraction_propose(c, l->target, proposals, PROPOSALS);
    layout_id out = contraction_result_layout(l->m, a->op, c, l->target);
    for (uint32_t k = 0; k < n; k++) {
        layout_id *in = new_layouts(l);
        if (out.i)
            for (uint32_t i = 0; i < l->op->operand_count; i++)
                if (l->op->operand[i].i)
                    in[i] = following_layout(l, type_of(l, l->op->operand[i]), type_of(l, l->op->result[0]),
                                             target_lanes(l->target));
        in[a->x] = x;
        if (c->coded)
            in[a->w] = (layout_id){0};
        else
            in[a->w] = contraction_weights_layout(l->m, a->op, c, &proposals[k].schedule, l->target);
        add(l, (struct candidate){.out = out,
                                  .in = in,
                                  .coded = c->coded ? arena_copy(&l->m->arena, c, sizeof *c) : NULL,
                                  .coded_operand = a->w,
                                  .schedule = proposals[k].schedule,
                                  .has_schedule = true,
                                  .cost_ns = proposals[k].cycles * ns_per_cycle});
    }
}

/* Convolutions may read a plain or a channel-blocked input; both compete. */
static void add_contraction(struct list *l, const struct anchor *a) {
    struct contraction c;
    const char *why_not = l->target ? contraction_of(l->m, a->op, &c) : "no target is chosen";
    if (!why_not && (a->x == UINT32_MAX || a->w == UINT32_MAX))
        why_not = "an operand is computed in the same group";
    if (!why_not && c.coded && !value_constant(l->m, l->op->operand[a->w]))
        why_not = "coded weights are not constant";
    if (why_not) {
        add_plain(l, l->target ? why_not : NULL);
        return;
    }
    if (c.kind == CONTRACTION_MATMUL) {
        const struct value *b = value_get(l->m, l->op->operand[a->w]);
        if (c.matmul.packable && b->kind == VALUE_PARAMETER) c.matmul.packed = true;
        add_scheduled(l, a, &c, (layout_id){0});
        return;
    }
    struct type x = type_of(l, l->op->operand[a->x]);
    layout_id blocked =
        layout_channel_blocked(&l->m->types, type_rank(&l->m->types, x), target_lanes(l->target));
    c.conv.blocked = true;
    add_scheduled(l, a, &c, blocked);
    c.conv.blocked = false;
    if (c.kind == CONTRACTION_CONV && c.conv.groups == 1) add_scheduled(l, a, &c, (layout_id){0});
    if (!l->count) add_plain(l, "the channels of a group are no multiple of the vector");
}

/* -- everything else -- */

static bool spatial_axes_kept(const struct list *l, const struct op *op) {
    uint32_t n, rank = type_rank(&l->m->types, type_of(l, op->operand[0]));
    const int64_t *axes = op_ints(op, ATTR_axes, &n);
    for (uint32_t i = 0; i < n; i++)
        if ((axes[i] < 0 ? axes[i] + rank : axes[i]) < 2) return false;
    return n > 0 && op_bool(op, ATTR_keep);
}

static bool joins_whole_blocks(const struct list *l, const struct op *op) {
    int64_t axis = op_int(op, ATTR_axis), dims[MAX_RANK];
    uint32_t rank = type_rank(&l->m->types, type_of(l, op->result[0]));
    if (axis < 0) axis += rank;
    if (axis != 1) return true;
    for (uint32_t i = 0; i < op->operand_count; i++)
        if (!type_static(&l->m->types, type_of(l, op->operand[i]), dims) || dims[1] % target_lanes(l->target))
            return false;
    return true;
}

static bool resizes_space_only(const struct list *l, const struct op *op) {
    int64_t in[MAX_RANK], out[MAX_RANK];
    if (!type_static(&l->m->types, type_of(l, op->operand[0]), in)) return false;
    if (!type_static(&l->m->types, type_of(l, op->result[0]), out)) return false;
    return in[0] == out[0] && in[1] == out[1];
}

/* Ops that treat every channel alike and by itself: they compute in channel-blocked layout as well as in
 * plain. */
static bool works_by_channel(const struct list *l) {
    const struct op *op = l->op;
    switch (op->kind) {
    case OP_maxpool1d:
    case OP_maxpool2d:
    case OP_avgpool1d:
    case OP_avgpool2d:
        return true;
    case OP_reduce_mean:
    case OP_reduce_sum:
    case OP_reduce_max:
    case OP_reduce_min:
        return spatial_axes_kept(l, op);
    case OP_concat:
        return may_block(l, type_of(l, op->result[0])) && joins_whole_blocks(l, op);
    case OP_resize:
        return type_rank(&l->m->types, type_of(l, op->operand[0])) == 4 && resizes_space_only(l, op);
    default:
        return op_info(op->kind)->class == CLASS_POINTWISE;
    }
}

uint32_t candidates_of(struct module *m, op_id id, const struct target *target, struct candidate *out,
                       uint32_t room) {
    struct list l = {.m = m, .op = op_get(m, id), .target = target, .at = out, .room = room};
    struct anchor anchor;
    if (find_anchor(&l, &anchor)) {
        add_contraction(&l, &anchor);
    } else {
        add_plain(&l, NULL);
        if (l.op->body.i || works_by_channel(&l)) add_following(&l);
    }
    check(l.count > 0);
    return l.count;
}
