/* The parts of the verifier. Each reports all it finds; a later part may rely on what an earlier one has
 * found in order. */
#ifndef ADZE_IR_VERIFY_PARTS_H
#define ADZE_IR_VERIFY_PARTS_H

#include "ir/op.h"

struct verify {
    struct module *m;
    struct diag *diag;
    bool thorough;
};

/* Handles within a type (type 1). False if one is out of range. */
bool verify_type_handles(const struct module *m, struct type type);
bool verify_dims_handle(const struct module *m, dims_id dims);
/* The parts of a value's type (type 2 to type 7). Handles are in order. */
void verify_value_type(const struct verify *v, const struct value *value);

/* Attributes, operands and results of an op (op 1 to op 7). Handles are in order. */
void verify_op(const struct verify *v, const struct op *op);
/* Shape inference again, and layouts (op 8, op 9). All else is in order. */
void verify_op_inference(const struct verify *v, const struct op *op);

/* An error at the op, which it names by its first result and its kind. Returns STATUS_FAILED. */
enum status verify_op_error(const struct verify *v, const struct op *op, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
