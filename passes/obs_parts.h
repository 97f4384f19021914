/* What the files of the optimal brain surgeon share. */
#ifndef ADZE_PASSES_OBS_PARTS_H
#define ADZE_PASSES_OBS_PARTS_H

#include "ir/base/base.h"
#include "passes/obs.h"

enum { OBS_MOST_COLUMNS = 64 }; /* of a block, for exact removal */

/* The mean of the diagonal; 1 where all of it is zero. */
double moment_mean(const double *g, int64_t n);

/* a = Uᵀ U in place, U in the row-major upper triangle; false if a is not positive. */
bool moment_factor(double *a, int64_t n);

/* Sets p->kept by removing one unit after the other at least cost, over all rows. `inverse`: (g + λ)⁻¹. */
void obs_choose_exactly(const struct obs_problem *p, const double *inverse);

/* Sets p->kept, and p->w to weights on it that come near to the target's outputs. */
void obs_choose_by_splitting(const struct obs_problem *p, const double *target);

/* One pass over the columns: decides what is kept (unless it is `given`), zeroes the rest, rounds the kept
 * to the grid (NULL: leaves them), and moves what either loses to the columns on the right. `inverse` is
 * overwritten. `order` are the original places of the columns (NULL: in order). */
void obs_sweep(const struct obs_problem *p, const struct obs_grid *grid, bool given, const int64_t *order,
               double *inverse);

#endif
