/* Building blocks of the dense generators: types of the target, addresses, loops with carried values.
   All emitters build SSA directly, so that no optimisation pass has to run over a micro-kernel. */
#ifndef ADZE_CODEGEN_GEMM_GEN_H
#define ADZE_CODEGEN_GEMM_GEN_H

#include "codegen/gemm/dot.h"

#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t div_up(uint32_t a, uint32_t b) {
    return (a + b - 1) / b;
}

/* What an emitter of this folder needs of the function under construction. `lanes` is the number of f32
   in a vector register, `registers` how many of them the target has. */
struct gen {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMValueRef fn;
    LLVMTypeRef i1, i32, i64, f32, ptr, vec;
    uint32_t lanes, registers;
    bool fma;
};

/* Fills g for a builder that stands in a block of fn. */
void gen_init(struct gen *g, LLVMBuilderRef b, LLVMValueRef fn, const struct dot *dot);

/* The same with vectors of half as many lanes. */
struct gen gen_half(const struct gen *g);
/* A narrower vector with zeros after it. */
LLVMValueRef gen_widen(const struct gen *g, LLVMValueRef v);

LLVMValueRef gen_i32(const struct gen *g, uint32_t v);
LLVMValueRef gen_i64(const struct gen *g, int64_t v);
LLVMValueRef gen_f32(const struct gen *g, double v);
/* The vector with v in every lane. */
LLVMValueRef gen_splat(const struct gen *g, LLVMValueRef v);
LLVMValueRef gen_zero(const struct gen *g);

/* i64 arithmetic that folds constants, and x * 1, x + 0. */
LLVMValueRef gen_add(const struct gen *g, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef gen_mul(const struct gen *g, LLVMValueRef x, int64_t by);
LLVMValueRef gen_div(const struct gen *g, LLVMValueRef x, int64_t by); /* of x >= 0 */
LLVMValueRef gen_rem(const struct gen *g, LLVMValueRef x, int64_t by);
LLVMValueRef gen_min(const struct gen *g, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef gen_max(const struct gen *g, LLVMValueRef x, LLVMValueRef y);

/* The address of element `index` of an f32 array. */
LLVMValueRef gen_at(const struct gen *g, LLVMValueRef base, LLVMValueRef index);
LLVMValueRef gen_at_const(const struct gen *g, LLVMValueRef base, int64_t index);

/* Loads of one vector or one element; `align` in bytes. With `active` below the number of
   lanes only the first `active` are touched and the others read as zero (or are not stored). */
LLVMValueRef gen_load(const struct gen *g, LLVMValueRef at, uint32_t align, uint32_t active);
void gen_store(const struct gen *g, LLVMValueRef v, LLVMValueRef at, uint32_t align, uint32_t active);
LLVMValueRef gen_element(const struct gen *g, LLVMValueRef at);
/* Zeroes the lanes from `active` on. */
LLVMValueRef gen_clear_lanes(const struct gen *g, LLVMValueRef v, uint32_t active);
/* acc + x * y in every lane, fused where the target has the instruction. */
LLVMValueRef gen_fma(const struct gen *g, LLVMValueRef x, LLVMValueRef y, LLVMValueRef acc);
/* A read prefetch of the line at `at`; level 1 is the nearest cache. */
void gen_prefetch(const struct gen *g, LLVMValueRef at, uint32_t level);

/* Keeps the memory accesses of one step of straight code from being scheduled into another's: left alone,
   LLVM's schedulers hoist loads until the accumulators spill. Costs no instruction. */
void gen_step_barrier(const struct gen *g);

/* The intrinsic `name`, overloaded on `types`, called on args. */
LLVMValueRef gen_intrinsic(const struct gen *g, const char *name, LLVMTypeRef *types, uint32_t n_types,
                           LLVMValueRef *args, uint32_t n_args);

enum { GEN_MAX_CARRIED = 40 };

/* A counted loop over [lo, hi). Values that change from one turn to the next are *carried*: at begin the
   array holds the initial values and is replaced by the values of the turn; at end it holds those for the
   next turn and is replaced by the values after the loop. With `guarded` an empty range is skipped, else
   the caller vouches for at least one turn. */
struct gen_loop {
    LLVMBasicBlockRef entry, body, after;
    LLVMValueRef index, hi;
    int64_t step;
    uint32_t n_carried;
    bool guarded;
    LLVMValueRef phi[GEN_MAX_CARRIED], initial[GEN_MAX_CARRIED];
};
void gen_loop_begin(const struct gen *g, struct gen_loop *l, LLVMValueRef lo, LLVMValueRef hi, int64_t step,
                    bool guarded, LLVMValueRef *carried, uint32_t n_carried);
void gen_loop_end(const struct gen *g, struct gen_loop *l, LLVMValueRef *carried);

/* if (cond) { ... } whose body may replace the carried values. */
struct gen_if {
    LLVMBasicBlockRef entry, after;
    uint32_t n_carried;
    LLVMValueRef initial[GEN_MAX_CARRIED];
};
void gen_if_begin(const struct gen *g, struct gen_if *s, LLVMValueRef cond, LLVMValueRef *carried,
                  uint32_t n_carried);
void gen_if_end(const struct gen *g, struct gen_if *s, LLVMValueRef *carried);

#endif
