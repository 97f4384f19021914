/* Kernel functions and structured control flow, built as SSA so that no optimization pass has to run
 * afterwards. */
#ifndef ADZE_CODEGEN_LOOP_H
#define ADZE_CODEGEN_LOOP_H

#include "codegen/kernel.h"

/* A kernel function under construction; the builder stands in its entry block. */
struct kernel_code {
    LLVMValueRef function, buf, lo, hi; /* lo, hi: i64 */
};
struct kernel_code kernel_begin(struct emit *e, const char *symbol);
void kernel_end(struct emit *e);
/* The pointer buf[i]. */
LLVMValueRef kernel_pointer(struct emit *e, LLVMValueRef buf, uint32_t i);
/* Where operand i of the root's op lies: buf[i], or for a literal its constant. */
LLVMValueRef operand_pointer(struct emit *e, const struct op *op, uint32_t i, LLVMValueRef buf);

/* i64 constants and arithmetic; x + 0, x * 1 and constants fold. */
LLVMValueRef int64(struct emit *e, int64_t value);
LLVMValueRef add64(struct emit *e, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef scale64(struct emit *e, LLVMValueRef x, int64_t by);
LLVMValueRef min64(struct emit *e, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef max64(struct emit *e, LLVMValueRef x, LLVMValueRef y);

/* for (index = lo; index < hi; index += step), step > 0; the test comes before the first turn unless lo and
 * hi are constants. *Carried* values change from turn to turn: at begin carried[] holds the initial ones and
 * is replaced by those of the turn; at end it holds those for the next turn and is replaced by the ones after
 * the loop. */
enum { LOOP_MAX_CARRIED = 16 };
struct loop {
    LLVMValueRef index, hi;
    int64_t step;
    bool empty, once;
    LLVMBasicBlockRef before, body, after;
    uint32_t count;
    LLVMValueRef phi[LOOP_MAX_CARRIED], initial[LOOP_MAX_CARRIED];
};
void loop_begin_carried(struct emit *e, struct loop *loop, LLVMValueRef lo, LLVMValueRef hi, int64_t step,
                        LLVMValueRef *carried, uint32_t count);
void loop_end_carried(struct emit *e, struct loop *loop, LLVMValueRef *carried);
/* The same without carried values. */
void loop_begin(struct emit *e, struct loop *loop, LLVMValueRef lo, LLVMValueRef hi, int64_t step);
void loop_end(struct emit *e, struct loop *loop);

/* if (condition) { ... } without values. */
struct branch {
    LLVMBasicBlockRef after;
};
void branch_begin(struct emit *e, struct branch *branch, LLVMValueRef condition);
void branch_end(struct emit *e, struct branch *branch);

#endif
