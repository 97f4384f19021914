/* Decisions in a module: written, read back, followed and swept; and what strangers write into their place.
 */
#include "ir/decision.h"
#include "ir/op.h"

#include "test/support/unit.h"

static struct type vector(struct module *m) {
    return type_make(ELEM_f32, dims_from_ints(&m->types, (int64_t[]){4}, 1));
}

static value_id weight(struct module *m, const char *name) {
    return module_parameter(
        m, module_add_weight(m, name, tensor_new(ELEM_f32, 1, (int64_t[]){4}), (struct loc){0}));
}

int main(void) {
    struct diag diag = {0};
    struct arena arena = {0};
    const struct decision *d;
    struct module *m = module_new("decisions");
    value_id x = module_add_input(m, "x", vector(m), (struct loc){0}), a = weight(m, "a"), b = weight(m, "b");
    struct builder builder = builder_at_end(m, m->root, &diag);
    value_id y = build(&builder, OP_add, (value_id[]){x, a}, 2, NULL, 0, "y");
    module_add_output(m, "y", y);

    CHECK(decision_list(m, a, &arena, &d) == 0);
    decision_record(m, a, &(struct decision){.pass = "prune(except = \"a,b;(\")", .rank = 2, .dim = {8, 4}});
    decision_record(m, a,
                    &(struct decision){.pass = "sparsify",
                                       .method = "obs",
                                       .kept = 3,
                                       .total = 4,
                                       .unit = "weights",
                                       .measured = true,
                                       .error = 0.0123456,
                                       .note = "a, b = \"c\"; d"});
    decision_record(m, b, &(struct decision){.pass = "sparsify"});
    decision_record(m, y, &(struct decision){.pass = "quantize"});
    CHECK(m->metadata.count == 3);
    CHECK(decision_made_by(m, "prune") && decision_made_by(m, "sparsify") && decision_made_by(m, "quantize"));
    CHECK(!decision_made_by(m, "spars") && !decision_made_by(m, "obs") && !decision_made_by(m, "c"));
    CHECK_TEXT(m->metadata.at[0].key, "decision.weight.a");
    CHECK_TEXT(m->metadata.at[0].value,
               "prune(except = \"a,b;(\"), shape = 8x4; sparsify, method = obs, kept = 3 of 4 weights, "
               "error = 0.0123, note = a, b =  c   d");
    if (CHECK(decision_list(m, a, &arena, &d) == 2)) {
        CHECK_TEXT(d[0].pass, "prune(except = \"a,b;(\")");
        CHECK(d[0].rank == 2 && d[0].dim[0] == 8 && d[0].dim[1] == 4 && !d[0].measured && !d[0].unit);
        CHECK_TEXT(d[1].method, "obs");
        CHECK_TEXT(d[1].unit, "weights");
        CHECK_TEXT(d[1].note, "a, b =  c   d");
        CHECK(d[1].kept == 3 && d[1].total == 4 && d[1].measured && d[1].error == 0.0123);
    }
    decision_copy(m, a, b);
    CHECK(decision_list(m, b, &arena, &d) == 3);
    decision_sweep(m); /* nobody uses b */
    CHECK(decision_list(m, a, &arena, &d) == 2 && decision_list(m, b, &arena, &d) == 0 &&
          decision_list(m, y, &arena, &d) == 1);

    static const char *const strange[] = {"",
                                          ";;",
                                          "p, error = x",
                                          "p, error = -1",
                                          "p, error = nan",
                                          "p, kept = 5 of 4 weights",
                                          "p, kept = 1 of 2",
                                          "p, shape = 4x",
                                          "p, shape = 1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1",
                                          "p, what"};
    for (size_t i = 0; i < COUNT_OF(strange); i++) {
        m->metadata.at[0].value = strange[i];
        if (decision_list(m, a, &arena, &d)) CHECK_TEXT("read", strange[i]);
    }
    m->metadata.at[0].value = "p(a = \"), what = ever";
    CHECK(decision_list(m, a, &arena, &d) == 1);
    m->metadata.at[0].value = "p, unknown = 1, error = 0.5";
    CHECK(decision_list(m, a, &arena, &d) == 1 && d->error == 0.5);
    arena_free(&arena);
    module_free(m);
    diag_free(&diag);
    return unit_status();
}
