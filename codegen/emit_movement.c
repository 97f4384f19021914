/* Kernels of the ops that only move elements, as lists of boxes to copy. */
#include "codegen/emit_movement.h"

#include "codegen/copy.h"
#include "ir/ops/shape.h"

#include <string.h>

struct mover {
    struct emit *e;
    const struct module *m;
    const struct op *op;
    struct copies copies;
};

static struct mover mover_of(struct emit *e, op_id id) {
    const struct op *op = op_get(e->m, id);
    struct mover mover = {.e = e, .m = e->m, .op = op};
    mover.copies.elem_bytes = (uint32_t)elem_bytes(result_type(e->m, op, 0).elem);
    return mover;
}

/* A box that reads operand i and writes result r; its dimensions are to be added. */
static struct copy_box box_between(const struct mover *v, uint32_t i, uint32_t r) {
    const struct value *from = value_get(v->m, v->op->operand[i]);
    return (struct copy_box){.to_buffer = v->op->operand_count + r,
                             .from_buffer = i,
                             .literal = from->kind == VALUE_LITERAL ? &from->literal : NULL};
}

static void add_dim(struct copy_box *box, int64_t extent, int64_t to, int64_t from) {
    box->dim[box->rank++] = (struct copy_dim){extent, to, from};
}

/* -- one box: reshape and its kin, transpose, expand, slice -- */

static void copy_all(struct mover *v) {
    struct copy_box box = box_between(v, 0, 0);
    add_dim(&box, type_storage_count(&v->m->types, result_type(v->m, v->op, 0)), 1, 1);
    *vec_push(&v->copies.boxes) = box;
}

static void copy_transposed(struct mover *v) {
    int64_t x[MAX_RANK], y[MAX_RANK], from[MAX_RANK], to[MAX_RANK];
    uint32_t rank = operand_extents(v->m, v->op, 0, x), count;
    result_extents(v->m, v->op, 0, y);
    strides_of(rank, x, from);
    strides_of(rank, y, to);
    const int64_t *perm = op_ints(v->op, ATTR_perm, &count);
    struct copy_box box = box_between(v, 0, 0);
    for (uint32_t k = 0; k < rank; k++) add_dim(&box, y[k], to[k], from[count ? perm[k] : rank - 1 - k]);
    *vec_push(&v->copies.boxes) = box;
}

static void copy_expanded(struct mover *v) {
    int64_t x[MAX_RANK], y[MAX_RANK], from[MAX_RANK], to[MAX_RANK];
    uint32_t rank_x = operand_extents(v->m, v->op, 0, x), rank = result_extents(v->m, v->op, 0, y);
    strides_of(rank_x, x, from);
    strides_of(rank, y, to);
    struct copy_box box = box_between(v, 0, 0);
    for (uint32_t k = 0; k < rank; k++) {
        uint32_t missing = rank - rank_x;
        bool repeats = k < missing || x[k - missing] == 1;
        add_dim(&box, y[k], to[k], repeats ? 0 : from[k - missing]);
    }
    *vec_push(&v->copies.boxes) = box;
}

static void copy_tiled(struct mover *v) {
    int64_t x[MAX_RANK], y[MAX_RANK], from[MAX_RANK], to[MAX_RANK];
    uint32_t rank = operand_extents(v->m, v->op, 0, x);
    result_extents(v->m, v->op, 0, y);
    strides_of(rank, x, from);
    strides_of(rank, y, to);
    struct copy_box box = box_between(v, 0, 0);
    for (uint32_t k = 0; k < rank; k++) {
        if (x[k] > 0 && y[k] != x[k]) add_dim(&box, y[k] / x[k], to[k] * x[k], 0);
        add_dim(&box, min_i64(x[k], y[k]), to[k], from[k]);
    }
    *vec_push(&v->copies.boxes) = box;
}

/* First element and step of a slice along dimension k. */
static int64_t slice_start(const struct op *op, uint32_t rank, uint32_t k, int64_t extent, int64_t *step) {
    uint32_t count, axes, steps;
    const int64_t *starts = op_ints(op, ATTR_starts, &count), *axis = op_ints(op, ATTR_axes, &axes);
    const int64_t *step_at = op_ints(op, ATTR_steps, &steps);
    *step = 1;
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = axes ? axis[i] : i;
        if ((at < 0 ? at + rank : at) != k) continue;
        *step = steps ? step_at[i] : 1;
        int64_t from = starts[i] < 0 ? starts[i] + extent : starts[i];
        return max_i64(0, min_i64(from, extent - 1));
    }
    return 0;
}

static void copy_slice(struct mover *v) {
    int64_t x[MAX_RANK], y[MAX_RANK], from[MAX_RANK], to[MAX_RANK], step;
    uint32_t rank = operand_extents(v->m, v->op, 0, x);
    result_extents(v->m, v->op, 0, y);
    strides_of(rank, x, from);
    strides_of(rank, y, to);
    struct copy_box box = box_between(v, 0, 0);
    for (uint32_t k = 0; k < rank; k++) {
        int64_t start = slice_start(v->op, rank, k, x[k], &step);
        box.from_offset += start * from[k];
        add_dim(&box, y[k], to[k], y[k] > 1 ? step * from[k] : 0);
    }
    *vec_push(&v->copies.boxes) = box;
}

/* -- a box for each piece: concat, split -- */

/* The dimension of the storage that holds `axis` (its blocks, if it is blocked) of a type all pieces share.
 */
static uint32_t storage_axis(const struct mover *v, struct type type, uint32_t axis) {
    struct layout layout = type_layout(&v->m->types, type);
    for (uint32_t k = 0; k < layout.count; k++)
        if (layout.at[k].dim == axis && !layout.at[k].inner) return k;
    bug("a layout without dimension %u", axis);
}

/* The piece's elements are everything before, and `extent` of the axis, times everything behind, of the
 * whole. */
static void copy_piece(struct mover *v, struct copy_box box, const int64_t *whole, const int64_t *piece,
                       uint32_t rank, uint32_t axis, int64_t offset, bool whole_is_target) {
    int64_t inner = extent_product(whole, axis + 1, rank), row = whole[axis] * inner,
            part = piece[axis] * inner;
    if (whole_is_target)
        box.to_offset = offset * inner;
    else
        box.from_offset = offset * inner;
    add_dim(&box, extent_product(whole, 0, axis), whole_is_target ? row : part, whole_is_target ? part : row);
    add_dim(&box, part, 1, 1);
    *vec_push(&v->copies.boxes) = box;
}

static bool copy_pieces(struct mover *v, const char **why_not) {
    bool joins = v->op->kind == OP_concat;
    struct type type = joins ? result_type(v->m, v->op, 0) : operand_type(v->m, v->op, 0);
    uint32_t logical_axis = op_axis(v->op, type_rank(&v->m->types, type));
    uint32_t axis = storage_axis(v, type, logical_axis),
             count = joins ? v->op->operand_count : v->op->result_count;
    int64_t whole[MAX_STORAGE_RANK], piece[MAX_STORAGE_RANK], offset = 0;
    uint32_t rank = type_storage(&v->m->types, type, whole);
    for (uint32_t i = 0; i < count; i++) {
        struct type part = joins ? operand_type(v->m, v->op, i) : result_type(v->m, v->op, i);
        int64_t dims[MAX_RANK];
        type_static(&v->m->types, part, dims);
        uint32_t block = type_layout(&v->m->types, type).at[axis].block;
        if (part.layout.i != type.layout.i || (i + 1 < count && dims[logical_axis] % block != 0)) {
            *why_not = "pieces that are not whole blocks of one layout";
            return false;
        }
        type_storage(&v->m->types, part, piece);
        copy_piece(v, joins ? box_between(v, i, 0) : box_between(v, 0, i), whole, piece, rank, axis, offset,
                   joins);
        offset += piece[axis];
    }
    return true;
}

/* -- padding: the product of runs along each dimension -- */

/* Result positions [start, start + extent) along a dimension show operand positions source, source + step, …,
 * or the fill value. */
struct run {
    int64_t start, extent, source, step;
    bool is_fill;
};
struct runs {
    VEC(struct run) list;
};

static int64_t modulo(int64_t a, int64_t n) {
    return a - floor_div(a, n) * n;
}

/* The operand's position for position i of the result; -1: the fill value. */
static int64_t pad_source(enum keyword mode, int64_t extent, int64_t before, int64_t after, int64_t i) {
    int64_t first = max_i64(-before, 0), left = extent - first + min_i64(after, 0),
            at = i - max_i64(before, 0);
    if (at >= 0 && at < left) return first + at;
    if (mode == KEYWORD_constant || left <= 0) return -1;
    if (mode == KEYWORD_edge) return first + (at < 0 ? 0 : left - 1);
    if (mode == KEYWORD_wrap) return first + modulo(at, left);
    if (left == 1) return first;
    int64_t there_and_back = modulo(at, 2 * (left - 1));
    return first + min_i64(there_and_back, 2 * (left - 1) - there_and_back);
}

static void find_runs(const struct op *op, uint32_t k, int64_t extent, int64_t result, struct runs *out) {
    uint32_t count;
    const int64_t *pads = op_ints(op, ATTR_pads, &count);
    enum keyword mode = op_keyword(op, ATTR_mode);
    for (int64_t i = 0; i < result; i++) {
        int64_t at = pad_source(mode, extent, pads[k], pads[count / 2 + k], i);
        struct run *run = out->list.count ? &vec_last(&out->list) : NULL;
        bool joins = run && run->is_fill == (at < 0);
        if (joins && at >= 0) {
            if (run->extent == 1) run->step = at - run->source;
            joins = at == run->source + run->extent * run->step;
        }
        if (joins)
            run->extent++;
        else
            *vec_push(&out->list) = (struct run){i, 1, at, 0, at < 0};
    }
}

static uint64_t bits_of(enum elem elem, double value) {
    struct tensor one = tensor_scalar_f64(elem, value);
    uint64_t bits = 0;
    memcpy(&bits, one.data, tensor_bytes(&one));
    tensor_free(&one);
    return bits;
}

static void copy_padded(struct mover *v) {
    int64_t x[MAX_RANK], y[MAX_RANK], from[MAX_RANK], to[MAX_RANK];
    uint32_t rank = operand_extents(v->m, v->op, 0, x), at[MAX_RANK] = {0}, k;
    result_extents(v->m, v->op, 0, y);
    strides_of(rank, x, from);
    strides_of(rank, y, to);
    struct runs runs[MAX_RANK] = {0};
    bool empty = false;
    for (k = 0; k < rank; k++) {
        find_runs(v->op, k, x[k], y[k], &runs[k]);
        empty = empty || runs[k].list.count == 0;
    }
    uint64_t fill = bits_of(result_type(v->m, v->op, 0).elem, op_float(v->op, ATTR_value));
    while (!empty) {
        struct copy_box box = box_between(v, 0, 0);
        for (k = 0; k < rank; k++) {
            const struct run *run = &runs[k].list.at[at[k]];
            box.is_fill = box.is_fill || run->is_fill;
            box.to_offset += run->start * to[k];
            box.from_offset += run->is_fill ? 0 : run->source * from[k];
            add_dim(&box, run->extent, to[k], run->step * from[k]);
        }
        box.fill = fill;
        *vec_push(&v->copies.boxes) = box;
        for (k = rank; k-- > 0;) {
            if (++at[k] < runs[k].list.count) break;
            at[k] = 0;
        }
        empty = k == UINT32_MAX;
    }
    for (k = 0; k < rank; k++) vec_free(&runs[k].list);
}

/* -- which op is done how -- */

static bool all_plain(const struct mover *v) {
    bool plain = true;
    for (uint32_t i = 0; i < v->op->operand_count; i++)
        if (v->op->operand[i].i) plain = plain && operand_type(v->m, v->op, i).layout.i == 0;
    for (uint32_t i = 0; i < v->op->result_count; i++)
        plain = plain && result_type(v->m, v->op, i).layout.i == 0;
    return plain;
}

typedef void copy_fn(struct mover *v);

static copy_fn *copy_function(enum op_kind kind) {
    switch (kind) {
    case OP_reshape:
    case OP_flatten:
    case OP_squeeze:
    case OP_unsqueeze:
        return copy_all;
    case OP_transpose:
        return copy_transposed;
    case OP_expand:
        return copy_expanded;
    case OP_tile:
        return copy_tiled;
    case OP_slice:
        return copy_slice;
    case OP_pad:
        return copy_padded;
    default:
        return NULL;
    }
}

enum emit_result emit_movement(struct emit *e, op_id id, const char *symbol, struct kernel *out,
                               const char **why_not) {
    const struct op *op = op_get(e->m, id);
    if (op->kind == OP_relayout) return emit_relayout(e, id, symbol, out, why_not);
    if (op->kind == OP_gather || op->kind == OP_embedding) return emit_lookup(e, id, symbol, out, why_not);
    if (op->kind == OP_scatter) return emit_scatter(e, id, symbol, out, why_not);
    if (op->kind == OP_resize) return emit_resize(e, id, symbol, out, why_not);
    struct mover v = mover_of(e, id);
    copy_fn *copy = copy_function(op->kind);
    bool pieces = op->kind == OP_concat || op->kind == OP_split;
    if (!copy && !pieces)
        *why_not = "an op that does not only move elements";
    else if (pieces ? !copy_pieces(&v, why_not) : !all_plain(&v))
        *why_not = *why_not ? *why_not : "a layout that is not plain";
    else {
        if (copy) copy(&v);
        return copies_emit(e, &v.copies, symbol, out, why_not);
    }
    vec_free(&v.copies.boxes);
    return EMIT_DECLINED;
}
