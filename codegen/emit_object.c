#include "codegen/emit_object.h"

#include <elf.h>
#include <string.h>

/* LLVM reports through a handler of the context; warnings and remarks are not for the user. */
static void collect(LLVMDiagnosticInfoRef info, void *context) {
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    char *text = LLVMGetDiagInfoDescription(info);
    struct str *errors = context;
    if (errors->length) str_add(errors, "; ");
    str_add(errors, text);
    LLVMDisposeMessage(text);
}

enum status emit_object(LLVMModuleRef module, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                        struct diag *diag, LLVMMemoryBufferRef *out) {
    LLVMContextRef context = LLVMGetModuleContext(module);
    LLVMModuleRef copy = LLVMCloneModule(module); /* code generation changes what it compiles */
    LLVMDiagnosticHandler old = LLVMContextGetDiagnosticHandler(context);
    void *old_context = LLVMContextGetDiagnosticContext(context);
    struct str errors = {0};
    char *message = NULL;
    LLVMContextSetDiagnosticHandler(context, collect, &errors);
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(machine, copy, type, &message, out) != 0;
    LLVMContextSetDiagnosticHandler(context, old, old_context);
    LLVMDisposeModule(copy);
    enum status status = STATUS_OK;
    if (failed) {
        status = diag_error(diag, (struct loc){0}, "LLVM cannot compile the model: %s", message);
        LLVMDisposeMessage(message);
    } else if (errors.length) {
        status = diag_error(diag, (struct loc){0}, "LLVM cannot compile the model: %s", errors.text);
        LLVMDisposeMemoryBuffer(*out);
    }
    if (status != STATUS_OK) *out = NULL;
    str_free(&errors);
    return status;
}

void object_undefined(const void *object, size_t size, struct str *out) {
    const unsigned char *base = object;
    Elf64_Ehdr header;
    if (size < sizeof header) return;
    memcpy(&header, base, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        return;
    for (uint32_t s = 0; s < header.e_shnum; s++) {
        Elf64_Shdr section, names;
        memcpy(&section, base + header.e_shoff + s * sizeof section, sizeof section);
        if (section.sh_type != SHT_SYMTAB) continue;
        memcpy(&names, base + header.e_shoff + section.sh_link * sizeof names, sizeof names);
        for (uint64_t at = sizeof(Elf64_Sym); at < section.sh_size; at += sizeof(Elf64_Sym)) {
            Elf64_Sym symbol;
            memcpy(&symbol, base + section.sh_offset + at, sizeof symbol);
            if (symbol.st_shndx != SHN_UNDEF) continue;
            str_printf(out, "%s\n", (const char *)base + names.sh_offset + symbol.st_name);
        }
    }
}
