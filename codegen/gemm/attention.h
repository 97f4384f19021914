/* Attention as one kernel: softmax(scale * q k^T + mask) v for blocks of queries, which stand in lanes. */
#ifndef ADZE_CODEGEN_GEMM_ATTENTION_H
#define ADZE_CODEGEN_GEMM_ATTENTION_H

#include "codegen/gemm/gen.h"

struct attention_problem {
    uint32_t n, t, s, heads, shared; /* batch, queries, keys, heads, heads of queries for one of keys */
    uint32_t d, e;                   /* width of a head of queries and keys, and of values */
    double scale;
    bool causal, has_mask, mask_is_bool;
    int64_t mask_stride[4]; /* batch, head, query, key, in elements; 0 broadcasts */
};

/* How it is cut: an item is a head's block of lanes x vectors queries; keys are taken in blocks of `keys`,
 * with a running maximum and sum, and tiles of mr keys or columns of values. */
struct attention_cut {
    uint32_t vectors, mr, keys;
};
struct attention_cut attention_cut(const struct attention_problem *p, const struct dot *dot);
uint32_t attention_items(const struct attention_problem *p, const struct attention_cut *cut, uint32_t lanes);
uint64_t attention_scratch(const struct attention_problem *p, const struct attention_cut *cut,
                           uint32_t lanes);

struct attention_buffers {
    LLVMValueRef q, k, v, mask, y, scratch; /* mask: null without one */
    LLVMValueRef lo, hi;                    /* i32 range of items */
};
void attention_emit(const struct gen *g, const struct attention_problem *p, const struct attention_cut *cut,
                    const struct attention_buffers *buffers);

#endif
