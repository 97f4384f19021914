/* Which weights of a layer may go, and what the others become: masks by score, the optimal brain surgeon, and
 * the same loop for weights that have to lie on a grid.
 *
 * A problem is one group of a contraction: W [rows, depth], row-major in double. Columns come in units of
 * one, or of a block's width; rows in bundles of one, or of a block's height; what is kept is decided for a
 * unit of a bundle at a time.
 *
 * Frantar, Singh, Alistarh: Optimal Brain Compression (2022); Frantar, Alistarh: SparseGPT (2023); Frantar,
 * Ashkboos, Hoefler, Alistarh: GPTQ (2023). */
#ifndef ADZE_PASSES_OBS_H
#define ADZE_PASSES_OBS_H

#include "ir/types.h"

#include <math.h>

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
    bool *kept;        /* out: the mask (in, where a function says so) */
};

/* Scores each weight, keeps the best: compared over the whole layer, or `by_row` (bundle). Weights are not
 * touched. */
void mask_by_score(const struct obs_problem *p, const double *score, bool by_row);

/* Chooses the mask and moves what is lost to the kept weights: exactly (Optimal Brain Compression: one unit
 * at a time, over all rows) where that is affordable, else by the better of one pass over blocks of 128
 * columns (SparseGPT) and alternating directions (Boža 2024). Then solves for the kept weights of each row by
 * least squares, damped towards the old ones. Inputs that are always zero lose their weights first. */
void obs_solve(const struct obs_problem *p);

/* The last step alone: argmin over w on the mask of ‖(w − target) X‖² + λ ‖w − old‖², p->w in and out. */
void obs_refit(const struct obs_problem *p, const double *target);

/* -- weights on a grid -- */
/* The numbers that a weight may become: (code − zero) · scale for the integers lo <= code <= hi. A scale
 * holds for a row's columns [k · group, (k + 1) · group); `group` = depth: one for each row. */
struct obs_grid {
    int64_t group;
    const double *scale; /* [rows][groups]; 0: only the number 0 */
    const double *zero;  /* the same, integers; NULL: all 0 */
    double lo, hi;
    /* NULL, or called when the solver comes to the first column of a group, with the weights as they have
     * become, [rows][depth], and the mask as far as it is known: may set the group's scales. Columns are
     * taken in order then. */
    void (*fit)(void *ctx, int64_t group, const double *w, const bool *kept);
    void *ctx;
};

static inline int64_t obs_grid_groups(const struct obs_grid *grid, int64_t depth) {
    return (depth + grid->group - 1) / grid->group;
}

/* The code nearest to the number w, halves to even. */
static inline double obs_grid_code(const struct obs_grid *grid, int64_t depth, int64_t row, int64_t column,
                                   double w) {
    int64_t at = row * obs_grid_groups(grid, depth) + column / grid->group;
    double zero = grid->zero ? grid->zero[at] : 0, scale = grid->scale[at];
    double code = scale != 0 ? nearbyint(w / scale + zero) : zero;
    return code < grid->lo ? grid->lo : code > grid->hi ? grid->hi : code;
}

/* The number nearest to w. */
static inline double obs_grid_round(const struct obs_grid *grid, int64_t depth, int64_t row, int64_t column,
                                    double w) {
    int64_t at = row * obs_grid_groups(grid, depth) + column / grid->group;
    double zero = grid->zero ? grid->zero[at] : 0;
    return (obs_grid_code(grid, depth, row, column, w) - zero) * grid->scale[at];
}

enum obs_mask {
    OBS_KEEP_ALL, /* GPTQ: nothing goes */
    OBS_GIVEN,    /* p->kept says what goes (from obs_solve, say; p->w may already be solved for it) */
    OBS_CHOOSE    /* chosen on the way, by p->pattern and p->ratio (SparseGPT's joint pass) */
};
struct obs_rounding {
    enum obs_mask mask;
    bool by_importance; /* columns in order of falling diagonal of g, where the pattern and grid.fit allow */
    uint32_t descents;  /* rounds of coordinate descent over the codes at the end; 2 to 4 pay off */
};

/* Brings p->w (in: what to come near to) onto the grid: what goes is 0, what stays is a number of the grid,
 * and the errors of both are moved to the weights not yet decided. Then each kept weight in turn moves to the
 * number of the grid that is best given the others, `descents` times. With OBS_GIVEN the target is `old`. */
void obs_quantize(const struct obs_problem *p, const struct obs_grid *grid,
                  const struct obs_rounding *rounding);

/* -- second moments -- */
/* out = a g, or += with `add`: [rows][depth] by [depth][depth]. */
void moment_multiply(int64_t rows, int64_t depth, const double *a, const double *g, bool add, double *out);

/* Σ (a − b) G (a − b)ᵀ over the rows. */
double moment_distance(int64_t rows, int64_t depth, const double *a, const double *b, const double *g);

/* (g + λ)⁻¹ whole, with the least λ ≥ damp · mean diagonal (raised tenfold at a time) for which it exists.
 * Returns that λ; the caller frees *inverse. */
double moment_inverse(const double *g, int64_t depth, double damp, double **inverse);

#endif
