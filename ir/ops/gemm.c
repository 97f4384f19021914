#include "ir/ops/gemm.h"

#include "ir/ops/chunk.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum elem gemm_elem(enum elem elem) {
    if (elem == ELEM_f64) return ELEM_f64;
    return elem_is_float(elem) ? ELEM_f32 : ELEM_i64;
}

/* -- operands and results in the element type that is computed in -- */
static bool is_wide(const struct tensor *tensor) {
    return gemm_elem(tensor->elem) == tensor->elem;
}

struct wide wide_of(const struct tensor *tensor) {
    if (is_wide(tensor)) return (struct wide){tensor->data, NULL};
    struct tensor cast = tensor_cast(tensor, gemm_elem(tensor->elem));
    return (struct wide){cast.data, cast.data};
}

void wide_free(struct wide *wide) {
    free(wide->copy);
    *wide = (struct wide){0};
}

void *wide_result(struct tensor *tensor) {
    enum elem elem = gemm_elem(tensor->elem);
    size_t bytes = (size_t)tensor_count(tensor) * elem_bytes(elem);
    void *result = is_wide(tensor) ? tensor->data : xmalloc_aligned(bytes);
    if (bytes) memset(result, 0, bytes);
    return result;
}

void wide_store(struct tensor *tensor, void *result) {
    if (is_wide(tensor)) return;
    int64_t count = tensor_count(tensor);
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t run = min_i64(CHUNK, count - i);
        if (!elem_is_float(tensor->elem)) {
            chunk_store_i64(tensor, i, run, (const int64_t *)result + i);
            continue;
        }
        double wide[CHUNK];
        for (int64_t j = 0; j < run; j++) wide[j] = (double)((const float *)result)[i + j];
        chunk_store_f64(tensor, i, run, wide);
    }
    free(result);
}

/* -- plain loops: k outside of n, so that each element's sum runs over k in order and n can be vectorized;
 * rows of b have to be rows in memory for that -- */
#define PLAIN(name, T)                                                                                       \
    static void name(const struct gemm *g) {                                                                 \
        const T *a = g->a.at, *b = g->b.at;                                                                  \
        int64_t a_m = g->a.transposed ? 1 : g->a.row, a_k = g->a.transposed ? g->a.row : 1, b_k = g->b.row;  \
        T *rows = NULL;                                                                                      \
        if (g->b.transposed) {                                                                               \
            b = rows = xcalloc((size_t)(g->k * g->n), sizeof *rows);                                         \
            b_k = g->n;                                                                                      \
            for (int64_t n = 0; n < g->n; n++)                                                               \
                for (int64_t k = 0; k < g->k; k++)                                                           \
                    rows[k * g->n + n] = ((const T *)g->b.at)[n * g->b.row + k];                             \
        }                                                                                                    \
        for (int64_t m = 0; m < g->m; m++) {                                                                 \
            T *c = (T *)g->c + m * g->c_row;                                                                 \
            if (!g->accumulate) memset(c, 0, (size_t)g->n * sizeof *c);                                      \
            for (int64_t k = 0; k < g->k; k++) {                                                             \
                const T x = a[m * a_m + k * a_k];                                                            \
                for (int64_t n = 0; n < g->n; n++) c[n] += x * b[k * b_k + n];                               \
            }                                                                                                \
        }                                                                                                    \
        free(rows);                                                                                          \
    }
PLAIN(plain_f32, float)
PLAIN(plain_f64, double)
PLAIN(plain_i64, uint64_t) /* unsigned: wraps */

static bool fits_blas(const struct gemm *g) {
    return max_i64(max_i64(g->m, g->n), max_i64(g->k, g->c_row)) <= INT_MAX && g->a.row <= INT_MAX &&
           g->b.row <= INT_MAX;
}

static void blas(const struct gemm *g) {
    CBLAS_TRANSPOSE ta = g->a.transposed ? CblasTrans : CblasNoTrans,
                    tb = g->b.transposed ? CblasTrans : CblasNoTrans;
    int m = (int)g->m, n = (int)g->n, k = (int)g->k;
    int lda = (int)max_i64(g->a.row, 1), ldb = (int)max_i64(g->b.row, 1), ldc = (int)max_i64(g->c_row, 1);
    if (g->elem == ELEM_f32)
        cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, g->a.at, lda, g->b.at, ldb, g->accumulate, g->c, ldc);
    else
        cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, g->a.at, lda, g->b.at, ldb, g->accumulate, g->c, ldc);
}

void gemm(const struct gemm *g) {
    if (!g->m || !g->n) return;
    bool by_blas = g->elem != ELEM_i64 && !g->ordered && g->k && fits_blas(g);
    if (by_blas)
        blas(g);
    else if (g->elem == ELEM_f32)
        plain_f32(g);
    else if (g->elem == ELEM_f64)
        plain_f64(g);
    else
        plain_i64(g);
}

/* -- the check of BLAS -- */
/* Small integers, so that both sums are exact in either type and must be equal. */
static double sample(int64_t i, int64_t j) {
    return (double)((i * 7 + j * 13 + i * j) % 9 - 4);
}

static void fill(enum elem elem, void *at, int64_t rows, int64_t columns, int64_t row) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            if (elem == ELEM_f32)
                ((float *)at)[i * row + j] = (float)sample(i, j);
            else
                ((double *)at)[i * row + j] = sample(i, j);
}

static bool blas_agrees(enum elem elem, int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
    size_t bytes = elem_bytes(elem);
    int64_t a_rows = ta ? k : m, a_columns = ta ? m : k, b_rows = tb ? n : k, b_columns = tb ? k : n;
    int64_t a_row = a_columns + 3, b_row = b_columns + 1, c_row = n + 2;
    void *a = xcalloc((size_t)(a_rows * a_row), bytes), *b = xcalloc((size_t)(b_rows * b_row), bytes);
    void *c = xcalloc((size_t)(m * c_row), bytes), *expected = xcalloc((size_t)(m * c_row), bytes);
    fill(elem, a, a_rows, a_columns, a_row);
    fill(elem, b, b_rows, b_columns, b_row);
    fill(elem, c, m, n, c_row);
    fill(elem, expected, m, n, c_row);
    struct gemm g = {elem, false, true, m, n, k, {a, a_row, ta}, {b, b_row, tb}, c, c_row};
    gemm(&g);
    g.ordered = true;
    g.c = expected;
    gemm(&g);
    bool same = !memcmp(c, expected, (size_t)(m * c_row) * bytes);
    free(a);
    free(b);
    free(c);
    free(expected);
    return same;
}

static bool blas_is_right(void) {
    static const int64_t shape[][3] = {{1, 1, 1}, {1, 37, 65},   {37, 1, 65},
                                       {3, 5, 7}, {17, 33, 129}, {67, 49, 31}};
    for (size_t i = 0; i < COUNT_OF(shape); i++)
        for (int transposed = 0; transposed < 4; transposed++)
            for (enum elem elem = ELEM_f32; elem <= ELEM_f64; elem++)
                if (!blas_agrees(elem, shape[i][0], shape[i][1], shape[i][2], transposed & 1, transposed & 2))
                    return false;
    return true;
}

/* Two threads that come here at once both run the check and agree. */
enum status gemm_check_blas(const struct eval *eval) {
    enum { UNKNOWN, RIGHT, WRONG };
    static atomic_int known = UNKNOWN;
    int state = atomic_load(&known);
    if (state == UNKNOWN) atomic_store(&known, state = blas_is_right() ? RIGHT : WRONG);
    if (state == RIGHT) return STATUS_OK;
    return diag_error(
        eval->diag, eval->op->loc,
        "OpenBLAS computes wrong matrix products on this CPU (it does not know it): set the environment "
        "variable OPENBLAS_CORETYPE to an older CPU that it knows, such as Haswell");
}
