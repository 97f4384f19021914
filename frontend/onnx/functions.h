/* Functions of the model, and what later versions of the format say of them: protobuf-c's structures have no
 * fields for overloads and for defaults of attributes, but keep the bytes. */
#ifndef ADZE_FRONTEND_ONNX_FUNCTIONS_H
#define ADZE_FRONTEND_ONNX_FUNCTIONS_H

#include "frontend/onnx/onnx_model.h"

struct attr_defaults {
    Onnx__AttributeProto **at;
    uint32_t count;
};

/* Reads the defaults of all functions into model->defaults; wire_check has passed the model. */
MUST_USE enum status functions_load(struct onnx_model *model, struct diag *diag);
void functions_free(struct onnx_model *model);

/* The function that the node calls, by domain, name and overload. NULL: none. */
const Onnx__FunctionProto *functions_find(const struct onnx_model *model, const Onnx__NodeProto *node);
const struct attr_defaults *functions_defaults(const struct onnx_model *model,
                                               const Onnx__FunctionProto *function);

#endif
