/* String builder: a growing, always NUL-terminated byte buffer. */
#ifndef ADZE_IR_BASE_STR_H
#define ADZE_IR_BASE_STR_H

#include "ir/base/base.h"

#include <stdarg.h>

struct str {
    char *text; /* NULL while empty */
    size_t length, capacity;
};

void str_add(struct str *s, const char *text);
void str_add_bytes(struct str *s, const char *text, size_t length);
void str_add_char(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void str_vprintf(struct str *s, const char *fmt, va_list args);
/* `text` in double quotes with \" \\ \n \t \r and \xHH for other control bytes; UTF-8 passes through. */
void str_add_quoted(struct str *s, const char *text);
const char *str_text(const struct str *s); /* "" while empty */
void str_free(struct str *s);

/* Shortest decimal that reads back as the same value: of a double, and of a float held in a double. `inf`,
 * `-inf`, `nan`. */
void str_add_f64(struct str *s, double value);
void str_add_f32(struct str *s, float value);

/* Edit distance of two names, at most `limit` + 1: for "did you mean" hints. */
unsigned str_distance(const char *a, const char *b, unsigned limit);

/* True if the bytes are well-formed UTF-8 (no overlong forms, no surrogates) without a NUL. */
bool str_is_utf8(const char *text, size_t length);

#endif
