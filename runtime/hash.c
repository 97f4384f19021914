#include "runtime/hash.h"

#include <string.h>

enum { BLOCK = 128, ROUNDS = 12, OUTPUT = 32 };

static const uint64_t initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* The order in which a round takes the words of a block; rounds 10 and 11 repeat 0 and 1. */
static const uint8_t schedule[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t rotate(uint64_t x, unsigned by) {
    return x >> by | x << (64 - by);
}

static uint64_t load_little_endian(const uint8_t *at) {
    uint64_t value = 0;
    for (unsigned i = 8; i-- > 0;) value = value << 8 | at[i];
    return value;
}

static inline void mix(uint64_t v[16], unsigned a, unsigned b, unsigned c, unsigned d, uint64_t x,
                       uint64_t y) {
    v[a] += v[b] + x;
    v[d] = rotate(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 63);
}

/* `count` bytes have been taken in, those of this block included. */
static void compress(uint64_t h[8], const uint8_t block[BLOCK], uint64_t count, int is_last) {
    uint64_t v[16], m[16];
    for (unsigned i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = initial[i];
    for (unsigned i = 0; i < 16; i++) m[i] = load_little_endian(block + 8 * i);
    v[12] ^= count;
    if (is_last) v[14] = ~v[14];
    for (unsigned r = 0; r < ROUNDS; r++) {
        const uint8_t *s = schedule[r % 10];
        for (unsigned i = 0; i < 4; i++) mix(v, i, i + 4, i + 8, i + 12, m[s[2 * i]], m[s[2 * i + 1]]);
        for (unsigned i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
    for (unsigned i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

void adze_hash(const void *bytes, size_t size, uint8_t hash[32]) {
    const uint8_t *at = bytes;
    uint8_t last[BLOCK] = {0};
    uint64_t h[8], count = 0;
    memcpy(h, initial, sizeof h);
    h[0] ^= 0x01010000u ^ OUTPUT; /* the parameters: plain hashing, no key */
    while (size - count > BLOCK) {
        count += BLOCK;
        compress(h, at + count - BLOCK, count, 0);
    }
    if (size > count) memcpy(last, at + count, size - count);
    compress(h, last, size, 1);
    for (unsigned i = 0; i < OUTPUT; i++) hash[i] = (uint8_t)(h[i / 8] >> (8 * (i % 8)));
}
