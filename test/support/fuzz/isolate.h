/* fuzz_check in a process of its own: crashes and endless loops are failures like others. */
#ifndef ADZE_TEST_FUZZ_ISOLATE_H
#define ADZE_TEST_FUZZ_ISOLATE_H

#include "test/support/fuzz/check.h"

struct fuzz_outcome {
    enum fuzz_failure failure;
    struct fuzz_counts counts;
    struct str text; /* what failed; after a crash also what the process said */
};

/* config->folder is made and removed here. */
struct fuzz_outcome fuzz_isolated(const struct module *m, const struct fuzz_config *config, unsigned seconds);
void fuzz_outcome_free(struct fuzz_outcome *outcome);

#endif
