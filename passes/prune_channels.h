/* The parts of prune-channels: what goes is chosen (prune_choose.c), what stays is solved again and taken out
 * (prune_channels.c). */
#ifndef ADZE_PASSES_PRUNE_CHANNELS_H
#define ADZE_PASSES_PRUNE_CHANNELS_H

#include "passes/channel_plan.h"
#include "passes/channel_score.h"
#include "passes/gram.h"
#include "passes/layers.h"

/* A contraction that reads channels of prunable groups. Those with one weight in common are a family: they
 * are measured and solved as one, on the inputs of them all. */
struct reader {
    op_id op;
    struct columns columns; /* bias: one that may change, else 0 */
    int32_t *set;           /* [depth]: the set, -1: none */
    uint32_t first, family; /* the first of its family, and how many they are */
    uint32_t seen;          /* of the first: how many of the family have been measured */
    struct gram gram;       /* of the first, where there are others: of all their inputs in the original */
    bool measured;
    double error; /* of its outputs, relative, when all is done */
};

struct group_state {
    uint32_t readers, left; /* families in all, and not measured yet */
    struct channel_consumer *consumer;
    uint32_t consumers;
    double *energy;  /* by set, of a group without readers: what its values carry to what ends it; or NULL */
    uint32_t *order; /* sets of the group, the first to go first */
    double *cost;    /* what each adds to the loss */
    uint32_t listed, gone;
};

enum importance { IMPORTANCE_MAGNITUDE, IMPORTANCE_ACTIVATION, IMPORTANCE_SECOND_ORDER };

struct pruner {
    struct module *m;
    const struct pass_options *options;
    struct diag *diag;
    struct channel_groups groups;
    VEC(struct reader) readers;
    uint32_t *reader_of; /* by op: index + 1 */
    struct channel_quota *quota;
    struct group_state *state;
    bool *removed; /* by set */
    bool data, solve, global;
    enum importance importance;
};

/* Fills in p->removed and, of each group, how many go. */
MUST_USE enum status prune_choose(struct pruner *p);
double prune_loss(const struct pruner *p, uint32_t group);

#endif
