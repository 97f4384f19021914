#include "ir/base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024, ALIGN = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char bytes[];
};

static struct arena_chunk *add_chunk(struct arena *arena, size_t at_least) {
    size_t size = at_least > CHUNK_BYTES ? at_least : CHUNK_BYTES;
    struct arena_chunk *chunk = xcalloc(1, sizeof *chunk + size);
    chunk->size = size;
    chunk->next = arena->chunk;
    arena->chunk = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > SIZE_MAX / 2) bug("arena: allocation of %zu bytes", size);
    size_t rounded = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->size - chunk->used < rounded) chunk = add_chunk(arena, rounded);
    void *p = chunk->bytes + chunk->used;
    chunk->used += rounded;
    arena->total += rounded;
    return p;
}

void *arena_copy(struct arena *arena, const void *from, size_t size) {
    void *p = arena_alloc(arena, size);
    if (size) memcpy(p, from, size);
    return p;
}

char *arena_strdup(struct arena *arena, const char *text) {
    return arena_copy(arena, text, strlen(text) + 1);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length) {
    char *p = arena_alloc(arena, length + 1);
    memcpy(p, text, length);
    return p;
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    check(length >= 0);
    char *p = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(p, (size_t)length + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char *p = arena_vprintf(arena, fmt, args);
    va_end(args);
    return p;
}

void arena_free(struct arena *arena) {
    for (struct arena_chunk *c = arena->chunk, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *arena = (struct arena){0};
}
