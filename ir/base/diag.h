/* Diagnostics for the user and remarks of the passes: collected here, printed by the command that owns them.
 */
#ifndef ADZE_IR_BASE_DIAG_H
#define ADZE_IR_BASE_DIAG_H

#include "ir/base/arena.h"
#include "ir/base/vec.h"

#include <stdio.h>

/* A place in a source: `file` indexes diag.sources + 1, 0 is "nowhere"; line and column count from 1, 0 is
 * "the whole file". */
struct loc {
    uint32_t file, line, column;
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE };

struct diagnostic {
    enum severity severity;
    struct loc loc;
    const char *text;
};

/* What a pass decided and why: `explain`, the report and the tests read these. */
enum remark_kind { REMARK_APPLIED, REMARK_MISSED, REMARK_ANALYSIS };
struct remark {
    enum remark_kind kind;
    const char *pass, *subject /* value or weight name */, *text;
};

struct source {
    const char *name; /* as the user spelled it */
    const char *text; /* NULL for a binary file: no line or caret is shown */
    size_t length;
};

struct diag {
    struct arena arena;
    VEC(struct source) sources;
    VEC(struct diagnostic) list;
    VEC(struct remark) remarks;
    uint32_t errors;
};

enum { DIAG_MAX_ERRORS = 20 }; /* errors past this are counted, not kept */

/* Adds a source; `text` (may be NULL) is copied. Returns the index to put into loc.file. */
uint32_t diag_add_source(struct diag *diag, const char *name, const char *text, size_t length);

/* Records an error and returns STATUS_FAILED, so that `return diag_error(…)` reads well. Texts start in lower
 * case, name what was found and what was expected, and have no final full stop. */
enum status diag_error(struct diag *diag, struct loc loc, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_warning(struct diag *diag, struct loc loc, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_note(struct diag *diag, struct loc loc, const char *fmt, ...)
    PRINTF_LIKE(3, 4); /* belongs to the last one */
void diag_remark(struct diag *diag, enum remark_kind kind, const char *pass, const char *subject,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Prints all diagnostics as `file:line:col: error: text`, the source line and a caret. */
void diag_print(const struct diag *diag, FILE *to);
void diag_print_remarks(const struct diag *diag, FILE *to);
void diag_free(struct diag *diag);

#endif
