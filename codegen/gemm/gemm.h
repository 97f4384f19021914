/* Dense contractions for the rest of code generation: what is proposed for an op, and (emit_contraction of
 * kernel.h) what is emitted. */
#ifndef ADZE_CODEGEN_GEMM_GEMM_H
#define ADZE_CODEGEN_GEMM_GEMM_H

#include "ir/candidate.h"
#include "ir/contraction.h"

/* The contraction in an op of the root: the op itself, or the only one in a fuse's body. Positions are those
 * of the root op's operands. */
struct gemm_site {
    op_id contraction;
    uint32_t x, w, bias; /* bias: UINT32_MAX when there is none */
    struct contraction problem;
};
/* NULL, or the reason why this generator does not do the op. */
const char *gemm_find(const struct module *m, op_id op, struct gemm_site *out);

/* Candidates for an op of the root, best first; 0 when gemm_find refuses it. */
uint32_t gemm_candidates(struct module *m, op_id op, const struct target *target, struct candidate *out,
                         uint32_t room);

#endif
