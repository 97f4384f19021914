/* Where the weights of a text come from. */
#ifndef ADZE_FRONTEND_WEIGHTS_H
#define ADZE_FRONTEND_WEIGHTS_H

#include "ir/module.h"

/* Named tensors; they live as long as what `ctx` points to. */
struct weight_source {
    void *ctx;
    const struct tensor *(*find)(void *ctx, const char *name); /* NULL: none */
    void (*each)(void *ctx, void (*visit)(void *to, const char *name), void *to);
};

/* Opens a safetensors file; `m` keeps it open until it is freed. */
MUST_USE enum status weights_open(const char *path, struct module *m, struct diag *diag,
                                  struct weight_source *out);
/* The weights of a module, which must outlive what is read with them. */
struct weight_source weights_of_module(const struct module *m);

/* What `= random(seed, min = lo, max = hi)` puts into the weight of this name: uniform in [lo, hi). With lo =
 * hi: in a range that keeps the variance of what the weight is multiplied with. */
void weight_fill_random(struct tensor *tensor, const char *name, uint64_t seed, double lo, double hi);

#endif
