/* The graph of an ONNX file as a graph: who makes which value, in which order nodes can run, what is needed.
 */
#ifndef ADZE_FRONTEND_ONNX_GRAPH_H
#define ADZE_FRONTEND_ONNX_GRAPH_H

#include "frontend/onnx/onnx_model.h"

/* Names of values. */
struct names {
    VEC(const char *) list;
};

/* Appends what the node reads: its inputs, and what graphs in its attributes read from around them. */
void graph_node_reads(const Onnx__NodeProto *node, struct names *out);

struct graph_order {
    uint32_t *nodes; /* indices of the nodes that the outputs need, definitions before uses, else in the
                        file's order */
    uint32_t count;
    struct map needed; /* names of the values that the outputs need */
};

/* Checks that every value has one definition and that nodes do not wait for each other in a cycle, also where
 * nobody needs them; errors name the values. A node with graphs in attributes reads what those read from
 * around them; `outer` has the names around this one (NULL: none). Freed by graph_order_free, also after a
 * failure. */
MUST_USE enum status graph_sort(const Onnx__GraphProto *graph, const struct map *outer, struct loc loc,
                                struct diag *diag, struct graph_order *out);
void graph_order_free(struct graph_order *order);

#endif
