/* Which weights of a layer may go, and what the others become: masks by score, and the optimal brain surgeon.
 *
 * A problem is one group of a contraction: W [rows, depth], row-major in double. Columns come in units of
 * one, or of a block's width; rows in bundles of one, or of a block's height; what is kept is decided for a
 * unit of a bundle at a time. */
#ifndef ADZE_PASSES_OBS_H
#define ADZE_PASSES_OBS_H

#include "ir/types.h"

struct pattern {
    int64_t rows, columns; /* of a block; 1, 1: single weights */
    int64_t n,
        m; /* n of m: at most n among every m columns (a shorter last group: n, too); m = 0: no such limit */
};

struct obs_problem {
    int64_t rows, depth;
    struct pattern pattern;
    double ratio;      /* of the weights that go; n of m decides itself */
    const double *old; /* the weights as they were */
    const double *g;   /* second moments of the input, [depth][depth], mean over columns */
    double damp;       /* λ over the mean of g's diagonal; grows where g + λ does not factor */
    double refit_damp; /* the same for the last step, which stays near the old weights: small */
    double *w;         /* in: what to come near to (mostly `old`), out: the solved weights */
    bool *kept;        /* out: the mask */
};

/* Scores each weight, keeps the best: compared over the whole layer, or `by_row` (bundle). Weights are not
 * touched. */
void mask_by_score(const struct obs_problem *p, const double *score, bool by_row);

/* Chooses the mask and moves what is lost to the kept weights: exactly (Optimal Brain Compression: one unit
 * at a time, over all rows) where that is affordable, else in one pass over blocks of 128 columns
 * (SparseGPT). Then solves for the kept weights of each row by least squares, damped towards the old ones.
 * Inputs that are always zero lose their weights first. Frantar, Singh, Alistarh: Optimal Brain Compression
 * (2022); Frantar, Alistarh: SparseGPT (2023). */
void obs_solve(const struct obs_problem *p);

/* The last step alone: argmin over w on the mask of ‖(w − target) X‖² + λ ‖w − old‖², p->w in and out. */
void obs_refit(const struct obs_problem *p, const double *target);

/* out = a g, or += with `add`: [rows][depth] by [depth][depth]. */
void moment_multiply(int64_t rows, int64_t depth, const double *a, const double *g, bool add, double *out);

/* Σ (a − b) G (a − b)ᵀ over the rows. */
double moment_distance(int64_t rows, int64_t depth, const double *a, const double *b, const double *g);

/* (g + λ)⁻¹ whole, with the least λ ≥ damp · mean diagonal (raised tenfold at a time) for which it exists.
 * Returns that λ; the caller frees *inverse. */
double moment_inverse(const double *g, int64_t depth, double damp, double **inverse);

#endif
