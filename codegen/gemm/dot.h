/* The rows of tiles.def: which dot product a target's tiles are made of. */
#ifndef ADZE_CODEGEN_GEMM_DOT_H
#define ADZE_CODEGEN_GEMM_DOT_H

#include "ir/elem.h"
#include "ir/target.h"

struct dot {
    const char *name;
    enum arch arch;
    uint64_t need;
    enum elem a, b, acc;
    uint32_t lanes, depth, registers;
    bool fused;
};
/* The best row for these element types, NULL if there is none. */
const struct dot *dot_for(const struct target *target, enum elem a, enum elem b, enum elem acc);

#endif
