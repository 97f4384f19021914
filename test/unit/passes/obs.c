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

int main(void) {
    near_the_optimum();
    singular();
    refit_solves();
    patterns();
    one_pass();
    extremes();
    return unit_status();
}
