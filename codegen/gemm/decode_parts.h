/* What the decoders of the codings share; private to decode*.c. */
#ifndef ADZE_CODEGEN_GEMM_DECODE_PARTS_H
#define ADZE_CODEGEN_GEMM_DECODE_PARTS_H

#include "codegen/gemm/decode.h"
#include "codegen/gemm/tile.h"

struct decoder {
    const struct gen *g;
    const struct panels *p;
    const struct decode_at *at;
    uint32_t width;                        /* channels of the panel that are stored */
    LLVMValueRef section[PANELS_SECTIONS]; /* addresses */
    LLVMValueRef depth;                    /* i64, columns before the stretch, as many as depths */
    LLVMValueRef scale[TILE_MAX_VECTORS],
        zero[TILE_MAX_VECTORS]; /* of the panel's vectors; null: none, or by group */
};

/* The address of byte `index`. */
LLVMValueRef decode_byte(const struct decoder *d, LLVMValueRef base, LLVMValueRef index);
/* `lanes` stored values from number `index` (i64) of the values on, as f32. */
LLVMValueRef decode_values(const struct decoder *d, LLVMValueRef index, uint32_t lanes);
/* An unsigned number of `bytes` bytes as i64. */
LLVMValueRef decode_number(const struct decoder *d, LLVMValueRef at, uint32_t bytes);
/* The bits of vector v's channels in a row of bits at `row`, as an integer of as many bits as lanes. */
LLVMValueRef decode_bits(const struct decoder *d, LLVMValueRef row, uint32_t v);
LLVMValueRef decode_mask(const struct decoder *d, LLVMValueRef bits); /* <lanes x i1> */

/* Emits a loop over the depths of the stretch that have a column. `emit` gets the number of the depth in the
 * stretch, its place among those with a column, and values carried from one to the next. */
typedef void decode_depth(const struct decoder *d, LLVMValueRef depth, LLVMValueRef stored,
                          LLVMValueRef *carried);
void decode_depths(const struct decoder *d, decode_depth *emit, LLVMValueRef *carried, uint32_t count);

/* Makes vector v at a depth of what its stored values say, and stores it. */
void decode_store(const struct decoder *d, LLVMValueRef stored, LLVMValueRef depth, uint32_t v);

/* Bytes of the decoded stretch alone. */
uint64_t decode_stretch_bytes(const struct panels *p);

void decode_bitmask(const struct decoder *d);
void decode_nm(const struct decoder *d);
void decode_block(const struct decoder *d);

#endif
