/* "Did you mean" hints: the candidate that is nearest to a name, if it is near enough to be a slip. */
#ifndef ADZE_FRONTEND_NEAR_H
#define ADZE_FRONTEND_NEAR_H

#include "ir/base/arena.h"

struct near {
    const char *wanted, *best; /* best: NULL until a candidate is near enough */
    unsigned distance;
};

struct near near_to(const char *wanted);
void near_offer(struct near *near, const char *candidate); /* must live until the hint is made */
void near_offer_ops(struct near *near);
/* "; did you mean 'best'?", "" without a best one. */
const char *near_hint(const struct near *near, struct arena *arena);

#endif
