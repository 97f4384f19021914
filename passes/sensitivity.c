#include "passes/sensitivity.h"

#include "ir/interp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double noise_power = 0.1;

struct run {
    struct module *m; /* symbols bound to the samples' extents */
    struct diag *diag;
    struct tensor *clean, *dirty; /* for each value; dirty without data: as in the clean run */
};

static bool is_dirty(const struct run *r, value_id v) {
    return r->dirty[v.i].data != NULL;
}

static const struct tensor *look(const struct run *r, value_id v) {
    const struct tensor *constant = value_constant(r->m, v);
    if (constant) return constant;
    return is_dirty(r, v) ? &r->dirty[v.i] : &r->clean[v.i];
}

static enum status compute(const struct run *r, const struct op *op, struct tensor *to) {
    const struct tensor **in = xcalloc(op->operand_count + 1, sizeof *in);
    struct tensor *out = xcalloc(op->result_count, sizeof *out);
    for (uint32_t k = 0; k < op->operand_count; k++)
        if (!value_none(op->operand[k])) in[k] = look(r, op->operand[k]);
    enum status status = interp_op_fast(r->m, op, in, out, r->diag);
    for (uint32_t k = 0; k < op->result_count && status == STATUS_OK; k++) to[op->result[k].i] = out[k];
    free(in);
    free(out);
    return status;
}

static void clear(const struct run *r, struct tensor *values) {
    for (uint32_t i = 0; i < r->m->values.count; i++) tensor_free(&values[i]);
}

static enum status run_clean(const struct run *r, const struct sample_source *data, uint32_t sample) {
    const struct region *root = region_get(r->m, r->m->root);
    struct tensor *in = xcalloc(r->m->inputs.count + 1, sizeof *in);
    enum status status = data->read(data->ctx, sample, in, r->diag);
    for (uint32_t i = 0; i < r->m->inputs.count && status == STATUS_OK; i++)
        r->clean[r->m->inputs.at[i].i] = in[i];
    free(in);
    for (uint32_t i = 0; i < root->ops.count && status == STATUS_OK; i++)
        status = compute(r, op_get(r->m, root->ops.at[i]), r->clean);
    return status;
}

/* Uniform noise of the wanted power, the same for the same seed. */
static struct tensor add_noise(const struct tensor *from, uint64_t seed) {
    struct tensor noisy = tensor_copy(from);
    int64_t count = tensor_count(from);
    double power = 0;
    for (int64_t i = 0; i < count; i++) power += tensor_get_f64(from, i) * tensor_get_f64(from, i);
    double reach = sqrt(3 * noise_power * power / (double)max_i64(count, 1));
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double at = (double)(seed >> 11) * 0x1p-52 - 1;
        tensor_set_f64(&noisy, i, tensor_get_f64(from, i) + reach * at);
    }
    return noisy;
}

static double change_of_outputs(const struct run *r) {
    double sum = 0, outputs = 0;
    for (uint32_t o = 0; o < r->m->outputs.count; o++) {
        value_id v = r->m->outputs.at[o].value;
        const struct tensor *a = look(r, v), *b = value_constant(r->m, v) ? a : &r->clean[v.i];
        double change = 0, power = 0;
        if (!elem_is_float(a->elem)) continue;
        outputs++;
        for (int64_t i = 0, n = a == b ? 0 : tensor_count(a); i < n; i++) {
            double x = tensor_get_f64(a, i), y = tensor_get_f64(b, i);
            change += (x - y) * (x - y);
            power += y * y;
        }
        if (power > 0 && isfinite(change)) sum += change / power;
    }
    return outputs > 0 ? sum / outputs : 0;
}

/* Everything after the value that reads what has changed. */
static enum status run_dirty(const struct run *r, value_id v, uint64_t seed, double *change) {
    const struct region *root = region_get(r->m, r->m->root);
    enum status status = STATUS_OK;
    r->dirty[v.i] = add_noise(&r->clean[v.i], seed);
    for (uint32_t i = 0; i < root->ops.count && status == STATUS_OK; i++) {
        const struct op *op = op_get(r->m, root->ops.at[i]);
        bool reads = false;
        for (uint32_t k = 0; k < op->operand_count; k++)
            reads = reads || (!value_none(op->operand[k]) && is_dirty(r, op->operand[k]));
        if (reads) status = compute(r, op, r->dirty);
    }
    *change = change_of_outputs(r);
    clear(r, r->dirty);
    return status;
}

enum status sensitivity_measure(const struct module *m, const struct sample_source *data,
                                const value_id *values, uint32_t count, uint32_t samples, double *out,
                                struct diag *diag) {
    struct run r = {.m = module_clone(m), .diag = diag};
    uint32_t taken = samples < data->count ? samples : data->count;
    r.clean = xcalloc(m->values.count, sizeof *r.clean);
    r.dirty = xcalloc(m->values.count, sizeof *r.dirty);
    memset(out, 0, count * sizeof *out);
    struct tensor *first = xcalloc(m->inputs.count + 1, sizeof *first);
    enum status status = data->read(data->ctx, 0, first, diag);
    if (status == STATUS_OK) status = interp_bind_inputs(r.m, first, diag);
    for (uint32_t i = 0; i < m->inputs.count; i++) tensor_free(&first[i]);
    free(first);
    for (uint32_t s = 0; s < taken && status == STATUS_OK; s++) {
        status = run_clean(&r, data, (uint32_t)((uint64_t)s * data->count / taken));
        for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
            double change = 0;
            status = run_dirty(&r, values[i], s * 1000003u + i, &change);
            out[i] += change / noise_power / taken;
        }
        clear(&r, r.clean);
    }
    free(r.clean);
    free(r.dirty);
    module_free(r.m);
    return status;
}
