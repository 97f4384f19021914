/* A compiled library, loaded: runs it on tensors. */
#ifndef ADZE_FRONTEND_CLI_COMPILED_H
#define ADZE_FRONTEND_CLI_COMPILED_H

#include "frontend/cli/command.h"
#include "ir/module.h"
#include "runtime/include/adze_runtime.h"

struct compiled {
    struct adze_library *library;
    const struct adze_model *model;
    struct adze_session *session;
    uint32_t inputs, outputs;
    const char **input_names, **output_names; /* in the invocation's arena */
};

/* Opens `path`; external weights come from `weights` or, when NULL, from the file beside the library. On
 * success compiled_close. */
MUST_USE enum status compiled_open(struct invocation *inv, const char *path, const char *weights,
                                   uint32_t workers, struct compiled *out);
/* Compiles the module (whose shapes are fixed; it is changed) for this machine into a folder of its own,
 * which is gone afterwards, and opens that. */
MUST_USE enum exit_code compiled_make(struct invocation *inv, struct module *m, uint32_t workers,
                                      struct compiled *out);
void compiled_close(struct compiled *c); /* accepts a zeroed one */

/* Checks the inputs' types and shapes, and allocates the outputs (owned by the caller). Symbols take their
 * values from the inputs. */
MUST_USE enum status compiled_outputs(struct invocation *inv, const struct compiled *c,
                                      const struct tensor *inputs, struct tensor *outputs);
/* One run; `ticks` (NULL: none) gets nanoseconds for each step of the variant. Returns an adze_error. */
int compiled_run(const struct compiled *c, const struct tensor *inputs, struct tensor *outputs,
                 uint64_t *ticks);
enum { COMPILED_POISON = 0xFF }; /* a byte of which NaN patterns are made */
/* Fills the session's scratch memory with it: a run may not depend on what is there. */
void compiled_poison(const struct compiled *c);
/* Type and declared shape of port i (inputs first, then outputs). Static shapes only, which `compile` makes.
 */
struct tensor compiled_port(const struct compiled *c, uint32_t port); /* no data */
const struct adze_variant *compiled_variant(const struct compiled *c);
enum elem compiled_elem(uint32_t abi_elem);

/* Deterministic noise for inputs nobody gave: floats in [-1, 1), integers in [0, 10), bools. */
void fill_random(struct tensor *t, uint64_t seed);

#endif
