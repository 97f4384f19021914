/* Passes: functions from IR to IR, each runs alone by name. The table passes.def gives each its options, its
 * summary and its place in the documentation; the manager alone parses pipelines, verifies between passes,
 * times and prints. */
#ifndef ADZE_PASSES_PASS_H
#define ADZE_PASSES_PASS_H

#include "ir/decision.h"
#include "ir/op.h"
#include "ir/samples.h"
#include "ir/target.h"

enum pass_kind {
    PASS_NONE,
#define PASS(id, ...) PASS_##id,
#include "passes/passes.def"
    PASS_COUNT
};

enum pass_option_kind {
    PASS_OPTION_NONE,
    PASS_OPTION_INT,
    PASS_OPTION_FLOAT,
    PASS_OPTION_BOOL,
    PASS_OPTION_TEXT
};

struct pass_option_spec {
    const char *name;
    enum pass_option_kind kind;
    const char *fallback; /* default, as written */
    const char *doc;
};

struct channel_groups;

/* What the world gives to passes; all of it may be missing but `target`, which assign needs. */
struct pass_env {
    const struct target *target;
    const struct sample_source *data; /* the user's samples, NULL if there are none (see passes/replay.h) */
    const struct progress *progress;
    /* Told of the sets that prune-channels takes out, while they are still there: so that a test can mask
     * them in a copy of the module. May be NULL. */
    void (*before_removal)(void *ctx, const struct module *m, const struct channel_groups *groups,
                           const bool *removed);
    void *removal_ctx;
};

struct pass_options {
    const char *pass;          /* its name */
    const char *const *values; /* one for each row of the pass's option table, defaults filled in */
    const struct pass_option_spec *specs;
    const struct pass_env *env;
};
int64_t pass_int(const struct pass_options *options, const char *name);
double pass_float(const struct pass_options *options, const char *name);
bool pass_bool(const struct pass_options *options, const char *name);
const char *pass_text(const struct pass_options *options, const char *name);

/* Keeps what the pass decided about a weight (or a value) in the module, see ir/decision.h; `d.pass` is
 * filled in: the pass with the options that differ from their defaults. A remark says more, to whoever runs
 * the pass; a decision stays with the model. */
void pass_decide(struct module *m, const struct pass_options *options, value_id subject, struct decision d);

typedef enum status pass_fn(struct module *m, const struct pass_options *options, struct diag *diag);

/* The functions of the table, each in a file of its own. */
#define PASS(id, name, function, ...) pass_fn function;
#include "passes/passes.def"

struct pass_info {
    const char *name;
    pass_fn *run;
    const struct pass_option_spec *options; /* ends with a NULL name */
    const char *summary;
};
const struct pass_info *pass_info(enum pass_kind kind);
enum pass_kind pass_by_name(const char *name); /* PASS_NONE */

/* -- pipelines -- */
struct pipeline_hooks {
    /* Called after each pass; `changed` says whether the printed module differs (only computed if
     * want_changed). */
    void (*after)(void *ctx, const char *pass, struct module *m, bool changed, double seconds);
    void *ctx;
    bool want_changed;
    bool verify_each; /* the thorough verifier after every pass; else the cheap one */
    uint32_t limit;   /* runs this many passes at most; 0: all */
};

/* Parses `a, b(option = 1)` and runs it. Text errors point into the pipeline's own text. */
MUST_USE enum status pipeline_run(struct module *m, const char *text, const struct pass_env *env,
                                  const struct pipeline_hooks *hooks, struct diag *diag);

/* What `compile` runs before code generation, as pipeline text. */
extern const char pipeline_default[];
/* The part of it that needs no target: what `import` may run and what every command can. */
extern const char pipeline_simplify[];

#endif
