/* Builds small ONNX models for tests: `struct onnx_builder b = onnx_begin(13); onnx_node(&b, "Add", "a b",
 * "c"); …` Names in lists are separated by blanks; "-" stands for an input that is left out. Everything lives
 * in the arena. */
#ifndef ADZE_TEST_SUPPORT_ONNX_BUILD_H
#define ADZE_TEST_SUPPORT_ONNX_BUILD_H

#include "ir/tensor.h"

#include "onnx/onnx.pb-c.h"

struct onnx_builder {
    struct arena arena;
    Onnx__ModelProto *model;
    Onnx__GraphProto *graph;
};

struct onnx_builder onnx_begin(int64_t opset);
/* `dims`: "2 3 batch ?". */
void onnx_input(struct onnx_builder *b, const char *name, int32_t type, const char *dims);
void onnx_output(struct onnx_builder *b, const char *name);
Onnx__NodeProto *onnx_node(struct onnx_builder *b, const char *op, const char *inputs, const char *outputs);
void onnx_attr_int(struct onnx_builder *b, Onnx__NodeProto *node, const char *name, int64_t value);
void onnx_attr_ints(struct onnx_builder *b, Onnx__NodeProto *node, const char *name, const char *values);
/* An initializer without values: the caller fills in the field. */
Onnx__TensorProto *onnx_tensor(struct onnx_builder *b, const char *name, int32_t type, const char *dims);
Onnx__TensorProto *onnx_floats(struct onnx_builder *b, const char *name, const char *dims,
                               const float *values);
Onnx__TensorProto *onnx_int64s(struct onnx_builder *b, const char *name, const char *values); /* rank 1 */
void onnx_outside(struct onnx_builder *b, Onnx__TensorProto *tensor, const char *key, const char *value);
/* The file's bytes, in the arena. */
const unsigned char *onnx_bytes(struct onnx_builder *b, size_t *size);
void onnx_end(struct onnx_builder *b);

#endif
