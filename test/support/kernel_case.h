/* Small models whose kernels are compiled, run on guarded memory and compared with the interpreter.
 *
 *     struct kernel_case c;
 *     kernel_case_begin(&c, "what is tested");
 *     value_id x = kernel_input(&c, ELEM_f32, 2, 3, 5);          rank 2: 3 x 5
 *     kernel_run(&c, kernel_op(&c, OP_relu, 1, x), emit_pointwise);
 *     kernel_case_end(&c);
 *
 * A run takes every x86-64 level that the machine has, and memory with a protected page behind each buffer,
 * then before it. Operands are read-only, results and scratch are poisoned; the items run at once and one by
 * one, backwards; all runs must give the same bytes. Integers and bool must be those of the interpreter;
 * floats may differ from its f64 run by a bound that grows with how far its f32 run is off. Padding must be
 * zero. */
#ifndef ADZE_TEST_SUPPORT_KERNEL_CASE_H
#define ADZE_TEST_SUPPORT_KERNEL_CASE_H

#include "codegen/kernel.h"

enum { KERNEL_MAX_VALUES = 64 };

struct kernel_case {
    const char *name;
    struct module *m;
    struct diag diag;
    struct builder b;
    struct tensor data[KERNEL_MAX_VALUES]; /* of inputs, by value; filled at random unless set */
    bool specials;                         /* random floats include NaN, infinities, denormals, zeros */
    double low, high;     /* of random numbers; floats [-4, 4), integers all, when both are 0 */
    double relative;      /* float bound; 0: by the element type */
    const char *only_cpu; /* NULL: all */
    unsigned failures;    /* of all runs of this case */
};

void kernel_case_begin(struct kernel_case *c, const char *name);
void kernel_case_end(struct kernel_case *c);

/* An input of static shape, rank `rank`, extents (int) after it. */
value_id kernel_input(struct kernel_case *c, enum elem elem, uint32_t rank, ...);
value_id kernel_input_dims(struct kernel_case *c, enum elem elem, uint32_t rank, const int64_t *dims);
/* Stores it in a channel-blocked layout. */
void kernel_block(struct kernel_case *c, value_id value, uint32_t block);
/* An op without attributes on `count` operands (value_id) after it; and one with. Errors end the program. */
op_id kernel_op(struct kernel_case *c, enum op_kind kind, uint32_t count, ...);
op_id kernel_op_with(struct kernel_case *c, enum op_kind kind, const value_id *operands, uint32_t count,
                     const struct attr *attrs, uint32_t attr_count);
value_id kernel_result(struct kernel_case *c, op_id op, uint32_t i);

/* Emits, runs and compares. Failures are printed and counted in c->failures and kernel_failures. */
void kernel_run(struct kernel_case *c, op_id op, emit_fn *emit);
/* For cases of which there are many: each call limits the case to the next of the levels, in turn. */
void kernel_next_cpu(struct kernel_case *c);
/* True if the emitter declines (and says why). */
bool kernel_declines(struct kernel_case *c, op_id op, emit_fn *emit);
/* The kernel as assembly for a CPU ("x86-64-v3"); free with LLVMDisposeMessage. */
char *kernel_assembly(struct kernel_case *c, op_id op, emit_fn *emit, const char *cpu);
extern unsigned kernel_failures;

#endif
