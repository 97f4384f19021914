/* The numbers that random graphs run on. They depend on a seed, a set, and the input's name and type alone,
 * so that a graph that lost some of its ops keeps the numbers of the others. */
#ifndef ADZE_TEST_FUZZ_DATA_H
#define ADZE_TEST_FUZZ_DATA_H

#include "ir/op.h"

/* A name that begins so asks for a kind of numbers; others get one by chance. */
#define FUZZ_POSITIVE "pos"  /* floats in [0.25, 2.25) */
#define FUZZ_OFFSET "offset" /* floats far from zero and close together, as a large mean leaves them */
#define FUZZ_LARGE "large"   /* floats in [-300, 300), now and then ten times that */
#define FUZZ_STEPS "steps"   /* floats that stay the same for a while, zeros of both signs among them */
#define FUZZ_FULL "full"     /* integers of the whole range, or its ends alone */

enum { FUZZ_SETS = 2 };

/* Fills a tensor. index_limit > 0: integers in [-index_limit, index_limit). */
void fuzz_fill(struct tensor *t, const char *name, uint64_t seed, uint32_t set, int64_t index_limit);
/* Puts NaN, infinities, zeros of both signs, denormals and the largest numbers among the floats: scattered,
 * in runs of one number, or infinities at the start of every row. */
void fuzz_add_specials(struct tensor *t, uint64_t seed);

/* Data for all inputs of a module of static shapes, owned by the caller. Inputs that index something stay
 * within it. */
struct tensor *fuzz_inputs(const struct module *m, uint64_t seed, uint32_t set, bool specials);
/* Rounds floats to whole numbers in [-4, 4]. */
void fuzz_make_whole(struct tensor *tensors, uint32_t count);
/* The same for the weights of a module: whole numbers in [-3, 3], the largest of each becomes 3. */
void fuzz_make_weights_whole(struct module *m);
void fuzz_free(struct tensor *tensors, uint32_t count);

/* A weight with the data of `= random(seed, min = lo, max = hi)` in the text form. */
value_id fuzz_weight(struct module *m, const char *name, struct type type, uint32_t seed, double lo,
                     double hi);
/* The same with zeros where sparse kernels and solvers have special cases; of rank 2 or more. */
enum fuzz_zeros {
    FUZZ_ZEROS_ROWS,       /* every second row by chance: at the start, in between, at the end */
    FUZZ_ZEROS_COLUMNS,    /* inputs that nothing reads */
    FUZZ_ZEROS_BUT_CORNER, /* one number is left, the last */
    FUZZ_ZEROS_ALL,        /* of both signs */
    FUZZ_ZEROS_MOST,       /* one in eight is left */
    FUZZ_ROWS_ALIKE,       /* no zeros: rows are multiples of the first */
    FUZZ_ZEROS
};
value_id fuzz_weight_with_zeros(struct module *m, const char *name, struct type type, uint32_t seed,
                                double hi, enum fuzz_zeros zeros);
/* The same weight in another module or of another shape; `from` was made so. */
value_id fuzz_weight_again(struct module *m, const struct weight *from, struct type type);

/* Whole numbers below n >= 1. */
uint64_t fuzz_below(uint64_t *state, uint64_t n);

#endif
