# RUN: %python %s %t
# RUN: not %adze import %t.offsets.onnx -o %t.x 2>&1 | FileCheck %s
# CHECK: node 'DeformConv0' (DeformConv): input 2 has 16 elements in dimension 1, expected 8
# DeformConv over one to three axes, with groups, groups of offsets, masks and biases, strides, dilations and uneven padding,
# against plain loops; offsets lead far outside, too.
import itertools
import pathlib
import sys

import numpy as np

from tools import node_cases

random = np.random.default_rng(12)


def value_at(x, at):
    """Linear between the cells of x [channels, ...]; cells that do not exist are zero."""
    base, total = np.floor(at).astype(int), 0
    for corner in np.ndindex(*[2] * len(at)):
        cell = base + corner
        if all(0 <= cell[i] < x.shape[1 + i] for i in range(len(at))):
            total = total + x[(slice(None), *cell)] * np.prod([1 - abs(at[i] - cell[i]) for i in range(len(at))])
    return total


def deform_conv(x, w, offset, bias, mask, groups, offset_groups, strides, dilations, pads):
    axes, kernel, out = x.ndim - 2, w.shape[2:], offset.shape[2:]
    y = np.zeros((x.shape[0], w.shape[0], *out)) + (0 if bias is None else bias.reshape(-1, *[1] * axes))
    offset = offset.reshape(x.shape[0], offset_groups, *kernel, axes, *out)
    mask = np.ones((x.shape[0], offset_groups, *kernel, *out)) if mask is None else mask.reshape(x.shape[0], offset_groups, *kernel, *out)
    own, shared = x.shape[1] // offset_groups, w.shape[0] // groups
    for n, tap, place in itertools.product(range(x.shape[0]), np.ndindex(*kernel), np.ndindex(*out)):
        start = [place[i] * strides[i] + tap[i] * dilations[i] - pads[i] for i in range(axes)]
        found = np.concatenate(
            [
                mask[(n, g, *tap, *place)] * (np.zeros(own) + value_at(x[n, g * own : (g + 1) * own], np.array([start[i] + offset[(n, g, *tap, i, *place)] for i in range(axes)])))
                for g in range(offset_groups)
            ]
        )
        for o in range(w.shape[0]):
            first = o // shared * w.shape[1]
            y[(n, o, *place)] += found[first : first + w.shape[1]] @ w[(o, slice(None), *tap)]
    return y


cases, count = node_cases.Cases(22), 0
FORMS = (
    ((7,), (3,), [2], [1], [1, 0]),
    ((5, 6), (2, 2), [1, 1], [1, 1], [0, 0, 0, 0]),
    ((6, 5), (3, 2), [2, 1], [1, 2], [1, 0, 0, 2]),
    ((3, 4, 3), (2, 1, 2), [1, 2, 1], [1, 1, 1], [0, 1, 0, 1, 0, 1]),
    ((1, 1), (1, 1), [1, 1], [1, 1], [0, 0, 0, 0]),
)
for (image, kernel, strides, dilations, pads), (groups, offset_groups), extra, kind in itertools.product(
    FORMS, ((1, 1), (2, 1), (1, 2), (2, 4)), (0, 1, 2), (np.float32, np.float64, np.float16)
):
    axes = len(image)
    out = [(image[i] + pads[i] + pads[axes + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in range(axes)]
    taps, scale = offset_groups * int(np.prod(kernel)), 8 if extra == 2 else 1
    x, w = random.standard_normal((2, 4, *image)).astype(kind), random.standard_normal((6, 4 // groups, *kernel)).astype(kind)
    offset = (random.standard_normal((2, taps * axes, *out)) * scale).astype(kind)
    if extra == 0:
        offset = np.rint(offset)  # on the cells: every other weight is zero
    bias = random.standard_normal(6).astype(kind) if extra else None
    mask = random.uniform(0, 1, (2, taps, *out)).astype(kind) if extra == 2 else None
    wide = [None if a is None else a.astype(np.float64) for a in (x, w, offset, bias, mask)]
    y = deform_conv(*wide, groups, offset_groups, strides, dilations, pads).astype(kind)
    within = {np.float32: 2e-5, np.float64: 1e-12, np.float16: 2e-3}[kind]
    operands = [x, [w], offset, None if bias is None else [bias], mask]
    attributes = {"group": groups, "offset_group": offset_groups, "strides": strides, "dilations": dilations, "pads": pads}
    cases.add("DeformConv", operands, [y], rtol=within, atol=within * 20, kernel_shape=kernel, **attributes)
    count += 1
cases.check(sys.argv[1])

wrong = node_cases.Cases(22)
x = np.zeros((1, 1, 3, 3), np.float32)
wrong.add("DeformConv", [x, np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 16, 2, 2), np.float32)], [x])
wrong.nodes[0].name = "DeformConv0"
wrong.save(pathlib.Path(sys.argv[1] + ".offsets.onnx"))
print(count, "deformed convolutions")
