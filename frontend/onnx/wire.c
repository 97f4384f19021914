#include "frontend/onnx/wire.h"

#include "ir/base/str.h"

#include <string.h>

struct level {
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *field; /* that this message is, in the one around it */
    const unsigned char *end;
    uint64_t seen; /* bit i: fields[i] of type, a message that may occur once, occurred */
};

struct walk {
    const unsigned char *begin, *at;
    struct level level[WIRE_DEEPEST];
    uint32_t depth; /* levels in use */
    uint32_t items;
    struct loc loc;
    struct diag *diag;
};

static enum status stop(struct walk *w, const char *why) {
    struct str path = {0};
    for (uint32_t i = 0; i < w->depth; i++)
        str_printf(&path, "%s%s", i ? "." : "", i ? w->level[i].field->name : w->level[i].type->short_name);
    diag_error(w->diag, w->loc, "not a sound ONNX file: %s (in %s, at byte %td)", why, str_text(&path),
               w->at - w->begin);
    str_free(&path);
    return STATUS_FAILED;
}

static enum status take_varint(struct walk *w, uint64_t *out) {
    const unsigned char *end = w->level[w->depth - 1].end;
    *out = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (w->at == end) return stop(w, "cut short within a number");
        unsigned char byte = *w->at++;
        *out |= (uint64_t)(byte & 0x7f) << (shift < 63 ? shift : 63);
        if (!(byte & 0x80)) return STATUS_OK;
    }
    return stop(w, "a number of more than ten bytes");
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type, uint64_t id) {
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].id == id) return &type->fields[i];
    return NULL;
}

static enum status enter(struct walk *w, const ProtobufCFieldDescriptor *field, size_t length) {
    struct level *around = &w->level[w->depth - 1];
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        uint64_t bit = (uint64_t)1 << (field - around->type->fields);
        check(around->type->n_fields <= 64);
        if (around->seen & bit) return stop(w, "a message that may occur once occurs again");
        around->seen |= bit;
    }
    if (w->depth == WIRE_DEEPEST) return stop(w, "messages are nested too deeply");
    w->level[w->depth++] = (struct level){field->descriptor, field, w->at + length, 0};
    return STATUS_OK;
}

static enum status take_length_prefixed(struct walk *w, const ProtobufCFieldDescriptor *field) {
    uint64_t length;
    TRY(take_varint(w, &length));
    if (length > (size_t)(w->level[w->depth - 1].end - w->at))
        return stop(w, "cut short, or a length that is more than there is");
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) return enter(w, field, length);
    if (field && field->type == PROTOBUF_C_TYPE_STRING && strcmp(field->name, "doc_string") &&
        !str_is_utf8((const char *)w->at, length))
        return stop(w, "a text that is not UTF-8");
    w->at += length;
    return STATUS_OK;
}

static enum status take_field(struct walk *w) {
    uint64_t tag, number;
    TRY(take_varint(w, &tag));
    const ProtobufCFieldDescriptor *field = find_field(w->level[w->depth - 1].type, tag >> 3);
    size_t left = (size_t)(w->level[w->depth - 1].end - w->at);
    if ((!field || (tag & 7) == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) && ++w->items > WIRE_MOST_ITEMS)
        return stop(w, "too many fields");
    if (!(tag >> 3) || tag >> 32) return stop(w, "a field number out of range");
    switch (tag & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return take_varint(w, &number);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return take_length_prefixed(w, field);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
    case PROTOBUF_C_WIRE_TYPE_32BIT: {
        size_t width = (tag & 7) == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4;
        if (left < width) return stop(w, "cut short within a number");
        w->at += width;
        return STATUS_OK;
    }
    default:
        return stop(w, "an unknown kind of field");
    }
}

enum status wire_check(const ProtobufCMessageDescriptor *type, const unsigned char *bytes, size_t size,
                       struct loc loc, struct diag *diag) {
    struct walk w = {.begin = bytes, .at = bytes, .depth = 1, .loc = loc, .diag = diag};
    w.level[0] = (struct level){type, NULL, bytes + size, 0};
    for (;;) {
        while (w.depth && w.at == w.level[w.depth - 1].end) w.depth--;
        if (!w.depth) return STATUS_OK;
        TRY(take_field(&w));
    }
}
