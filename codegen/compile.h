/* From a module whose memory is planned to files: makes one kernel of every op of the root that computes
 * something, lists the steps, packs the constants, and hands the program to codegen_emit. */
#ifndef ADZE_CODEGEN_COMPILE_H
#define ADZE_CODEGEN_COMPILE_H

#include "codegen/output.h"
#include "ir/module.h"

/* The module has been through fuse, assign and plan-memory for options->target. Contractions that end in
 * generic loops leave a remark. */
MUST_USE enum status codegen_compile(struct module *m, const struct emit_options *options, struct diag *diag);

#endif
