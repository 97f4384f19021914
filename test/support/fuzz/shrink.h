/* Makes a failing graph smaller as long as it fails in the same way. */
#ifndef ADZE_TEST_FUZZ_SHRINK_H
#define ADZE_TEST_FUZZ_SHRINK_H

#include "test/support/fuzz/check.h"

/* The smallest graph found, the caller's; a copy of `m` if nothing smaller fails. Tries `tries` graphs at
 * most. */
struct module *fuzz_shrink(const struct module *m, const struct fuzz_config *config,
                           enum fuzz_failure failure, unsigned tries);

#endif
