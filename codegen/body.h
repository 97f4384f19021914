/* Evaluates pointwise ops on vectors: the body of a fuse, or one op of the root region. Pointwise kernels are
 * made of this alone; contractions use it for what is around them: bias, activation, residual after, and what
 * feeds an operand before.
 *
 * All values that are computed have shapes that broadcast to one *frame*: a type whose stored elements are
 * walked. A point is given by its storage coordinates in the frame (n, c/16, h, w, c%16 of a channel-blocked
 * type), and a vector covers `lanes` consecutive positions of the innermost one. Operands come in their own
 * types: other layouts, other element types, broadcast in any dimension.
 *
 * Registers: f32 and f64 as themselves, f16 and bf16 as float (rounded after every op, as the interpreter
 * does), integers as themselves, bool as i1. */
#ifndef ADZE_CODEGEN_BODY_H
#define ADZE_CODEGEN_BODY_H

#include "codegen/access.h"
#include "codegen/kernel.h"

struct body;

struct body_request {
    op_id op;          /* a fuse, or a pointwise op by itself */
    struct type frame; /* static shape; for results: the type of result 0 */
    /* Values of the body that the caller brings to every evaluation (a contraction's result); none: 0. */
    const value_id *seeds;
    uint32_t seed_count;
    /* Values to compute; none (0): the results of the op, for body_eval_store. */
    const value_id *wanted;
    uint32_t wanted_count;
};

/* NULL, and *why_not, when an op in between is not pointwise or a shape does not broadcast to the frame.
 * Freed by body_free. */
struct body *body_new(struct emit *e, const struct body_request *request, const char **why_not);
void body_free(struct body *body);

/* Loads the pointers of the operands and results from the kernel's `buf`, at the builder's position, which
 * must dominate all evaluations. */
void body_bind(struct body *body, LLVMValueRef buf);

/* Storage coordinates that evaluation and stores need, given that the caller knows each point's offset in the
 * frame's storage (else all of them): bit k stands for storage dimension k. */
uint32_t body_needs(const struct body *body);
/* Pointwise ops from the seeds or operands to the results: 0 when the results are the seeds themselves. */
uint32_t body_op_count(const struct body *body);

struct body_point {
    unsigned lanes;
    /* i64 storage coordinates of lane 0, and its offset in the frame in elements. Coordinates outside
     * body_needs may be NULL when the offset is given; the offset may be NULL when all coordinates are. */
    const LLVMValueRef *index;
    LLVMValueRef offset;
    /* <lanes x i1>: the lanes that exist; NULL: all, as for one lane. Others are neither loaded nor stored.
     */
    LLVMValueRef mask;
    const LLVMValueRef *seeds; /* one register for each seed */
};

/* Computes the wanted values (or results) at a point, into out[]. */
void body_eval(struct body *body, const struct body_point *point, LLVMValueRef *out);
/* Evaluates and stores all results of the op. Lanes past the logical extent of a padded layout are stored as
 * zero. */
void body_eval_store(struct body *body, const struct body_point *point);

/* Merges storage dimensions of the frame that every operand and result walks alike, and drops those of extent
 * 1: the coordinates of later points are those of body_frame. To be called before the first evaluation. */
void body_collapse(struct body *body);
const struct frame *body_frame(const struct body *body);
/* Can vectors of this target end in masked lanes cheaply, or should tails be walked one by one? */
bool body_masks_well(const struct body *body);
/* A kernel that is nothing but this: emit_pointwise, and relayouts between any two layouts. */
emit_fn emit_pointwise_body;

#endif
