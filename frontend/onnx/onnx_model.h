/* An ONNX file in memory: protobuf-c's structures, and tensors read from whichever field or file holds their
 * values.
 *
 * The file is checked by wire_check before protobuf-c sees it. After onnx_model_load the structure is sound
 * and there is a graph; every number and name in it is still hostile. */
#ifndef ADZE_FRONTEND_ONNX_ONNX_MODEL_H
#define ADZE_FRONTEND_ONNX_ONNX_MODEL_H

#include "ir/base/file.h"
#include "ir/tensor.h"

#include "onnx/onnx.pb-c.h"

struct onnx_model {
    Onnx__ModelProto *proto;
    char *folder; /* of the file: outside data lie in it or below */
    struct loc loc;
    struct map file_index; /* of outside data: path -> index into files */
    VEC(struct file_view) files;
    struct attr_defaults *defaults; /* of the attributes of each function (functions.h) */
};

/* On failure *out is NULL. Tensors made of the model may point into it, so it must outlive them. */
MUST_USE enum status onnx_model_load(const char *path, struct diag *diag, struct onnx_model **out);
void onnx_model_free(struct onnx_model *model); /* accepts NULL */

/* The values of a TensorProto, from raw_data, the typed list of its element type, or outside data. A view of
 * the model's memory where that is laid out as needed, else owned. `what` names the tensor in diagnostics. */
MUST_USE enum status onnx_tensor_read(struct onnx_model *model, const Onnx__TensorProto *proto,
                                      const char *what, struct diag *diag, struct tensor *out);

/* Element type of TensorProto.DataType; ELEM_NONE for what adze has no type for (text, complex, float8, 4
 * bits). */
enum elem onnx_elem(int64_t data_type);
/* Integers of 4 bits: constants of them are read as i8 or u8, which this gives; ELEM_NONE for others. */
enum elem onnx_nibble_elem(int64_t data_type);
enum { ONNX_ELEM_TEXT = 32 };
/* For diagnostics: adze's name of the type or else ONNX's ("float8e5m2"), "type 99" when neither has one. */
const char *onnx_elem_text(int64_t data_type, char out[ONNX_ELEM_TEXT]);

/* The same of a SparseTensorProto, with its zeros. */
MUST_USE enum status onnx_sparse_read(struct onnx_model *model, const Onnx__SparseTensorProto *proto,
                                      const char *what, struct diag *diag, struct tensor *out);

/* Protobuf leaves out empty text: NULL becomes "". */
static inline const char *onnx_text(const char *text) {
    return text ? text : "";
}
/* A sparse tensor has the name of its values. */
static inline const char *onnx_sparse_name(const Onnx__SparseTensorProto *proto) {
    return proto->values ? onnx_text(proto->values->name) : "";
}

#endif
