/* What is computed at import: ops on constants, by the op table's own evaluation, and integers that depend on
 * symbolic dimensions.
 *
 * Symbolic integers are a tensor of indices of dimensions. An op that only moves elements is evaluated on the
 * indices as it would be on the numbers; arithmetic is done on the dimensions. */
#include "frontend/onnx/importer.h"
#include "ir/interp.h"

#include <string.h>

/* Weights are left to the passes: import folds what shapes and parameters are made of. */
enum { LARGEST_OPERAND = 1 << 20, LARGEST_RESULT = 1 << 16, MOST_OPERANDS = 64 };

struct fold_job {
    struct node *n;
    enum op_kind kind;
    const struct tensor *in[MOST_OPERANDS]; /* NULL: left out */
    uint32_t count;
    const struct attr *attrs;
    uint32_t attr_count;
    struct tensor out[MAX_RESULTS];
    uint32_t out_count;
};

/* -- evaluation: in a module of its own, whose inputs have the constants' types -- */

/* Attributes as the other module understands them: shapes are handles into a module's table. False if one has
 * symbols. */
static bool move_attrs(const struct fold_job *job, struct module *to, struct attr *out) {
    struct types *types = &job->n->im->m->types;
    for (uint32_t i = 0; i < job->attr_count; i++) {
        out[i] = job->attrs[i];
        if (attr_kind_of(out[i].name) != ATTR_KIND_DIMS) continue;
        int64_t dims[MAX_RANK];
        if (!dims_static(types, out[i].dims, dims)) return false;
        out[i].dims = dims_from_ints(&to->types, dims, dims_rank(types, out[i].dims));
    }
    return true;
}

static bool small_results(const struct module *m, const struct op *op) {
    for (uint32_t i = 0; i < op->result_count; i++)
        if (type_count(&m->types, value_get(m, op->result[i])->type) > LARGEST_RESULT) return false;
    return true;
}

static enum fold evaluate_in(struct fold_job *job, struct module *m) {
    struct diag *diag = job->n->im->diag;
    struct builder b = builder_at_end(m, m->root, diag);
    struct attr attrs[16];
    value_id operands[MOST_OPERANDS] = {0};
    check(job->attr_count <= COUNT_OF(attrs));
    if (!move_attrs(job, m, attrs)) return FOLD_NO;
    b.loc = job->n->im->model->loc;
    for (uint32_t i = 0; i < job->count; i++) {
        const struct tensor *t = job->in[i];
        if (!t) continue;
        dims_id shape = dims_from_ints(&m->types, t->dim, t->rank);
        operands[i] = module_add_input(m, NULL, type_make(t->elem, shape), b.loc);
    }
    op_id op = build_op(&b, job->kind, operands, job->count, attrs, job->attr_count, NULL);
    if (!op.i) return FOLD_FAILED;
    job->out_count = op_get(m, op)->result_count;
    if (!small_results(m, op_get(m, op))) return FOLD_NO;
    return interp_op(m, op_get(m, op), job->in, false, job->out, diag) == STATUS_OK ? FOLD_DONE : FOLD_FAILED;
}

static enum fold evaluate(struct fold_job *job) {
    struct importer *im = job->n->im;
    uint32_t errors = im->diag->errors;
    struct module *m = module_new("fold");
    enum fold fold = evaluate_in(job, m);
    module_free(m);
    if (im->diag->errors > errors) diag_note(im->diag, im->model->loc, "in %s", job->n->label);
    return fold;
}

/* -- symbolic integers -- */

/* Ops that put elements of operands into the result and look at none of them. */
static bool only_moves(enum op_kind kind) {
    switch (kind) {
    case OP_reshape:
    case OP_flatten:
    case OP_squeeze:
    case OP_unsqueeze:
    case OP_transpose:
    case OP_expand:
    case OP_slice:
    case OP_concat:
    case OP_split:
    case OP_tile:
    case OP_identity:
    case OP_gather: /* its indices and the condition of where are constants: see symbolic_operands */
    case OP_where:
        return true;
    default:
        return false;
    }
}

static dim_id dim_of(const struct tensor *t, int64_t i) {
    return (dim_id){(uint32_t)((const int64_t *)t->data)[i]};
}

/* Constant integers as indices of dimensions; 0 for a number out of range. */
static struct tensor to_dims(struct types *types, const struct tensor *t) {
    struct tensor dims = tensor_new(ELEM_i64, t->rank, t->dim);
    for (int64_t i = 0, count = tensor_count(t); i < count; i++)
        ((int64_t *)dims.data)[i] = dim_const(types, tensor_get_i64(t, i)).i;
    return dims;
}

static bool div_exact_sign(const struct types *types, dim_id a, dim_id b) {
    return dim_lo(types, a) >= 0 && dim_lo(types, b) > 0; /* there truncation is floor */
}

/* 0: cannot be told. */
static dim_id calculate(struct types *types, enum op_kind kind, dim_id a, dim_id b) {
    switch (kind) {
    case OP_add:
        return dim_add(types, a, b);
    case OP_sub:
        return dim_sub(types, a, b);
    case OP_mul:
        return dim_mul(types, a, b);
    case OP_div:
        return div_exact_sign(types, a, b) ? dim_floor_div(types, a, b) : (dim_id){0};
    case OP_mod:
        if (dim_lo(types, b) <= 0) return (dim_id){0};
        return dim_sub(types, a, dim_mul(types, b, dim_floor_div(types, a, b)));
    case OP_min:
        return dim_hi(types, a) <= dim_lo(types, b)   ? a
               : dim_hi(types, b) <= dim_lo(types, a) ? b
                                                      : (dim_id){0};
    case OP_max:
        return dim_lo(types, a) >= dim_hi(types, b)   ? a
               : dim_lo(types, b) >= dim_hi(types, a) ? b
                                                      : (dim_id){0};
    default:
        return (dim_id){0};
    }
}

/* 1 or 0 where the bounds decide, -1 elsewhere. */
static int compare(const struct types *types, enum op_kind kind, dim_id a, dim_id b) {
    bool below = dim_hi(types, a)<dim_lo(types, b), above = dim_lo(types, a)> dim_hi(types, b);
    bool not_above = dim_hi(types, a) <= dim_lo(types, b), not_below = dim_lo(types, a) >= dim_hi(types, b);
    switch (kind) {
    case OP_equal:
        return dim_same(a, b) ? 1 : below || above ? 0 : -1;
    case OP_less:
        return below ? 1 : not_below || dim_same(a, b) ? 0 : -1;
    case OP_greater:
        return above ? 1 : not_above || dim_same(a, b) ? 0 : -1;
    case OP_less_equal:
        return not_above || dim_same(a, b) ? 1 : above ? 0 : -1;
    case OP_greater_equal:
        return not_below || dim_same(a, b) ? 1 : below ? 0 : -1;
    default:
        return -1;
    }
}

/* Element by element; operands of one element broadcast, which is all that shape arithmetic needs. */
static enum fold pointwise(struct fold_job *job) {
    struct types *types = &job->n->im->m->types;
    const struct tensor *a = job->in[0], *b = job->in[1];
    int64_t na = tensor_count(a), nb = tensor_count(b);
    bool a_leads = na > nb || (na == nb && a->rank >= b->rank);
    const struct tensor *shape = a_leads ? a : b;
    if ((na != nb && na != 1 && nb != 1) || a->rank > 1 || b->rank > 1 || !na || !nb) return FOLD_NO;
    bool is_bool = compare(types, job->kind, dim_of(a, 0), dim_of(a, 0)) >= 0;
    struct tensor out = tensor_new(is_bool ? ELEM_bool : ELEM_i64, shape->rank, shape->dim);
    for (int64_t i = 0; i < max_i64(na, nb); i++) {
        dim_id x = dim_of(a, na == 1 ? 0 : i), y = dim_of(b, nb == 1 ? 0 : i);
        int64_t result =
            is_bool ? compare(types, job->kind, x, y) : (int64_t)calculate(types, job->kind, x, y).i;
        if (is_bool ? result < 0 : !result) {
            tensor_free(&out);
            return FOLD_NO;
        }
        tensor_set_i64(&out, i, result);
    }
    job->out[0] = out;
    job->out_count = 1;
    return FOLD_DONE;
}

static bool attr_keeps(const struct fold_job *job) {
    for (uint32_t i = 0; i < job->attr_count; i++)
        if (job->attrs[i].name == ATTR_keep) return job->attrs[i].b;
    return false;
}

/* Sum or product of a list. */
static enum fold reduce(struct fold_job *job) {
    struct types *types = &job->n->im->m->types;
    const struct tensor *x = job->in[0];
    bool product = job->kind == OP_reduce_prod;
    dim_id total = dim_const(types, product);
    if (x->rank > 1) return FOLD_NO;
    for (int64_t i = 0; i < tensor_count(x); i++)
        total = product ? dim_mul(types, total, dim_of(x, i)) : dim_add(types, total, dim_of(x, i));
    if (!total.i) return FOLD_NO;
    job->out[0] = tensor_new(ELEM_i64, attr_keeps(job) ? x->rank : 0, (const int64_t[]){1});
    tensor_set_i64(&job->out[0], 0, total.i);
    job->out_count = 1;
    return FOLD_DONE;
}

static enum fold negate(struct fold_job *job) {
    struct types *types = &job->n->im->m->types;
    job->out[0] = tensor_copy(job->in[0]);
    job->out_count = 1;
    for (int64_t i = 0; i < tensor_count(job->in[0]); i++)
        tensor_set_i64(&job->out[0], i, dim_sub(types, dim_const(types, 0), dim_of(job->in[0], i)).i);
    return FOLD_DONE;
}

static enum elem cast_target(const struct fold_job *job) {
    for (uint32_t i = 0; i < job->attr_count; i++)
        if (job->attrs[i].name == ATTR_to) return job->attrs[i].elem;
    return ELEM_NONE;
}

static enum fold symbolic(struct fold_job *job) {
    if (only_moves(job->kind)) return evaluate(job);
    switch (job->kind) {
    case OP_reduce_prod:
    case OP_reduce_sum:
        return reduce(job);
    case OP_neg:
        return negate(job);
    case OP_cast: /* dimensions fit both */
        if (cast_target(job) != ELEM_i64 && cast_target(job) != ELEM_i32) return FOLD_NO;
        job->out[0] = tensor_copy(job->in[0]);
        job->out_count = 1;
        return FOLD_DONE;
    default:
        return job->count == 2 ? pointwise(job) : FOLD_NO;
    }
}

/* A result that turned out to be constant becomes one. */
static ref settle(struct importer *im, struct tensor *t, enum elem elem) {
    struct types *types = &im->m->types;
    int64_t count = tensor_count(t), value;
    bool constant = true;
    for (int64_t i = 0; i < count; i++) constant = dim_is_const(types, dim_of(t, i), NULL) && constant;
    if (!constant) {
        *vec_push(&im->items) = (struct item){.kind = ITEM_SHAPE, .tensor = *t, .shape_elem = elem};
        return (ref){im->items.count - 1};
    }
    for (int64_t i = 0; i < count; i++) {
        check(dim_is_const(types, dim_of(t, i), &value));
        tensor_set_i64(t, i, value);
    }
    struct tensor numbers = tensor_cast(t, elem);
    tensor_free(t);
    return ref_of_tensor(im, numbers);
}

/* Which operands stay numbers when others are symbolic. */
static bool stays_number(enum op_kind kind, uint32_t i) {
    return (kind == OP_gather && i == 1) || (kind == OP_where && i == 0);
}

static enum fold fold_symbolic(struct fold_job *job, const ref *operands, ref *out) {
    struct importer *im = job->n->im;
    struct tensor owned[MOST_OPERANDS] = {0};
    enum elem elem = ELEM_NONE;
    enum fold fold = FOLD_NO;
    bool possible = true;
    for (uint32_t i = 0; i < job->count; i++) {
        if (!job->in[i]) continue;
        bool is_shape = item_get(im, operands[i])->kind == ITEM_SHAPE;
        if (stays_number(job->kind, i)) possible = possible && !is_shape;
        if (is_shape) elem = item_get(im, operands[i])->shape_elem;
        if (is_shape || stays_number(job->kind, i)) continue;
        if (!elem_is_int(job->in[i]->elem)) possible = false;
        owned[i] = to_dims(&im->m->types, job->in[i]);
        job->in[i] = &owned[i];
    }
    if (job->kind == OP_cast) elem = cast_target(job);
    if (possible) fold = symbolic(job);
    for (uint32_t i = 0; fold == FOLD_DONE && i < job->out_count; i++)
        out[i] =
            job->out[i].elem == ELEM_bool ? ref_of_tensor(im, job->out[i]) : settle(im, &job->out[i], elem);
    for (uint32_t i = 0; i < job->count; i++) tensor_free(&owned[i]);
    return fold;
}

enum fold fold_op(struct node *n, enum op_kind kind, const ref *operands, uint32_t count,
                  const struct attr *attrs, uint32_t attr_count, ref *out, uint32_t out_count) {
    struct importer *im = n->im;
    struct fold_job job = {.n = n, .kind = kind, .count = count, .attrs = attrs, .attr_count = attr_count};
    bool shape = false;
    if (count > MOST_OPERANDS || op_info(kind)->class == CLASS_CONTRACTION) return FOLD_NO;
    struct tensor copies[MOST_OPERANDS]; /* items move when others are added */
    for (uint32_t i = 0; i < count; i++) {
        if (ref_none(operands[i])) continue;
        const struct item *item = item_get(im, operands[i]);
        if (item->kind == ITEM_VALUE || tensor_count(&item->tensor) > LARGEST_OPERAND) return FOLD_NO;
        shape = shape || item->kind == ITEM_SHAPE;
        copies[i] = item->tensor;
        job.in[i] = &copies[i];
    }
    if (shape) return fold_symbolic(&job, operands, out);
    enum fold fold = evaluate(&job);
    if (fold == FOLD_DONE) check(job.out_count == out_count);
    for (uint32_t i = 0; fold == FOLD_DONE && i < out_count; i++) out[i] = ref_of_tensor(im, job.out[i]);
    return fold;
}
