/* Moving elements between tensors: all ops of class movement are one of two copies. Elements are copied as
 * bytes, so any element type will do. */
#ifndef ADZE_IR_OPS_MOVE_H
#define ADZE_IR_OPS_MOVE_H

#include "ir/tensor.h"

/* A view of elements: element (i0, i1, …) is number base + sum of i * stride of `data`. Strides may be 0 or
 * negative. */
struct strided {
    int64_t base, stride[MAX_RANK];
};

/* out(i0, i1, …) = in(i0, i1, …) for i < extent. The tensors must not overlap. */
void move_strided(const struct tensor *in, const struct strided *from, struct tensor *out,
                  const struct strided *to, uint32_t rank, const int64_t *extent);

/* out[i0, i1, …] = in[map[0][i0], map[1][i1], …]; a negative index stands for the element that `fill` points
 * to. map[d] has out->dim[d] entries below in->dim[d]. */
void move_mapped(const struct tensor *in, int64_t *const *map, const void *fill, struct tensor *out);

#endif
