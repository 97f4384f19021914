/* The verifier: reports every broken invariant (the list opens verify.c), prints nothing, never stops at the
 * first. */
#ifndef ADZE_IR_VERIFY_H
#define ADZE_IR_VERIFY_H

#include "ir/op.h"

/* `thorough`: also runs shape inference again and checks layouts against what the ops can compute in.
 * STATUS_FAILED with diagnostics at the ops' locations when something is wrong. */
MUST_USE enum status verify_module(struct module *m, bool thorough, struct diag *diag);

#endif
