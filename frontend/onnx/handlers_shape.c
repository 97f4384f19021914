/* Shapes and constants: what is known at import. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* -- constants -- */
enum { LARGEST_MADE = 1 << 26 }; /* elements of a tensor made here */

static enum status constant_numbers(struct node *n, const Onnx__AttributeProto *a, enum elem elem,
                                    size_t count, bool list) {
    struct tensor t = tensor_new(elem, list ? 1 : 0, (const int64_t[]){(int64_t)count});
    for (size_t i = 0; i < count; i++) {
        if (elem == ELEM_f32)
            ((float *)t.data)[i] = list ? a->floats[i] : a->f;
        else
            ((int64_t *)t.data)[i] = list ? a->ints[i] : a->i;
    }
    return node_result(n, ref_of_tensor(n->im, t));
}

enum status import_constant(struct node *n) {
    const Onnx__AttributeProto *a;
    if ((a = node_attr(n, "value"))) {
        struct tensor t;
        if (!a->t) return node_error(n, "attribute 'value' is not a tensor");
        TRY(onnx_tensor_read(n->im->model, a->t, n->label, n->im->diag, &t));
        ref r = ref_of_tensor(n->im, t);
        item_get(n->im, r)->is_nibble = onnx_nibble_elem(a->t->data_type) != ELEM_NONE;
        return node_result(n, r);
    }
    if ((a = node_attr(n, "value_float"))) return constant_numbers(n, a, ELEM_f32, 1, false);
    if ((a = node_attr(n, "value_int"))) return constant_numbers(n, a, ELEM_i64, 1, false);
    if ((a = node_attr(n, "value_floats"))) return constant_numbers(n, a, ELEM_f32, a->n_floats, true);
    if ((a = node_attr(n, "value_ints"))) return constant_numbers(n, a, ELEM_i64, a->n_ints, true);
    if ((a = node_attr(n, "sparse_value"))) {
        struct tensor t;
        if (!a->sparse_tensor) return node_error(n, "attribute 'sparse_value' is not a sparse tensor");
        TRY(onnx_sparse_read(n->im->model, a->sparse_tensor, n->label, n->im->diag, &t));
        return node_result(n, ref_of_tensor(n->im, t));
    }
    if (node_attr(n, "value_string") || node_attr(n, "value_strings"))
        return unsupported(n, "Constant with text");
    return node_error(n, "it has no value");
}

enum status import_constant_of_shape(struct node *n) {
    const Onnx__AttributeProto *a = node_attr(n, "value");
    dim_id dims[MAX_RANK];
    uint32_t rank;
    struct tensor value;
    TRY(node_dims(n, 0, dims, MAX_RANK, &rank));
    if (!a) {
        value = tensor_scalar_f64(ELEM_f32, 0);
    } else {
        if (!a->t) return node_error(n, "attribute 'value' is not a tensor");
        TRY(onnx_tensor_read(n->im->model, a->t, n->label, n->im->diag, &value));
        int64_t count = tensor_count(&value);
        if (count != 1) {
            tensor_free(&value);
            return node_error(n, "attribute 'value' has %" PRId64 " elements, expected one", count);
        }
        value.rank = 0;
    }
    return node_result(
        n, emit1_with(n, OP_expand, ref_of_tensor(n->im, value), node_attr_dims(n, ATTR_shape, dims, rank)));
}

/* How many numbers a range has; of integers exactly, as their distance fits into 64 bits without a sign. */
static double range_length(const struct tensor *const in[3]) {
    double delta = tensor_get_f64(in[2], 0);
    if (!elem_is_int(in[0]->elem)) return ceil((tensor_get_f64(in[1], 0) - tensor_get_f64(in[0], 0)) / delta);
    int64_t start = tensor_get_i64(in[0], 0), limit = tensor_get_i64(in[1], 0);
    if (delta > 0 ? limit <= start : limit >= start) return 0;
    uint64_t way = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)tensor_get_i64(in[2], 0) : -(uint64_t)tensor_get_i64(in[2], 0);
    return step ? (double)((way - 1) / step + 1) : INFINITY;
}

enum status import_range(struct node *n) {
    const struct tensor *in[3];
    for (uint32_t i = 0; i < 3; i++) {
        in[i] = ref_constant(n->im, node_in(n, i));
        if (!in[i] || tensor_count(in[i]) != 1) return unsupported(n, "Range whose bounds are not constants");
    }
    enum elem elem = in[0]->elem;
    double start = tensor_get_f64(in[0], 0), delta = tensor_get_f64(in[2], 0), count = range_length(in);
    if (!(delta != 0) || !(count < LARGEST_MADE)) return node_error(n, "a range of %g numbers", count);
    int64_t length = count > 0 ? (int64_t)count : 0;
    struct tensor t = tensor_new(elem, 1, &length);
    for (int64_t i = 0; i < length; i++) {
        if (elem_is_int(elem))
            tensor_set_i64(&t, i,
                           (int64_t)((uint64_t)tensor_get_i64(in[0], 0) +
                                     (uint64_t)i * (uint64_t)tensor_get_i64(in[2], 0)));
        else
            tensor_set_f64(&t, i, start + (double)i * delta);
    }
    return node_result(n, ref_of_tensor(n->im, t));
}

/* The two innermost extents, which must be known. */
static enum status matrix_size(struct node *n, ref x, int64_t *rows, int64_t *columns) {
    struct types *types = &n->im->m->types;
    uint32_t rank = ref_rank(n->im, x);
    if (rank < 2) return node_error(n, "input 0 has rank %u, expected at least 2", rank);
    if (!dim_is_const(types, ref_dim(n->im, x, rank - 2), rows) ||
        !dim_is_const(types, ref_dim(n->im, x, rank - 1), columns))
        return unsupported(n, "%s of a matrix without a size (fix it by --shape or --dim)",
                           n->proto->op_type);
    if (*rows > LARGEST_MADE || *columns > LARGEST_MADE || *rows * *columns > LARGEST_MADE)
        return unsupported(n, "%s of a matrix of more than %d elements", n->proto->op_type, LARGEST_MADE);
    return STATUS_OK;
}

enum status import_eye_like(struct node *n) {
    ref x = node_in(n, 0);
    int64_t rows, columns, k = node_int(n, "k", 0), to = node_int(n, "dtype", 0);
    char text[ONNX_ELEM_TEXT];
    enum elem elem = to ? onnx_elem(to) : ref_elem(n->im, x);
    TRY(matrix_size(n, x, &rows, &columns));
    if (!elem) return unsupported(n, "EyeLike of %s", onnx_elem_text(to, text));
    if (ref_rank(n->im, x) != 2) return node_error(n, "input 0 has rank %u, expected 2", ref_rank(n->im, x));
    struct tensor t = tensor_new(elem, 2, (const int64_t[]){rows, columns});
    for (int64_t i = 0; i < rows; i++)
        if (k > -DIM_MAX && k < DIM_MAX && i + k >= 0 && i + k < columns)
            tensor_set_f64(&t, i * columns + i + k, 1);
    return node_result(n, ref_of_tensor(n->im, t));
}

static ref positions(struct node *n, uint32_t rank, int64_t count) { /* along a column or a row */
    struct tensor t = tensor_new(ELEM_i64, rank, (const int64_t[]){count, 1});
    for (int64_t i = 0; i < count; i++) tensor_set_i64(&t, i, i);
    return ref_of_tensor(n->im, t);
}

/* Keeps the upper or lower triangle, by a mask: a constant if the diagonal is one. */
enum status import_trilu(struct node *n) {
    ref x = node_in(n, 0), k = node_in(n, 1);
    bool upper = node_int(n, "upper", 1) != 0;
    int64_t rows, columns;
    TRY(matrix_size(n, x, &rows, &columns));
    if (ref_none(k)) k = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, 0));
    if (ref_rank(n->im, k)) k = emit1_with(n, OP_reshape, k, node_attr_dims(n, ATTR_shape, NULL, 0));
    ref distance = emit2(n, OP_sub, positions(n, 1, columns), positions(n, 2, rows));
    ref mask = emit2(n, upper ? OP_greater_equal : OP_less_equal, distance, k);
    ref zero = ref_of_tensor(n->im, tensor_scalar_i64(ref_elem(n->im, x), 0));
    return node_result(n, emit3(n, OP_where, mask, x, zero));
}

/* Where a constant is not zero: older exporters make ranges by that. */
enum status import_nonzero(struct node *n) {
    const struct tensor *t = ref_constant(n->im, node_in(n, 0));
    if (!t) return unsupported(n, "NonZero of a value that depends on data, as the result's shape does");
    const struct tensor held = *t; /* items move when others are added */
    int64_t elements = tensor_count(&held), found = 0;
    for (int64_t i = 0; i < elements; i++) found += tensor_get_f64(&held, i) != 0;
    struct tensor at = tensor_new(ELEM_i64, 2, (const int64_t[]){held.rank, found});
    for (int64_t i = 0, k = 0; i < elements; i++) {
        if (tensor_get_f64(&held, i) == 0) continue;
        int64_t rest = i;
        for (uint32_t axis = held.rank; axis-- > 0; rest /= held.dim[axis])
            tensor_set_i64(&at, axis * found + k, rest % held.dim[axis]);
        k++;
    }
    return node_result(n, ref_of_tensor(n->im, at));
}

/* -- shapes -- */
static dim_id product(struct types *types, const dim_id *dims, uint32_t count) {
    dim_id total = dim_const(types, 1);
    for (uint32_t i = 0; i < count; i++) total = dim_mul(types, total, dims[i]);
    return total;
}

/* True if equal numbers of elements cannot be seen from the symbols, though sizes could make them equal. */
static bool undecided(struct types *types, dim_id a, dim_id b) {
    if (!a.i || !b.i) return true;
    return !dim_same(a, b) && !(dim_is_const(types, a, NULL) && dim_is_const(types, b, NULL));
}

enum status import_shape(struct node *n) {
    ref x = node_in(n, 0);
    int64_t rank = ref_rank(n->im, x);
    int64_t start = node_int(n, "start", 0), end = node_int(n, "end", rank);
    dim_id dims[MAX_RANK];
    uint32_t count = 0;
    if (start < 0) start = max_i64(start + rank, 0);
    if (end < 0) end += rank;
    for (int64_t i = start; i < min_i64(end, rank); i++) dims[count++] = ref_dim(n->im, x, (uint32_t)i);
    return node_result(n, ref_of_dims(n->im, dims, count, false));
}

enum status import_size(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0);
    dim_id dims[MAX_RANK];
    for (uint32_t i = 0; i < ref_rank(n->im, x); i++) dims[i] = ref_dim(n->im, x, i);
    dim_id total = product(types, dims, ref_rank(n->im, x));
    if (!total.i) return node_error(n, "the number of elements is out of range");
    return node_result(n, ref_of_dims(n->im, &total, 1, true));
}

/* What is left for -1: the operand's elements over those that the other dimensions take. Equal dimensions
 * cancel first, so that symbols do, and so that a copied 0 counts. */
static dim_id inferred_dim(struct types *types, const dim_id *have, uint32_t have_count, const dim_id *want,
                           uint32_t want_count, uint32_t open) {
    bool used[MAX_RANK] = {0};
    dim_id over = dim_const(types, 1), under = dim_const(types, 1);
    for (uint32_t i = 0; i < want_count; i++) {
        if (i == open) continue;
        uint32_t k = 0;
        while (k < have_count && (used[k] || !dim_same(have[k], want[i]))) k++;
        if (k < have_count)
            used[k] = true;
        else
            under = dim_mul(types, under, want[i]);
    }
    for (uint32_t k = 0; k < have_count; k++)
        if (!used[k]) over = dim_mul(types, over, have[k]);
    int64_t zero;
    if (dim_is_const(types, over, &zero) && zero == 0) return over;
    return over.i && under.i ? dim_floor_div(types, over, under) : (dim_id){0};
}

enum status import_reshape(struct node *n) {
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0);
    dim_id have[MAX_RANK], want[MAX_RANK];
    uint32_t rank, have_rank = ref_rank(n->im, x), open = UINT32_MAX;
    bool allow_zero = node_int(n, "allowzero", 0) != 0;
    TRY(node_dims(n, 1, want, MAX_RANK, &rank));
    for (uint32_t i = 0; i < have_rank; i++) have[i] = ref_dim(n->im, x, i);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t size;
        if (!dim_is_const(types, want[i], &size)) continue;
        if (size < -1) return node_error(n, "dimension %u is to be %" PRId64, i, size);
        if (size == 0 && !allow_zero && i >= have_rank)
            return node_error(n, "dimension %u is to be copied from an input of rank %u", i, have_rank);
        if (size == 0 && !allow_zero) want[i] = have[i];
        if (size == -1 && open != UINT32_MAX) return node_error(n, "two dimensions are to be inferred");
        if (size == -1) open = i;
    }
    int64_t zero;
    for (uint32_t i = 0; allow_zero && open != UINT32_MAX && i < rank; i++)
        if (dim_is_const(types, want[i], &zero) && zero == 0)
            return node_error(n, "dimension %u is to be 0, which leaves dimension %u open", i, open);
    if (open != UINT32_MAX) want[open] = inferred_dim(types, have, have_rank, want, rank, open);
    if (undecided(types, product(types, have, have_rank), product(types, want, rank)))
        return unsupported(
            n, "Reshape to a shape that depends on dimensions without a size (fix them by --shape or --dim)");
    return node_result(n, emit1_with(n, OP_reshape, x, node_attr_dims(n, ATTR_shape, want, rank)));
}

enum status import_expand(struct node *n) {
    dim_id dims[MAX_RANK];
    uint32_t rank;
    TRY(node_dims(n, 1, dims, MAX_RANK, &rank));
    return node_result(n, emit1_with(n, OP_expand, node_in(n, 0), node_attr_dims(n, ATTR_shape, dims, rank)));
}
