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
#define COMPRESS_COUNT(name) uint64_t name;
#include "test/support/fuzz/compress_counts.def"
};

/* Random passes with random options for a seed; the caller's. *samples: how many they should see. `integer`:
 * layers become integer ones at the end, on samples. */
char *fuzz_compression(uint64_t seed, bool integer, uint32_t *samples);

#endif
