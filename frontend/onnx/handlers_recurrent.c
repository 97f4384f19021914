/* RNN, GRU and LSTM, unrolled over time.
 *
 * What the inputs add to the gates is one product for all time steps; each step adds what the last state
 * does. */
#include "frontend/onnx/importer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

enum { MOST_STEPS = 4096, MOST_ACTIVATIONS = 6 };

struct activation {
    const char *name;
    enum op_kind kind;
    bool has_alpha, has_beta;
    double alpha, beta; /* defaults */
};
static const struct activation activations[] = {
    {"Sigmoid", OP_sigmoid, false, false, 0, 0},
    {"Tanh", OP_tanh, false, false, 0, 0},
    {"Relu", OP_relu, false, false, 0, 0},
    {"LeakyRelu", OP_leaky_relu, true, false, 0.01, 0},
    {"HardSigmoid", OP_hard_sigmoid, true, true, 0.2, 0.5},
    {"Elu", OP_elu, true, false, 1, 0},
    {"Softsign", OP_softsign, false, false, 0, 0},
    {"Softplus", OP_softplus, false, false, 0, 0},
    {"Affine", OP_add, true, true, 1, 0},               /* alpha x + beta */
    {"ScaledTanh", OP_mul, true, true, 1, 1},           /* alpha tanh(beta x) */
    {"ThresholdedRelu", OP_greater, true, false, 1, 0}, /* x above alpha, else 0 */
};

struct cell;
struct recurrent {
    const struct cell *cell;
    int64_t steps, hidden;
    dim_id batch;
    uint32_t directions;
    bool first_backwards, batch_first;
    double clip; /* 0: none */
    bool linear_before_reset, input_forget;
    struct activation act[MOST_ACTIVATIONS];
};

struct state {
    ref h, c;
};

/* The weights of one direction. */
struct direction {
    const struct activation *act;
    ref x;           /* [steps, batch, gates * hidden]: what the inputs add */
    ref recurrence;  /* [hidden, gates * hidden] */
    ref bias;        /* recurrent, [gates * hidden]; 0: none, or added to x already */
    ref peephole[3]; /* [hidden] each; 0: none */
};

struct cell {
    uint32_t gates, activations;
    const char *defaults[3];
    struct state (*step)(struct node *n, const struct recurrent *r, const struct direction *d, ref x,
                         struct state s);
};

/* -- pieces -- */
static ref gate(struct node *n, const struct recurrent *r, ref x, int64_t i) {
    return emit_part(n, x, -1, i * r->hidden, (i + 1) * r->hidden);
}

static ref transposed(struct node *n, ref x) {
    return emit_transpose(n, x, 2, (const int64_t[]){1, 0});
}

/* What is no op of the IR. */
static ref composed(struct node *n, const struct activation *a, ref x) {
    enum elem elem = ref_elem(n->im, x);
    ref alpha = ref_f64(n->im, elem, a->alpha), beta = ref_f64(n->im, elem, a->beta);
    if (a->kind == OP_add) return emit2(n, OP_add, emit2(n, OP_mul, x, alpha), beta);
    if (a->kind == OP_mul) return emit2(n, OP_mul, emit1(n, OP_tanh, emit2(n, OP_mul, x, beta)), alpha);
    return emit3(n, OP_where, emit2(n, OP_greater, x, alpha), x, ref_f64(n->im, elem, 0));
}

static ref activate(struct node *n, const struct recurrent *r, const struct activation *a, ref x) {
    struct attr attrs[2];
    uint32_t count = 0;
    if (r->clip > 0)
        x = emit1_with(n, OP_clip, x, attr_float(ATTR_min, -r->clip), attr_float(ATTR_max, r->clip));
    if (!ref_none(x) && (a->kind == OP_add || a->kind == OP_mul || a->kind == OP_greater))
        return composed(n, a, x);
    if (a->has_alpha) attrs[count++] = attr_float(ATTR_alpha, a->alpha);
    if (a->has_beta) attrs[count++] = attr_float(ATTR_beta, a->beta);
    return emit_op(n, a->kind, &x, 1, attrs, count);
}

/* -- the cells -- */
static ref recur(struct node *n, ref h, ref weights, ref bias) {
    ref y = emit2(n, OP_matmul, h, weights);
    return ref_none(bias) ? y : emit2(n, OP_add, y, bias);
}

static struct state rnn_step(struct node *n, const struct recurrent *r, const struct direction *d, ref x,
                             struct state s) {
    s.h = activate(n, r, &d->act[0], emit2(n, OP_add, x, recur(n, s.h, d->recurrence, d->bias)));
    return s;
}

/* Gates z, r, h; the state is (1 - z) h + z * state. */
static struct state gru_step(struct node *n, const struct recurrent *r, const struct direction *d, ref x,
                             struct state s) {
    int64_t both = 2 * r->hidden, all = 3 * r->hidden;
    ref bias_gates = ref_none(d->bias) ? d->bias : emit_part(n, d->bias, 0, 0, both);
    ref bias_new = ref_none(d->bias) ? d->bias : emit_part(n, d->bias, 0, both, all);
    ref weights_new = emit_part(n, d->recurrence, 1, both, all);
    ref gates = emit2(n, OP_add, emit_part(n, x, -1, 0, both),
                      recur(n, s.h, emit_part(n, d->recurrence, 1, 0, both), bias_gates));
    gates = activate(n, r, &d->act[0], gates);
    ref z = gate(n, r, gates, 0), reset = gate(n, r, gates, 1), inner;
    if (r->linear_before_reset)
        inner = emit2(n, OP_mul, reset, recur(n, s.h, weights_new, bias_new));
    else
        inner = recur(n, emit2(n, OP_mul, reset, s.h), weights_new, bias_new);
    ref fresh = activate(n, r, &d->act[1], emit2(n, OP_add, gate(n, r, x, 2), inner));
    s.h = emit2(n, OP_add, fresh, emit2(n, OP_mul, z, emit2(n, OP_sub, s.h, fresh)));
    return s;
}

static ref peeped(struct node *n, ref x, ref weights, ref c) {
    return ref_none(weights) ? x : emit2(n, OP_add, x, emit2(n, OP_mul, weights, c));
}

/* Gates i, o, f, c. */
static struct state lstm_step(struct node *n, const struct recurrent *r, const struct direction *d, ref x,
                              struct state s) {
    ref all = emit2(n, OP_add, x, recur(n, s.h, d->recurrence, d->bias));
    ref in = activate(n, r, &d->act[0], peeped(n, gate(n, r, all, 0), d->peephole[0], s.c)), forget;
    if (r->input_forget)
        forget = emit2(n, OP_sub, ref_f64(n->im, ref_elem(n->im, node_in(n, 0)), 1), in);
    else
        forget = activate(n, r, &d->act[0], peeped(n, gate(n, r, all, 2), d->peephole[2], s.c));
    ref fresh = activate(n, r, &d->act[1], gate(n, r, all, 3));
    s.c = emit2(n, OP_add, emit2(n, OP_mul, forget, s.c), emit2(n, OP_mul, in, fresh));
    ref out = activate(n, r, &d->act[0], peeped(n, gate(n, r, all, 1), d->peephole[1], s.c));
    ref bent = activate(n, r, &d->act[2], s.c);
    s.h = emit2(n, OP_mul, out, bent);
    return s;
}

static const struct cell rnn_cell = {1, 1, {"Tanh", NULL, NULL}, rnn_step};
static const struct cell gru_cell = {3, 2, {"Sigmoid", "Tanh", NULL}, gru_step};
static const struct cell lstm_cell = {4, 3, {"Sigmoid", "Tanh", "Tanh"}, lstm_step};

/* -- reading the node -- */
static bool find_activation(const char *name, size_t length, struct activation *out) {
    for (size_t i = 0; i < COUNT_OF(activations); i++)
        if (strlen(activations[i].name) == length && !strncasecmp(activations[i].name, name, length)) {
            *out = activations[i];
            return true;
        }
    return false;
}

/* Parameters are listed for those functions that have some, in order. */
static double next_parameter(const Onnx__AttributeProto *list, bool has, size_t *used, double fill) {
    return has && list && *used < list->n_floats ? (double)list->floats[(*used)++] : fill;
}

static enum status read_activations(struct node *n, struct recurrent *r) {
    const Onnx__AttributeProto *names = node_attr(n, "activations"),
                               *alpha = node_attr(n, "activation_alpha"),
                               *beta = node_attr(n, "activation_beta");
    uint32_t count = r->cell->activations * r->directions;
    size_t alphas = 0, betas = 0;
    /* The standard's default names those of two directions; one direction uses the first of them. */
    if (names && names->n_strings != count && names->n_strings != 2 * r->cell->activations)
        return node_error(n, "it has %zu activations, expected %u", names->n_strings, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *name =
            names ? (const char *)names->strings[i].data : r->cell->defaults[i % r->cell->activations];
        size_t length = names ? names->strings[i].len : strlen(name);
        struct activation *a = &r->act[i];
        if (!find_activation(name, length, a))
            return unsupported(n, "%s with the activation %.*s", n->proto->op_type,
                               (int)(length < 40 ? length : 40), name);
        a->alpha = next_parameter(alpha, a->has_alpha, &alphas, a->alpha);
        a->beta = next_parameter(beta, a->has_beta, &betas, a->beta);
    }
    return STATUS_OK;
}

static enum status expect_dim(struct node *n, uint32_t input, uint32_t axis, int64_t want) {
    int64_t size;
    ref r = node_in(n, input);
    if (ref_none(r)) return STATUS_OK;
    if (axis >= ref_rank(n->im, r) || !dim_is_const(&n->im->m->types, ref_dim(n->im, r, axis), &size) ||
        size != want)
        return node_error(n, "input %u has not the extent %" PRId64 " along axis %u", input, want, axis);
    return STATUS_OK;
}

static enum status read_shapes(struct node *n, struct recurrent *r) {
    struct types *types = &n->im->m->types;
    ref x = node_in(n, 0), recurrence = node_in(n, 2);
    if (ref_rank(n->im, x) != 3 || ref_rank(n->im, node_in(n, 1)) != 3 || ref_rank(n->im, recurrence) != 3)
        return node_error(n, "inputs 0, 1 and 2 must have rank 3");
    if (!dim_is_const(types, ref_dim(n->im, x, r->batch_first), &r->steps) || r->steps < 0 ||
        r->steps > MOST_STEPS)
        return unsupported(
            n,
            "%s over a number of time steps that is not known (fix it by --shape or --dim), or of "
            "more than %d",
            n->proto->op_type, MOST_STEPS);
    if (!dim_is_const(types, ref_dim(n->im, recurrence, 2), &r->hidden) || r->hidden < 1)
        return node_error(n, "input 2 has no number of hidden units");
    r->batch = ref_dim(n->im, x, !r->batch_first);
    int64_t rows = r->cell->gates * r->hidden, hidden = node_int(n, "hidden_size", r->hidden);
    if (hidden != r->hidden) return node_error(n, "attribute 'hidden_size' contradicts the shape of input 2");
    for (uint32_t i = 1; i <= 2; i++) {
        TRY(expect_dim(n, i, 0, r->directions));
        TRY(expect_dim(n, i, 1, rows));
    }
    TRY(expect_dim(n, 3, 1, 2 * rows));
    return expect_dim(n, 7, 1, 3 * r->hidden);
}

static enum status read_recurrent(struct node *n, const struct cell *cell, struct recurrent *r) {
    static const char *const ways[] = {"forward", "reverse", "bidirectional", NULL};
    uint32_t way;
    *r = (struct recurrent){.cell = cell};
    TRY(node_word(n, "direction", ways, 0, &way));
    r->directions = way == 2 ? 2 : 1;
    r->first_backwards = way == 1;
    r->batch_first = node_int(n, "layout", 0) != 0;
    r->clip = node_float(n, "clip", 0);
    TRY(read_activations(n, r));
    return read_shapes(n, r);
}

/* -- running it -- */
static struct direction read_direction(struct node *n, const struct recurrent *r, uint32_t i) {
    static const int64_t to_steps[3] = {1, 0, 2};
    int64_t rows = r->cell->gates * r->hidden;
    struct direction d = {.act = &r->act[i * r->cell->activations]};
    ref x = node_in(n, 0), bias = node_in(n, 3), peephole = node_in(n, 7);
    if (r->batch_first) x = emit1_with(n, OP_transpose, x, node_attr_ints(n, ATTR_perm, to_steps, 3));
    d.x = emit2(n, OP_matmul, x, transposed(n, emit_element(n, node_in(n, 1), 0, i)));
    d.recurrence = transposed(n, emit_element(n, node_in(n, 2), 0, i));
    if (!ref_none(bias)) {
        ref both = emit_element(n, bias, 0, i);
        d.x = emit2(n, OP_add, d.x, emit_part(n, both, 0, 0, rows));
        d.bias = emit_part(n, both, 0, rows, 2 * rows);
        if (r->cell->step != gru_step) { /* the reset gate comes between */
            d.x = emit2(n, OP_add, d.x, d.bias);
            d.bias = (ref){0};
        }
    }
    for (int64_t k = 0; k < 3 && !ref_none(peephole); k++)
        d.peephole[k] = emit_part(n, emit_element(n, peephole, 0, i), 0, k * r->hidden, (k + 1) * r->hidden);
    return d;
}

static ref initial(struct node *n, const struct recurrent *r, uint32_t input, uint32_t i) {
    ref given = node_in(n, input);
    if (!ref_none(given)) return emit_element(n, given, r->batch_first, i);
    const dim_id dims[2] = {r->batch, dim_const(&n->im->m->types, r->hidden)};
    return emit1_with(n, OP_expand, ref_f64(n->im, ref_elem(n->im, node_in(n, 0)), 0),
                      node_attr_dims(n, ATTR_shape, dims, 2));
}

/* [batch, 1]: whether step t belongs to the sequence. */
static ref is_inside(struct node *n, int64_t t) {
    static const int64_t axis = 1;
    ref lengths = node_in(n, 4);
    ref more =
        emit2(n, OP_greater, lengths, ref_of_tensor(n->im, tensor_scalar_i64(ref_elem(n->im, lengths), t)));
    return emit1_with(n, OP_unsqueeze, more, node_attr_ints(n, ATTR_axes, &axis, 1));
}

static ref no_steps(struct node *n, const struct recurrent *r) {
    struct types *types = &n->im->m->types;
    const dim_id dims[3] = {dim_const(types, 0), r->batch, dim_const(types, r->hidden)};
    return emit1_with(n, OP_expand, ref_f64(n->im, ref_elem(n->im, node_in(n, 0)), 0),
                      node_attr_dims(n, ATTR_shape, dims, 3));
}

/* The states after all steps, and those of each step, [steps, batch, hidden]. */
static enum status run_direction(struct node *n, const struct recurrent *r, uint32_t i, struct state *s,
                                 ref *all) {
    bool backwards = i == 1 || r->first_backwards;
    struct direction d = read_direction(n, r, i);
    ref *steps = arena_array(&n->im->m->arena, ref, r->steps), lengths = node_in(n, 4);
    for (int64_t k = 0; k < r->steps; k++) {
        int64_t t = backwards ? r->steps - 1 - k : k;
        struct state next = r->cell->step(n, r, &d, emit_element(n, d.x, 0, t), *s);
        steps[t] = next.h;
        if (!ref_none(lengths) && !ref_none(next.h)) {
            ref inside = is_inside(n, t), zero = ref_f64(n->im, ref_elem(n->im, next.h), 0);
            steps[t] = emit3(n, OP_where, inside, next.h, zero);
            next.h = emit3(n, OP_where, inside, next.h, s->h);
            if (!ref_none(next.c)) next.c = emit3(n, OP_where, inside, next.c, s->c);
        }
        if (ref_none(next.h)) return STATUS_FAILED;
        *s = next;
    }
    *all = s->h;
    if (node_wants(n, 0))
        *all = r->steps ? emit_stack(n, steps, (uint32_t)r->steps, 0, false) : no_steps(n, r);
    return ref_none(*all) ? STATUS_FAILED : STATUS_OK;
}

/* Output i in the layout that is asked for. */
static enum status give(struct node *n, const struct recurrent *r, uint32_t i, ref y) {
    static const int64_t all[4] = {2, 0, 1, 3}, last[3] = {1, 0, 2};
    if (r->batch_first && !i) y = emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, all, 4));
    if (r->batch_first && i) y = emit1_with(n, OP_transpose, y, node_attr_ints(n, ATTR_perm, last, 3));
    if (ref_none(y)) return STATUS_FAILED;
    node_out(n, i, y);
    return STATUS_OK;
}

static enum status run(struct node *n, struct recurrent *r) {
    ref all[2], h[2], c[2];
    bool has_cell = r->cell->step == lstm_step;
    for (uint32_t i = 0; i < r->directions; i++) {
        struct state s = {initial(n, r, 5, i), has_cell ? initial(n, r, 6, i) : (ref){0}};
        TRY(run_direction(n, r, i, &s, &all[i]));
        h[i] = s.h, c[i] = s.c;
    }
    if (node_wants(n, 0)) TRY(give(n, r, 0, emit_stack(n, all, r->directions, 1, false)));
    if (node_wants(n, 1)) TRY(give(n, r, 1, emit_stack(n, h, r->directions, 0, false)));
    if (has_cell && node_wants(n, 2)) TRY(give(n, r, 2, emit_stack(n, c, r->directions, 0, false)));
    return STATUS_OK;
}

enum status import_rnn(struct node *n) {
    struct recurrent r;
    TRY(read_recurrent(n, &rnn_cell, &r));
    return run(n, &r);
}
enum status import_gru(struct node *n) {
    struct recurrent r;
    TRY(read_recurrent(n, &gru_cell, &r));
    r.linear_before_reset = node_int(n, "linear_before_reset", 0) != 0;
    return run(n, &r);
}
enum status import_lstm(struct node *n) {
    struct recurrent r;
    TRY(read_recurrent(n, &lstm_cell, &r));
    r.input_forget = node_int(n, "input_forget", 0) != 0;
    return run(n, &r);
}
