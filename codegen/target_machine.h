/* LLVM's view of a target. */
#ifndef ADZE_CODEGEN_TARGET_MACHINE_H
#define ADZE_CODEGEN_TARGET_MACHINE_H

#include "ir/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

/* A machine that compiles position-independent code for the baseline of the target's architecture; functions
 * that may use more say so in their attributes (target_attributes). Names never reach LLVM unchecked: it
 * aborts on those it does not know. Aborts when the LLVM library lacks the architecture. Freed with
 * LLVMDisposeTargetMachine. */
LLVMTargetMachineRef target_machine(const struct target *target);

/* Gives the module the triple and data layout of the machine. */
void target_prepare_module(LLVMModuleRef module, LLVMTargetMachineRef machine);

/* Lets LLVM use the features in a function; a set of 0 is the baseline. */
void target_attributes(LLVMValueRef function, enum arch arch, uint64_t features);
bool target_has_attributes(LLVMValueRef function);
/* Does a function that target_attributes describes run on x86-64 CPUs without this feature? */
bool target_may_lack(LLVMValueRef function, uint64_t feature);

#endif
