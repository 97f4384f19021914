/* The graph of an ONNX file as a graph: who makes which value, in which order nodes can run, what is needed.
 */
#ifndef ADZE_FRONTEND_ONNX_GRAPH_H
#define ADZE_FRONTEND_ONNX_GRAPH_H

#include "frontend/onnx/onnx_model.h"

struct graph_order {
    uint32_t *nodes; /* indices of the nodes that the outputs need, definitions before uses, else in the
                        file's order */
    uint32_t count;
    struct map needed; /* names of the values that the outputs need */
};

/* Checks that every value has one definition and that nodes do not wait for each other in a cycle, also where
 * nobody needs them; errors name the values. Freed by graph_order_free, also after a failure. */
MUST_USE enum status graph_sort(const Onnx__GraphProto *graph, struct loc loc, struct diag *diag,
                                struct graph_order *out);
void graph_order_free(struct graph_order *order);

#endif
