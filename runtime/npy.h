/* Arrays in numpy's .npy files: what a program made with --emit=exe reads and writes. */
#ifndef ADZE_RUNTIME_NPY_H
#define ADZE_RUNTIME_NPY_H

#include "runtime/include/adze_runtime.h"

enum { NPY_MAX_RANK = 32 };

struct npy {
    uint32_t elem; /* enum adze_elem; bfloat16 is what numpy calls V2 */
    uint32_t rank;
    int64_t dim[NPY_MAX_RANK];
    size_t bytes;
    void *data; /* row-major, aligned to ADZE_ALIGN; null when there are no bytes */
};

/* Reads a file; a Fortran-ordered array is reordered. Null, or what is wrong with the file. */
const char *adze_npy_read(const char *path, struct npy *out);
void adze_npy_free(struct npy *array);

/* Writes a file, which appears complete or not at all. Null, or what went wrong. */
const char *adze_npy_write(const char *path, const struct npy *array);

#endif
