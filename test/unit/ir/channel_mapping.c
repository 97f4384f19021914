/* What the channel mapping of every op says, checked by masking, over the whole op table.
 *
 * The links tie channels into classes. A class that reaches a result is independent of the rest: changing its
 * channels in all operands changes the result's channels of that class and no others. A class among operands
 * alone is contracted: once its channels are zero in one operand, those of the other operands do not matter.
 */
#include "test/support/op_samples.h"
#include "test/support/unit.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_PORTS = SAMPLE_OPERANDS + MAX_RESULTS };

/* Channels of all dimensions of all ports, numbered, in a union-find forest. */
struct classes {
    const struct op_instance *instance;
    char name[96];
    uint32_t ports, operands;
    uint32_t rank[MAX_PORTS];
    int64_t dim[MAX_PORTS][MAX_RANK];
    uint32_t first[MAX_PORTS][MAX_RANK]; /* number of channel 0 */
    uint32_t count, *parent;
    bool *frozen; /* of a class's root */
    bool named[MAX_PORTS][MAX_RANK];
};

static uint32_t port_number(const struct classes *c, uint32_t port) {
    return port >= PORT_RESULT ? c->operands + port - PORT_RESULT : port;
}

static uint32_t root_of(struct classes *c, uint32_t channel) {
    while (c->parent[channel] != channel) channel = c->parent[channel] = c->parent[c->parent[channel]];
    return channel;
}

static bool fail(const struct classes *c, const char *what) {
    fprintf(stderr, "%s: %s\n", c->name, what);
    unit_failures++;
    return false;
}

/* A side inside its dimension. */
static bool side_ok(const struct classes *c, const struct channel_side *side, int64_t count) {
    uint32_t port = port_number(c, side->port);
    if (port >= c->ports || side->dim >= c->rank[port]) return fail(c, "a link names no dimension");
    int64_t last = side->start + (count - 1) * side->stride;
    if (min_i64(side->start, last) < 0 || side->chunk < 1 ||
        max_i64(side->start, last) + side->chunk > c->dim[port][side->dim])
        return fail(c, "a link leaves its dimension");
    return true;
}

static void tie(struct classes *c, const struct channel_link *l) {
    if (!side_ok(c, &l->a, l->count) || !side_ok(c, &l->b, l->count)) return;
    const struct channel_side *sides[2] = {&l->a, &l->b};
    for (int64_t i = 0; i < l->count; i++) {
        uint32_t first = UINT32_MAX;
        for (int s = 0; s < 2; s++) {
            uint32_t port = port_number(c, sides[s]->port);
            c->named[port][sides[s]->dim] = true;
            uint32_t at = c->first[port][sides[s]->dim] + (uint32_t)(sides[s]->start + i * sides[s]->stride);
            for (uint32_t k = 0; k < (uint32_t)sides[s]->chunk; k++) {
                if (first == UINT32_MAX) first = at + k;
                c->parent[root_of(c, at + k)] = root_of(c, first);
            }
        }
    }
}

static void freeze(struct classes *c, const struct channel_freeze *f) {
    uint32_t port = port_number(c, f->port);
    if (port >= c->ports || f->dim >= c->rank[port]) {
        fail(c, "a frozen dimension is none");
        return;
    }
    if (!f->why || !*f->why) fail(c, "a frozen dimension has no reason");
    c->named[port][f->dim] = true;
    for (int64_t i = 0; i < c->dim[port][f->dim]; i++)
        c->frozen[root_of(c, c->first[port][f->dim] + (uint32_t)i)] = true;
}

static struct classes classes_new(const struct op_instance *instance) {
    struct classes c = {.instance = instance, .operands = instance->operands};
    const struct op *op = op_get(instance->m, instance->op);
    op_sample_name(instance->sample, c.name);
    c.ports = c.operands + op->result_count;
    for (uint32_t p = 0; p < c.ports; p++) {
        if (p < c.operands && instance->in[p].elem == ELEM_NONE) continue;
        c.rank[p] =
            op_instance_extents(instance, p < c.operands ? p : PORT_RESULT + p - c.operands, c.dim[p]);
        for (uint32_t d = 0; d < c.rank[p]; d++) c.first[p][d] = c.count, c.count += (uint32_t)c.dim[p][d];
    }
    c.parent = xcalloc(c.count, sizeof *c.parent);
    c.frozen = xcalloc(c.count, sizeof *c.frozen);
    for (uint32_t i = 0; i < c.count; i++) c.parent[i] = i;
    struct channel_map map = {.m = instance->m, .op = op};
    op_info(op->kind)->channels(&map);
    for (uint32_t i = 0; i < map.links.count; i++) tie(&c, &map.links.at[i]);
    for (uint32_t i = 0; i < map.frozen.count; i++) freeze(&c, &map.frozen.at[i]);
    vec_free(&map.links);
    vec_free(&map.frozen);
    return c;
}

static bool in_class(struct classes *c, uint32_t class, uint32_t port, uint32_t dim, int64_t channel) {
    return root_of(c, c->first[port][dim] + (uint32_t)channel) == class;
}

/* True if element i of a port lies in a channel of the class. */
static bool touched(struct classes *c, uint32_t class, uint32_t port, int64_t i) {
    for (uint32_t d = c->rank[port]; d-- > 0; i /= c->dim[port][d])
        if (in_class(c, class, port, d, i % c->dim[port][d])) return true;
    return false;
}

static bool reaches(struct classes *c, uint32_t class, uint32_t port) {
    for (uint32_t d = 0; d < c->rank[port]; d++)
        for (int64_t i = 0; i < c->dim[port][d]; i++)
            if (in_class(c, class, port, d, i)) return true;
    return false;
}

/* The operands with the class's channels zero in operand `zero` and changed in the others, or changed in
 * operand `only` (UINT32_MAX: no such operand, all operands); seed 0: nothing is changed. */
struct mask {
    uint32_t zero, only;
    uint64_t seed;
};
enum { EVERY = UINT32_MAX };

static void masked(struct classes *c, uint32_t class, struct mask mask, struct tensor in[SAMPLE_OPERANDS]) {
    for (uint32_t p = 0; p < SAMPLE_OPERANDS; p++) {
        in[p] = (struct tensor){0};
        if (p >= c->operands || c->instance->in[p].elem == ELEM_NONE) continue;
        in[p] = tensor_copy(&c->instance->in[p]);
        for (int64_t i = 0; i < tensor_count(&in[p]); i++) {
            if (!touched(c, class, p, i)) continue;
            if (p == mask.zero)
                tensor_set_i64(&in[p], i, 0);
            else if (mask.seed && (mask.only == EVERY || mask.only == p))
                sample_perturb(&c->instance->sample->operand[p], &in[p], i, mask.seed);
        }
    }
}

static bool same(const struct tensor *a, const struct tensor *b, int64_t i) {
    if (elem_is_int(a->elem)) return tensor_get_i64(a, i) == tensor_get_i64(b, i);
    double x = tensor_get_f64(a, i), y = tensor_get_f64(b, i);
    return x == y || (isnan(x) && isnan(y));
}

/* Results that differ in elements that the class does not touch; *changed: some that it touches differ. */
static bool others_differ(struct classes *c, uint32_t class, const struct tensor *a, const struct tensor *b,
                          bool *changed) {
    bool others = false;
    for (uint32_t p = c->operands; p < c->ports; p++) {
        const struct tensor *x = &a[p - c->operands], *y = &b[p - c->operands];
        for (int64_t i = 0; i < tensor_count(x); i++) {
            if (same(x, y, i)) continue;
            if (touched(c, class, p, i))
                *changed = true;
            else
                others = true;
        }
    }
    return others;
}

static void run(const struct classes *c, struct tensor in[SAMPLE_OPERANDS], struct tensor *out) {
    op_instance_run(c->instance, in, false, out);
    for (uint32_t p = 0; p < SAMPLE_OPERANDS; p++) tensor_free(&in[p]);
}

static void free_results(const struct classes *c, struct tensor *out) {
    for (uint32_t r = 0; r < c->ports - c->operands; r++) tensor_free(&out[r]);
}

/* True if the results under two masks differ in channels that the class does not touch. */
static bool masks_differ(struct classes *c, uint32_t class, struct mask a, struct mask b, bool *changed) {
    struct tensor in[SAMPLE_OPERANDS], with_a[MAX_RESULTS], with_b[MAX_RESULTS];
    masked(c, class, a, in);
    run(c, in, with_a);
    masked(c, class, b, in);
    run(c, in, with_b);
    bool differ = others_differ(c, class, with_a, with_b, changed);
    free_results(c, with_a);
    free_results(c, with_b);
    return differ;
}

static void check_independent(struct classes *c, uint32_t class, bool *changed) {
    struct mask none = {EVERY, EVERY, 0};
    for (uint32_t only = 0; only <= c->operands; only++) {
        struct mask mask = {EVERY, only < c->operands ? only : EVERY, 99};
        if (masks_differ(c, class, none, mask, changed))
            fail(c, "a change of tied channels changes other channels");
    }
}

static void check_contracted(struct classes *c, uint32_t class) {
    bool changed = false;
    for (uint32_t zero = 0; zero < c->operands; zero++) {
        struct mask a = {zero, EVERY, 0}, b = {zero, EVERY, 99};
        if (reaches(c, class, zero) && masks_differ(c, class, a, b, &changed))
            fail(c, "zero channels are not contracted with tied ones");
    }
}

/* Every dimension of an operand is tied or frozen, unless there is but one channel. */
static void check_named(const struct classes *c) {
    for (uint32_t p = 0; p < c->operands; p++)
        for (uint32_t d = 0; d < c->rank[p]; d++)
            if (!c->named[p][d] && c->dim[p][d] > 1) {
                fprintf(stderr, "%s: dimension %u of operand %u is neither tied nor frozen\n", c->name, d, p);
                unit_failures++;
            }
}

/* A layernorm ties what is removed together, though its statistics mix all channels. */
static bool mixes(enum op_kind kind) {
    return kind == OP_layernorm;
}

static void check_sample(const struct op_sample *s) {
    struct op_instance instance = op_instance_new(s, 7);
    struct classes c = classes_new(&instance);
    bool changed = false, independent = false;
    check_named(&c);
    for (uint32_t class = 0; class < c.count; class ++) {
        if (root_of(&c, class) != class || c.frozen[class]) continue;
        uint32_t operands = 0, results = 0;
        for (uint32_t p = 0; p < c.ports; p++)
            if (reaches(&c, class, p)) *(p < c.operands ? &operands : &results) += 1;
        if (operands && results && !mixes(s->kind)) {
            independent = true;
            check_independent(&c, class, &changed);
        } else if (operands > 1 && !results) {
            check_contracted(&c, class);
        }
    }
    if (independent && !changed) fail(&c, "no change of tied channels changes the result");
    free(c.parent);
    free(c.frozen);
    op_instance_free(&instance);
}

/* A symbolic extent is frozen; the rest of the mapping is there all the same. */
static void symbolic_extents_are_frozen(void) {
    struct diag diag = {0};
    struct module *m = module_new("symbolic");
    const dim_id dims[] = {dim_symbol(&m->types, "batch", 1, 8), dim_const(&m->types, 3)};
    struct type type = type_make(ELEM_f32, dims_make(&m->types, dims, 2));
    value_id x = module_add_input(m, "x", type, (struct loc){0});
    struct builder b = builder_at_end(m, m->root, &diag);
    op_id relu = build_op(&b, OP_relu, &x, 1, NULL, 0, NULL);
    struct channel_map map = {.m = m, .op = op_get(m, relu)};
    op_info(OP_relu)->channels(&map);
    CHECK(map.frozen.count == 2 && map.frozen.at[0].dim == 0 && map.frozen.at[1].dim == 0);
    CHECK(map.links.count == 1 && map.links.at[0].count == 3 && map.links.at[0].a.dim == 1);
    vec_free(&map.links);
    vec_free(&map.frozen);
    module_free(m);
    diag_free(&diag);
}

int main(void) {
    const struct op_sample *s;
    for (size_t i = 0; (s = op_sample_at(i)); i++) check_sample(s);
    symbolic_extents_are_frozen();
    return unit_status();
}
