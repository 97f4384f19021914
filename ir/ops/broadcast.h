/* Numpy broadcasting: shapes are aligned at their last dimensions, and an extent of 1 repeats. */
#ifndef ADZE_IR_OPS_BROADCAST_H
#define ADZE_IR_OPS_BROADCAST_H

#include "ir/op.h"

enum { MAX_BROADCAST = 3 }; /* operands that are walked together */

/* Broadcasts `rank` dimensions b (aligned at the last ones) into the shape shape[0 … *shape_rank), which
 * grows where b has more. An error names operand i. Equal dimensions and a constant 1 go together; a symbolic
 * dimension and another constant do not, since nothing says that they agree. */
MUST_USE enum status broadcast_into(const struct infer *infer, uint32_t i, const dim_id *b, uint32_t rank,
                                    dim_id shape[MAX_RANK], uint32_t *shape_rank);
/* All of operand i's dimensions. */
MUST_USE enum status broadcast_operand(const struct infer *infer, uint32_t i, dim_id shape[MAX_RANK],
                                       uint32_t *shape_rank);

/* A walk over the elements of a broadcast shape in row-major order, row by row. Neighbouring dimensions that
 * all operands cross alike are merged, so rows are as long as can be. In a row, operand k has
 * stride[k][last], which is 0 or 1. */
struct broadcast_walk {
    uint32_t rank, operands;
    int64_t extent[MAX_RANK], stride[MAX_BROADCAST][MAX_RANK];
    int64_t at[MAX_RANK];          /* of the row */
    int64_t offset[MAX_BROADCAST]; /* of the row's first element, in elements of the operand */
    int64_t rows, row_length;      /* rows left, elements in each */
};
struct broadcast_walk broadcast_walk(const struct tensor *result, const struct tensor *const *in,
                                     uint32_t operands);
void broadcast_next_row(struct broadcast_walk *walk);

/* The part of an operand of extents dim[0 … rank) that a box of the broadcast result needs. */
struct box broadcast_box(const int64_t *dim, uint32_t rank, const struct box *result);

/* Static extents of a value. */
uint32_t value_extents(const struct module *m, value_id v, int64_t dim[MAX_RANK]);
/* The box of everything. */
struct box box_all(const struct module *m, value_id v);
bool box_empty(const struct box *box);

#endif
