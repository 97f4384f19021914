/* Ops that move elements and look at none. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum status import_flatten(struct node *n) {
    ref x = node_in(n, 0);
    int64_t rank = ref_rank(n->im, x), axis = node_int(n, "axis", 1);
    if (axis < -rank || axis > rank)
        return node_error(n, "axis %" PRId64 " does not exist, the rank is %" PRId64, axis, rank);
    return node_result(n, emit1_with(n, OP_flatten, x, attr_int(ATTR_axis, axis < 0 ? axis + rank : axis)));
}

enum status import_squeeze(struct node *n) {
    struct ints axes;
    TRY(node_ints_or_input(n, "axes", 1, &axes));
    return node_result(
        n, emit1_with(n, OP_squeeze, node_in(n, 0), node_attr_ints(n, ATTR_axes, axes.at, axes.count)));
}

enum status import_unsqueeze(struct node *n) {
    struct ints axes;
    TRY(node_ints_or_input(n, "axes", 1, &axes));
    if (!axes.given) return node_error(n, "it has no axes");
    if (!axes.count) return node_result(n, node_in(n, 0));
    return node_result(
        n, emit1_with(n, OP_unsqueeze, node_in(n, 0), node_attr_ints(n, ATTR_axes, axes.at, axes.count)));
}

enum status import_transpose(struct node *n) {
    struct ints perm = node_ints(n, "perm");
    ref x = node_in(n, 0);
    if (ref_rank(n->im, x) == 0) return node_result(n, x);
    return node_result(n, emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, perm.at, perm.count)));
}

enum status import_concat(struct node *n) {
    uint32_t count = (uint32_t)n->proto->n_input, axis;
    ref *in = arena_array(&n->im->m->arena, ref, count);
    for (uint32_t i = 0; i < count; i++) {
        in[i] = node_in(n, i);
        if (ref_none(in[i])) return node_error(n, "input %u is missing", i);
    }
    if (!node_attr(n, "axis")) return node_error(n, "it has no axis");
    TRY(node_axis(n, node_int(n, "axis", 0), ref_rank(n->im, in[0]), &axis));
    if (count == 1) return node_result(n, in[0]);
    return node_result(n, emit_op(n, OP_concat, in, count, EMIT_ATTRS(attr_int(ATTR_axis, axis))));
}

/* -- slice -- */

/* The bounds from an input; a symbolic bound is one of the ends of the axis, or is not supported. */
static enum status slice_bound(struct node *n, uint32_t input, const struct ints *axes, int64_t *out,
                               uint32_t *count) {
    struct importer *im = n->im;
    dim_id dims[MAX_RANK];
    TRY(node_dims(n, input, dims, MAX_RANK, count));
    for (uint32_t i = 0; i < *count; i++) {
        uint32_t axis = i, rank = ref_rank(im, node_in(n, 0));
        if (dim_is_const(&im->m->types, dims[i], &out[i])) continue;
        if (axes->given && i < axes->count) TRY(node_axis(n, axes->at[i], rank, &axis));
        if (axis >= rank || !dim_same(dims[i], ref_dim(im, node_in(n, 0), axis)))
            return unsupported(
                n, "Slice whose bounds depend on a dimension without a size (fix it by --shape or --dim)");
        out[i] = INT64_MAX;
    }
    return STATUS_OK;
}

static enum status emit_slice(struct node *n, const int64_t *starts, const int64_t *ends, uint32_t count,
                              const struct ints *axes, const struct ints *steps) {
    int64_t all[MAX_RANK], ones[MAX_RANK], stride[MAX_RANK];
    for (uint32_t i = 0; i < MAX_RANK; i++) all[i] = i, ones[i] = 1;
    if ((axes->given && axes->count != count) || (steps->given && steps->count != count) ||
        count > ref_rank(n->im, node_in(n, 0)))
        return node_error(n, "it has %u starts for rank %u, %u axes and %u steps", count,
                          ref_rank(n->im, node_in(n, 0)), axes->count, steps->count);
    for (uint32_t i = 0; i < count; i++) /* a longer step leaves the axis as one of that length does */
        stride[i] = max_i64(min_i64((steps->given ? steps->at : ones)[i], DIM_MAX), -DIM_MAX);
    return node_result(n,
                       emit1_with(n, OP_slice, node_in(n, 0), node_attr_ints(n, ATTR_starts, starts, count),
                                  node_attr_ints(n, ATTR_ends, ends, count),
                                  node_attr_ints(n, ATTR_axes, axes->given ? axes->at : all, count),
                                  node_attr_ints(n, ATTR_steps, stride, count)));
}

enum status import_slice(struct node *n) {
    struct ints axes, steps = {0};
    if (n->opset < 10) {
        struct ints starts = node_ints(n, "starts"), ends = node_ints(n, "ends");
        axes = node_ints(n, "axes");
        if (starts.count != ends.count || starts.count > MAX_RANK)
            return node_error(n, "it has %u starts and %u ends", starts.count, ends.count);
        return emit_slice(n, starts.at, ends.at, starts.count, &axes, &steps);
    }
    int64_t starts[MAX_RANK], ends[MAX_RANK];
    uint32_t count, end_count;
    TRY(node_ints_or_input(n, "axes", 3, &axes));
    TRY(node_ints_or_input(n, "steps", 4, &steps));
    TRY(slice_bound(n, 1, &axes, starts, &count));
    TRY(slice_bound(n, 2, &axes, ends, &end_count));
    if (count != end_count) return node_error(n, "it has %u starts and %u ends", count, end_count);
    return emit_slice(n, starts, ends, count, &axes, &steps);
}

/* -- split -- */

/* Sizes of equal pieces, the last one smaller if need be. */
static enum status equal_pieces(struct node *n, ref x, uint32_t axis, uint32_t count, int64_t *sizes) {
    int64_t extent;
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &extent))
        return unsupported(n, "Split of a dimension without a size (fix it by --shape or --dim)");
    int64_t piece = ceil_div(extent, count);
    for (uint32_t i = 0; i < count; i++) sizes[i] = max_i64(min_i64(piece, extent - (int64_t)i * piece), 0);
    return STATUS_OK;
}

/* More pieces than an op has results: each by a slice of its own. */
static enum status cut_pieces(struct node *n, ref x, int64_t axis, const int64_t *sizes, uint32_t count) {
    int64_t start = 0, extent, sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (sizes[i] < 0 || sizes[i] > DIM_MAX)
            return node_error(n, "piece %u has %" PRId64 " elements", i, sizes[i]);
    for (uint32_t i = 0; i < count; i++) sum += sizes[i];
    if (dim_is_const(&n->im->m->types, ref_dim(n->im, x, (uint32_t)axis), &extent) && extent != sum)
        return node_error(n, "its pieces have %" PRId64 " elements together, the axis %" PRId64, sum, extent);
    for (uint32_t i = 0; i < count; i++) {
        int64_t end = start + sizes[i];
        ref piece = emit1_with(n, OP_slice, x, node_attr_ints(n, ATTR_starts, &start, 1),
                               node_attr_ints(n, ATTR_ends, &end, 1), node_attr_ints(n, ATTR_axes, &axis, 1));
        if (ref_none(piece)) return STATUS_FAILED;
        node_out(n, i, piece);
        start = end;
    }
    return STATUS_OK;
}

enum status import_split(struct node *n) {
    ref x = node_in(n, 0), out[MAX_RESULTS];
    uint32_t axis, count = (uint32_t)n->proto->n_output;
    int64_t pieces = node_int(n, "num_outputs", count);
    struct ints given;
    TRY(node_axis(n, node_int(n, "axis", 0), ref_rank(n->im, x), &axis));
    TRY(node_ints_or_input(n, "split", 1, &given));
    if (!count || count > UINT16_MAX) return unsupported(n, "Split into %u pieces", count);
    if ((given.given && given.count != count) || pieces != count)
        return node_error(n, "it has %u outputs, but is to be split into %" PRId64, count,
                          given.given ? (int64_t)given.count : pieces);
    int64_t *sizes = arena_array(&n->im->m->arena, int64_t, count);
    if (given.given)
        memcpy(sizes, given.at, count * sizeof *sizes);
    else
        TRY(equal_pieces(n, x, axis, count, sizes));
    if (count > MAX_RESULTS) return cut_pieces(n, x, axis, sizes, count);
    TRY(emit_results(n, OP_split, &x, 1,
                     EMIT_ATTRS(attr_int(ATTR_axis, axis), node_attr_ints(n, ATTR_sizes, sizes, count)), out,
                     count));
    for (uint32_t i = 0; i < count; i++) node_out(n, i, out[i]);
    return STATUS_OK;
}

/* -- pad, tile -- */

/* Pads of some axes as pads of all. */
static enum status spread_pads(struct node *n, const struct ints *pads, const struct ints *axes,
                               uint32_t rank, int64_t *out) {
    uint32_t count = axes->given ? axes->count : rank;
    if (pads->count != 2 * count) return node_error(n, "it has %u pads, expected %u", pads->count, 2 * count);
    memset(out, 0, 2 * MAX_RANK * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis = i;
        if (axes->given) TRY(node_axis(n, axes->at[i], rank, &axis));
        out[axis] = pads->at[i];
        out[rank + axis] = pads->at[count + i];
    }
    return STATUS_OK;
}

/* True if the padding is a number that an attribute holds exactly. */
static bool fits_attr(const struct importer *im, ref value) {
    const struct tensor *t = ref_none(value) ? NULL : ref_constant(im, value);
    if (!t || tensor_count(t) != 1) return ref_none(value);
    if (!elem_is_int(t->elem)) return !isnan(tensor_get_f64(t, 0));
    int64_t v = tensor_get_i64(t, 0);
    return v >= -((int64_t)1 << 53) && v <= (int64_t)1 << 53 && (t->elem != ELEM_u64 || v >= 0);
}

/* Padded with 0, and where a padded mask says that padding is, with the value. */
static ref pad_by_value(struct node *n, ref x, ref value, struct attr pads) {
    struct importer *im = n->im;
    uint32_t rank = ref_rank(im, x);
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = ref_dim(im, x, i);
    ref yes = ref_of_tensor(im, tensor_scalar_i64(ELEM_bool, 1));
    ref inside = emit1_with(n, OP_expand, yes, node_attr_dims(n, ATTR_shape, dims, rank));
    if (ref_rank(im, value)) value = emit1_with(n, OP_reshape, value, node_attr_dims(n, ATTR_shape, NULL, 0));
    return emit3(n, OP_where, emit1_with(n, OP_pad, inside, pads), emit1_with(n, OP_pad, x, pads), value);
}

enum status import_pad(struct node *n) {
    static const char *const words[] = {"constant", "reflect", "edge", "wrap", NULL};
    static const enum keyword modes[] = {KEYWORD_constant, KEYWORD_reflect, KEYWORD_edge, KEYWORD_wrap};
    ref x = node_in(n, 0), given = node_in(n, 2);
    uint32_t mode, rank = ref_rank(n->im, x);
    struct ints pads, axes;
    double value = 0;
    int64_t all[2 * MAX_RANK];
    TRY(node_word(n, "mode", words, 0, &mode));
    TRY(node_ints_or_input(n, "pads", 1, &pads));
    TRY(node_ints_or_input(n, "axes", 3, &axes));
    TRY(spread_pads(n, &pads, &axes, rank, all));
    struct attr amounts = node_attr_ints(n, ATTR_pads, all, 2 * rank);
    if (modes[mode] == KEYWORD_constant) {
        if (!fits_attr(n->im, given)) return node_result(n, pad_by_value(n, x, given, amounts));
        TRY(node_float_or_input(n, "value", 2, 0, &value));
    }
    (void)node_attr(n, "value"); /* of the mode constant */
    return node_result(n, emit1_with(n, OP_pad, x, amounts, attr_keyword(ATTR_mode, modes[mode]),
                                     attr_float(ATTR_value, value)));
}

/* Cut off, or padded, by the same on both sides, the odd element at the end: pads that may be negative. */
enum status import_center_crop_pad(struct node *n) {
    ref x = node_in(n, 0);
    uint32_t rank = ref_rank(n->im, x);
    int64_t pads[2 * MAX_RANK] = {0};
    struct ints target, axes = node_ints(n, "axes");
    TRY(node_ints_or_input(n, "shape", 1, &target));
    if (target.count != (axes.given ? axes.count : rank))
        return node_error(n, "it has %u extents for %u axes", target.count, axes.given ? axes.count : rank);
    for (uint32_t i = 0; i < target.count; i++) {
        uint32_t axis = i;
        int64_t extent, want = target.at[i];
        if (axes.given) TRY(node_axis(n, axes.at[i], rank, &axis));
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &extent))
            return unsupported(n, "CenterCropPad of a dimension without a size (fix it by --shape or --dim)");
        if (want < 0 || want > DIM_MAX) return node_error(n, "extent %u is to be %" PRId64, i, want);
        pads[axis] = (want - extent) / 2; /* towards zero, as both halves are rounded down */
        pads[rank + axis] = want - extent - pads[axis];
    }
    return node_result(n, emit1_with(n, OP_pad, x, node_attr_ints(n, ATTR_pads, pads, 2 * rank)));
}

enum status import_tile(struct node *n) {
    struct ints repeats;
    TRY(node_ints_or_input(n, "repeats", 1, &repeats));
    return node_result(
        n, emit1_with(n, OP_tile, node_in(n, 0), node_attr_ints(n, ATTR_repeats, repeats.at, repeats.count)));
}

/* -- blocks of space and depth: a reshape that splits dimensions, a transpose, a reshape that merges them --
 */
struct block_move {
    dim_id n, c, h, w;
    int64_t block;
};

static enum status read_block_move(struct node *n, ref x, struct block_move *m) {
    m->block = node_int(n, "blocksize", 0);
    if (ref_rank(n->im, x) != 4) return node_error(n, "input 0 has rank %u, expected 4", ref_rank(n->im, x));
    if (m->block < 1 || m->block > INT16_MAX)
        return node_error(n, "attribute 'blocksize' is %" PRId64, m->block);
    m->n = ref_dim(n->im, x, 0), m->c = ref_dim(n->im, x, 1), m->h = ref_dim(n->im, x, 2),
    m->w = ref_dim(n->im, x, 3);
    return STATUS_OK;
}

static ref split_move_merge(struct node *n, ref x, const dim_id split[6], const int64_t perm[6],
                            const dim_id merged[4]) {
    ref six = emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, split, 6));
    ref moved = emit1_with(n, OP_transpose, six, node_attr_ints(n, ATTR_perm, perm, 6));
    return emit1_with(n, OP_reshape, moved, node_attr_dims(n, ATTR_shape, merged, 4));
}

enum status import_depth_to_space(struct node *n) {
    static const char *const modes[] = {"DCR", "CRD", NULL};
    struct types *types = &n->im->m->types;
    struct block_move m;
    uint32_t crd;
    TRY(read_block_move(n, node_in(n, 0), &m));
    TRY(node_word(n, "mode", modes, 0, &crd));
    dim_id b = dim_const(types, m.block), c = dim_floor_div(types, m.c, dim_mul(types, b, b));
    const dim_id dcr_split[6] = {m.n, b, b, c, m.h, m.w}, crd_split[6] = {m.n, c, b, b, m.h, m.w};
    static const int64_t dcr_perm[6] = {0, 3, 4, 1, 5, 2}, crd_perm[6] = {0, 1, 4, 2, 5, 3};
    const dim_id merged[4] = {m.n, c, dim_mul(types, m.h, b), dim_mul(types, m.w, b)};
    return node_result(n, split_move_merge(n, node_in(n, 0), crd ? crd_split : dcr_split,
                                           crd ? crd_perm : dcr_perm, merged));
}

enum status import_space_to_depth(struct node *n) {
    struct types *types = &n->im->m->types;
    struct block_move m;
    TRY(read_block_move(n, node_in(n, 0), &m));
    dim_id b = dim_const(types, m.block), h = dim_floor_div(types, m.h, b), w = dim_floor_div(types, m.w, b);
    const dim_id split[6] = {m.n, m.c, h, b, w, b};
    const dim_id merged[4] = {m.n, dim_mul(types, m.c, dim_mul(types, b, b)), h, w};
    static const int64_t perm[6] = {0, 3, 5, 1, 2, 4};
    return node_result(n, split_move_merge(n, node_in(n, 0), split, perm, merged));
}

enum status import_gather(struct node *n) {
    ref x = node_in(n, 0);
    uint32_t axis;
    TRY(node_axis(n, node_int(n, "axis", 0), ref_rank(n->im, x), &axis));
    TRY(node_indices_inside(n, node_in(n, 1), 1, ref_dim(n->im, x, axis)));
    return node_result(n, emit2_with(n, OP_gather, x, node_in(n, 1), attr_int(ATTR_axis, axis)));
}

/* `on` where the position along the new axis is the index (negative ones count from the end), `off`
 * elsewhere. All types of indices are compared as i64. */
enum status import_one_hot(struct node *n) {
    enum { DEEPEST = 1 << 24 };
    ref indices = node_in(n, 0), values = node_in(n, 2);
    uint32_t rank = ref_rank(n->im, indices) + 1, axis;
    double depth;
    int64_t dims[MAX_RANK];
    TRY(node_float_or_input(n, "depth", 1, 0, &depth));
    TRY(node_axis(n, node_int(n, "axis", -1), rank, &axis));
    int64_t given;
    if (ref_rank(n->im, values) != 1 ||
        (dim_is_const(&n->im->m->types, ref_dim(n->im, values, 0), &given) && given != 2))
        return node_error(n, "input 2 is not a list of two values");
    if (rank > MAX_RANK || !(depth >= 0 && depth <= DEEPEST))
        return node_error(n, "rank %u, depth %g", rank, depth);
    bool is_signed = elem_in(ref_elem(n->im, indices), ELEMS_SIGNED);
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == axis ? (int64_t)depth : 1;
    struct tensor positions = tensor_new(ELEM_i64, rank, dims);
    for (int64_t i = 0; i < dims[axis]; i++) tensor_set_i64(&positions, i, i);
    ref at = ref_of_tensor(n->im, positions);
    ref wide = emit1_with(n, OP_unsqueeze, emit_cast(n, indices, ELEM_i64),
                          node_attr_ints(n, ATTR_axes, (const int64_t[]){axis}, 1));
    ref hit = emit2(n, OP_equal, wide, at), pick[2];
    if (is_signed) {
        ref back = emit2(n, OP_add, wide, ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, dims[axis])));
        hit = emit2(n, OP_or, hit, emit2(n, OP_equal, back, at));
    }
    for (int64_t i = 0; i < 2; i++)
        pick[i] = emit2_with(n, OP_gather, values, ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, i)),
                             attr_int(ATTR_axis, 0));
    return node_result(n, emit3(n, OP_where, hit, pick[1], pick[0]));
}
