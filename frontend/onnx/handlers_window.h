/* A convolution for handlers of other files. */
#ifndef ADZE_FRONTEND_ONNX_HANDLERS_WINDOW_H
#define ADZE_FRONTEND_ONNX_HANDLERS_WINDOW_H

#include "frontend/onnx/importer.h"

/* conv1d or conv2d of in[0] (the value), in[1] (the weights) and, with count 3, in[2] (the bias), with the
 * geometry that the node's attributes give. 0 after a failure that has been noted. */
ref emit_convolution(struct node *n, const ref in[], uint32_t count);

#endif
