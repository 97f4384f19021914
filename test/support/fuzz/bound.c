#include "test/support/fuzz/bound.h"

#include "ir/interp.h"
#include "passes/pass.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- numbers -- */
double bound_unit(enum elem elem) {
    switch (elem) {
    case ELEM_f16:
        return 0x1p-11;
    case ELEM_bf16:
        return 0x1p-8;
    case ELEM_f32:
        return 0x1p-24;
    case ELEM_f64:
        return 0x1p-52; /* the reference rounds too */
    default:
        return 0;
    }
}

double bound_sum_unit(enum elem elem) {
    return elem == ELEM_f64 ? 0x1p-52 : 0x1p-24;
}

double bound_tiny(enum elem elem) {
    switch (elem) {
    case ELEM_f16:
        return 0x1p-24;
    case ELEM_bf16:
        return 0x1p-133;
    case ELEM_f32:
        return 0x1p-149;
    default:
        return elem == ELEM_f64 ? 0x1p-1074 : 0;
    }
}

double bound_most(enum elem elem) {
    return elem == ELEM_f16 ? 65504 : elem == ELEM_f64 ? DBL_MAX : FLT_MAX;
}

bool bound_any(const struct bounded *b) {
    for (int64_t i = 0, n = tensor_count(&b->value); i < n; i++)
        if (b->error[i] != 0) return true;
    return false;
}

struct tensor bound_moved(const struct bounded *b, int sign) {
    struct tensor t = tensor_copy(&b->value);
    if (!sign) return t;
    for (int64_t i = 0, n = tensor_count(&t); i < n; i++) {
        double e = sign * b->error[i];
        if (e == 0) continue;
        if (elem_is_float(t.elem))
            tensor_set_f64(&t, i, tensor_get_f64(&t, i) + e);
        else if (t.elem == ELEM_bool)
            tensor_set_i64(&t, i, sign > 0);
        else
            tensor_set_i64(&t, i, tensor_get_i64(&t, i) + (fabs(e) < 0x1p60 ? (int64_t)e : 0));
    }
    return t;
}

struct tensor bound_eval(const struct bound_step *s, const struct tensor *const *in) {
    struct tensor out[MAX_RESULTS];
    if (interp_op(s->m, s->op, in, true, out, s->diag) != STATUS_OK) {
        diag_print(s->diag, stderr);
        bug("the interpreter refuses %s in the analysis of errors", op_info(s->op->kind)->name);
    }
    for (uint32_t r = 1; r < s->op->result_count; r++) tensor_free(&out[r]);
    return out[0];
}

/* -- rules -- */
static int64_t count_ratio(const struct bound_step *s) {
    int64_t in = tensor_count(&s->in[0]->value), out = tensor_count(&s->out->value);
    return out ? in / out : 0;
}

static double window_taps(const struct op *op) {
    uint32_t n;
    const int64_t *taps = op_ints(op, ATTR_window, &n);
    double product = 1;
    for (uint32_t i = 0; i < n; i++) product *= (double)taps[i];
    return product;
}

/* Terms of the sum that makes one element. */
static double terms_of(const struct bound_step *s) {
    const struct tensor *w = s->operands > 1 ? &s->in[1]->value : NULL;
    switch (s->op->kind) {
    case OP_linear:
        return (double)w->dim[1] + 1;
    case OP_matmul:
        return (double)s->in[0]->value.dim[s->in[0]->value.rank - 1];
    case OP_conv1d:
    case OP_conv2d:
        return w->dim[0] ? (double)(tensor_count(w) / w->dim[0]) + 1 : 1;
    case OP_conv_transpose1d:
    case OP_conv_transpose2d:
        return w->dim[1] ? (double)(tensor_count(w) / w->dim[1]) + 1 : 1;
    case OP_avgpool1d:
    case OP_avgpool2d:
        return window_taps(s->op) + 2;
    default:
        return (double)count_ratio(s) + 2;
    }
}

static void copy_error(const struct bound_step *s) {
    memcpy(s->out->error, s->in[0]->error, (size_t)tensor_count(&s->out->value) * sizeof(double));
}

static bool is_extreme(enum op_kind kind) {
    return kind == OP_reduce_max || kind == OP_reduce_min || kind == OP_maxpool1d || kind == OP_maxpool2d;
}

static void apply_rule(const struct bound_step *s) {
    const struct op_info *info = op_info(s->op->kind);
    if (s->op->kind == OP_relayout)
        copy_error(s);
    else if (info->class == CLASS_POINTWISE)
        bound_pointwise(s);
    else if (s->op->kind == OP_scatter)
        bound_scatter(s);
    else if (info->class == CLASS_MOVEMENT || info->class == CLASS_INDEXING)
        bound_movement(s);
    else if (is_extreme(s->op->kind))
        bound_largest(s);
    else if (s->op->kind == OP_argmax || s->op->kind == OP_argmin)
        bound_arg(s);
    else if (s->op->kind == OP_topk)
        bound_topk(s);
    else if (s->op->kind == OP_softmax || s->op->kind == OP_log_softmax)
        bound_softmax(s);
    else if (info->class == CLASS_CONTRACTION || info->class == CLASS_REDUCTION)
        bound_sum(s, terms_of(s));
    else
        bug("the analysis of errors has no rule for %s", info->name);
}

/* Near or past the largest number nothing is known; nor where a rule came to no number. */
static void settle(struct bounded *b, enum elem elem) {
    bool real = elem_is_float(elem);
    for (int64_t i = 0, n = tensor_count(&b->value); i < n; i++) {
        double *e = &b->error[i], v = real ? tensor_get_f64(&b->value, i) : 0;
        if (isnan(*e)) *e = INFINITY;
        if (real && isfinite(v) && fabs(v) + *e > bound_most(elem) * (1 - 0x1p-8)) *e = INFINITY;
    }
}

/* -- a region -- */
struct analysis {
    const struct module *m;
    struct bounded *at; /* by value */
    struct diag *diag;
};

static void set_value(struct analysis *a, value_id v, const struct tensor *t) {
    struct bounded *b = &a->at[v.i];
    if (b->error) return;
    b->value = elem_is_float(t->elem) ? tensor_cast(t, ELEM_f64) : tensor_copy(t);
    b->error = xcalloc((size_t)tensor_count(t) + 1, sizeof *b->error);
}

static const struct bounded *get(struct analysis *a, value_id v) {
    if (!v.i) return NULL;
    if (!a->at[v.i].error) set_value(a, v, value_constant(a->m, v));
    return &a->at[v.i];
}

static void hand_over(struct analysis *a, value_id from, value_id to) {
    const struct bounded *b = get(a, from);
    struct bounded *copy = &a->at[to.i];
    if (copy->error) bounded_free(copy, 1);
    set_value(a, to, &b->value);
    memcpy(copy->error, b->error, (size_t)tensor_count(&b->value) * sizeof *copy->error);
}

static enum status run_region(struct analysis *a, region_id region);

static enum status run_fuse(struct analysis *a, const struct op *op) {
    const struct region *body = region_get(a->m, op->body);
    for (uint32_t i = 0; i < op->operand_count; i++) hand_over(a, op->operand[i], body->args.at[i]);
    TRY(run_region(a, op->body));
    for (uint32_t r = 0; r < op->result_count; r++) hand_over(a, body->results.at[r], op->result[r]);
    return STATUS_OK;
}

static enum status run_op(struct analysis *a, const struct op *op) {
    if (op->body.i) return run_fuse(a, op);
    const struct bounded **in = xcalloc(op->operand_count + 1, sizeof *in);
    const struct tensor **values = xcalloc(op->operand_count + 1, sizeof *values);
    struct bounded out[MAX_RESULTS] = {{{0}, NULL}};
    struct tensor result[MAX_RESULTS];
    for (uint32_t i = 0; i < op->operand_count; i++) {
        in[i] = get(a, op->operand[i]);
        values[i] = in[i] ? &in[i]->value : NULL;
    }
    enum status status = interp_op(a->m, op, values, true, result, a->diag);
    if (status == STATUS_OK) {
        for (uint32_t r = 0; r < op->result_count; r++) {
            out[r].value = result[r];
            out[r].error = xcalloc((size_t)tensor_count(&result[r]) + 1, sizeof(double));
        }
        struct bound_step step = {
            .m = a->m, .op = op, .operands = op->operand_count, .in = in, .out = out, .diag = a->diag};
        step.elem = value_get(a->m, op->result[0])->type.elem;
        apply_rule(&step);
        for (uint32_t r = 0; r < op->result_count; r++) {
            settle(&out[r], value_get(a->m, op->result[r])->type.elem);
            struct bounded *at = &a->at[op->result[r].i];
            if (at->error) bounded_free(at, 1);
            *at = out[r];
        }
    }
    free(in);
    free(values);
    return status;
}

static enum status run_region(struct analysis *a, region_id region) {
    const struct region *r = region_get(a->m, region);
    for (uint32_t i = 0; i < r->ops.count; i++) TRY(run_op(a, op_get(a->m, r->ops.at[i])));
    return STATUS_OK;
}

/* -- composites -- */
static enum status expand_one(struct module *m, op_id id, struct diag *diag) {
    struct op op = *op_get(m, id); /* building moves the array */
    struct builder b = builder_before(m, id, diag);
    value_id out[MAX_RESULTS] = {{0}};
    TRY(op_info(op.kind)->expand(&b, &op, out));
    for (uint32_t r = 0; r < op.result_count; r++) module_replace_uses(m, op.result[r], out[r]);
    module_erase_op(m, id);
    return STATUS_OK;
}

static enum status expand_all(struct module *m, struct diag *diag) {
    for (bool again = true; again;) {
        again = false;
        const struct region *root = region_get(m, m->root);
        uint32_t n = root->ops.count;
        op_id *ops = xmalloc((n + 1) * sizeof *ops);
        memcpy(ops, root->ops.at, n * sizeof *ops);
        enum status status = STATUS_OK;
        for (uint32_t i = 0; i < n && status == STATUS_OK; i++) {
            if (op_get(m, ops[i])->erased || !(op_info(op_get(m, ops[i])->kind)->traits & TRAIT_COMPOSITE))
                continue;
            status = expand_one(m, ops[i], diag);
            again = true;
        }
        free(ops);
        module_compact(m);
        TRY(status);
    }
    return STATUS_OK;
}

enum status bound_run(const struct module *m, const struct tensor *inputs, struct bounded *outputs,
                      struct diag *diag) {
    struct module *primitives = module_clone(m);
    struct pass_env env = {0};
    enum status status = pipeline_run(primitives, "lower-quantized", &env, NULL, diag);
    if (status == STATUS_OK) status = expand_all(primitives, diag);
    struct analysis a = {.m = primitives, .diag = diag};
    uint32_t n = primitives->values.count;
    a.at = xcalloc(n, sizeof *a.at);
    if (status == STATUS_OK) {
        for (uint32_t i = 0; i < m->inputs.count; i++) set_value(&a, primitives->inputs.at[i], &inputs[i]);
        status = run_region(&a, primitives->root);
    }
    for (uint32_t i = 0; i < m->outputs.count && status == STATUS_OK; i++) {
        const struct bounded *b = get(&a, primitives->outputs.at[i].value);
        size_t bytes = (size_t)tensor_count(&b->value) * sizeof *b->error;
        outputs[i].value = tensor_copy(&b->value);
        outputs[i].error = xcalloc(bytes + 1, 1);
        if (bytes) memcpy(outputs[i].error, b->error, bytes);
    }
    bounded_free(a.at, n);
    free(a.at);
    module_free(primitives);
    return status;
}

void bounded_free(struct bounded *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        tensor_free(&b[i].value);
        free(b[i].error);
        b[i] = (struct bounded){{0}, NULL};
    }
}

/* -- comparing -- */
/* Error as a part of the bound: 0 … 1 is fine; infinite where NaN or an infinity is out of place. */
static double excess(double got, double want, double error) {
    if (isinf(error)) return 0;
    if (isnan(want)) return isnan(got) ? 0 : INFINITY;
    if (isinf(want) || !isfinite(got)) return got == want ? 0 : INFINITY;
    double off = fabs(got - want);
    return off == 0 ? 0 : off / error;
}

static double excess_at(const struct bounded *b, const struct tensor *got, int64_t i) {
    if (elem_is_float(got->elem))
        return excess(tensor_get_f64(got, i), tensor_get_f64(&b->value, i), b->error[i]);
    int64_t x = tensor_get_i64(got, i), y = tensor_get_i64(&b->value, i);
    if (x == y) return 0;
    uint64_t off = x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
    return (double)off <= b->error[i] ? 1 : INFINITY;
}

bool bound_holds(const struct bounded *b, const struct tensor *got, struct bound_counts *counts,
                 struct str *why) {
    int64_t n = tensor_count(&b->value), wrong = 0, first = -1;
    if (tensor_count(got) != n) {
        str_printf(why, "%lld elements, expected %lld", (long long)tensor_count(got), (long long)n);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        double part = excess_at(b, got, i);
        counts->elements++;
        if (isinf(b->error[i])) counts->unknown++;
        if (part <= 1) {
            if (part > counts->largest) counts->largest = part;
            continue;
        }
        wrong++;
        if (first < 0) first = i;
    }
    if (first < 0) return true;
    if (elem_is_float(got->elem))
        str_printf(why, "element %lld is %.9g, expected %.9g within %.3g", (long long)first,
                   tensor_get_f64(got, first), tensor_get_f64(&b->value, first), b->error[first]);
    else
        str_printf(why, "element %lld is %lld, expected %lld", (long long)first,
                   (long long)tensor_get_i64(got, first), (long long)tensor_get_i64(&b->value, first));
    str_printf(why, " (%lld of %lld are wrong)", (long long)wrong, (long long)n);
    return false;
}
