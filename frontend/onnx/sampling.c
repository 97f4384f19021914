#include "frontend/onnx/sampling.h"

/* What lies around every place along one axis, each [batch, places]. */
struct taps {
    ref index[SAMPLING_TAPS], inside[SAMPLING_TAPS],
        weight[SAMPLING_TAPS]; /* inside, weight: 0 if always, if 1 */
};

static uint32_t taps_along(const struct sampling *g) {
    return g->mode == SAMPLING_NEAREST ? 1 : g->mode == SAMPLING_LINEAR ? 2 : 4;
}

static ref number(struct node *n, const struct sampling *g, double value) {
    return ref_f64(n->im, g->wide, value);
}

static ref linear(struct node *n, const struct sampling *g, ref x, double factor, double term) {
    return emit2(n, OP_add, emit2(n, OP_mul, x, number(n, g, factor)), number(n, g, term));
}

static ref clipped(struct node *n, ref x, double low, double high) {
    return emit1_with(n, OP_clip, x, attr_float(ATTR_min, low), attr_float(ATTR_max, high));
}

/* Thrown back at both ends as often as need be: low + span - | |x - low| mod 2 span - span |. */
static ref reflected(struct node *n, const struct sampling *g, ref x, int64_t extent) {
    double low = g->align ? 0 : -0.5, span = g->align ? (double)extent - 1 : (double)extent;
    if (span == 0) return emit2(n, OP_mul, x, number(n, g, 0));
    ref away = emit1(n, OP_abs, linear(n, g, x, 1, -low));
    ref turn = emit2(n, OP_mod, away, number(n, g, 2 * span));
    return linear(n, g, emit1(n, OP_abs, linear(n, g, turn, 1, -span)), -1, low + span);
}

/* ((a x + b) x + c) x + d */
static ref cubic(struct node *n, const struct sampling *g, ref x, double a, double b, double c, double d) {
    ref y = linear(n, g, x, a, b);
    y = emit2(n, OP_add, emit2(n, OP_mul, y, x), number(n, g, c));
    return emit2(n, OP_add, emit2(n, OP_mul, y, x), number(n, g, d));
}

/* Of the cell at distance `away` >= 0: the inner two cells, or the outer two. */
static ref cubic_weight(struct node *n, const struct sampling *g, ref away, bool inner) {
    const double a = -0.75;
    return inner ? cubic(n, g, away, a + 2, -(a + 3), 0, 1) : cubic(n, g, away, a, -5 * a, 8 * a, -4 * a);
}

static void add_tap(struct node *n, const struct sampling *g, uint32_t axis, ref cell, struct taps *t,
                    uint32_t k) {
    double last = (double)g->extent[axis] - 1;
    if (g->padding == PAD_ZEROS)
        t->inside[k] = emit2(n, OP_and, emit2(n, OP_greater_equal, cell, number(n, g, 0)),
                             emit2(n, OP_less_equal, cell, number(n, g, last)));
    if (g->padding == PAD_REFLECTION) cell = emit1(n, OP_round, reflected(n, g, cell, g->extent[axis]));
    t->index[k] = emit_cast(n, clipped(n, cell, 0, last), ELEM_i64);
}

static struct taps taps_of(struct node *n, const struct sampling *g, ref x, uint32_t axis) {
    struct taps t = {0};
    /* Brought back into the operand where the padding says so. */
    if (g->padding == PAD_BORDER) x = clipped(n, x, 0, (double)g->extent[axis] - 1);
    if (g->padding == PAD_REFLECTION) x = reflected(n, g, x, g->extent[axis]);
    if (g->mode == SAMPLING_NEAREST) {
        add_tap(n, g, axis, emit1(n, OP_round, x), &t, 0);
        return t;
    }
    ref base = emit1(n, OP_floor, x), part = emit2(n, OP_sub, x, base);
    for (uint32_t k = 0; k < taps_along(g); k++) {
        int64_t offset = (int64_t)k - (g->mode == SAMPLING_CUBIC); /* of the cell from the base */
        add_tap(n, g, axis, linear(n, g, base, 1, (double)offset), &t, k);
        ref away =
            offset > 0 ? linear(n, g, part, -1, (double)offset) : linear(n, g, part, 1, -(double)offset);
        t.weight[k] = g->mode == SAMPLING_CUBIC ? cubic_weight(n, g, away, offset == 0 || offset == 1)
                                                : linear(n, g, away, -1, 1);
    }
    return t;
}

static ref combined(struct node *n, enum op_kind kind, ref a, ref b) {
    return ref_none(a) ? b : emit2(n, kind, a, b);
}

static ref beside_channels(struct node *n, ref x) {
    static const int64_t axis = 2;
    return emit1_with(n, OP_unsqueeze, x, node_attr_ints(n, ATTR_axes, &axis, 1));
}

/* The share of one combination of taps, [batch, places, channels]. */
static ref share(struct node *n, const struct sampling *g, ref rows, const struct taps *taps,
                 uint32_t combination) {
    struct tensor first = tensor_new(ELEM_i64, 2, (const int64_t[]){g->batch, 1});
    for (int64_t i = 0; i < g->batch; i++) tensor_set_i64(&first, i, i * g->cells);
    ref at = ref_of_tensor(n->im, first), inside = {0}, weight = {0};
    int64_t stride = 1;
    for (uint32_t axis = g->axes; axis-- > 0;) {
        const struct taps *t = &taps[axis];
        uint32_t k = combination % taps_along(g);
        ref step = emit2(n, OP_mul, t->index[k], ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, stride)));
        at = emit2(n, OP_add, step, at);
        if (!ref_none(t->inside[k])) inside = combined(n, OP_and, inside, t->inside[k]);
        if (!ref_none(t->weight[k])) weight = combined(n, OP_mul, weight, t->weight[k]);
        combination /= taps_along(g);
        stride *= g->extent[axis];
    }
    ref y = emit2_with(n, OP_gather, rows, at, attr_int(ATTR_axis, 0));
    if (!ref_none(weight)) y = emit2(n, OP_mul, y, beside_channels(n, weight));
    if (ref_none(inside) || ref_none(y)) return y;
    return emit3(n, OP_where, beside_channels(n, inside), y, ref_f64(n->im, ref_elem(n->im, y), 0));
}

ref emit_samples(struct node *n, const struct sampling *g, ref rows, const ref at[]) {
    struct taps taps[SAMPLING_AXES];
    uint32_t combinations = 1;
    ref sum = {0};
    for (uint32_t i = 0; i < g->axes; i++) {
        taps[i] = taps_of(n, g, at[i], i);
        combinations *= taps_along(g);
    }
    for (uint32_t i = 0; i < combinations; i++) {
        ref part = share(n, g, rows, taps, i);
        if (ref_none(part)) return part;
        sum = combined(n, OP_add, sum, part);
    }
    return sum;
}
