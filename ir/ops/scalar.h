/* What every pointwise op computes from its operands' elements. */
#ifndef ADZE_IR_OPS_SCALAR_H
#define ADZE_IR_OPS_SCALAR_H

#include "ir/op.h"

enum { MAX_SCALAR_PARAMETERS = 4 };

/* The op's FLOAT attributes, and KEYWORD ones as their number, in the order of its row. */
struct scalar_parameters {
    double at[MAX_SCALAR_PARAMETERS];
    enum elem elem; /* of the operands */
};

/* y[i] = f(a[i], b[i]) for i < n; unary ops ignore b, which is a then. Which of the functions is taken
 * follows from the operands: floats, signed integers, or unsigned integers and booleans; NULL where the op's
 * row does not allow them. `test` maps floats to 0 or 1. `whole` stands for ops that are no function of one
 * element type. */
struct scalar {
    void (*floats)(const struct scalar_parameters *p, int64_t n, const double *a, const double *b, double *y);
    void (*test)(const struct scalar_parameters *p, int64_t n, const double *a, const double *b, int64_t *y);
    void (*ints)(const struct scalar_parameters *p, int64_t n, const int64_t *a, const int64_t *b,
                 int64_t *y);
    void (*uints)(const struct scalar_parameters *p, int64_t n, const uint64_t *a, const uint64_t *b,
                  uint64_t *y);
    enum status (*whole)(const struct eval *eval);
};

/* NULL for ops of other classes. */
const struct scalar *scalar_of(enum op_kind kind);

/* The `whole` functions. */
enum status eval_pointwise_identity(const struct eval *eval);
enum status eval_pointwise_cast(const struct eval *eval);
enum status eval_pointwise_where(const struct eval *eval);
enum status eval_pointwise_quantize(const struct eval *eval);
enum status eval_pointwise_dequantize(const struct eval *eval);

#endif
