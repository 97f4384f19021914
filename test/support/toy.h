/* A program made by hand: y = 2x + 1 in two steps over n elements, with weights, shared scratch memory (for
 * 2x) and worker scratch memory (each sum passes through it). */
#ifndef ADZE_TEST_SUPPORT_TOY_H
#define ADZE_TEST_SUPPORT_TOY_H

#include "codegen/emit.h"

#include <llvm-c/Core.h>

enum { TOY_ELEMENTS = 1000 };

struct toy_options {
    const char *name;
    uint64_t features; /* that running it needs */
    bool symbolic;     /* n is a symbol with variants for 0..9 and 10..TOY_ELEMENTS; else TOY_ELEMENTS */
    bool call_memset;  /* the first kernel calls memset on its part of scratch memory first */
};

/* Compiles the toy for x86-64 to the files that `options` asks for (its target is filled in). */
enum status toy_emit(const struct toy_options *toy, struct emit_options *options, struct diag *diag);

#endif
