/* One op at a time: evaluated on tensors, or inferred on types. Attributes are spelled as in op_samples.h. */
#ifndef ADZE_TEST_OP_APPLY_H
#define ADZE_TEST_OP_APPLY_H

#include "ir/op.h"

/* Result 0 of the op on `count` tensors (ELEM_NONE: left out), run as a model of one op (floats by BLAS) in
 * its own types or in f64. The caller's to free. Ends the process with diagnostics if the op is refused. */
struct tensor op_apply(enum op_kind kind, const struct tensor *in, uint32_t count, const struct attr *attrs,
                       uint32_t attr_count, bool f64);
/* The same for another result. */
struct tensor op_apply_result(enum op_kind kind, const struct tensor *in, uint32_t count,
                              const struct attr *attrs, uint32_t attr_count, bool f64, uint32_t result);

/* The type of result 0 for operands of these types ("f32[batch, 3]", NULL: left out), or the text of the
 * first error. Extents are numbers, names (symbols from 0 on), or name+number, name*number. Valid until the
 * next call. */
const char *op_infer_text(enum op_kind kind, const char *const *operands, uint32_t count,
                          const struct attr *attrs, uint32_t attr_count);

/* Tensors of numbers written out: tensor_of(ELEM_f32, (int64_t[]){2, 3}, 2, (double[]){1, 2, 3, 4, 5, 6}). */
struct tensor tensor_of(enum elem elem, const int64_t *dim, uint32_t rank, const double *values);
/* Different values in [-1, 1], small integers for integers; the same for the same seed. */
struct tensor tensor_random(enum elem elem, const int64_t *dim, uint32_t rank, uint64_t seed);

#endif
