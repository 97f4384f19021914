/* What the ops' functions share: looking up operand types and axes, checking dimensions, boxes. */
#ifndef ADZE_IR_OPS_SHAPE_H
#define ADZE_IR_OPS_SHAPE_H

#include "ir/ops/broadcast.h"
#include "ir/ops/expect.h"
#include "ir/ops/functions.h"

/* Types and shapes of operands and results. */
static inline struct type operand_type(const struct module *m, const struct op *op, uint32_t i) {
    return value_get(m, op->operand[i])->type;
}
static inline struct type result_type(const struct module *m, const struct op *op, uint32_t i) {
    return value_get(m, op->result[i])->type;
}
/* Rank and extents; static shapes only. */
static inline uint32_t operand_extents(const struct module *m, const struct op *op, uint32_t i,
                                       int64_t extent[MAX_RANK]) {
    return value_extents(m, op->operand[i], extent);
}
static inline uint32_t result_extents(const struct module *m, const struct op *op, uint32_t i,
                                      int64_t extent[MAX_RANK]) {
    return value_extents(m, op->result[i], extent);
}

/* The attribute `axis` counted from the start; inference has checked it. */
uint32_t op_axis(const struct op *op, uint32_t rank);
/* The attribute `axes` as a set: bit i for dimension i. Empty lists stand for all dimensions. */
uint32_t op_axes(const struct op *op, uint32_t rank);
/* The same with checks: axes out of range or given twice are errors. */
MUST_USE enum status infer_axes(const struct infer *infer, uint32_t rank, uint32_t *out_set);

/* Sets results[index] to a plain type; an error if a dimension could not be represented or is negative, or if
 * the rank is above MAX_RANK. */
MUST_USE enum status infer_result(struct infer *infer, uint32_t index, enum elem elem, const dim_id *dims,
                                  uint32_t rank);
/* `shape` as text for a message, in the infer's module's arena. */
const char *infer_shape_text(const struct infer *infer, dims_id shape);
const char *infer_dim_text(const struct infer *infer, dim_id dim);

/* Nothing of a tensor of this rank. */
struct box box_none(uint32_t rank);

/* Rank of a port of the op whose channels are being mapped. */
uint32_t port_rank(const struct channel_map *map, uint32_t port);

/* Row-major strides, in elements. */
void strides_of(uint32_t rank, const int64_t *extent, int64_t *stride);
/* Product of extents [from, to). */
int64_t extent_product(const int64_t *extent, uint32_t from, uint32_t to);

#endif
