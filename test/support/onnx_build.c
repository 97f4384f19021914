#include "test/support/onnx_build.h"

#include <stdlib.h>
#include <string.h>

/* Lists grow by copying: models here are small. */
static void *push(struct onnx_builder *b, void *list, size_t *count, void *item) {
    void **longer = arena_array(&b->arena, void *, *count + 1);
    if (list) memcpy(longer, list, *count * sizeof *longer);
    longer[(*count)++] = item;
    return longer;
}

#define MAKE(type, lower)                                                                                    \
    static type *make_##lower(struct onnx_builder *b) {                                                      \
        type *p = arena_new(&b->arena, type);                                                                \
        onnx__##lower##__init(p);                                                                            \
        return p;                                                                                            \
    }
MAKE(Onnx__ModelProto, model_proto)
MAKE(Onnx__GraphProto, graph_proto)
MAKE(Onnx__NodeProto, node_proto)
MAKE(Onnx__AttributeProto, attribute_proto)
MAKE(Onnx__TensorProto, tensor_proto)
MAKE(Onnx__ValueInfoProto, value_info_proto)
MAKE(Onnx__TypeProto, type_proto)
MAKE(Onnx__TypeProto__Tensor, type_proto__tensor)
MAKE(Onnx__TensorShapeProto, tensor_shape_proto)
MAKE(Onnx__TensorShapeProto__Dimension, tensor_shape_proto__dimension)
MAKE(Onnx__OperatorSetIdProto, operator_set_id_proto)
MAKE(Onnx__StringStringEntryProto, string_string_entry_proto)

struct onnx_builder onnx_begin(int64_t opset) {
    struct onnx_builder b = {0};
    b.model = make_model_proto(&b);
    b.graph = b.model->graph = make_graph_proto(&b);
    b.model->has_ir_version = 1;
    b.model->ir_version = 8;
    Onnx__OperatorSetIdProto *set = make_operator_set_id_proto(&b);
    set->has_version = 1;
    set->version = opset;
    b.model->opset_import = push(&b, NULL, &b.model->n_opset_import, set);
    return b;
}

/* The next word of a list, or NULL. */
static char *word(struct onnx_builder *b, const char **list) {
    *list += strspn(*list, " ");
    size_t length = strcspn(*list, " ");
    if (!length) return NULL;
    char *text = arena_strndup(&b->arena, *list, length);
    *list += length;
    return text;
}

static void add_dim(struct onnx_builder *b, Onnx__TensorShapeProto *shape, char *text) {
    Onnx__TensorShapeProto__Dimension *dim = make_tensor_shape_proto__dimension(b);
    char *end;
    dim->dim_value = strtoll(text, &end, 10);
    dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    if (*end) {
        dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        dim->dim_param = text;
    }
    shape->dim = push(b, shape->dim, &shape->n_dim, dim);
}

void onnx_input(struct onnx_builder *b, const char *name, int32_t type, const char *dims) {
    Onnx__ValueInfoProto *info = make_value_info_proto(b);
    info->name = arena_strdup(&b->arena, name);
    info->type = make_type_proto(b);
    info->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    info->type->tensor_type = make_type_proto__tensor(b);
    info->type->tensor_type->has_elem_type = 1;
    info->type->tensor_type->elem_type = type;
    info->type->tensor_type->shape = make_tensor_shape_proto(b);
    for (char *text; (text = word(b, &dims));) add_dim(b, info->type->tensor_type->shape, text);
    b->graph->input = push(b, b->graph->input, &b->graph->n_input, info);
}

void onnx_output(struct onnx_builder *b, const char *name) {
    Onnx__ValueInfoProto *info = make_value_info_proto(b);
    info->name = arena_strdup(&b->arena, name);
    b->graph->output = push(b, b->graph->output, &b->graph->n_output, info);
}

Onnx__NodeProto *onnx_node(struct onnx_builder *b, const char *op, const char *inputs, const char *outputs) {
    Onnx__NodeProto *node = make_node_proto(b);
    node->op_type = arena_strdup(&b->arena, op);
    for (char *text; (text = word(b, &inputs));)
        node->input =
            push(b, node->input, &node->n_input, strcmp(text, "-") ? text : arena_strdup(&b->arena, ""));
    for (char *text; (text = word(b, &outputs));) node->output = push(b, node->output, &node->n_output, text);
    node->name = arena_printf(&b->arena, "%s_node", node->n_output ? node->output[0] : op);
    b->graph->node = push(b, b->graph->node, &b->graph->n_node, node);
    return node;
}

static Onnx__AttributeProto *add_attr(struct onnx_builder *b, Onnx__NodeProto *node, const char *name,
                                      Onnx__AttributeProto__AttributeType type) {
    Onnx__AttributeProto *attr = make_attribute_proto(b);
    attr->name = arena_strdup(&b->arena, name);
    attr->has_type = 1;
    attr->type = type;
    node->attribute = push(b, node->attribute, &node->n_attribute, attr);
    return attr;
}

void onnx_attr_int(struct onnx_builder *b, Onnx__NodeProto *node, const char *name, int64_t value) {
    Onnx__AttributeProto *attr = add_attr(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    attr->has_i = 1;
    attr->i = value;
}

static int64_t *numbers(struct onnx_builder *b, const char *list, size_t *count) {
    int64_t *at = arena_array(&b->arena, int64_t, strlen(list) + 1);
    for (char *text; (text = word(b, &list));) at[(*count)++] = strtoll(text, NULL, 10);
    return at;
}

void onnx_attr_ints(struct onnx_builder *b, Onnx__NodeProto *node, const char *name, const char *values) {
    Onnx__AttributeProto *attr = add_attr(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    attr->ints = numbers(b, values, &attr->n_ints);
}

Onnx__TensorProto *onnx_tensor(struct onnx_builder *b, const char *name, int32_t type, const char *dims) {
    Onnx__TensorProto *tensor = make_tensor_proto(b);
    tensor->name = arena_strdup(&b->arena, name);
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->dims = numbers(b, dims, &tensor->n_dims);
    b->graph->initializer = push(b, b->graph->initializer, &b->graph->n_initializer, tensor);
    return tensor;
}

Onnx__TensorProto *onnx_floats(struct onnx_builder *b, const char *name, const char *dims,
                               const float *values) {
    Onnx__TensorProto *tensor = onnx_tensor(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims);
    tensor->n_float_data = 1;
    for (size_t i = 0; i < tensor->n_dims; i++) tensor->n_float_data *= (size_t)tensor->dims[i];
    tensor->float_data = arena_copy(&b->arena, values, tensor->n_float_data * sizeof *values);
    return tensor;
}

Onnx__TensorProto *onnx_int64s(struct onnx_builder *b, const char *name, const char *values) {
    Onnx__TensorProto *tensor = onnx_tensor(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, "");
    tensor->int64_data = numbers(b, values, &tensor->n_int64_data);
    tensor->dims = arena_new(&b->arena, int64_t);
    tensor->dims[0] = (int64_t)tensor->n_int64_data;
    tensor->n_dims = 1;
    return tensor;
}

void onnx_outside(struct onnx_builder *b, Onnx__TensorProto *tensor, const char *key, const char *value) {
    Onnx__StringStringEntryProto *entry = make_string_string_entry_proto(b);
    entry->key = arena_strdup(&b->arena, key);
    entry->value = arena_strdup(&b->arena, value);
    tensor->has_data_location = 1;
    tensor->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    tensor->external_data = push(b, tensor->external_data, &tensor->n_external_data, entry);
}

const unsigned char *onnx_bytes(struct onnx_builder *b, size_t *size) {
    *size = onnx__model_proto__get_packed_size(b->model);
    unsigned char *bytes = arena_alloc(&b->arena, *size);
    onnx__model_proto__pack(b->model, bytes);
    return bytes;
}

void onnx_end(struct onnx_builder *b) {
    arena_free(&b->arena);
}
