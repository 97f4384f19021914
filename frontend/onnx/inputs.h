/* Inputs, constants and metadata of an ONNX graph, and the options that fix shapes and values. */
#ifndef ADZE_FRONTEND_ONNX_INPUTS_H
#define ADZE_FRONTEND_ONNX_INPUTS_H

#include "frontend/onnx/graph.h"
#include "frontend/onnx/importer.h"

/* Makes items of the graph's inputs (all of them but initializers, in order) and of the initializers that are
 * needed. */
MUST_USE enum status import_inputs(struct importer *im, const struct graph_order *order);

#endif
