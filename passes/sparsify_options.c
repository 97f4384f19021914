/* The options of sparsify. */
#include "passes/sparsify.h"

#include <stdio.h>
#include <string.h>

static enum status bad_option(const struct sparsify *s, const char *name, const char *expected) {
    return diag_error(s->diag, s->m->loc, "sparsify: %s is %s, expected %s", name,
                      pass_text(s->options, name), expected);
}

/* The index of the option's value in a NULL-terminated list; -1. */
static int word(const struct pass_options *options, const char *name, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (!strcmp(pass_text(options, name), words[i])) return i;
    return -1;
}

static bool two_numbers(const char *text, char between, int64_t *a, int64_t *b) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    *a = strtoll(text, &end, 10);
    if (*end != between || end[1] < '0' || end[1] > '9') return false;
    *b = strtoll(end + 1, &end, 10);
    return !*end && *a >= 1 && *b >= 1 && *a <= 4096 && *b <= 4096;
}

static enum status read_pattern(struct sparsify *s) {
    const char *text = pass_text(s->options, "pattern");
    int64_t a, b;
    s->pattern = (struct pattern){1, 1, 0, 0};
    if (!*text) return STATUS_OK;
    if (two_numbers(text, ':', &a, &b) && a <= b) {
        s->pattern.n = a;
        s->pattern.m = b;
        return STATUS_OK;
    }
    if (two_numbers(text, 'x', &a, &b)) {
        s->pattern.rows = a;
        s->pattern.columns = b;
        return STATUS_OK;
    }
    return bad_option(s, "pattern", "n:m with n <= m, or RxC");
}

static enum status read_format(struct sparsify *s) {
    static const char *const formats[] = {"auto", "dense", "csr", "bitmask", "block", "nm", NULL};
    s->format = pass_text(s->options, "format");
    if (word(s->options, "format", formats) < 0)
        return bad_option(s, "format", "auto, dense, csr, bitmask, block or nm");
    if (!strcmp(s->format, "nm") && !s->pattern.m)
        return bad_option(s, "format", "another where the pattern is not n:m");
    if (!strcmp(s->format, "block") && s->pattern.rows * s->pattern.columns == 1)
        return bad_option(s, "format", "another where the pattern is not RxC");
    return STATUS_OK;
}

/* Without data the good methods do what they can, and say so. */
static void fall_back(struct sparsify *s) {
    if (s->data || s->method == METHOD_MAGNITUDE) return;
    diag_remark(s->diag, REMARK_MISSED, "sparsify", s->m->name,
                "%s needs samples (--data) and there are none: weights go by magnitude",
                s->method == METHOD_OBS ? "obs" : "wanda");
    s->method = METHOD_MAGNITUDE;
}

/* At 50% uniform shares measured no worse than others; from 70% on compact networks win by several points
 * where layers that mind keep more. */
static enum distribution automatic(const struct sparsify *s) {
    return s->method == METHOD_OBS && s->ratio > 0.6 ? DISTRIBUTION_SENSITIVITY : DISTRIBUTION_UNIFORM;
}

enum status sparsify_read(const struct pass_options *options, struct sparsify *s) {
    static const char *const methods[] = {"magnitude", "wanda", "obs", NULL};
    static const char *const distributions[] = {"uniform", "global", "sensitivity", "auto", NULL};
    s->options = options;
    s->data = options->env ? options->env->data : NULL;
    s->ratio = pass_float(options, "ratio");
    s->damp = pass_float(options, "damp");
    int method = word(options, "method", methods),
        distribution = word(options, "distribution", distributions);
    if (method < 0) return bad_option(s, "method", "magnitude, wanda or obs");
    if (distribution < 0) return bad_option(s, "distribution", "auto, uniform, global or sensitivity");
    if (!(s->ratio >= 0 && s->ratio <= 1)) return bad_option(s, "ratio", "a number from 0 to 1");
    if (!(s->damp > 0 && s->damp <= 1e6)) return bad_option(s, "damp", "a positive number");
    TRY(read_pattern(s));
    TRY(read_format(s));
    s->method = (enum sparsify_method)method;
    fall_back(s);
    s->distribution = (enum distribution)distribution;
    if (distribution == 3) s->distribution = automatic(s);
    return STATUS_OK;
}
