#include "codegen/c_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 100 };

/* Keywords of C and C++, alternative tokens, and names that system headers make macros of. */
static const char *const reserved[] = {
    "alignas",      "alignof",      "and",           "and_eq",      "asm",
    "assert",       "auto",         "bitand",        "bitor",       "bool",
    "break",        "case",         "catch",         "char",        "char16_t",
    "char32_t",     "char8_t",      "class",         "co_await",    "co_return",
    "co_yield",     "compl",        "complex",       "concept",     "const",
    "const_cast",   "consteval",    "constexpr",     "constinit",   "continue",
    "decltype",     "default",      "delete",        "do",          "double",
    "dynamic_cast", "else",         "enum",          "eof",         "errno",
    "explicit",     "export",       "extern",        "false",       "far",
    "float",        "for",          "friend",        "goto",        "i",
    "i386",         "if",           "imaginary",     "import",      "inline",
    "int",          "linux",        "long",          "main",        "max",
    "min",          "module",       "mutable",       "namespace",   "near",
    "new",          "noexcept",     "noreturn",      "not",         "not_eq",
    "null",         "nullptr",      "operator",      "or",          "or_eq",
    "private",      "protected",    "public",        "register",    "reinterpret_cast",
    "requires",     "restrict",     "return",        "short",       "signed",
    "sizeof",       "static",       "static_assert", "static_cast", "stderr",
    "stdin",        "stdout",       "struct",        "switch",      "template",
    "this",         "thread_local", "throw",         "true",        "try",
    "typedef",      "typeid",       "typename",      "typeof",      "typeof_unqual",
    "union",        "unix",         "unsigned",      "using",       "virtual",
    "void",         "volatile",     "wchar_t",       "while",       "xor",
    "xor_eq",
};

static char *lower_case(const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = xmalloc(n);
    for (size_t i = 0; i < n; i++) copy[i] = (char)tolower((unsigned char)text[i]);
    return copy;
}

static bool is_reserved(const char *lower) {
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (strcmp(lower, reserved[i]) == 0) return true;
    return false;
}

/* Bytes of the UTF-8 sequence at `at`, whose code point is stored; a byte that begins none stands for itself.
 */
static size_t decode(const unsigned char *at, uint32_t *point) {
    size_t n = at[0] >= 0xf0 && at[0] < 0xf8 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc0 ? 2 : 1;
    uint32_t value = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            *point = at[0];
            return 1;
        }
        value = value << 6 | (at[i] & 0x3fu);
    }
    *point = value;
    return n;
}

/* Underscores come one at a time: two in a row are reserved in C++. */
static void add_underscore(struct str *out) {
    if (out->length && out->text[out->length - 1] != '_') str_add_char(out, '_');
}

static void spell(const char *name, struct str *out) {
    const unsigned char *at = (const unsigned char *)name;
    while (*at) {
        uint32_t point;
        at += decode(at, &point);
        if (point >= 0x80)
            str_printf(out, "u%04X", point);
        else if (isalnum((int)point))
            str_add_char(out, (char)point);
        else
            add_underscore(out);
    }
    while (out->length && out->text[out->length - 1] == '_') out->text[--out->length] = 0;
}

char *c_name(const char *name, struct c_names *names) {
    struct str text = {0};
    spell(name, &text);
    if (text.length == 0 || isdigit((unsigned char)text.text[0])) {
        struct str prefixed = {0};
        str_printf(&prefixed, "n%s", str_text(&text));
        str_free(&text);
        text = prefixed;
    }
    if (text.length > LONGEST) {
        text.length = LONGEST - 17;
        text.text[text.length] = 0;
        str_printf(&text, "_%016llx", (unsigned long long)hash_bytes(name, strlen(name), 0));
    }
    char *lower = lower_case(text.text);
    if (is_reserved(lower)) str_add_char(&text, '_');
    free(lower);

    bool is_new = names == NULL;
    size_t stem = text.length;
    for (unsigned next = 2; !is_new; next++) {
        lower = lower_case(text.text);
        map_put_str(&names->taken, lower, &is_new);
        free(lower);
        if (is_new) break;
        text.length = stem;
        text.text[stem] = 0;
        str_printf(&text, text.text[stem - 1] == '_' ? "%u" : "_%u", next);
    }
    return text.text;
}

void c_names_free(struct c_names *names) {
    map_free(&names->taken);
}
