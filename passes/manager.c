#include "passes/pass.h"

#include "ir/print.h"
#include "ir/verify.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#define OPT(name, kind, fallback, doc)                                                                       \
    { #name, PASS_OPTION_##kind, fallback, doc }
#define OPTIONS(...) (__VA_ARGS__, {NULL, PASS_OPTION_NONE, NULL, NULL})
#define NO_OPTIONS ({NULL, PASS_OPTION_NONE, NULL, NULL})
#define UNPARENTHESIZE(...) __VA_ARGS__

static const struct pass_info table[PASS_COUNT] = {
#define PASS(id, name_, function_, options_, summary_)                                                       \
    [PASS_##id] = {name_, function_, (const struct pass_option_spec[]){UNPARENTHESIZE options_}, summary_},
#include "passes/passes.def"
};

const char pipeline_simplify[] = "fold-constants, simplify, fold-batchnorm, raise, simplify";
const char pipeline_default[] = "fold-constants, simplify, fold-batchnorm, raise, lower-quantized, "
                                "lower-conv-transpose, simplify, fuse, assign, plan-memory";

const struct pass_info *pass_info(enum pass_kind kind) {
    check(kind > PASS_NONE && kind < PASS_COUNT);
    return &table[kind];
}

enum pass_kind pass_by_name(const char *name) {
    for (enum pass_kind k = PASS_NONE + 1; k < PASS_COUNT; k++)
        if (!strcmp(table[k].name, name)) return k;
    return PASS_NONE;
}

/* -- options -- */
const char *pass_text(const struct pass_options *options, const char *name) {
    for (uint32_t i = 0; options->specs[i].name; i++)
        if (!strcmp(options->specs[i].name, name)) return options->values[i];
    bug("pass has no option %s", name);
}

int64_t pass_int(const struct pass_options *options, const char *name) {
    return strtoll(pass_text(options, name), NULL, 10);
}
double pass_float(const struct pass_options *options, const char *name) {
    return strtod(pass_text(options, name), NULL);
}
bool pass_bool(const struct pass_options *options, const char *name) {
    return !strcmp(pass_text(options, name), "true");
}

static bool option_text_ok(enum pass_option_kind kind, const char *text) {
    char *end;
    switch (kind) {
    case PASS_OPTION_INT:
        errno = 0;
        (void)strtoll(text, &end, 10);
        return *text && !*end && !errno;
    case PASS_OPTION_FLOAT:
        (void)strtod(text, &end);
        return *text && !*end;
    case PASS_OPTION_BOOL:
        return !strcmp(text, "true") || !strcmp(text, "false");
    default:
        return true;
    }
}

static void spell_value(const char *value, struct str *out) {
    bool word = *value && !strpbrk(value, ",()=; \t\n");
    str_printf(out, word ? "%s" : "\"%s\"", value);
}

void pass_decide(struct module *m, const struct pass_options *options, value_id subject, struct decision d) {
    struct str text = {0};
    str_add(&text, options->pass);
    const char *before = "(";
    for (uint32_t i = 0; options->specs[i].name; i++) {
        if (!strcmp(options->values[i], options->specs[i].fallback)) continue;
        str_printf(&text, "%s%s = ", before, options->specs[i].name);
        spell_value(options->values[i], &text);
        before = ", ";
    }
    if (*before == ',') str_add_char(&text, ')');
    d.pass = str_text(&text);
    decision_record(m, subject, &d);
    str_free(&text);
}

/* -- the pipeline's text -- */
struct reader {
    const char *text, *at;
    uint32_t source;
    struct diag *diag;
    struct arena *arena;
};

static void skip_blanks(struct reader *r) {
    while (isspace((unsigned char)*r->at)) r->at++;
}

static struct loc loc_of(const struct reader *r, const char *at) {
    return (struct loc){r->source, 1, (uint32_t)(at - r->text) + 1};
}

static bool take(struct reader *r, char c) {
    skip_blanks(r);
    if (*r->at != c) return false;
    r->at++;
    return true;
}

/* A word, or text in double quotes; NULL if there is neither. */
static const char *take_word(struct reader *r) {
    skip_blanks(r);
    const char *start = r->at;
    if (*start == '"') {
        const char *end = strchr(start + 1, '"');
        if (!end) return NULL;
        r->at = end + 1;
        return arena_strndup(r->arena, start + 1, (size_t)(end - start - 1));
    }
    while (*r->at && !isspace((unsigned char)*r->at) && !strchr(",()=\"", *r->at)) r->at++;
    return r->at > start ? arena_strndup(r->arena, start, (size_t)(r->at - start)) : NULL;
}

static enum status read_option(struct reader *r, const struct pass_info *info, const char **values) {
    skip_blanks(r);
    const char *at = r->at, *name = take_word(r);
    if (!name)
        return diag_error(r->diag, loc_of(r, r->at), "expected the name of an option of %s", info->name);
    uint32_t i = 0;
    while (info->options[i].name && strcmp(info->options[i].name, name)) i++;
    if (!info->options[i].name)
        return diag_error(r->diag, loc_of(r, at), "%s has no option %s", info->name, name);
    if (!take(r, '=')) return diag_error(r->diag, loc_of(r, r->at), "expected = after the option %s", name);
    skip_blanks(r);
    at = r->at;
    const char *value = take_word(r);
    static const char *const kinds[] = {"", "an integer", "a number", "true or false",
                                        "a word or quoted text"};
    if (!value || !option_text_ok(info->options[i].kind, value))
        return diag_error(r->diag, loc_of(r, at), "option %s of %s is %s, expected %s", name, info->name,
                          value ? value : "missing", kinds[info->options[i].kind]);
    values[i] = value;
    return STATUS_OK;
}

static enum pass_kind nearest_pass(const char *name) {
    enum pass_kind best = PASS_NONE;
    unsigned least = 4;
    for (enum pass_kind k = PASS_NONE + 1; k < PASS_COUNT; k++) {
        unsigned distance = str_distance(name, table[k].name, 3);
        if (distance < least) least = distance, best = k;
    }
    return best;
}

static enum status read_pass(struct reader *r, const struct pass_info **info, const char ***values) {
    skip_blanks(r);
    const char *at = r->at, *name = take_word(r);
    if (!name) return diag_error(r->diag, loc_of(r, r->at), "expected the name of a pass");
    enum pass_kind kind = pass_by_name(name);
    if (!kind) {
        enum pass_kind near = nearest_pass(name);
        if (near)
            return diag_error(r->diag, loc_of(r, at), "there is no pass %s; did you mean %s?", name,
                              table[near].name);
        return diag_error(r->diag, loc_of(r, at), "there is no pass %s; see adze passes", name);
    }
    *info = &table[kind];
    uint32_t n = 0;
    while ((*info)->options[n].name) n++;
    *values = arena_array(r->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) (*values)[i] = (*info)->options[i].fallback;
    if (!take(r, '(')) return STATUS_OK;
    if (take(r, ')')) return STATUS_OK;
    do TRY(read_option(r, *info, *values));
    while (take(r, ','));
    if (!take(r, ')'))
        return diag_error(r->diag, loc_of(r, r->at), "expected , or ) in the options of %s", name);
    return STATUS_OK;
}

/* -- running -- */
static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t print_hash(const struct module *m) {
    struct str text = {0};
    print_module(m, &text);
    uint64_t hash = hash_bytes(str_text(&text), text.length, 0);
    str_free(&text);
    return hash;
}

static enum status run_pass(struct module *m, const struct pass_info *info,
                            const struct pass_options *options, const struct pipeline_hooks *hooks,
                            struct diag *diag) {
    bool want = hooks && hooks->want_changed;
    uint64_t before = want ? print_hash(m) : 0;
    double start = seconds_now();
    TRY(info->run(m, options, diag));
    double seconds = seconds_now() - start;
    decision_sweep(m);
    if (verify_module(m, hooks && hooks->verify_each, diag) != STATUS_OK) {
        diag_print(diag, stderr);
        bug("the module is broken after the pass %s", info->name);
    }
    if (hooks && hooks->after)
        hooks->after(hooks->ctx, info->name, m, want && print_hash(m) != before, seconds);
    return STATUS_OK;
}

enum status pipeline_run(struct module *m, const char *text, const struct pass_env *env,
                         const struct pipeline_hooks *hooks, struct diag *diag) {
    struct arena arena = {0};
    struct reader r = {text, text, diag_add_source(diag, "--passes", text, strlen(text)), diag, &arena};
    enum status status = STATUS_OK;
    skip_blanks(&r);
    for (uint32_t n = 0; *r.at && status == STATUS_OK; n++) {
        const struct pass_info *info = NULL;
        const char **values = NULL;
        status = read_pass(&r, &info, &values);
        if (status != STATUS_OK || (hooks && hooks->limit && n >= hooks->limit)) break;
        struct pass_options options = {info->name, values, info->options, env};
        status = run_pass(m, info, &options, hooks, diag);
        if (status == STATUS_OK && !take(&r, ',')) {
            skip_blanks(&r);
            if (*r.at) status = diag_error(diag, loc_of(&r, r.at), "expected , between passes");
            break;
        }
        skip_blanks(&r);
    }
    arena_free(&arena);
    return status;
}
