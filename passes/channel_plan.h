/* What the options of prune-channels ask of each group: which groups are meant, how much of each goes and how
 * much stays at least. */
#ifndef ADZE_PASSES_CHANNEL_PLAN_H
#define ADZE_PASSES_CHANNEL_PLAN_H

#include "passes/channel_groups.h"
#include "passes/pass.h"

struct channel_quota {
    bool skip;           /* left alone */
    bool heads;          /* its sets are heads of an attention */
    bool own;            /* the ratio is its own, not a share of the ranking's */
    double ratio, least; /* shares of its sets: that goes, that stays at least */
};

/* By group; freed by the caller. Patterns that match no group, or that conflict, are errors, and so are
 * numbers outside of 0 to 1. A group goes by the names of the values that have its channels and of the
 * weights that make them, not of those that read them: so each layer's channels are its own. */
MUST_USE enum status channel_plan_make(const struct module *m, const struct channel_groups *groups,
                                       const struct pass_options *options, struct diag *diag,
                                       struct channel_quota **out);

/* How many of a group's sets stay when `gone` of them could go: at least what the quota asks for, and one. Of
 * channels (heads fill vectors by themselves) it is a multiple that vectors like, as long as that changes
 * little. */
uint32_t channel_plan_kept(const struct channel_quota *q, const struct pass_options *options, uint32_t sets,
                           int64_t gone);
/* The smallest number that may stay. */
uint32_t channel_plan_least(const struct channel_quota *q, uint32_t sets);

#endif
