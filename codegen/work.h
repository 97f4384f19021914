/* How much an op computes and moves: for profiles and for cost estimates. */
#ifndef ADZE_CODEGEN_WORK_H
#define ADZE_CODEGEN_WORK_H

#include "ir/op.h"
#include "ir/target.h"

/* Multiply-adds of the contractions in an op of the root; static shapes. 0 for ops without any. */
uint64_t work_operations(const struct module *m, const struct op *op);
/* Bytes of operands and results as they are stored, each counted once. */
uint64_t work_bytes(const struct module *m, const struct op *op);
/* How many of a step's items a worker takes at least, so that sharing them costs little beside computing
 * them; more than the items when the step is too small to be shared. */
uint32_t work_grain(const struct target *target, uint64_t operations, uint64_t bytes, uint32_t items);

#endif
