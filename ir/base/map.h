/* Hash map from byte strings to 32-bit values (indices into somebody's table). Insertion order is not kept.
 */
#ifndef ADZE_IR_BASE_MAP_H
#define ADZE_IR_BASE_MAP_H

#include "ir/base/base.h"

struct map_slot;
struct map {
    struct map_slot *slot;
    uint32_t count, capacity;
};

/* Address of the value of `key`, or NULL. Valid until the next map_put. */
uint32_t *map_get(const struct map *map, const void *key, size_t bytes);
/* Address of the value of `key`, 0 when it is new (*is_new may be NULL). The map copies the key. */
uint32_t *map_put(struct map *map, const void *key, size_t bytes, bool *is_new);
bool map_remove(struct map *map, const void *key, size_t bytes);
uint32_t *map_get_str(const struct map *map, const char *key);
uint32_t *map_put_str(struct map *map, const char *key, bool *is_new);
/* Walks all entries in no particular order: start with *cursor = 0; false at the end. Keys are NUL-terminated
 * copies. */
bool map_next(const struct map *map, uint32_t *cursor, const char **key, uint32_t *value);
/* Puts every entry of `from` into `to`. */
void map_copy(struct map *to, const struct map *from);
void map_free(struct map *map);

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed);

#endif
