#include "codegen/transpose.h"

#include "codegen/simd.h"

#include <string.h>

/* Shuffles that cross 16-byte lanes cost more than those that do not, so the square is transposed within the
 * lanes first, then the lanes are. */
enum { LANE_BYTES = 16 };

unsigned transpose_edge(const struct target *target, unsigned elem_bytes) {
    unsigned vector = target->vector_bytes ? target->vector_bytes : LANE_BYTES;
    unsigned edge = (elem_bytes >= 4 ? vector : LANE_BYTES) / elem_bytes;
    return edge < TRANSPOSE_MAX ? edge : TRANSPOSE_MAX;
}

/* In each lane of `width` elements, the lower (or upper) halves of x and y, interleaved. */
static LLVMValueRef interleave(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, unsigned edge,
                               unsigned width, bool upper) {
    int index[TRANSPOSE_MAX];
    for (unsigned i = 0; i < edge; i++) {
        unsigned lane = i / width * width, at = lane + (upper ? width / 2 : 0) + i % width / 2;
        index[i] = (int)(i % 2 ? edge + at : at);
    }
    return simd_shuffle(b, x, y, index, edge);
}

/* Lanes `first`, first + step, … of x, then of y. */
static LLVMValueRef pick_lanes(LLVMBuilderRef b, LLVMValueRef x, LLVMValueRef y, unsigned edge,
                               unsigned width, unsigned first, unsigned step) {
    int index[TRANSPOSE_MAX];
    unsigned lanes = edge / width;
    for (unsigned i = 0; i < edge; i++) {
        unsigned lane = i / width, source = lane < lanes / 2 ? 0 : edge;
        unsigned from = first + lane % (lanes / 2) * step;
        index[i] = (int)(source + from * width + i % width);
    }
    return simd_shuffle(b, x, y, index, edge);
}

/* Each group of `width` rows, its lanes transposed: a perfect shuffle, log2(width) times. */
static void within_lanes(LLVMBuilderRef b, LLVMValueRef *rows, unsigned edge, unsigned width) {
    LLVMValueRef next[TRANSPOSE_MAX];
    for (unsigned group = 0; group < edge; group += width)
        for (unsigned stage = 1; stage < width; stage *= 2) {
            for (unsigned i = 0; i < width / 2; i++) {
                LLVMValueRef x = rows[group + i], y = rows[group + i + width / 2];
                next[2 * i] = interleave(b, x, y, edge, width, false);
                next[2 * i + 1] = interleave(b, x, y, edge, width, true);
            }
            memcpy(rows + group, next, width * sizeof *next);
        }
}

void transpose_registers(LLVMBuilderRef b, LLVMValueRef *rows, unsigned edge, unsigned elem_bytes) {
    unsigned width = LANE_BYTES / elem_bytes, lanes = edge / width;
    if (width > edge) width = edge, lanes = 1;
    within_lanes(b, rows, edge, width);
    if (lanes == 1) return;
    /* Now lane l of rows[g * width + j] holds column l * width + j of the rows of group g. */
    LLVMValueRef out[TRANSPOSE_MAX];
    for (unsigned j = 0; j < width; j++) {
        if (lanes == 2) {
            for (unsigned l = 0; l < 2; l++)
                out[l * width + j] = pick_lanes(b, rows[j], rows[width + j], edge, width, l, 1);
            continue;
        }
        check(lanes == 4);
        for (unsigned odd = 0; odd < 2; odd++) {
            LLVMValueRef first = pick_lanes(b, rows[j], rows[width + j], edge, width, odd, 2);
            LLVMValueRef second =
                pick_lanes(b, rows[2 * width + j], rows[3 * width + j], edge, width, odd, 2);
            out[odd * width + j] = pick_lanes(b, first, second, edge, width, 0, 2);
            out[(odd + 2) * width + j] = pick_lanes(b, first, second, edge, width, 1, 2);
        }
    }
    memcpy(rows, out, edge * sizeof *out);
}
