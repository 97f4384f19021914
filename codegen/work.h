/* How much an op computes and moves: for profiles and for cost estimates. */
#ifndef ADZE_CODEGEN_WORK_H
#define ADZE_CODEGEN_WORK_H

#include "ir/op.h"

/* Multiply-adds of the contractions in an op of the root; static shapes. 0 for ops without any. */
uint64_t work_operations(const struct module *m, const struct op *op);
/* Bytes of operands and results as they are stored, each counted once. */
uint64_t work_bytes(const struct module *m, const struct op *op);

#endif
