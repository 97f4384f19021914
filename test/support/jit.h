/* Runs emitted code in the process, for unit tests. A jit is one LLVM module for one CPU; symbols outside the
 * module are never found, so code that calls anything does not link. Failures print and exit: they are the
 * test's result. */
#ifndef ADZE_TEST_SUPPORT_JIT_H
#define ADZE_TEST_SUPPORT_JIT_H

#include <llvm-c/Core.h>
#include <stdbool.h>

struct jit {
    const char *cpu;
    LLVMContextRef context;
    LLVMModuleRef module; /* NULL once linked */
    LLVMBuilderRef builder;
    struct LLVMOrcOpaqueLLJIT *lljit; /* NULL until linked */
};

/* cpu: "x86-64-v2", "x86-64-v3" or "x86-64-v4". */
bool jit_can_run(const char *cpu);
void jit_init(struct jit *jit, const char *cpu);
/* An external function of the module, with an entry block in which the builder stands. */
LLVMValueRef jit_function(struct jit *jit, const char *name, LLVMTypeRef result, LLVMTypeRef *parameters,
                          unsigned count);
/* Lets a function that was made otherwise use the CPU as jit_function's do. */
void jit_prepare_function(struct jit *jit, LLVMValueRef function);
/* The module as assembly for any triple and CPU; free with LLVMDisposeMessage. */
char *jit_assembly(struct jit *jit, const char *triple, const char *cpu, const char *features);
/* The address of a function; the first call verifies and compiles the module. */
void *jit_address(struct jit *jit, const char *name);
void jit_free(struct jit *jit);

#endif
