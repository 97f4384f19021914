/* Reads a text in the language: lexer, parser, elaboration into a module. */
#ifndef ADZE_FRONTEND_READ_H
#define ADZE_FRONTEND_READ_H

#include "frontend/weights.h"

/* What stands in for a weight that is declared with its type but is in no file. Random ones depend on name,
 * shape and element type alone. */
enum missing_weights { MISSING_IS_AN_ERROR, MISSING_IS_ZERO, MISSING_IS_RANDOM };

/* A zeroed struct is the default. */
struct read_options {
    const struct weight_source *weights; /* instead of the files that the text names, which are not opened */
    enum missing_weights missing;
};

/* The module in the file `path` ("-": standard input). Weights files and includes are looked for beside the
 * file that names them. The module keeps the weights files open; `diag` keeps the text. Results are not
 * verified (ir/verify.h). */
MUST_USE enum status read_adz(const char *path, const struct read_options *options, struct diag *diag,
                              struct module **out);
/* The same for a text; `name` stands for it in diagnostics and gives the folder that other files are in. */
MUST_USE enum status read_adz_text(const char *name, const char *text, size_t length,
                                   const struct read_options *options, struct diag *diag,
                                   struct module **out);

/* Whether the printed module reads back, with its own weights, as one that verifies and prints the same; an
 * error says what went wrong. For the costly checks between passes. */
MUST_USE enum status check_reads_back(const struct module *m, struct diag *diag);

#endif
