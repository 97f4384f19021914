/* One graph under one configuration: everything that has to hold of it, in the order in which it can be said.
 */
#ifndef ADZE_TEST_FUZZ_CHECK_H
#define ADZE_TEST_FUZZ_CHECK_H

#include "ir/op.h"
#include "test/support/fuzz/bound.h"
#include "test/support/fuzz/compress.h"

/* What went wrong. The order is that of the checks; a shrunk graph has to fail in the same way. */
enum fuzz_failure {
    FUZZ_FINE,
    FUZZ_INVALID,     /* the verifier rejects it */
    FUZZ_COMPRESSION, /* a compression pass fails */
    FUZZ_PRUNED,      /* the pruned model is not the original with those channels masked */
    FUZZ_SPARSE,      /* the wrong weights are gone, or their encoding gives others back */
    FUZZ_TEXT,        /* print, parse, print changes it */
    FUZZ_INTERPRETER, /* the interpreter in f32 is further from f64 than the bound */
    FUZZ_PASSES,      /* the pipeline fails, or changes the meaning */
    FUZZ_PLAN,        /* live values overlap */
    FUZZ_COMPILE,     /* no code */
    FUZZ_LOAD,        /* the library cannot be loaded, or describes another model */
    FUZZ_RUN,         /* running returns an error */
    FUZZ_MEMORY,      /* stores where it must not */
    FUZZ_REPEATS,     /* other bytes the next time */
    FUZZ_MISMATCH,    /* outside of the bound */
    FUZZ_CRASH,       /* a signal, our own bug(), or an exit: found by whoever started the process */
    FUZZ_TIMEOUT,
    FUZZ_FAILURES
};
const char *fuzz_failure_text(enum fuzz_failure failure);

struct fuzz_config {
    const char *target;   /* as --target */
    const char *pipeline; /* text; NULL: the default one */
    uint64_t seed;        /* of the numbers */
    bool specials;        /* NaN, infinities and so on in the second set of inputs */
    const char *folder;   /* for the library */
    const char *compress; /* passes that make the graph smaller first (compress.h); NULL: none */
    uint32_t samples;     /* that these passes see */
    bool whole;           /* weights and inputs are made whole numbers, small ones */
    /* By input: the numbers of the first set, backwards those of the second; NULL: random ones. */
    const struct tensor *inputs;
};

struct fuzz_counts {
    struct bound_counts bound;
    uint32_t left[OP_COUNT]; /* ops of what was compiled, those in fuse bodies too */
    struct compress_counts compress;
};

/* Runs all checks in this process; `why` says what failed. counts (may be NULL) are added to. */
enum fuzz_failure fuzz_check(const struct module *m, const struct fuzz_config *config,
                             struct fuzz_counts *counts, struct str *why);

/* The pipeline that allows plain layouts only; freed by the caller. */
char *fuzz_plain_pipeline(void);

/* -- between the parts -- */
/* Makes the module's numbers whole if the configuration says so, then runs config->compress on it
 * (compress.h). */
enum fuzz_failure fuzz_compress(struct module *m, const struct fuzz_config *config,
                                struct compress_counts *counts, struct str *why);
/* The weights as they were before a pass. */
struct fuzz_weights {
    uint32_t count;
    struct tensor *tensor; /* by weight */
    bool *turned;          /* by weight: in x · W, with a row for each input */
    uint32_t *decided;     /* by value: the number of decisions about it */
};
struct fuzz_weights fuzz_weights_of(const struct module *m);
void fuzz_weights_free(struct fuzz_weights *w);
/* Whether the weights that sparsify worked on are what its options (text of the pass) ask for. */
bool fuzz_masks_hold(const struct module *m, const char *pass, const struct fuzz_weights *before,
                     struct compress_counts *counts, struct str *why);
/* The text of an option of a pass as written, NULL if it is not given; in `arena`. */
const char *fuzz_option(const char *pass, const char *name, struct arena *arena);

struct fuzz_expected { /* of one set of inputs */
    struct tensor *input;
    struct bounded *output;
};
/* Loads the library at `path` and runs it every way there is. */
enum fuzz_failure fuzz_run_library(const char *path, const struct module *m, const struct fuzz_expected *sets,
                                   struct bound_counts *counts, struct str *why);

#endif
