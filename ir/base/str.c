#include "ir/base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct str *s, size_t more) {
    if (more > SIZE_MAX / 4 - s->length) bug("string of %zu bytes", s->length);
    size_t need = s->length + more + 1;
    if (need <= s->capacity) return;
    s->capacity = need < 64 ? 64 : need * 2;
    s->text = xrealloc(s->text, s->capacity);
}

void str_add_bytes(struct str *s, const char *text, size_t length) {
    reserve(s, length);
    if (length) memcpy(s->text + s->length, text, length);
    s->length += length;
    s->text[s->length] = 0;
}

void str_add(struct str *s, const char *text) {
    str_add_bytes(s, text, strlen(text));
}

void str_add_char(struct str *s, char c) {
    str_add_bytes(s, &c, 1);
}

void str_vprintf(struct str *s, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    check(length >= 0);
    reserve(s, (size_t)length);
    vsnprintf(s->text + s->length, (size_t)length + 1, fmt, again);
    s->length += (size_t)length;
    va_end(again);
}

void str_printf(struct str *s, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    str_vprintf(s, fmt, args);
    va_end(args);
}

void str_add_quoted(struct str *s, const char *text) {
    str_add_char(s, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) switch (*p) {
        case '"':
            str_add(s, "\\\"");
            break;
        case '\\':
            str_add(s, "\\\\");
            break;
        case '\n':
            str_add(s, "\\n");
            break;
        case '\t':
            str_add(s, "\\t");
            break;
        case '\r':
            str_add(s, "\\r");
            break;
        default:
            if (*p < 0x20 || *p == 0x7f)
                str_printf(s, "\\x%02x", *p);
            else
                str_add_char(s, (char)*p);
        }
    str_add_char(s, '"');
}

const char *str_text(const struct str *s) {
    return s->text ? s->text : "";
}

void str_free(struct str *s) {
    free(s->text);
    *s = (struct str){0};
}

static bool add_special(struct str *s, double v) {
    if (isnan(v))
        str_add(s, "nan");
    else if (isinf(v))
        str_add(s, v < 0 ? "-inf" : "inf");
    else
        return false;
    return true;
}

/* A float literal always shows that it is one, so that 1 (integer) and 1.0 (float) stay apart. */
static void add_as_float(struct str *s, const char *digits) {
    str_add(s, digits);
    if (!strpbrk(digits, ".e")) str_add(s, ".0");
}

/* Whole numbers of few digits without an exponent: 10.0 rather than 1e+01. */
static bool add_whole(struct str *s, double value) {
    if (!(fabs(value) < 1e7) || value != floor(value)) return false;
    str_printf(s, "%.1f", value);
    return true;
}

void str_add_f64(struct str *s, double value) {
    if (add_special(s, value) || add_whole(s, value)) return;
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    add_as_float(s, text);
}

void str_add_f32(struct str *s, float value) {
    if (add_special(s, (double)value) || add_whole(s, (double)value)) return;
    char text[40];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if ((float)strtod(text, NULL) == value) break; /* as readers do: no strtof there */
    }
    add_as_float(s, text);
}

unsigned str_distance(const char *a, const char *b, unsigned limit) {
    enum { LONGEST = 64 };
    size_t la = strlen(a), lb = strlen(b);
    if (la >= LONGEST || lb >= LONGEST) return limit + 1;
    unsigned row[LONGEST];
    for (unsigned j = 0; j <= lb; j++) row[j] = j;
    for (unsigned i = 1; i <= la; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= lb; j++) {
            unsigned cost = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned best = row[j] < row[j - 1] ? row[j] : row[j - 1];
            row[j] = best + 1 < cost ? best + 1 : cost;
        }
    }
    return row[lb] < limit + 1 ? row[lb] : limit + 1;
}

/* Unicode 15, table 3-7: the second byte alone decides about overlong forms, surrogates and the upper end. */
static size_t utf8_length(const unsigned char *p, size_t left) {
    if (p[0] < 0x80) return p[0] != 0;
    size_t length = p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;
    if (!length || length > left) return 0;
    unsigned low = p[0] == 0xE0 ? 0xA0 : p[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = p[0] == 0xED ? 0x9F : p[0] == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return length;
}

bool str_is_utf8(const char *text, size_t length) {
    for (size_t i = 0; i < length;) {
        size_t n = utf8_length((const unsigned char *)text + i, length - i);
        if (!n) return false;
        i += n;
    }
    return true;
}
