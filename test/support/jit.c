#include "test/support/jit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *why) {
    fprintf(stderr, "jit: %s: %s\n", what, why);
    exit(1);
}

static void expect(const char *what, LLVMErrorRef error) {
    if (error) fail(what, LLVMGetErrorMessage(error));
}

bool jit_can_run(const char *cpu) {
    __builtin_cpu_init();
    if (strcmp(cpu, "x86-64") == 0) return __builtin_cpu_supports("x86-64");
    if (strcmp(cpu, "x86-64-v2") == 0) return __builtin_cpu_supports("x86-64-v2");
    if (strcmp(cpu, "x86-64-v3") == 0) return __builtin_cpu_supports("x86-64-v3");
    if (strcmp(cpu, "x86-64-v4") == 0) return __builtin_cpu_supports("x86-64-v4");
    return false;
}

static LLVMTargetMachineRef machine(const char *triple, const char *cpu, const char *features) {
    LLVMInitializeAllTargetInfos();
    LLVMInitializeAllTargets();
    LLVMInitializeAllTargetMCs();
    LLVMInitializeAllAsmPrinters();
    LLVMTargetRef target;
    char *error = NULL;
    if (LLVMGetTargetFromTriple(triple, &target, &error)) fail(triple, error);
    return LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                   LLVMCodeModelDefault);
}

void jit_init(struct jit *jit, const char *cpu) {
    LLVMContextRef context = LLVMContextCreate();
    *jit = (struct jit){.cpu = cpu,
                        .context = context,
                        .module = LLVMModuleCreateWithNameInContext("jit", context),
                        .builder = LLVMCreateBuilderInContext(context)};
    char *triple = LLVMGetDefaultTargetTriple();
    LLVMSetTarget(jit->module, triple);
    LLVMTargetMachineRef tm = machine(triple, cpu, "");
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetModuleDataLayout(jit->module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeTargetMachine(tm);
    LLVMDisposeMessage(triple);
}

static void add_string_attribute(LLVMValueRef function, const char *key, const char *value) {
    LLVMContextRef context = LLVMGetTypeContext(LLVMTypeOf(function));
    LLVMAttributeRef a =
        LLVMCreateStringAttribute(context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

void jit_prepare_function(struct jit *jit, LLVMValueRef function) {
    if (strcmp(jit->cpu, "x86-64-v4") == 0) add_string_attribute(function, "prefer-vector-width", "512");
}

LLVMValueRef jit_function(struct jit *jit, const char *name, LLVMTypeRef result, LLVMTypeRef *parameters,
                          unsigned count) {
    LLVMValueRef function =
        LLVMAddFunction(jit->module, name, LLVMFunctionType(result, parameters, count, 0));
    jit_prepare_function(jit, function);
    LLVMPositionBuilderAtEnd(jit->builder, LLVMAppendBasicBlockInContext(jit->context, function, "entry"));
    return function;
}

char *jit_assembly(struct jit *jit, const char *triple, const char *cpu, const char *features) {
    LLVMTargetMachineRef tm = machine(triple, cpu, features);
    LLVMModuleRef copy = LLVMCloneModule(jit->module);
    LLVMSetTarget(copy, triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetModuleDataLayout(copy, layout);
    LLVMDisposeTargetData(layout);
    LLVMMemoryBufferRef buffer;
    char *error = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(tm, copy, LLVMAssemblyFile, &error, &buffer)) fail(triple, error);
    char *text = LLVMCreateMessage(LLVMGetBufferStart(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    LLVMDisposeModule(copy);
    LLVMDisposeTargetMachine(tm);
    return text;
}

static void link_module(struct jit *jit) {
    char *error = NULL;
    if (LLVMVerifyModule(jit->module, LLVMReturnStatusAction, &error)) {
        LLVMDumpModule(jit->module);
        fail("the module is not valid", error);
    }
    LLVMDisposeMessage(error);
    LLVMDisposeBuilder(jit->builder);
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    LLVMTargetMachineRef tm = machine(LLVMGetTarget(jit->module), jit->cpu, "");
    LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder,
                                                  LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(tm));
    expect("creating the jit", LLVMOrcCreateLLJIT(&jit->lljit, builder));
    LLVMOrcThreadSafeContextRef context = LLVMOrcCreateNewThreadSafeContextFromLLVMContext(jit->context);
    LLVMOrcThreadSafeModuleRef module = LLVMOrcCreateNewThreadSafeModule(jit->module, context);
    LLVMOrcDisposeThreadSafeContext(context);
    expect("adding the module",
           LLVMOrcLLJITAddLLVMIRModule(jit->lljit, LLVMOrcLLJITGetMainJITDylib(jit->lljit), module));
    jit->module = NULL;
}

void *jit_address(struct jit *jit, const char *name) {
    if (!jit->lljit) link_module(jit);
    LLVMOrcExecutorAddress address = 0;
    expect(name, LLVMOrcLLJITLookup(jit->lljit, &address, name));
    return (void *)(uintptr_t)address;
}

void jit_free(struct jit *jit) {
    if (jit->lljit) {
        expect("ending the jit", LLVMOrcDisposeLLJIT(jit->lljit));
    } else {
        LLVMDisposeBuilder(jit->builder);
        LLVMDisposeModule(jit->module);
        LLVMContextDispose(jit->context);
    }
    *jit = (struct jit){0};
}
