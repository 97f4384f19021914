/* Ways to compute an op: what assign chooses among. Layout and schedule come together, because a kernel's
 * tiles decide how its operands must be stored. */
#ifndef ADZE_PASSES_CANDIDATES_H
#define ADZE_PASSES_CANDIDATES_H

#include "ir/contraction.h"

struct candidate {
    layout_id out;       /* of all results */
    const layout_id *in; /* one for each operand (of left-out ones ignored); in m->arena */
    struct schedule schedule;
    bool has_schedule;
    /* Weights that the kernel reads in coded form: an operand of the op, and what reads it; the coding is not
     * chosen yet. NULL: none. In m->arena. */
    const struct contraction *coded;
    uint32_t coded_operand;
    double cost_ns;       /* estimated, of the kernel alone: relayouts are charged by assign */
    const char *why_slow; /* not NULL: generic loops, and why no dense kernel applies; becomes a remark */
};

/* The candidates for an op of the root with static types, best first; at least one. Without a target only the
 * plain one. `room` >= 1. */
uint32_t candidates_of(struct module *m, op_id op, const struct target *target, struct candidate *out,
                       uint32_t room);

#endif
