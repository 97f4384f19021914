/* BLAKE2b with 32 bytes of output and no key (RFC 7693). */
#ifndef ADZE_RUNTIME_HASH_H
#define ADZE_RUNTIME_HASH_H

#include <stddef.h>
#include <stdint.h>

void adze_hash(const void *bytes, size_t size, uint8_t hash[32]);

#endif
