/* Coded panels: the constant weights of a contraction as its kernel reads them when they are not plain f32:
 * sparse, quantized, in narrow floats, or several of these. A kernel decodes one stretch of one panel at a
 * time into its scratch, where it is what a dense kernel reads.
 *
 * The weight is a matrix: a row for each output channel, a column for each summed element (ir/encoding.h). It
 * is cut into panels of nr channels; in a panel the *depth* runs as the nest of the kernel walks it
 * (codegen/gemm/tile.h): for each block of `steps` channels of the input, for each tap, for each step; so
 * column c * taps + t stands at depth (c / steps * taps + t) * steps + c % steps. A last block may have only
 * `tail` steps, and depths that no column has are stored nowhere. Stretches are runs of `per` blocks.
 *
 * A coded weight is one run of bytes: PANELS_SECTIONS offsets (u32, from the first byte) and the sections.
 *   start      u32 for each panel and stretch, and one more: values (block: blocks) before it; bitmask, block
 *   positions  bitmask: for each depth a bit for each channel of the panel's vectors, bytes filled up
 *              block: for each block its distance from the one before, in u8, u16 or u32, with blocks of
 * zeros between where that is not far enough. Blocks are numbered by blocks of columns (of depths, where they
 * are one wide), in these by q channels nm: for each group of m columns, slot, and bit of the place in the
 * group: a bit for each channel values     in the weight's element type, those of 4 bits in pairs. dense: for
 * each depth, each channel; bitmask: the nonzeros of that; block: p columns of q channels each; nm: for each
 * group, slot and channel scale      f32: one, one for each channel, or for each group of columns one for
 * each channel zero       one byte for each scale All but the first and the last section may be read a few
 * vectors past their end. */
#ifndef ADZE_IR_PANELS_H
#define ADZE_IR_PANELS_H

#include "ir/contraction.h"
#include "ir/quant.h"

enum panel_coding {
#define PANEL_CODING(name, doc) PANELS_##name,
#include "ir/panel_codings.def"
    PANEL_CODINGS
};

enum { SECTION_START, SECTION_POSITIONS, SECTION_VALUES, SECTION_SCALE, SECTION_ZERO, PANELS_SECTIONS };
enum panel_scales { SCALES_NONE, SCALES_ONE, SCALES_CHANNEL, SCALES_GROUP };

/* How the target spreads values over the lanes of a mask. */
enum panel_expand { EXPAND_LANES, EXPAND_PERMUTE, EXPAND_MASK };

struct panels {
    enum panel_coding coding;
    enum elem elem; /* of the values */
    bool has_f16;   /* the target converts f16 */
    enum panel_expand expand;
    uint32_t channels, columns, nr, lanes;
    uint32_t taps, steps, blocks, tail, per, stretches;
    uint32_t p, q;        /* block: columns, channels */
    uint32_t n, m;        /* nm */
    uint32_t index_bytes; /* block */
    /* What a stored value stands for: (value - zero) * scale. */
    enum panel_scales scales;
    bool literal, has_zero;
    double scale; /* literal ones */
    int64_t zero;
    uint32_t group;
};

/* The element types and scales that coded panels hold. NULL, or why this type of weight is none of them. */
const char *panels_hold(const struct module *m, struct type type);

/* The panels that the schedule's coding stands for, for a parameter that is operand 1 of the contraction.
 * NULL, or why they cannot be made. */
const char *panels_of(const struct module *m, value_id weight, const struct contraction *c,
                      const struct schedule *s, const struct target *target, struct panels *out);

/* The coding that is decoded with least work among those not much larger than the weights file's form, the
 * smallest when all are; PANELS_none when there is none. */
enum panel_coding panels_choose(const struct module *m, value_id weight, const struct contraction *c,
                                const struct schedule *s, const struct target *target);

/* The coded weight, a u8 tensor of rank 1 that the caller frees. */
struct tensor panels_encode(const struct panels *p, const struct tensor *weight);

const char *panel_coding_name(enum panel_coding coding);

/* -- what encoder and decoder agree on -- */
static inline uint32_t panels_count(const struct panels *p) {
    return (p->channels + p->nr - 1) / p->nr;
}
/* Depths of a block of columns, places without a column included. */
static inline uint32_t panels_block_depth(const struct panels *p) {
    return p->taps * p->steps;
}
/* Bits of a position in a group of m. */
uint32_t panels_place_bits(const struct panels *p);
/* Bytes of one bit for each channel of a panel with `active` channels. */
static inline uint32_t panels_mask_bytes(const struct panels *p, uint32_t active) {
    return ((active + p->lanes - 1) / p->lanes * p->lanes + 7) / 8;
}
/* Blocks whose values are decoded together, to be copied to their places. */
uint32_t panels_chunk(const struct panels *p);
/* Slots of groups of columns that end at column `end`, a group's begin. */
static inline uint32_t panels_slots(const struct panels *p, uint32_t columns) {
    uint32_t rest = columns % p->m;
    return columns / p->m * p->n + (rest < p->n ? rest : p->n);
}

#endif
