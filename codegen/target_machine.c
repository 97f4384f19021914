#include "codegen/target_machine.h"

#include <llvm-c/Target.h>
#include <string.h>

/* What LLVM calls an architecture and its baseline. */
static const struct arch_row {
    const char *triple, *cpu, *features;
} arch_rows[] = {
    [ARCH_X86_64] = {"x86_64-unknown-linux-gnu", "x86-64", ""},
    [ARCH_AARCH64] = {"aarch64-unknown-linux-gnu", "generic", "+neon"},
    [ARCH_RISCV64] = {"riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c,+v"},
    [ARCH_WASM32] = {"wasm32-unknown-unknown", "generic", "+simd128"},
};

static void initialize(enum arch arch) {
    switch (arch) {
    case ARCH_X86_64:
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86Target();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmPrinter();
        LLVMInitializeX86AsmParser();
        break;
    case ARCH_AARCH64:
        LLVMInitializeAArch64TargetInfo();
        LLVMInitializeAArch64Target();
        LLVMInitializeAArch64TargetMC();
        LLVMInitializeAArch64AsmPrinter();
        LLVMInitializeAArch64AsmParser();
        break;
    case ARCH_RISCV64:
        LLVMInitializeRISCVTargetInfo();
        LLVMInitializeRISCVTarget();
        LLVMInitializeRISCVTargetMC();
        LLVMInitializeRISCVAsmPrinter();
        LLVMInitializeRISCVAsmParser();
        break;
    case ARCH_WASM32:
        LLVMInitializeWebAssemblyTargetInfo();
        LLVMInitializeWebAssemblyTarget();
        LLVMInitializeWebAssemblyTargetMC();
        LLVMInitializeWebAssemblyAsmPrinter();
        LLVMInitializeWebAssemblyAsmParser();
        break;
    }
}

LLVMTargetMachineRef target_machine(const struct target *target) {
    const struct arch_row *row = &arch_rows[target->arch];
    LLVMTargetRef llvm_target;
    char *message = NULL;
    initialize(target->arch);
    if (LLVMGetTargetFromTriple(row->triple, &llvm_target, &message)) bug("LLVM: %s", message);
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(llvm_target, row->triple, row->cpu, row->features, LLVMCodeGenLevelDefault,
                                LLVMRelocPIC, LLVMCodeModelDefault);
    if (!machine) bug("LLVM has no target machine for %s", row->triple);
    return machine;
}

void target_prepare_module(LLVMModuleRef module, LLVMTargetMachineRef machine) {
    char *triple = LLVMGetTargetMachineTriple(machine);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetTarget(module, triple);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMDisposeMessage(triple);
}

static void set_attribute(LLVMValueRef function, const char *key, const char *value) {
    LLVMContextRef context = LLVMGetValueContext(function);
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
}

void target_attributes(LLVMValueRef function, enum arch arch, uint64_t features) {
    struct str text = {0};
    str_add(&text, arch_rows[arch].features);
    if (features && text.length) str_add(&text, ",");
    cpu_print(features, "+", ",", &text);
    set_attribute(function, "target-cpu", arch_rows[arch].cpu);
    set_attribute(function, "target-features", str_text(&text));
    str_free(&text);
}

/* An attribute's text, not terminated; null when the function has none. */
static const char *attribute(LLVMValueRef function, const char *key, unsigned *length) {
    LLVMAttributeRef found = LLVMGetStringAttributeAtIndex(
        function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, key, (unsigned)strlen(key));
    return found ? LLVMGetStringAttributeValue(found, length) : NULL;
}

bool target_has_attributes(LLVMValueRef function) {
    unsigned length;
    return attribute(function, "target-features", &length) != NULL;
}

bool target_may_lack(LLVMValueRef function, uint64_t feature) {
    unsigned cpu_length, length;
    const char *cpu = attribute(function, "target-cpu", &cpu_length);
    const char *features = attribute(function, "target-features", &length), *x86 = arch_rows[ARCH_X86_64].cpu;
    if (!cpu || !features || cpu_length != strlen(x86) || memcmp(cpu, x86, cpu_length)) return false;
    struct str name = {0}, given = {0};
    cpu_print(feature, "+", ",", &name);
    str_add_char(&name, ',');
    str_add_bytes(&given, features, length);
    str_add_char(&given, ',');
    bool has = strstr(str_text(&given), str_text(&name)) != NULL;
    str_free(&name);
    str_free(&given);
    return !has;
}
