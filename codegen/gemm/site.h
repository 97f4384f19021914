/* Where the contraction is in an op of the root. */
#ifndef ADZE_CODEGEN_GEMM_SITE_H
#define ADZE_CODEGEN_GEMM_SITE_H

#include "ir/contraction.h"

/* The op itself, or the only contraction in a fuse's body. Positions are those of the root op's operands. */
struct gemm_site {
    op_id contraction;
    uint32_t x, w, bias; /* bias: UINT32_MAX when there is none */
    struct contraction problem;
};
/* NULL, or the reason why the dense generator does not do the op. */
const char *gemm_site_find(const struct module *m, op_id op, struct gemm_site *out);

#endif
