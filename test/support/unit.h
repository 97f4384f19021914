/* Checks for the C programs under test/unit. A failed check prints where and what, and the program goes on;
 * `return unit_status();` at the end of main is 0 if all held. */
#pragma once

#include <stdio.h>
#include <string.h>

static int unit_failures;

static inline int unit_fail(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    unit_failures++;
    return 0;
}

/* True if the condition holds, so that a dependent check can be guarded by it. */
#define CHECK(condition) ((condition) ? 1 : unit_fail(__FILE__, __LINE__, #condition))

static inline int unit_check_text(const char *file, int line, const char *got, const char *want) {
    if (got && strcmp(got, want) == 0) return 1;
    fprintf(stderr, "%s:%d: check failed: got \"%s\", want \"%s\"\n", file, line, got ? got : "(null)", want);
    unit_failures++;
    return 0;
}

#define CHECK_TEXT(got, want) unit_check_text(__FILE__, __LINE__, (got), (want))

static inline int unit_status(void) {
    return unit_failures != 0;
}
