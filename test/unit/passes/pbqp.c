/* The PBQP solver against all assignments: exact on trees and ladders, never below the optimum elsewhere, and
 * its total is the cost of its own choice. */
#include "passes/pbqp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODES = 7, ALTERNATIVES = 3 };

struct problem {
    double node[NODES][ALTERNATIVES];
    bool edge[NODES][NODES];
    double cost[NODES][NODES][ALTERNATIVES * ALTERNATIVES];
};

static double noise(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / 1048576.0;
}

static void add_edge(struct problem *p, int a, int b, uint64_t *state) {
    p->edge[a][b] = true;
    for (int i = 0; i < ALTERNATIVES * ALTERNATIVES; i++) p->cost[a][b][i] = noise(state);
}

static double total(const struct problem *p, const uint32_t *choice) {
    double sum = 0;
    for (int a = 0; a < NODES; a++) {
        sum += p->node[a][choice[a]];
        for (int b = 0; b < NODES; b++)
            if (p->edge[a][b]) sum += p->cost[a][b][choice[a] * ALTERNATIVES + choice[b]];
    }
    return sum;
}

static double least(const struct problem *p) {
    uint32_t choice[NODES] = {0};
    double best = total(p, choice);
    for (;;) {
        int n = 0;
        while (n < NODES && ++choice[n] == ALTERNATIVES) choice[n++] = 0;
        if (n == NODES) return best;
        best = fmin(best, total(p, choice));
    }
}

static double solve(const struct problem *p, uint32_t *choice) {
    struct pbqp *s = pbqp_new(NODES);
    for (uint32_t n = 0; n < NODES; n++) pbqp_set_node(s, n, p->node[n], ALTERNATIVES);
    for (uint32_t a = 0; a < NODES; a++)
        for (uint32_t b = 0; b < NODES; b++)
            if (p->edge[a][b]) pbqp_add_edge(s, a, b, p->cost[a][b]);
    double cost = pbqp_solve(s, choice);
    pbqp_free(s);
    return cost;
}

static int failures;

static void expect(bool ok, const char *what, unsigned seed) {
    if (ok) return;
    failures++;
    printf("seed %u: %s\n", seed, what);
}

/* Kinds of graphs: 0 trees, 1 ladders (every node has two neighbours before it at most in one chain), 2
 * dense. */
static void one(unsigned seed, int kind) {
    static struct problem p;
    uint64_t state = seed * 2654435761u + 1;
    p = (struct problem){0};
    for (int n = 0; n < NODES; n++)
        for (int i = 0; i < ALTERNATIVES; i++) p.node[n][i] = noise(&state);
    for (int n = 1; n < NODES; n++) {
        if (kind == 0) add_edge(&p, (int)(noise(&state) * 1e6) % n, n, &state);
        if (kind == 1) add_edge(&p, n - 1, n, &state);
        if (kind == 1 && n > 1) add_edge(&p, n, n - 2, &state);
        for (int m = 0; kind == 2 && m < n; m++) add_edge(&p, m, n, &state);
    }
    uint32_t choice[NODES];
    double cost = solve(&p, choice), optimum = least(&p);
    expect(fabs(cost - total(&p, choice)) < 1e-9, "the total is not the cost of the choice", seed);
    expect(kind == 2 || fabs(cost - optimum) < 1e-9, "not the optimum of a graph that reduces", seed);
    expect(cost > optimum - 1e-9, "below the optimum", seed);
    expect(kind != 2 || cost < 1.25 * optimum, "far from the optimum of a dense graph", seed);
}

int main(void) {
    for (unsigned seed = 1; seed <= 60; seed++)
        for (int kind = 0; kind < 3; kind++) one(seed, kind);
    return failures != 0;
}
