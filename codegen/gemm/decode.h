/* Decodes a stretch of a panel of coded weights (ir/panels.h) into what a dense kernel reads: for each depth
 * nr f32, whole vectors. Every value is the one that the interpreter computes with. Depths without a column
 * keep whatever is there: no tile reads them. */
#ifndef ADZE_CODEGEN_GEMM_DECODE_H
#define ADZE_CODEGEN_GEMM_DECODE_H

#include "codegen/gemm/gen.h"
#include "ir/panels.h"

struct decode_at {
    LLVMValueRef coded;          /* the weight's bytes */
    LLVMValueRef panel, stretch; /* i64 */
    LLVMValueRef blocks;         /* i64, full blocks of the stretch */
    LLVMValueRef final;          /* i1, whether the last partial block follows; null: it does */
    uint32_t vectors, active;    /* of the panel; channels of the last vector */
    LLVMValueRef to;             /* aligned to a vector; decode_bytes from here on may be written */
};

/* Bytes of the decoded stretch and of what decoding needs beside it, a multiple of 64. */
uint64_t decode_bytes(const struct panels *p);
void decode_panel(const struct gen *g, const struct panels *p, const struct decode_at *at);

#endif
