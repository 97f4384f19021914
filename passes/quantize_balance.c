/* Levels the channels of activations before they are rounded: a channel a hundred times the others leaves
 * them two or three of the 255 steps. What makes a value (a layer, or a norm's scale and bias) is divided by
 * s_j for channel j, and what reads it is multiplied, where nothing lies between but ops that commute with
 * positive factors: cross-layer equalisation (Nagel et al., Data-free quantization, 2019), and on norms
 * SmoothQuant (Xiao et al., 2023). s_j = max|X_j|^a / max|W_j|^(1 - a), rounded to a power of two, so that
 * the network in f32 stays the same bit for bit. The a of least measured error is taken, if it is worth it.
 */
#include "passes/quantize.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { ALPHAS = 4, SHARES = 5, COLUMNS = 256 };
static const double alpha_of[ALPHAS] = {-1, 0.25, 0.5, 0.75}; /* the first: as it is */
static const double share_of[SHARES] = {1, 0.7, 0.5, 0.35, 0.25};

/* Worth it: at most this share of the error stays. */
static const double worth = 0.8;

/* A value that layers read and that can be scaled. */
struct link {
    value_id value;
    op_id producer;
    uint32_t axis;
    int64_t channels;
    bool seen, finite;
    double *lo, *hi, *weight; /* of each channel: the value's extremes, the readers' largest weight */
    float *factor[ALPHAS];    /* s */
    double loss[ALPHAS];      /* relative errors of the readers' outputs, summed */
};

struct balance {
    struct quantize *q;
    uint32_t *uses;
    VEC(struct link) links;
};

/* -- which values -- */
/* f(s x) = s f(x) for s > 0, channel by channel, and channels stay where they are. */
static bool commutes(const struct op *op) {
    switch (op->kind) {
    case OP_relu:
    case OP_leaky_relu:
    case OP_identity:
    case OP_maxpool1d:
    case OP_maxpool2d:
    case OP_avgpool1d:
    case OP_avgpool2d:
        return true;
    default:
        return false;
    }
}

static const struct quantize_layer *layer_of(const struct quantize *q, op_id op) {
    for (uint32_t i = 0; i < q->layers.count; i++)
        if (q->layers.at[i].op.i == op.i) return &q->layers.at[i];
    return NULL;
}

static uint32_t channel_axis(const struct module *m, const struct quantize_layer *l, value_id v) {
    return l->c.spatial ? 1 : type_rank(&m->types, value_get(m, v)->type) - 1;
}

static int64_t taps_of(const struct columns *c) {
    int64_t taps = 1;
    for (uint32_t i = 0; i < c->spatial; i++) taps *= c->taps[i];
    return taps;
}

/* A parameter of f32 that nothing else reads; left out is fine, too. */
static bool is_own(const struct balance *b, value_id v) {
    if (value_none(v)) return true;
    const struct value *value = value_get(b->q->m, v);
    return value->kind == VALUE_PARAMETER && value->type.elem == ELEM_f32 && !value->type.layout.i &&
           b->uses[v.i] == 1;
}

/* Whether the op's result can be scaled by its parameters along `axis`. */
static bool can_scale(const struct balance *b, op_id id, uint32_t axis) {
    const struct module *m = b->q->m;
    const struct op *op = op_get(m, id);
    const struct quantize_layer *l = layer_of(b->q, id);
    if (l) return channel_axis(m, l, op->result[0]) == axis && is_own(b, l->c.weight) && is_own(b, l->c.bias);
    uint32_t rank = type_rank(&m->types, value_get(m, op->result[0])->type);
    if (op->kind != OP_layernorm || op->operand_count < 2 || axis != rank - 1) return false;
    int64_t at = op_int(op, ATTR_axis);
    return (at < 0 ? at + rank : at) == axis && !value_none(op->operand[1]) && is_own(b, op->operand[1]) &&
           (op->operand_count < 3 || is_own(b, op->operand[2]));
}

/* All that reads v are layers of the pass. */
static bool layers_alone(const struct balance *b, value_id v) {
    uint32_t readers = 0;
    for (uint32_t i = 0; i < b->q->layers.count; i++) {
        const struct quantize_layer *l = &b->q->layers.at[i];
        readers += value_same(l->c.input, v) && b->uses[l->c.weight.i] == 1;
    }
    return readers == b->uses[v.i];
}

static void find_link(struct balance *b, const struct quantize_layer *l) {
    const struct module *m = b->q->m;
    value_id v = l->c.input;
    uint32_t axis = channel_axis(m, l, v);
    for (uint32_t i = 0; i < b->links.count; i++)
        if (value_same(b->links.at[i].value, v)) return;
    if (!layers_alone(b, v) || value_get(m, v)->kind != VALUE_RESULT) return;
    op_id op = value_get(m, v)->op;
    while (commutes(op_get(m, op))) {
        value_id before = op_get(m, op)->operand[0];
        if (b->uses[before.i] != 1 || value_get(m, before)->kind != VALUE_RESULT) return;
        op = value_get(m, before)->op;
    }
    if (!can_scale(b, op, axis)) return;
    struct link link = {.value = v, .producer = op, .axis = axis, .finite = true};
    link.channels = l->c.groups * l->c.depth / taps_of(&l->c);
    size_t count = (size_t)link.channels;
    link.lo = xcalloc(count, sizeof *link.lo);
    link.hi = xcalloc(count, sizeof *link.hi);
    link.weight = xcalloc(count, sizeof *link.weight);
    for (int a = 0; a < ALPHAS; a++) link.factor[a] = xcalloc(count, sizeof *link.factor[a]);
    *vec_push(&b->links) = link;
}

/* -- factors -- */
static void read_extremes(const struct replay *r, struct link *k) {
    for (uint32_t i = 0; i < replay_samples(r); i++) {
        const struct tensor *x = replay_value(r, i, k->value);
        int64_t inner = 1;
        for (uint32_t d = k->axis + 1; d < x->rank; d++) inner *= x->dim[d];
        for (int64_t e = 0, n = tensor_count(x); e < n; e++) {
            double at = tensor_get_f64(x, e);
            int64_t j = e / inner % k->channels;
            k->finite = k->finite && isfinite(at);
            k->lo[j] = fmin(k->lo[j], at);
            k->hi[j] = fmax(k->hi[j], at);
        }
    }
}

/* The readers' weights, all of them, by input channel. */
static void read_weights(const struct balance *b, struct link *k) {
    for (uint32_t i = 0; i < b->q->layers.count; i++) {
        const struct columns *c = &b->q->layers.at[i].c;
        if (!value_same(c->input, k->value)) continue;
        const struct tensor *w = value_constant(b->q->m, c->weight);
        int64_t taps = taps_of(c), each = c->depth / taps;
        for (int64_t e = 0, n = tensor_count(w); e < n; e++) {
            int64_t j = e / (c->rows * c->depth) * each + e % c->depth / taps;
            k->weight[j] = fmax(k->weight[j], fabs(tensor_get_f64(w, e)));
        }
    }
}

static void make_factors(struct link *k) {
    for (int a = 0; a < ALPHAS; a++) {
        double sum = 0, alpha = alpha_of[a];
        int64_t live = 0;
        for (int64_t j = 0; j < k->channels; j++) {
            double x = fmax(-k->lo[j], k->hi[j]), w = k->weight[j];
            bool dead = a == 0 || !(x > 1e-20) || !(w > 1e-20);
            k->factor[a][j] = dead ? NAN : (float)(alpha * log2(x) - (1 - alpha) * log2(w));
            if (dead) continue;
            sum += (double)k->factor[a][j];
            live++;
        }
        float mean = live ? (float)(sum / (double)live) : 0;
        for (int64_t j = 0; j < k->channels; j++) {
            float power = isnan(k->factor[a][j]) ? 0 : roundf(k->factor[a][j] - mean);
            k->factor[a][j] = exp2f(fminf(fmaxf(power, -10), 10));
        }
    }
}

/* -- measuring -- */
/* Rounded to the nearest, a scale for each row. */
static void round_rows(float *w, int64_t rows, int64_t depth) {
    for (int64_t i = 0; i < rows; i++, w += depth) {
        float most = 0;
        for (int64_t j = 0; j < depth; j++) most = fmaxf(most, fabsf(w[j]));
        float scale = most / 127;
        for (int64_t j = 0; j < depth && scale > 0; j++) w[j] = rintf(w[j] / scale) * scale;
    }
}

static void round_range(const float *x, int64_t count, double lo, double hi, float *out) {
    struct scale_zero s = quantize_scale_zero(lo, hi);
    for (int64_t i = 0; i < count; i++)
        out[i] =
            (float)(quantize_f32(x[i], (float)s.scale, (int32_t)s.zero, ELEM_i8) - s.zero) * (float)s.scale;
}

struct trial {
    float *x, *scaled, *rounded, *old, *w, *want, *y; /* [COLUMNS][depth], [rows][depth], [COLUMNS][rows] */
    double energy, error[ALPHAS][SHARES];
};

static void try_alpha(const struct link *k, const struct columns *c, int64_t g, int64_t n, int a,
                      struct trial *t) {
    int64_t taps = taps_of(c), first = g * (c->depth / taps), rows = c->rows, depth = c->depth;
    const float *s = k->factor[a] + first;
    for (int64_t i = 0; i < n * depth; i++) t->scaled[i] = t->x[i] / s[i % depth / taps];
    for (int64_t i = 0; i < rows * depth; i++) t->w[i] = t->old[i] * s[i % depth / taps];
    round_rows(t->w, rows, depth);
    double lo = 0, hi = 0;
    for (int64_t j = 0; j < k->channels; j++) {
        lo = fmin(lo, k->lo[j] / (double)k->factor[a][j]);
        hi = fmax(hi, k->hi[j] / (double)k->factor[a][j]);
    }
    for (int i = 0; i < SHARES; i++) {
        round_range(t->scaled, n * depth, lo * share_of[i], hi * share_of[i], t->rounded);
        memcpy(t->y, t->want, (size_t)(n * rows) * sizeof *t->y);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)rows, (int)depth, 1, t->rounded,
                    (int)depth, t->w, (int)depth, -1, t->y, (int)rows);
        for (int64_t e = 0; e < n * rows; e++) t->error[a][i] += (double)t->y[e] * (double)t->y[e];
    }
}

static float *floats(int64_t count) {
    return xcalloc((size_t)count, sizeof(float));
}

static void measure(const struct balance *b, const struct replay *r, const struct columns *c,
                    struct link *k) {
    int64_t depth = c->depth, rows = c->rows;
    struct trial t = {.x = floats(COLUMNS * depth), .scaled = floats(COLUMNS * depth)};
    t.rounded = floats(COLUMNS * depth);
    t.old = floats(rows * depth);
    t.w = floats(rows * depth);
    t.want = floats(COLUMNS * rows);
    t.y = floats(COLUMNS * rows);
    const struct tensor *weight = value_constant(b->q->m, c->weight);
    for (int64_t g = 0; g < c->groups; g++) {
        int64_t n = replay_columns(r, c, g, COLUMNS, t.x);
        for (int64_t i = 0; i < rows * depth; i++)
            t.old[i] = (float)tensor_get_f64(weight, g * rows * depth + i);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)rows, (int)depth, 1, t.x,
                    (int)depth, t.old, (int)depth, 0, t.want, (int)rows);
        for (int64_t e = 0; e < n * rows; e++) t.energy += (double)t.want[e] * (double)t.want[e];
        for (int a = 0; a < ALPHAS; a++) try_alpha(k, c, g, n, a, &t);
    }
    for (int a = 0; a < ALPHAS && t.energy > 0; a++) {
        double least = INFINITY;
        for (int i = 0; i < SHARES; i++) least = fmin(least, t.error[a][i]);
        k->loss[a] += least / t.energy;
    }
    float *all[] = {t.x, t.scaled, t.rounded, t.old, t.w, t.want, t.y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static enum status visit(void *ctx, struct replay *r, op_id op) {
    struct balance *b = ctx;
    const struct quantize_layer *l = layer_of(b->q, op);
    for (uint32_t i = 0; l && i < b->links.count; i++) {
        struct link *k = &b->links.at[i];
        if (!value_same(k->value, l->c.input)) continue;
        if (!k->seen) {
            k->seen = true;
            read_extremes(r, k);
            read_weights(b, k);
            make_factors(k);
        }
        if (k->finite) measure(b, r, &l->c, k);
    }
    return STATUS_OK;
}

/* -- scaling -- */
/* Element i belongs to channel i / inner % channels, beginning at `first`. */
static void scale_parameter(struct module *m, value_id v, const float *factor, int64_t channels,
                            int64_t inner, bool divide) {
    if (value_none(v)) return;
    struct weight *w = weight_get(m, value_get(m, v)->weight);
    struct tensor t = tensor_copy(&w->tensor);
    for (int64_t i = 0, n = tensor_count(&t); i < n; i++) {
        double s = (double)factor[i / inner % channels];
        tensor_set_f64(&t, i, tensor_get_f64(&t, i) * (divide ? 1 / s : s));
    }
    tensor_free(&w->tensor);
    w->tensor = t;
    w->made_by = NULL;
}

static void scale_readers(struct quantize *q, const struct link *k, const float *factor) {
    for (uint32_t i = 0; i < q->layers.count; i++) {
        const struct columns *c = &q->layers.at[i].c;
        if (!value_same(c->input, k->value)) continue;
        int64_t taps = taps_of(c), each = c->depth / taps;
        struct weight *w = weight_get(q->m, value_get(q->m, c->weight)->weight);
        struct tensor t = tensor_copy(&w->tensor);
        for (int64_t e = 0, n = tensor_count(&t); e < n; e++) {
            int64_t j = e / (c->rows * c->depth) * each + e % c->depth / taps;
            tensor_set_f64(&t, e, tensor_get_f64(&t, e) * (double)factor[j]);
        }
        tensor_free(&w->tensor);
        w->tensor = t;
        w->made_by = NULL;
    }
}

/* From the producer's result to the value: other numbers than the original's of the same name. */
static void rename_scaled(struct module *m, const struct link *k) {
    value_id v = k->value;
    for (;;) {
        op_id op = value_get(m, v)->op;
        const char *name = arena_printf(&m->arena, "%s.scaled", value_get(m, v)->name);
        if (!module_rename_value(m, v, module_fresh_name(m, m->root, name)))
            bug("a fresh name of a scaled value is taken");
        if (op.i == k->producer.i) return;
        v = op_get(m, op)->operand[0];
    }
}

static void apply(struct balance *b, const struct link *k) {
    struct module *m = b->q->m;
    int best = 0;
    for (int a = 1; a < ALPHAS; a++)
        if (k->loss[a] < k->loss[best]) best = a;
    if (!k->seen || !k->finite || !best || !(k->loss[best] <= worth * k->loss[0])) return;
    const float *factor = k->factor[best];
    const struct quantize_layer *l = layer_of(b->q, k->producer);
    const struct op *op = op_get(m, k->producer);
    int64_t inner = l ? tensor_count(value_constant(m, l->c.weight)) / k->channels : 1;
    scale_parameter(m, op->operand[1], factor, k->channels, inner, true);
    if (op->operand_count > 2) scale_parameter(m, op->operand[2], factor, k->channels, 1, true);
    scale_readers(b->q, k, factor);
    diag_remark(b->q->diag, REMARK_APPLIED, "quantize", value_get(m, k->value)->name,
                "channels levelled (alpha %g): relative output error %.3g before, %.3g after, estimated",
                alpha_of[best], k->loss[0], k->loss[best]);
    rename_scaled(m, k);
}

enum status quantize_balance(struct quantize *q) {
    struct balance b = {.q = q, .uses = module_count_uses(q->m)};
    struct replay_options options = {
        .pass = "quantize", .data = q->data, .progress = q->options->env->progress, .most = 64};
    struct replay_visitor visitor = {.before = visit, .ctx = &b};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < q->layers.count; i++) find_link(&b, &q->layers.at[i]);
    if (b.links.count) status = replay_run(q->m, &options, &visitor, q->diag);
    for (uint32_t i = 0; i < b.links.count; i++) {
        struct link *k = &b.links.at[i];
        if (status == STATUS_OK) apply(&b, k);
        free(k->lo);
        free(k->hi);
        free(k->weight);
        for (int a = 0; a < ALPHAS; a++) free(k->factor[a]);
    }
    vec_free(&b.links);
    free(b.uses);
    return status;
}
