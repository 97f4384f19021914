/* Makes weights zero. Requires: contractions outside of fuse regions. The layers are the contractions with a
 * weight of their own; with data they are treated in the network's order, each on inputs from the layers
 * before as they have become, towards what it gave in the original network. */
#include "passes/sparsify.h"

#include "ir/encoding.h"
#include "passes/gram.h"
#include "passes/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status sparsify_replay(struct sparsify *s, uint32_t most, const struct replay_visitor *visitor) {
    struct replay_options options = {.pass = "sparsify",
                                     .data = s->data,
                                     .progress = s->options->env->progress,
                                     .most = most,
                                     .reference = most == 0 && s->method == METHOD_OBS};
    return replay_run(s->m, &options, visitor, s->diag);
}

/* -- the layers -- */
/* Why the op is no layer of the pass; NULL: it is one. */
static const char *not_a_layer(const struct sparsify *s, const struct columns *c, const uint32_t *uses,
                               const uint32_t *readers, bool named) {
    if (uses[c->weight.i] != readers[c->weight.i]) return "ops that are no such layers use its weight, too";
    bool depthwise = c->groups > 1 && (c->scattered ? c->depth : c->rows) == 1;
    if (depthwise && !named)
        return "depthwise convolutions have few weights and lose much; name it in `only` if it must";
    if (value_get(s->m, c->weight)->type.quant.i || value_get(s->m, c->weight)->type.layout.i)
        return "its weight is quantized, or laid out for a kernel";
    return NULL;
}

static bool has_layer(const struct sparsify *s, value_id weight) {
    for (uint32_t i = 0; i < s->layers.count; i++)
        if (value_same(s->layers.at[i].c.weight, weight)) return true;
    return false;
}

static enum status find_layers(struct sparsify *s) {
    const struct region *root = region_get(s->m, s->m->root);
    struct selection selection = select_make(pass_text(s->options, "only"), pass_text(s->options, "except"));
    uint32_t *uses = module_count_uses(s->m), *readers = layers_count_readers(s->m);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < root->ops.count && status == STATUS_OK; i++) {
        struct sparsify_layer l = {.op = root->ops.at[i]};
        const struct op *op = op_get(s->m, l.op);
        bool named;
        if (!columns_of(s->m, op, &l.c)) continue;
        const struct value *weight = value_get(s->m, l.c.weight);
        if (!select_has(&selection, s->m, op->result[0], weight->weight, &named)) continue;
        if (has_layer(s, l.c.weight)) continue;
        const char *why = not_a_layer(s, &l.c, uses, readers, named);
        if (why) {
            diag_remark(s->diag, REMARK_MISSED, "sparsify", weight->name, "left as it is: %s", why);
            continue;
        }
        status = layer_check_finite(s->m, weight->weight, s->diag);
        const struct value *bias = value_get(s->m, l.c.bias);
        l.bias_is_own = l.c.bias.i && bias->kind == VALUE_PARAMETER && uses[l.c.bias.i] == 1;
        l.shared = readers[l.c.weight.i] > 1;
        if (l.c.transposed && !l.c.scattered && status == STATUS_OK) layer_transpose(s->m, l.op, &l.c);
        *vec_push(&s->layers) = l;
    }
    if (status == STATUS_OK) status = select_check(&selection, "sparsify", s->m->loc, s->diag);
    if (status == STATUS_OK && !s->layers.count)
        diag_remark(s->diag, REMARK_MISSED, "sparsify", s->m->name,
                    "there is no layer with weights of its own");
    free(uses);
    free(readers);
    select_free(&selection);
    return status;
}

/* -- one layer -- */
/* Blocks that do not fit into a layer shrink to it. */
static struct pattern pattern_for(const struct sparsify *s, const struct columns *c) {
    struct pattern t = s->pattern;
    t.rows = min_i64(t.rows, c->rows);
    t.columns = min_i64(t.columns, c->depth);
    return t;
}

static void scores(const struct obs_problem *p, double *out) {
    for (int64_t i = 0; i < p->rows * p->depth; i++) {
        int64_t j = i % p->depth;
        out[i] = p->w[i] * p->w[i] * (p->g ? p->g[j * p->depth + j] : 1);
    }
}

static void by_score(const struct sparsify *s, const struct obs_problem *p) {
    double *score = xmalloc((size_t)(p->rows * p->depth) * sizeof *score);
    struct obs_problem scored = *p;
    if (s->method == METHOD_MAGNITUDE) scored.g = NULL;
    scores(&scored, score);
    mask_by_score(p, score, s->method == METHOD_WANDA);
    for (int64_t i = 0; i < p->rows * p->depth; i++)
        if (!p->kept[i]) p->w[i] = 0;
    free(score);
}

/* What the layer should give on its inputs X as they are now: W R of the original inputs R, as far as a
 * linear layer on X can, but near the old weights: w + w (R − X) Xᵀ (X Xᵀ + λ)⁻¹. */
static void aim_at_reference(const struct obs_problem *p, const double *cross) {
    int64_t n = p->depth, rows = p->rows;
    double *difference = xmalloc((size_t)(n * n) * sizeof *difference), *inverse;
    double *a = xmalloc((size_t)(rows * n) * sizeof *a);
    for (int64_t i = 0; i < n * n; i++) difference[i] = cross[i] - p->g[i];
    moment_inverse(p->g, n, p->damp, &inverse);
    moment_multiply(rows, n, p->old, difference, false, a);
    moment_multiply(rows, n, a, inverse, true, p->w);
    free(difference);
    free(inverse);
    free(a);
}

struct outcome {
    double error, energy; /* summed over groups */
    int64_t zeros;
    double *shift; /* of the bias, [groups][rows]; NULL: it stays */
};

/* Means of the columns as they are and as they were, and moments about them: where a bias takes the means
 * over, the weights need not. */
static void centre(struct gram *gram) {
    int64_t n = gram->depth;
    for (int64_t g = 0; g < gram->groups; g++) {
        const double *own = gram->sum + g * n, *reference = gram->reference_sum + g * n;
        for (int64_t i = 0; i < n * n; i++) {
            gram->own[g * n * n + i] -= own[i / n] * own[i % n];
            gram->cross[g * n * n + i] -= reference[i / n] * own[i % n];
        }
    }
}

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void shift_bias(const struct obs_problem *p, const struct gram *gram, int64_t group,
                       struct outcome *o) {
    int64_t n = p->depth;
    const double *own = gram->sum + group * n, *reference = gram->reference_sum + group * n;
    for (int64_t i = 0; i < p->rows; i++) {
        double before = dot(p->old + i * n, reference, n);
        o->shift[group * p->rows + i] = before - dot(p->w + i * n, own, n);
        o->energy += before * before;
    }
}

static void solve_group(const struct sparsify *s, const struct sparsify_layer *l, const struct gram *gram,
                        int64_t group, const struct tensor *from, struct tensor *to, struct outcome *o) {
    const struct columns *c = &l->c;
    int64_t n = c->depth, count = c->rows * n;
    double *old = xmalloc((size_t)count * sizeof *old), *w = xmalloc((size_t)count * sizeof *w);
    struct obs_problem p = {
        .rows = c->rows, .depth = n, .pattern = pattern_for(s, c), .ratio = l->ratio, .damp = s->damp};
    layer_get(c, group, from, old);
    memcpy(w, old, (size_t)count * sizeof *w);
    p.old = old;
    p.w = w;
    p.g = gram ? gram_own(gram, group) : NULL;
    /* Few columns say little about directions that they hardly have. */
    double doubt = gram ? (double)n / (double)max_i64(gram->columns, 1) : 1;
    p.refit_damp = s->damp * (doubt < 0.01 ? 0.01 : doubt > 1 ? 1 : doubt);
    p.kept = xcalloc((size_t)count, sizeof *p.kept);
    if (gram && gram->cross && gram->columns >= 2 * n) aim_at_reference(&p, gram->cross + group * n * n);
    if (s->method == METHOD_OBS && gram)
        obs_solve(&p);
    else
        by_score(s, &p);
    for (int64_t i = 0; i < count; i++) o->zeros += w[i] == 0;
    if (gram) {
        o->error += moment_distance(c->rows, n, w, old, p.g);
        o->energy += moment_distance(c->rows, n, old, NULL, p.g);
        if (o->shift) shift_bias(&p, gram, group, o);
    }
    layer_put(c, group, w, to);
    free(old);
    free(w);
    free(p.kept);
}

static struct sparse format_for(const struct sparsify *s, const struct tensor *t) {
    struct sparse hint = {SPARSE_NONE, 0, 0};
    int64_t columns = tensor_count(t) / max_i64(t->dim[0], 1);
    if (s->pattern.m) hint = (struct sparse){SPARSE_NM, (uint32_t)s->pattern.n, (uint32_t)s->pattern.m};
    if (s->pattern.rows * s->pattern.columns > 1 && s->pattern.rows <= t->dim[0] &&
        s->pattern.columns <= columns)
        hint = (struct sparse){SPARSE_BLOCK, (uint32_t)s->pattern.rows, (uint32_t)s->pattern.columns};
    if (!strcmp(s->format, "auto")) return encoding_smallest(t, hint);
    if (!strcmp(s->format, "csr")) return (struct sparse){SPARSE_CSR, 0, 0};
    if (!strcmp(s->format, "bitmask")) return (struct sparse){SPARSE_BITMASK, 0, 0};
    if (!strcmp(s->format, "dense")) return (struct sparse){SPARSE_NONE, 0, 0};
    return encoding_holds(hint, t) ? hint : (struct sparse){SPARSE_NONE, 0, 0};
}

/* The parameter's type says how it is stored from now on. */
static void finish_layer(struct sparsify *s, const struct sparsify_layer *l, const struct outcome *o) {
    static const char *const methods[] = {"magnitude", "wanda", "obs"};
    const char *method = methods[l->shared ? METHOD_MAGNITUDE : s->method];
    struct value *v = value_get(s->m, l->c.weight);
    const struct tensor *t = &weight_get(s->m, v->weight)->tensor;
    struct sparse format = format_for(s, t);
    v->type.sparse = sparse_make(&s->m->types, format);
    struct str text = {0};
    str_printf(&text, "%.1f%% of %lld weights are zero (%s), %s %llu of %zu bytes",
               100 * (double)o->zeros / (double)max_i64(tensor_count(t), 1), (long long)tensor_count(t),
               method, sparse_name(format.kind), (unsigned long long)encoding_bytes(format, t),
               tensor_bytes(t));
    if (o->energy > 0)
        str_printf(&text, ", relative output error %.3g", (o->error > 0 ? o->error : 0) / o->energy);
    diag_remark(s->diag, REMARK_APPLIED, "sparsify", v->name, "%s", str_text(&text));
    str_free(&text);
    int64_t total = tensor_count(t);
    pass_decide(s->m, s->options, l->c.weight,
                (struct decision){.method = method,
                                  .kept = total - o->zeros,
                                  .total = total,
                                  .unit = "weights",
                                  .measured = o->energy > 0,
                                  .error = o->energy > 0 ? o->error / o->energy : 0});
}

static bool changes_nothing(const struct sparsify *s, const struct sparsify_layer *l) {
    return !s->pattern.m && l->ratio <= 0;
}

/* Whether the layer has a bias of its own that may change. */
static bool has_free_bias(const struct sparsify *s, const struct sparsify_layer *l) {
    return s->method == METHOD_OBS && l->bias_is_own && !l->shared;
}

static void divide_sums(double *sums, int64_t count, double by) {
    for (int64_t i = 0; sums && i < count; i++) sums[i] /= by;
}

static enum status measure(struct sparsify *s, const struct sparsify_layer *l, const struct replay *r,
                           struct gram *gram) {
    TRY(gram_measure(r, &l->c, s->method == METHOD_OBS ? GRAM_OWN | GRAM_CROSS : GRAM_OWN, SPARSIFY_COLUMNS,
                     gram));
    int64_t sums = gram->groups * gram->depth;
    double columns = (double)max_i64(gram->columns, 1);
    divide_sums(gram->own, sums * gram->depth, columns);
    divide_sums(gram->cross, sums * gram->depth, columns);
    divide_sums(gram->sum, sums, columns);
    divide_sums(gram->reference_sum, sums, columns);
    if (has_free_bias(s, l)) centre(gram);
    return STATUS_OK;
}

static void set_bias(struct sparsify *s, const struct sparsify_layer *l, struct replay *r,
                     const double *shift) {
    weight_id id = value_get(s->m, l->c.bias)->weight;
    struct tensor bias = tensor_copy(&weight_get(s->m, id)->tensor);
    for (int64_t i = 0, n = tensor_count(&bias); i < n; i++)
        tensor_set_f64(&bias, i, tensor_get_f64(&bias, i) + shift[i]);
    replay_set_weight(r, id, bias);
}

/* With data; the weight changes under the replay's eyes. */
static enum status visit_op(void *ctx, struct replay *r, op_id op) {
    struct sparsify *s = ctx;
    for (uint32_t i = 0; i < s->layers.count; i++) {
        const struct sparsify_layer *l = &s->layers.at[i];
        if (l->op.i != op.i || changes_nothing(s, l)) continue;
        weight_id id = value_get(s->m, l->c.weight)->weight;
        struct gram gram = {.groups = l->c.groups};
        struct outcome o = {0};
        if (!l->shared) TRY(measure(s, l, r, &gram));
        if (has_free_bias(s, l)) o.shift = xcalloc((size_t)(l->c.groups * l->c.rows), sizeof *o.shift);
        const struct tensor *old = &weight_get(s->m, id)->tensor;
        struct tensor fresh = tensor_new(old->elem, old->rank, old->dim);
        for (int64_t g = 0; g < gram.groups; g++)
            solve_group(s, l, gram.own ? &gram : NULL, g, old, &fresh, &o);
        gram_free(&gram);
        replay_set_weight(r, id, fresh);
        if (o.shift) set_bias(s, l, r, o.shift);
        free(o.shift);
        finish_layer(s, l, &o);
    }
    return STATUS_OK;
}

static void without_data(struct sparsify *s) {
    for (uint32_t i = 0; i < s->layers.count; i++) {
        const struct sparsify_layer *l = &s->layers.at[i];
        struct weight *w = weight_get(s->m, value_get(s->m, l->c.weight)->weight);
        struct outcome o = {0};
        if (changes_nothing(s, l)) continue;
        struct tensor fresh = tensor_new(w->tensor.elem, w->tensor.rank, w->tensor.dim);
        for (int64_t g = 0; g < l->c.groups; g++) solve_group(s, l, NULL, g, &w->tensor, &fresh, &o);
        tensor_free(&w->tensor);
        w->tensor = fresh;
        w->made_by = NULL;
        finish_layer(s, l, &o);
    }
}

enum status pass_sparsify(struct module *m, const struct pass_options *options, struct diag *diag) {
    struct sparsify s = {.m = m, .diag = diag};
    enum status status = sparsify_read(options, &s);
    if (status == STATUS_OK) layers_unstack(m);
    if (status == STATUS_OK) status = find_layers(&s);
    if (status == STATUS_OK) status = layer_check_all_finite(m, diag);
    if (status == STATUS_OK) status = sparsify_distribute(&s);
    if (status == STATUS_OK && s.data && s.layers.count)
        status = sparsify_replay(&s, 0, &(struct replay_visitor){.before = visit_op, .ctx = &s});
    else if (status == STATUS_OK)
        without_data(&s);
    vec_free(&s.layers);
    return status;
}
