/* What the parts of lower-quantized share: an op that is replaced, and the ops built before it. Private to
 * lower*.c. */
#ifndef ADZE_PASSES_LOWERING_H
#define ADZE_PASSES_LOWERING_H

#include "ir/panels.h"

struct lowering {
    struct module *m;
    struct builder b;
    op_id op;
    enum elem sum; /* that sums are exact in */
};

const struct op *lowering_op(const struct lowering *l);
struct type lowering_type(const struct lowering *l, uint32_t i); /* of operand i */

/* Build ops. A value 0 among the operands gives 0. */
value_id lowering_one(struct lowering *l, enum op_kind kind, value_id v, const struct attr *attrs,
                      uint32_t count);
value_id lowering_two(struct lowering *l, enum op_kind kind, value_id a, value_id b);
value_id lowering_cast(struct lowering *l, value_id v, enum elem elem);
value_id lowering_constant(struct lowering *l, const char *name, struct tensor t); /* takes t over */
/* A literal f32. */
value_id lowering_number(struct lowering *l, double value);

/* Kernels of contractions read constant weights in coded form; assign makes those plain that none reads. */
bool lowering_reads_coded(const struct lowering *l, uint32_t i);

/* An op that sums integers (op_sums_integers), with the bits that ir/quant.h defines; 0 after a diagnostic.
 */
value_id lower_sum(struct lowering *l);
/* A look-up in a constant quantized table, with that table in the library as it is in the file. 0 with
 * *out_covered = false: the table's form is not covered. */
value_id lower_lookup(struct lowering *l, bool *out_covered);

#endif
