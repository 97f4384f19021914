/* Graphs within graphs: bodies of control flow and model functions. */
#ifndef ADZE_FRONTEND_ONNX_SCOPE_H
#define ADZE_FRONTEND_ONNX_SCOPE_H

#include "frontend/onnx/functions.h"
#include "frontend/onnx/importer.h"

/* A call of a model function, whose attributes the nodes of the function refer to. */
struct function_call {
    const Onnx__NodeProto *node;
    const struct attr_defaults *defaults; /* of attributes that the call leaves out */
    const struct function_call *outer;
};

struct body {
    const Onnx__GraphProto *graph;
    const ref *inputs; /* 0: left out */
    uint32_t input_count;
    int64_t opset;
    bool is_function; /* sees nothing of what is around it */
    const struct function_call *call;
};

/* Imports the body's nodes in place of n; out[] gets its outputs. A failure has been noted. */
MUST_USE enum status import_body(struct node *n, const struct body *body, ref *out);

MUST_USE enum status import_function(struct node *n, const Onnx__FunctionProto *function);

#endif
