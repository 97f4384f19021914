/* Runs of consecutive elements of a tensor, widened to 64 bits and back: how the reference evaluations read
 * and write. Floats go through f64; booleans and integers through i64 (zero- or sign-extended; u64 wraps into
 * it and back). Stores round floats to nearest even and truncate integers, as tensor_set_* does. */
#ifndef ADZE_IR_OPS_CHUNK_H
#define ADZE_IR_OPS_CHUNK_H

#include "ir/tensor.h"

enum { CHUNK = 512 }; /* elements that callers handle at a time, in buffers on the stack */

void chunk_load_f64(const struct tensor *from, int64_t start, int64_t count, double *out);
void chunk_load_i64(const struct tensor *from, int64_t start, int64_t count, int64_t *out);
void chunk_store_f64(struct tensor *to, int64_t start, int64_t count, const double *in);
void chunk_store_i64(struct tensor *to, int64_t start, int64_t count, const int64_t *in);

#endif
