/* A BLAS that computes something else: the interpreter says so before it believes a product. This program's
 * own cblas_sgemm takes the place of the library's; it forgets the last column. */
#include "ir/interp.h"
#include "test/support/unit.h"

#include <cblas.h>

void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, blasint m, blasint n, blasint k,
                 float alpha, const float *a, blasint lda, const float *b, blasint ldb, float beta, float *c,
                 blasint ldc) {
    (void)order;
    for (blasint i = 0; i < m; i++)
        for (blasint j = 0; j + 1 < n; j++) {
            float sum = 0;
            for (blasint p = 0; p < k; p++)
                sum += (ta == CblasTrans ? a[p * lda + i] : a[i * lda + p]) *
                       (tb == CblasTrans ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = alpha * sum + (beta != 0 ? beta * c[i * ldc + j] : 0);
        }
}

int main(void) {
    struct diag diag = {0};
    struct module *m = module_new("product");
    const int64_t shape[] = {2, 2};
    struct type type = type_make(ELEM_f32, dims_from_ints(&m->types, shape, 2));
    value_id x = module_add_input(m, "x", type, (struct loc){0});
    struct builder b = builder_at_end(m, m->root, &diag);
    module_add_output(m, "y", build(&b, OP_matmul, (const value_id[]){x, x}, 2, NULL, 0, "y"));
    struct tensor in = tensor_new(ELEM_f32, 2, shape), out = {0};
    for (int tries = 0; tries < 2; tries++) CHECK(interp_run(m, &in, NULL, &out, &diag) == STATUS_FAILED);
    CHECK(diag.errors == 2 && strstr(diag.list.at[0].text, "OPENBLAS_CORETYPE"));
    tensor_free(&in);
    module_free(m);
    diag_free(&diag);
    return unit_status();
}
