/* The register tile of a dense contraction: acc[p][v] += a[point p, k] * b[k, vector v], over a walk of k.
   a is read one element at a time and broadcast, b in vectors of output channels. Where each channel has a
   sum of its own (depthwise), a is read in vectors of channels like b. */
#ifndef ADZE_CODEGEN_GEMM_TILE_H
#define ADZE_CODEGEN_GEMM_TILE_H

#include "codegen/gemm/gen.h"

enum {
    TILE_MAX_POINTS = 31,
    TILE_MAX_VECTORS = 8,
    TILE_MAX_SUMS = GEN_MAX_CARRIED - 3,
    TILE_MAX_UNROLL = 64,
    WALK_MAX_COLUMNS = 32
};

/* One level of the walk: how often, and how far a and b move (in elements) with each turn. */
struct walk_level {
    uint32_t trips;
    int64_t a, b;
};

/* How k runs: for each block, row and column, `steps` inner steps. For a convolution these are channel
   block, kernel row, kernel column, channel in block; for a matrix product only block and step are used.
   Rows are a loop over a range known at run time (borders), columns are straight code. After the full
   blocks one of `tail` steps may follow. */
struct walk {
    struct walk_level block, row, column;
    uint32_t steps, tail;
    int64_t step_a, step_b;
    uint32_t unroll; /* most steps in straight code */
};

struct tile {
    uint32_t points, vectors;
    int64_t point_a;                 /* elements from one point's a to the next's */
    uint32_t skip[WALK_MAX_COLUMNS]; /* bit p: point p has no such column (it is over the border) */
    uint32_t b_align;                /* bytes */
    uint32_t b_last;                 /* lanes of the last vector that may be read */
    bool half_last;                  /* the last vector is one of half as many lanes, where half are enough */
    bool a_vectors;                  /* a is a vector of channels, not one element for all of them */
    bool prefetch_a;                 /* ask for the next block's a while this one is used */
};

/* Where a tile is in the tensors and in k. */
struct tile_range {
    LLVMValueRef a, b;           /* at block 0, row 0, column 0, step 0 of the range */
    LLVMValueRef blocks;         /* i64, number of full blocks (may be 0) */
    LLVMValueRef row_lo, row_hi; /* i64 range of rows */
    bool rows_guarded;           /* the range of rows may be empty */
    LLVMValueRef with_tail;      /* i1: also walk the tail; null when there is none */
    LLVMValueRef fetch;          /* address to prefetch from while walking, or null */
    uint32_t fetch_lines;        /* lines per stretch of straight code */
};

/* Emits the walk; acc holds points x vectors values, point-major, and is updated. */
void tile_accumulate(const struct gen *g, const struct walk *w, const struct tile *t,
                     const struct tile_range *r, LLVMValueRef *acc);

/* The registers that a tile of this size needs. */
uint32_t tile_registers(uint32_t points, uint32_t vectors);

#endif
