/* Folds and maps over a line of elements, in vectors.
 *
 * Either the line is contiguous and vectors run along it (what was folded is then combined across lanes by
 * fold_across), or `lanes` neighbouring lines run side by side, one in each lane. Extents are constants, so
 * what does not fill a vector is a masked access without branches. */
#ifndef ADZE_CODEGEN_FOLD_H
#define ADZE_CODEGEN_FOLD_H

#include "codegen/loop.h"

struct line {
    struct emit *e;
    enum elem elem; /* in memory; registers are those of register.h */
    int64_t extent; /* elements of the line */
    unsigned lanes;
    bool side_by_side;
    int64_t stride;  /* side by side: elements from one position to the next */
    unsigned active; /* side by side: lanes that exist, at most `lanes` */
};

/* A line along contiguous elements; and `active` lines side by side (lanes is then chosen as the vector's).
 */
struct line line_along(struct emit *e, enum elem elem, int64_t extent);
struct line line_beside(struct emit *e, enum elem elem, int64_t extent, int64_t stride, unsigned active);

/* Where a vector of the line is: `offset` in elements from the line's start, an i64; `position` of lane 0 in
 * the line; the lanes that exist (NULL: all). */
struct line_at {
    LLVMValueRef offset, position, mask;
};
LLVMValueRef line_load(const struct line *line, LLVMValueRef pointer, const struct line_at *at, double fill);
void line_store(const struct line *line, LLVMValueRef pointer, const struct line_at *at, LLVMValueRef value);

/* acc[] = f(acc[], vector) over the line. Several sums are kept where the line is long, and none goes on for
 * many more than FOLD_TURNS turns: errors of rounding grow with the terms of a sum, and less with those of a
 * sum of sums. So f must be such that parts can be folded apart, from `identity`, and merged by `merge`.
 * Lanes that do not exist are handed to f all the same: f sees at->mask and must leave those lanes of acc as
 * they are or fold in what changes nothing (line_load's `fill`). */
enum { FOLD_MAX = 4, FOLD_TURNS = 256 };
struct fold {
    void *ctx;
    uint32_t count; /* values of acc */
    void (*step)(void *ctx, const struct line_at *at, LLVMValueRef *acc);
    void (*merge)(void *ctx, LLVMValueRef *acc, const LLVMValueRef *other);
    LLVMValueRef identity[FOLD_MAX];
};
void line_fold(const struct line *line, const struct fold *fold, LLVMValueRef *acc);
/* Merges the lanes of acc[] and puts the result in all of them; does nothing for lines side by side. */
void fold_across(const struct line *line, const struct fold *fold, LLVMValueRef *acc);

/* Calls f for every vector of the line. */
void line_each(const struct line *line, void (*f)(void *ctx, const struct line_at *at), void *ctx);

#endif
