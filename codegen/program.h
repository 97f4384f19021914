/* A compiled program, before it becomes a module: plain data that the lowering fills in and
 * codegen_emit (codegen/emit.h) turns into a descriptor, an entry point and constants around the kernels.
 *
 * Everything here is borrowed: codegen_emit reads it and keeps nothing.
 *
 * A kernel is a function of the module with the signature
 *
 *     void kernel(void *const *buf, const int64_t *dim, uint32_t lo, uint32_t hi)
 *
 * which computes the items lo <= i < hi of a step. buf holds one pointer for each operand of the step, in
 * order, and one more at the end: the scratch memory of the worker that runs it (aligned to ADZE_ALIGN).
 * dim holds the step's dims. Items are independent: any split into ranges, in any order, on any workers,
 * gives the same bytes. So a kernel never reads what another item of the same step writes, nor leaves
 * anything in worker scratch for the next call. lo < hi always holds.
 */
#ifndef ADZE_CODEGEN_PROGRAM_H
#define ADZE_CODEGEN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A dimension of a port or step, or a number of items: a value >= 0 is itself, a negative one stands for
 * program.exprs[-1 - v], evaluated once a run. */
typedef int64_t program_dim;

/* Integer expressions over the symbols in postfix form. */
enum program_expr_op { EXPR_CONST, EXPR_SYMBOL, EXPR_ADD, EXPR_MUL, EXPR_FLOOR_DIV };
struct program_expr_term {
    enum program_expr_op op;
    int64_t value; /* EXPR_CONST: the constant (a divisor is a positive one); EXPR_SYMBOL: its index */
};
/* The compiler has proven that no term overflows and that the value is >= 0 for symbols in their range. */
struct program_expr {
    const struct program_expr_term *terms;
    uint32_t n_terms;
};

struct program_symbol {
    const char *name;
    int64_t lo, hi; /* 0 <= lo <= hi */
};

struct program_port {
    const char *name; /* UTF-8 */
    bool is_output;
    uint32_t elem; /* enum adze_elem of adze_model.h */
    uint32_t rank;
    const program_dim *dims;
    int32_t updates; /* of an output: the input port it may share memory with, else -1 */
};

enum program_space {
    SPACE_PORT,    /* index: the port */
    SPACE_SCRATCH, /* the arena all steps share; offsets are aligned as the kernel wants, up to 64 */
    SPACE_WEIGHTS, /* program.weights */
    SPACE_NONE,    /* an operand left out: a null pointer; offset 0 */
};
struct program_operand {
    enum program_space space;
    uint32_t index;  /* SPACE_PORT: which; else 0 */
    uint64_t offset; /* bytes */
};

struct program_step {
    const char *kernel; /* name of a function of the module; steps may share one */
    const char *name;   /* for profiles: what it computes */
    const struct program_operand *operands;
    uint32_t n_operands;
    const program_dim *dims; /* handed to the kernel, resolved */
    uint32_t n_dims;
    program_dim items;   /* fewer than 2^32; 0: the step is skipped */
    uint32_t grain;      /* a worker takes at least this many items at once; 0 is 1 */
    uint64_t operations; /* multiply-adds, for profiles; 0: not counted */
    uint64_t bytes;      /* moved, for profiles; 0: not counted */
};

/* One compilation of the model: for a range of symbol values and a set of CPU features. Earlier variants
 * are preferred. */
struct program_variant {
    const char *target;            /* as the user named it, e.g. "x86-64-v3" */
    uint64_t features;             /* what its kernels need: a set of CPU_… bits (ir/target.h), closed */
    const int64_t *lo, *hi;        /* [n_symbols], both ends included; null when the program has no symbols */
    uint64_t scratch_bytes;        /* the shared arena, at the upper bound of the symbols */
    uint64_t worker_scratch_bytes; /* for each worker */
    const struct program_step *steps;
    uint32_t n_steps;
};

struct program_metadata {
    const char *key, *value; /* entries with an empty key are left out */
};

struct program {
    const char *name; /* of the model, UTF-8; symbols are made from it by c_identifier */
    const char *text; /* the printed model to carry along, or null */
    const struct program_metadata *metadata;
    uint32_t n_metadata;
    const struct program_symbol *symbols;
    uint32_t n_symbols;
    const struct program_expr *exprs;
    uint32_t n_exprs;
    const struct program_port *ports; /* inputs first, then outputs */
    uint32_t n_ports;
    const struct program_variant *variants; /* at least one */
    uint32_t n_variants;
    const void *weights; /* the packed constants of all variants; offsets in it are aligned up to 64 */
    uint64_t weights_bytes;
};

#endif
