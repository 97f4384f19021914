/* The loops around the register tile of a dense contraction, as data.

   out[outer.., row, x, channel] = sum over k of a[outer.., row, x, k] * b[outer.., k, channel]

   The output is cut into *panels* of channels (vectors of a tile) and, per row, *tiles* of neighbouring
   points. A kernel's item is a box of panels x rows x tiles of one position of the outer axes; a panel may be
   summed in several stretches of k with partial sums in scratch. Convolutions, matrix products and
   matrix-vector products differ only in the numbers written here; all strides and offsets are in elements. */
#ifndef ADZE_CODEGEN_GEMM_NEST_H
#define ADZE_CODEGEN_GEMM_NEST_H

#include "codegen/gemm/tile.h"
#include "ir/panels.h"

enum { NEST_MAX_OUTER = MAX_RANK, NEST_MAX_RUNS = 24 };

/* Neighbouring tiles of a row that have the same code. */
struct tile_run {
    uint32_t first_tile, tiles, first_point, points;
    uint32_t skip[WALK_MAX_COLUMNS];
};

/* Which kernel rows touch the input at output row y: 0 <= y * stride - pad + k * dilation < extent. */
struct row_border {
    bool present;
    int64_t stride, pad, dilation, extent;
};

/* The output's own coordinates: row first_row + row * row_step, and likewise in a row. Steps of 0 stand
 * for 1. */
struct out_grid {
    uint32_t first_row, row_step, first_x, x_step;
};

/* How tiles get at b: where it is, or from scratch, to which an item copies its plain rows, or decodes them,
 * a stretch of a panel at a time. */
enum nest_b { NEST_B_IN_PLACE, NEST_B_PACKED, NEST_B_DECODED };

struct nest {
    struct outer_axis outer[NEST_MAX_OUTER];
    uint32_t n_outer;
    uint32_t channels;                    /* of one outer position */
    uint32_t lanes, vectors;              /* of a vector; of a panel */
    int64_t a_panel, b_panel, out_vector; /* a_panel: not 0 where each channel has a sum of its own */
    uint32_t rows;
    int64_t a_row, out_row;
    struct row_border border;
    struct tile_run runs[NEST_MAX_RUNS];
    uint32_t n_runs, tiles; /* tiles: of a row, over all runs */
    int64_t a_point, out_point, a_origin, b_origin, out_origin;
    struct out_grid grid;
    struct walk walk;
    bool out_padded; /* the storage has whole vectors: lanes past the channels are stored as zero */
    bool b_padded;   /* likewise b; else its last vector is read under a mask */
    bool b_aligned, out_aligned; /* to a vector */
    /* The schedule: the box of an item, the stretch of k, and what changes slowest from item to item. */
    uint32_t item_panels, item_rows, item_tiles, k_blocks;
    bool panels_slowest;
    enum nest_b b;        /* not in place: walk.step_b is that of the copy in scratch */
    int64_t b_depth;      /* NEST_B_PACKED: b itself moves by this from one k to the next */
    struct panels panels; /* NEST_B_DECODED */
    bool a_vectors;       /* see struct tile */
    bool prefetch_a, prefetch_b;
};

/* Where one vector of finished sums belongs; all i64. */
struct nest_point {
    LLVMValueRef out;          /* element offset of lane 0 in the output */
    LLVMValueRef row, x;       /* of the output */
    LLVMValueRef channel;      /* the output channel of lane 0 */
    const LLVMValueRef *outer; /* positions on the outer axes */
    uint32_t active;           /* lanes that are channels; the others hold nothing of use */
};

/* Emits what becomes of one vector of finished sums: it is stored, or not. */
typedef void nest_sink(void *ctx, const struct gen *g, LLVMValueRef sums, const struct nest_point *at);

/* The kernel's tensors; scratch may be null when nest_scratch is 0. lo, hi: the i32 range of items. */
struct nest_buffers {
    LLVMValueRef a, b, scratch, lo, hi;
};

/* Stretches that `blocks` of k make when each has `per` of them (0: one stretch). */
uint32_t nest_stretches(uint32_t blocks, uint32_t per);
uint32_t nest_items(const struct nest *n);
/* Bytes of scratch for each worker. */
uint64_t nest_scratch(const struct nest *n);
/* Channels of a panel; panels of an outer position, the last of which may be partial. */
uint32_t nest_panel(const struct nest *n);
uint32_t nest_panels(const struct nest *n);
/* Bytes of scratch for partial sums, which come before the copied panel. */
uint64_t nest_sums(const struct nest *n);

/* Cuts a row of `width` points into runs of at most `mr` points, as even as can be. The skips follow from
   column k of point x reading input x * stride - pad + k * dilation of [0, extent); `columns` is
   walk.column.trips. False when there would be too many kinds of tiles. */
bool nest_partition(struct nest *n, uint32_t width, uint32_t mr, int64_t stride, int64_t pad,
                    int64_t dilation, int64_t extent);

/* Emits all items in [lo, hi). The builder ends in the block after them. */
void nest_emit(const struct gen *g, const struct nest *n, const struct nest_buffers *buffers, nest_sink *sink,
               void *ctx);

/* Stores plain sums as the nest says: masked, or whole with zeros in the lanes that are no channels. */
void nest_store(const struct gen *g, const struct nest *n, LLVMValueRef out, LLVMValueRef sums,
                const struct nest_point *at);

#endif
