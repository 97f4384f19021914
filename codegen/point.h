/* One pointwise op on registers (see body.h for what registers hold). */
#ifndef ADZE_CODEGEN_POINT_H
#define ADZE_CODEGEN_POINT_H

#include "codegen/kernel.h"

struct point {
    struct emit *e;
    const struct op *op;
    enum elem elem, result; /* of operand 0 (of `where`: of the values), of the result */
    unsigned lanes;
    LLVMValueRef x[3];
    const struct tensor *constant[3]; /* operand i is this one number; or NULL */
};

/* The result, rounded to its element type. */
LLVMValueRef point_emit(struct point *p);
/* Does the op have a row? All of class pointwise do. */
bool point_covers(enum op_kind kind);

#endif
