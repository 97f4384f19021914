#include "passes/select.h"

#include <ctype.h>
#include <string.h>

static void add_patterns(struct selection *s, const char *list, bool exclude) {
    while (*list) {
        while (*list == ',' || isspace((unsigned char)*list)) list++;
        size_t length = strcspn(list, ","), used = length;
        while (used && isspace((unsigned char)list[used - 1])) used--;
        if (used)
            *vec_push(&s->patterns) =
                (struct select_pattern){arena_strndup(&s->arena, list, used), exclude, false, false};
        s->includes = s->includes || (used && !exclude);
        list += length;
    }
}

struct selection select_make(const char *only, const char *except) {
    struct selection s = {0};
    add_patterns(&s, only, false);
    add_patterns(&s, except, true);
    return s;
}

void select_free(struct selection *s) {
    vec_free(&s->patterns);
    arena_free(&s->arena);
}

/* Greedy with one point to come back to: linear in practice, never exponential. */
bool select_match(const char *pattern, const char *text) {
    const char *star = NULL, *from = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            from = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

/* The name itself, or what stands before one of its dots. */
static bool matches_weight(const char *pattern, const char *name) {
    char prefix[256];
    if (select_match(pattern, name)) return true;
    for (size_t i = 0; name[i] && i + 1 < sizeof prefix; i++) {
        prefix[i] = 0;
        if (i && name[i] == '.' && select_match(pattern, prefix)) return true;
        prefix[i] = name[i];
    }
    return false;
}

bool select_names(const char *pattern, const struct module *m, value_id v) {
    const struct value *value = value_get(m, v);
    return value->kind == VALUE_PARAMETER ? matches_weight(pattern, weight_get(m, value->weight)->name)
                                          : select_match(pattern, value->name);
}

static bool matches(const struct select_pattern *p, const struct module *m, value_id value,
                    weight_id weight) {
    return (value.i && select_match(p->text, value_get(m, value)->name)) ||
           (weight.i && matches_weight(p->text, weight_get(m, weight)->name));
}

bool select_has(struct selection *s, const struct module *m, value_id value, weight_id weight, bool *named) {
    bool included = false, excluded = false;
    for (uint32_t i = 0; i < s->patterns.count; i++) {
        struct select_pattern *p = &s->patterns.at[i];
        if (!matches(p, m, value, weight)) continue;
        p->used = true;
        if (p->exclude)
            excluded = true;
        else
            included = true;
    }
    for (uint32_t i = 0; i < s->patterns.count && !excluded; i++)
        if (matches(&s->patterns.at[i], m, value, weight)) s->patterns.at[i].useful = true;
    if (named) *named = included;
    return !excluded && (included || !s->includes);
}

enum status select_check(const struct selection *s, const char *pass, struct loc loc, struct diag *diag) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < s->patterns.count; i++) {
        const struct select_pattern *p = &s->patterns.at[i];
        if (!p->used)
            status = diag_error(diag, loc, "%s: the pattern '%s' matches no layer", pass, p->text);
        else if (!p->exclude && !p->useful)
            status =
                diag_error(diag, loc, "%s: the patterns conflict: every layer that '%s' means is excluded",
                           pass, p->text);
    }
    return status;
}
