/* The C header of a compiled model. */
#ifndef ADZE_CODEGEN_HEADER_H
#define ADZE_CODEGEN_HEADER_H

#include "codegen/program.h"
#include "ir/base/str.h"

/* Writes NAME.h: constants, contract, an example that compiles, and NAME_run with a pointer for each port.
 * `prefix` is the C identifier of the model; weights_bytes is the size of its weights file, 0 when there is
 * none. */
void header_print(const struct program *program, const char *prefix, uint64_t weights_bytes, struct str *out);

/* The bytes of scratch memory, at the upper bound of the symbols, over all variants: shared, and for each
 * worker. */
void header_scratch(const struct program *program, uint64_t *shared, uint64_t *worker);

#endif
