/* The optimal brain surgeon against all masks tried out, on layers small enough for that; least squares
 * against its normal equations; hopeless matrices. */
#include "passes/obs.h"
#include "test/support/unit.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { DEPTH = 8, MOST_ROWS = 4 };

static double noise(uint64_t *state) { /* in [-1, 1) */
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-52 - 1;
}

/* Second moments of inputs that mix `rank` sources. */
static void make_moments(double g[DEPTH * DEPTH], int rank, uint64_t seed) {
    double mix[DEPTH][DEPTH];
    for (int i = 0; i < DEPTH; i++)
        for (int k = 0; k < rank; k++) mix[i][k] = noise(&seed);
    for (int i = 0; i < DEPTH; i++)
        for (int j = 0; j < DEPTH; j++) {
            g[i * DEPTH + j] = 0;
            for (int k = 0; k < rank; k++) g[i * DEPTH + j] += mix[i][k] * mix[j][k];
        }
}

static double loss_of(const struct obs_problem *p) {
    return moment_distance(p->rows, p->depth, p->w, p->old, p->g);
}

/* The least loss of one row over all masks that keep `keep` weights, each solved by obs_refit. */
static double best_loss(const struct obs_problem *row, int keep) {
    double least = INFINITY, w[DEPTH];
    bool kept[DEPTH];
    struct obs_problem p = *row;
    p.w = w;
    p.kept = kept;
    for (unsigned mask = 0; mask < 1u << DEPTH; mask++) {
        if (__builtin_popcount(mask) != keep) continue;
        for (int j = 0; j < DEPTH; j++) kept[j] = mask >> j & 1, w[j] = row->old[j];
        obs_refit(&p, row->old);
        double loss = loss_of(&p);
        if (loss < least) least = loss;
    }
    return least;
}

static void near_the_optimum(void) {
    double sum_found = 0, sum_best = 0, sum_magnitude = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        double g[DEPTH * DEPTH], old[DEPTH], w[DEPTH], score[DEPTH];
        bool kept[DEPTH];
        uint64_t state = seed * 77;
        make_moments(g, DEPTH, seed);
        for (int j = 0; j < DEPTH; j++) old[j] = w[j] = noise(&state), score[j] = fabs(old[j]);
        struct obs_problem p = {1, DEPTH, {1, 1, 0, 0}, 0.5, old, g, 1e-6, 1e-6 / 100, w, kept};
        mask_by_score(&p, score, false);
        for (int j = 0; j < DEPTH; j++) w[j] = kept[j] ? old[j] : 0;
        sum_magnitude += loss_of(&p);
        memcpy(w, old, sizeof w);
        obs_solve(&p);
        int count = 0;
        for (int j = 0; j < DEPTH; j++) count += kept[j], CHECK(kept[j] || w[j] == 0);
        CHECK(count == DEPTH / 2);
        double found = loss_of(&p), best = best_loss(&p, DEPTH / 2);
        CHECK(found >= best - 1e-9);
        sum_found += found;
        sum_best += best;
    }
    CHECK(sum_found < 2 * sum_best);
    CHECK(sum_found < 0.5 * sum_magnitude);
}

/* With inputs of rank 3, five weights of eight can go for nothing. */
static void singular(void) {
    double g[DEPTH * DEPTH], old[MOST_ROWS * DEPTH], w[MOST_ROWS * DEPTH];
    bool kept[MOST_ROWS * DEPTH];
    uint64_t state = 5;
    make_moments(g, 3, 9);
    for (int j = 0; j < DEPTH; j++) g[j * DEPTH + 7] = g[7 * DEPTH + j] = 0; /* and one that is always zero */
    for (int i = 0; i < MOST_ROWS * DEPTH; i++) old[i] = w[i] = i % DEPTH == 7 ? 1000 : noise(&state);
    struct obs_problem p = {MOST_ROWS, DEPTH, {1, 1, 0, 0}, 0.5, old, g, 0.01, 0.01 / 100, w, kept};
    obs_solve(&p);
    CHECK(loss_of(&p) < 1e-6 * moment_distance(MOST_ROWS, DEPTH, old, NULL, g));
    for (int i = 0; i < MOST_ROWS; i++) CHECK(!kept[i * DEPTH + 7]);
}

/* g (w - target) + λ (w - old) = 0 on the mask. */
static void refit_solves(void) {
    double g[DEPTH * DEPTH], old[DEPTH], target[DEPTH], w[DEPTH] = {0}, mean = 0;
    bool kept[DEPTH] = {true, false, true, true, false, true, true, false};
    uint64_t state = 3;
    make_moments(g, DEPTH, 4);
    for (int j = 0; j < DEPTH; j++)
        old[j] = noise(&state), target[j] = noise(&state), mean += g[j * DEPTH + j] / DEPTH;
    struct obs_problem p = {1, DEPTH, {1, 1, 0, 0}, 0, old, g, 0.01, 0.01 / 100, w, kept};
    obs_refit(&p, target);
    for (int i = 0; i < DEPTH; i++) {
        double left = 0.01 * 0.01 * mean * (w[i] - old[i]);
        for (int j = 0; j < DEPTH; j++) left += g[i * DEPTH + j] * (w[j] - target[j]);
        CHECK(kept[i] ? fabs(left) < 1e-9 : w[i] == 0);
    }
}

static void patterns(void) {
    double g[DEPTH * DEPTH], old[MOST_ROWS * DEPTH], w[MOST_ROWS * DEPTH];
    bool kept[MOST_ROWS * DEPTH];
    uint64_t state = 6;
    make_moments(g, DEPTH, 2);
    for (int i = 0; i < MOST_ROWS * DEPTH; i++) old[i] = w[i] = noise(&state);
    struct obs_problem p = {MOST_ROWS, DEPTH, {1, 1, 2, 3}, 0.9, old,
                            g,         0.01,  0.0001,       w,   kept}; /* groups of 3, 3 and 2 */
    obs_solve(&p);
    for (int i = 0; i < MOST_ROWS; i++)
        for (int j = 0; j < DEPTH; j += 3) {
            int count = 0;
            for (int k = j; k < j + 3 && k < DEPTH; k++) count += kept[i * DEPTH + k];
            CHECK(count == 2);
        }
    memcpy(w, old, sizeof w);
    p.pattern = (struct pattern){2, 4, 0, 0};
    p.ratio = 0.5;
    obs_solve(&p);
    int count = 0;
    for (int i = 0; i < MOST_ROWS * DEPTH; i++) {
        count += kept[i];
        CHECK(kept[i] == kept[i / DEPTH / 2 * 2 * DEPTH + i % DEPTH / 4 * 4]);
    }
    CHECK(count == MOST_ROWS * DEPTH / 2);
}

/* Large enough for the pass over columns; on independent inputs nothing can be done but to drop the smallest.
 */
static void one_pass(void) {
    enum { ROWS = 40, WIDE = 560 };
    size_t count = (size_t)ROWS * WIDE;
    double *g = calloc((size_t)WIDE * WIDE, sizeof *g), *old = calloc(count, sizeof *old),
           *w = calloc(count, sizeof *w);
    bool *kept = calloc(count, sizeof *kept);
    uint64_t state = 8;
    for (int i = 0; i < WIDE; i++) g[i * WIDE + i] = 1;
    for (size_t i = 0; i < count; i++) old[i] = w[i] = noise(&state);
    struct obs_problem p = {ROWS, WIDE, {1, 1, 0, 0}, 0.5, old, g, 1e-4, 1e-4 / 100, w, kept};
    obs_solve(&p);
    double largest_gone = 0, least_kept = 1;
    for (size_t i = 0; i < count; i++) {
        if (kept[i] && fabs(old[i]) < least_kept) least_kept = fabs(old[i]);
        if (!kept[i] && fabs(old[i]) > largest_gone) largest_gone = fabs(old[i]);
        CHECK(fabs(w[i] - (kept[i] ? old[i] : 0)) < 1e-6);
    }
    CHECK(largest_gone < least_kept + 0.01);
    free(g);
    free(old);
    free(w);
    free(kept);
}

/* All and nothing; a matrix of zeros. */
static void extremes(void) {
    for (int ratio = 0; ratio <= 1; ratio++)
        for (int rank = 0; rank <= DEPTH; rank += DEPTH) {
            double g[DEPTH * DEPTH], old[DEPTH], w[DEPTH];
            bool kept[DEPTH];
            uint64_t state = 2;
            make_moments(g, rank, 1);
            for (int j = 0; j < DEPTH; j++) old[j] = w[j] = noise(&state);
            struct obs_problem p = {1, DEPTH, {1, 1, 0, 0}, ratio, old, g, 0.01, 0.01 / 100, w, kept};
            obs_solve(&p);
            for (int j = 0; j < DEPTH; j++)
                CHECK(kept[j] == !ratio && fabs(w[j] - (ratio ? 0 : old[j])) < 1e-9);
        }
}

/* -- on a grid -- */
enum { SMALL = 6, CODES = 4 };

static double grid_loss(const double *w, const double *old, const double *g) {
    return moment_distance(1, SMALL, w, old, g);
}

/* The least loss over all codes of a row where `kept` may be anything but 0; NULL: any mask of `keep`. */
static double best_codes(const struct obs_grid *grid, const double *old, const double *g, int keep) {
    double least = INFINITY, w[SMALL];
    int all = 1;
    for (int j = 0; j < SMALL; j++) all *= CODES + 1;
    for (int at = 0; at < all; at++) { /* the digit CODES: gone */
        int gone = 0;
        for (int j = 0, rest = at; j < SMALL; j++, rest /= CODES + 1) {
            int code = rest % (CODES + 1);
            gone += code == CODES;
            w[j] = code == CODES ? 0 : (grid->lo + code - grid->zero[j / 3]) * grid->scale[j / 3];
        }
        if (gone != SMALL - keep) continue;
        double loss = grid_loss(w, old, g);
        if (loss < least) least = loss;
    }
    return least;
}

static void check_on_grid(const struct obs_grid *grid, const double *w, const bool *kept) {
    for (int j = 0; j < SMALL; j++)
        CHECK(kept[j] ? w[j] == obs_grid_round(grid, SMALL, 0, j, w[j]) : w[j] == 0);
}

/* Each way of rounding against all codes tried out; plain rounding is the baseline. */
static void rounds_well(enum obs_mask mask, bool by_importance, double ratio, double factor) {
    double sum_found = 0, sum_best = 0, sum_nearest = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        double wide[DEPTH * DEPTH], g[SMALL * SMALL], old[SMALL], w[SMALL], score[SMALL];
        const double scale[] = {0.5, 0.7}, zero[] = {0, -1};
        bool kept[SMALL];
        uint64_t state = seed * 31;
        make_moments(wide, DEPTH, seed);
        for (int i = 0; i < SMALL * SMALL; i++) g[i] = wide[i / SMALL * DEPTH + i % SMALL];
        for (int j = 0; j < SMALL; j++)
            old[j] = w[j] = noise(&state), score[j] = old[j] * old[j] * g[j * (SMALL + 1)];
        struct obs_grid grid = {.group = 3, .scale = scale, .zero = zero, .lo = -2, .hi = 1};
        struct obs_problem p = {1, SMALL, {1, 1, 0, 0}, ratio, old, g, 1e-4, 1e-8, w, kept};
        mask_by_score(&p, score, false);
        for (int j = 0; j < SMALL; j++) w[j] = kept[j] ? obs_grid_round(&grid, SMALL, 0, j, old[j]) : 0;
        sum_nearest += grid_loss(w, old, g);
        memcpy(w, old, sizeof w);
        obs_quantize(&p, &grid, &(struct obs_rounding){mask, by_importance, 3});
        int count = 0;
        for (int j = 0; j < SMALL; j++) count += kept[j];
        CHECK(count == (int)(SMALL * (1 - ratio) + 0.5));
        check_on_grid(&grid, w, kept);
        double found = grid_loss(w, old, g), best = best_codes(&grid, old, g, count);
        CHECK(found >= best - 1e-9);
        sum_found += found;
        sum_best += best;
    }
    CHECK(sum_found < factor * sum_best);
    CHECK(sum_found < sum_nearest);
}

struct fitted {
    double scale[2 * 2];
    int64_t calls[2];
    int count;
};

static void fit_group(void *ctx, int64_t group, const double *w, const bool *kept) {
    struct fitted *f = ctx;
    (void)kept;
    CHECK(f->count < 2);
    f->calls[f->count++] = group;
    for (int i = 0; i < 2; i++) {
        double most = 0;
        for (int j = 0; j < 4; j++) most = fmax(most, fabs(w[i * DEPTH + group * 4 + j]));
        f->scale[i * 2 + group] = most / 7;
    }
}

/* Groups are fitted in order, once, to weights that have taken over the errors before them. */
static void fits_groups(void) {
    double g[DEPTH * DEPTH], old[2 * DEPTH], w[2 * DEPTH];
    bool kept[2 * DEPTH];
    uint64_t state = 11;
    make_moments(g, DEPTH, 3);
    for (int i = 0; i < 2 * DEPTH; i++) old[i] = w[i] = noise(&state);
    struct fitted f = {.count = 0};
    struct obs_grid grid = {.group = 4, .scale = f.scale, .lo = -7, .hi = 7, .fit = fit_group, .ctx = &f};
    struct obs_problem p = {2, DEPTH, {1, 1, 2, 4}, 0, old, g, 1e-4, 1e-8, w, kept};
    obs_quantize(&p, &grid, &(struct obs_rounding){OBS_CHOOSE, true, 1});
    CHECK(f.count == 2 && f.calls[0] == 0 && f.calls[1] == 1);
    for (int i = 0; i < 2 * DEPTH; i += 4) {
        int count = 0;
        for (int j = i; j < i + 4; j++) {
            count += kept[j];
            CHECK(kept[j] ? w[j] == obs_grid_round(&grid, DEPTH, j / DEPTH, j % DEPTH, w[j]) : w[j] == 0);
        }
        CHECK(count == 2);
    }
}

int main(void) {
    rounds_well(OBS_KEEP_ALL, false, 0, 1.3);
    rounds_well(OBS_KEEP_ALL, true, 0, 1.3);
    rounds_well(OBS_GIVEN, false, 1.0 / 3, 4);
    rounds_well(OBS_CHOOSE, false, 1.0 / 3, 2.5);
    rounds_well(OBS_CHOOSE, true, 1.0 / 3, 2.5);
    fits_groups();
    near_the_optimum();
    singular();
    refit_solves();
    patterns();
    one_pass();
    extremes();
    return unit_status();
}
