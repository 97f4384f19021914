/* Which channel sets of a group can go at least loss: greedy removal by the second-order loss at all
 * contractions that read them.
 *
 * With C the covariance of a contraction's input columns and W its weights, taking out the columns S and
 * letting those that stay make up for them costs tr(W_S (C⁻¹_SS)⁻¹ W_Sᵀ), and the best answer of the others
 * is known in closed form. (Optimal Brain Surgeon, Hassibi and Stork, 1993; for groups of weights OBC,
 * Frantar and Alistarh, 2022.) Losses are relative to each contraction's output energy. */
#ifndef ADZE_PASSES_CHANNEL_SCORE_H
#define ADZE_PASSES_CHANNEL_SCORE_H

#include "ir/base/arena.h"

/* One contraction that reads channels of the group. */
struct channel_consumer {
    int64_t rows, depth;
    double *weights; /* [rows][depth], owned, changed by the removal, and rows may become fewer */
    double *inverse; /* C⁻¹ [depth][depth], owned; NULL: the identity, and losses are those of magnitude */
    double energy;   /* tr(W C Wᵀ), or the weights' squares */
    const int32_t *set_of; /* [depth]: the set within the group, -1 for others' */
};

/* Covariance [depth][depth] of so many columns to its inverse, in place, damped where columns are few and by
 * what its factorization needs. */
void covariance_invert(double *covariance, int64_t depth, int64_t columns);

/* Takes `count` of `sets` sets out, cheapest first: order[i] is the i-th, loss[i] what it adds to the
 * relative losses. Returns how many went. `extra` (NULL, or by set) is a cost of their own, for groups
 * without consumers. */
uint32_t channels_choose(struct channel_consumer *consumers, uint32_t consumer_count, uint32_t sets,
                         uint32_t count, const double *extra, uint32_t *order, double *loss);

#endif
