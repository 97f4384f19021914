/* Loads and stores of scalars and vectors, some lanes of them, and lanes from anywhere. */
#ifndef ADZE_CODEGEN_SIMD_MEMORY_H
#define ADZE_CODEGEN_SIMD_MEMORY_H

#include "codegen/simd.h"

/* Memory is only known to be aligned to its elements. A mask is <lanes x i1>, or NULL for all lanes; lanes
 * that are not set are neither read nor written, and read as zero. Scalars take no mask. */
LLVMValueRef simd_load(LLVMBuilderRef b, LLVMTypeRef type, LLVMValueRef address, LLVMValueRef mask);
void simd_store(LLVMBuilderRef b, LLVMValueRef value, LLVMValueRef address, LLVMValueRef mask);
/* Lane i is the element at base + offset[i] elements; offsets is a vector (or scalar) of i64. */
LLVMValueRef simd_gather(LLVMBuilderRef b, LLVMTypeRef type, LLVMValueRef base, LLVMValueRef offsets,
                         LLVMValueRef mask);
void simd_scatter(LLVMBuilderRef b, LLVMValueRef value, LLVMValueRef base, LLVMValueRef offsets,
                  LLVMValueRef mask);
/* base + offset * the size of `elem`. */
LLVMValueRef simd_address(LLVMBuilderRef b, LLVMTypeRef elem, LLVMValueRef base, LLVMValueRef offset);
/* <lanes x i1>: the first `count` (an i64, which may be beyond the lanes or negative). */
LLVMValueRef simd_first_lanes(LLVMBuilderRef b, LLVMValueRef count, unsigned lanes);

#endif
