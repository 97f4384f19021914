/* Memory whose bounds the hardware checks: compiled code is not instrumented, so a test gives it buffers that
 * begin or end at a page nobody may touch. */
#ifndef ADZE_TEST_SUPPORT_GUARD_H
#define ADZE_TEST_SUPPORT_GUARD_H

#include <stddef.h>

enum guard_side {
    GUARD_AFTER, /* the byte after the buffer faults; aligned as its size is, up to a page */
    GUARD_BEFORE /* the byte before the buffer faults; aligned to a page */
};

struct guard {
    void *data; /* `bytes` bytes, zero at first */
    size_t bytes;
    void *map; /* the pages around it */
    size_t map_bytes;
};

/* Aborts when memory runs out. An empty buffer faults at its first byte. */
struct guard guard_make(size_t bytes, enum guard_side side);
void guard_free(struct guard *guard);

/* From now on writing faults, or no longer does. */
void guard_read_only(const struct guard *guard);
void guard_writable(const struct guard *guard);

/* Fills the buffer with bytes that are NaN as any float type and large as any integer: what nobody should
 * read. */
void guard_poison(const struct guard *guard);
/* The number of bytes, from the start, that still hold the poison. */
size_t guard_poisoned(const struct guard *guard);

#endif
