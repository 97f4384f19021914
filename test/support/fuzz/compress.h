/* The compression passes on random graphs. Passes are separated by `;` and run one by one:
 *
 *   prune-channels  without samples (nothing is solved again) the pruned model equals the original with those
 *                   channels masked: all slices of weights that belong to them are zero there. Bit for bit in
 *                   f64 where all numbers are whole and all ops exact on them, within the bound otherwise
 *   sparsify        without samples every weight is what it was, or zero; as many of each layer are gone as
 * was asked for, in the pattern that was asked for, and none that is larger than one that stays all the
 * module verifies, and read back from its text and component tensors it gives the same bytes
 *
 * What comes out then goes through all the other checks (check.h). */
#ifndef ADZE_TEST_FUZZ_COMPRESS_H
#define ADZE_TEST_FUZZ_COMPRESS_H

#include "ir/op.h"

struct compress_counts {
    uint64_t graphs, pruned, sparse; /* modules that lost channels; weights with a sparse encoding */
    uint64_t groups, sets, removed;  /* prunable groups, channels in them, and those taken out */
    uint64_t exact, bounded;         /* comparisons of pruned and masked */
    uint64_t layers;                 /* whose masks were checked */
    uint64_t integer;                /* modules in which something sums integers */
    uint64_t bits;                   /* ... and of which the very bits are known */
};

/* Random passes with random options for a seed; the caller's. *samples: how many they should see. `integer`:
 * layers become integer ones at the end, on samples. */
char *fuzz_compression(uint64_t seed, bool integer, uint32_t *samples);

#endif
