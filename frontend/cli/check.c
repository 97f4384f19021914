#include "frontend/cli/check.h"

#include "codegen/output.h"
#include "frontend/cli/compiled.h"
#include "frontend/cli/load.h"
#include "ir/interp.h"
#include "ir/ops/shape.h"
#include "ir/quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums in another order err by about as much as the interpreter's, now more, now less. That one adds in f64,
 * where there is more room than needed: the terms of long sums may cancel to results that are as many units
 * off as the root of their number, for a part of it. */
static const double order_factor = 16, units_of_largest = 16, part_of_root = 0.25;

struct check {
    const struct module *m;
    uint32_t inputs, outputs;
    bool one_result;                       /* own is the only right one */
    double units;                          /* of the largest value, that an element may be off */
    struct tensor *in, *own, *exact, *got; /* own: in the model's types; exact: in f64 */
    struct tensor *other, *again;          /* the inputs backwards; what further runs give */
};

static enum status read_check_inputs(struct invocation *inv, struct check *c) {
    const char *text;
    uint32_t known = inv->arguments.count;
    for (uint32_t at = 0; (text = option_next(inv, "input", &at));) *vec_push(&inv->arguments) = text;
    const char **names = arena_array(&inv->arena, const char *, c->inputs + 1);
    for (uint32_t i = 0; i < c->inputs; i++) names[i] = value_get(c->m, c->m->inputs.at[i])->name;
    if (read_inputs(inv, known, names, c->inputs, c->in)) return STATUS_FAILED;
    for (uint32_t i = 0; i < c->inputs; i++)
        if (c->in[i].elem == ELEM_NONE) {
            c->in[i] = tensor_new_of(&c->m->types, value_get(c->m, c->m->inputs.at[i])->type);
            fill_random(&c->in[i], i + 1);
        }
    return STATUS_OK;
}

struct difference {
    double error, largest; /* of finite elements */
    bool special;          /* NaN or an infinity where the other has none, or another one */
};

static struct difference difference(const struct tensor *a, const struct tensor *b) {
    struct difference d = {0};
    for (int64_t i = 0; i < tensor_count(a); i++) {
        double x = tensor_get_f64(a, i), y = tensor_get_f64(b, i);
        if (isfinite(x) && isfinite(y)) {
            d.error = fmax(d.error, fabs(x - y));
            d.largest = fmax(d.largest, fabs(y));
        } else if (x != y && !(isnan(x) && isnan(y))) {
            d.special = true;
        }
    }
    return d;
}

static double unit_of(enum elem elem) {
    switch (elem) {
    case ELEM_f16:
        return 0x1p-11;
    case ELEM_bf16:
        return 0x1p-8;
    case ELEM_f32:
        return 0x1p-24;
    default:
        return 0x1p-53;
    }
}

static enum status report(struct invocation *inv, const struct check *c, uint32_t i) {
    const char *name = c->m->outputs.at[i].name;
    const struct tensor *got = &c->got[i];
    if (!elem_is_float(got->elem) || c->one_result) {
        struct difference d = difference(got, &c->own[i]);
        bool equal = elem_is_float(got->elem) ? !d.special && d.error == 0 : tensor_equal(got, &c->own[i]);
        printf("verify %s: %s\n", name, equal ? "equal" : "differs");
        return equal ? STATUS_OK
                     : diag_error(&inv->diag, (struct loc){0},
                                  "output %s of the compiled model differs from the interpreter's", name);
    }
    struct difference compiled = difference(got, &c->exact[i]), own = difference(&c->own[i], &c->exact[i]);
    double bound = order_factor * own.error + c->units * unit_of(got->elem) * own.largest;
    double relative = own.largest > 0 ? compiled.error / own.largest : compiled.error;
    printf("verify %s: largest error %.3g, %.3g of the largest value (the interpreter's own: %.3g, allowed: "
           "%.3g)%s\n",
           name, compiled.error, relative, own.error, bound,
           compiled.special && !own.special ? ", NaN or infinity at other places" : "");
    if (compiled.error <= bound && (!compiled.special || own.special)) return STATUS_OK;
    return diag_error(
        &inv->diag, (struct loc){0},
        "output %s of the compiled model is further from the interpreter in f64 than rounding explains",
        name);
}

static enum status run_once(struct invocation *inv, const struct compiled *compiled,
                            const struct tensor *inputs, struct tensor *outputs, uint32_t n_outputs) {
    for (uint32_t i = 0; i < n_outputs; i++)
        if (outputs[i].data) memset(outputs[i].data, COMPILED_POISON, tensor_bytes(&outputs[i]));
    int error = compiled_run(compiled, inputs, outputs, NULL);
    if (!error) return STATUS_OK;
    return diag_error(&inv->diag, (struct loc){0}, "running the compiled model: %s", adze_error_text(error));
}

static bool same_bytes(const struct tensor *a, const struct tensor *b) {
    size_t bytes = tensor_bytes(a);
    return !bytes || !memcmp(a->data, b->data, bytes);
}

/* A run may depend on its inputs alone: not on what an earlier run left, nor on what memory held before. */
static enum status run_again(struct invocation *inv, struct check *c, const struct compiled *compiled) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < c->inputs; i++) c->other[i] = tensor_backwards(&c->in[i]);
    TRY(compiled_outputs(inv, compiled, c->other, c->again));
    compiled_poison(compiled);
    TRY(run_once(inv, compiled, c->in, c->got, c->outputs));
    for (uint32_t i = 0; i < c->inputs; i++) {
        struct tensor kept = tensor_backwards(&c->other[i]);
        if (!same_bytes(&c->in[i], &kept))
            status = diag_error(&inv->diag, (struct loc){0}, "the compiled model changed its input %s",
                                value_get(c->m, c->m->inputs.at[i])->name);
        tensor_free(&kept);
    }
    TRY(status);
    TRY(run_once(inv, compiled, c->other, c->again, c->outputs));
    TRY(run_once(inv, compiled, c->in, c->again, c->outputs));
    for (uint32_t i = 0; i < c->outputs; i++)
        if (!same_bytes(&c->got[i], &c->again[i]))
            status = diag_error(&inv->diag, (struct loc){0},
                                "output %s of the compiled model is not the same after a run on other inputs",
                                c->m->outputs.at[i].name);
    return status;
}

static enum status run_all(struct invocation *inv, struct check *c, const struct compiled *compiled) {
    struct interp_options own = {0}, exact = {.f64 = true};
    TRY(read_check_inputs(inv, c));
    TRY(interp_run(c->m, c->in, &own, c->own, &inv->diag));
    TRY(interp_run(c->m, c->in, &exact, c->exact, &inv->diag));
    TRY(compiled_outputs(inv, compiled, c->in, c->got));
    enum status status = run_again(inv, c, compiled);
    for (uint32_t i = 0; i < c->outputs; i++)
        if (report(inv, c, i) != STATUS_OK) status = STATUS_FAILED;
    return status;
}

/* Elements of operand 0 that an element in the middle of the result is computed from. */
static double terms_of(const struct module *m, const struct op *op) {
    struct box element = {.rank = 0}, seen;
    int64_t extent[MAX_RANK];
    double terms = 1;
    element.rank = result_extents(m, op, 0, extent);
    for (uint32_t i = 0; i < element.rank; i++) {
        if (extent[i] == 0) return 0;
        element.lo[i] = extent[i] / 2;
        element.hi[i] = element.lo[i] + 1;
    }
    op_info(op->kind)->footprint(m, op, 0, &element, &seen);
    for (uint32_t i = 0; i < seen.rank; i++) terms *= (double)(seen.hi[i] - seen.lo[i]);
    return terms;
}

static double longest_sum(const struct module *m) {
    double longest = 0;
    for (uint32_t i = 1; i < m->ops.count; i++) {
        const struct op *op = op_get(m, (op_id){i});
        enum op_class class = op_info(op->kind)->class;
        bool sums = class == CLASS_CONTRACTION || class == CLASS_REDUCTION || class == CLASS_NORMALIZATION;
        if (sums && !op->erased) longest = fmax(longest, terms_of(m, op));
    }
    return longest;
}

enum status check_compiled(struct invocation *inv, const struct module *original, const char *stem) {
    struct compiled compiled;
    struct check c = {.m = original,
                      .inputs = original->inputs.count,
                      .outputs = original->outputs.count,
                      .one_result = module_has_one_result(original),
                      .units = units_of_largest + part_of_root * sqrt(longest_sum(original))};
    c.in = arena_array(&inv->arena, struct tensor, c.inputs + 1);
    c.own = arena_array(&inv->arena, struct tensor, c.outputs + 1);
    c.exact = arena_array(&inv->arena, struct tensor, c.outputs + 1);
    c.got = arena_array(&inv->arena, struct tensor, c.outputs + 1);
    c.other = arena_array(&inv->arena, struct tensor, c.inputs + 1);
    c.again = arena_array(&inv->arena, struct tensor, c.outputs + 1);
    char *path = emit_path(stem, OUTPUT_SHARED);
    enum status status = compiled_open(inv, path, NULL, 1, &compiled);
    free(path);
    if (status != STATUS_OK) return status;
    status = run_all(inv, &c, &compiled);
    for (uint32_t i = 0; i < c.inputs; i++) tensor_free(&c.in[i]), tensor_free(&c.other[i]);
    for (uint32_t i = 0; i < c.outputs; i++)
        tensor_free(&c.own[i]), tensor_free(&c.exact[i]), tensor_free(&c.got[i]), tensor_free(&c.again[i]);
    compiled_close(&compiled);
    return status;
}
