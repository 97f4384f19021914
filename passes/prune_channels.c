/* prune-channels: which channels go is decided on the original network, all layers at once; then the layers
 * that read them are solved again in the order of the network, on inputs from the already pruned prefix and
 * towards the original's outputs; then the channels are taken out. While solving, a removed channel is one
 * whose columns are zero in every contraction that reads it, which is the same function. */
#include "ir/interp.h"
#include "passes/channel_groups.h"
#include "passes/channel_score.h"
#include "passes/channel_solve.h"
#include "passes/layers.h"
#include "passes/pass.h"
#include "passes/select.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* A contraction that reads channels of prunable groups. */
struct reader {
    op_id op;
    struct columns columns;
    int32_t *set; /* [depth]: the set, -1: none */
};

struct group_state {
    bool skip;              /* excluded, or it cannot be done */
    uint32_t readers, left; /* in all, and not measured yet */
    struct channel_consumer *consumer;
    uint32_t consumers;
};

struct pruner {
    struct module *m;
    const struct pass_options *options;
    struct diag *diag;
    struct channel_groups groups;
    VEC(struct reader) readers;
    uint32_t *reader_of; /* by op: index + 1 */
    struct group_state *state;
    bool *removed; /* by set */
    double *loss;  /* by group */
    bool data;
};

/* -- what is pruned -- */
static bool matches(const struct pruner *p, uint32_t group, const char *pattern) {
    const struct channel_set *s = &p->groups.sets.at[p->groups.groups.at[group].first_set];
    for (uint32_t i = 0; i < s->count; i++)
        if (select_match(pattern, value_get(p->m, s->member[i].value)->name)) return true;
    return false;
}

static enum status exclude(struct pruner *p) {
    const char *at = pass_text(p->options, "exclude");
    while (*at) {
        size_t length = strcspn(at, ", ");
        const char *pattern = arena_strndup(&p->groups.arena, at, length);
        bool any = length == 0;
        for (uint32_t g = 0; length && g < p->groups.groups.count; g++)
            if (matches(p, g, pattern)) any = p->state[g].skip = true;
        if (!any)
            return diag_error(
                p->diag, p->m->loc,
                "prune-channels: the pattern %s matches no value or weight of a group that can be pruned",
                pattern);
        at += length + (at[length] != 0);
    }
    return STATUS_OK;
}

/* -- readers -- */
static void note_member(struct reader *r, const struct module *m, const struct channel_member *c,
                        uint32_t set) {
    uint32_t channel_dim =
        r->columns.spatial ? 1 : type_rank(&m->types, value_get(m, r->columns.input)->type) - 1;
    if (c->dim != channel_dim) return;
    int64_t taps = 1;
    for (uint32_t d = 0; d < r->columns.spatial; d++) taps *= r->columns.taps[d];
    for (int64_t t = 0; t < taps; t++) r->set[c->channel * taps + t] = (int32_t)set;
}

static bool reader_reads(const struct reader *r) {
    for (int64_t i = 0; i < r->columns.depth; i++)
        if (r->set[i] >= 0) return true;
    return false;
}

/* A bias that is the op's own and can be changed; else none. */
static value_id own_bias(const struct module *m, value_id bias, const uint32_t *uses) {
    bool own = bias.i && value_get(m, bias)->kind == VALUE_PARAMETER && uses[bias.i] == 1;
    return own ? bias : (value_id){0};
}

/* Contractions whose weight other ops read too cannot be changed for one of them. */
static void find_readers(struct pruner *p) {
    const struct region *root = region_get(p->m, p->m->root);
    uint32_t *uses = module_count_uses(p->m);
    p->reader_of = xcalloc(p->m->ops.count, sizeof *p->reader_of);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct reader r = {.op = root->ops.at[i]};
        if (!columns_of(p->m, op_get(p->m, r.op), &r.columns) || r.columns.groups != 1) continue;
        r.columns.bias = own_bias(p->m, r.columns.bias, uses);
        r.set = arena_array(&p->groups.arena, int32_t, r.columns.depth);
        for (int64_t k = 0; k < r.columns.depth; k++) r.set[k] = -1;
        for (uint32_t s = 0; s < p->groups.sets.count; s++)
            for (uint32_t k = 0; k < p->groups.sets.at[s].count; k++)
                if (value_same(p->groups.sets.at[s].member[k].value, r.columns.input))
                    note_member(&r, p->m, &p->groups.sets.at[s].member[k], s);
        if (!reader_reads(&r)) continue;
        for (int64_t k = 0; k < r.columns.depth; k++)
            if (r.set[k] >= 0 && uses[r.columns.weight.i] > 1)
                p->state[p->groups.sets.at[r.set[k]].group].skip = true;
        *vec_push(&p->readers) = r;
        p->reader_of[r.op.i] = p->readers.count;
    }
    free(uses);
}

static bool reads_group(const struct pruner *p, const struct reader *r, uint32_t group) {
    for (int64_t k = 0; k < r->columns.depth; k++)
        if (r->set[k] >= 0 && p->groups.sets.at[r->set[k]].group == group) return true;
    return false;
}

static void count_readers(struct pruner *p) {
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        struct group_state *s = &p->state[g];
        for (uint32_t i = 0; i < p->readers.count; i++) s->readers += reads_group(p, &p->readers.at[i], g);
        s->left = s->readers;
        s->consumer = arena_array(&p->groups.arena, struct channel_consumer, s->readers);
    }
}

/* -- choosing -- */
static double *weights_of(const struct module *m, const struct columns *c) {
    const struct tensor *t = value_constant(m, c->weight);
    double *w = xmalloc((size_t)(c->rows * c->depth + 1) * sizeof *w);
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t i = 0; i < c->depth; i++)
            w[r * c->depth + i] = tensor_get_f64(t, columns_weight_at(c, 0, r, i));
    return w;
}

/* Sums of squares of a parameter's slices along a dimension; freed by the caller. */
static double *slice_squares(const struct tensor *t, uint32_t dim) {
    double *squares = xcalloc((size_t)t->dim[dim] + 1, sizeof *squares);
    int64_t inner = 1, count = tensor_count(t);
    for (uint32_t d = dim + 1; d < t->rank; d++) inner *= t->dim[d];
    for (int64_t i = 0; i < count; i++) {
        double v = tensor_get_f64(t, i);
        squares[i / inner % t->dim[dim]] += v * v;
    }
    return squares;
}

/* Squares of the rows that make a set: the baseline score, and the only one where nothing reads the group. */
static void producer_squares(const struct pruner *p, uint32_t group, double *out) {
    const struct channel_group *g = &p->groups.groups.at[group];
    double **squares = xcalloc((size_t)p->m->values.count * MAX_RANK, sizeof *squares), total = 0;
    for (uint32_t s = 0; s < g->sets; s++) {
        const struct channel_set *set = &p->groups.sets.at[g->first_set + s];
        out[s] = 0;
        for (uint32_t k = 0; k < set->count; k++) {
            const struct channel_member *c = &set->member[k];
            const struct tensor *t = value_constant(p->m, c->value);
            if (!t || !elem_is_float(t->elem)) continue;
            double **slices = &squares[c->value.i * MAX_RANK + c->dim];
            if (!*slices) *slices = slice_squares(t, c->dim);
            out[s] += (*slices)[c->channel];
        }
        total += out[s];
    }
    for (uint32_t s = 0; s < g->sets && total > 0; s++) out[s] /= total;
    for (uint32_t i = 0; i < p->m->values.count * MAX_RANK; i++) free(squares[i]);
    free(squares);
}

/* Kept counts go to a multiple that vectors like, as long as that changes them by little. */
static uint32_t kept_count(const struct pruner *p, uint32_t sets) {
    double ratio = pass_float(p->options, "ratio");
    int64_t kept = llround((double)sets * (1 - ratio)),
            floor_count = (int64_t)ceil((double)sets * pass_float(p->options, "floor"));
    int64_t lanes = p->options->env && p->options->env->target ? target_lanes(p->options->env->target) : 4,
            multiple = 1;
    while (pass_bool(p->options, "round") && multiple < lanes && multiple * 8 <= kept) multiple *= 2;
    kept = (kept + multiple / 2) / multiple * multiple;
    kept = max_i64(max_i64(kept, floor_count), 1);
    return (uint32_t)min_i64(kept, sets);
}

static void choose(struct pruner *p, uint32_t group) {
    struct group_state *s = &p->state[group];
    const struct channel_group *g = &p->groups.groups.at[group];
    double *squares = xmalloc((g->sets + 1) * sizeof *squares);
    producer_squares(p, group, squares);
    bool alone = s->consumers == 0 || !p->data;
    channels_choose(s->consumer, s->consumers, g->sets, g->sets - kept_count(p, g->sets),
                    alone ? squares : NULL, p->removed + g->first_set, &p->loss[group]);
    for (uint32_t c = 0; c < s->consumers; c++) {
        free(s->consumer[c].weights);
        free(s->consumer[c].inverse);
    }
    free(squares);
}

/* The covariance of the columns, about their means where a bias can take those over. */
static void to_covariance(struct gram *g, bool centred) {
    double n = (double)g->columns;
    for (int64_t i = 0; i < g->depth; i++)
        for (int64_t k = 0; k < g->depth; k++) {
            double *c = &g->own[i * g->depth + k];
            *c = *c / n - (centred ? g->sum[i] / n * (g->sum[k] / n) : 0);
        }
}

/* tr(W C Wᵀ); without a covariance the squares of the weights. */
static double output_energy(const double *w, const double *covariance, int64_t rows, int64_t depth) {
    int count = (int)(rows * depth);
    if (!covariance) return cblas_ddot(count, w, 1, w, 1);
    double *product = xmalloc((size_t)(rows * depth + 1) * sizeof *product);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)depth, (int)depth, 1, w,
                (int)depth, covariance, (int)depth, 0, product, (int)depth);
    double energy = cblas_ddot(count, w, 1, product, 1);
    free(product);
    return energy;
}

/* `covariance` [depth][depth], or NULL for the identity; a copy of it is inverted for each group. */
static void add_consumers(struct pruner *p, const struct reader *r, const double *covariance) {
    int64_t depth = r->columns.depth;
    size_t bytes = (size_t)(depth * depth) * sizeof(double);
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        struct group_state *s = &p->state[g];
        if (s->skip || !reads_group(p, r, g)) continue;
        struct channel_consumer *c = &s->consumer[s->consumers++];
        int32_t *set_of = arena_array(&p->groups.arena, int32_t, depth);
        for (int64_t k = 0; k < depth; k++) {
            bool own = r->set[k] >= 0 && p->groups.sets.at[r->set[k]].group == g;
            set_of[k] = own ? r->set[k] - (int32_t)p->groups.groups.at[g].first_set : -1;
        }
        *c = (struct channel_consumer){.rows = r->columns.rows,
                                       .depth = depth,
                                       .weights = weights_of(p->m, &r->columns),
                                       .set_of = set_of};
        c->energy = output_energy(c->weights, covariance, c->rows, depth);
        if (covariance) {
            c->inverse = xmalloc(bytes);
            memcpy(c->inverse, covariance, bytes);
            covariance_invert(c->inverse, depth);
        }
        if (--s->left == 0) choose(p, g);
    }
}

static enum status measure(void *ctx, struct replay *replay, op_id op) {
    struct pruner *p = ctx;
    if (!p->reader_of[op.i]) return STATUS_OK;
    const struct reader *r = &p->readers.at[p->reader_of[op.i] - 1];
    struct gram g;
    TRY(gram_measure(replay, &r->columns, GRAM_OWN, pass_int(p->options, "columns"), &g));
    to_covariance(&g, r->columns.bias.i != 0);
    add_consumers(p, r, g.own);
    gram_free(&g);
    return STATUS_OK;
}

/* -- solving -- */
static struct tensor weights_back(const struct columns *c, const struct tensor *like, const double *w) {
    struct tensor t = tensor_copy(like);
    for (int64_t r = 0; r < c->rows; r++)
        for (int64_t i = 0; i < c->depth; i++)
            tensor_set_f64(&t, columns_weight_at(c, 0, r, i), w[r * c->depth + i]);
    return t;
}

static void write_back(struct pruner *p, struct replay *replay, const struct reader *r, const double *w,
                       const double *shift) {
    struct module *m = p->m;
    const struct value *weight = value_get(m, r->columns.weight);
    replay_set_weight(replay, weight->weight,
                      weights_back(&r->columns, value_constant(m, r->columns.weight), w));
    if (!r->columns.bias.i) return;
    const struct value *bias = value_get(m, r->columns.bias);
    struct tensor b = tensor_copy(value_constant(m, r->columns.bias));
    for (int64_t i = 0; i < r->columns.rows; i++) tensor_set_f64(&b, i, tensor_get_f64(&b, i) + shift[i]);
    replay_set_weight(replay, bias->weight, b);
}

static enum status solve(void *ctx, struct replay *replay, op_id op) {
    struct pruner *p = ctx;
    if (!p->reader_of[op.i]) return STATUS_OK;
    const struct reader *r = &p->readers.at[p->reader_of[op.i] - 1];
    bool *removed = xcalloc((size_t)r->columns.depth + 1, sizeof *removed), any = false;
    for (int64_t i = 0; i < r->columns.depth; i++)
        any |= removed[i] = r->set[i] >= 0 && p->removed[r->set[i]];
    struct gram g;
    enum status status =
        any ? gram_measure(replay, &r->columns, GRAM_OWN | GRAM_CROSS, pass_int(p->options, "columns"), &g)
            : STATUS_OK;
    if (any && status == STATUS_OK) {
        double *w = weights_of(p->m, &r->columns),
               *shift = xcalloc((size_t)r->columns.rows + 1, sizeof *shift);
        channel_solve(&g, removed, r->columns.bias.i != 0, r->columns.rows, w, shift);
        write_back(p, replay, r, w, shift);
        free(w);
        free(shift);
        gram_free(&g);
    }
    free(removed);
    return status;
}

/* A contraction without a bias gets one of zeros, so that means can move into it. */
static enum status add_biases(struct module *m, struct diag *diag) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct op *op = op_get(m, root->ops.at[i]);
        struct columns c;
        if (!columns_of(m, op, &c) || c.transposed || c.bias.i) continue;
        int64_t rows = c.rows * c.groups;
        const char *name = arena_printf(&m->arena, "%s.bias", value_get(m, c.weight)->name);
        value_id bias = module_parameter(
            m, module_add_weight(m, name, tensor_new(value_get(m, c.weight)->type.elem, 1, &rows), op->loc));
        value_id *operands = arena_array(&m->arena, value_id, 3);
        operands[0] = op->operand[0], operands[1] = op->operand[1], operands[2] = bias;
        op->operand = operands;
        op->operand_count = 3;
    }
    return module_infer(m, diag);
}

static void remove_zero_biases(struct module *m) {
    const struct region *root = region_get(m, m->root);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct op *op = op_get(m, root->ops.at[i]);
        struct columns c;
        if (!columns_of(m, op, &c) || !c.bias.i || !value_constant(m, c.bias)) continue;
        const struct tensor *t = value_constant(m, c.bias);
        bool zero = true;
        for (int64_t k = 0; k < tensor_count(t); k++) zero = zero && tensor_get_f64(t, k) == 0;
        if (zero) op->operand_count = 2;
    }
}

/* -- symbolic dimensions -- */
/* Binds the symbols as the first sample does. */
static enum status bind_by_data(struct module *bound, const struct sample_source *data, struct diag *diag) {
    struct tensor *first = xcalloc((size_t)bound->inputs.count + 1, sizeof *first);
    enum status status = data->read(data->ctx, 0, first, diag);
    if (status == STATUS_OK) status = interp_bind_inputs(bound, first, diag);
    for (uint32_t i = 0; i < bound->inputs.count; i++) tensor_free(&first[i]);
    free(first);
    return status;
}

static bool one(void *ctx, const char *name, int64_t *value) {
    (void)ctx, (void)name;
    *value = 1;
    return true;
}

/* Without data a symbol can be bound if it is nothing but the outermost extent of inputs, a batch: any value
 * serves, for no channel of such a dimension can go. */
static enum status bind_batch(struct module *bound, struct diag *diag) {
    for (uint32_t i = 0; i < bound->inputs.count; i++) {
        const struct value *v = value_get(bound, bound->inputs.at[i]);
        for (uint32_t d = 1; d < dims_rank(&bound->types, v->type.shape); d++)
            if (!dim_is_const(&bound->types, dims_at(&bound->types, v->type.shape, d), NULL))
                return diag_error(diag, v->loc,
                                  "prune-channels: dimension %u of %s is not known; fix it with --dim or "
                                  "--shape, or give samples with --data",
                                  d, v->name);
    }
    return module_bind_symbols(bound, one, NULL, diag);
}

static enum status require_static(const struct module *m, struct diag *diag) {
    for (uint32_t i = 1; i < m->values.count; i++) {
        const struct value *v = &m->values.at[i];
        bool counts = v->kind == VALUE_INPUT || (v->kind == VALUE_RESULT && !op_get(m, v->op)->erased);
        if (counts && !type_static(&m->types, v->type, NULL))
            return diag_error(diag, v->loc,
                              "prune-channels: the shape of %s is not known; fix it with --dim or --shape",
                              v->name);
    }
    return STATUS_OK;
}

/* Groups are found in a copy whose symbols are bound: handles are the same in it. */
static enum status find_groups(struct pruner *p) {
    const struct pass_env *env = p->options->env;
    struct module *bound = module_clone(p->m);
    enum status status = p->data ? bind_by_data(bound, env->data, p->diag) : bind_batch(bound, p->diag);
    if (status == STATUS_OK) status = require_static(bound, p->diag);
    if (status == STATUS_OK) channel_groups_find(bound, &p->groups);
    module_free(bound);
    return status;
}

/* What has a symbolic extent loses nothing of it. */
static void skip_symbolic(struct pruner *p) {
    const struct types *types = &p->m->types;
    for (uint32_t s = 0; s < p->groups.sets.count; s++) {
        const struct channel_set *set = &p->groups.sets.at[s];
        for (uint32_t i = 0; i < set->count; i++) {
            const struct channel_member *c = &set->member[i];
            dims_id shape = value_get(p->m, c->value)->type.shape;
            if (!dim_is_const(types, dims_at(types, shape, c->dim), NULL)) p->state[set->group].skip = true;
        }
    }
}

/* -- the pass -- */
static void report(struct pruner *p) {
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        const struct channel_group *group = &p->groups.groups.at[g];
        const struct channel_set *first = &p->groups.sets.at[group->first_set];
        uint32_t gone = 0, named = 0;
        for (uint32_t s = 0; s < group->sets; s++) gone += p->removed[group->first_set + s];
        while (named < first->count && value_get(p->m, first->member[named].value)->kind != VALUE_PARAMETER)
            named++;
        const char *name = value_get(p->m, first->member[named < first->count ? named : 0].value)->name;
        diag_remark(p->diag, gone ? REMARK_APPLIED : REMARK_ANALYSIS, "prune-channels", name,
                    "%u of %u channels gone, read by %u, loss %.3g%s", gone, group->sets, p->state[g].readers,
                    p->loss[g], p->state[g].skip ? " (left alone)" : "");
    }
    for (uint32_t i = 0; i < p->groups.obstacles.count; i++)
        diag_remark(p->diag, REMARK_ANALYSIS, "prune-channels",
                    value_get(p->m, p->groups.obstacles.at[i].value)->name, "dimension %u stays: %s",
                    p->groups.obstacles.at[i].dim, p->groups.obstacles.at[i].why);
}

/* The shapes of all values; freed by the caller. */
static dims_id *shapes_of(const struct module *m) {
    dims_id *shape = xcalloc(m->values.count, sizeof *shape);
    for (uint32_t i = 1; i < m->values.count; i++) shape[i] = m->values.at[i].type.shape;
    return shape;
}

/* Parameters that became smaller say so. */
static void decide(struct pruner *p, const dims_id *shape) {
    for (uint32_t i = 1; i < p->m->values.count; i++) {
        const struct value *v = &p->m->values.at[i];
        if (v->kind != VALUE_PARAMETER || v->type.shape.i == shape[i].i) continue;
        struct type old = type_make(v->type.elem, shape[i]);
        struct decision d = {.method = p->data ? "second-order" : "magnitude",
                             .rank = type_rank(&p->m->types, old)};
        int64_t now[MAX_RANK];
        check(type_static(&p->m->types, old, d.dim) && type_static(&p->m->types, v->type, now));
        d.kept = now[0];
        d.total = d.dim[0];
        if (now[0] != d.dim[0]) d.unit = "channels";
        pass_decide(p->m, p->options, (value_id){i}, d);
    }
}

static enum status choose_all(struct pruner *p) {
    const struct pass_env *env = p->options->env;
    if (p->data) {
        struct replay_options options = {
            .pass = "prune-channels", .data = env->data, .progress = env->progress};
        struct replay_visitor visitor = {.before = measure, .ctx = p};
        TRY(replay_run(p->m, &options, &visitor, p->diag));
    } else {
        diag_remark(p->diag, REMARK_ANALYSIS, "prune-channels", p->m->name,
                    "there is no data: channels are chosen by the size of weights, and "
                    "nothing is solved again");
        for (uint32_t i = 0; i < p->readers.count; i++) add_consumers(p, &p->readers.at[i], NULL);
    }
    for (uint32_t g = 0; g < p->groups.groups.count; g++)
        if (!p->state[g].skip && !p->state[g].readers) choose(p, g);
    return STATUS_OK;
}

static enum status prune(struct pruner *p) {
    const struct pass_env *env = p->options->env;
    TRY(exclude(p));
    skip_symbolic(p);
    find_readers(p);
    count_readers(p);
    TRY(choose_all(p));
    if (p->data) {
        struct replay_options options = {
            .pass = "prune-channels", .data = env->data, .progress = env->progress, .reference = true};
        struct replay_visitor visitor = {.before = solve, .ctx = p};
        TRY(replay_run(p->m, &options, &visitor, p->diag));
    }
    report(p);
    if (env && env->before_removal) env->before_removal(env->removal_ctx, p->m, &p->groups, p->removed);
    dims_id *shape = shapes_of(p->m);
    enum status status = channels_remove(p->m, &p->groups, p->removed, p->diag);
    if (status == STATUS_OK) decide(p, shape);
    free(shape);
    return status;
}

static enum status check_options(const struct pass_options *options, struct diag *diag) {
    double ratio = pass_float(options, "ratio"), least = pass_float(options, "floor");
    if (!(ratio >= 0 && ratio <= 1))
        return diag_error(diag, (struct loc){0}, "prune-channels: ratio is %g, expected 0 to 1", ratio);
    if (!(least >= 0 && least <= 1))
        return diag_error(diag, (struct loc){0}, "prune-channels: floor is %g, expected 0 to 1", least);
    return STATUS_OK;
}

static enum status check_numbers(const struct module *m, struct diag *diag) {
    for (uint32_t w = 1; w < m->weights.count; w++)
        if (elem_is_float(m->weights.at[w].tensor.elem)) TRY(layer_check_finite(m, (weight_id){w}, diag));
    return STATUS_OK;
}

enum status pass_prune_channels(struct module *m, const struct pass_options *options, struct diag *diag) {
    TRY(check_options(options, diag));
    TRY(check_numbers(m, diag));
    TRY(pass_fold_batchnorm(m, options, diag)); /* or channels that are constant would not look it */
    struct pruner p = {.m = m, .options = options, .diag = diag, .data = options->env && options->env->data};
    if (p.data) TRY(add_biases(m, diag));
    TRY(find_groups(&p));
    p.state = xcalloc(p.groups.groups.count + 1, sizeof *p.state);
    p.removed = xcalloc(p.groups.sets.count + 1, sizeof *p.removed);
    p.loss = xcalloc(p.groups.groups.count + 1, sizeof *p.loss);
    enum status status = prune(&p);
    remove_zero_biases(m);
    free(p.state);
    free(p.removed);
    free(p.loss);
    free(p.reader_of);
    vec_free(&p.readers);
    channel_groups_free(&p.groups);
    return status;
}
