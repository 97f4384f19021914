/* Which channels of a network stand or fall together, from the channel mappings of the op table alone.
 *
 * Every index along every dimension of every value is a channel. The ops' mappings tie channels of operands
 * and results; what is tied is one *set*, and goes or stays as a whole. A set is frozen when a mapping
 * freezes one of its channels, when an op does not say what happens to one of them, or when it touches a port
 * of the model. Sets that run through the same dimensions of the same values form a *group*: the channels of
 * a layer, or of several layers that are added together. (DepGraph, Fang et al., 2023, has the cases.) */
#ifndef ADZE_PASSES_CHANNEL_GROUPS_H
#define ADZE_PASSES_CHANNEL_GROUPS_H

#include "ir/op.h"

struct channel_member {
    value_id value;
    uint32_t dim;
    int64_t channel;
};

struct channel_set {
    const struct channel_member *member; /* by value, dimension and channel */
    uint32_t count, group;
};

/* The sets of a group are neighbours. Only groups that could be pruned are listed: not frozen, and with a
 * parameter among their values. */
struct channel_group {
    uint32_t first_set, sets;
};

/* Why channels of a value cannot go: for remarks, one for each dimension of a parameter that is frozen. */
struct channel_obstacle {
    value_id value;
    uint32_t dim;
    const char *why;
};

extern const char channel_quantized[]; /* the obstacle of weights with scales: channels go before that */

struct channel_groups {
    struct arena arena;
    VEC(struct channel_set) sets;
    VEC(struct channel_group) groups;
    VEC(struct channel_obstacle) obstacles;
};

/* Of the root of a module with static shapes and no fuse ops. Freed by channel_groups_free. */
void channel_groups_find(const struct module *m, struct channel_groups *out);
void channel_groups_free(struct channel_groups *groups);

/* Takes the sets s with remove[s] out of the module: parameters lose those slices (in new weights of the same
 * names), attributes that count or point at channels follow, types are inferred again. No dimension may lose
 * all of its channels. */
MUST_USE enum status channels_remove(struct module *m, const struct channel_groups *groups,
                                     const bool *remove, struct diag *diag);

#endif
