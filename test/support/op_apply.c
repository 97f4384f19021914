#include "test/support/op_apply.h"

#include "ir/interp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static NORETURN void refuse(enum op_kind kind, const struct diag *diag) {
    fprintf(stderr, "%s:\n", op_info(kind)->name);
    diag_print(diag, stderr);
    exit(1);
}

struct tensor op_apply(enum op_kind kind, const struct tensor *in, uint32_t count, const struct attr *attrs,
                       uint32_t attr_count, bool f64) {
    return op_apply_result(kind, in, count, attrs, attr_count, f64, 0);
}

struct tensor op_apply_result(enum op_kind kind, const struct tensor *in, uint32_t count,
                              const struct attr *attrs, uint32_t attr_count, bool f64, uint32_t result) {
    struct module *m = module_new("apply");
    struct diag diag = {0};
    value_id operands[8] = {{0}};
    struct tensor inputs[8], out[MAX_RESULTS];
    uint32_t given = 0;
    check(count <= COUNT_OF(operands));
    for (uint32_t i = 0; i < count; i++) {
        if (in[i].elem == ELEM_NONE) continue;
        dims_id dims = dims_from_ints(&m->types, in[i].dim, in[i].rank);
        operands[i] = module_add_input(m, "x", type_make(in[i].elem, dims), (struct loc){0});
        inputs[given++] = in[i];
    }
    struct builder b = builder_at_end(m, m->root, &diag);
    op_id id = build_op(&b, kind, operands, count, attrs, attr_count, NULL);
    if (!id.i) refuse(kind, &diag);
    module_add_output(m, "y", op_get(m, id)->result[result]);
    struct interp_options options = {.f64 = f64};
    if (interp_run(m, inputs, &options, out, &diag) != STATUS_OK) refuse(kind, &diag);
    diag_free(&diag);
    module_free(m);
    return out[0];
}

/* One extent; *text moves behind it. */
static dim_id parse_dim(struct types *types, const char **text) {
    char *end;
    long long number = strtoll(*text, &end, 10);
    if (end != *text) {
        *text = end;
        return dim_const(types, number);
    }
    char name[32] = "";
    size_t length = strcspn(*text, "+*,]");
    check(length < sizeof name);
    memcpy(name, *text, length);
    dim_id dim = dim_symbol(types, name, 0, DIM_MAX);
    *text += length;
    if (**text != '+' && **text != '*') return dim;
    bool plus = *(*text)++ == '+';
    dim_id other = dim_const(types, strtoll(*text, &end, 10));
    *text = end;
    return plus ? dim_add(types, dim, other) : dim_mul(types, dim, other);
}

static struct type parse_type(struct types *types, const char *text) {
    char elem[8] = "";
    size_t length = strcspn(text, "[");
    check(length < sizeof elem);
    memcpy(elem, text, length);
    dim_id dims[MAX_RANK];
    uint32_t rank = 0;
    text += length + 1;
    while (*text != ']') {
        dims[rank++] = parse_dim(types, &text);
        text += strspn(text, ", ");
    }
    return type_make(elem_by_name(elem), dims_make(types, dims, rank));
}

const char *op_infer_text(enum op_kind kind, const char *const *types, uint32_t count,
                          const struct attr *attrs, uint32_t attr_count) {
    static char answer[400];
    struct module *m = module_new("infer");
    struct diag diag = {0};
    value_id operands[8] = {{0}};
    check(count <= COUNT_OF(operands));
    for (uint32_t i = 0; i < count; i++)
        if (types[i])
            operands[i] = module_add_input(m, "x", parse_type(&m->types, types[i]), (struct loc){0});
    struct builder b = builder_at_end(m, m->root, &diag);
    op_id id = build_op(&b, kind, operands, count, attrs, attr_count, NULL);
    struct str text = {0};
    if (id.i)
        type_print(&m->types, value_get(m, op_get(m, id)->result[0])->type, &text);
    else
        str_add(&text, diag.list.at[0].text);
    snprintf(answer, sizeof answer, "%s", str_text(&text));
    str_free(&text);
    diag_free(&diag);
    module_free(m);
    return answer;
}

struct tensor tensor_of(enum elem elem, const int64_t *dim, uint32_t rank, const double *values) {
    struct tensor t = tensor_new(elem, rank, dim);
    for (int64_t i = 0; i < tensor_count(&t); i++) tensor_set_f64(&t, i, values[i]);
    return t;
}

struct tensor tensor_random(enum elem elem, const int64_t *dim, uint32_t rank, uint64_t seed) {
    struct tensor t = tensor_new(elem, rank, dim);
    uint64_t state = seed * 2654435761u + 12345;
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int64_t number = (int64_t)(state >> 33) % 2001 - 1000;
        if (elem_is_float(elem))
            tensor_set_f64(&t, i, (double)number / 1000);
        else
            tensor_set_i64(&t, i, number % 100);
    }
    return t;
}
