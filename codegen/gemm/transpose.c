#include "codegen/gemm/transpose.h"

/* Lanes whose bit `distance` is `side` of x and, moved by the distance, of y. */
static LLVMValueRef exchange(const struct gen *g, LLVMValueRef x, LLVMValueRef y, uint32_t distance,
                             bool high) {
    LLVMValueRef index[64];
    for (uint32_t k = 0; k < g->lanes; k++) {
        uint32_t of_x = high ? k + distance : k, of_y = g->lanes + (high ? k : k - distance);
        index[k] = gen_i32(g, k & distance ? of_y : of_x);
    }
    return LLVMBuildShuffleVector(g->b, x, y, LLVMConstVector(index, g->lanes), "");
}

/* Eklundh's method: exchange the off-diagonal quarters of all blocks, for each size of block. */
void gen_transpose(const struct gen *g, LLVMValueRef *rows) {
    for (uint32_t distance = g->lanes / 2; distance > 0; distance /= 2)
        for (uint32_t i = 0; i < g->lanes; i++) {
            if (i & distance) continue;
            LLVMValueRef x = rows[i], y = rows[i + distance];
            rows[i] = exchange(g, x, y, distance, false);
            rows[i + distance] = exchange(g, x, y, distance, true);
        }
}
