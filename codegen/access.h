/* Where the elements of a tensor lie, seen from the storage coordinates of another: loads and stores of
 * vectors with broadcasting, layouts and element types taken care of. */
#ifndef ADZE_CODEGEN_ACCESS_H
#define ADZE_CODEGEN_ACCESS_H

#include "codegen/register.h"

/* The elements that a kernel walks: the storage dimensions of a type, outermost first. The last one is the
 * lanes'. */
struct frame {
    uint32_t rank; /* may be 0: one element */
    int64_t extent[MAX_STORAGE_RANK];
    int64_t stride[MAX_STORAGE_RANK]; /* of its own storage, in elements */
    /* A padded layout: the lanes are the inner part, of `block`, of a dimension of logical extent `limit`
     * whose blocks are counted by dimension `outer`. */
    bool padded;
    uint32_t outer;
    int64_t block, limit;
    struct layout layout; /* what the storage dimensions stand for, until dimensions are merged */
    uint32_t logical_rank;
    int64_t logical[MAX_RANK];
};

/* False, and *why_not, for layouts whose padding is not along the innermost storage dimension. */
bool frame_make(const struct types *types, struct type type, struct frame *out, const char **why_not);

/* A tensor walked by a frame. Its logical shape is that of the frame, or broadcasts to it. */
struct access {
    enum elem elem;
    bool affine; /* the offset is a sum of coordinate * stride; else computed by division */
    int64_t stride[MAX_STORAGE_RANK]; /* in elements, for each dimension of the frame */
    bool same;                        /* same offsets as the frame's own storage */
    bool reads_whole; /* all lanes of the frame's blocks exist in this storage, those past the limit as zeros
                       */
    struct layout layout;
    uint32_t rank;
    int64_t logical[MAX_RANK];
    int64_t extent[MAX_STORAGE_RANK], storage_stride[MAX_STORAGE_RANK];
    LLVMValueRef pointer;
};

/* False when the shape does not broadcast to the frame. */
bool access_make(const struct types *types, const struct frame *frame, struct type type, struct access *out);

/* Coordinates as in body.h. index[k] may be NULL where the stride is 0, or everywhere if `same` and offset is
 * given. */
struct access_point {
    unsigned lanes;
    const LLVMValueRef *index;
    LLVMValueRef offset;
    LLVMValueRef mask;
};

/* A register (register.h). Lanes that do not exist are not touched and hold anything. */
LLVMValueRef access_load(struct emit *e, const struct frame *frame, const struct access *a,
                         const struct access_point *point);
/* Stores a register; lanes past the limit of a padded frame become zero. */
void access_store(struct emit *e, const struct frame *frame, const struct access *a,
                  const struct access_point *point, LLVMValueRef value);

#endif
