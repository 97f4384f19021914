/* Verifier: the types of values. The list of what is checked is in verify.c. */
#include "ir/verify_parts.h"

#include <math.h>

bool verify_dims_handle(const struct module *m, dims_id dims) {
    const struct types *types = &m->types;
    if (dims.i >= types->shapes.count) return false;
    for (uint32_t i = 0; i < dims_rank(types, dims); i++) {
        dim_id dim = dims_at(types, dims, i);
        if (!dim.i || dim.i >= types->dims.count) return false;
    }
    return true;
}

bool verify_type_handles(const struct module *m, struct type type) {
    return verify_dims_handle(m, type.shape) && type.layout.i < m->types.layouts.count &&
           type.quant.i < m->types.quants.count && type.sparse.i < m->types.sparses.count;
}

static void type_error(const struct verify *v, const struct value *value, const char *what) {
    struct str text = {0};
    type_print(&v->m->types, value->type, &text);
    diag_error(v->diag, value->loc, "value %s has the type %s: %s", value->name, str_text(&text), what);
    str_free(&text);
}

/* The elements that are stored, padding included, without overflow; false if they do not fit. */
static bool storage_fits(const struct types *types, struct type type) {
    int64_t extent[MAX_RANK], bytes = (int64_t)elem_bytes(type.elem);
    if (!type_static(types, type, extent)) return true;
    if (!tensor_shape_ok(type.elem, type_rank(types, type), extent)) return false;
    if (!type.layout.i) return true;
    const struct layout *layout = layout_get(types, type.layout);
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_dim *d = &layout->at[i];
        int64_t stored = d->inner ? (int64_t)d->block : ceil_div(extent[d->dim], d->block);
        if (!mul_i64(bytes, max_i64(stored, 1), &bytes)) return false;
    }
    return true;
}

static void check_extents(const struct verify *v, const struct value *value) {
    const struct types *types = &v->m->types;
    for (uint32_t i = 0; i < type_rank(types, value->type); i++) {
        dim_id dim = dims_at(types, value->type.shape, i);
        if (dim_lo(types, dim) > dim_hi(types, dim))
            type_error(v, value, "the bounds of a dimension hold no value");
        else if (dim_hi(types, dim) < 0)
            type_error(v, value, "an extent is negative");
    }
}

static void check_quant(const struct verify *v, const struct value *value) {
    struct quant q = quant_get(&v->m->types, value->type.quant);
    int64_t rank = type_rank(&v->m->types, value->type), bits = (int64_t)elem_bits(value->type.elem);
    bool is_signed = elem_kind(value->type.elem) == ELEM_KIND_INT;
    int64_t lo = !is_signed ? 0 : bits < 64 ? -((int64_t)1 << (bits - 1)) : INT64_MIN;
    int64_t hi = bits < 63 ? ((int64_t)1 << (is_signed ? bits - 1 : bits)) - 1 : INT64_MAX;
    if (!elem_is_int(value->type.elem) && !elem_in(value->type.elem, ELEMS_NIBBLE))
        type_error(v, value, "quant is for integers");
    if (q.group > 0 && q.axis) type_error(v, value, "groups need axis = 0");
    if (q.axis < -1 || q.axis >= rank) type_error(v, value, "the axis of quant is no dimension");
    if (q.group < 0) type_error(v, value, "the group of quant is negative");
    if (q.literal && !(q.scale > 0 && isfinite(q.scale)))
        type_error(v, value, "the scale of quant is not positive and finite");
    if (q.literal && (q.zero < lo || q.zero > hi))
        type_error(v, value, "the zero of quant is no value of the type");
    if (!q.literal && value->kind != VALUE_PARAMETER && value->kind != VALUE_ARGUMENT)
        type_error(v, value, "the scale of quant is missing");
}

static void check_sparse(const struct verify *v, const struct value *value) {
    struct sparse s = sparse_get(&v->m->types, value->type.sparse);
    if (value->kind != VALUE_PARAMETER && value->kind != VALUE_ARGUMENT)
        type_error(v, value, "only parameters are sparse");
    if (type_rank(&v->m->types, value->type) < 2) type_error(v, value, "sparse is for rank 2 or more");
    if (s.kind > SPARSE_BITMASK) type_error(v, value, "there is no such sparse format");
    if (s.kind == SPARSE_BLOCK && (!s.a || !s.b)) type_error(v, value, "a block has no elements");
    if (s.kind == SPARSE_NM && (!s.a || s.a > s.b)) type_error(v, value, "n of m needs 1 <= n <= m");
}

void verify_value_type(const struct verify *v, const struct value *value) {
    const struct types *types = &v->m->types;
    struct type type = value->type;
    if (type.elem <= ELEM_NONE || type.elem >= ELEM_COUNT) {
        diag_error(v->diag, value->loc, "value %s has an element type that does not exist", value->name);
        return;
    }
    check_extents(v, value);
    bool layout_fits = !type.layout.i || layout_valid(layout_get(types, type.layout), type_rank(types, type));
    if (!layout_fits)
        type_error(v, value, "the layout does not cover each dimension once");
    else if (!storage_fits(types, type))
        type_error(v, value, "an extent is negative, or the size is more than any machine has");
    if (type.layout.i && value->kind == VALUE_INPUT) type_error(v, value, "inputs are stored plain");
    if (elem_in(type.elem, ELEMS_NIBBLE) && !type.quant.i)
        type_error(v, value, "4-bit integers are for quantized parameters");
    if (type.quant.i) check_quant(v, value);
    if (type.sparse.i) check_sparse(v, value);
}
