/* What programs do before they check graphs. */
#ifndef ADZE_TEST_FUZZ_TARGETS_H
#define ADZE_TEST_FUZZ_TARGETS_H

#include <stdint.h>

struct fuzz_targets {
    const char *name[4]; /* as --target */
    uint32_t count;      /* at least 1 */
};

/* The levels of x86-64 that this machine has; "host" on others. */
struct fuzz_targets fuzz_targets_here(void);

/* Starts the program again with one OpenBLAS thread: the library starts its threads before main. */
void fuzz_want_one_thread(char **argv);

#endif
