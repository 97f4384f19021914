#include "passes/pbqp.h"

#include "ir/base/vec.h"

struct edge {
    uint32_t to;
    double *cost; /* [alternatives of the owner][alternatives of to]; each direction has its own copy */
};

struct node {
    double *cost;
    uint32_t count;
    VEC(struct edge) edges;
    bool removed;
};

struct pbqp {
    struct node *node;
    uint32_t nodes;
};

struct pbqp *pbqp_new(uint32_t nodes) {
    struct pbqp *p = xcalloc(1, sizeof *p);
    p->node = xcalloc(nodes, sizeof *p->node);
    p->nodes = nodes;
    return p;
}

void pbqp_free(struct pbqp *p) {
    for (uint32_t i = 0; i < p->nodes; i++) {
        for (uint32_t e = 0; e < p->node[i].edges.count; e++) free(p->node[i].edges.at[e].cost);
        vec_free(&p->node[i].edges);
        free(p->node[i].cost);
    }
    free(p->node);
    free(p);
}

void pbqp_set_node(struct pbqp *p, uint32_t node, const double *costs, uint32_t count) {
    check(node < p->nodes && count > 0 && !p->node[node].cost);
    p->node[node].cost = xmalloc(count * sizeof *costs);
    memcpy(p->node[node].cost, costs, count * sizeof *costs);
    p->node[node].count = count;
}

static struct edge *find_edge(struct node *n, uint32_t to) {
    for (uint32_t i = 0; i < n->edges.count; i++)
        if (n->edges.at[i].to == to) return &n->edges.at[i];
    return NULL;
}

static double *edge_costs(struct pbqp *p, uint32_t a, uint32_t b) {
    struct edge *e = find_edge(&p->node[a], b);
    if (!e) {
        e = vec_push(&p->node[a].edges);
        e->to = b;
        e->cost = xcalloc((size_t)p->node[a].count * p->node[b].count, sizeof *e->cost);
    }
    return e->cost;
}

void pbqp_add_edge(struct pbqp *p, uint32_t a, uint32_t b, const double *cost) {
    check(a != b && a < p->nodes && b < p->nodes && p->node[a].count && p->node[b].count);
    uint32_t na = p->node[a].count, nb = p->node[b].count;
    double *forth = edge_costs(p, a, b), *back = edge_costs(p, b, a);
    for (uint32_t i = 0; i < na; i++)
        for (uint32_t j = 0; j < nb; j++) {
            forth[i * nb + j] += cost[i * nb + j];
            back[j * na + i] += cost[i * nb + j];
        }
}

/* The neighbours that have not been removed; their number is the degree. At most `room` are stored. */
static uint32_t live_edges(const struct pbqp *p, uint32_t n, struct edge *out, uint32_t room) {
    uint32_t degree = 0;
    for (uint32_t i = 0; i < p->node[n].edges.count; i++) {
        struct edge e = p->node[n].edges.at[i];
        if (p->node[e.to].removed) continue;
        if (degree < room) out[degree] = e;
        degree++;
    }
    return degree;
}

/* Degree 1: the node's best answer to each alternative of its neighbour is added to the neighbour's own cost.
 */
static void reduce_one(struct pbqp *p, uint32_t n, struct edge e) {
    struct node *x = &p->node[n], *y = &p->node[e.to];
    for (uint32_t j = 0; j < y->count; j++) {
        double best = x->cost[0] + e.cost[j];
        for (uint32_t i = 1; i < x->count; i++) {
            double c = x->cost[i] + e.cost[i * y->count + j];
            if (c < best) best = c;
        }
        y->cost[j] += best;
    }
}

/* Degree 2: the best answer to each pair becomes an edge between the two neighbours. */
static void reduce_two(struct pbqp *p, uint32_t n, struct edge e, struct edge f) {
    const struct node *x = &p->node[n];
    uint32_t na = p->node[e.to].count, nb = p->node[f.to].count;
    double *delta = xmalloc((size_t)na * nb * sizeof *delta);
    for (uint32_t a = 0; a < na; a++)
        for (uint32_t b = 0; b < nb; b++) {
            double best = x->cost[0] + e.cost[a] + f.cost[b];
            for (uint32_t i = 1; i < x->count; i++) {
                double c = x->cost[i] + e.cost[i * na + a] + f.cost[i * nb + b];
                if (c < best) best = c;
            }
            delta[a * nb + b] = best;
        }
    pbqp_add_edge(p, e.to, f.to, delta);
    free(delta);
}

/* The alternative that is best with what the live neighbours would answer to it alone. */
static uint32_t local_minimum(const struct pbqp *p, uint32_t n) {
    const struct node *x = &p->node[n];
    uint32_t choice = 0;
    double least = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        double total = x->cost[i];
        for (uint32_t k = 0; k < x->edges.count; k++) {
            struct edge e = x->edges.at[k];
            const struct node *y = &p->node[e.to];
            if (y->removed) continue;
            double best = e.cost[i * y->count] + y->cost[0];
            for (uint32_t j = 1; j < y->count; j++) {
                double c = e.cost[i * y->count + j] + y->cost[j];
                if (c < best) best = c;
            }
            total += best;
        }
        if (i == 0 || total < least) least = total, choice = i;
    }
    return choice;
}

/* Settles a node: its edge costs for that alternative move into the neighbours. */
static void settle(struct pbqp *p, uint32_t n, uint32_t choice) {
    for (uint32_t k = 0; k < p->node[n].edges.count; k++) {
        struct edge e = p->node[n].edges.at[k];
        struct node *y = &p->node[e.to];
        for (uint32_t j = 0; !y->removed && j < y->count; j++) y->cost[j] += e.cost[choice * y->count + j];
    }
}

struct step {
    uint32_t node;
    uint32_t degree; /* 0 to 2 when reduced exactly; 3: settled */
    uint32_t choice;
    struct edge e[2];
};

static struct step next_step(const struct pbqp *p) {
    struct step widest = {.degree = 0};
    uint32_t most = 0;
    for (uint32_t n = 0; n < p->nodes; n++) {
        if (p->node[n].removed) continue;
        struct step s = {.node = n};
        uint32_t degree = live_edges(p, n, s.e, 2);
        s.degree = degree;
        if (degree <= 2) return s;
        if (degree > most) most = degree, widest = s;
    }
    widest.degree = 3;
    return widest;
}

static uint32_t best_choice(const struct pbqp *p, const struct step *s, const uint32_t *choice) {
    if (s->degree == 3) return s->choice;
    const struct node *x = &p->node[s->node];
    uint32_t best = 0;
    double least = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        double c = x->cost[i];
        for (uint32_t k = 0; k < s->degree; k++)
            c += s->e[k].cost[i * p->node[s->e[k].to].count + choice[s->e[k].to]];
        if (i == 0 || c < least) least = c, best = i;
    }
    return best;
}

double pbqp_solve(struct pbqp *p, uint32_t *out_choice) {
    struct step *steps = xmalloc(p->nodes * sizeof *steps);
    double total = 0;
    for (uint32_t k = 0; k < p->nodes; k++) {
        struct step s = next_step(p);
        if (s.degree == 1) reduce_one(p, s.node, s.e[0]);
        if (s.degree == 2) reduce_two(p, s.node, s.e[0], s.e[1]);
        if (s.degree == 3) settle(p, s.node, s.choice = local_minimum(p, s.node));
        p->node[s.node].removed = true;
        steps[k] = s;
    }
    for (uint32_t k = p->nodes; k-- > 0;) out_choice[steps[k].node] = best_choice(p, &steps[k], out_choice);
    for (uint32_t k = 0; k < p->nodes; k++)
        if (steps[k].degree == 0 || steps[k].degree == 3)
            total += p->node[steps[k].node].cost[out_choice[steps[k].node]];
    free(steps);
    return total;
}
