#include "test/support/op_samples.h"

extern const struct op_sample op_samples_pool[];

const struct op_sample op_samples_pool[] = {
    {OP_maxpool1d, "", {OPERAND(f32, 2, 3, 7)}, {INTS(window, 3), INTS(stride, 2), INTS(pad, 1, 1)}, NULL},
    {OP_maxpool2d, "", {OPERAND(f32, 2, 3, 6, 7)}, {INTS(window, 2, 3)}, NULL},
    {OP_maxpool2d,
     "dilated, rounded up",
     {OPERAND(f32, 1, 2, 8, 7)},
     {INTS(window, 2, 3), INTS(stride, 3, 2), INTS(dilation, 2, 1), INTS(pad, 1, 1, 0, 1),
      BOOL(ceil_mode, true)},
     NULL},
    {OP_maxpool2d, "integers", {OPERAND(u8, 1, 2, 5, 5)}, {INTS(window, 2, 2), INTS(stride, 1, 1)}, NULL},
    {OP_avgpool1d, "", {OPERAND(f32, 2, 3, 7)}, {INTS(window, 3), INTS(stride, 2), INTS(pad, 1, 1)}, NULL},
    {OP_avgpool2d,
     "padding counts, rounded up",
     {OPERAND(f32, 1, 2, 6, 6)},
     {INTS(window, 3, 3), INTS(stride, 2, 2), INTS(pad, 1, 0, 1, 1), BOOL(ceil_mode, true),
      BOOL(count_pad, true)},
     NULL},
    {OP_avgpool2d,
     "dilated",
     {OPERAND(f32, 1, 2, 6, 6)},
     {INTS(window, 2, 3), INTS(stride, 1, 2), INTS(dilation, 3, 2), INTS(pad, 1, 0, 0, 2)},
     NULL},
    {OP_NONE, NULL, {{0}}, {{0}}, NULL},
};
