/* The identity of a kernel: ops with equal keys compute the same function of their buffers and share one
 * kernel. */
#ifndef ADZE_CODEGEN_KERNEL_KEY_H
#define ADZE_CODEGEN_KERNEL_KEY_H

#include "ir/op.h"

/* The canonical text of an op of the root: kinds, types, attributes, literals, the body with its values
 * numbered, the schedule. Names do not matter. */
void kernel_key(const struct module *m, op_id op, struct str *out);

#endif
