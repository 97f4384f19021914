#include "test/support/guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { POISON = 0xff };

static void fail(const char *what) {
    perror(what);
    abort();
}

struct guard guard_make(size_t bytes, enum guard_side side) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (bytes + page - 1) / page * page;
    struct guard guard = {.bytes = bytes, .map_bytes = body + 2 * page};
    guard.map = mmap(NULL, guard.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guard.map == MAP_FAILED) fail("mmap");
    char *first = (char *)guard.map + page;
    guard.data = side == GUARD_AFTER ? first + body - bytes : first;
    guard_writable(&guard);
    return guard;
}

void guard_free(struct guard *guard) {
    if (guard->map) munmap(guard->map, guard->map_bytes);
    *guard = (struct guard){0};
}

static void protect(const struct guard *guard, int protection) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (guard->map_bytes == 2 * page) return;
    if (mprotect((char *)guard->map + page, guard->map_bytes - 2 * page, protection)) fail("mprotect");
}

void guard_read_only(const struct guard *guard) {
    protect(guard, PROT_READ);
}

void guard_writable(const struct guard *guard) {
    protect(guard, PROT_READ | PROT_WRITE);
}

void guard_poison(const struct guard *guard) {
    memset(guard->data, POISON, guard->bytes);
}

size_t guard_poisoned(const struct guard *guard) {
    const uint8_t *at = guard->data;
    size_t n = 0;
    while (n < guard->bytes && at[n] == POISON) n++;
    return n;
}
