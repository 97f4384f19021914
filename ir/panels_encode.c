/* Coded panels, written in the order in which kernels read them. */
#include "ir/panels.h"

struct bytes {
    unsigned char *at;
    size_t count, room;
};

struct encoder {
    const struct panels *p;
    const unsigned char *weight;
    const struct tensor_quant *quant;
    size_t width; /* bytes of an element in memory */
    uint64_t nibbles;
    uint32_t values; /* so far: elements, or blocks */
    struct bytes section[PANELS_SECTIONS];
};

/* One stretch of a panel: depths [lo, hi), channels [first, first + active). */
struct part {
    uint32_t lo, hi, first, active;
};

static unsigned char *append(struct bytes *b, size_t count) {
    if (b->count + count > b->room) {
        b->room = (b->count + count) * 2 + 256;
        b->at = xrealloc(b->at, b->room);
    }
    memset(b->at + b->count, 0, count);
    b->count += count;
    return b->at + b->count - count;
}

static void append_u32(struct bytes *b, uint32_t v) {
    memcpy(append(b, sizeof v), &v, sizeof v);
}

/* The column at a depth, UINT32_MAX where there is none. */
static uint32_t column_at(const struct panels *p, uint32_t depth) {
    uint32_t step = depth % p->steps, tap = depth / p->steps % p->taps, block = depth / panels_block_depth(p);
    if (block == p->blocks && step >= p->tail) return UINT32_MAX;
    return (block * p->steps + step) * p->taps + tap;
}

/* NULL for what is past the matrix. */
static const unsigned char *element(const struct encoder *e, uint32_t channel, uint32_t column) {
    if (channel >= e->p->channels || column >= e->p->columns) return NULL;
    return e->weight + ((size_t)channel * e->p->columns + column) * e->width;
}

static bool nonzero(const struct encoder *e, uint32_t channel, uint32_t column) {
    static const unsigned char zero[8];
    const unsigned char *at = element(e, channel, column);
    return at && memcmp(at, zero, e->width) != 0;
}

static void put_value(struct encoder *e, const unsigned char *value) {
    struct bytes *to = &e->section[SECTION_VALUES];
    if (!elem_in(e->p->elem, ELEMS_NIBBLE)) {
        unsigned char *at = append(to, e->width);
        if (value) memcpy(at, value, e->width);
        return;
    }
    if (e->nibbles % 2 == 0) append(to, 1);
    unsigned char *pair = &to->at[to->count - 1];
    *pair = (unsigned char)(*pair | ((value ? *value & 15 : 0) << (e->nibbles % 2 * 4)));
    e->nibbles++;
}

static void put_dense(struct encoder *e, const struct part *part) {
    for (uint32_t depth = part->lo; depth < part->hi; depth++) {
        uint32_t column = column_at(e->p, depth);
        for (uint32_t i = 0; column != UINT32_MAX && i < part->active; i++)
            put_value(e, element(e, part->first + i, column));
    }
}

static void put_bitmask(struct encoder *e, const struct part *part) {
    for (uint32_t depth = part->lo; depth < part->hi; depth++) {
        uint32_t column = column_at(e->p, depth);
        if (column == UINT32_MAX) continue;
        unsigned char *mask = append(&e->section[SECTION_POSITIONS], panels_mask_bytes(e->p, part->active));
        for (uint32_t i = 0; i < part->active; i++) {
            if (!nonzero(e, part->first + i, column)) continue;
            mask[i / 8] = (unsigned char)(mask[i / 8] | 1u << i % 8);
            put_value(e, element(e, part->first + i, column));
            e->values++;
        }
    }
}

/* The column of place j of a block of columns; blocks that are one wide are numbered by depth. */
static uint32_t block_column(const struct encoder *e, const struct part *part, uint32_t block, uint32_t j) {
    if (e->p->p == 1) return column_at(e->p, part->lo + block);
    return part->lo + block * e->p->p + j; /* depths of whole blocks are as many as columns */
}

/* Whole blocks have as many columns as depths, so all stretches but the last end at the same number. */
static uint32_t end_column(const struct panels *p, const struct part *part) {
    return part->hi >= p->blocks * panels_block_depth(p) ? p->columns : part->hi;
}

static bool block_kept(const struct encoder *e, const struct part *part, uint32_t block, uint32_t channel) {
    for (uint32_t j = 0; j < e->p->p; j++)
        for (uint32_t i = 0; i < e->p->q; i++)
            if (nonzero(e, channel + i, block_column(e, part, block, j))) return true;
    return false;
}

static void put_distance(struct encoder *e, uint32_t distance) {
    memcpy(append(&e->section[SECTION_POSITIONS], e->p->index_bytes), &distance, e->p->index_bytes);
    e->values++;
}

/* Where a block is farther from the one before than its bytes can say, blocks of zeros lie between. */
static void put_block(struct encoder *e, const struct part *part) {
    const struct panels *p = e->p;
    uint32_t along = p->nr / p->q, last = 0, farthest = UINT32_MAX >> (32 - 8 * p->index_bytes);
    uint32_t columns = end_column(p, part) - part->lo;
    uint32_t blocks = p->p == 1 ? part->hi - part->lo : (columns + p->p - 1) / p->p;
    for (uint32_t b = 0; b < blocks; b++)
        for (uint32_t a = 0; a < along; a++) {
            uint32_t channel = part->first + a * p->q, at = b * along + a;
            if (!block_kept(e, part, b, channel)) continue;
            for (; at - last > farthest; last += farthest) {
                put_distance(e, farthest);
                for (uint32_t i = 0; i < p->p * p->q; i++) put_value(e, NULL);
            }
            put_distance(e, at - last);
            for (uint32_t j = 0; j < p->p; j++)
                for (uint32_t i = 0; i < p->q; i++)
                    put_value(e, element(e, channel + i, block_column(e, part, b, j)));
            last = at;
        }
}

/* Which place of the group slot s of a channel has: nonzeros first to last, the first zeros between them. */
static uint32_t place_of(const struct encoder *e, uint32_t channel, uint32_t first, uint32_t size,
                         uint32_t slots, uint32_t s) {
    uint32_t kept = 0, slot = 0;
    for (uint32_t j = 0; j < size; j++) kept += nonzero(e, channel, first + j);
    uint32_t spare = slots - kept;
    for (uint32_t j = 0; j < size; j++) {
        if (!nonzero(e, channel, first + j)) {
            if (!spare) continue;
            spare--;
        }
        if (slot++ == s) return j;
    }
    bug("a group of columns has too few slots");
}

static void put_nm(struct encoder *e, const struct part *part) {
    const struct panels *p = e->p;
    uint32_t end = end_column(p, part);
    for (uint32_t first = part->lo; first < end; first += p->m) {
        uint32_t size = end - first < p->m ? end - first : p->m, slots = size < p->n ? size : p->n;
        for (uint32_t s = 0; s < slots; s++) {
            uint32_t bits = panels_place_bits(p), bytes = panels_mask_bytes(p, part->active);
            unsigned char *mask = append(&e->section[SECTION_POSITIONS], (size_t)bits * bytes);
            for (uint32_t i = 0; i < part->active; i++) {
                uint32_t place = place_of(e, part->first + i, first, size, slots, s);
                put_value(e, element(e, part->first + i, first + place));
                for (uint32_t k = 0; k < bits; k++)
                    mask[k * bytes + i / 8] =
                        (unsigned char)(mask[k * bytes + i / 8] | (place >> k & 1) << i % 8);
            }
        }
    }
}

static void put_part(struct encoder *e, const struct part *part) {
    append_u32(&e->section[SECTION_START], e->values);
    switch (e->p->coding) {
    case PANELS_dense:
        put_dense(e, part);
        return;
    case PANELS_bitmask:
        put_bitmask(e, part);
        return;
    case PANELS_nm:
        put_nm(e, part);
        return;
    default:
        put_block(e, part);
    }
}

static void put_scales(struct encoder *e) {
    const struct panels *p = e->p;
    if (p->scales == SCALES_NONE || p->literal) return;
    const struct tensor *scale = &e->quant->scale, *zero = &e->quant->zero;
    uint32_t groups = p->scales == SCALES_GROUP ? (p->columns + p->group - 1) / p->group : 1;
    uint32_t channels = p->scales == SCALES_ONE ? 1 : p->channels;
    for (uint32_t g = 0; g < groups; g++)
        for (uint32_t c = 0; c < channels; c++) {
            size_t at = (size_t)c * groups + g;
            memcpy(append(&e->section[SECTION_SCALE], 4), (const float *)scale->data + at, 4);
            if (zero->data) *append(&e->section[SECTION_ZERO], 1) = ((const unsigned char *)zero->data)[at];
        }
}

/* The header, and the sections, each with room to read vectors past its end. */
static struct tensor joined(struct encoder *e) {
    const struct panels *p = e->p;
    uint32_t at[PANELS_SECTIONS];
    size_t total = sizeof at;
    for (uint32_t i = 0; i < PANELS_SECTIONS; i++) {
        struct bytes *b = &e->section[i];
        if (b->count)
            append(b, i == SECTION_VALUES ? (size_t)panels_chunk(p) * p->p * p->q * e->width + 64 : 64);
        total = (total + 3) / 4 * 4;
        at[i] = (uint32_t)total;
        total += b->count;
    }
    check(total <= UINT32_MAX);
    const int64_t count = (int64_t)total;
    struct tensor out = tensor_new(ELEM_u8, 1, &count);
    memcpy(out.data, at, sizeof at);
    for (uint32_t i = 0; i < PANELS_SECTIONS; i++)
        if (e->section[i].count)
            memcpy((unsigned char *)out.data + at[i], e->section[i].at, e->section[i].count);
    return out;
}

struct tensor panels_encode(const struct panels *p, const struct tensor *weight) {
    struct encoder e = {
        .p = p, .weight = weight->data, .quant = weight->quant, .width = elem_bytes(weight->elem)};
    uint32_t whole = p->blocks * panels_block_depth(p), depth = whole + (p->tail ? panels_block_depth(p) : 0);
    bool counts = p->coding == PANELS_bitmask || p->index_bytes;
    for (uint32_t first = 0; first < p->channels; first += p->nr)
        for (uint32_t s = 0; s < p->stretches; s++) {
            uint32_t step = p->per * panels_block_depth(p);
            struct part part = {.lo = s * step,
                                .hi = s + 1 == p->stretches ? depth : (s + 1) * step,
                                .first = first,
                                .active = p->channels - first < p->nr ? p->channels - first : p->nr};
            put_part(&e, &part);
        }
    append_u32(&e.section[SECTION_START], e.values);
    if (!counts) e.section[SECTION_START].count = 0;
    put_scales(&e);
    struct tensor out = joined(&e);
    for (uint32_t i = 0; i < PANELS_SECTIONS; i++) free(e.section[i].at);
    return out;
}
