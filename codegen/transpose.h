/* Square transposes in registers. */
#ifndef ADZE_CODEGEN_TRANSPOSE_H
#define ADZE_CODEGEN_TRANSPOSE_H

#include "codegen/kernel.h"

enum { TRANSPOSE_MAX = 16 };

/* The edge of the square for elements of this size: rows of one vector register, or of 16 bytes for small
 * elements. */
unsigned transpose_edge(const struct target *target, unsigned elem_bytes);
/* rows[edge] of edge elements become the columns. */
void transpose_registers(LLVMBuilderRef b, LLVMValueRef *rows, unsigned edge, unsigned elem_bytes);

#endif
