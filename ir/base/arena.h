/* Region allocator: everything lives until the arena is reset or freed; there is no free per object. */
#ifndef ADZE_IR_BASE_ARENA_H
#define ADZE_IR_BASE_ARENA_H

#include "ir/base/base.h"

#include <stdarg.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunk;
    size_t total; /* bytes handed out */
};

/* A zeroed struct arena is an empty arena. */
void *arena_alloc(struct arena *arena,
                  size_t size); /* zeroed, 16-byte aligned; aborts when memory runs out */
void *arena_copy(struct arena *arena, const void *from, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *arena, const char *fmt, va_list args);
void arena_free(struct arena *arena); /* leaves an empty arena */

#define arena_new(arena, T) ((T *)arena_alloc((arena), sizeof(T)))
#define arena_array(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

#endif
