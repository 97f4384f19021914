/* Conversions between element types with the meaning that adze gives them on every target.
 *
 * Float to narrower float: to nearest, ties to even; overflow gives Inf; NaN stays a quiet NaN, f32 to f16
 * keeping the upper bits of its payload.
 *
 * Float to integer: towards zero; out of range saturates; NaN gives 0.
 *
 * Integer to integer wraps; integer to float goes to nearest, ties to even.
 *
 * f16 and bf16 are handed around as i16. Scalars and vectors alike. */
#ifndef ADZE_CODEGEN_VMATH_CONVERT_H
#define ADZE_CODEGEN_VMATH_CONVERT_H

#include <llvm-c/Core.h>
#include <stdbool.h>

/* has_f16c: the target converts f16 in hardware (x86: F16C or AVX-512F; AArch64: always). */
LLVMValueRef vmath_f16_to_f32(LLVMBuilderRef b, LLVMValueRef x, bool has_f16c);
LLVMValueRef vmath_f32_to_f16(LLVMBuilderRef b, LLVMValueRef x, bool has_f16c);
LLVMValueRef vmath_bf16_to_f32(LLVMBuilderRef b, LLVMValueRef x);
LLVMValueRef vmath_f32_to_bf16(LLVMBuilderRef b, LLVMValueRef x);
/* Rounds so that a second rounding, to f16 or bf16, gives what one rounding of the double would (round to
 * odd). */
LLVMValueRef vmath_f64_to_f32_odd(LLVMBuilderRef b, LLVMValueRef x);
/* From float or double to the integer type of `bits` bits. */
LLVMValueRef vmath_float_to_int(LLVMBuilderRef b, LLVMValueRef x, unsigned bits, bool is_signed);

#endif
