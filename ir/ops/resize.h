/* Where resize samples its operand, one dimension at a time: for the interpreter and for kernels, which must
 * agree to the last position. */
#ifndef ADZE_IR_OPS_RESIZE_H
#define ADZE_IR_OPS_RESIZE_H

#include "ir/module.h"

/* One dimension of a resize op: extents before and after, and the scale, 0 if none was given. */
struct sampling {
    int64_t from, to;
    double scale;
    enum keyword coordinates, rounding;
};
struct sampling sampling_of(const struct op *op, uint32_t dim, int64_t from, int64_t to);
/* A dimension that neither extent nor scale changes is copied, whatever the coordinates say. */
bool sampling_unchanged(const struct sampling *s);
/* The element of the operand that element i of the result is, with mode nearest. */
int64_t sampling_nearest(const struct sampling *s, int64_t i);
/* With mode linear, element i is (1 - weight) * operand[low] + weight * operand[high]; when the weight is 0,
 * high is not looked at. */
struct blend {
    int64_t low, high;
    double weight;
};
struct blend sampling_linear(const struct sampling *s, int64_t i);

#endif
