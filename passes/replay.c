#include "passes/replay.h"

#include "ir/interp.h"

#include <string.h>
#include <unistd.h>

/* A value of the root in every sample. `reference` is NULL while it is the same as `own`. */
struct track {
    struct tensor *own, *reference;
    uint32_t last_use; /* position of the last op that reads it; UINT32_MAX: an output */
};

struct replay {
    struct module *m, *bound;
    const struct replay_options *options;
    struct diag *diag;
    uint32_t samples;
    struct track *track;        /* for each value of the module */
    struct tensor *original;    /* for each weight: a view of its data at the start */
    bool *changed;              /* for each weight */
    VEC(struct tensor) retired; /* data that weights had */
};

uint32_t replay_samples(const struct replay *r) {
    return r->samples;
}
struct diag *replay_diag(const struct replay *r) {
    return r->diag;
}
const struct module *replay_types(const struct replay *r) {
    return r->bound;
}
const struct tensor *replay_original(const struct replay *r, weight_id w) {
    return &r->original[w.i];
}

const struct tensor *replay_value(const struct replay *r, uint32_t sample, value_id v) {
    const struct tensor *constant = value_constant(r->m, v);
    if (constant) return constant;
    if (!r->track[v.i].own) bug("value %s is not live", value_get(r->m, v)->name);
    return &r->track[v.i].own[sample];
}

const struct tensor *replay_reference(const struct replay *r, uint32_t sample, value_id v) {
    check(r->options->reference);
    const struct value *value = value_get(r->m, v);
    if (value->kind == VALUE_PARAMETER) return &r->original[value->weight.i];
    if (value->kind == VALUE_LITERAL || !r->track[v.i].reference) return replay_value(r, sample, v);
    return &r->track[v.i].reference[sample];
}

void replay_set_weight(struct replay *r, weight_id w, struct tensor tensor) {
    struct weight *weight = weight_get(r->m, w);
    check(tensor.elem == weight->tensor.elem && tensor.rank == weight->tensor.rank &&
          !memcmp(tensor.dim, weight->tensor.dim, tensor.rank * sizeof *tensor.dim));
    if (weight->tensor.owned) *vec_push(&r->retired) = weight->tensor;
    weight->tensor = tensor;
    weight->made_by = NULL;
    r->changed[w.i] = true;
}

/* -- memory -- */
static void free_samples(const struct replay *r, struct tensor **samples) {
    for (uint32_t i = 0; *samples && i < r->samples; i++) tensor_free(&(*samples)[i]);
    free(*samples);
    *samples = NULL;
}

static void track_free(const struct replay *r, struct track *t) {
    free_samples(r, &t->own);
    free_samples(r, &t->reference);
}

static void find_last_uses(struct replay *r) {
    const struct region *root = region_get(r->m, r->m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(r->m, root->ops.at[i]);
        for (uint32_t k = 0; k < op->operand_count; k++) r->track[op->operand[k].i].last_use = i;
    }
    for (uint32_t i = 0; i < r->m->outputs.count; i++)
        r->track[r->m->outputs.at[i].value.i].last_use = UINT32_MAX;
}

static uint64_t value_bytes(const struct replay *r, value_id v) {
    struct type type = value_get(r->bound, v)->type;
    return (uint64_t)type_count(&r->bound->types, type) * elem_bytes(type.elem) + sizeof(struct tensor);
}

/* The most bytes that one sample's live values take at a time. */
static uint64_t peak_bytes(const struct replay *r) {
    const struct region *root = region_get(r->m, r->m->root);
    uint64_t live = 0, peak = 0;
    for (uint32_t i = 0; i < r->m->inputs.count; i++) live += value_bytes(r, r->m->inputs.at[i]);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        const struct op *op = op_get(r->m, root->ops.at[i]);
        for (uint32_t k = 0; k < op->result_count; k++) live += value_bytes(r, op->result[k]);
        if (live > peak) peak = live;
        for (uint32_t k = 0; k < op->operand_count; k++) {
            value_id v = op->operand[k];
            bool again = value_none(v) || value_constant(r->m, v) || r->track[v.i].last_use != i;
            for (uint32_t j = 0; j < k; j++) again = again || value_same(op->operand[j], v);
            if (!again) live -= value_bytes(r, v);
        }
        for (uint32_t k = 0; k < op->result_count; k++)
            if (r->track[op->result[k].i].last_use <= i) live -= value_bytes(r, op->result[k]);
    }
    return peak;
}

static void choose_samples(struct replay *r) {
    const struct replay_options *o = r->options;
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t budget = o->budget ? o->budget : pages * page / 4;
    uint64_t each = peak_bytes(r) * (o->reference ? 2 : 1), fit = each ? budget / each : UINT32_MAX;
    uint32_t wanted = o->most && o->most < o->data->count ? o->most : o->data->count;
    r->samples = wanted;
    if (fit >= wanted) return;
    r->samples = fit ? (uint32_t)fit : 1;
    diag_remark(r->diag, REMARK_MISSED, o->pass, "data",
                "used %u of %u samples: the values of one take %.1f MB, and %.0f MB are to be used",
                r->samples, wanted, (double)each * 1e-6, (double)budget * 1e-6);
}

/* -- inputs -- */
static enum status read_first(struct replay *r) {
    const struct sample_source *data = r->options->data;
    uint32_t count = r->m->inputs.count;
    struct tensor *first = xcalloc(count, sizeof *first);
    enum status status = data->read(data->ctx, 0, first, r->diag);
    if (status == STATUS_OK) status = interp_bind_inputs(r->bound, first, r->diag);
    for (uint32_t i = 0; i < count; i++) tensor_free(&first[i]);
    free(first);
    return status;
}

static void report(const struct replay *r, uint64_t done, uint64_t total) {
    const struct progress *p = r->options->progress;
    if (p) p->report(p->ctx, r->options->pass, done, total);
}

static enum status read_inputs(struct replay *r) {
    const struct sample_source *data = r->options->data;
    uint32_t count = r->m->inputs.count;
    struct tensor *one = xcalloc(count, sizeof *one);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count; i++)
        r->track[r->m->inputs.at[i].i].own = xcalloc(r->samples, sizeof(struct tensor));
    for (uint32_t s = 0; s < r->samples && status == STATUS_OK; s++) {
        status = data->read(data->ctx, s, one, r->diag);
        for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
            r->track[r->m->inputs.at[i].i].own[s] = one[i];
    }
    free(one);
    return status;
}

/* -- ops -- */
/* Whether the op reads anything that is not what it was. */
static bool differs(const struct replay *r, const struct op *op) {
    for (uint32_t k = 0; k < op->operand_count; k++) {
        const struct value *v = value_get(r->m, op->operand[k]);
        if (value_none(op->operand[k])) continue;
        if (v->kind == VALUE_PARAMETER ? r->changed[v->weight.i]
                                       : r->track[op->operand[k].i].reference != NULL)
            return true;
    }
    return false;
}

static enum status compute(struct replay *r, const struct op *op, uint32_t sample, bool reference) {
    const struct tensor **in = xcalloc(op->operand_count + 1, sizeof *in);
    struct tensor *out = xcalloc(op->result_count, sizeof *out);
    for (uint32_t k = 0; k < op->operand_count; k++)
        if (!value_none(op->operand[k]))
            in[k] = reference ? replay_reference(r, sample, op->operand[k])
                              : replay_value(r, sample, op->operand[k]);
    const struct op *typed = op_get(r->bound, value_get(r->m, op->result[0])->op);
    enum status status = interp_op_fast(r->bound, typed, in, out, r->diag);
    for (uint32_t k = 0; k < op->result_count && status == STATUS_OK; k++) {
        struct track *t = &r->track[op->result[k].i];
        (reference ? t->reference : t->own)[sample] = out[k];
    }
    free(in);
    free(out);
    return status;
}

static enum status step(struct replay *r, const struct op *op, uint32_t at, uint32_t ops) {
    bool twice = r->options->reference && differs(r, op);
    for (uint32_t k = 0; k < op->result_count; k++) {
        struct track *t = &r->track[op->result[k].i];
        t->own = xcalloc(r->samples, sizeof *t->own);
        if (twice) t->reference = xcalloc(r->samples, sizeof *t->reference);
    }
    for (uint32_t s = 0; s < r->samples; s++) {
        TRY(compute(r, op, s, false));
        if (twice) TRY(compute(r, op, s, true));
        report(r, (uint64_t)at * r->samples + s + 1, (uint64_t)ops * r->samples);
    }
    return STATUS_OK;
}

static void drop_dead(struct replay *r, const struct op *op, uint32_t at) {
    for (uint32_t k = 0; k < op->operand_count; k++)
        if (!value_none(op->operand[k]) && r->track[op->operand[k].i].last_use == at)
            track_free(r, &r->track[op->operand[k].i]);
    for (uint32_t k = 0; k < op->result_count; k++)
        if (r->track[op->result[k].i].last_use <= at) track_free(r, &r->track[op->result[k].i]);
}

static enum status replay_ops(struct replay *r, const struct replay_visitor *visitor) {
    const struct region *root = region_get(r->m, r->m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        op_id id = root->ops.at[i];
        const struct op *op = op_get(r->m, id);
        if (visitor->before) TRY(visitor->before(visitor->ctx, r, id));
        TRY(step(r, op, i, root->ops.count));
        if (visitor->after) TRY(visitor->after(visitor->ctx, r, id));
        drop_dead(r, op, i);
    }
    return visitor->finish ? visitor->finish(visitor->ctx, r) : STATUS_OK;
}

enum status replay_run(struct module *m, const struct replay_options *options,
                       const struct replay_visitor *visitor, struct diag *diag) {
    struct replay r = {.m = m, .bound = module_clone(m), .options = options, .diag = diag};
    uint32_t values = m->values.count;
    r.track = xcalloc(values, sizeof *r.track);
    r.original = xcalloc(m->weights.count, sizeof *r.original);
    r.changed = xcalloc(m->weights.count, sizeof *r.changed);
    for (uint32_t i = 1; i < m->weights.count; i++) {
        r.original[i] = m->weights.at[i].tensor;
        r.original[i].owned = false;
    }
    find_last_uses(&r);
    enum status status = read_first(&r);
    if (status == STATUS_OK) {
        choose_samples(&r);
        status = read_inputs(&r);
    }
    if (status == STATUS_OK) status = replay_ops(&r, visitor);
    for (uint32_t i = 0; i < values; i++) track_free(&r, &r.track[i]);
    for (uint32_t i = 0; i < r.retired.count; i++) tensor_free(&r.retired.at[i]);
    vec_free(&r.retired);
    free(r.track);
    free(r.original);
    free(r.changed);
    module_free(r.bound);
    return status;
}
