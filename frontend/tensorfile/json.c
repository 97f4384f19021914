#include "frontend/tensorfile/json.h"

#include <string.h>

struct scan {
    uint32_t depth, values;
    bool in_string;
};

/* Why the text cannot be given to cJSON, or NULL. Brackets and commas outside of strings bound depth and
 * number of values whatever else is wrong with the text; the grammar is left to cJSON. */
static const char *scan_text(const char *text, size_t length, struct json_limits limits) {
    struct scan scan = {.values = 1};
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (scan.in_string) {
            if ((unsigned char)c < 0x20) return "a control character in a string";
            if (c == '"') scan.in_string = false;
            if (c != '\\') continue;
            if (length - i >= 6 && !memcmp(text + i, "\\u0000", 6)) return "an escaped NUL in a string";
            i++;
        } else if (c == '"') {
            scan.in_string = true;
        } else if (c == '{' || c == '[') {
            if (++scan.depth > limits.depth) return "too deeply nested";
            scan.values++;
        } else if (c == '}' || c == ']') {
            if (!scan.depth--) return "a bracket that closes nothing";
        } else if (c == ',') {
            scan.values++;
        }
        if (scan.values > limits.values) return "too many values";
    }
    return scan.in_string || scan.depth ? "unbalanced brackets or quotes" : NULL;
}

static bool only_blanks(const char *text, const char *end) {
    while (text < end && (*text == ' ' || *text == '\n' || *text == '\t' || *text == '\r')) text++;
    return text == end;
}

enum status json_parse(const char *text, size_t length, struct json_limits limits, struct loc loc,
                       struct diag *diag, cJSON **out) {
    *out = NULL;
    if (!str_is_utf8(text, length)) return diag_error(diag, loc, "the header is not UTF-8 text");
    const char *why = scan_text(text, length, limits);
    if (why) return diag_error(diag, loc, "the header is not acceptable JSON: %s", why);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &end, false);
    if (root && only_blanks(end, text + length)) {
        *out = root;
        return STATUS_OK;
    }
    cJSON_Delete(root);
    return diag_error(diag, loc, "the header is not JSON: syntax error at its byte %td",
                      end ? end - text : 0);
}

bool json_whole_number(const cJSON *item, int64_t *out) {
    const double limit = 9007199254740992.0;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < limit)) return false;
    *out = (int64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

void json_add_string(struct str *out, const char *text) {
    str_add_char(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_printf(out, "\\%c", *p);
        else if ((unsigned char)*p < 0x20)
            str_printf(out, "\\u%04x", (unsigned)*p);
        else
            str_add_char(out, *p);
    }
    str_add_char(out, '"');
}
