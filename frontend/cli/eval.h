/* What the parts of `adze eval` share: models that run on samples, scores of what they give, and their
 * confidence intervals. */
#ifndef ADZE_FRONTEND_CLI_EVAL_H
#define ADZE_FRONTEND_CLI_EVAL_H

#include "frontend/cli/compiled.h"
#include "frontend/cli/data.h"

/* -- a model that runs on samples: a library, or a model compiled for this machine, or the interpreter -- */
struct runner {
    struct invocation *inv;
    struct module *m;  /* types and names of the ports; with symbols bound after runner_start */
    struct compiled c; /* open unless interpreted */
    bool interp;
    const char *path;
};
/* Reads what `path` names: enough for data_open on runner->m. */
MUST_USE enum exit_code runner_open(struct invocation *inv, const char *path, bool interp,
                                    struct runner *out);
/* Fixes the shapes to those of a sample, and compiles. */
MUST_USE enum exit_code runner_start(struct runner *r, const struct tensor *inputs);
/* One run; outputs are the caller's, for m->outputs. */
MUST_USE enum exit_code runner_run(struct runner *r, const struct tensor *inputs, struct tensor *outputs);
void runner_close(struct runner *r); /* accepts a zeroed one */

/* -- scores -- */
enum metric {
#define METRIC(id, name, needs, proportion, text) METRIC_##id,
#include "frontend/cli/metrics.def"
    METRIC_COUNT
};
enum metric_needs { NEEDS_CLASS, NEEDS_SEQUENCE, NEEDS_TARGET, NEEDS_QUERY, NEEDS_ORIGINAL };
struct metric_info {
    const char *name;
    enum metric_needs needs;
    bool proportion; /* every sample scores 0 or 1 */
    const char *text;
};
const struct metric_info *metric_info(enum metric metric);

/* What a sample's right answer is. Exactly one row of an array, or nothing. */
struct answers {
    struct tensor label;  /* i32 or i64 [n]: classes; [n, length]: sequences, padded with -1 */
    struct tensor target; /* floats [n, …] */
    struct tensor query; /* i32 or i64 [n]: the row of the document that answers this query; -1: a document */
    int64_t blank;       /* of sequences */
    VEC(int64_t) strip;  /* symbols that do not count at the ends of a sequence */
};

/* The scores of all samples for one model. */
struct scores {
    VEC(double) of[METRIC_COUNT];
    VEC(float) embedding; /* [n][width], for retrieval */
    int64_t width;
};
/* Scores sample i's output; `original` may be NULL. */
void score_sample(const struct answers *a, uint32_t i, const struct tensor *y, const struct tensor *original,
                  struct scores *s);
/* Retrieval, when all embeddings are there: a score for each query. */
void score_retrieval(const struct answers *a, struct scores *s);
void scores_free(struct scores *s);

struct interval {
    double mean, lo, hi; /* 95% */
    uint32_t count;
};
/* Wilson's for proportions (JASA 22, 1927), else mean ± 1.96 standard errors. */
struct interval score_interval(const double *at, uint32_t count, bool proportion);
/* Of the differences a[i] - b[i]. */
struct interval paired_interval(const double *a, const double *b, uint32_t count);

/* -- layer by layer -- */
struct layer_noise {
    const char *name, *op;
    double signal, noise; /* sums of squares */
};
/* Values that both models have under the same name, over `most` samples; sorted, the worst signal-to-noise
 * ratio first. In the invocation's arena. */
MUST_USE enum exit_code eval_layers(struct invocation *inv, const struct module *m,
                                    const struct module *original, const struct sample_source *samples,
                                    uint32_t most, struct layer_noise **out, uint32_t *count);

#endif
