/* Checks that shape inference makes of operands; every error says what was found and what was expected. */
#ifndef ADZE_IR_OPS_EXPECT_H
#define ADZE_IR_OPS_EXPECT_H

#include "ir/op.h"

MUST_USE enum status expect_elem(const struct infer *infer, uint32_t i, enum elem expected);
/* All operands that are there have operand 0's element type. */
MUST_USE enum status expect_same_elems(const struct infer *infer);
MUST_USE enum status expect_rank(const struct infer *infer, uint32_t i, uint32_t rank);
MUST_USE enum status expect_extent(const struct infer *infer, uint32_t i, uint32_t axis, dim_id expected);
/* The extent of a dimension that has to be a constant. */
MUST_USE enum status expect_constant(const struct infer *infer, uint32_t i, uint32_t axis, int64_t *out);

#endif
