/* Shared vocabulary: status codes, must-use results, internal bugs, checked arithmetic.
 *
 * Three error channels, never mixed: a diagnostic (diag.h) tells the user, a status tells the caller, bug()
 * ends the process for a fault of our own. */
#ifndef ADZE_IR_BASE_BASE_H
#define ADZE_IR_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN __attribute__((noreturn))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* STATUS_FAILED means that at least one error diagnostic says what was wrong. */
enum status { STATUS_OK = 0, STATUS_FAILED = 1 };

/* Hands a failure on to the caller. */
#define TRY(expr)                                                                                            \
    do {                                                                                                     \
        if ((expr) != STATUS_OK) return STATUS_FAILED;                                                       \
    } while (0)

/* A fault of adze itself: prints file, line, the pass and op set by bug_context (if any), and aborts. */
NORETURN void bug_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define check(cond)                                                                                          \
    do {                                                                                                     \
        if (!(cond)) bug("check failed: %s", #cond);                                                         \
    } while (0)

/* True, and *out set, when the exact result fits; false on overflow. */
static inline bool mul_i64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool add_i64(int64_t a, int64_t b, int64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

static inline int64_t min_i64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t max_i64(int64_t a, int64_t b) {
    return a > b ? a : b;
}
/* The greatest common divisor of numbers >= 0; the other one where one is 0. */
static inline int64_t common_divisor(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}
/* a >= 0, b > 0. */
static inline int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
static inline int64_t round_up(int64_t a, int64_t b) {
    return ceil_div(a, b) * b;
}
/* Division that rounds towards minus infinity; b > 0. */
static inline int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* malloc and friends that abort when memory runs out. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* 64-byte aligned, size rounded up; freed with free(). Contents undefined. */
void *xmalloc_aligned(size_t size);

#endif
