#include "passes/layers.h"

#include <math.h>
#include <string.h>

void layer_transpose(struct module *m, op_id op, struct columns *c) {
    struct value *v = value_get(m, c->weight);
    struct weight *w = weight_get(m, v->weight);
    const int64_t dim[] = {c->rows, c->depth};
    struct tensor t = tensor_new(w->tensor.elem, 2, dim);
    size_t width = elem_bytes(t.elem);
    for (int64_t i = 0; i < c->rows; i++)
        for (int64_t j = 0; j < c->depth; j++)
            memcpy((char *)t.data + (size_t)(i * c->depth + j) * width,
                   (const char *)w->tensor.data + (size_t)(j * c->rows + i) * width, width);
    tensor_free(&w->tensor);
    w->tensor = t;
    w->made_by = NULL;
    v->type.shape = dims_from_ints(&m->types, dim, 2);
    op_get(m, op)->kind = OP_linear;
    check(columns_of(m, op_get(m, op), c));
}

enum status layer_check_finite(const struct module *m, weight_id id, struct diag *diag) {
    const struct weight *w = weight_get(m, id);
    for (int64_t i = 0, n = tensor_count(&w->tensor); i < n; i++) {
        double v = tensor_get_f64(&w->tensor, i);
        if (isfinite(v)) continue;
        struct str at = {0};
        int64_t rest = i, index[MAX_RANK];
        for (uint32_t k = w->tensor.rank; k-- > 0; rest /= w->tensor.dim[k])
            index[k] = rest % w->tensor.dim[k];
        for (uint32_t k = 0; k < w->tensor.rank; k++)
            str_printf(&at, "%s%lld", k ? ", " : "", (long long)index[k]);
        diag_error(diag, w->loc, "weight %s has %s at [%s]", w->name, isnan(v) ? "NaN" : "an infinite number",
                   str_text(&at));
        str_free(&at);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

void layer_get(const struct columns *c, int64_t group, const struct tensor *from, double *to) {
    for (int64_t i = 0; i < c->rows; i++)
        for (int64_t j = 0; j < c->depth; j++)
            to[i * c->depth + j] = tensor_get_f64(from, columns_weight_at(c, group, i, j));
}

void layer_put(const struct columns *c, int64_t group, const double *from, struct tensor *to) {
    for (int64_t i = 0; i < c->rows; i++)
        for (int64_t j = 0; j < c->depth; j++)
            tensor_set_f64(to, columns_weight_at(c, group, i, j), from[i * c->depth + j]);
}
