/* The numbers that random graphs run on. They depend on a seed, a set, and the input's name and type alone,
 * so that a graph that lost some of its ops keeps the numbers of the others. */
#ifndef ADZE_TEST_FUZZ_DATA_H
#define ADZE_TEST_FUZZ_DATA_H

#include "ir/op.h"

/* A name that begins so asks for a kind of numbers; others get one by chance. */
#define FUZZ_POSITIVE "pos" /* floats in [0.25, 2.25) */

enum { FUZZ_SETS = 2 };

/* Fills a tensor. index_limit > 0: integers in [-index_limit, index_limit). */
void fuzz_fill(struct tensor *t, const char *name, uint64_t seed, uint32_t set, int64_t index_limit);
/* Puts NaN, infinities, zeros of both signs, denormals and the largest numbers among the floats. */
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
/* The same weight in another module or of another shape; `from` was made so. */
value_id fuzz_weight_again(struct module *m, const struct weight *from, struct type type);

/* Whole numbers below n >= 1. */
uint64_t fuzz_below(uint64_t *state, uint64_t n);

#endif
