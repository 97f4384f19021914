/* The part of a compiled model that is not kernels, as LLVM IR: descriptor, tables, entry points, weights. */
#ifndef ADZE_CODEGEN_EMIT_MODULE_H
#define ADZE_CODEGEN_EMIT_MODULE_H

#include "codegen/program.h"
#include "ir/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

struct adze_weights_header;

/* Completes the module. The descriptor becomes its only external symbol, named `symbol`. With `weights` (the
 * header of a weights file) the model asks its caller for that file, else it carries program->weights. */
void emit_module(LLVMModuleRef module, LLVMTargetMachineRef machine, const struct target *target,
                 const struct program *program, const char *symbol,
                 const struct adze_weights_header *weights);

#endif
