/* Checks a memory plan by running it: every byte of scratch and output memory has an owner, the value that
 * was last stored there. A step must find its operands' bytes owned by its operands, must not store over
 * anything it reads, and each output must own all of its port at the end. The plan's own idea of lifetimes
 * plays no part. */
#ifndef ADZE_TEST_PLAN_CHECK_H
#define ADZE_TEST_PLAN_CHECK_H

#include "ir/op.h"

/* Of a module after plan-memory, with static shapes. False, and the first fault in `why`, if it is broken. */
bool plan_check(const struct module *m, struct str *why);

#endif
