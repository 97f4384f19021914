/* Control flow that is known at import: a branch is chosen, a loop is unrolled. */
#include "frontend/onnx/scope.h"

#include <string.h>

enum { MOST_ITERATIONS = 4096 };

static const Onnx__GraphProto *graph_attr(struct node *n, const char *name) {
    const Onnx__AttributeProto *a = node_attr(n, name);
    if (a && a->g) return a->g;
    (void)node_error(n, "attribute '%s' is not a graph", name);
    return NULL;
}

/* A constant truth value; unsupported when it depends on data. */
static enum status known_truth(struct node *n, ref condition, const char *what, bool *out) {
    const struct tensor *t = ref_constant(n->im, condition);
    if (!t) return unsupported(n, "%s whose %s depends on data", n->proto->op_type, what);
    if (tensor_count(t) != 1)
        return node_error(n, "its %s has %lld elements", what, (long long)tensor_count(t));
    *out = tensor_get_i64(t, 0) != 0;
    return STATUS_OK;
}

/* -- If -- */
static enum status import_branch(struct node *n, const Onnx__GraphProto *graph, ref *out) {
    if (graph->n_input) return node_error(n, "a branch has inputs");
    if (graph->n_output < n->proto->n_output)
        return node_error(n, "it has %zu outputs, a branch %zu", n->proto->n_output, graph->n_output);
    return import_body(n, &(struct body){.graph = graph, .opset = n->opset}, out);
}

static bool same_type(const struct importer *im, ref a, ref b) {
    if (item_get(im, a)->kind == ITEM_SHAPE || item_get(im, b)->kind == ITEM_SHAPE) return false;
    bool same = ref_elem(im, a) == ref_elem(im, b) && ref_rank(im, a) == ref_rank(im, b);
    for (uint32_t i = 0; same && i < ref_rank(im, a); i++)
        same = dim_same(ref_dim(im, a, i), ref_dim(im, b, i));
    return same;
}

static ref as_truth(struct node *n, ref condition) {
    if (!ref_rank(n->im, condition)) return condition;
    return emit1_with(n, OP_reshape, condition, node_attr_dims(n, ATTR_shape, NULL, 0));
}

/* Of two values the one that the condition says: both are computed, as nothing that is imported has effects.
 */
static enum status choose_at_run(struct node *n, ref condition, const ref *yes, const ref *no, uint32_t count,
                                 ref *out) {
    for (uint32_t i = 0; i < count; i++) {
        if (!same_type(n->im, yes[i], no[i]))
            return unsupported(n, "%s whose condition depends on data, with results of unlike types",
                               n->proto->op_type);
        out[i] = emit3(n, OP_where, condition, yes[i], no[i]);
        if (ref_none(out[i])) return STATUS_FAILED;
    }
    return STATUS_OK;
}

enum status import_if(struct node *n) {
    const Onnx__GraphProto *branch[2] = {graph_attr(n, "else_branch"), graph_attr(n, "then_branch")};
    if (n->failed) return STATUS_FAILED;
    ref condition = node_in(n, 0), *out[2];
    for (int i = 0; i < 2; i++) out[i] = arena_array(&n->im->m->arena, ref, branch[i]->n_output + 1);
    if (ref_constant(n->im, condition)) {
        bool truth;
        TRY(known_truth(n, condition, "condition", &truth));
        TRY(import_branch(n, branch[truth], out[truth]));
        for (uint32_t i = 0; i < n->proto->n_output; i++) node_out(n, i, out[truth][i]);
        return STATUS_OK;
    }
    if (item_get(n->im, condition)->kind == ITEM_SHAPE)
        return unsupported(
            n, "If whose condition depends on a dimension without a size (fix it by --shape or --dim)");
    for (int i = 0; i < 2; i++) TRY(import_branch(n, branch[i], out[i]));
    uint32_t count = (uint32_t)n->proto->n_output;
    TRY(choose_at_run(n, as_truth(n, condition), out[1], out[0], count, out[0]));
    for (uint32_t i = 0; i < count; i++) node_out(n, i, out[0][i]);
    return STATUS_OK;
}

/* -- loops -- */
struct unrolling {
    const Onnx__GraphProto *body;
    uint32_t states, scans; /* outputs that go on, and those that are collected */
    ref *in, *out;          /* of the body */
    ref *state;
    ref *pieces; /* of scan s in iteration i: [s * MOST_ITERATIONS + i] */
    uint32_t done;
};

static struct unrolling unroll(struct node *n, const Onnx__GraphProto *body, uint32_t states,
                               uint32_t scans) {
    struct arena *arena = &n->im->m->arena;
    return (struct unrolling){.body = body,
                              .states = states,
                              .scans = scans,
                              .in = arena_array(arena, ref, body->n_input + 1),
                              .out = arena_array(arena, ref, body->n_output + 1),
                              .state = arena_array(arena, ref, states + 1),
                              .pieces = arena_array(arena, ref, (size_t)scans * MOST_ITERATIONS + 1)};
}

/* One iteration; `skip` outputs of the body stand before the states. */
static enum status iterate(struct node *n, struct unrolling *u, uint32_t skip) {
    struct body body = {
        .graph = u->body, .inputs = u->in, .input_count = (uint32_t)u->body->n_input, .opset = n->opset};
    TRY(import_body(n, &body, u->out));
    for (uint32_t i = 0; i < u->states; i++) u->state[i] = u->out[skip + i];
    for (uint32_t i = 0; i < u->scans; i++)
        u->pieces[i * MOST_ITERATIONS + u->done] = u->out[skip + u->states + i];
    u->done++;
    return STATUS_OK;
}

static bool collects(const struct node *n, const struct unrolling *u) {
    bool any = false;
    for (uint32_t i = 0; i < u->scans; i++) any = any || node_wants(n, u->states + i);
    return any;
}

/* What is collected in no iteration: nothing, in the type that the body would give. It is imported for that
 * alone. */
static enum status probe(struct node *n, struct unrolling *u) {
    struct body body = {
        .graph = u->body, .inputs = u->in, .input_count = (uint32_t)u->body->n_input, .opset = n->opset};
    return import_body(n, &body, u->out);
}

/* Zeros in the type of `like`, with an axis of no elements more, or with one less. */
static ref zeros(struct node *n, ref like, uint32_t axis, bool more) {
    dim_id dims[MAX_RANK + 1];
    uint32_t rank = 0;
    for (uint32_t i = 0; i <= ref_rank(n->im, like); i++) {
        if (more && i == axis) dims[rank++] = dim_const(&n->im->m->types, 0);
        if (i < ref_rank(n->im, like) && (more || i != axis)) dims[rank++] = ref_dim(n->im, like, i);
    }
    if (rank > MAX_RANK) {
        (void)node_error(n, "what it collects has %u dimensions, more than %d", rank, MAX_RANK);
        return (ref){0};
    }
    ref zero = ref_of_tensor(n->im, tensor_scalar_i64(ref_elem(n->im, like), 0));
    return emit1_with(n, OP_expand, zero, node_attr_dims(n, ATTR_shape, dims, rank));
}

/* `skip` as in iterate; without an iteration the body has been probed. */
static ref collected(struct node *n, const struct unrolling *u, uint32_t skip, uint32_t scan, int64_t axis,
                     bool backwards) {
    ref piece = u->out[skip + u->states + scan];
    uint32_t place;
    if (u->done) return emit_stack(n, &u->pieces[scan * MOST_ITERATIONS], u->done, axis, backwards);
    if (node_axis(n, axis, ref_rank(n->im, piece) + 1, &place) != STATUS_OK) return (ref){0};
    return zeros(n, piece, place, true);
}

static enum status finish(struct node *n, const struct unrolling *u, uint32_t skip, const int64_t *axes,
                          const bool *backwards) {
    for (uint32_t i = 0; i < u->states; i++) node_out(n, i, u->state[i]);
    for (uint32_t i = 0; i < u->scans; i++) {
        if (!node_wants(n, u->states + i)) continue;
        ref all = collected(n, u, skip, i, axes ? axes[i] : 0, backwards && backwards[i]);
        if (ref_none(all)) return STATUS_FAILED;
        node_out(n, u->states + i, all);
    }
    return STATUS_OK;
}

/* How long a loop goes on. */
struct going {
    int64_t trips; /* at most */
    bool known;    /* the condition, while it is known */
    ref running;   /* once it depends on data: whether it has held so far; before that 0 */
};

static enum status read_going(struct node *n, struct going *go) {
    ref count = node_in(n, 0), condition = node_in(n, 1);
    *go = (struct going){INT64_MAX, true, {0}};
    if (!ref_none(count) && !ref_constant(n->im, count))
        return unsupported(n, "Loop whose trip count is not a constant");
    if (!ref_none(count) && tensor_count(ref_constant(n->im, count)) != 1)
        return node_error(n, "its trip count is not one number");
    if (!ref_none(count)) go->trips = tensor_get_i64(ref_constant(n->im, count), 0);
    if (ref_none(condition)) return STATUS_OK;
    if (ref_constant(n->im, condition)) return known_truth(n, condition, "condition", &go->known);
    go->running = as_truth(n, condition);
    return ref_none(go->running) ? STATUS_FAILED : STATUS_OK;
}

static enum status go_on(struct node *n, struct going *go, ref condition) {
    if (ref_constant(n->im, condition)) return known_truth(n, condition, "condition", &go->known);
    condition = as_truth(n, condition);
    go->running = ref_none(go->running) ? condition : emit2(n, OP_and, go->running, condition);
    return ref_none(go->running) ? STATUS_FAILED : STATUS_OK;
}

/* All iterations that there may be are computed; the states stay as they are once the condition has failed.
 */
static enum status check_going(struct node *n, const struct going *go, const struct unrolling *u) {
    if (ref_none(go->running)) return STATUS_OK;
    if (go->trips > MOST_ITERATIONS)
        return unsupported(n, "Loop whose condition depends on data, of more than %d iterations",
                           MOST_ITERATIONS);
    if (collects(n, u))
        return unsupported(n, "Loop whose condition depends on data, and that collects results");
    return STATUS_OK;
}

static enum status iterate_loop(struct node *n, struct unrolling *u, struct going *go, int64_t i) {
    ref *before = arena_array(&n->im->m->arena, ref, u->states + 1), running = go->running;
    memcpy(before, u->state, u->states * sizeof *before);
    u->in[0] = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, i));
    u->in[1] = ref_none(running) ? ref_of_tensor(n->im, tensor_scalar_i64(ELEM_bool, 1)) : running;
    memcpy(u->in + 2, u->state, u->states * sizeof *u->state);
    TRY(iterate(n, u, 1));
    if (!ref_none(running)) TRY(choose_at_run(n, running, u->state, before, u->states, u->state));
    return go_on(n, go, u->out[0]);
}

/* Loop(trip count?, condition?, states…): the body takes the iteration, the condition and the states, and
 * gives the condition, the states and what is collected. */
enum status import_loop(struct node *n) {
    const Onnx__GraphProto *body = graph_attr(n, "body");
    uint32_t states = n->proto->n_input > 2 ? (uint32_t)n->proto->n_input - 2 : 0;
    struct going go;
    if (!body) return STATUS_FAILED;
    if (body->n_input != states + 2 || body->n_output < states + 1 || n->proto->n_output > body->n_output - 1)
        return node_error(n, "its body has %zu inputs and %zu outputs for %u states", body->n_input,
                          body->n_output, states);
    TRY(read_going(n, &go));
    struct unrolling u = unroll(n, body, states, (uint32_t)body->n_output - 1 - states);
    for (uint32_t i = 0; i < states; i++) u.state[i] = node_in(n, 2 + i);
    for (int64_t i = 0; i < go.trips && go.known; i++) {
        if (i == MOST_ITERATIONS) return unsupported(n, "Loop of more than %d iterations", MOST_ITERATIONS);
        TRY(check_going(n, &go, &u));
        TRY(iterate_loop(n, &u, &go, i));
    }
    if (!u.done && collects(n, &u)) {
        u.in[0] = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_i64, 0));
        u.in[1] = ref_of_tensor(n->im, tensor_scalar_i64(ELEM_bool, 1));
        memcpy(u.in + 2, u.state, states * sizeof *u.state);
        TRY(probe(n, &u));
    }
    return finish(n, &u, 1, NULL, NULL);
}

/* -- Scan -- */
struct scan_list { /* axes and directions of the scanned inputs, or of the outputs */
    int64_t axis[64];
    bool backwards[64];
};

static enum status read_scan_list(struct node *n, const char *axes_name, const char *directions_name,
                                  uint32_t count, struct scan_list *out) {
    struct ints axes = node_ints(n, axes_name), directions = node_ints(n, directions_name);
    if (count > COUNT_OF(out->axis) || (axes.given && axes.count != count) ||
        (directions.given && directions.count != count))
        return node_error(n, "%u axes and %u directions for %u scans", axes.count, directions.count, count);
    for (uint32_t i = 0; i < count; i++) {
        out->axis[i] = axes.given ? axes.at[i] : 0;
        out->backwards[i] = directions.given && directions.at[i];
    }
    return STATUS_OK;
}

static enum status scan_length(struct node *n, const ref *scanned, uint32_t scans, struct scan_list *list,
                               int64_t *length) {
    for (uint32_t i = 0; i < scans; i++) {
        ref x = scanned[i];
        uint32_t axis;
        int64_t size;
        if (ref_none(x)) return node_error(n, "an input that it scans is missing");
        TRY(node_axis(n, list->axis[i], ref_rank(n->im, x), &axis));
        list->axis[i] = axis;
        if (!dim_is_const(&n->im->m->types, ref_dim(n->im, x, axis), &size))
            return unsupported(n, "Scan along a dimension without a size (fix it by --shape or --dim)");
        if (i && size != *length)
            return node_error(n, "it scans %lld and %lld elements", (long long)*length, (long long)size);
        *length = size;
    }
    if (*length > MOST_ITERATIONS) return unsupported(n, "Scan of more than %d elements", MOST_ITERATIONS);
    return STATUS_OK;
}

/* The inputs that have an equal in the body begin at input `first`: states, then what is scanned. */
static enum status read_scan(struct node *n, uint32_t first, const Onnx__GraphProto **body, uint32_t *states,
                             uint32_t *scans) {
    int64_t given = node_int(n, "num_scan_inputs", 0), count = (int64_t)n->proto->n_input - first;
    *body = graph_attr(n, "body");
    if (!*body) return STATUS_FAILED;
    if (given < 1 || given > count || (int64_t)(*body)->n_input != count)
        return node_error(n, "it scans %lld of %lld inputs, its body has %zu", (long long)given,
                          (long long)count, (*body)->n_input);
    *scans = (uint32_t)given, *states = (uint32_t)(count - given);
    if ((*body)->n_output < *states || n->proto->n_output > (*body)->n_output)
        return node_error(n, "its body has %zu outputs for %u states", (*body)->n_output, *states);
    return STATUS_OK;
}

/* All iterations over `given`: states, then what is scanned. */
static enum status iterate_all(struct node *n, struct unrolling *u, const ref *given, uint32_t scans,
                               const struct scan_list *in, int64_t length) {
    memcpy(u->state, given, u->states * sizeof *given);
    for (int64_t t = 0; t < length; t++) {
        memcpy(u->in, u->state, u->states * sizeof *u->state);
        for (uint32_t i = 0; i < scans; i++) {
            u->in[u->states + i] =
                emit_element(n, given[u->states + i], in->axis[i], in->backwards[i] ? length - 1 - t : t);
            if (ref_none(u->in[u->states + i])) return STATUS_FAILED;
        }
        TRY(iterate(n, u, 0));
    }
    return STATUS_OK;
}

static enum status probe_scan(struct node *n, struct unrolling *u, const ref *given, uint32_t scans,
                              const struct scan_list *in) {
    memcpy(u->in, given, u->states * sizeof *given);
    for (uint32_t i = 0; i < scans; i++) {
        u->in[u->states + i] = zeros(n, given[u->states + i], (uint32_t)in->axis[i], false);
        if (ref_none(u->in[u->states + i])) return STATUS_FAILED;
    }
    return probe(n, u);
}

enum status import_scan(struct node *n) {
    const Onnx__GraphProto *body;
    uint32_t states, scans;
    int64_t length = 0;
    struct scan_list in, out;
    TRY(read_scan(n, 0, &body, &states, &scans));
    ref *given = arena_array(&n->im->m->arena, ref, states + scans);
    for (uint32_t i = 0; i < states + scans; i++) given[i] = node_in(n, i);
    TRY(read_scan_list(n, "scan_input_axes", "scan_input_directions", scans, &in));
    TRY(read_scan_list(n, "scan_output_axes", "scan_output_directions", (uint32_t)body->n_output - states,
                       &out));
    TRY(scan_length(n, given + states, scans, &in, &length));
    struct unrolling u = unroll(n, body, states, (uint32_t)body->n_output - states);
    TRY(iterate_all(n, &u, given, scans, &in, length));
    if (!length && collects(n, &u)) TRY(probe_scan(n, &u, given, scans, &in));
    return finish(n, &u, 0, out.axis, out.backwards);
}

/* Opset 8: lengths of the sequences, then states and what is scanned, with a batch that comes first; each of
 * its sequences is scanned alone. */
enum status import_scan_batch(struct node *n) {
    enum { MOST_SEQUENCES = 256 };
    const Onnx__GraphProto *body;
    uint32_t states, scans;
    int64_t batch, length = 0;
    struct scan_list in;
    TRY(read_scan(n, 1, &body, &states, &scans));
    if (!ref_none(node_in(n, 0))) return unsupported(n, "Scan of sequences that have lengths of their own");
    TRY(read_scan_list(n, "axes", "directions", scans, &in));
    uint32_t count = states + scans, outputs = (uint32_t)body->n_output;
    if (ref_none(node_in(n, count)) || !ref_rank(n->im, node_in(n, count)) ||
        !dim_is_const(&n->im->m->types, ref_dim(n->im, node_in(n, count), 0), &batch) || batch < 1 ||
        batch > MOST_SEQUENCES)
        return unsupported(n, "Scan of a batch without a size, of none, or of more than %d sequences",
                           MOST_SEQUENCES);
    ref *given = arena_array(&n->im->m->arena, ref, count);
    ref *results = arena_array(&n->im->m->arena, ref, (size_t)outputs * MOST_SEQUENCES);
    for (int64_t b = 0; b < batch; b++) {
        for (uint32_t i = 0; i < count; i++) {
            if (ref_none(node_in(n, 1 + i))) return node_error(n, "input %u is missing", 1 + i);
            given[i] = emit_element(n, node_in(n, 1 + i), 0, b);
            if (ref_none(given[i])) return STATUS_FAILED;
        }
        TRY(scan_length(n, given + states, scans, &in, &length));
        struct unrolling u = unroll(n, body, states, outputs - states);
        TRY(iterate_all(n, &u, given, scans, &in, length));
        if (!length) TRY(probe_scan(n, &u, given, scans, &in));
        for (uint32_t i = 0; i < outputs; i++)
            results[i * MOST_SEQUENCES + b] =
                i < states ? u.state[i] : collected(n, &u, 0, i - states, 0, false);
    }
    for (uint32_t i = 0; i < n->proto->n_output; i++) {
        ref all = emit_stack(n, &results[i * MOST_SEQUENCES], (uint32_t)batch, 0, false);
        if (ref_none(all)) return STATUS_FAILED;
        node_out(n, i, all);
    }
    return STATUS_OK;
}
