/* A finished module as an object file, assembly or text, in memory; and what an object may refer to. */
#ifndef ADZE_CODEGEN_EMIT_OBJECT_H
#define ADZE_CODEGEN_EMIT_OBJECT_H

#include "ir/base/diag.h"
#include "ir/base/str.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

/* Compiles a copy of the module. Errors: what LLVM reports. *out is freed with LLVMDisposeMemoryBuffer. */
MUST_USE enum status emit_object(LLVMModuleRef module, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                                 struct diag *diag, LLVMMemoryBufferRef *out);

/* Appends the names of the symbols that a 64-bit little-endian ELF object refers to and does not define, one
 * a line. Objects of other formats add nothing. */
void object_undefined(const void *object, size_t size, struct str *out);

#endif
