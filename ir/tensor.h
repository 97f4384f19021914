/* Tensors: dense, row-major, in host byte order, 64-byte aligned when owned. bool is one byte, 0 or 1. */
#ifndef ADZE_IR_TENSOR_H
#define ADZE_IR_TENSOR_H

#include "ir/types.h"

struct tensor_quant;

struct tensor {
    enum elem elem;
    uint32_t rank;
    int64_t dim[MAX_RANK];
    void *data; /* NULL only when there are no elements, or before allocation */
    bool owned; /* tensor_free releases data; otherwise it belongs to a file mapping, an arena or another
                   tensor */
    const struct tensor_quant *quant; /* component tensors of a quantized parameter (ir/quant.h), not owned;
                                         NULL for everything else. Views and copies share it. */
};

/* Elements and bytes; the shape has been checked by tensor_shape_ok. */
int64_t tensor_count(const struct tensor *tensor);
size_t tensor_bytes(const struct tensor *tensor);
/* False if a dimension is negative, the rank is over MAX_RANK, or the byte count overflows. */
bool tensor_shape_ok(enum elem elem, uint32_t rank, const int64_t *dim);
struct tensor tensor_new(enum elem elem, uint32_t rank, const int64_t *dim); /* owned, zeroed */
struct tensor tensor_new_of(const struct types *types, struct type type);    /* static shape; owned, zeroed */
struct tensor tensor_copy(const struct tensor *from);                        /* owned */
struct tensor tensor_backwards(const struct tensor *from); /* the elements in the other order; owned */
struct tensor tensor_view(const struct tensor *of, uint32_t rank,
                          const int64_t *dim); /* same data, not owned */
struct tensor tensor_scalar_f64(enum elem elem, double value);
struct tensor tensor_scalar_i64(enum elem elem, int64_t value);
void tensor_free(struct tensor *tensor);
bool tensor_equal(const struct tensor *a, const struct tensor *b); /* element type, shape and bytes */

/* Element i in row-major order. Floats convert exactly to double; get_i64 of a float truncates and saturates,
 * of u64 wraps; set_* rounds to the element type (floats to nearest even; integers wrap; bool is value != 0;
 * float to int saturates, NaN is 0). */
double tensor_get_f64(const struct tensor *tensor, int64_t i);
int64_t tensor_get_i64(const struct tensor *tensor, int64_t i);
void tensor_set_f64(struct tensor *tensor, int64_t i, double value);
void tensor_set_i64(struct tensor *tensor, int64_t i, int64_t value);
/* Element by element with the rules above; integers go through int64, never through floats. */
struct tensor tensor_cast(const struct tensor *from, enum elem to);

/* The bytes of `from` stored in `layout` (0: plain), padding zero: what a compiled kernel reads. Owned, shape
 * = storage extents. */
struct tensor tensor_relayout(const struct types *types, const struct tensor *from, layout_id layout);

#endif
