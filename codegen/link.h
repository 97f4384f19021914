/* Linking, by the programs a machine has for it. */
#ifndef ADZE_CODEGEN_LINK_H
#define ADZE_CODEGEN_LINK_H

#include "ir/target.h"

struct link_request {
    const char *object;  /* path */
    const char *output;  /* path to write to */
    const char *symbol;  /* of the descriptor */
    const char *soname;  /* of a shared library */
    const char *runtime; /* of an executable: the path of libadze_runtime.a; null: beside this program */
    enum arch arch;
};

/* A shared library that needs no other; ld.lld does it, or cc, or ld. The descriptor is exported under its
 * own name and as adze_model. Errors: no linker; what it says. */
MUST_USE enum status link_shared(const struct link_request *request, struct diag *diag);

/* A program: the model and the runtime's main. cc does it, for it knows the C library. */
MUST_USE enum status link_executable(const struct link_request *request, struct diag *diag);

#endif
