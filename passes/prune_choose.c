/* Which channels go. The sets of each group are ranked by what their loss does to the contractions that read
 * them; then each group loses its share, or, with one ranking for all, those go whose loss is least. */
#include "passes/prune_channels.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool reads_group(const struct pruner *p, const struct reader *r, uint32_t group) {
    for (int64_t k = 0; k < r->columns.depth; k++)
        if (r->set[k] >= 0 && p->groups.sets.at[r->set[k]].group == group) return true;
    return false;
}

static bool is_first(const struct pruner *p, const struct reader *r) {
    return &p->readers.at[r->first] == r;
}

static void count_readers(struct pruner *p) {
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        struct group_state *s = &p->state[g];
        for (uint32_t i = 0; i < p->readers.count; i++) {
            const struct reader *r = &p->readers.at[i];
            s->readers += is_first(p, r) && reads_group(p, r, g);
        }
        s->left = s->readers;
        s->consumer = arena_array(&p->groups.arena, struct channel_consumer, s->readers);
        if (!s->readers && p->importance != IMPORTANCE_MAGNITUDE)
            s->energy = xcalloc((size_t)p->groups.groups.at[g].sets + 1, sizeof *s->energy);
    }
}

/* -- groups without readers -- */
/* Whether the first set of a group, and so each of them, has channels of dimension `dim` of v (-1: of any).
 */
static bool has_value(const struct pruner *p, uint32_t group, value_id v, int64_t dim) {
    const struct channel_set *s = &p->groups.sets.at[p->groups.groups.at[group].first_set];
    for (uint32_t k = 0; k < s->count; k++)
        if (value_same(s->member[k].value, v) && (dim < 0 || s->member[k].dim == dim)) return true;
    return false;
}

/* Sums of squares of the slices of a live value along a dimension, over all samples. */
static void add_squares(const struct replay *r, value_id v, uint32_t dim, double *squares) {
    for (uint32_t s = 0; s < replay_samples(r); s++) {
        const struct tensor *t = replay_value(r, s, v);
        int64_t inner = 1, count = tensor_count(t);
        for (uint32_t d = dim + 1; d < t->rank; d++) inner *= t->dim[d];
        for (int64_t i = 0; i < count; i++) {
            double x = tensor_get_f64(t, i);
            squares[i / inner % t->dim[dim]] += x * x;
        }
    }
}

/* What the sets' channels of dimension `dim` of v carry, relative to all of it. */
static void add_energy(const struct pruner *p, uint32_t group, const struct replay *r, value_id v,
                       uint32_t dim) {
    const struct channel_group *g = &p->groups.groups.at[group];
    int64_t extent = replay_value(r, 0, v)->dim[dim];
    double *squares = xcalloc((size_t)extent + 1, sizeof *squares), total = 0;
    add_squares(r, v, dim, squares);
    for (int64_t i = 0; i < extent; i++) total += squares[i];
    for (uint32_t s = 0; s < g->sets && total > 0 && isfinite(total); s++) {
        const struct channel_set *set = &p->groups.sets.at[g->first_set + s];
        for (uint32_t k = 0; k < set->count; k++)
            if (value_same(set->member[k].value, v) && set->member[k].dim == dim)
                p->state[group].energy[s] += squares[set->member[k].channel] / total;
    }
    free(squares);
}

/* Where a group ends at an op that is no reader: the channels of an operand have no part in the results. */
static void measure_ends(const struct pruner *p, const struct replay *r, op_id id) {
    const struct op *op = op_get(p->m, id);
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        bool runs_on = !p->state[g].energy || p->quota[g].skip;
        for (uint32_t i = 0; i < op->result_count && !runs_on; i++)
            runs_on = has_value(p, g, op->result[i], -1);
        for (uint32_t i = 0; i < op->operand_count && !runs_on; i++) {
            value_id v = op->operand[i];
            if (value_none(v) || value_get(p->m, v)->kind == VALUE_PARAMETER) continue;
            uint32_t rank = type_rank(&p->m->types, value_get(p->m, v)->type);
            for (uint32_t d = 0; d < rank; d++)
                if (has_value(p, g, v, d)) add_energy(p, g, r, v, d);
        }
    }
}

/* -- ranking -- */
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

/* How many sets have to be ranked: all that may go where groups compete for the ratio. */
static uint32_t most_to_go(const struct pruner *p, uint32_t group) {
    const struct channel_quota *q = &p->quota[group];
    uint32_t sets = p->groups.groups.at[group].sets;
    if (p->global && !q->own) return sets - channel_plan_least(q, sets);
    return sets - channel_plan_kept(q, p->options, sets, llround((double)sets * q->ratio));
}

static void rank_sets(struct pruner *p, uint32_t group) {
    struct group_state *s = &p->state[group];
    const struct channel_group *g = &p->groups.groups.at[group];
    double *squares = xmalloc((g->sets + 1) * sizeof *squares);
    producer_squares(p, group, squares);
    bool alone = s->consumers == 0 || p->importance == IMPORTANCE_MAGNITUDE;
    for (uint32_t i = 0; s->energy && i < g->sets; i++) squares[i] = s->energy[i];
    s->order = arena_array(&p->groups.arena, uint32_t, g->sets);
    s->cost = arena_array(&p->groups.arena, double, g->sets);
    s->listed = channels_choose(s->consumer, s->consumers, g->sets, most_to_go(p, group),
                                alone ? squares : NULL, s->order, s->cost);
    for (uint32_t c = 0; c < s->consumers; c++) {
        free(s->consumer[c].weights);
        free(s->consumer[c].inverse);
    }
    free(squares);
}

/* The covariance of the columns, about their means where a bias can take those over; the fewer columns, the
 * less is known of the means. */
static double *covariance_of(const struct gram *g, bool centred) {
    double n = (double)max_i64(g->columns, 1), known = centred ? 1 - 1 / (n * n) : 0;
    double *c = xmalloc((size_t)(g->depth * g->depth + 1) * sizeof *c);
    for (int64_t i = 0; i < g->depth; i++)
        for (int64_t k = 0; k < g->depth; k++)
            c[i * g->depth + k] = g->own[i * g->depth + k] / n - known * (g->sum[i] / n) * (g->sum[k] / n);
    return c;
}

/* Channels by themselves: none makes up for another. */
static void clear_off_diagonal(double *own, int64_t depth) {
    for (int64_t i = 0; i < depth; i++)
        for (int64_t k = 0; k < depth; k++)
            if (i != k) own[i * depth + k] = 0;
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

/* With the second moments of the reader's input, or NULL: then losses are those of magnitude. */
static void add_consumers(struct pruner *p, const struct reader *r, const struct gram *gram) {
    int64_t depth = r->columns.depth;
    size_t bytes = (size_t)(depth * depth) * sizeof(double);
    double *covariance = gram ? covariance_of(gram, r->columns.bias.i != 0) : NULL;
    if (gram && p->importance == IMPORTANCE_ACTIVATION) clear_off_diagonal(covariance, depth);
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        struct group_state *s = &p->state[g];
        if (p->quota[g].skip || !reads_group(p, r, g)) continue;
        struct channel_consumer *c = &s->consumer[s->consumers++];
        int32_t *set_of = arena_array(&p->groups.arena, int32_t, depth);
        for (int64_t k = 0; k < depth; k++) {
            bool own = r->set[k] >= 0 && p->groups.sets.at[r->set[k]].group == g;
            set_of[k] = own ? r->set[k] - (int32_t)p->groups.groups.at[g].first_set : -1;
        }
        double *weights = xmalloc((size_t)(r->columns.rows * depth + 1) * sizeof *weights);
        layer_get(&r->columns, 0, value_constant(p->m, r->columns.weight), weights);
        *c = (struct channel_consumer){
            .rows = r->columns.rows, .depth = depth, .weights = weights, .set_of = set_of};
        c->energy = output_energy(c->weights, covariance, c->rows, depth);
        if (covariance) {
            c->inverse = xmalloc(bytes);
            memcpy(c->inverse, covariance, bytes);
            covariance_invert(c->inverse, depth, gram->columns);
        }
        if (--s->left == 0) rank_sets(p, g);
    }
    free(covariance);
}

static enum status measure(void *ctx, struct replay *replay, op_id op) {
    struct pruner *p = ctx;
    measure_ends(p, replay, op);
    if (!p->reader_of[op.i]) return STATUS_OK;
    const struct reader *r = &p->readers.at[p->reader_of[op.i] - 1];
    struct reader *first = &p->readers.at[r->first];
    struct gram g;
    TRY(gram_measure(replay, &r->columns, GRAM_OWN, pass_int(p->options, "columns"), &g));
    if (first->family == 1) {
        add_consumers(p, r, &g);
        gram_free(&g);
        return STATUS_OK;
    }
    if (first->seen++) {
        gram_add(&first->gram, &g);
        gram_free(&g);
    } else {
        first->gram = g;
    }
    if (first->seen == first->family) add_consumers(p, first, &first->gram);
    return STATUS_OK;
}

/* -- shares -- */
/* How many channels of a layer a set is: one, or as many as a head has. A parameter that sees a channel at
 * several places, as after a flatten, does not make it more. */
static double set_size(const struct pruner *p, uint32_t group) {
    const struct channel_set *s = &p->groups.sets.at[p->groups.groups.at[group].first_set];
    uint32_t least = UINT32_MAX, run = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct channel_member *c = &s->member[i], *next = i + 1 < s->count ? c + 1 : NULL;
        run++;
        if (next && value_same(c->value, next->value) && c->dim == next->dim) continue;
        if (value_get(p->m, c->value)->kind == VALUE_PARAMETER && run < least) least = run;
        run = 0;
    }
    return least;
}

/* One ranking of the sets of all groups, by loss for each channel. */
struct ranking {
    double *size, *next; /* by group: of each set; the price of the next, INFINITY if there is none */
    double budget;       /* channels that are to go */
};

static struct ranking rank_groups(const struct pruner *p) {
    uint32_t groups = p->groups.groups.count;
    struct ranking r = {xmalloc((groups + 1) * sizeof(double)), xmalloc((groups + 1) * sizeof(double)), 0};
    for (uint32_t g = 0; g < groups; g++) {
        const struct channel_quota *q = &p->quota[g];
        bool shares = !q->skip && !q->own;
        r.size[g] = set_size(p, g);
        r.budget += shares ? q->ratio * p->groups.groups.at[g].sets * r.size[g] : 0;
        r.next[g] = shares && p->state[g].listed ? p->state[g].cost[0] / r.size[g] : INFINITY;
    }
    return r;
}

/* The cheapest sets go until the ratio's share of all channels is gone. A set waits for those before it in
 * its own group: it costs what the dearest of these does, at least. */
static void share_globally(struct pruner *p) {
    uint32_t groups = p->groups.groups.count;
    struct ranking r = rank_groups(p);
    for (;;) {
        uint32_t best = 0;
        for (uint32_t g = 1; g < groups; g++)
            if (r.next[g] < r.next[best]) best = g;
        if (!groups || isinf(r.next[best])) break;
        struct group_state *s = &p->state[best];
        bool fits = r.size[best] <= 2 * r.budget;
        s->gone += fits;
        r.budget -= fits ? r.size[best] : 0;
        r.next[best] =
            fits && s->gone < s->listed ? fmax(r.next[best], s->cost[s->gone] / r.size[best]) : INFINITY;
    }
    for (uint32_t g = 0; g < groups; g++) {
        uint32_t sets = p->groups.groups.at[g].sets;
        if (p->quota[g].skip || p->quota[g].own) continue;
        uint32_t gone = sets - channel_plan_kept(&p->quota[g], p->options, sets, p->state[g].gone);
        p->state[g].gone = gone < p->state[g].listed ? gone : p->state[g].listed;
    }
    free(r.size);
    free(r.next);
}

double prune_loss(const struct pruner *p, uint32_t group) {
    double loss = 0;
    for (uint32_t i = 0; i < p->state[group].gone; i++) loss += p->state[group].cost[i];
    return loss;
}

enum status prune_choose(struct pruner *p) {
    const struct pass_env *env = p->options->env;
    count_readers(p);
    if (p->importance != IMPORTANCE_MAGNITUDE) {
        struct replay_options options = {
            .pass = "prune-channels", .data = env->data, .progress = env->progress};
        struct replay_visitor visitor = {.before = measure, .ctx = p};
        TRY(replay_run(p->m, &options, &visitor, p->diag));
    } else {
        for (uint32_t i = 0; i < p->readers.count; i++)
            if (is_first(p, &p->readers.at[i])) add_consumers(p, &p->readers.at[i], NULL);
    }
    for (uint32_t g = 0; g < p->groups.groups.count; g++) {
        if (p->quota[g].skip) continue;
        if (!p->state[g].readers) rank_sets(p, g);
        p->state[g].gone = p->global && !p->quota[g].own ? 0 : p->state[g].listed;
    }
    if (p->global) share_globally(p);
    for (uint32_t g = 0; g < p->groups.groups.count; g++)
        for (uint32_t i = 0; i < p->state[g].gone; i++)
            p->removed[p->groups.groups.at[g].first_set + p->state[g].order[i]] = true;
    return STATUS_OK;
}
