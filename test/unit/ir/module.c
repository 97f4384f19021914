/* Names, clones and symbols of modules. */
#include "ir/op.h"
#include "ir/print.h"
#include "ir/verify.h"

#include "test/support/unit.h"

#include <stdlib.h>

static struct type vector(struct module *m, dim_id n) {
    dim_id dims[] = {n, dim_const(&m->types, 4)};
    return type_make(ELEM_f32, dims_make(&m->types, dims, 2));
}

static char *printed(const struct module *m) {
    struct str text = {0};
    print_module(m, &text);
    char *copy = strdup(str_text(&text));
    str_free(&text);
    return copy;
}

/* relu in a fuse over an input [n, 4], flattened; a literal and a weight added. */
static struct module *sample(struct diag *diag) {
    struct module *m = module_new("sample");
    value_id x = module_add_input(m, "x", vector(m, dim_symbol(&m->types, "n", 1, 8)), (struct loc){0});
    weight_id w = module_add_weight(m, "w", tensor_new(ELEM_f32, 1, (int64_t[]){4}), (struct loc){0});
    struct builder b = builder_at_end(m, m->root, diag);
    value_id sum = build(&b, OP_add, (value_id[]){x, module_parameter(m, w)}, 2, NULL, 0, "sum");
    op_id fuse = build_fuse_begin(&b, &sum, 1);
    struct region *body = region_get(m, op_get(m, fuse)->body);
    struct builder inside = builder_at_end(m, op_get(m, fuse)->body, diag);
    value_id operands[] = {body->args.at[0], module_literal_f32(m, 0.5f)};
    value_id y = build(&inside, OP_mul, operands, 2, NULL, 0, "half");
    *vec_push(&region_get(m, op_get(m, fuse)->body)->results) = y;
    CHECK(build_fuse_end(&b, fuse, (const char *const[]){"y"}) == STATUS_OK);
    value_id flat = build(&b, OP_flatten, &op_get(m, fuse)->result[0], 1,
                          (struct attr[]){attr_int(ATTR_axis, 0)}, 1, "flat");
    module_add_output(m, "out", flat);
    module_add_metadata(m, "key", "value");
    return m;
}

static bool three(void *ctx, const char *name, int64_t *value) {
    (void)ctx;
    *value = 3;
    return !strcmp(name, "n");
}

static void test_names(void) {
    struct module *m = module_new("names");
    struct type type = vector(m, dim_const(&m->types, 2));
    value_id a = module_add_input(m, "a", type, (struct loc){0}),
             b = module_add_input(m, "a", type, (struct loc){0}),
             c = module_add_input(m, NULL, type, (struct loc){0});
    CHECK_TEXT(value_get(m, a)->name, "a");
    CHECK_TEXT(value_get(m, b)->name, "a.1");
    CHECK(*value_get(m, c)->name);
    CHECK(!module_rename_value(m, b, "a") && module_rename_value(m, b, "b") &&
          module_rename_value(m, b, "b"));
    CHECK(module_find_value(m, "b").i == b.i && !module_find_value(m, "a.1").i);
    module_take_name(m, a, b);
    CHECK(module_find_value(m, "a").i == b.i && strcmp(value_get(m, a)->name, "a") != 0);
    CHECK(module_rename_value(m, a, "b") && module_find_value(m, "b").i == a.i);
    for (int i = 0; i < 3; i++)
        (void)module_add_weight(m, "w", tensor_scalar_f64(ELEM_f32, i), (struct loc){0});
    weight_id last = module_find_weight(m, "w.2");
    CHECK(last.i && module_find_weight(m, "w").i && !module_find_weight(m, "w.3").i);
    CHECK(tensor_get_f64(&weight_get(m, last)->tensor, 0) == 2);
    CHECK(module_parameter(m, last).i == module_parameter(m, last).i);
    module_free(m);
}

static void test_clone(void) {
    struct diag diag = {0};
    struct module *m = sample(&diag), *copy = module_clone(m);
    char *before = printed(m), *after = printed(copy);
    CHECK_TEXT(after, before);
    CHECK(verify_module(copy, true, &diag) == STATUS_OK);
    /* What happens to the copy does not happen to the original. */
    CHECK(module_bind_symbols(copy, three, NULL, &diag) == STATUS_OK);
    CHECK(verify_module(copy, true, &diag) == STATUS_OK);
    CHECK(module_rename_value(copy, module_find_value(copy, "sum"), "other"));
    free(after);
    after = printed(m);
    CHECK_TEXT(after, before);
    struct type type = value_get(copy, copy->outputs.at[0].value)->type;
    int64_t dims[MAX_RANK];
    CHECK(type_static(&copy->types, type, dims) && dims[0] == 1 && dims[1] == 12);
    free(before);
    free(after);
    module_free(copy);
    module_free(m);
    diag_free(&diag);
}

static void test_bind_reaches_bodies(void) {
    struct diag diag = {0};
    struct module *m = sample(&diag);
    CHECK(module_bind_symbols(m, three, NULL, &diag) == STATUS_OK);
    for (uint32_t v = 1; v < m->values.count; v++) CHECK(type_static(&m->types, m->values.at[v].type, NULL));
    module_free(m);
    diag_free(&diag);
}

static void test_dead_code(void) {
    struct diag diag = {0};
    struct module *m = sample(&diag);
    struct builder b = builder_at_end(m, m->root, &diag);
    value_id x = m->inputs.at[0];
    value_id e = build(&b, OP_exp, &x, 1, NULL, 0, "e");
    (void)build(&b, OP_exp, &e, 1, NULL, 0, "ee");
    CHECK(module_remove_dead(m) == 2 && module_remove_dead(m) == 0);
    CHECK(verify_module(m, true, &diag) == STATUS_OK);
    module_free(m);
    diag_free(&diag);
}

int main(void) {
    test_names();
    test_clone();
    test_bind_reaches_bodies();
    test_dead_code();
    return unit_status();
}
