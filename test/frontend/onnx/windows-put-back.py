# RUN: %python %s %t
# RUN: not %adze import %t.count.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=COUNT
# RUN: not %adze import %t.small.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=SMALL
# COUNT: node 'Col2Im0' (Col2Im): input 0 is not [n, c * 4, 9]
# SMALL: node 'MaxUnpool0' (MaxUnpool): output_shape is 3 in dimension 2, expected at least 4
# Col2Im of every block x stride x dilation x padding, in one to three dimensions, and MaxUnpool with indices known and told at
# run time, against plain loops.
import itertools
import pathlib
import sys

import numpy as np

from tools import node_cases

random = np.random.default_rng(10)


def col2im(x, image, block, strides, dilations, pads):
    axes = len(image)
    steps = [(image[i] + pads[i] + pads[axes + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1 for i in range(axes)]
    y = np.zeros((x.shape[0], x.shape[1] // np.prod(block), *image), np.float64 if x.dtype.kind == "f" else x.dtype)
    x = x.reshape(*y.shape[:2], *block, *steps)
    for tap, step in itertools.product(np.ndindex(*block), np.ndindex(*steps)):
        at = [step[i] * strides[i] + tap[i] * dilations[i] - pads[i] for i in range(axes)]
        if all(0 <= at[i] < image[i] for i in range(axes)):
            y[(slice(None), slice(None), *at)] += x[(slice(None), slice(None), *tap, *step)]
    return y


cases, count = node_cases.Cases(18), 0
GRID = itertools.product((1, 2, 3), ((1,), (2, 3), (1, 2, 2)), (1, 2, 3), (1, 2), (0, 1), (np.float32, np.float16, np.int32))
for batch, block, stride, dilation, pad, kind in GRID:
    axes, image = len(block), (7, 8, 5)[: len(block)]
    strides, dilations, pads = [stride] * axes, [dilation, 1, 1][:axes], [pad, 0, 0][:axes] + [0, pad, pad][:axes]
    steps = [(image[i] + pads[i] + pads[axes + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1 for i in range(axes)]
    x = (random.standard_normal((batch, 2 * np.prod(block), np.prod(steps))) * 8).astype(kind)
    y = col2im(x, image, block, strides, dilations, pads).astype(kind)
    within = 4e-3 if kind == np.float16 else 1e-5
    cases.add("Col2Im", [x, [np.int64(image)], [np.int64(block)]], [y], rtol=within, atol=within * 30, strides=strides, dilations=dilations, pads=pads)
    count += 1
x = np.zeros((0, 4, 9), np.float32)
cases.add("Col2Im", [x, [np.int64([4, 4])], [np.int64([2, 2])]], [np.zeros((0, 1, 4, 4), np.float32)])


def unpool(x, at, kernel, strides, pads, wanted):
    axes = len(kernel)
    shape = [*x.shape[:2], *((x.shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[axes + i] for i in range(axes))]
    y = np.zeros(np.prod(shape), x.dtype)
    y[at.ravel()] = x.ravel()
    y = y.reshape(shape)
    return y if wanted is None else np.pad(y, [(0, a - b) for a, b in zip(wanted, shape)])


for kind, (kernel, strides, pads), known, more in itertools.product(
    (np.float32, np.float64, np.float16),
    (((2, 2), (2, 2), (0, 0, 0, 0)), ((3, 2), (1, 2), (1, 0, 1, 0)), ((2,), (2,), (0, 0)), ((2, 1, 2), (2, 1, 2), (0, 0, 0, 0, 0, 0))),
    (False, True),
    (None, 0, 2),
):
    x = random.standard_normal((2, 3, 4, 3, 2)[: 2 + len(kernel)]).astype(kind)
    shape = unpool(x, np.zeros(x.size, np.int64), kernel, strides, pads, None).shape
    at = random.permutation(np.prod(shape))[: x.size].reshape(x.shape)
    wanted = None if more is None else [*shape[:2], *(extent + more for extent in shape[2:])]
    operands = [x, [at] if known else at] + ([] if wanted is None else [[np.int64(wanted)]])
    cases.add("MaxUnpool", operands, [unpool(x, at, kernel, strides, pads, wanted)], kernel_shape=kernel, strides=strides, pads=pads)
    count += 1
cases.check(sys.argv[1])

# A max pool's own indices.
x = random.standard_normal((2, 3, 6, 8)).astype(np.float32)
both = node_cases.Cases(22)
blocks = x.reshape(2, 3, 3, 2, 4, 2)
top = blocks.max(axis=(3, 5), keepdims=True)
both.add("MaxPool", [x], [top[:, :, :, 0, :, 0], None], kernel_shape=[2, 2], strides=[2, 2])
both.nodes[-1].output[:] = ["MaxPool0:0", "places"]
both.add("MaxUnpool", [], [np.where(blocks == top, blocks, 0).reshape(x.shape)], kernel_shape=[2, 2], strides=[2, 2])
both.nodes[-1].input[:] = ["MaxPool0:0", "places"]
both.check(sys.argv[1] + ".both")

for name, op, operands, attributes in (
    ("count", "Col2Im", [np.zeros((1, 4, 8), np.float32), [np.int64([4, 4])], [np.int64([2, 2])]], {}),
    ("small", "MaxUnpool", [np.zeros((1, 1, 2, 2), np.float32), np.zeros((1, 1, 2, 2), np.int64), [np.int64([1, 1, 3, 4])]], {"kernel_shape": [2, 2], "strides": [2, 2]}),
):
    wrong = node_cases.Cases(22)
    wrong.add(op, operands, [operands[0]], **attributes)
    wrong.nodes[0].name = f"{op}0"
    wrong.save(pathlib.Path(f"{sys.argv[1]}.{name}.onnx"))
print(count, "windows put back")
