/* Copies of boxes of elements between strided places: what all ops that only move data come down to. */
#ifndef ADZE_CODEGEN_COPY_H
#define ADZE_CODEGEN_COPY_H

#include "codegen/loop.h"

enum { COPY_MAX_RANK = 3 * MAX_RANK };

struct copy_dim {
    int64_t extent, to, from; /* strides in elements; from may be 0 or negative */
};

/* For every index of the box, to[to_offset + Σ index · to] = from[from_offset + Σ index · from]. */
struct copy_box {
    uint32_t rank;
    struct copy_dim dim[COPY_MAX_RANK];
    int64_t to_offset, from_offset;
    uint32_t to_buffer, from_buffer; /* positions in the kernel's buf */
    const struct tensor *literal;    /* read this instead of a buffer, when it is not NULL */
    bool is_fill;                    /* nothing is read: every element becomes `fill` (its bits) */
    uint64_t fill;
    /* The dimension with to = 1 is followed by zeros up to this extent (0: by nothing that is to be written).
     */
    int64_t zero_to;
    /* Along the dimension with from = 1, elements up to this extent may be read (0: only those of the box).
     */
    int64_t read_to;
};

struct copies {
    uint32_t elem_bytes; /* 1, 2, 4 or 8 */
    VEC(struct copy_box) boxes;
};

/* A kernel that does all of them; their targets do not overlap, nor do targets and sources. Empty boxes are
 * allowed. Declines when there would be too many items. The list is consumed. */
enum emit_result copies_emit(struct emit *e, struct copies *copies, const char *symbol, struct kernel *out,
                             const char **why_not);

#endif
