/* Channel mapping of a fuse: its body's mappings joined. Every channel of every dimension of every value in
 * the body is a node; links unite nodes; what remains of the classes at the operands and results is the
 * mapping. */
#include "ir/ops/shape.h"

struct body_dim {
    value_id value;
    uint32_t dim;
    int64_t base, extent; /* its nodes are [base, base + extent) */
    const char *frozen;   /* why, NULL if it is not */
};

struct join {
    const struct module *m;
    VEC(struct body_dim) dims;
    int64_t nodes;
    int64_t *parent;     /* union-find */
    const char **reason; /* of each class (at its root): why it is frozen */
};

static void add_value(struct join *j, value_id v) {
    struct type type = value_get(j->m, v)->type;
    for (uint32_t i = 0; i < j->dims.count; i++)
        if (value_same(j->dims.at[i].value, v)) return;
    for (uint32_t d = 0; d < type_rank(&j->m->types, type); d++) {
        int64_t extent = 0; /* symbolic ones are frozen and linked to nothing */
        dim_is_const(&j->m->types, dims_at(&j->m->types, type.shape, d), &extent);
        *vec_push(&j->dims) = (struct body_dim){v, d, j->nodes, extent, NULL};
        j->nodes += extent;
    }
}

static struct body_dim *find_dim(struct join *j, value_id v, uint32_t dim) {
    for (uint32_t i = 0; i < j->dims.count; i++)
        if (value_same(j->dims.at[i].value, v) && j->dims.at[i].dim == dim) return &j->dims.at[i];
    bug("a channel link to dimension %u, which its value does not have", dim);
}

static int64_t root_of(struct join *j, int64_t node) {
    while (j->parent[node] != node) node = j->parent[node] = j->parent[j->parent[node]];
    return node;
}

static void unite(struct join *j, int64_t a, int64_t b) {
    a = root_of(j, a);
    b = root_of(j, b);
    j->parent[a > b ? a : b] = a > b ? b : a;
}

static value_id port_value(const struct op *op, uint32_t port) {
    return port >= PORT_RESULT ? op->result[port - PORT_RESULT] : op->operand[port];
}

static void join_link(struct join *j, const struct op *op, const struct channel_link *link) {
    int64_t a = find_dim(j, port_value(op, link->a.port), link->a.dim)->base + link->a.start;
    int64_t b = find_dim(j, port_value(op, link->b.port), link->b.dim)->base + link->b.start;
    for (int64_t i = 0; i < link->count; i++, a += link->a.stride, b += link->b.stride) {
        for (int64_t k = 0; k < link->a.chunk; k++) unite(j, a, a + k);
        for (int64_t k = 0; k < link->b.chunk; k++) unite(j, a, b + k);
    }
}

static void join_op(struct join *j, const struct op *op) {
    struct channel_map map = {.m = j->m, .op = op};
    op_info(op->kind)->channels(&map);
    for (uint32_t i = 0; i < map.links.count; i++) join_link(j, op, &map.links.at[i]);
    for (uint32_t i = 0; i < map.frozen.count; i++) {
        const struct channel_freeze *f = &map.frozen.at[i];
        find_dim(j, port_value(op, f->port), f->dim)->frozen = f->why;
    }
    vec_free(&map.links);
    vec_free(&map.frozen);
}

/* -- from classes back to links -- */

/* Where a class was first seen at a port. */
struct seen {
    uint32_t port, dim;
    int64_t channel;
};

/* A link under construction: `run` channels from b on are tied to channel a of the first port; runs of the
 * same length at regular distances become one link. */
struct pending {
    struct channel_link link;
    int64_t a, b, run; /* the run being read; 0: none */
    uint32_t port, dim;
};

static void flush_link(struct channel_map *map, struct pending *p) {
    if (p->link.count) channels_link(map, p->link.a, p->link.b, p->link.count);
    p->link.count = 0;
}

static void flush_run(struct channel_map *map, struct pending *p, uint32_t port, uint32_t dim) {
    if (!p->run) return;
    struct channel_link *l = &p->link;
    bool same = l->count && l->a.port == p->port && l->a.dim == p->dim && l->b.chunk == p->run;
    if (same && l->count == 1) {
        l->a.stride = p->a - l->a.start;
        l->b.stride = p->b - l->b.start;
    }
    if (same && p->a == l->a.start + l->count * l->a.stride && p->b == l->b.start + l->count * l->b.stride) {
        l->count++;
    } else {
        flush_link(map, p);
        *l = (struct channel_link){{p->port, p->dim, p->a, 1, 1}, {port, dim, p->b, 1, p->run}, 1};
    }
    p->run = 0;
}

static void emit_dim(struct channel_map *map, struct join *j, struct seen *seen, uint32_t port,
                     const struct body_dim *d) {
    struct pending p = {.run = 0};
    const char *why = d->frozen;
    for (int64_t i = 0; i < d->extent; i++) {
        int64_t root = root_of(j, d->base + i);
        if (j->reason[root]) why = j->reason[root];
        struct seen *s = &seen[root];
        if (s->port == UINT32_MAX) {
            *s = (struct seen){port, d->dim, i};
            continue;
        }
        bool more = p.run && p.port == s->port && p.dim == s->dim && p.a == s->channel && p.b + p.run == i;
        if (!more) {
            flush_run(map, &p, port, d->dim);
            p.a = s->channel, p.b = i, p.port = s->port, p.dim = s->dim;
        }
        p.run++;
    }
    flush_run(map, &p, port, d->dim);
    flush_link(map, &p);
    if (why) channels_freeze(map, port, d->dim, why);
}

static void emit_port(struct channel_map *map, struct join *j, struct seen *seen, uint32_t port, value_id v) {
    for (uint32_t d = 0; d < type_rank(&j->m->types, value_get(j->m, v)->type); d++)
        emit_dim(map, j, seen, port, find_dim(j, v, d));
}

void channels_fuse(struct channel_map *map) {
    struct join j = {.m = map->m};
    const struct region *body = region_get(map->m, map->op->body);
    for (uint32_t i = 0; i < body->args.count; i++) add_value(&j, body->args.at[i]);
    for (uint32_t i = 0; i < body->ops.count; i++) {
        const struct op *op = op_get(j.m, body->ops.at[i]);
        for (uint32_t k = 0; k < op->operand_count; k++)
            if (!value_none(op->operand[k])) add_value(&j, op->operand[k]);
        for (uint32_t k = 0; k < op->result_count; k++) add_value(&j, op->result[k]);
    }
    j.parent = xcalloc((size_t)j.nodes, sizeof *j.parent);
    j.reason = xcalloc((size_t)j.nodes, sizeof *j.reason);
    struct seen *seen = xcalloc((size_t)j.nodes, sizeof *seen);
    for (int64_t i = 0; i < j.nodes; i++) {
        j.parent[i] = i;
        seen[i].port = UINT32_MAX;
    }
    for (uint32_t i = 0; i < body->ops.count; i++) join_op(&j, op_get(j.m, body->ops.at[i]));
    for (uint32_t i = 0; i < j.dims.count; i++)
        for (int64_t k = 0; j.dims.at[i].frozen && k < j.dims.at[i].extent; k++)
            j.reason[root_of(&j, j.dims.at[i].base + k)] = j.dims.at[i].frozen;
    for (uint32_t i = 0; i < body->args.count; i++) emit_port(map, &j, seen, i, body->args.at[i]);
    for (uint32_t i = 0; i < body->results.count; i++)
        emit_port(map, &j, seen, PORT_RESULT + i, body->results.at[i]);
    vec_free(&j.dims);
    free(j.parent);
    free(j.reason);
    free(seen);
}
