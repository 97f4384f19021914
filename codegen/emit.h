/* From a program and its kernels to files: the last step of code generation. */
#ifndef ADZE_CODEGEN_EMIT_H
#define ADZE_CODEGEN_EMIT_H

#include "codegen/program.h"
#include "ir/target.h"

#include <llvm-c/Types.h>

enum output_kind {
    OUTPUT_SHARED, /* STEM.so */
    OUTPUT_STATIC, /* STEM.a */
    OUTPUT_OBJECT, /* STEM.o */
    OUTPUT_EXE,    /* STEM: reads .npy files, writes .npy files */
    OUTPUT_LLVM,   /* STEM.ll: the module as text */
    OUTPUT_ASM,    /* STEM.s */
    OUTPUT_KINDS
};
#define OUTPUT_BIT(kind) (1u << (kind))

struct emit_options {
    uint32_t kinds; /* OUTPUT_BIT of each output wanted */
    const struct target *target;
    /* Of every file written. "-" prints text (OUTPUT_LLVM, OUTPUT_ASM and nothing else) on the standard
     * output and writes no file. */
    const char *stem;
    bool external_weights; /* into STEM.weights, not into the code */
    bool header;           /* write STEM.h too */
    const char *runtime;   /* path of libadze_runtime.a, for OUTPUT_EXE; null: as installed or built beside this program */
};

/* The name of the file of a kind: of OUTPUT_SHARED "STEM.so", and so on; freed by the caller. */
char *emit_path(const char *stem, enum output_kind kind);
/* The kind that --emit names so ("shared", "static", "obj", "exe", "llvm", "asm"); OUTPUT_KINDS when there is
 * none. */
enum output_kind emit_kind_by_name(const char *name);

/* Completes `module`, which holds the program's kernels, and writes the files that the options ask for. Each
 * file appears complete or not at all. Functions without target features get those of the target. The module
 * is the caller's to dispose of and good for nothing else afterwards.
 * Errors: a file that cannot be written, no linker, what the linker says, weights too large to go inside. */
MUST_USE enum status codegen_emit(LLVMModuleRef module, const struct program *program,
                                  const struct emit_options *options, struct diag *diag);

#endif
