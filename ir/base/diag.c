#include "ir/base/diag.h"

#include <string.h>

uint32_t diag_add_source(struct diag *diag, const char *name, const char *text, size_t length) {
    *vec_push(&diag->sources) = (struct source){
        arena_strdup(&diag->arena, name), text ? arena_strndup(&diag->arena, text, length) : NULL, length};
    return diag->sources.count;
}

/* Names come from files of strangers: control characters would reach the terminal as commands. */
static void make_harmless(char *text) {
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t') || *text == 0x7f) *text = '?';
}

static void add(struct diag *diag, enum severity severity, struct loc loc, const char *fmt, va_list args) {
    char *text = arena_vprintf(&diag->arena, fmt, args);
    make_harmless(text);
    *vec_push(&diag->list) = (struct diagnostic){severity, loc, text};
}

enum status diag_error(struct diag *diag, struct loc loc, const char *fmt, ...) {
    if (diag->errors++ < DIAG_MAX_ERRORS) {
        va_list args;
        va_start(args, fmt);
        add(diag, SEVERITY_ERROR, loc, fmt, args);
        va_end(args);
    }
    return STATUS_FAILED;
}

void diag_warning(struct diag *diag, struct loc loc, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    add(diag, SEVERITY_WARNING, loc, fmt, args);
    va_end(args);
}

void diag_note(struct diag *diag, struct loc loc, const char *fmt, ...) {
    if (diag->errors > DIAG_MAX_ERRORS) return; /* its error was not kept */
    va_list args;
    va_start(args, fmt);
    add(diag, SEVERITY_NOTE, loc, fmt, args);
    va_end(args);
}

void diag_remark(struct diag *diag, enum remark_kind kind, const char *pass, const char *subject,
                 const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    *vec_push(&diag->remarks) =
        (struct remark){kind, arena_strdup(&diag->arena, pass), arena_strdup(&diag->arena, subject),
                        arena_vprintf(&diag->arena, fmt, args)};
    va_end(args);
}

/* The source line with the caret under the column; tabs are kept so that the caret lines up. */
static void print_line(const struct source *source, struct loc loc, FILE *to) {
    const char *p = source->text, *end = source->text + source->length;
    for (uint32_t line = 1; line < loc.line; line++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) return;
        p = newline + 1;
    }
    const char *stop = memchr(p, '\n', (size_t)(end - p));
    size_t length = (size_t)((stop ? stop : end) - p);
    enum { WIDEST = 400 };
    if (length > WIDEST || !loc.column || loc.column > length + 1) return;
    fprintf(to, "%.*s\n", (int)length, p);
    for (size_t i = 0; i + 1 < loc.column; i++) {
        unsigned char c = (unsigned char)p[i];
        if ((c & 0xC0) != 0x80) fputc(c == '\t' ? '\t' : ' ', to); /* one blank per UTF-8 character */
    }
    fputs("^\n", to);
}

void diag_print(const struct diag *diag, FILE *to) {
    static const char *const word[] = {"error", "warning", "note"};
    for (uint32_t i = 0; i < diag->list.count; i++) {
        const struct diagnostic *d = &diag->list.at[i];
        const struct source *source = d->loc.file ? &diag->sources.at[d->loc.file - 1] : NULL;
        if (source && d->loc.line)
            fprintf(to, "%s:%u:%u: ", source->name, d->loc.line, d->loc.column);
        else
            fprintf(to, "%s: ", source ? source->name : "adze");
        fprintf(to, "%s: %s\n", word[d->severity], d->text);
        if (source && source->text && d->loc.line) print_line(source, d->loc, to);
    }
    if (diag->errors > DIAG_MAX_ERRORS)
        fprintf(to, "adze: note: %u more errors are not shown\n", diag->errors - DIAG_MAX_ERRORS);
}

void diag_print_remarks(const struct diag *diag, FILE *to) {
    static const char *const word[] = {"applied", "missed", "analysis"};
    for (uint32_t i = 0; i < diag->remarks.count; i++) {
        const struct remark *r = &diag->remarks.at[i];
        fprintf(to, "remark: %s: %s: %s: %s\n", r->pass, word[r->kind], r->subject, r->text);
    }
}

void diag_free(struct diag *diag) {
    arena_free(&diag->arena);
    vec_free(&diag->sources);
    vec_free(&diag->list);
    vec_free(&diag->remarks);
    *diag = (struct diag){0};
}
