/* The rules of the pass `raise` that need more than patterns of primitives. */
#ifndef ADZE_PASSES_RAISE_H
#define ADZE_PASSES_RAISE_H

#include "passes/pass.h"

/* Lets ops read integers instead of what was decoded from them (raise_quantized.c). */
void raise_quantized(struct module *m, struct diag *diag);

#endif
