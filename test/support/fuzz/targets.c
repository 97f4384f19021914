#include "test/support/fuzz/targets.h"

#include "ir/base/base.h"
#include "ir/target.h"

#include <stdlib.h>
#include <unistd.h>

struct fuzz_targets fuzz_targets_here(void) {
    static const struct {
        const char *name;
        uint64_t features;
    } levels[] = {{"x86-64-v3", CPU_LEVEL_3}, {"x86-64-v4", CPU_LEVEL_4}, {"x86-64-v2", CPU_LEVEL_2}};
    struct fuzz_targets t = {.count = 0};
    for (size_t i = 0; i < COUNT_OF(levels); i++)
        if (!(cpu_close(levels[i].features) & ~cpu_host())) t.name[t.count++] = levels[i].name;
    if (!t.count) t.name[t.count++] = "host";
    return t;
}

void fuzz_want_one_thread(char **argv) {
    if (getenv("OPENBLAS_NUM_THREADS")) return;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
}
