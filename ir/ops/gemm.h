/* Matrix products for the contractions' reference evaluations. */
#ifndef ADZE_IR_OPS_GEMM_H
#define ADZE_IR_OPS_GEMM_H

#include "ir/op.h"

/* What a contraction of `elem` computes in: f64 for f64, f32 for the other floats (rounded once at the end),
 * i64 for integers (exact up to wrap-around, which the store to a narrower type carries on). */
enum elem gemm_elem(enum elem elem);

/* An operand in the element type that it is computed in: the tensor's own data, or a copy. */
struct wide {
    const void *at;
    void *copy;
};
struct wide wide_of(const struct tensor *tensor);
void wide_free(struct wide *wide);

/* Room for a result in the element type that it is computed in, zeroed: the tensor's own data, or a buffer
 * that wide_store rounds into the tensor and frees. */
void *wide_result(struct tensor *tensor);
void wide_store(struct tensor *tensor, void *result);

/* A matrix in row-major order: `row` elements from one row to the next; transposed: read as its transpose. */
struct matrix {
    const void *at;
    int64_t row;
    bool transposed;
};

/* c[m][n] = sum over k of a[m][k] * b[k][n], plus c[m][n] with `accumulate`; c has c_row elements from one
 * row to the next. f32 and f64 go through OpenBLAS unless `ordered`: then each sum is one loop over k in
 * rising order, and so are those of i64. K = 0 gives zeros. */
struct gemm {
    enum elem elem; /* f32, f64 or i64 */
    bool ordered, accumulate;
    int64_t m, n, k;
    struct matrix a, b;
    void *c;
    int64_t c_row;
};
void gemm(const struct gemm *g);

/* Compares OpenBLAS with plain loops over a few odd shapes, once in the life of the process. An error says
 * that it is wrong on this CPU and what to do; every evaluation that multiplies by BLAS asks first. */
MUST_USE enum status gemm_check_blas(const struct eval *eval);

#endif
