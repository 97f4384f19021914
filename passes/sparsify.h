/* What the parts of sparsify share: the options read, and the layers. */
#ifndef ADZE_PASSES_SPARSIFY_H
#define ADZE_PASSES_SPARSIFY_H

#include "ir/columns.h"
#include "passes/layers.h"
#include "passes/obs.h"
#include "passes/pass.h"
#include "passes/replay.h"

enum sparsify_method { METHOD_MAGNITUDE, METHOD_WANDA, METHOD_OBS };
enum distribution { DISTRIBUTION_UNIFORM, DISTRIBUTION_GLOBAL, DISTRIBUTION_SENSITIVITY };

struct sparsify_layer {
    op_id op;
    struct columns c;
    bool bias_is_own; /* there is one, and nothing else reads it */
    bool shared;      /* further layers have the weight: one input says too little, it goes by magnitude */
    double ratio;
};
struct sparsify {
    struct module *m;
    const struct pass_options *options;
    struct diag *diag;
    const struct sample_source *data; /* NULL: none */
    enum sparsify_method method;
    enum distribution distribution;
    struct pattern pattern;
    double ratio, damp;
    const char *format;
    VEC(struct sparsify_layer) layers;
};

enum { SPARSIFY_COLUMNS = 1 << 16 }; /* of the inputs, that statistics are made from */

/* Reads and checks the options of the pass. */
MUST_USE enum status sparsify_read(const struct pass_options *options, struct sparsify *s);
/* Sets the layers' ratios. */
MUST_USE enum status sparsify_distribute(struct sparsify *s);
/* The same by measured losses, with data. */
MUST_USE enum status sparsify_by_curves(struct sparsify *s);
/* The replay with the pass's own settings, of `most` samples (0: all). */
MUST_USE enum status sparsify_replay(struct sparsify *s, uint32_t most, const struct replay_visitor *visitor);

#endif
