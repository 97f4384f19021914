/* JSON from a stranger, through cJSON. cJSON recurses for each level, allocates 64 bytes for each value and
 * cuts strings at NUL; so the text is scanned first, without recursion, and what would hurt is refused. */
#ifndef ADZE_FRONTEND_TENSORFILE_JSON_H
#define ADZE_FRONTEND_TENSORFILE_JSON_H

#include "ir/base/diag.h"
#include "ir/base/str.h"

#include <cjson/cJSON.h>

struct json_limits {
    uint32_t depth;  /* of nested objects and arrays */
    uint32_t values; /* in all */
};

/* Parses `length` bytes, which must be one JSON value with nothing but blanks around it: well-formed UTF-8,
 * no NUL (also none escaped), within `limits`. The caller frees *out by cJSON_Delete. */
MUST_USE enum status json_parse(const char *text, size_t length, struct json_limits limits, struct loc loc,
                                struct diag *diag, cJSON **out);

/* A whole number in [0, 2^53), where doubles are exact. False for anything else. */
bool json_whole_number(const cJSON *item, int64_t *out);

/* Appends `text` as a JSON string. */
void json_add_string(struct str *out, const char *text);

#endif
