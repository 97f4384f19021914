/* Sample sources: how passes see the user's data without opening a file. */
#ifndef ADZE_IR_SAMPLES_H
#define ADZE_IR_SAMPLES_H

#include "ir/base/diag.h"
#include "ir/tensor.h"

/* `count` samples (at least one), each a set of inputs for the model; all have the same types. */
struct sample_source {
    uint32_t count;
    /* Reads sample i: a tensor for each of the model's inputs, in their order, owned by the caller. Cheap
     * when i rises by one from call to call. An error: the data cannot be read, or a number in it is NaN or
     * infinite (the diagnostic names the array and the index). */
    enum status (*read)(void *ctx, uint32_t i, struct tensor *out, struct diag *diag);
    void *ctx;
};

/* Told how far long work has come: `done` of `total` steps of `what`; done == total ends it. */
struct progress {
    void (*report)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
};

#endif
