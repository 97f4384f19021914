#include "ir/base/map.h"

#include <stdlib.h>
#include <string.h>

struct map_slot {
    char *key; /* NULL: free; TOMBSTONE: removed */
    size_t bytes;
    uint64_t hash;
    uint32_t value;
};

static char tombstone_byte;
#define TOMBSTONE (&tombstone_byte)

/* FNV-1a with a final mix: table sizes are powers of two, so the low bits must depend on all of the input. */
uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed) {
    const unsigned char *p = bytes;
    uint64_t h = 14695981039346656037u ^ seed;
    for (size_t i = 0; i < length; i++) h = (h ^ p[i]) * 1099511628211u;
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static struct map_slot *find(const struct map *map, const void *key, size_t bytes, uint64_t hash) {
    if (!map->capacity) return NULL;
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct map_slot *s = &map->slot[i & (map->capacity - 1)];
        if (!s->key) return NULL;
        if (s->key != TOMBSTONE && s->hash == hash && s->bytes == bytes && !memcmp(s->key, key, bytes))
            return s;
    }
}

static void insert(struct map_slot *slots, uint32_t capacity, struct map_slot entry) {
    uint32_t i = (uint32_t)entry.hash;
    while (slots[i & (capacity - 1)].key) i++;
    slots[i & (capacity - 1)] = entry;
}

static void grow(struct map *map) {
    uint32_t capacity = map->capacity ? map->capacity * 2 : 16;
    struct map_slot *slots = xcalloc(capacity, sizeof *slots);
    uint32_t live = 0;
    for (uint32_t i = 0; i < map->capacity; i++)
        if (map->slot[i].key && map->slot[i].key != TOMBSTONE) insert(slots, capacity, map->slot[i]), live++;
    free(map->slot);
    *map = (struct map){slots, live, capacity};
}

uint32_t *map_get(const struct map *map, const void *key, size_t bytes) {
    struct map_slot *s = find(map, key, bytes, hash_bytes(key, bytes, 0));
    return s ? &s->value : NULL;
}

uint32_t *map_put(struct map *map, const void *key, size_t bytes, bool *is_new) {
    uint64_t hash = hash_bytes(key, bytes, 0);
    struct map_slot *s = find(map, key, bytes, hash);
    if (is_new) *is_new = !s;
    if (s) return &s->value;
    if (map->count >= map->capacity / 2) grow(map);
    char *copy = xmalloc(bytes + 1);
    if (bytes) memcpy(copy, key, bytes);
    copy[bytes] = 0;
    insert(map->slot, map->capacity, (struct map_slot){copy, bytes, hash, 0});
    map->count++; /* counts tombstones too, until the next grow */
    return &find(map, key, bytes, hash)->value;
}

bool map_remove(struct map *map, const void *key, size_t bytes) {
    struct map_slot *s = find(map, key, bytes, hash_bytes(key, bytes, 0));
    if (!s) return false;
    free(s->key);
    s->key = TOMBSTONE;
    return true;
}

uint32_t *map_get_str(const struct map *map, const char *key) {
    return map_get(map, key, strlen(key));
}

uint32_t *map_put_str(struct map *map, const char *key, bool *is_new) {
    return map_put(map, key, strlen(key), is_new);
}

bool map_next(const struct map *map, uint32_t *cursor, const char **key, uint32_t *value) {
    while (*cursor < map->capacity) {
        const struct map_slot *s = &map->slot[(*cursor)++];
        if (!s->key || s->key == TOMBSTONE) continue;
        *key = s->key;
        *value = s->value;
        return true;
    }
    return false;
}

void map_copy(struct map *to, const struct map *from) {
    for (uint32_t i = 0; i < from->capacity; i++) {
        const struct map_slot *s = &from->slot[i];
        if (s->key && s->key != TOMBSTONE) *map_put(to, s->key, s->bytes, NULL) = s->value;
    }
}

void map_free(struct map *map) {
    for (uint32_t i = 0; i < map->capacity; i++)
        if (map->slot[i].key != TOMBSTONE) free(map->slot[i].key);
    free(map->slot);
    *map = (struct map){0};
}
