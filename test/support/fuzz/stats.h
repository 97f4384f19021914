/* What random graphs were made of. */
#ifndef ADZE_TEST_FUZZ_STATS_H
#define ADZE_TEST_FUZZ_STATS_H

#include "ir/op.h"
#include "test/support/fuzz/check.h"
#include "test/support/fuzz/forms.h"
#include "test/support/fuzz/gen.h"

#include <stdio.h>

enum { STATS_EXTENTS = 1101, STATS_RANKS = MAX_RANK + 1 };
struct stats_option {
    const char *text;
    uint64_t count;
};
struct fuzz_stats {
    uint64_t graphs, runs, elems[ELEM_COUNT], extents[STATS_EXTENTS], ranks[STATS_RANKS];
    uint64_t ops[OP_COUNT][ELEM_COUNT]; /* by the element type of operand 0 */
    uint64_t left[OP_COUNT];            /* after the passes */
    uint64_t sides[SIDES_COUNT], forms[FORMS];
    uint64_t longest; /* ops of the longest graph */
    uint64_t outputs, odd_outputs /* inputs, constants, values that are outputs twice */, fan_out;
    uint64_t failures[FUZZ_FAILURES], plain, specials;
    struct bound_counts counts;
    uint64_t patterns[GEN_PATTERNS];
    uint64_t blocks[GEN_BLOCKS]; /* of networks */
    struct compress_counts compress;
    const char *plain_pipeline; /* to tell which runs had it */
    struct arena arena;
    struct map option_index; /* "pass(option = value)", "target NAME": into options */
    VEC(struct stats_option) options;
};

void fuzz_stats_add(struct fuzz_stats *stats, const struct module *m);
/* The passes of fuzz_compression. */
void fuzz_stats_add_passes(struct fuzz_stats *stats, const char *passes);
void fuzz_stats_add_run(struct fuzz_stats *stats, const struct fuzz_config *config, enum fuzz_failure failure,
                        const struct fuzz_counts *counts);
void fuzz_stats_free(struct fuzz_stats *stats);
/* One line of JSON: objects whose members are numbers or such objects; those of several runs add up,
 * "largest" and "longest" apart. tools/fuzz_page.py reads it. */
void fuzz_stats_print(const struct fuzz_stats *stats, FILE *to);

#endif
