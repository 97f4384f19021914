/* GridSample, and AffineGrid, which makes grids of places for it. */
#include "frontend/onnx/sampling.h"

#include <inttypes.h>

enum { LARGEST = 1 << 26 };

struct grid {
    struct sampling sampling;
    enum elem elem; /* of the operand */
    int64_t channels, places;
    dim_id out[SAMPLING_AXES];
};

/* Positions in cells from those in -1…1. */
static ref positions(struct node *n, const struct grid *g, ref grid, uint32_t axis) {
    const struct sampling *s = &g->sampling;
    const dim_id flat[2] = {dim_const(&n->im->m->types, s->batch), dim_const(&n->im->m->types, g->places)};
    ref at = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, s->axes - 1 - axis)); /* x comes first */
    ref part = emit2_with(n, OP_gather, grid, at, attr_int(ATTR_axis, s->axes + 1));
    ref x = emit1_with(n, OP_reshape, part, node_attr_dims(n, ATTR_shape, flat, 2));
    double half = (double)s->extent[axis] / 2, last = half - 0.5;
    x = emit_cast(n, x, s->wide);
    x = emit2(n, OP_mul, x, ref_f64(n->im, s->wide, s->align ? last : half));
    return emit2(n, OP_add, x, ref_f64(n->im, s->wide, last));
}

static enum status read_grid(struct node *n, struct grid *g) {
    static const char *const modes[] = {"linear", "bilinear", "nearest", "cubic", "bicubic", NULL};
    static const enum sampling_mode mode_of[] = {SAMPLING_LINEAR, SAMPLING_LINEAR, SAMPLING_NEAREST,
                                                 SAMPLING_CUBIC, SAMPLING_CUBIC};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), grid = node_in(n, 1);
    uint32_t mode, padding, rank = ref_rank(n->im, x);
    int64_t dim[MAX_RANK], grid_dim[MAX_RANK];
    TRY(node_word(n, "mode", modes, 0, &mode));
    TRY(node_word(n, "padding_mode", paddings, 0, &padding));
    if (rank < 3 || rank > 2 + SAMPLING_AXES || ref_rank(n->im, grid) != rank)
        return node_error(n, "inputs of rank %u and %u, expected 4 or 5", rank, ref_rank(n->im, grid));
    for (uint32_t i = 0; i < rank; i++)
        if (!dim_is_const(types, ref_dim(n->im, x, i), &dim[i]) ||
            !dim_is_const(types, ref_dim(n->im, grid, i), &grid_dim[i]))
            return unsupported(n, "GridSample of a dimension without a size (fix it by --shape or --dim)");
    *g = (struct grid){.channels = dim[1], .places = 1, .elem = ref_elem(n->im, x)};
    bool fits_f32 = elem_is_float(g->elem) ? g->elem != ELEM_f64 : elem_bytes(g->elem) < 4;
    struct sampling *s = &g->sampling;
    *s = (struct sampling){.mode = mode_of[mode],
                           .padding = padding,
                           .align = node_int(n, "align_corners", 0) != 0,
                           .axes = rank - 2,
                           .batch = dim[0],
                           .cells = 1,
                           .wide = fits_f32 && ref_elem(n->im, grid) != ELEM_f64 ? ELEM_f32 : ELEM_f64};
    for (uint32_t i = 0; i < s->axes; i++) {
        s->extent[i] = dim[2 + i];
        g->out[i] = ref_dim(n->im, grid, 1 + i);
        s->cells *= dim[2 + i], g->places *= grid_dim[1 + i];
        if (s->cells > LARGEST || g->places > LARGEST)
            return unsupported(n, "GridSample of more than %d cells", LARGEST);
    }
    if (!s->cells || grid_dim[0] != s->batch || grid_dim[rank - 1] != s->axes || s->batch > LARGEST)
        return node_error(n,
                          "its grid has a batch of %" PRId64 " and %" PRId64
                          " coordinates, the operand a batch of %" PRId64 " and %" PRId64 " cells",
                          grid_dim[0], grid_dim[rank - 1], s->batch, s->cells);
    return STATUS_OK;
}

enum status import_grid_sample(struct node *n) {
    struct types *types = &n->im->m->types;
    struct grid g;
    int64_t last[MAX_RANK], first[MAX_RANK];
    TRY(read_grid(n, &g));
    const struct sampling *s = &g.sampling;
    uint32_t rank = s->axes + 2;
    ref at[SAMPLING_AXES];
    for (uint32_t i = 0; i < rank; i++) { /* channels behind the cells, and back */
        last[i] = i == 0 ? 0 : i + 1 < rank ? i + 1 : 1;
        first[i] = i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
    }
    const dim_id flat[2] = {dim_const(types, s->batch * s->cells), dim_const(types, g.channels)};
    ref rows = emit1_with(n, OP_transpose, node_in(n, 0), node_attr_ints(n, ATTR_perm, last, rank));
    rows = emit1_with(n, OP_reshape, rows, node_attr_dims(n, ATTR_shape, flat, 2));
    if (s->mode != SAMPLING_NEAREST) rows = emit_cast(n, rows, s->wide);
    for (uint32_t i = 0; i < s->axes; i++) at[i] = positions(n, &g, node_in(n, 1), i);
    ref sum = emit_samples(n, s, rows, at);
    if (ref_none(sum)) return STATUS_FAILED;
    dim_id dims[MAX_RANK] = {dim_const(types, s->batch)};
    for (uint32_t i = 0; i < s->axes; i++) dims[1 + i] = g.out[i];
    dims[1 + s->axes] = dim_const(types, g.channels);
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
    int64_t extent[SAMPLING_AXES], count = 1, rows = 0, columns = 0, told, batch;
    uint32_t rank;
    TRY(node_dims(n, 1, size, MAX_RANK, &rank));
    if (rank < 4 || rank > 2 + SAMPLING_AXES)
        return node_error(n, "size has %u numbers, expected 4 or 5", rank);
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
    if (dim_is_const(types, size[0], &told) && dim_is_const(types, dims[0], &batch) && told != batch)
        return node_error(n, "size is %" PRId64 " in dimension 0, but input 0 holds %" PRId64 " matrices",
                          told, batch);
    dims[1 + axes] = dim_const(types, axes);
    ref places = all_places(n, ref_elem(n->im, theta), axes, extent, count, align);
    ref across =
        emit1_with(n, OP_transpose, theta, node_attr_ints(n, ATTR_perm, (const int64_t[]){0, 2, 1}, 3));
    ref y = emit2(n, OP_matmul, places, across);
    return node_result(n, emit1_with(n, OP_reshape, y, node_attr_dims(n, ATTR_shape, dims, axes + 2)));
}
