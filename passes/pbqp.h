/* Partitioned boolean quadratic problem: choose one alternative for each node so that the sum of node costs
 * and of edge costs (which depend on the alternatives at both ends) is least. Exact on graphs that reduce by
 * removing nodes of degree 0, 1 and 2 (chains, trees, ladders); elsewhere a node of highest degree is settled
 * by its local minimum. (Scholz, Eckstein: Register Allocation for Irregular Architectures, 2002; TVM's graph
 * tuner uses the same.) */
#ifndef ADZE_PASSES_PBQP_H
#define ADZE_PASSES_PBQP_H

#include "ir/base/base.h"

struct pbqp;
struct pbqp *pbqp_new(uint32_t nodes);
void pbqp_free(struct pbqp *p);
/* costs[0 … count): copied. Every node must get its alternatives before edges are added; count >= 1. */
void pbqp_set_node(struct pbqp *p, uint32_t node, const double *costs, uint32_t count);
/* cost[i * count(b) + j] is added when a takes i and b takes j. Parallel edges add up; a != b. */
void pbqp_add_edge(struct pbqp *p, uint32_t a, uint32_t b, const double *cost);
/* The chosen alternative of every node; returns the total cost. Deterministic. */
double pbqp_solve(struct pbqp *p, uint32_t *out_choice);

#endif
