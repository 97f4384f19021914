/* Ways to compute an op: what `assign` chooses among. Format, layout and schedule come together, because a
 * kernel's tiles decide how its operands must be stored. Code generation knows its kernels and proposes;
 * passes only see this interface. */
#ifndef ADZE_IR_CANDIDATE_H
#define ADZE_IR_CANDIDATE_H

#include "ir/module.h"
#include "ir/target.h"

struct candidate {
    layout_id out;       /* of all results */
    const layout_id *in; /* one for each operand (of left-out ones ignored); in m->arena */
    struct schedule schedule;
    bool has_schedule;
    double cost_ns;       /* estimated, of the kernel alone: relayouts are charged by assign */
    const char *why_slow; /* not NULL: a generic kernel, and why no better one applies; becomes a remark */
};

/* The candidates for an op of the root with static types, best first; at least one. Their number is at most
 * `room`. */
struct kernel_library {
    uint32_t (*propose)(void *ctx, struct module *m, op_id op, const struct target *target,
                        struct candidate *out, uint32_t room);
    void *ctx;
};

#endif
