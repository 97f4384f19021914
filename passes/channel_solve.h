/* What is left of a contraction after channels of its input are gone, solved again. */
#ifndef ADZE_PASSES_CHANNEL_SOLVE_H
#define ADZE_PASSES_CHANNEL_SOLVE_H

#include "passes/gram.h"

/* Weights W' that are 0 on the removed columns and, on the others, make W' X + b' nearest to the reference's
 * W R + b: least squares damped towards the old weights, so that nothing changes where nothing was lost. With
 * `free_bias` moments are taken about the means and *bias_shift[rows] is what the bias has to gain; else the
 * sums go through the origin and it is 0. g has own, cross and the sums; w [rows][depth] holds the original
 * weights and is changed. */
void channel_solve(const struct gram *g, const bool *removed, bool free_bias, int64_t rows, double *w,
                   double *bias_shift);

#endif
