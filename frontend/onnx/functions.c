#include "frontend/onnx/functions.h"

#include "frontend/onnx/wire.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of fields in onnx.proto. */
enum { NODE_OVERLOAD = 8, FUNCTION_ATTRIBUTE_PROTO = 11, FUNCTION_OVERLOAD = 13 };

struct bytes {
    const unsigned char *at;
    size_t length;
};

/* What follows the length that protobuf-c keeps before the bytes of an unknown field. */
static struct bytes field_bytes(const ProtobufCMessageUnknownField *field) {
    size_t prefix = 0;
    while (prefix < field->len && field->data[prefix] & 0x80) prefix++;
    if (prefix == field->len) return (struct bytes){0};
    return (struct bytes){field->data + prefix + 1, field->len - prefix - 1};
}

static bool is_field(const ProtobufCMessageUnknownField *field, uint32_t number) {
    return field->tag == number && field->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

/* The last one wins; nothing when it is left out. */
static struct bytes text_field(const ProtobufCMessage *message, uint32_t number) {
    struct bytes text = {0};
    for (unsigned i = 0; i < message->n_unknown_fields; i++)
        if (is_field(&message->unknown_fields[i], number)) text = field_bytes(&message->unknown_fields[i]);
    return text;
}

const Onnx__FunctionProto *functions_find(const struct onnx_model *model, const Onnx__NodeProto *node) {
    struct bytes wanted = text_field(&node->base, NODE_OVERLOAD);
    for (size_t i = 0; i < model->proto->n_functions; i++) {
        const Onnx__FunctionProto *function = model->proto->functions[i];
        struct bytes overload = text_field(&function->base, FUNCTION_OVERLOAD);
        if (!strcmp(onnx_text(function->name), onnx_text(node->op_type)) &&
            !strcmp(onnx_text(function->domain), onnx_text(node->domain)) &&
            overload.length == wanted.length &&
            (!wanted.length || !memcmp(overload.at, wanted.at, wanted.length)))
            return function;
    }
    return NULL;
}

const struct attr_defaults *functions_defaults(const struct onnx_model *model,
                                               const Onnx__FunctionProto *function) {
    size_t i = 0;
    while (model->proto->functions[i] != function) i++;
    return &model->defaults[i];
}

static enum status read_defaults(const struct onnx_model *model, const Onnx__FunctionProto *function,
                                 struct diag *diag, struct attr_defaults *out) {
    const ProtobufCMessage *message = &function->base;
    out->at = xcalloc((size_t)message->n_unknown_fields + 1, sizeof *out->at);
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        if (!is_field(&message->unknown_fields[i], FUNCTION_ATTRIBUTE_PROTO)) continue;
        struct bytes bytes = field_bytes(&message->unknown_fields[i]);
        TRY(wire_check(&onnx__attribute_proto__descriptor, bytes.at, bytes.length, model->loc, diag));
        Onnx__AttributeProto *attr = onnx__attribute_proto__unpack(NULL, bytes.length, bytes.at);
        if (!attr)
            return diag_error(diag, model->loc, "the function '%s' has a default that is no attribute",
                              onnx_text(function->name));
        out->at[out->count++] = attr;
    }
    return STATUS_OK;
}

enum status functions_load(struct onnx_model *model, struct diag *diag) {
    model->defaults = xcalloc(model->proto->n_functions + 1, sizeof *model->defaults);
    for (size_t i = 0; i < model->proto->n_functions; i++)
        TRY(read_defaults(model, model->proto->functions[i], diag, &model->defaults[i]));
    return STATUS_OK;
}

void functions_free(struct onnx_model *model) {
    for (size_t i = 0; model->defaults && i < model->proto->n_functions; i++) {
        for (uint32_t k = 0; k < model->defaults[i].count; k++)
            onnx__attribute_proto__free_unpacked(model->defaults[i].at[k], NULL);
        free(model->defaults[i].at);
    }
    free(model->defaults);
}
