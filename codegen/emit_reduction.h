/* The parts of emit_reduction, a family of ops each. They decline ops of other families. */
#ifndef ADZE_CODEGEN_EMIT_REDUCTION_H
#define ADZE_CODEGEN_EMIT_REDUCTION_H

#include "codegen/kernel.h"

emit_fn emit_reduce;        /* reduce_*, argmax, argmin */
emit_fn emit_top;           /* topk */
emit_fn emit_pool;          /* max and average pooling */
emit_fn emit_normalization; /* softmax, log_softmax, layernorm, batchnorm */

#endif
