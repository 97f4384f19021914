/* Commands of the adze binary: a table of them (commands.def) makes the dispatch, --help, and the checks of
 * options. */
#ifndef ADZE_FRONTEND_CLI_COMMAND_H
#define ADZE_FRONTEND_CLI_COMMAND_H

#include "ir/base/diag.h"

enum exit_code { EXIT_OK = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_INTERNAL = 3 };

/* --name (flag), or --name=METAVAR. A short form is one letter: -o PATH. */
struct option_spec {
    const char *name;
    const char *metavar; /* NULL: a flag */
    char letter;         /* 0: none */
    bool repeats;
    const char *doc;
};

struct option_value {
    const struct option_spec *spec;
    const char *text; /* "" for a flag */
};

struct invocation;
struct command {
    const char *name;
    const char *arguments; /* as shown in the usage line: "MODEL" */
    uint32_t least, most;  /* positional arguments */
    const struct option_spec *options;
    enum exit_code (*run)(struct invocation *inv);
    const char *summary;
};

struct invocation {
    const struct command *command;
    VEC(const char *) arguments;
    VEC(struct option_value) options;
    struct diag diag;
    struct arena arena;
};

/* The last value given, or `fallback`; whether a flag was given. */
const char *option_text(const struct invocation *inv, const char *name, const char *fallback);
bool option_given(const struct invocation *inv, const char *name);
/* Walks the values of a repeatable option: start with *cursor = 0; NULL at the end. */
const char *option_next(const struct invocation *inv, const char *name, uint32_t *cursor);
/* Acts as if --name=text had been given last; the command has such an option. */
void option_add(struct invocation *inv, const char *name, const char *text);
/* A whole number in [lo, hi]; on a usage error says so and returns false. */
bool option_int(struct invocation *inv, const char *name, int64_t lo, int64_t hi, int64_t fallback,
                int64_t *out);
/* Prints `adze COMMAND: text` and where help is; returns EXIT_USAGE. */
enum exit_code usage_error(const struct invocation *inv, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The commands' functions, one for each row. */
#define COMMAND(id, ...) enum exit_code cmd_##id(struct invocation *inv);
#include "frontend/cli/commands.def"

uint32_t command_count(void);
const struct command *command_at(uint32_t i);

#endif
