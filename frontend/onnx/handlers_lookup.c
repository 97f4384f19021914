/* Gathering and scattering by positions in several dimensions: of rows, by positions counted row by row. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1 << 26 };

/* -- values as rows -- */
struct grid {
    uint32_t rank;
    int64_t dim[MAX_RANK], stride[MAX_RANK]; /* strides in rows: of the first dimensions alone */
    int64_t rows;
};

/* The first `split` dimensions of x are counted as rows. */
static enum status read_grid(struct node *n, ref x, uint32_t split, struct grid *g) {
    *g = (struct grid){.rank = ref_rank(n->im, x), .rows = 1};
    int64_t elements = 1;
    for (uint32_t i = 0; i < g->rank; i++) {
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, i), &g->dim[i]))
            return unsupported(n, "%s of a dimension without a size (fix it by --shape or --dim)",
                               n->proto->op_type);
        if (g->dim[i] > LARGEST || (elements *= max_i64(g->dim[i], 1)) > LARGEST)
            return unsupported(n, "%s of more than %d elements", n->proto->op_type, LARGEST);
    }
    for (uint32_t i = split; i-- > 0;) {
        g->stride[i] = g->rows;
        g->rows *= g->dim[i];
    }
    return STATUS_OK;
}

/* [rows, what is left of the dimensions]. */
static ref as_rows(struct node *n, ref x, const struct grid *g, uint32_t split) {
    dim_id dims[MAX_RANK + 1] = {dim_const(&n->im->m->types, g->rows)};
    for (uint32_t i = split; i < g->rank; i++) dims[1 + i - split] = dim_const(&n->im->m->types, g->dim[i]);
    return emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, dims, 1 + g->rank - split));
}

static ref i64_number(struct node *n, int64_t value) {
    return ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, value));
}

/* Indices as i64, negative ones counted from the end. */
static ref from_front(struct node *n, ref indices, int64_t extent) {
    if (ref_none(indices)) return indices;
    if (ref_elem(n->im, indices) != ELEM_i64)
        indices = emit1_with(n, OP_cast, indices, attr_elem(ATTR_to, ELEM_i64));
    ref wrapped = emit2(n, OP_add, indices, i64_number(n, extent));
    return emit3(n, OP_where, emit2(n, OP_less, indices, i64_number(n, 0)), wrapped, indices);
}

static ref scaled(struct node *n, ref x, int64_t by) {
    return by == 1 ? x : emit2(n, OP_mul, x, i64_number(n, by));
}

/* index * stride along one dimension, in the shape of `rank` dimensions. */
static ref ramp(struct node *n, uint32_t axis, uint32_t rank, int64_t extent, int64_t stride) {
    int64_t dims[MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = i == axis ? extent : 1;
    struct tensor t = tensor_new(ELEM_i64, rank, dims);
    for (int64_t i = 0; i < extent; i++) tensor_set_i64(&t, i, i * stride);
    return ref_of_tensor(n->im, t);
}

static ref rows_at(struct node *n, ref rows, ref positions) {
    return emit2_with(n, OP_gather, rows, positions, attr_int(ATTR_axis, 0));
}

/* -- elements -- */

/* Where the elements are in a value of grid g: indices along `axis`, their own place along the others. */
static enum status element_positions(struct node *n, ref indices, const struct grid *g, uint32_t axis,
                                     ref *out) {
    struct grid own;
    TRY(read_grid(n, indices, 0, &own));
    if (own.rank != g->rank) return node_error(n, "input 1 has rank %u, expected %u", own.rank, g->rank);
    TRY(node_indices_inside(n, indices, 1, dim_const(&n->im->m->types, g->dim[axis])));
    ref at = scaled(n, from_front(n, indices, g->dim[axis]), g->stride[axis]);
    for (uint32_t i = 0; i < g->rank; i++) {
        if (i != axis && own.dim[i] > g->dim[i])
            return node_error(n, "input 1 has %" PRId64 " elements along axis %u, input 0 %" PRId64,
                              own.dim[i], i, g->dim[i]);
        if (i != axis) at = emit2(n, OP_add, at, ramp(n, i, g->rank, own.dim[i], g->stride[i]));
    }
    *out = at;
    return ref_none(at) ? STATUS_FAILED : STATUS_OK;
}

enum status import_gather_elements(struct node *n) {
    ref x = node_in(n, 0), at;
    uint32_t axis, rank = ref_rank(n->im, x);
    struct grid g;
    TRY(node_axis(n, node_int(n, "axis", 0), rank, &axis));
    TRY(read_grid(n, x, rank, &g));
    TRY(element_positions(n, node_in(n, 1), &g, axis, &at));
    return node_result(n, rows_at(n, as_rows(n, x, &g, rank), at));
}

/* -- slices -- */

/* The last dimension of indices lists positions in the dimensions from `batch` on. */
static enum status slice_positions(struct node *n, ref indices, const struct grid *g, uint32_t batch,
                                   uint32_t depth, ref *out) {
    uint32_t rank = ref_rank(n->im, indices);
    ref at = i64_number(n, 0);
    for (uint32_t k = 0; k < depth; k++) {
        ref column = emit2_with(n, OP_gather, indices, i64_number(n, k), attr_int(ATTR_axis, rank - 1));
        if (ref_none(column)) return STATUS_FAILED;
        TRY(node_indices_inside(n, column, 1, dim_const(&n->im->m->types, g->dim[batch + k])));
        column = scaled(n, from_front(n, column, g->dim[batch + k]), g->stride[batch + k]);
        at = emit2(n, OP_add, column, at);
    }
    for (uint32_t i = 0; i < batch; i++)
        at = emit2(n, OP_add, at, ramp(n, i, rank - 1, g->dim[i], g->stride[i]));
    *out = at;
    return ref_none(at) ? STATUS_FAILED : STATUS_OK;
}

static enum status read_depth(struct node *n, ref x, ref indices, uint32_t batch, uint32_t *depth) {
    int64_t size;
    uint32_t rank = ref_rank(n->im, indices);
    if (!rank || batch >= rank)
        return node_error(n, "input 1 has rank %u for %u batch dimensions", rank, batch);
    if (!dim_is_const(&n->im->m->types, ref_dim(n->im, indices, rank - 1), &size))
        return unsupported(n, "%s by indices without a size (fix it by --shape or --dim)", n->proto->op_type);
    if (size < 1 || size + batch > ref_rank(n->im, x))
        return node_error(n, "indices of %" PRId64 " numbers into rank %u", size, ref_rank(n->im, x));
    *depth = (uint32_t)size;
    return STATUS_OK;
}

enum status import_gather_nd(struct node *n) {
    ref x = node_in(n, 0), indices = node_in(n, 1), at;
    int64_t batch = node_int(n, "batch_dims", 0);
    uint32_t depth;
    struct grid g;
    if (batch < 0 || batch >= MAX_RANK) return node_error(n, "attribute 'batch_dims' is %" PRId64, batch);
    TRY(read_depth(n, x, indices, (uint32_t)batch, &depth));
    uint32_t split = (uint32_t)batch + depth;
    TRY(read_grid(n, x, split, &g));
    TRY(slice_positions(n, indices, &g, (uint32_t)batch, depth, &at));
    return node_result(n, rows_at(n, as_rows(n, x, &g, split), at));
}

/* -- scattering -- */

/* Without a reduction each row of the result is one of the operand or, the last to come, of the updates. */
static ref replace_rows(struct node *n, ref rows, ref updates, const struct tensor *places,
                        const struct grid *g) {
    struct tensor from = tensor_new(ELEM_i64, 1, &g->rows);
    for (int64_t i = 0; i < g->rows; i++) tensor_set_i64(&from, i, i);
    for (int64_t i = 0, count = tensor_count(places); i < count; i++)
        tensor_set_i64(&from, tensor_get_i64(places, i), g->rows + i);
    ref both = emit2_with(n, OP_concat, rows, updates, attr_int(ATTR_axis, 0));
    return rows_at(n, both, ref_of_tensor(n->im, from));
}

static enum status check_places(struct node *n, const struct tensor *places, const struct grid *g) {
    for (int64_t i = 0, count = tensor_count(places); i < count; i++)
        if (tensor_get_i64(places, i) < 0 || tensor_get_i64(places, i) >= g->rows)
            return node_error(n, "an index lies outside of input 0");
    return STATUS_OK;
}

/* Places that are known are better gathered from than scattered to, if an update stays as it is. */
static enum status scatter_rows(struct node *n, ref rows, ref updates, ref at, const struct grid *g,
                                int64_t taken, ref *out) {
    static const char *const words[] = {"none", "add", "mul", "max", "min", NULL};
    static const enum keyword keywords[] = {KEYWORD_none, KEYWORD_add, KEYWORD_mul, KEYWORD_max, KEYWORD_min};
    uint32_t reduction;
    int64_t extent, places = 1;
    TRY(node_word(n, "reduction", words, 0, &reduction));
    for (uint32_t i = 0; i < ref_rank(n->im, at); i++)
        if (dim_is_const(&n->im->m->types, ref_dim(n->im, at, i), &extent)) places *= extent;
    if (ref_none(rows) || ref_none(updates)) return STATUS_FAILED;
    if (taken != places)
        return node_error(n, "it has %" PRId64 " places for %" PRId64 " updates", places, taken);
    const struct tensor *constant = ref_constant(n->im, at);
    if (constant) TRY(check_places(n, constant, g));
    struct tensor held = constant ? *constant : (struct tensor){0}; /* items move when others are added */
    ref y, line = emit_reshape(n, at, 1, &places);
    if (constant && reduction == 0)
        y = replace_rows(n, rows, updates, &held, g);
    else
        y = emit_op(n, OP_scatter, (const ref[]){rows, line, updates}, 3,
                    EMIT_ATTRS(attr_keyword(ATTR_reduction, keywords[reduction])));
    *out = emit_reshape(n, y, g->rank, g->dim);
    return ref_none(*out) ? STATUS_FAILED : STATUS_OK;
}

/* The first dimensions of the updates are those of the indices. */
static enum status check_updates(struct node *n, const struct grid *own, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t extent;
        if (dim_is_const(&n->im->m->types, ref_dim(n->im, node_in(n, 1), i), &extent) &&
            extent != own->dim[i])
            return node_error(n, "input 2 has %" PRId64 " elements in dimension %u, expected %" PRId64,
                              own->dim[i], i, extent);
    }
    return STATUS_OK;
}

enum status import_scatter_elements(struct node *n) {
    ref x = node_in(n, 0), updates = node_in(n, 2), at, y;
    uint32_t axis, rank = ref_rank(n->im, x);
    struct grid g, own;
    TRY(node_axis(n, node_int(n, "axis", 0), rank, &axis));
    TRY(read_grid(n, x, rank, &g));
    TRY(read_grid(n, updates, ref_rank(n->im, updates), &own));
    TRY(element_positions(n, node_in(n, 1), &g, axis, &at));
    if (own.rank != rank) return node_error(n, "input 2 has rank %u, expected %u", own.rank, rank);
    TRY(check_updates(n, &own, rank));
    TRY(scatter_rows(n, as_rows(n, x, &g, rank), as_rows(n, updates, &own, own.rank), at, &g, own.rows, &y));
    return node_result(n, y);
}

enum status import_scatter_nd(struct node *n) {
    ref x = node_in(n, 0), indices = node_in(n, 1), updates = node_in(n, 2), at, y;
    uint32_t depth, lists = ref_rank(n->im, indices) - 1;
    struct grid g, own;
    TRY(read_depth(n, x, indices, 0, &depth));
    TRY(read_grid(n, x, depth, &g));
    TRY(read_grid(n, updates, lists, &own));
    if (own.rank != lists + g.rank - depth)
        return node_error(n, "input 2 has rank %u, expected %u", own.rank, lists + g.rank - depth);
    TRY(check_updates(n, &own, lists));
    TRY(slice_positions(n, indices, &g, 0, depth, &at));
    TRY(scatter_rows(n, as_rows(n, x, &g, depth), as_rows(n, updates, &own, lists), at, &g, own.rows, &y));
    return node_result(n, y);
}

/* -- choices -- */
enum status import_topk(struct node *n) {
    ref x = node_in(n, 0), out[2] = {{0}};
    struct ints given;
    uint32_t axis, rank = ref_rank(n->im, x);
    int64_t extent;
    int64_t k = node_int(n, "k", 0); /* an input since opset 10 */
    if (n->opset >= 10) {
        TRY(node_ints_or_input(n, "k", 1, &given));
        if (given.count != 1) return node_error(n, "k is %u numbers, expected one", given.count);
        k = given.at[0];
    }
    TRY(node_axis(n, node_int(n, "axis", -1), rank, &axis));
    bool largest = node_int(n, "largest", 1) != 0;
    (void)node_int(n, "sorted", 1); /* an order that is not asked for does no harm */
    if (k < 0 || (dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &extent) && k > extent))
        return node_error(n, "k is %" PRId64 ", out of range for dimension %u of input 0", k, axis);
    TRY(emit_results(
        n, OP_topk, &x, 1,
        EMIT_ATTRS(attr_int(ATTR_axis, axis), attr_int(ATTR_count, k), attr_bool(ATTR_smallest, !largest)),
        out, 2));
    for (uint32_t i = 0; i < 2; i++) node_out(n, i, out[i]);
    return STATUS_OK;
}

enum status import_compress(struct node *n) {
    ref x = node_in(n, 0);
    const struct tensor *keep = ref_constant(n->im, node_in(n, 1));
    bool flat = !node_attr(n, "axis");
    uint32_t axis = 0, rank = ref_rank(n->im, x);
    struct grid g;
    if (!keep) return unsupported(n, "Compress whose input 1 is not a constant (its shape depends on data)");
    TRY(read_grid(n, x, rank, &g));
    if (!flat) TRY(node_axis(n, node_int(n, "axis", 0), rank, &axis));
    int64_t extent = flat ? g.rows : g.dim[axis], count = 0;
    struct tensor kept = tensor_new(ELEM_i64, 1, &extent);
    for (int64_t i = 0; i < tensor_count(keep) && i < extent; i++)
        if (tensor_get_i64(keep, i)) tensor_set_i64(&kept, count++, i);
    kept.dim[0] = count;
    ref from = flat ? as_rows(n, x, &g, rank) : x;
    return node_result(n,
                       emit2_with(n, OP_gather, from, ref_of_tensor(n->im, kept), attr_int(ATTR_axis, axis)));
}

/* Of the first `length` time steps of each sequence, the last comes first. */
enum status import_reverse_sequence(struct node *n) {
    ref x = node_in(n, 0), lengths = node_in(n, 1);
    int64_t time = node_int(n, "time_axis", 0), batch = node_int(n, "batch_axis", 1);
    struct grid g;
    bool first_two = (time == 0 && batch == 1) || (time == 1 && batch == 0);
    if (ref_rank(n->im, x) < 2 || !first_two)
        return node_error(n, "time_axis is %" PRId64 ", batch_axis %" PRId64 ", rank %u", time, batch,
                          ref_rank(n->im, x));
    TRY(read_grid(n, x, 2, &g));
    if (ref_rank(n->im, lengths) != 1) return node_error(n, "input 1 has rank %u", ref_rank(n->im, lengths));
    int64_t shape[2] = {1, 1};
    shape[batch] = g.dim[batch];
    ref length = emit_reshape(n, lengths, 2, shape), step = ramp(n, (uint32_t)time, 2, g.dim[time], 1);
    ref last = emit2(n, OP_sub, length, i64_number(n, 1));
    ref turned = emit3(n, OP_where, emit2(n, OP_less, step, length), emit2(n, OP_sub, last, step), step);
    ref at = emit2(n, OP_add, scaled(n, turned, g.stride[time]),
                   ramp(n, (uint32_t)batch, 2, g.dim[batch], g.stride[batch]));
    return node_result(n, rows_at(n, as_rows(n, x, &g, 2), at));
}
