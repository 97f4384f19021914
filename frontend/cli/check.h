/* compile --verify: the compiled model against the interpreter. */
#ifndef ADZE_FRONTEND_CLI_CHECK_H
#define ADZE_FRONTEND_CLI_CHECK_H

#include "frontend/cli/command.h"
#include "ir/module.h"

/* Runs STEM.so and the interpreter on the inputs given by --input, random ones where none is given, and
 * prints the largest error of every output. Integers and bools must be equal. Floats are compared with the
 * interpreter in f64: the error may be what the interpreter in the model's own types makes, times a factor
 * for other orders of summation, and some units in the last place of the largest value. The library runs
 * three times, on these inputs, on others and on these again, from scratch memory full of NaN patterns: the
 * first and the last have to give the same bytes, and inputs stay as they are. */
MUST_USE enum status check_compiled(struct invocation *inv, const struct module *original, const char *stem);

#endif
