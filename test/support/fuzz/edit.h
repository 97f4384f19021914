/* Edits of a module: a changed copy is built from scratch, op by op, so that whatever comes out is valid. */
#ifndef ADZE_TEST_FUZZ_EDIT_H
#define ADZE_TEST_FUZZ_EDIT_H

#include "ir/op.h"

struct edit_extent {
    int64_t from, to; /* everywhere: in the types of leaves, and in attributes that are shapes */
};

struct edit {
    const bool *drop_output; /* by output; NULL: none */
    value_id cut;            /* becomes an input */
    value_id from, to;       /* uses of `from` read `to`, which is defined before it; 0: none */
    bool change_extent;
    struct edit_extent extent;
    value_id leaf; /* with change_extent: of this leaf alone, dimension `axis` */
    uint32_t axis;
    op_id op; /* attribute `attr` of this op becomes the default */
    enum attr_name attr;
    op_id without; /* loses its operand `operand`, which is optional or one of several */
    uint32_t operand;
    bool keep_dead, keep_inputs; /* ops and inputs that nobody reads; else they go */
};

/* The changed copy, the caller's; NULL (and diagnostics) if the edit makes no valid module. Fuse regions are
 * not supported. `from` must outlive the copy. */
struct module *edit_apply(const struct module *from, const struct edit *edit, struct diag *diag);
/* True if the module has no fuse regions, so that it can be edited. */
bool edit_possible(const struct module *m);

#endif
