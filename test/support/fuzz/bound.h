/* How far a right answer may be off: a running error analysis beside a run of the interpreter in f64.
 *
 * Every value is held with an error e >= 0 for each element: whatever a right implementation computes in the
 * declared element type lies in [value - e, value + e], for any order of summation, with and without fused
 * multiply-add, wherever it rounds to the element type or keeps more. Composites are analysed as the
 * primitives they expand into, ops on quantized operands as what lower-quantized makes of them. The rules,
 * for unit roundoff u of the result's element type and w of what sums are taken in (f32, or f64 for f64):
 *
 *   pointwise    the op at all corners of the operands' intervals; plus some units of roundoff, of the result
 *                and, where a formula may cancel, of the operands (bound_pointwise.c lists them)
 *   sums         (contractions, sums, means, products) op(|x| + e) - op(|x|), plus (terms w + 2 u) op(|x| +
 * e) movement     the error goes where the element goes largest      (max, min, pooling) the op at both ends
 *   softmax      e^(2 e) - 1 relative, plus roundoff of the terms and of their arguments
 *   arg          the index is sure unless another element comes within the errors
 *
 * An infinite error says that nothing is known: near a pole or a jump, past the largest number, where an
 * infinity meets a factor that may be zero. Integers and bools are exact (error 0) unless they depend on a
 * float that is near a jump. NaN and infinities with error 0 are exact too: the result has to have them in
 * the same place. */
#ifndef ADZE_TEST_FUZZ_BOUND_H
#define ADZE_TEST_FUZZ_BOUND_H

#include "ir/op.h"

struct bounded {
    struct tensor value; /* floats in f64 */
    double *error;       /* by element */
};

/* outputs[i] for module.outputs[i], the caller's. Static shapes. */
MUST_USE enum status bound_run(const struct module *m, const struct tensor *inputs, struct bounded *outputs,
                               struct diag *diag);
void bounded_free(struct bounded *b, uint32_t count);

/* Whether `got` (declared element type, plain layout) lies within the bound everywhere. If not, says what is
 * wrong with the first element that does not. Counts elements, and those of which nothing is known. */
struct bound_counts {
    uint64_t elements, unknown;
    double largest; /* error / bound, of those that have one */
};
bool bound_holds(const struct bounded *b, const struct tensor *got, struct bound_counts *counts,
                 struct str *why);

/* -- between the parts of the analysis -- */
struct bound_step {
    const struct module *m;
    const struct op *op;
    uint32_t operands;
    const struct bounded *const *in; /* NULL: left out */
    struct bounded *out;             /* values are there, errors are 0 */
    enum elem elem;                  /* declared, of result 0 */
    struct diag *diag;
};
double bound_unit(enum elem elem);       /* unit roundoff; 0 of integers and bool */
double bound_sum_unit(enum elem elem);   /* of what sums of these are taken in */
double bound_tiny(enum elem elem);       /* the smallest number above zero */
double bound_most(enum elem elem);       /* the largest finite number */
bool bound_any(const struct bounded *b); /* an error that is not 0 */
/* The op on other operands (NULL: left out): its first result, the caller's. */
struct tensor bound_eval(const struct bound_step *s, const struct tensor *const *in);
/* value + sign * error of every element, in the tensor's type. */
struct tensor bound_moved(const struct bounded *b, int sign);

void bound_pointwise(const struct bound_step *s);
void bound_sum(const struct bound_step *s, double terms);
void bound_movement(const struct bound_step *s);
void bound_largest(const struct bound_step *s);
void bound_arg(const struct bound_step *s);
void bound_topk(const struct bound_step *s);
void bound_scatter(const struct bound_step *s);
void bound_softmax(const struct bound_step *s);

#endif
