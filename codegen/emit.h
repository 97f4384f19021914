/* From a program and its kernels to files: the last step of code generation. */
#ifndef ADZE_CODEGEN_EMIT_H
#define ADZE_CODEGEN_EMIT_H

#include "codegen/output.h"
#include "codegen/program.h"

#include <llvm-c/Types.h>

/* Completes `module`, which holds the program's kernels, and writes the files that the options ask for. Each
 * file appears complete or not at all. Functions without target features get those of the target. The module
 * is the caller's to dispose of and good for nothing else afterwards.
 * Errors: a file that cannot be written, no linker, what the linker says, weights too large to go inside. */
MUST_USE enum status codegen_emit(LLVMModuleRef module, const struct program *program,
                                  const struct emit_options *options, struct diag *diag);

#endif
