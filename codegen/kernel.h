/* What every kernel emitter gets and gives. One op of the root region (most are `fuse`) becomes one kernel:
 *
 *     void kernel(void *const *buf, const int64_t *dim, uint32_t lo, uint32_t hi)
 *
 * buf[] holds the op's operands in order, then its results, and last the worker's own scratch memory. A
 * left-out operand is null. Literals are folded into the code and get no useful pointer. The kernel computes
 * the items lo <= i < hi of its `items` independent parts: every split gives the same bytes. Shapes, strides
 * and padding are constants in the code. */
#ifndef ADZE_CODEGEN_KERNEL_H
#define ADZE_CODEGEN_KERNEL_H

#include "ir/op.h"
#include "ir/panels.h"

#include <llvm-c/Core.h>

struct emit {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    const struct target *target;
    struct module *m;
    struct diag *diag;
    struct map functions; /* helper functions made once per module, by name */
};

struct kernel {
    LLVMValueRef function;
    uint32_t items;
    uint64_t worker_scratch; /* bytes, 64-byte aligned */
    /* The operand that is read as coded panels, if their coding is not PANELS_none. */
    struct panels panels;
    uint32_t coded_operand;
};

/* An emitter declines what it does not cover, saying why: the caller tries the next one, and a contraction
 * that ends in the generic loops leaves that reason as a remark. */
enum emit_result { EMIT_DONE, EMIT_DECLINED, EMIT_FAILED };
typedef enum emit_result emit_fn(struct emit *e, op_id op, const char *symbol, struct kernel *out,
                                 const char **why_not);

/* In the order in which they are tried. */
emit_fn emit_contraction; /* dense contraction, with the epilogue of its fuse body */
emit_fn emit_attention;
emit_fn emit_pointwise; /* fuse of pointwise ops, or one of them */
emit_fn emit_movement;
emit_fn emit_reduction; /* reductions, pooling, normalizations */
emit_fn emit_generic;   /* scalar loops for anything left */

#endif
