/* Which layers a pass is meant for: comma-separated patterns (* any text, ? any character) over the names of
 * values and weights, and over weight scopes: `encoder.*`, `conv1` (the scope of conv1.weight), `logits`. */
#ifndef ADZE_PASSES_SELECT_H
#define ADZE_PASSES_SELECT_H

#include "ir/module.h"

struct select_pattern {
    const char *text;
    bool exclude, used;
    bool useful; /* it means a layer that no other pattern excludes */
};
struct selection {
    VEC(struct select_pattern) patterns;
    bool includes; /* there is a pattern that includes: nothing else is meant */
    struct arena arena;
};

struct selection select_make(const char *only, const char *except);
void select_free(struct selection *s);
bool select_match(const char *pattern, const char *text);
/* Whether a pattern means a value: its name, or a parameter's weight or its scope. */
bool select_names(const char *pattern, const struct module *m, value_id v);
/* Whether a layer is meant: the op that computes `value` with `weight` (0: none). `named` (may be NULL): by a
 * pattern. */
bool select_has(struct selection *s, const struct module *m, value_id value, weight_id weight, bool *named);
/* After all layers have been asked for: a pattern that matched nothing is an error, and so is one whose
 * layers other patterns exclude, every one. */
MUST_USE enum status select_check(const struct selection *s, const char *pass, struct loc loc,
                                  struct diag *diag);

#endif
