#include "ir/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool tensor_shape_ok(enum elem elem, uint32_t rank, const int64_t *dim) {
    if (rank > MAX_RANK) return false;
    int64_t bytes = (int64_t)elem_bytes(elem);
    bool empty = false;
    for (uint32_t i = 0; i < rank; i++) {
        if (dim[i] < 0) return false;
        empty = empty || dim[i] == 0;
        if (!mul_i64(bytes, max_i64(dim[i], 1), &bytes)) return false;
    }
    return empty || bytes <= (int64_t)1 << 46;
}

int64_t tensor_count(const struct tensor *tensor) {
    int64_t count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++) count *= tensor->dim[i];
    return count;
}

size_t tensor_bytes(const struct tensor *tensor) {
    return (size_t)tensor_count(tensor) * elem_bytes(tensor->elem);
}

struct tensor tensor_new(enum elem elem, uint32_t rank, const int64_t *dim) {
    check(tensor_shape_ok(elem, rank, dim));
    struct tensor t = {.elem = elem, .rank = rank, .owned = true};
    if (rank) memcpy(t.dim, dim, rank * sizeof *dim);
    size_t bytes = tensor_bytes(&t);
    t.data = xmalloc_aligned(bytes);
    memset(t.data, 0, bytes);
    return t;
}

struct tensor tensor_new_of(const struct types *types, struct type type) {
    int64_t dim[MAX_RANK];
    check(type_static(types, type, dim));
    return tensor_new(type.elem, type_rank(types, type), dim);
}

struct tensor tensor_copy(const struct tensor *from) {
    struct tensor t = tensor_new(from->elem, from->rank, from->dim);
    if (tensor_bytes(from)) memcpy(t.data, from->data, tensor_bytes(from));
    return t;
}

struct tensor tensor_view(const struct tensor *of, uint32_t rank, const int64_t *dim) {
    struct tensor t = {.elem = of->elem, .rank = rank, .data = of->data};
    check(rank <= MAX_RANK);
    if (rank) memcpy(t.dim, dim, rank * sizeof *dim);
    check(tensor_count(&t) == tensor_count(of));
    return t;
}

struct tensor tensor_scalar_f64(enum elem elem, double value) {
    struct tensor t = tensor_new(elem, 0, NULL);
    tensor_set_f64(&t, 0, value);
    return t;
}

struct tensor tensor_scalar_i64(enum elem elem, int64_t value) {
    struct tensor t = tensor_new(elem, 0, NULL);
    tensor_set_i64(&t, 0, value);
    return t;
}

void tensor_free(struct tensor *tensor) {
    if (tensor->owned) free(tensor->data);
    *tensor = (struct tensor){0};
}

bool tensor_equal(const struct tensor *a, const struct tensor *b) {
    if (a->elem != b->elem || a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return !tensor_bytes(a) || !memcmp(a->data, b->data, tensor_bytes(a));
}

/* -- elements -- */
static int64_t saturate_i64(double value) {
    if (isnan(value)) return 0;
    if (value >= 9223372036854775808.0) return INT64_MAX;
    if (value < -9223372036854775808.0) return INT64_MIN;
    return (int64_t)value;
}

double tensor_get_f64(const struct tensor *t, int64_t i) {
    switch (t->elem) {
    case ELEM_f64:
        return ((const double *)t->data)[i];
    case ELEM_f32:
        return (double)((const float *)t->data)[i];
    case ELEM_f16:
        return (double)elem_f16_to_f32(((const uint16_t *)t->data)[i]);
    case ELEM_bf16:
        return (double)elem_bf16_to_f32(((const uint16_t *)t->data)[i]);
    case ELEM_u64:
        return (double)((const uint64_t *)t->data)[i];
    default:
        return (double)tensor_get_i64(t, i);
    }
}

int64_t tensor_get_i64(const struct tensor *t, int64_t i) {
    switch (t->elem) {
    case ELEM_bool:
    case ELEM_u8:
        return ((const uint8_t *)t->data)[i];
    case ELEM_u16:
        return ((const uint16_t *)t->data)[i];
    case ELEM_u32:
        return ((const uint32_t *)t->data)[i];
    case ELEM_u64:
        return (int64_t)((const uint64_t *)t->data)[i];
    case ELEM_i8:
        return ((const int8_t *)t->data)[i];
    case ELEM_i16:
        return ((const int16_t *)t->data)[i];
    case ELEM_i32:
        return ((const int32_t *)t->data)[i];
    case ELEM_i64:
        return ((const int64_t *)t->data)[i];
    default:
        return saturate_i64(tensor_get_f64(t, i));
    }
}

/* A float truncates towards zero and stops at the ends of the integer's range; NaN is 0. */
static void set_saturated(struct tensor *t, int64_t i, double value) {
    unsigned bits = (unsigned)elem_bytes(t->elem) * 8;
    if (elem_kind(t->elem) == ELEM_KIND_UINT) {
        double limit = ldexp(1, (int)bits);
        uint64_t max = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
        uint64_t u = !(value > 0) ? 0 : value >= limit ? max : (uint64_t)value;
        tensor_set_i64(t, i, (int64_t)u);
        return;
    }
    int64_t max = bits == 64 ? INT64_MAX : ((int64_t)1 << (bits - 1)) - 1;
    int64_t whole = saturate_i64(value);
    tensor_set_i64(t, i, max_i64(min_i64(whole, max), -max - 1));
}

void tensor_set_f64(struct tensor *t, int64_t i, double value) {
    switch (t->elem) {
    case ELEM_f64:
        ((double *)t->data)[i] = value;
        break;
    case ELEM_f32:
        ((float *)t->data)[i] = (float)value;
        break;
    case ELEM_f16:
        ((uint16_t *)t->data)[i] = elem_f64_to_f16(value);
        break;
    case ELEM_bf16:
        ((uint16_t *)t->data)[i] = elem_f64_to_bf16(value);
        break;
    case ELEM_bool:
        ((uint8_t *)t->data)[i] = value != 0;
        break;
    default:
        set_saturated(t, i, value);
    }
}

/* An integer to a float with one rounding. What goes on from f64 to a narrower type is rounded to odd first:
 * bits that f64 cannot hold leave a trace in its last one, so that no middle of two values arises that was
 * none. */
static void set_magnitude(struct tensor *t, int64_t i, uint64_t magnitude, bool negative) {
    if (t->elem != ELEM_f64 && magnitude >> 53) {
        int excess = 11 - __builtin_clzll(magnitude);
        uint64_t lost = magnitude & (((uint64_t)1 << excess) - 1);
        magnitude = (magnitude >> excess | (lost != 0)) << excess;
    }
    double value = (double)magnitude;
    tensor_set_f64(t, i, negative ? -value : value);
}

void tensor_set_i64(struct tensor *t, int64_t i, int64_t value) {
    switch (t->elem) {
    case ELEM_bool:
        ((uint8_t *)t->data)[i] = value != 0;
        break;
    case ELEM_u8:
        ((uint8_t *)t->data)[i] = (uint8_t)value;
        break;
    case ELEM_u16:
        ((uint16_t *)t->data)[i] = (uint16_t)value;
        break;
    case ELEM_u32:
        ((uint32_t *)t->data)[i] = (uint32_t)value;
        break;
    case ELEM_u64:
        ((uint64_t *)t->data)[i] = (uint64_t)value;
        break;
    case ELEM_i8:
        ((int8_t *)t->data)[i] = (int8_t)(uint8_t)value;
        break;
    case ELEM_i16:
        ((int16_t *)t->data)[i] = (int16_t)(uint16_t)value;
        break;
    case ELEM_i32:
        ((int32_t *)t->data)[i] = (int32_t)(uint32_t)value;
        break;
    case ELEM_i64:
        ((int64_t *)t->data)[i] = value;
        break;
    default:
        set_magnitude(t, i, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
    }
}

struct tensor tensor_cast(const struct tensor *from, enum elem to) {
    struct tensor t = tensor_new(to, from->rank, from->dim);
    int64_t count = tensor_count(from);
    bool from_float = elem_is_float(from->elem), u64_to_float = elem_is_float(to) && from->elem == ELEM_u64;
    for (int64_t i = 0; i < count; i++)
        if (from_float)
            tensor_set_f64(&t, i, tensor_get_f64(from, i));
        else if (u64_to_float)
            set_magnitude(&t, i, ((const uint64_t *)from->data)[i], false);
        else
            tensor_set_i64(&t, i, tensor_get_i64(from, i));
    return t;
}

/* -- relayout -- */
/* Copies one element after the other in storage order: a logical coordinate is outer * block + inner of its
 * storage dimensions. */
struct tensor tensor_relayout(const struct types *types, const struct tensor *from, layout_id layout) {
    if (!layout.i) return tensor_copy(from);
    const struct layout *l = layout_get(types, layout);
    check(layout_valid(l, from->rank));
    int64_t extent[MAX_STORAGE_RANK], stride[MAX_STORAGE_RANK], logical_stride[MAX_RANK], total = 1;
    for (int64_t i = (int64_t)from->rank - 1, s = 1; i >= 0; s *= from->dim[i--]) logical_stride[i] = s;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct layout_dim *d = &l->at[i];
        extent[i] = d->inner ? (int64_t)d->block : ceil_div(from->dim[d->dim], d->block);
        stride[i] = d->inner ? 1 : d->block; /* in units of the logical coordinate */
        total *= extent[i];
    }
    struct tensor t = {.elem = from->elem, .owned = true};
    size_t bytes = elem_bytes(from->elem);
    t.data = xmalloc_aligned((size_t)total * bytes);
    memset(t.data, 0, (size_t)total * bytes);
    t.rank = 1; /* storage may have more dimensions than a tensor: flat */
    t.dim[0] = total;
    int64_t at[MAX_STORAGE_RANK] = {0}, coordinate[MAX_RANK] = {0};
    for (int64_t i = 0; i < total; i++) {
        bool inside = true;
        int64_t offset = 0;
        for (uint32_t d = 0; d < from->rank; d++) {
            inside = inside && coordinate[d] < from->dim[d];
            offset += coordinate[d] * logical_stride[d];
        }
        if (inside)
            memcpy((char *)t.data + (size_t)i * bytes, (const char *)from->data + (size_t)offset * bytes,
                   bytes);
        for (uint32_t d = l->count; d-- > 0;) {
            coordinate[l->at[d].dim] += stride[d];
            if (++at[d] < extent[d]) break;
            coordinate[l->at[d].dim] -= extent[d] * stride[d];
            at[d] = 0;
        }
    }
    return t;
}
