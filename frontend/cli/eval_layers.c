/* Signal and noise, value by value: the interpreter runs both models on the same samples. */
#include "frontend/cli/eval.h"

#include "ir/interp.h"

#include <math.h>
#include <stdlib.h>

struct watched {
    const struct module *m, *original;
    struct tensor *want;       /* of the original's values, by handle; of the sample at hand */
    struct layer_noise *noise; /* by handle of m's values */
};

static void keep(void *ctx, op_id op, const struct tensor *results) {
    struct watched *w = ctx;
    const struct op *o = op_get(w->original, op);
    for (uint32_t r = 0; r < o->result_count; r++) {
        const struct value *v = value_get(w->original, o->result[r]);
        if (module_find_value(w->m, v->name).i) w->want[o->result[r].i] = tensor_copy(&results[r]);
    }
}

static bool same_shape(const struct tensor *a, const struct tensor *b) {
    bool same = a->rank == b->rank;
    for (uint32_t d = 0; same && d < a->rank; d++) same = a->dim[d] == b->dim[d];
    return same;
}

static void compare(void *ctx, op_id op, const struct tensor *results) {
    struct watched *w = ctx;
    const struct op *o = op_get(w->m, op);
    for (uint32_t r = 0; r < o->result_count; r++) {
        const struct value *v = value_get(w->m, o->result[r]);
        const struct tensor *want = &w->want[module_find_value(w->original, v->name).i];
        struct layer_noise *n = &w->noise[o->result[r].i];
        if (!want->data || !elem_is_float(want->elem) || !elem_is_float(results[r].elem)) continue;
        if (!same_shape(want, &results[r])) continue;
        n->name = v->name;
        n->op = op_info(o->kind)->name;
        for (int64_t i = 0, count = tensor_count(want); i < count; i++) {
            double a = tensor_get_f64(want, i), e = tensor_get_f64(&results[r], i) - a;
            n->signal += a * a;
            n->noise += e * e;
        }
    }
}

static enum exit_code run_watched(struct invocation *inv, const struct module *m, const struct tensor *in,
                                  void (*observe)(void *, op_id, const struct tensor *), void *ctx) {
    struct tensor *out = xcalloc(m->outputs.count + 1, sizeof *out);
    struct interp_options options = {.observe = observe, .observe_ctx = ctx};
    enum status status = interp_run(m, in, &options, out, &inv->diag);
    for (uint32_t i = 0; i < m->outputs.count && status == STATUS_OK; i++) tensor_free(&out[i]);
    free(out);
    return status == STATUS_OK ? EXIT_OK : EXIT_INPUT;
}

static int by_ratio(const void *a, const void *b) {
    const struct layer_noise *x = a, *y = b;
    double p = x->signal * y->noise, q = y->signal * x->noise;
    return p < q ? -1 : p > q;
}

enum exit_code eval_layers(struct invocation *inv, const struct module *m, const struct module *original,
                           const struct sample_source *samples, uint32_t most, struct layer_noise **out,
                           uint32_t *count) {
    struct watched w = {m, original, xcalloc(original->values.count, sizeof *w.want),
                        arena_array(&inv->arena, struct layer_noise, m->values.count)};
    struct tensor *in = xcalloc(m->inputs.count + 1, sizeof *in);
    enum exit_code code = EXIT_OK;
    for (uint32_t i = 0; i < samples->count && i < most && !code; i++) {
        if (samples->read(samples->ctx, i, in, &inv->diag) != STATUS_OK) {
            code = EXIT_INPUT;
            break;
        }
        code = run_watched(inv, original, in, keep, &w);
        if (!code) code = run_watched(inv, m, in, compare, &w);
        for (uint32_t k = 0; k < m->inputs.count; k++) tensor_free(&in[k]);
        for (uint32_t k = 0; k < original->values.count; k++) tensor_free(&w.want[k]);
    }
    *count = 0;
    for (uint32_t i = 0; i < m->values.count; i++)
        if (w.noise[i].name) {
            struct layer_noise n = w.noise[i];
            n.name = arena_strdup(&inv->arena, n.name); /* the models do not live as long */
            w.noise[(*count)++] = n;
        }
    qsort(w.noise, *count, sizeof *w.noise, by_ratio);
    *out = w.noise;
    free(w.want);
    free(in);
    return code;
}
