/* GridSample: for each place of the grid, gathers of the cells around it, weighted by the distance along each
 * axis. AffineGrid: grids of places. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>

enum { MOST_AXES = 3, MOST_TAPS = 4, LARGEST = 1 << 26 };
enum grid_mode { GRID_LINEAR, GRID_NEAREST, GRID_CUBIC };
enum grid_padding { PAD_ZEROS, PAD_BORDER, PAD_REFLECTION };

struct grid {
    enum grid_mode mode;
    enum grid_padding padding;
    bool align;
    uint32_t axes, taps;
    int64_t batch, channels, places, cells; /* places: of the grid; cells: of the operand */
    int64_t extent[MOST_AXES];
    dim_id out[MOST_AXES];
    enum elem elem, wide; /* of the operand; of positions and weights */
};

/* What lies around every place along one axis, each [batch, places]. */
struct taps {
    ref index[MOST_TAPS], inside[MOST_TAPS], weight[MOST_TAPS]; /* inside, weight: 0 if always, if 1 */
};

static ref number(struct node *n, const struct grid *g, double value) {
    return ref_f64(n->im, g->wide, value);
}

static ref linear(struct node *n, const struct grid *g, ref x, double factor, double term) {
    return emit2(n, OP_add, emit2(n, OP_mul, x, number(n, g, factor)), number(n, g, term));
}

static ref clipped(struct node *n, ref x, double low, double high) {
    return emit1_with(n, OP_clip, x, attr_float(ATTR_min, low), attr_float(ATTR_max, high));
}

/* Thrown back at both ends as often as need be: low + span - | |x - low| mod 2 span - span |. */
static ref reflected(struct node *n, const struct grid *g, ref x, int64_t extent) {
    double low = g->align ? 0 : -0.5, span = g->align ? (double)extent - 1 : (double)extent;
    if (span == 0) return emit2(n, OP_mul, x, number(n, g, 0));
    ref away = emit1(n, OP_abs, linear(n, g, x, 1, -low));
    ref turn = emit2(n, OP_mod, away, number(n, g, 2 * span));
    return linear(n, g, emit1(n, OP_abs, linear(n, g, turn, 1, -span)), -1, low + span);
}

/* Positions in cells from those in -1…1, brought back into the operand where the padding says so. */
static ref positions(struct node *n, const struct grid *g, ref grid, uint32_t axis) {
    const dim_id flat[2] = {dim_const(&n->im->m->types, g->batch), dim_const(&n->im->m->types, g->places)};
    ref at = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, g->axes - 1 - axis)); /* x comes first */
    ref part = emit2_with(n, OP_gather, grid, at, attr_int(ATTR_axis, g->axes + 1));
    ref x = emit_cast(n, emit1_with(n, OP_reshape, part, node_attr_dims(n, ATTR_shape, flat, 2)), g->wide);
    double extent = (double)g->extent[axis];
    x = g->align ? linear(n, g, x, (extent - 1) / 2, (extent - 1) / 2)
                 : linear(n, g, x, extent / 2, (extent - 1) / 2);
    if (g->padding == PAD_BORDER) return clipped(n, x, 0, extent - 1);
    return g->padding == PAD_REFLECTION ? reflected(n, g, x, g->extent[axis]) : x;
}

/* ((a x + b) x + c) x + d */
static ref cubic(struct node *n, const struct grid *g, ref x, double a, double b, double c, double d) {
    ref y = linear(n, g, x, a, b);
    y = emit2(n, OP_add, emit2(n, OP_mul, y, x), number(n, g, c));
    return emit2(n, OP_add, emit2(n, OP_mul, y, x), number(n, g, d));
}

/* Of the cell at distance `away` >= 0: the inner two cells, or the outer two. */
static ref cubic_weight(struct node *n, const struct grid *g, ref away, bool inner) {
    const double a = -0.75;
    return inner ? cubic(n, g, away, a + 2, -(a + 3), 0, 1) : cubic(n, g, away, a, -5 * a, 8 * a, -4 * a);
}

static void add_tap(struct node *n, const struct grid *g, uint32_t axis, ref cell, struct taps *t,
                    uint32_t k) {
    double last = (double)g->extent[axis] - 1;
    if (g->padding == PAD_ZEROS)
        t->inside[k] = emit2(n, OP_and, emit2(n, OP_greater_equal, cell, number(n, g, 0)),
                             emit2(n, OP_less_equal, cell, number(n, g, last)));
    if (g->padding == PAD_REFLECTION) cell = emit1(n, OP_round, reflected(n, g, cell, g->extent[axis]));
    t->index[k] = emit_cast(n, clipped(n, cell, 0, last), ELEM_i64);
}

static struct taps taps_of(struct node *n, const struct grid *g, ref grid, uint32_t axis) {
    struct taps t = {0};
    ref x = positions(n, g, grid, axis);
    if (g->mode == GRID_NEAREST) {
        add_tap(n, g, axis, emit1(n, OP_round, x), &t, 0);
        return t;
    }
    ref base = emit1(n, OP_floor, x), part = emit2(n, OP_sub, x, base);
    for (uint32_t k = 0; k < g->taps; k++) {
        int64_t offset = (int64_t)k - (g->mode == GRID_CUBIC); /* of the cell from the base */
        add_tap(n, g, axis, linear(n, g, base, 1, (double)offset), &t, k);
        ref away =
            offset > 0 ? linear(n, g, part, -1, (double)offset) : linear(n, g, part, 1, -(double)offset);
        t.weight[k] = g->mode == GRID_CUBIC ? cubic_weight(n, g, away, offset == 0 || offset == 1)
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
static ref share(struct node *n, const struct grid *g, ref rows, const struct taps *taps,
                 uint32_t combination) {
    struct tensor first = tensor_new(ELEM_i64, 2, (const int64_t[]){g->batch, 1});
    for (int64_t i = 0; i < g->batch; i++) tensor_set_i64(&first, i, i * g->cells);
    ref at = ref_of_tensor(n->im, first), inside = {0}, weight = {0};
    int64_t stride = 1;
    for (uint32_t axis = g->axes; axis-- > 0;) {
        const struct taps *t = &taps[axis];
        uint32_t k = combination % g->taps;
        ref step = emit2(n, OP_mul, t->index[k], ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, stride)));
        at = emit2(n, OP_add, step, at);
        if (!ref_none(t->inside[k])) inside = combined(n, OP_and, inside, t->inside[k]);
        if (!ref_none(t->weight[k])) weight = combined(n, OP_mul, weight, t->weight[k]);
        combination /= g->taps;
        stride *= g->extent[axis];
    }
    ref y = emit2_with(n, OP_gather, rows, at, attr_int(ATTR_axis, 0));
    if (!ref_none(weight)) y = emit2(n, OP_mul, y, beside_channels(n, weight));
    if (ref_none(inside) || ref_none(y)) return y;
    return emit3(n, OP_where, beside_channels(n, inside), y, ref_f64(n->im, ref_elem(n->im, y), 0));
}

static enum status read_grid(struct node *n, struct grid *g) {
    static const char *const modes[] = {"linear", "bilinear", "nearest", "cubic", "bicubic", NULL};
    static const enum grid_mode mode_of[] = {GRID_LINEAR, GRID_LINEAR, GRID_NEAREST, GRID_CUBIC, GRID_CUBIC};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), grid = node_in(n, 1);
    uint32_t mode, padding, rank = ref_rank(n->im, x);
    int64_t dim[MAX_RANK], grid_dim[MAX_RANK];
    TRY(node_word(n, "mode", modes, 0, &mode));
    TRY(node_word(n, "padding_mode", paddings, 0, &padding));
    if (rank < 3 || rank > 2 + MOST_AXES || ref_rank(n->im, grid) != rank)
        return node_error(n, "inputs of rank %u and %u, expected 4 or 5", rank, ref_rank(n->im, grid));
    for (uint32_t i = 0; i < rank; i++)
        if (!dim_is_const(types, ref_dim(n->im, x, i), &dim[i]) ||
            !dim_is_const(types, ref_dim(n->im, grid, i), &grid_dim[i]))
            return unsupported(n, "GridSample of a dimension without a size (fix it by --shape or --dim)");
    *g = (struct grid){
        .mode = mode_of[mode], .padding = padding, .align = node_int(n, "align_corners", 0) != 0};
    g->elem = ref_elem(n->im, x), g->axes = rank - 2;
    bool fits_f32 = elem_is_float(g->elem) ? g->elem != ELEM_f64 : elem_bytes(g->elem) < 4;
    g->wide = fits_f32 && ref_elem(n->im, grid) != ELEM_f64 ? ELEM_f32 : ELEM_f64;
    g->taps = g->mode == GRID_NEAREST ? 1 : g->mode == GRID_LINEAR ? 2 : 4;
    g->batch = dim[0], g->channels = dim[1], g->places = g->cells = 1;
    for (uint32_t i = 0; i < g->axes; i++) {
        g->extent[i] = dim[2 + i];
        g->out[i] = ref_dim(n->im, grid, 1 + i);
        g->cells *= dim[2 + i], g->places *= grid_dim[1 + i];
        if (g->cells > LARGEST || g->places > LARGEST)
            return unsupported(n, "GridSample of more than %d cells", LARGEST);
    }
    if (!g->cells || grid_dim[0] != g->batch || grid_dim[rank - 1] != g->axes || g->batch > LARGEST)
        return node_error(n,
                          "its grid has a batch of %" PRId64 " and %" PRId64
                          " coordinates, the operand a batch of %" PRId64 " and %" PRId64 " cells",
                          grid_dim[0], grid_dim[rank - 1], g->batch, g->cells);
    return STATUS_OK;
}

enum status import_grid_sample(struct node *n) {
    struct types *types = &n->im->m->types;
    struct grid g;
    struct taps taps[MOST_AXES];
    int64_t last[MAX_RANK], first[MAX_RANK];
    TRY(read_grid(n, &g));
    uint32_t rank = g.axes + 2, combinations = 1;
    for (uint32_t i = 0; i < rank; i++) { /* channels behind the cells, and back */
        last[i] = i == 0 ? 0 : i + 1 < rank ? i + 1 : 1;
        first[i] = i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
    }
    const dim_id flat[2] = {dim_const(types, g.batch * g.cells), dim_const(types, g.channels)};
    ref rows = emit1_with(n, OP_transpose, node_in(n, 0), node_attr_ints(n, ATTR_perm, last, rank)),
        sum = {0};
    rows = emit1_with(n, OP_reshape, rows, node_attr_dims(n, ATTR_shape, flat, 2));
    if (g.mode != GRID_NEAREST) rows = emit_cast(n, rows, g.wide);
    for (uint32_t i = 0; i < g.axes; i++) {
        taps[i] = taps_of(n, &g, node_in(n, 1), i);
        combinations *= g.taps;
    }
    for (uint32_t i = 0; i < combinations; i++) {
        ref part = share(n, &g, rows, taps, i);
        if (ref_none(part)) return STATUS_FAILED;
        sum = combined(n, OP_add, sum, part);
    }
    dim_id dims[MAX_RANK] = {dim_const(types, g.batch)};
    for (uint32_t i = 0; i < g.axes; i++) dims[1 + i] = g.out[i];
    dims[1 + g.axes] = dim_const(types, g.channels);
    ref y = emit1_with(n, OP_reshape, sum, node_attr_dims(n, ATTR_shape, dims, rank));
    y = emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, first, rank));
    return node_result_as(n, y, g.elem);
}

/* -- AffineGrid -- */

/* Place i of `count` in -1 … 1; a single one whose centre both ends are lies in the middle, as PyTorch has
 * it. */
static double place_of(int64_t i, int64_t count, bool align) {
    if (!align) return (double)(2 * i + 1) / (double)count - 1;
    return count == 1 ? 0 : 2 * (double)i / (double)(count - 1) - 1;
}

/* (x, y, 1) or (x, y, z, 1) of all places, as rows. */
static ref all_places(struct node *n, enum elem elem, uint32_t axes, const int64_t *extent, int64_t count,
                      bool align) {
    struct tensor t = tensor_new(elem, 2, (const int64_t[]){count, axes + 1});
    for (int64_t i = 0; i < count; i++) {
        int64_t left = i;
        for (uint32_t axis = axes; axis-- > 0; left /= extent[axis])
            tensor_set_f64(&t, i * (axes + 1) + axes - 1 - axis,
                           place_of(left % extent[axis], extent[axis], align));
        tensor_set_f64(&t, i * (axes + 1) + axes, 1);
    }
    return ref_of_tensor(n->im, t);
}

enum status import_affine_grid(struct node *n) {
    struct types *types = &n->im->m->types;
    ref theta = node_in(n, 0);
    bool align = node_int(n, "align_corners", 0) != 0;
    dim_id size[MAX_RANK], dims[MAX_RANK];
    int64_t extent[MOST_AXES], count = 1, rows = 0, columns = 0;
    uint32_t rank;
    TRY(node_dims(n, 1, size, MAX_RANK, &rank));
    if (rank < 4 || rank > 2 + MOST_AXES) return node_error(n, "size has %u numbers, expected 4 or 5", rank);
    uint32_t axes = rank - 2;
    if (ref_rank(n->im, theta) != 3 || !dim_is_const(types, ref_dim(n->im, theta, 1), &rows) ||
        !dim_is_const(types, ref_dim(n->im, theta, 2), &columns) || rows != axes || columns != axes + 1)
        return node_error(n, "input 0 holds no matrices of %u rows and %u columns", axes, axes + 1);
    if (!elem_is_float(ref_elem(n->im, theta)))
        return node_error(n, "input 0 is %s", elem_name(ref_elem(n->im, theta)));
    for (uint32_t i = 0; i < axes; i++) {
        if (!dim_is_const(types, size[2 + i], &extent[i]))
            return unsupported(n, "AffineGrid of a dimension without a size (fix it by --shape or --dim)");
        if (extent[i] < 0) return node_error(n, "size is %" PRId64 " in dimension %u", extent[i], 2 + i);
        if (extent[i] > LARGEST || (count *= extent[i]) > LARGEST)
            return unsupported(n, "AffineGrid of more than %d places", LARGEST);
        dims[1 + i] = size[2 + i];
    }
    dims[0] = ref_dim(n->im, theta, 0);
    dims[1 + axes] = dim_const(types, axes);
    ref places = all_places(n, ref_elem(n->im, theta), axes, extent, count, align);
    ref across =
        emit1_with(n, OP_transpose, theta, node_attr_ints(n, ATTR_perm, (const int64_t[]){0, 2, 1}, 3));
    ref y = emit2(n, OP_matmul, places, across);
    return node_result(n, emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, axes + 2)));
}
