/* Registers: how the elements that a kernel computes with are held as LLVM values, scalars or vectors. f32
 * and f64 as themselves, f16 and bf16 as float (always a value that the element type has), integers as
 * themselves, bool as i1. */
#ifndef ADZE_CODEGEN_REGISTER_H
#define ADZE_CODEGEN_REGISTER_H

#include "codegen/kernel.h"

/* The type of a register for `lanes` elements, and of them in memory. */
LLVMTypeRef register_type(LLVMContextRef context, enum elem elem, unsigned lanes);
LLVMTypeRef memory_type(LLVMContextRef context, enum elem elem, unsigned lanes);
/* Conversions between the two, and rounding of a register to what its element type can hold. */
LLVMValueRef register_from_memory(struct emit *e, enum elem elem, LLVMValueRef value);
LLVMValueRef register_to_memory(struct emit *e, enum elem elem, LLVMValueRef value);
LLVMValueRef register_round(struct emit *e, enum elem elem, LLVMValueRef value);
/* Element i of a constant tensor, in all lanes. */
LLVMValueRef register_constant(struct emit *e, const struct tensor *tensor, int64_t i, unsigned lanes);
/* `value` in all lanes: rounded for floats, truncated and saturated for integers, != 0 for bool. */
LLVMValueRef register_number(struct emit *e, enum elem elem, double value, unsigned lanes);
/* A register of one element type as another; the rules of the op `cast`. */
LLVMValueRef register_cast(struct emit *e, LLVMValueRef x, enum elem from, enum elem to);
/* A constant of the module with the elements of a literal, as memory. */
LLVMValueRef literal_pointer(struct emit *e, const struct tensor *literal);

#endif
