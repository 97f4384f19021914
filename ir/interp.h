/* The reference interpreter: the meaning of a model. f32 models run in f32 (contractions by OpenBLAS), or
 * wholly in f64 for error bounds. Its BLAS is checked once, at first use, against a plain loop; one that lies
 * is a diagnostic. */
#ifndef ADZE_IR_INTERP_H
#define ADZE_IR_INTERP_H

#include "ir/op.h"

struct interp_options {
    bool f64; /* float tensors hold f64 throughout: inputs and weights are widened, outputs stay f64 */
    /* Called after each op of the root, in order, with its results (NULL: not called). */
    void (*observe)(void *ctx, op_id op, const struct tensor *results);
    void *observe_ctx;
};

/* Runs the module on inputs[i] for module.inputs[i]. Symbolic dimensions take their values from the inputs;
 * element types and shapes are checked (a diagnostic names the input). outputs[i] for module.outputs[i] are
 * owned by the caller, plain layout. */
MUST_USE enum status interp_run(const struct module *m, const struct tensor *inputs,
                                const struct interp_options *options, struct tensor *outputs,
                                struct diag *diag);

/* Evaluates one op on concrete tensors: shape inference must have succeeded, with static types. Allocates
 * out[0 … op->result_count). Runs fuse bodies. For constant folding: contractions are summed by ordered
 * loops, so that the same bytes come out on every machine. */
MUST_USE enum status interp_op(const struct module *m, const struct op *op, const struct tensor *const *in,
                               bool f64, struct tensor *out, struct diag *diag);

/* The same with sums by BLAS, for passes that measure: what interp_run computes. */
MUST_USE enum status interp_op_fast(const struct module *m, const struct op *op,
                                    const struct tensor *const *in, struct tensor *out, struct diag *diag);

/* Runs the body of the fuse op eval->op on eval->in: what the op's evaluation is. */
MUST_USE enum status interp_body(const struct eval *eval);

/* Binds the module's symbols to the extents of concrete inputs (module_bind_symbols), after checking rank,
 * element type and that a symbol has one value. */
MUST_USE enum status interp_bind_inputs(struct module *m, const struct tensor *inputs, struct diag *diag);

#endif
