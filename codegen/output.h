/* What comes out of code generation: kinds of files and the options for them. */
#ifndef ADZE_CODEGEN_OUTPUT_H
#define ADZE_CODEGEN_OUTPUT_H

#include "ir/target.h"

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
    const char *runtime; /* path of libadze_runtime.a, for OUTPUT_EXE; null: as installed or built beside this
                            program */
};

/* The name of the file of a kind: of OUTPUT_SHARED "STEM.so", and so on; freed by the caller. */
char *emit_path(const char *stem, enum output_kind kind);
/* The kind that --emit names so ("shared", "static", "obj", "exe", "llvm", "asm"); OUTPUT_KINDS when there is
 * none. */
enum output_kind emit_kind_by_name(const char *name);

#endif
