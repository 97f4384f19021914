/* What random graphs were made of. */
#ifndef ADZE_TEST_FUZZ_STATS_H
#define ADZE_TEST_FUZZ_STATS_H

#include "ir/op.h"
#include "test/support/fuzz/check.h"

#include <stdio.h>

enum { STATS_EXTENTS = 66, STATS_RANKS = MAX_RANK + 1 };
struct fuzz_stats {
    uint64_t graphs, ops[OP_COUNT], elems[ELEM_COUNT], extents[STATS_EXTENTS], ranks[STATS_RANKS];
    uint64_t outputs, odd_outputs /* inputs, constants, values that are outputs twice */, fan_out;
    uint64_t failures[FUZZ_FAILURES];
    struct bound_counts counts;
};

void fuzz_stats_add(struct fuzz_stats *stats, const struct module *m);
void fuzz_stats_print(const struct fuzz_stats *stats, FILE *to);

#endif
