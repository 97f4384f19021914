/* Calibration: replays the module for a pass, op by op, every op across all samples before the next, so that
 * a pass sees what each op gets on the user's data, may change the op's weights, and the ops after it see the
 * consequences.
 *
 * Beside the module runs a reference: the network as it was when the replay began, so that a pass can compare
 * with what the op got and gave then. It costs nothing until something has been changed: the values are
 * shared.
 *
 * Memory: the values that are live, of all samples, within a budget; samples that would not fit are left out,
 * with a remark. Results depend on the data and the module alone (on one machine). */
#ifndef ADZE_PASSES_REPLAY_H
#define ADZE_PASSES_REPLAY_H

#include "ir/op.h"
#include "ir/samples.h"

struct replay;

struct replay_visitor {
    /* Called before each op of the root, in order, with its operands known. It may change weights by
     * replay_set_weight, keep what it measured, and nothing else of the module. May be NULL. */
    enum status (*before)(void *ctx, struct replay *r, op_id op);
    /* Called after each op, with its results known too. May be NULL. */
    enum status (*after)(void *ctx, struct replay *r, op_id op);
    /* Called once at the end, with the module's outputs known. May be NULL. */
    enum status (*finish)(void *ctx, struct replay *r);
    void *ctx;
};

struct replay_options {
    const char *pass; /* for remarks and progress */
    const struct sample_source *data;
    const struct progress *progress; /* may be NULL */
    uint32_t most;                   /* samples; 0: all */
    uint64_t budget;                 /* bytes for values; 0: a quarter of the machine's memory */
    bool reference;                  /* replay_reference will be asked */
};

MUST_USE enum status replay_run(struct module *m, const struct replay_options *options,
                                const struct replay_visitor *visitor, struct diag *diag);

uint32_t replay_samples(const struct replay *r);
struct diag *replay_diag(const struct replay *r);
/* The module with the symbols bound to the samples' extents (handles as in the replayed one): for types. Its
 * weights are not those of the replayed module. */
const struct module *replay_types(const struct replay *r);
/* The value of a live operand or result, or of a constant, in a sample. */
const struct tensor *replay_value(const struct replay *r, uint32_t sample, value_id v);
/* The same in the reference. */
const struct tensor *replay_reference(const struct replay *r, uint32_t sample, value_id v);
/* The weight's data as it was when the replay began. */
const struct tensor *replay_original(const struct replay *r, weight_id w);
/* Gives a weight new data of the same element type and shape (taken over). The old data lives until the
 * replay ends. */
void replay_set_weight(struct replay *r, weight_id w, struct tensor tensor);

#endif
