/* Square blocks of a matrix turned in registers. */
#ifndef ADZE_CODEGEN_GEMM_TRANSPOSE_H
#define ADZE_CODEGEN_GEMM_TRANSPOSE_H

#include "codegen/gemm/gen.h"

/* Turns g->lanes vectors (a power of two): afterwards lane k of rows[i] is what lane i of rows[k] was. */
void gen_transpose(const struct gen *g, LLVMValueRef *rows);

#endif
