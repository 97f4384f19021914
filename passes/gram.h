/* Statistics that a replay yields: second moments of a contraction's input, ranges and histograms. */
#ifndef ADZE_PASSES_GRAM_H
#define ADZE_PASSES_GRAM_H

#include "ir/columns.h"
#include "passes/replay.h"

/* With X the input's columns in the module as it is now and R those in the reference, for each group:
 * own = X Xᵀ, cross = R Xᵀ, reference = R Rᵀ, and the sums of the columns. Row-major [depth][depth],
 * symmetric ones whole; groups one after the other. */
enum { GRAM_OWN = 1, GRAM_CROSS = 2, GRAM_REFERENCE = 4 };
struct gram {
    int64_t groups, depth, columns;  /* columns that were summed */
    double *own, *cross, *reference; /* NULL unless asked for */
    double *sum,
        *reference_sum; /* [groups][depth]; the second NULL unless cross or reference was asked for */
};

/* Accumulates in double over blocks of columns that are multiplied in the input's own precision (f16 and bf16
 * in f32). `most`: at most about so many columns are taken, evenly from all samples (0: all). Sums of NaN or
 * infinite numbers are an error that names the value. */
MUST_USE enum status gram_measure(const struct replay *r, const struct columns *c, unsigned what,
                                  int64_t most, struct gram *out);
void gram_free(struct gram *g);
static inline double *gram_own(const struct gram *g, int64_t group) {
    return g->own + group * g->depth * g->depth;
}

/* to += from: of another input. */
void gram_add(struct gram *to, const struct gram *from);

/* Mean squares of the input's rows alone: energy[groups * depth], without the matrix. */
MUST_USE enum status gram_energy(const struct replay *r, const struct columns *c, int64_t most,
                                 double *energy);

/* Smallest and largest number of a live float value over all samples, and its mean and mean square. */
struct value_range {
    double lo, hi, mean, square;
    int64_t count;
};
struct value_range replay_range(const struct replay *r, value_id v);
/* Counts of a live float value's numbers in `bins` equal intervals of [lo, hi]; what lies outside goes to the
 * end bins. */
void replay_histogram(const struct replay *r, value_id v, double lo, double hi, uint32_t bins,
                      uint64_t *counts);

/* Columns of a layer's input, [count][depth], evenly from all samples, at most `most`; returns their number.
 */
int64_t replay_columns(const struct replay *r, const struct columns *c, int64_t group, int64_t most,
                       float *to);

#endif
