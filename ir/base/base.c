#include "ir/base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bug_at(const char *file, int line, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "adze: internal error at %s:%d: ", file, line);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

static void *need(void *p, size_t size) {
    if (!p) bug("out of memory (%zu bytes)", size);
    return p;
}

void *xmalloc(size_t size) {
    return need(malloc(size ? size : 1), size);
}

void *xcalloc(size_t count, size_t size) {
    if (size && count > SIZE_MAX / size) bug("out of memory (%zu items of %zu bytes)", count, size);
    return need(calloc(count ? count : 1, size ? size : 1), count * size);
}

void *xrealloc(void *old, size_t size) {
    return need(realloc(old, size ? size : 1), size);
}

void *xmalloc_aligned(size_t size) {
    if (size > SIZE_MAX - 64) bug("out of memory (%zu bytes)", size);
    size_t rounded = (size + 63) / 64 * 64;
    return need(aligned_alloc(64, rounded ? rounded : 64), size);
}
