/* What passes decided about a layer, kept in the module: so that `adze explain` can tell, of a model that was
 * printed and read back, who made a weight what it is and what that cost.
 *
 * Decisions stand in the module's metadata, one line for a weight (or, where a layer has none of its own, for
 * the value that it computes), one entry for each pass that decided something, in the order of the passes:
 *
 *   metadata "decision.weight.fc.weight" = "prune-channels(ratio = 0.25), shape = 64x256, error = 0.00412;
 *       sparsify(pattern = 2:4), method = obs, kept = 6144 of 12288 weights, error = 0.0131"
 *
 * An entry is the pass as a pipeline spells it, with the options that were not left at their defaults, then
 * fields. Whoever reads skips fields that it does not know.
 *
 *   method    which of the ways that the pass knows was taken; without data that is not always the one asked
 * for kept      how many of how many stay, and of what: "weights", "channels", "heads" shape     the weight's
 * shape before the pass, where the pass changed it: the first one is the original's error     what the pass
 * measured on the samples: ‖Y − Y'‖² / ‖Y‖² of the layer's outputs Y before the pass and Y' after; in
 * decibels of signal to noise that is −10 log10(error) note      what else there is to say, without a
 * semicolon
 *
 * Numbers have few digits: they inform, nothing is computed from them. */
#ifndef ADZE_IR_DECISION_H
#define ADZE_IR_DECISION_H

#include "ir/module.h"

struct decision {
    const char *pass;
    const char *method; /* NULL: none */
    int64_t kept, total;
    const char *unit; /* of kept and total; NULL: nothing was counted */
    uint32_t rank;    /* of the shape; 0: it was not changed */
    int64_t dim[MAX_RANK];
    bool measured; /* whether there is an error */
    double error;
    const char *note; /* NULL: none */
};

/* Adds a decision about a parameter, or about another value of the root; after those that there are. Passes
 * call pass_decide (passes/pass.h), which fills in `pass`. */
void decision_record(struct module *m, value_id subject, const struct decision *d);

/* The decisions about a value, oldest first; *out lives in the arena. What cannot be read (a stranger wrote
 * it) is left out. */
uint32_t decision_list(const struct module *m, value_id subject, struct arena *arena,
                       const struct decision **out);

/* Whether there is a decision of the pass, by the name it has without options, about anything. */
bool decision_made_by(const struct module *m, const char *pass);

/* Decisions about `from` are about `to`, too, from now on. For passes that put a new weight in the place of
 * an old one, which is swept away when nobody uses it. */
void decision_copy(struct module *m, value_id from, value_id to);

/* Drops decisions about what is not in the module any more. The pass manager does so after every pass. */
void decision_sweep(struct module *m);

#endif
