/* prune-channels: which channels go is decided on the original network, all layers at once; then the layers
 * that read them are solved again in the order of the network, on inputs from the already pruned prefix and
 * towards the original's outputs; then the channels are taken out. While solving, a removed channel is one
 * whose columns are zero in every contraction that reads it, which is the same function. */
#include "passes/prune_channels.h"
#include "ir/interp.h"
#include "passes/channel_solve.h"
#include "passes/obs_parts.h"

#include <math.h>
#include <string.h>

static const char *const importance_names[] = {[IMPORTANCE_MAGNITUDE] = "magnitude",
                                               [IMPORTANCE_ACTIVATION] = "activation",
                                               [IMPORTANCE_SECOND_ORDER] = "second-order"};

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

/* Convolutions with groups are none: a group goes with what is made of it, and the loss is where that is
 * read. */
static bool find_reader(struct pruner *p, op_id id, struct reader *r) {
    *r = (struct reader){.op = id, .first = p->readers.count, .family = 1};
    if (!columns_of(p->m, op_get(p->m, id), &r->columns) || r->columns.groups != 1) return false;
    r->set = arena_array(&p->groups.arena, int32_t, r->columns.depth);
    for (int64_t k = 0; k < r->columns.depth; k++) r->set[k] = -1;
    for (uint32_t s = 0; s < p->groups.sets.count; s++)
        for (uint32_t k = 0; k < p->groups.sets.at[s].count; k++)
            if (value_same(p->groups.sets.at[s].member[k].value, r->columns.input))
                note_member(r, p->m, &p->groups.sets.at[s].member[k], s);
    return reader_reads(r);
}

/* The readers of one weight, by the first of them. */
static void find_families(struct pruner *p) {
    for (uint32_t i = 0; i < p->readers.count; i++)
        for (uint32_t k = 0; k < i; k++) {
            struct reader *r = &p->readers.at[i], *first = &p->readers.at[k];
            if (first->first != k || !value_same(r->columns.weight, first->columns.weight)) continue;
            r->first = k;
            first->family++;
        }
}

/* A bias can be changed if nothing reads it but this family, all of which has one. */
static void keep_own_biases(struct pruner *p, uint32_t first, const uint32_t *uses) {
    bool own = true;
    for (uint32_t i = first; i < p->readers.count; i++) {
        value_id bias = p->readers.at[i].columns.bias;
        uint32_t count = 0;
        for (uint32_t k = first; k < p->readers.count; k++)
            count += p->readers.at[k].first == first && value_same(p->readers.at[k].columns.bias, bias);
        if (p->readers.at[i].first == first)
            own = own && bias.i && value_get(p->m, bias)->kind == VALUE_PARAMETER && uses[bias.i] == count;
    }
    for (uint32_t i = first; i < p->readers.count && !own; i++)
        if (p->readers.at[i].first == first) p->readers.at[i].columns.bias = (value_id){0};
}

/* Contractions whose weight other ops read, too, that are none cannot be changed. */
static void find_readers(struct pruner *p) {
    const struct region *root = region_get(p->m, p->m->root);
    uint32_t *uses = module_count_uses(p->m);
    p->reader_of = xcalloc(p->m->ops.count, sizeof *p->reader_of);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct reader r;
        if (!find_reader(p, root->ops.at[i], &r)) continue;
        *vec_push(&p->readers) = r;
        p->reader_of[r.op.i] = p->readers.count;
    }
    find_families(p);
    for (uint32_t i = 0; i < p->readers.count; i++) {
        const struct reader *r = &p->readers.at[i];
        if (r->first == i) keep_own_biases(p, i, uses);
        bool shared = uses[r->columns.weight.i] != p->readers.at[r->first].family;
        for (int64_t k = 0; k < r->columns.depth && shared; k++)
            if (r->set[k] >= 0) p->quota[p->groups.sets.at[r->set[k]].group].skip = true;
    }
    free(uses);
}

/* -- solving -- */
static void shift_bias(struct pruner *p, struct replay *replay, value_id bias, const double *shift) {
    struct tensor b = tensor_copy(value_constant(p->m, bias));
    for (int64_t i = 0, n = tensor_count(&b); i < n; i++)
        tensor_set_f64(&b, i, tensor_get_f64(&b, i) + shift[i]);
    replay_set_weight(replay, value_get(p->m, bias)->weight, b);
}

/* Every bias of the family once. */
static void shift_biases(struct pruner *p, struct replay *replay, uint32_t first, const double *shift) {
    for (uint32_t i = first; i < p->readers.count; i++) {
        const struct reader *r = &p->readers.at[i];
        bool again = r->first != first || !r->columns.bias.i;
        for (uint32_t k = first; k < i; k++)
            again = again || (p->readers.at[k].first == first &&
                              value_same(p->readers.at[k].columns.bias, r->columns.bias));
        if (!again) shift_bias(p, replay, r->columns.bias, shift);
    }
}

/* E|W R − W' X − shift|² / E|W R|², where the shift is the difference of the means or nothing. */
static double output_error(const struct gram *g, int64_t rows, const double *old, const double *w,
                           const double *shift) {
    int64_t n = g->depth, count = rows * n;
    double *product = xmalloc((size_t)(count + 1) * sizeof *product), energy = 0, error = 0;
    moment_multiply(rows, n, old, g->reference, false, product);
    for (int64_t i = 0; i < count; i++) energy += old[i] * product[i];
    moment_multiply(rows, n, old, g->cross, false, product);
    for (int64_t i = 0; i < count; i++) error -= 2 * w[i] * product[i];
    moment_multiply(rows, n, w, g->own, false, product);
    for (int64_t i = 0; i < count; i++) error += w[i] * product[i];
    error += energy;
    for (int64_t i = 0; i < rows; i++) error -= shift[i] * shift[i] * (double)g->columns;
    free(product);
    return energy > 0 ? fmax(error, 0) / energy : 0;
}

static void solve_reader(struct pruner *p, struct replay *replay, struct reader *r, const struct gram *g,
                         const bool *removed) {
    int64_t rows = r->columns.rows, count = rows * r->columns.depth;
    double *w = xmalloc((size_t)(count + 1) * sizeof *w), *old = xmalloc((size_t)(count + 1) * sizeof *old),
           *shift = xcalloc((size_t)rows + 1, sizeof *shift);
    struct tensor fresh = tensor_copy(value_constant(p->m, r->columns.weight));
    layer_get(&r->columns, 0, &fresh, old);
    memcpy(w, old, (size_t)count * sizeof *w);
    if (p->solve) channel_solve(g, removed, r->columns.bias.i != 0, rows, w, shift);
    for (int64_t i = 0; i < count && !p->solve; i++)
        if (removed[i % r->columns.depth]) w[i] = 0;
    r->error = output_error(g, rows, old, w, shift);
    r->measured = true;
    layer_put(&r->columns, 0, w, &fresh);
    replay_set_weight(replay, value_get(p->m, r->columns.weight)->weight, fresh);
    shift_biases(p, replay, r->first, shift);
    diag_remark(p->diag, REMARK_APPLIED, "prune-channels", value_get(p->m, r->columns.weight)->name,
                "relative output error %.3g%s", r->error, p->solve ? ", solved again" : "");
    free(w);
    free(old);
    free(shift);
}

/* A family is solved where its first op stands. The inputs of the others are not known yet then as they will
 * be: what they were in the original has to do. */
static enum status measure_again(const struct pruner *p, struct replay *replay, const struct reader *r,
                                 struct gram *g) {
    if (r->family == 1 || !r->gram.own)
        return gram_measure(replay, &r->columns, GRAM_OWN | GRAM_CROSS | GRAM_REFERENCE,
                            pass_int(p->options, "columns"), g);
    *g = r->gram;
    g->cross = g->reference = g->own;
    g->reference_sum = g->sum;
    return STATUS_OK;
}

static enum status solve(void *ctx, struct replay *replay, op_id op) {
    struct pruner *p = ctx;
    if (!p->reader_of[op.i]) return STATUS_OK;
    struct reader *r = &p->readers.at[p->reader_of[op.i] - 1];
    if (r->first != p->reader_of[op.i] - 1) return STATUS_OK;
    bool *removed = xcalloc((size_t)r->columns.depth + 1, sizeof *removed), any = false;
    for (int64_t i = 0; i < r->columns.depth; i++)
        any |= removed[i] = r->set[i] >= 0 && p->removed[r->set[i]];
    struct gram g;
    enum status status = any ? measure_again(p, replay, r, &g) : STATUS_OK;
    if (any && status == STATUS_OK) {
        solve_reader(p, replay, r, &g, removed);
        if (g.own != r->gram.own) gram_free(&g);
    }
    free(removed);
    return status;
}

/* Products by a matrix are read as layers, which take up sums after them as biases. */
static void make_linear(struct module *m) {
    const struct region *root = region_get(m, m->root);
    uint32_t *uses = module_count_uses(m);
    for (uint32_t i = 0; i < root->ops.count; i++) {
        struct columns c;
        const struct op *op = op_get(m, root->ops.at[i]);
        if (op->kind != OP_matmul || !columns_of(m, op, &c) || uses[c.weight.i] != 1) continue;
        const struct type type = value_get(m, c.weight)->type;
        if (!type.sparse.i && !type.quant.i && !type.layout.i) layer_transpose(m, root->ops.at[i], &c);
    }
    free(uses);
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

/* Where all channels stay because of weights that are integers already, the passes are in the wrong order. */
static enum status check_order(const struct pruner *p) {
    for (uint32_t i = 0; i < p->groups.obstacles.count && !p->groups.groups.count; i++) {
        const struct channel_obstacle *o = &p->groups.obstacles.at[i];
        if (o->why != channel_quantized) continue;
        const struct value *v = value_get(p->m, o->value);
        return diag_error(p->diag, v->loc,
                          "prune-channels: the channels of weight %s cannot go: %s; prune before quantize",
                          v->name, o->why);
    }
    return STATUS_OK;
}

/* What has a symbolic extent loses nothing of it. */
static void skip_symbolic(struct pruner *p) {
    const struct types *types = &p->m->types;
    for (uint32_t s = 0; s < p->groups.sets.count; s++) {
        const struct channel_set *set = &p->groups.sets.at[s];
        for (uint32_t i = 0; i < set->count; i++) {
            const struct channel_member *c = &set->member[i];
            dims_id shape = value_get(p->m, c->value)->type.shape;
            if (!dim_is_const(types, dims_at(types, shape, c->dim), NULL)) p->quota[set->group].skip = true;
        }
    }
}

/* -- the pass -- */
static void report(struct pruner *p) {
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        const struct channel_group *group = &p->groups.groups.at[g];
        const struct channel_set *first = &p->groups.sets.at[group->first_set];
        uint32_t gone = p->state[g].gone, named = 0;
        while (named < first->count && value_get(p->m, first->member[named].value)->kind != VALUE_PARAMETER)
            named++;
        const char *name = value_get(p->m, first->member[named < first->count ? named : 0].value)->name;
        diag_remark(p->diag, gone ? REMARK_APPLIED : REMARK_ANALYSIS, "prune-channels", name,
                    "%u of %u %s gone, read by %u, loss %.3g%s", gone, group->sets,
                    p->quota[g].heads ? "heads" : "channels", p->state[g].readers, prune_loss(p, g),
                    p->quota[g].skip ? " (left alone)" : "");
    }
    if (!p->groups.groups.count)
        diag_remark(p->diag, REMARK_MISSED, "prune-channels", p->m->name,
                    "there are no channels that could go");
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

static void note_error(const struct pruner *p, value_id weight, struct decision *d) {
    for (uint32_t i = 0; i < p->readers.count; i++) {
        const struct reader *r = &p->readers.at[i];
        if (!r->measured || !value_same(r->columns.weight, weight)) continue;
        d->measured = true;
        d->error = r->error;
    }
}

/* Parameters that became smaller say so. */
static void decide(struct pruner *p, const dims_id *shape) {
    for (uint32_t i = 1; i < p->m->values.count; i++) {
        const struct value *v = &p->m->values.at[i];
        if (v->kind != VALUE_PARAMETER || v->type.shape.i == shape[i].i) continue;
        struct type old = type_make(v->type.elem, shape[i]);
        struct decision d = {.method = importance_names[p->importance], .rank = type_rank(&p->m->types, old)};
        note_error(p, (value_id){i}, &d);
        int64_t now[MAX_RANK];
        check(type_static(&p->m->types, old, d.dim) && type_static(&p->m->types, v->type, now));
        d.kept = now[0];
        d.total = d.dim[0];
        if (now[0] != d.dim[0]) d.unit = "channels";
        pass_decide(p->m, p->options, (value_id){i}, d);
    }
}

static enum status prune(struct pruner *p) {
    const struct pass_env *env = p->options->env;
    TRY(check_order(p));
    TRY(channel_plan_make(p->m, &p->groups, p->options, p->diag, &p->quota));
    skip_symbolic(p);
    find_readers(p);
    TRY(prune_choose(p));
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

static enum status one_of(struct pruner *p, const char *option, const char *const *names, uint32_t count,
                          uint32_t *out) {
    struct str expected = {0};
    const char *text = pass_text(p->options, option);
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(text, names[i])) {
            *out = i;
            str_free(&expected);
            return STATUS_OK;
        }
        str_printf(&expected, "%s%s", i ? " or " : "", names[i]);
    }
    diag_error(p->diag, (struct loc){0}, "prune-channels: %s is %s, expected %s", option, text,
               str_text(&expected));
    str_free(&expected);
    return STATUS_FAILED;
}

static enum status read_options(struct pruner *p) {
    static const char *const distributions[] = {"uniform", "global"};
    uint32_t global, importance;
    TRY(one_of(p, "distribution", distributions, COUNT_OF(distributions), &global));
    TRY(one_of(p, "importance", importance_names, COUNT_OF(importance_names), &importance));
    p->global = global;
    p->data = p->options->env && p->options->env->data;
    p->solve = p->data && pass_bool(p->options, "solve");
    p->importance = p->data ? (enum importance)importance : IMPORTANCE_MAGNITUDE;
    if (!p->data)
        diag_remark(p->diag, REMARK_ANALYSIS, "prune-channels", p->m->name,
                    "there is no data: channels are chosen by the size of weights, and "
                    "nothing is solved again");
    return STATUS_OK;
}

enum status pass_prune_channels(struct module *m, const struct pass_options *options, struct diag *diag) {
    struct pruner p = {.m = m, .options = options, .diag = diag};
    TRY(read_options(&p));
    TRY(layer_check_all_finite(m, diag));
    layers_unstack(m);
    if (p.solve) make_linear(m);
    TRY(pass_fold_batchnorm(m, options, diag)); /* or channels that are constant would not look it */
    if (p.solve) TRY(add_biases(m, diag));
    TRY(find_groups(&p));
    p.state = xcalloc(p.groups.groups.count + 1, sizeof *p.state);
    p.removed = xcalloc(p.groups.sets.count + 1, sizeof *p.removed);
    enum status status = prune(&p);
    remove_zero_biases(m);
    free(p.quota);
    for (uint32_t g = 0; g < p.groups.groups.count; g++) free(p.state[g].energy);
    free(p.state);
    free(p.removed);
    free(p.reader_of);
    for (uint32_t i = 0; i < p.readers.count; i++) gram_free(&p.readers.at[i].gram);
    vec_free(&p.readers);
    channel_groups_free(&p.groups);
    return status;
}
