#include "passes/layers.h"

#include <math.h>
#include <string.h>

uint32_t *layers_count_readers(const struct module *m) {
    const struct region *root = region_get(m, m->root);
    uint32_t *readers = xcalloc(m->values.count, sizeof *readers);
    bool *transposed = xcalloc(m->values.count, sizeof *transposed);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct columns c;
        if (!columns_of(m, op_get(m, root->ops.at[i]), &c)) continue;
        if (!readers[c.weight.i]) transposed[c.weight.i] = c.transposed;
        readers[c.weight.i] += transposed[c.weight.i] == c.transposed;
    }
    free(transposed);
    return readers;
}

static void make_linear(struct module *m, value_id weight) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct op *op = op_get(m, root->ops.at[i]);
        if (op->kind == OP_matmul && value_same(op->operand[1], weight)) op->kind = OP_linear;
    }
}

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
    make_linear(m, c->weight);
    check(columns_of(m, op_get(m, op), c));
}

void layers_unstack(struct module *m) {
    const struct region *root = region_get(m, m->root);
    uint32_t *uses = module_count_uses(m);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        if (op->kind != OP_matmul || value_get(m, op->operand[1])->kind != VALUE_PARAMETER) continue;
        struct value *w = value_get(m, op->operand[1]);
        struct tensor *t = &weight_get(m, w->weight)->tensor;
        uint32_t rank = t->rank, of_x = type_rank(&m->types, value_get(m, op->operand[0])->type);
        bool plain = !w->type.sparse.i && !w->type.quant.i && !w->type.layout.i;
        if (uses[op->operand[1].i] != 1 || !plain || rank < 3 || of_x < rank) continue;
        if (tensor_count(t) != t->dim[rank - 2] * t->dim[rank - 1]) continue;
        t->dim[0] = t->dim[rank - 2];
        t->dim[1] = t->dim[rank - 1];
        t->rank = 2;
        w->type.shape = dims_from_ints(&m->types, t->dim, 2);
    }
    free(uses);
}

static enum status check_numbers(const struct module *m, weight_id id, bool infinities, struct diag *diag) {
    const struct weight *w = weight_get(m, id);
    for (int64_t i = 0, n = tensor_count(&w->tensor); i < n; i++) {
        double v = tensor_get_f64(&w->tensor, i);
        if (isfinite(v) || (infinities && isinf(v))) continue;
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

enum status layer_check_finite(const struct module *m, weight_id id, struct diag *diag) {
    return check_numbers(m, id, false, diag);
}

/* By value: whether an op reads it that multiplies it by something. */
static bool *find_factors(const struct module *m) {
    const struct region *root = region_get(m, m->root);
    bool *factor = xcalloc(m->values.count, sizeof *factor);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(m, root->ops.at[i]);
        enum op_class class = op_info(op->kind)->class;
        for (uint32_t k = 0; k < op->operand_count; k++)
            factor[op->operand[k].i] |= class == CLASS_CONTRACTION || class == CLASS_NORMALIZATION;
    }
    return factor;
}

enum status layer_check_all_finite(const struct module *m, struct diag *diag) {
    enum status status = STATUS_OK;
    uint32_t *uses = module_count_uses(m);
    bool *factor = find_factors(m);
    for (uint32_t i = 1; i < m->values.count && status == STATUS_OK; i++) {
        const struct value *v = value_get(m, (value_id){i});
        if (uses[i] && v->kind == VALUE_PARAMETER && elem_is_float(v->type.elem))
            status = check_numbers(m, v->weight, !factor[i], diag);
    }
    free(factor);
    free(uses);
    return status;
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
