/* Every op has a sample; its evaluation fills what inference promised, in f64 as in its own types; and
 * composites are what their expansion computes. */
#include "test/support/op_samples.h"
#include "ir/interp.h"
#include "test/support/unit.h"

#include <math.h>

static void every_op_has_a_sample(void) {
    bool has[OP_COUNT] = {false};
    const struct op_sample *s;
    for (size_t i = 0; (s = op_sample_at(i)); i++) has[s->kind] = true;
    for (enum op_kind k = OP_NONE + 1; k < OP_COUNT; k++) {
        if (has[k]) continue;
        fprintf(stderr, "op %s has no sample in test/support/op_samples_*.c\n", op_info(k)->name);
        unit_failures++;
    }
}

static bool close_to(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tolerance * (1 + fabs(b));
}

static void compare(const char *name, const char *what, const struct tensor *a, const struct tensor *b,
                    double tolerance) {
    if (!CHECK(a->rank == b->rank && tensor_count(a) == tensor_count(b))) {
        fprintf(stderr, "  %s: %s\n", name, what);
        return;
    }
    for (int64_t i = 0; i < tensor_count(a); i++) {
        double x = tensor_get_f64(a, i), y = tensor_get_f64(b, i);
        if (close_to(x, y, tolerance)) continue;
        fprintf(stderr, "%s: element %lld is %.9g, %s gives %.9g\n", name, (long long)i, x, what, y);
        unit_failures++;
        return;
    }
}

static void f64_agrees(const struct op_instance *instance, const char *name, const struct tensor *out) {
    struct tensor wide[SAMPLE_OPERANDS] = {{0}}, wide_out[MAX_RESULTS];
    const struct op *op = op_get(instance->m, instance->op);
    for (uint32_t i = 0; i < instance->operands; i++) {
        const struct tensor *t = &instance->in[i];
        if (t->elem != ELEM_NONE) wide[i] = tensor_cast(t, elem_is_float(t->elem) ? ELEM_f64 : t->elem);
    }
    op_instance_run(instance, wide, true, wide_out);
    for (uint32_t r = 0; r < op->result_count; r++) {
        CHECK(wide_out[r].elem == (elem_is_float(out[r].elem) ? ELEM_f64 : out[r].elem));
        compare(name, "f64", &out[r], &wide_out[r], 1e-5);
        tensor_free(&wide_out[r]);
    }
    for (uint32_t i = 0; i < SAMPLE_OPERANDS; i++) tensor_free(&wide[i]);
}

static void expansion_agrees(struct op_instance *instance, const char *name, const struct tensor *out) {
    struct diag diag = {0};
    struct builder b = builder_at_end(instance->m, instance->m->root, &diag);
    const struct op *op = op_get(instance->m, instance->op);
    uint32_t results = op->result_count;
    value_id expanded[MAX_RESULTS];
    if (!CHECK(op_info(op->kind)->expand(&b, op, expanded) == STATUS_OK)) {
        diag_print(&diag, stderr);
        return;
    }
    for (uint32_t r = 0; r < results; r++) {
        CHECK(type_same(value_get(instance->m, expanded[r])->type,
                        value_get(instance->m, op_get(instance->m, instance->op)->result[r])->type));
        instance->m->outputs.at[r].value = expanded[r];
    }
    struct tensor inputs[SAMPLE_OPERANDS], primitive[MAX_RESULTS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < instance->operands; i++)
        if (instance->in[i].elem != ELEM_NONE) inputs[n++] = instance->in[i];
    if (CHECK(interp_run(instance->m, inputs, NULL, primitive, &diag) == STATUS_OK))
        for (uint32_t r = 0; r < results; r++) {
            compare(name, "its expansion", &out[r], &primitive[r], 1e-5);
            tensor_free(&primitive[r]);
        }
    else
        diag_print(&diag, stderr);
    diag_free(&diag);
}

static void check_sample(const struct op_sample *s, uint64_t seed) {
    struct op_instance instance = op_instance_new(s, seed);
    struct tensor out[MAX_RESULTS];
    char name[96];
    op_sample_name(s, name);
    op_instance_run(&instance, instance.in, false, out);
    const struct op *op = op_get(instance.m, instance.op);
    uint32_t results = op->result_count;
    for (uint32_t r = 0; r < results; r++) {
        int64_t dim[MAX_RANK];
        uint32_t rank = op_instance_extents(&instance, PORT_RESULT + r, dim);
        CHECK(out[r].rank == rank && !memcmp(out[r].dim, dim, rank * sizeof *dim));
        CHECK(out[r].elem == value_get(instance.m, op->result[r])->type.elem);
    }
    f64_agrees(&instance, name, out);
    if (op_info(s->kind)->traits & TRAIT_COMPOSITE) expansion_agrees(&instance, name, out);
    for (uint32_t r = 0; r < results; r++) tensor_free(&out[r]);
    op_instance_free(&instance);
}

int main(void) {
    const struct op_sample *s;
    every_op_has_a_sample();
    for (size_t i = 0; (s = op_sample_at(i)); i++)
        for (uint64_t seed = 1; seed <= 3; seed++) check_sample(s, seed);
    return unit_status();
}
