/* Stores weights as integers or narrow floats, and lets contractions compute on integers. Requires:
 * contractions outside of fuse regions. With data, layers are treated in the network's order: each weight is
 * rounded so that its outputs change least on what the layers before have become, and the errors of the
 * input's candidate ranges are measured on the layer's outputs. */
#include "passes/quantize.h"

#include "ir/encoding.h"
#include "passes/select.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* -- options -- */
static enum status bad_option(const struct quantize *q, const char *name, const char *expected) {
    return diag_error(q->diag, q->m->loc, "quantize: %s is %s, expected %s", name,
                      pass_text(q->options, name), expected);
}

static int word(const struct quantize *q, const char *name, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (!strcmp(pass_text(q->options, name), words[i])) return i;
    return -1;
}

enum status quantize_read(const struct pass_options *options, struct quantize *q) {
    static const char *const weights[] = {"int8", "int4", "f16", "bf16", NULL};
    static const enum elem elems[] = {ELEM_i8, ELEM_i4, ELEM_f16, ELEM_bf16};
    static const char *const activations[] = {"none", "int8", NULL};
    static const char *const ranges[] = {"minmax", "percentile", "mse", "entropy", "auto", NULL};
    q->options = options;
    q->data = options->env ? options->env->data : NULL;
    int w = word(q, "weights", weights), a = word(q, "activations", activations),
        r = word(q, "range", ranges);
    if (w < 0) return bad_option(q, "weights", "int8, int4, f16 or bf16");
    if (a < 0) return bad_option(q, "activations", "int8 or none");
    if (r < 0) return bad_option(q, "range", "auto, minmax, percentile, mse or entropy");
    q->weights = elems[w];
    q->activations = a > 0;
    q->range = (enum range_method)r;
    q->group = pass_int(options, "group");
    q->min_snr = pass_float(options, "min_snr");
    q->damp = pass_float(options, "damp");
    q->correct = pass_bool(options, "correct");
    q->balance = pass_bool(options, "balance");
    if (q->activations && q->weights != ELEM_i8)
        return bad_option(q, "activations", "none, unless weights are int8");
    if (q->group < 0 || (q->group && (q->activations || w > 1)))
        return bad_option(q, "group", "0, unless weights alone are int8 or int4");
    if (!(q->damp > 0 && q->damp <= 1e6)) return bad_option(q, "damp", "a positive number");
    if (q->activations && !q->data) {
        diag_remark(q->diag, REMARK_MISSED, "quantize", q->m->name,
                    "ranges of activations need samples (--data) and there are none: weights alone");
        q->activations = false;
    }
    return STATUS_OK;
}

/* -- the layers -- */
/* The table that the op reads rows of; 0 if it does no such thing. */
static value_id table_of(const struct op *op) {
    if (op->kind == OP_embedding) return op->operand[1];
    return op->kind == OP_gather && op_int(op, ATTR_axis) == 0 ? op->operand[0] : (value_id){0};
}

/* Whether narrow floats would make a number infinite. */
static bool is_too_large(const struct quantize *q, value_id weight) {
    const struct tensor *t = value_constant(q->m, weight);
    if (q->weights != ELEM_f16) return false;
    for (int64_t i = 0, n = tensor_count(t); i < n; i++)
        if (fabs(tensor_get_f64(t, i)) >= 65520) return true; /* rounds to infinity */
    return false;
}

/* Tables are read by rows, by one op or several; all their uses must be such. */
static void add_table(struct quantize *q, value_id table, const uint32_t *uses) {
    const struct region *root = region_get(q->m, q->m->root);
    const struct value *v = value_get(q->m, table);
    uint32_t reads = 0;
    if (v->type.elem != ELEM_f32 || v->type.quant.i || v->type.layout.i ||
        type_rank(&q->m->types, v->type) != 2 || is_too_large(q, table))
        return;
    for (uint32_t i = 0; i < q->tables.count; i++)
        if (value_same(q->tables.at[i], table)) return;
    for (uint32_t i = 0; i < root->ops.count; i++)
        reads += value_same(table_of(op_get(q->m, root->ops.at[i])), table);
    if (reads == uses[table.i]) *vec_push(&q->tables) = table;
}

/* A contraction with a weight that is no layer here. */
static void tell_left(const struct quantize *q, const struct op *op) {
    if (op_info(op->kind)->class != CLASS_CONTRACTION || op->operand_count < 2) return;
    const struct value *w = value_get(q->m, op->operand[1]);
    if (w->kind == VALUE_PARAMETER)
        diag_remark(q->diag, REMARK_MISSED, "quantize", w->name, "left as it is: the weight of a %s",
                    op_info(op->kind)->name);
}

static void add_layer(struct quantize *q, struct quantize_layer l) {
    l.first = q->layers.count;
    for (uint32_t i = 0; i < q->layers.count; i++)
        if (q->layers.at[i].first == i && value_same(q->layers.at[i].c.weight, l.c.weight)) l.first = i;
    *vec_push(&q->layers) = l;
    q->layers.at[l.first].family++;
}

static bool stores(const struct quantize *q, uint32_t layer) {
    return q->layers.at[layer].first == layer;
}

static enum status find_layers(struct quantize *q) {
    struct selection selection = select_make(pass_text(q->options, "only"), pass_text(q->options, "except"));
    uint32_t *uses = module_count_uses(q->m), *readers = layers_count_readers(q->m);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < region_get(q->m, q->m->root)->ops.count && status == STATUS_OK; i++) {
        struct quantize_layer l = {.op = region_get(q->m, q->m->root)->ops.at[i]};
        const struct op *op = op_get(q->m, l.op);
        value_id table = table_of(op);
        bool is_table = table.i && value_get(q->m, table)->kind == VALUE_PARAMETER;
        bool is_layer = columns_of(q->m, op, &l.c);
        if (!is_layer && !is_table) {
            tell_left(q, op);
            continue;
        }
        weight_id weight = value_get(q->m, is_layer ? l.c.weight : table)->weight;
        if (!select_has(&selection, q->m, op->result[0], weight, NULL)) continue;
        status = layer_check_finite(q->m, weight, q->diag);
        if (!is_layer && status == STATUS_OK) add_table(q, table, uses);
        if (!is_layer || status != STATUS_OK) continue;
        const struct value *v = value_get(q->m, l.c.weight);
        const char *why = uses[l.c.weight.i] != readers[l.c.weight.i]
                              ? "ops that are no such layers use it, too"
                          : v->type.elem != ELEM_f32           ? "its weight is not f32"
                          : v->type.layout.i                   ? "its weight is laid out for a kernel"
                          : !l.c.depth || !l.c.rows            ? "its weight is empty"
                          : l.c.transposed && v->type.sparse.i ? "its weight is sparse the other way"
                          : l.c.scattered && q->group          ? "its outputs have no groups of inputs"
                          : is_too_large(q, l.c.weight)        ? "its numbers are larger than f16 has"
                                                               : NULL;
        if (why) {
            diag_remark(q->diag, REMARK_MISSED, "quantize", v->name, "left as it is: %s", why);
            continue;
        }
        if (l.c.transposed && !l.c.scattered) layer_transpose(q->m, l.op, &l.c);
        add_layer(q, l);
    }
    if (status == STATUS_OK) status = select_check(&selection, "quantize", q->m->loc, q->diag);
    free(uses);
    free(readers);
    select_free(&selection);
    return status;
}

/* -- measuring -- */
enum { MEASURED_COLUMNS = 1024, GRAM_COLUMNS = 1 << 15 };

static void multiply(const struct columns *c, int64_t columns, const float *x, const float *w, float beta,
                     float *y) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)columns, (int)c->rows, (int)c->depth, 1, x,
                (int)c->depth, w, (int)c->depth, beta, y, (int)c->rows);
}

static double squares(const float *y, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)y[i] * (double)y[i];
    return sum;
}

static void group_weight(const struct columns *c, int64_t g, const struct tensor *from, float sign,
                         float *to) {
    for (int64_t i = 0; i < c->rows * c->depth; i++)
        to[i] = sign * (float)tensor_get_f64(from, columns_weight_at(c, g, i / c->depth, i % c->depth));
}

/* errors of W' Q(X) against W X, for each candidate range of X and for X itself. */
static void measure_group(const struct replay *r, struct quantize_layer *l, int64_t g,
                          const struct tensor *old, const struct tensor *fresh) {
    const struct columns *c = &l->c;
    float *x = xmalloc((size_t)(MEASURED_COLUMNS * c->depth) * sizeof *x);
    float *rounded = xmalloc((size_t)(MEASURED_COLUMNS * c->depth) * sizeof *rounded);
    float *w = xmalloc((size_t)(c->rows * c->depth) * sizeof *w),
          *v = xmalloc((size_t)(c->rows * c->depth) * sizeof *v);
    float *want = xcalloc((size_t)(MEASURED_COLUMNS * c->rows), sizeof *want),
          *y = xmalloc((size_t)(MEASURED_COLUMNS * c->rows) * sizeof *y);
    int64_t n = replay_columns(r, c, g, MEASURED_COLUMNS, x);
    group_weight(c, g, old, -1, w);
    group_weight(c, g, fresh, 1, v);
    multiply(c, n, x, w, 0, want);
    l->energy += squares(want, n * c->rows);
    for (int candidate = -1; candidate < RANGE_CANDIDATES; candidate++) {
        if (candidate >= 0 && !l->ranges.tried[candidate]) continue;
        const float *in = x;
        if (candidate >= 0) {
            struct scale_zero s = quantize_scale_zero(l->ranges.lo[candidate], l->ranges.hi[candidate]);
            for (int64_t i = 0; i < n * c->depth; i++)
                rounded[i] = (float)(quantize_f32(x[i], (float)s.scale, (int32_t)s.zero, ELEM_i8) - s.zero) *
                             (float)s.scale;
            in = rounded;
        }
        memcpy(y, want, (size_t)(n * c->rows) * sizeof *y);
        multiply(c, n, in, v, 1, y);
        *(candidate < 0 ? &l->weight_error : &l->error[candidate]) += squares(y, n * c->rows);
    }
    free(x);
    free(rounded);
    free(w);
    free(v);
    free(want);
    free(y);
}

/* What the mean of each output lacks against the original network. */
static void measure_shift(struct quantize_layer *l, const struct gram *gram, const struct tensor *original,
                          const struct tensor *fresh) {
    const struct columns *c = &l->c;
    l->shift = xcalloc((size_t)(c->groups * c->rows), sizeof *l->shift);
    for (int64_t g = 0; g < c->groups; g++)
        for (int64_t i = 0; i < c->rows; i++)
            for (int64_t j = 0; j < c->depth; j++) {
                int64_t at = columns_weight_at(c, g, i, j);
                l->shift[g * c->rows + i] +=
                    (tensor_get_f64(original, at) * gram->reference_sum[g * c->depth + j] -
                     tensor_get_f64(fresh, at) * gram->sum[g * c->depth + j]) /
                    (double)max_i64(gram->columns, 1);
            }
}

/* The bias under the replay's eyes, so that the layers after see it corrected. */
static void correct_bias(struct quantize *q, struct replay *r, struct quantize_layer *l) {
    if (!l->shift || !l->c.bias.i) return;
    const struct value *v = value_get(q->m, l->c.bias);
    const struct tensor *old = value_constant(q->m, l->c.bias);
    if (v->kind != VALUE_PARAMETER || old->elem != ELEM_f32) return;
    uint32_t *uses = module_count_uses(q->m);
    if (uses[l->c.bias.i] == 1) {
        struct tensor fresh = tensor_copy(old);
        for (int64_t i = 0, n = tensor_count(old); i < n; i++)
            tensor_set_f64(&fresh, i, tensor_get_f64(old, i) + l->shift[i]);
        replay_set_weight(r, v->weight, fresh);
    }
    free(uses);
}

static enum status solve_weight(const struct quantize *q, const struct replay *r, struct quantize_layer *l,
                                struct tensor *fresh) {
    struct gram gram;
    TRY(gram_measure(r, &l->c, GRAM_OWN | GRAM_REFERENCE, GRAM_COLUMNS, &gram));
    double scale = 1 / (double)max_i64(gram.columns, 1);
    for (int64_t k = 0; k < gram.groups * gram.depth * gram.depth; k++) gram.own[k] *= scale;
    quantize_weight(q, l, &gram, fresh);
    weight_id id = value_get(q->m, l->c.weight)->weight;
    if (q->correct) measure_shift(l, &gram, replay_original(r, id), fresh);
    gram_free(&gram);
    return STATUS_OK;
}

static enum status visit_op(void *ctx, struct replay *r, op_id op) {
    struct quantize *q = ctx;
    for (uint32_t i = 0; i < q->layers.count; i++) {
        struct quantize_layer *l = &q->layers.at[i];
        if (l->op.i != op.i) continue;
        weight_id id = value_get(q->m, l->c.weight)->weight;
        struct tensor fresh = weight_get(q->m, id)->tensor; /* of a family: as the first has left it */
        if (stores(q, i) && (l->c.scattered || l->family > 1))
            quantize_weight(q, l, NULL, &fresh);
        else if (stores(q, i))
            TRY(solve_weight(q, r, l, &fresh));
        l->ranges = (struct value_ranges){0};
        if (q->activations && !l->c.scattered) l->ranges = quantize_ranges(r, l->c.input, q->range);
        for (int64_t g = 0; g < l->c.groups; g++) measure_group(r, l, g, replay_original(r, id), &fresh);
        l->measured = true;
        if (!stores(q, i)) continue;
        replay_set_weight(r, id, fresh);
        correct_bias(q, r, l);
    }
    return STATUS_OK;
}

static enum status with_data(struct quantize *q) {
    struct replay_options options = {
        .pass = "quantize", .data = q->data, .progress = q->options->env->progress, .reference = true};
    struct replay_visitor visitor = {.before = visit_op, .ctx = q};
    return replay_run(q->m, &options, &visitor, q->diag);
}

static void without_data(struct quantize *q) {
    for (uint32_t i = 0; i < q->layers.count; i++) {
        struct tensor fresh;
        if (!stores(q, i)) continue;
        quantize_weight(q, &q->layers.at[i], NULL, &fresh);
        tensor_free(&fresh);
    }
}

/* -- what becomes of the weights -- */
static void store_integers(struct module *m, value_id v, struct tensor codes, struct tensor *scale, int axis,
                           int64_t group) {
    struct weight *w = weight_get(m, value_get(m, v)->weight);
    codes.quant = quant_keep(m, axis, group, scale, NULL);
    tensor_free(&w->tensor);
    tensor_free(scale);
    w->tensor = codes;
    w->made_by = NULL;
    struct type *type = &value_get(m, v)->type;
    type->elem = codes.elem;
    type->quant = quant_make(&m->types, (struct quant){.axis = axis, .group = group});
}

static void store_narrow(struct quantize *q, value_id v) {
    struct weight *w = weight_get(q->m, value_get(q->m, v)->weight);
    struct tensor narrow = tensor_cast(&w->tensor, q->weights);
    tensor_free(&w->tensor);
    w->tensor = narrow;
    w->made_by = NULL;
    value_get(q->m, v)->type.elem = q->weights;
}

static void decide(struct quantize *q, value_id v, const struct quantize_layer *l, double error) {
    static const char *const methods[] = {"nearest", "gptq"};
    const struct value *w = value_get(q->m, v);
    bool measured = l && l->measured && l->energy > 0;
    struct decision d = {.method = methods[measured], .measured = measured, .error = error};
    if (l && q->activations && !l->integer) d.note = "weight only: its input stays f32";
    pass_decide(q->m, q->options, v, d);
    struct str text = {0};
    str_printf(&text, "%s, %llu bytes", elem_name(w->type.elem),
               (unsigned long long)encoding_file_bytes(&q->m->types, w->type, value_constant(q->m, v)));
    if (measured) str_printf(&text, ", relative output error %.3g", error);
    if (d.note) str_printf(&text, "; %s", d.note);
    diag_remark(q->diag, REMARK_APPLIED, "quantize", w->name, "%s", str_text(&text));
    str_free(&text);
}

static double least_error(const struct quantize_layer *l) {
    double least = INFINITY;
    for (int i = 0; i < RANGE_CANDIDATES; i++)
        if (l->ranges.tried[i]) least = fmin(least, l->error[i]);
    return least;
}

/* A layer computes on integers unless the measured error says no, or there is none: what is zero on all the
 * data has no range. */
static void choose_integer(struct quantize *q) {
    for (uint32_t i = 0; i < q->layers.count; i++) {
        struct quantize_layer *l = &q->layers.at[i];
        l->integer = q->activations && l->measured && l->energy > 0 &&
                     least_error(l) / l->energy <= pow(10, -q->min_snr / 10);
    }
}

static void store_layers(struct quantize *q) {
    for (uint32_t i = 0; i < q->layers.count; i++) {
        struct quantize_layer *l = &q->layers.at[i];
        if (!stores(q, i)) continue;
        double error = l->integer ? least_error(l) : l->weight_error;
        store_integers(q->m, l->c.weight, l->codes, &l->scale, l->c.scattered, q->group);
        l->codes = (struct tensor){0};
        decide(q, l->c.weight, l, l->energy > 0 ? error / l->energy : 0);
    }
    for (uint32_t i = 0; i < q->tables.count; i++) {
        value_id v = q->tables.at[i];
        struct tensor codes, scale;
        quantize_rows(value_constant(q->m, v), q->weights, q->group, &codes, &scale);
        store_integers(q->m, v, codes, &scale, 0, q->group);
        decide(q, v, NULL, 0);
    }
}

static enum status narrow_all(struct quantize *q) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < q->layers.count; i++) {
        if (!stores(q, i)) continue;
        store_narrow(q, q->layers.at[i].c.weight);
        decide(q, q->layers.at[i].c.weight, NULL, 0);
    }
    for (uint32_t i = 0; i < q->tables.count && status == STATUS_OK; i++) {
        store_narrow(q, q->tables.at[i]);
        status = quantize_widen_rows(q, q->tables.at[i]);
        decide(q, q->tables.at[i], NULL, 0);
    }
    return status;
}

enum status pass_quantize(struct module *m, const struct pass_options *options, struct diag *diag) {
    struct quantize q = {.m = m, .diag = diag};
    enum status status = quantize_read(options, &q);
    if (status == STATUS_OK) layers_unstack(m);
    if (status == STATUS_OK) status = find_layers(&q);
    if (status == STATUS_OK) status = layer_check_all_finite(m, diag);
    bool integers = q.weights == ELEM_i8 || q.weights == ELEM_i4;
    if (status == STATUS_OK && !q.layers.count && !q.tables.count)
        diag_remark(diag, REMARK_MISSED, "quantize", m->name, "there is no layer with weights of its own");
    if (status == STATUS_OK && q.activations && q.balance) status = quantize_balance(&q);
    if (status == STATUS_OK && integers) {
        if (q.data && q.layers.count)
            status = with_data(&q);
        else
            without_data(&q);
    }
    if (status == STATUS_OK) {
        choose_integer(&q);
        if (integers)
            store_layers(&q);
        else
            status = narrow_all(&q);
        if (status == STATUS_OK) status = quantize_rewrite(&q);
    }
    for (uint32_t i = 0; i < q.layers.count; i++) {
        tensor_free(&q.layers.at[i].codes);
        tensor_free(&q.layers.at[i].scale);
        free(q.layers.at[i].shift);
    }
    vec_free(&q.layers);
    vec_free(&q.tables);
    return status;
}
