#include "frontend/cli/blas.h"
#include "frontend/cli/command.h"

#include "ir/base/str.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLAG(name, doc)                                                                                      \
    { name, NULL, 0, false, doc }
#define VALUE(name, metavar, doc)                                                                            \
    { name, metavar, 0, false, doc }
#define REPEATED(name, metavar, doc)                                                                         \
    { name, metavar, 0, true, doc }
#define OUTPUT(doc)                                                                                          \
    { "output", "PATH", 'o', false, doc }
#define OPTIONS(...) (__VA_ARGS__, {NULL, NULL, 0, false, NULL})
#define NO_OPTIONS ({NULL, NULL, 0, false, NULL})
#define UNPARENTHESIZE(...) __VA_ARGS__

static const struct command table[] = {
#define COMMAND(id, arguments_, least_, most_, options_, summary_)                                           \
    {#id,      arguments_, least_, most_, (const struct option_spec[]){UNPARENTHESIZE options_},             \
     cmd_##id, summary_},
#include "frontend/cli/commands.def"
};

uint32_t command_count(void) {
    return COUNT_OF(table);
}
const struct command *command_at(uint32_t i) {
    return &table[i];
}

/* -- options -- */
const char *option_text(const struct invocation *inv, const char *name, const char *fallback) {
    for (uint32_t i = inv->options.count; i-- > 0;)
        if (!strcmp(inv->options.at[i].spec->name, name)) return inv->options.at[i].text;
    return fallback;
}

bool option_given(const struct invocation *inv, const char *name) {
    return option_text(inv, name, NULL) != NULL;
}

const char *option_next(const struct invocation *inv, const char *name, uint32_t *cursor) {
    while (*cursor < inv->options.count) {
        const struct option_value *v = &inv->options.at[(*cursor)++];
        if (!strcmp(v->spec->name, name)) return v->text;
    }
    return NULL;
}

enum exit_code usage_error(const struct invocation *inv, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "adze %s: ", inv->command->name);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "; see adze %s --help\n", inv->command->name);
    va_end(args);
    return EXIT_USAGE;
}

bool option_int(struct invocation *inv, const char *name, int64_t lo, int64_t hi, int64_t fallback,
                int64_t *out) {
    const char *text = option_text(inv, name, NULL);
    *out = fallback;
    if (!text) return true;
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (*text && !*end && !errno && *out >= lo && *out <= hi) return true;
    (void)usage_error(inv, "--%s is '%s', expected a whole number from %lld to %lld", name, text,
                      (long long)lo, (long long)hi);
    return false;
}

static const struct option_spec *find_option(const struct command *c, const char *name, size_t length) {
    for (const struct option_spec *s = c->options; s->name; s++)
        if (strlen(s->name) == length && !strncmp(s->name, name, length)) return s;
    return NULL;
}

static const struct option_spec *find_letter(const struct command *c, char letter) {
    for (const struct option_spec *s = c->options; s->name; s++)
        if (s->letter == letter || (s->name[0] == letter && !s->name[1])) return s;
    return NULL;
}

void option_add(struct invocation *inv, const char *name, const char *text) {
    const struct option_spec *spec = find_option(inv->command, name, strlen(name));
    check(spec);
    *vec_push(&inv->options) = (struct option_value){spec, text};
}

/* Reads argv[*i], an option; its value may be the next word. */
static enum exit_code read_option(struct invocation *inv, char **argv, int argc, int *i) {
    const char *word = argv[*i], *value = NULL;
    const struct option_spec *spec;
    if (word[1] == '-') {
        size_t length = strcspn(word + 2, "=");
        spec = find_option(inv->command, word + 2, length);
        if (word[2 + length]) value = word + 3 + length;
    } else {
        spec = find_letter(inv->command, word[1]);
        if (word[2]) value = word + 2;
    }
    if (!spec) return usage_error(inv, "there is no option %s", word);
    if (!spec->metavar && value) return usage_error(inv, "the option --%s takes no value", spec->name);
    if (spec->metavar && !value && ++*i < argc) value = argv[*i];
    if (spec->metavar && !value) return usage_error(inv, "the option --%s needs a value", spec->name);
    *vec_push(&inv->options) = (struct option_value){spec, value ? value : ""};
    return EXIT_OK;
}

/* -- help -- */
static void print_usage(FILE *to) {
    fputs("usage: adze COMMAND [ARGUMENT…] [OPTION…]\n\n", to);
    for (size_t i = 0; i < COUNT_OF(table); i++) fprintf(to, "  %-8s  %s\n", table[i].name, table[i].summary);
    fputs("\n`adze COMMAND --help` lists the options of a command.\n"
          "Exit codes: 0 ok, 1 the input is at fault, 2 wrong usage, 3 internal error.\n",
          to);
}

static void print_help(const struct command *c) {
    printf("usage: adze %s%s%s%s\n\nadze %s %s.\n", c->name, *c->arguments ? " " : "", c->arguments,
           c->options[0].name ? " [OPTION…]" : "", c->name, c->summary);
    if (c->options[0].name) puts("");
    for (const struct option_spec *s = c->options; s->name; s++) {
        struct str left = {0};
        if (s->letter)
            str_printf(&left, "-%c %s", s->letter, s->metavar);
        else if (s->name[1])
            str_printf(&left, "--%s%s%s", s->name, s->metavar ? "=" : "", s->metavar ? s->metavar : "");
        else
            str_printf(&left, "-%s", s->name);
        printf("  %-24s  %s%s\n", str_text(&left), s->doc, s->repeats ? " (may be repeated)" : "");
        str_free(&left);
    }
}

/* LLVM and bug() end in abort: that is exit code 3, after whatever they printed. */
static void on_abort(int signal) {
    (void)signal;
    _exit(EXIT_INTERNAL);
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (!strcmp(table[i].name, name)) return &table[i];
    return NULL;
}

/* `-x=x.npy` of a command that takes NAME=FILE: the name may begin with a dash. */
static bool is_option(const struct command *c, const char *word) {
    if (word[0] != '-' || !word[1]) return false;
    return word[1] == '-' || c->most < 2 || find_letter(c, word[1]) || !strchr(word, '=');
}

static enum exit_code read_words(struct invocation *inv, int argc, char **argv, bool *out_help) {
    bool only_arguments = false;
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (!only_arguments && !strcmp(word, "--"))
            only_arguments = true;
        else if (!only_arguments && (!strcmp(word, "--help") || !strcmp(word, "-h")))
            *out_help = true;
        else if (!only_arguments && is_option(inv->command, word)) {
            enum exit_code code = read_option(inv, argv, argc, &i);
            if (code) return code;
        } else
            *vec_push(&inv->arguments) = word;
    }
    if (*out_help) return EXIT_OK;
    if (inv->arguments.count < inv->command->least)
        return usage_error(inv, "expected %s", inv->command->arguments);
    if (inv->arguments.count > inv->command->most)
        return usage_error(inv, "there is no use for the argument %s", inv->arguments.at[inv->command->most]);
    return EXIT_OK;
}

int main(int argc, char **argv) {
    use_fitting_blas(argv);
    signal(SIGABRT, on_abort);
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    struct invocation inv = {.command = find_command(argv[1])};
    if (!inv.command) {
        fprintf(stderr, "adze: there is no command %s; see adze --help\n", argv[1]);
        return EXIT_USAGE;
    }
    bool help = false;
    enum exit_code code = read_words(&inv, argc, argv, &help);
    if (!code && help)
        print_help(inv.command);
    else if (!code)
        code = inv.command->run(&inv);
    diag_print(&inv.diag, stderr);
    if (!code && (fflush(stdout) || ferror(stdout))) {
        fprintf(stderr, "adze: error: cannot write to the standard output: %s\n", strerror(errno));
        code = EXIT_INPUT;
    }
    vec_free(&inv.arguments);
    vec_free(&inv.options);
    diag_free(&inv.diag);
    arena_free(&inv.arena);
    return code;
}
