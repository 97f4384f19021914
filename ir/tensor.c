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
    t.quant = from->quant;
    return t;
}

struct tensor tensor_backwards(const struct tensor *from) {
    struct tensor t = tensor_new(from->elem, from->rank, from->dim);
    size_t count = (size_t)tensor_count(from), size = elem_bytes(from->elem);
    const char *data = from->data;
    for (size_t i = 0; i < count; i++) memcpy((char *)t.data + i * size, data + (count - 1 - i) * size, size);
    return t;
}

struct tensor tensor_view(const struct tensor *of, uint32_t rank, const int64_t *dim) {
    struct tensor t = {.elem = of->elem, .rank = rank, .data = of->data, .quant = of->quant};
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
    case ELEM_u4:
    case ELEM_u8:
        return ((const uint8_t *)t->data)[i];
    case ELEM_u16:
        return ((const uint16_t *)t->data)[i];
    case ELEM_u32:
        return ((const uint32_t *)t->data)[i];
    case ELEM_u64:
        return (int64_t)((const uint64_t *)t->data)[i];
    case ELEM_i4:
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
    unsigned bits = elem_bits(t->elem);
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
    case ELEM_u4:
        ((uint8_t *)t->data)[i] = (uint8_t)(value & 15);
        break;
    case ELEM_i4:
        ((int8_t *)t->data)[i] = (int8_t)(((value & 15) ^ 8) - 8);
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
/* `count` elements from a strided source to consecutive places; the size of an element is a constant in each
 * loop. */
static void gather_run(void *to, const void *from, int64_t stride, int64_t count, size_t bytes) {
    switch (bytes) {
    case 1:
        for (int64_t i = 0; i < count; i++) ((uint8_t *)to)[i] = ((const uint8_t *)from)[i * stride];
        break;
    case 2:
        for (int64_t i = 0; i < count; i++) ((uint16_t *)to)[i] = ((const uint16_t *)from)[i * stride];
        break;
    case 4:
        for (int64_t i = 0; i < count; i++) ((uint32_t *)to)[i] = ((const uint32_t *)from)[i * stride];
        break;
    default:
        check(bytes == 8);
        for (int64_t i = 0; i < count; i++) ((uint64_t *)to)[i] = ((const uint64_t *)from)[i * stride];
    }
}

/* A walk of the storage in its order, the innermost dimension as one run. A logical coordinate is outer *
 * block + inner of its storage dimensions, so the source offset is a sum over storage dimensions too; runs
 * stop where the logical extent ends. */
struct relayout_walk {
    uint32_t count;
    int64_t extent[MAX_STORAGE_RANK], step[MAX_STORAGE_RANK]; /* step: in units of the logical coordinate */
    int64_t coordinate[MAX_RANK];                             /* of the run's first element */
    int64_t logical_stride[MAX_RANK];
};

static int64_t run_inside(const struct relayout_walk *w, const struct layout *l, const struct tensor *from) {
    for (uint32_t d = 0; d < from->rank; d++)
        if (w->coordinate[d] >= from->dim[d]) return 0;
    uint32_t last = w->count - 1, dim = l->at[last].dim;
    return min_i64(w->extent[last], ceil_div(from->dim[dim] - w->coordinate[dim], w->step[last]));
}

static void next_run(struct relayout_walk *w, const struct layout *l, int64_t at[MAX_STORAGE_RANK]) {
    for (uint32_t d = w->count - 1; d-- > 0;) {
        w->coordinate[l->at[d].dim] += w->step[d];
        if (++at[d] < w->extent[d]) return;
        w->coordinate[l->at[d].dim] -= w->extent[d] * w->step[d];
        at[d] = 0;
    }
}

struct tensor tensor_relayout(const struct types *types, const struct tensor *from, layout_id layout) {
    if (!layout.i) return tensor_copy(from);
    const struct layout *l = layout_get(types, layout);
    check(layout_valid(l, from->rank));
    struct relayout_walk w = {.count = l->count};
    int64_t total = 1, at[MAX_STORAGE_RANK] = {0};
    for (int64_t i = (int64_t)from->rank - 1, s = 1; i >= 0; s *= from->dim[i--]) w.logical_stride[i] = s;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct layout_dim *d = &l->at[i];
        w.extent[i] = d->inner ? (int64_t)d->block : ceil_div(from->dim[d->dim], d->block);
        w.step[i] = d->inner ? 1 : d->block;
        total *= w.extent[i];
    }
    struct tensor t = {.elem = from->elem,
                       .owned = true,
                       .rank = 1,
                       .dim = {total}}; /* may have more storage dimensions than a tensor */
    size_t bytes = elem_bytes(from->elem);
    t.data = xmalloc_aligned((size_t)total * bytes);
    memset(t.data, 0, (size_t)total * bytes);
    uint32_t last = l->count - 1;
    int64_t run_stride = w.step[last] * w.logical_stride[l->at[last].dim];
    for (int64_t i = 0; i < total; i += w.extent[last]) {
        int64_t offset = 0, inside = run_inside(&w, l, from);
        for (uint32_t d = 0; d < from->rank; d++) offset += w.coordinate[d] * w.logical_stride[d];
        if (inside > 0)
            gather_run((char *)t.data + (size_t)i * bytes, (const char *)from->data + (size_t)offset * bytes,
                       run_stride, inside, bytes);
        next_run(&w, l, at);
    }
    return t;
}
