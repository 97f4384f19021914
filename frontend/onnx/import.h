/* ONNX to IR. */
#ifndef ADZE_FRONTEND_ONNX_IMPORT_H
#define ADZE_FRONTEND_ONNX_IMPORT_H

#include "frontend/tensorfile/tensorfile.h"
#include "ir/module.h"

struct import_shape { /* --shape NAME=D0,D1,… */
    const char *name;
    uint32_t rank;
    int64_t dim[MAX_RANK];
};

struct import_dim { /* --dim NAME=D: a symbolic dimension of the file */
    const char *name;
    int64_t value;
};

struct import_options {
    const struct import_shape *shapes;
    const struct import_dim *dims;
    const struct named_tensor *binds; /* --bind NAME=x.npy: an input that becomes a constant; copied */
    uint32_t shape_count, dim_count, bind_count;
};

/* Reads an ONNX file and builds the module of what its outputs need: the source's names on inputs, outputs,
 * values and weights; its metadata properties; dropout, identity and the like gone; whatever follows from
 * constants and from known shapes folded. A dimension without a size is a symbol: of the name the file gives
 * it, or one of its own.
 *
 * Errors: a broken file, values that do not fit together, options that name nothing or contradict the file;
 * and one error that lists every op and form of an op that is not supported. On failure *out is NULL. */
MUST_USE enum status onnx_import(const char *path, const struct import_options *options, struct diag *diag,
                                 struct module **out);

/* The names of the inputs that a caller must give, in the file's order, without importing the file. */
MUST_USE enum status onnx_input_names(const char *path, struct arena *arena, struct diag *diag,
                                      const char *const **names, uint32_t *count);

#endif
