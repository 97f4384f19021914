/* Why: Debian's OpenBLAS 0.3.21 takes an Emerald Rapids (2023) for a Prescott (2004), and multiplies at a
 * fifth of the speed. */
#include "frontend/cli/blas.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL where cblas is another library. */
char *openblas_get_corename(void) __attribute__((weak));

static const char *fitting_core(void) {
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return NULL;
}

void use_fitting_blas(char **argv) {
    const char *core = fitting_core();
    if (!core || getenv("OPENBLAS_CORETYPE") || !openblas_get_corename) return;
    if (strcmp(openblas_get_corename(), "Prescott") != 0) return;
    if (setenv("OPENBLAS_CORETYPE", core, 0)) return;
    execv("/proc/self/exe", argv);
}
