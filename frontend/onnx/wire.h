/* A check of protobuf bytes before protobuf-c sees them: protobuf-c recurses for each level of messages, so a
 * small nested file overflows its stack; it allocates for each field, and cuts strings at NUL. */
#ifndef ADZE_FRONTEND_ONNX_WIRE_H
#define ADZE_FRONTEND_ONNX_WIRE_H

#include "ir/base/diag.h"

#include <protobuf-c/protobuf-c.h>

/* Walks the bytes as a message of the given type, without recursion. After STATUS_OK: messages are nested at
 * most WIRE_DEEPEST levels; every tag, varint and length lies within its message; no more than
 * WIRE_MOST_ITEMS messages, strings and unknown fields are to be allocated; a message that may occur once
 * occurs once (protobuf-c would merge, recursively); strings are UTF-8 without NUL, but for doc_string, which
 * nobody reads. The values are still hostile. The error names the path of fields and the byte where the walk
 * stopped. */
enum { WIRE_DEEPEST = 64, WIRE_MOST_ITEMS = 1 << 23 };
MUST_USE enum status wire_check(const ProtobufCMessageDescriptor *type, const unsigned char *bytes,
                                size_t size, struct loc loc, struct diag *diag);

#endif
