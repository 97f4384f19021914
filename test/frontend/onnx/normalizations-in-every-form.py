# RUN: %python %s %t
# Normalizations over ranks, sizes of windows and groups, parameters that are constants, inputs, of other types than the
# operand, of every element (spatial = 0) or that broadcast; against the formulas of the standard in double precision.
import itertools
import math
import sys

import numpy as np

from tools import node_cases

random = np.random.default_rng(31)
TOLERANCE = {"float16": 5e-3, "float32": 2e-5, "float64": 1e-12}  # of the largest value
by_opset = {}


def normal(*shape, dtype=np.float32, scale=1):
    return np.asarray(scale * random.standard_normal(shape)).astype(dtype)


def add(opset, op, operands, expected, **attributes):
    cases = by_opset.setdefault(opset, node_cases.Cases(opset))
    within = TOLERANCE[expected.dtype.name] * abs(expected.astype(float)).max()
    cases.add(op, operands, [expected], rtol=0, atol=within, **attributes)


def along_channels(values, rank):
    return values.astype(float).reshape(1, -1, *[1] * (rank - 2))


# -- batch norm: at inference, whatever the types of the parameters --
KINDS = ((np.float32,) * 3, (np.float64,) * 3, (np.float16,) * 3, (np.float16, np.float32, np.float32), (np.float16, np.float16, np.float32), (np.float32, np.float32, np.float64))
for shape, (kind, scales, moments), constant in itertools.product(((4, 3), (2, 3, 5), (2, 3, 2, 2), (1, 3, 2, 2, 2)), KINDS, (True, False)):
    rank, x = len(shape), normal(*shape, dtype=kind)
    scale, bias, mean = normal(3, dtype=scales), normal(3, dtype=scales), normal(3, dtype=moments)
    variance = (abs(normal(3)) + 0.25).astype(moments)
    parts = [along_channels(value, rank) for value in (scale, bias, mean, variance)]
    y = (x.astype(float) - parts[2]) / np.sqrt(parts[3] + float(np.float32(1e-3))) * parts[0] + parts[1]
    operands = [scale, bias, mean, variance]
    add(15, "BatchNormalization", [x, *[[p] if constant else p for p in operands]], y.astype(kind), epsilon=1e-3)
for shape, constant in itertools.product(((4, 3), (2, 3, 5), (2, 3, 2, 2)), (True, False)):
    x, scale, bias, mean = (normal(*s) for s in (shape, *[shape[1:]] * 3))
    variance = abs(normal(*shape[1:])) + np.float32(0.25)
    y = (x.astype(float) - mean) / np.sqrt(variance.astype(float) + 1e-5) * scale + bias
    add(8, "BatchNormalization", [x, *[[p] if constant else p for p in (scale, bias, mean, variance)]], y.astype(np.float32), spatial=0)

# -- local response: windows of every size, over few channels and over many --
for channels, size, rest in itertools.product((1, 2, 5, 70), (1, 2, 3, 4, 9, 10, 65, 150), ((), (3,), (2, 2))):
    if channels < 70 and size > 10 or (channels == 70 and rest != (3,)):
        continue
    x, y = normal(2, channels, *rest, scale=3), np.zeros((2, channels, *rest))
    for c in range(channels):
        near = x[:, max(0, c - (size - 1) // 2) : c + math.ceil((size - 1) / 2) + 1].astype(float)
        y[:, c] = x[:, c] / (2 + 0.9 / size * (near**2).sum(1)) ** 0.6
    add(15, "LRN", [x], y.astype(np.float32), size=size, alpha=0.9, beta=0.6, bias=2.0)


# -- rows that are standardized --
def standardized(x, axes, epsilon):
    x = x.astype(float)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


for shape in ((2, 3, 5), (2, 3, 4, 5), (1, 2, 2, 3, 4), (1, 1, 7)):
    x, scale, bias = normal(*shape, scale=4), normal(shape[1]), normal(shape[1])
    y = standardized(x, tuple(range(2, len(shape))), 1e-2) * along_channels(scale, len(shape)) + along_channels(bias, len(shape))
    add(15, "InstanceNormalization", [x, [scale], bias], y.astype(np.float32), epsilon=1e-2)
for (channels, groups), rest, opset in itertools.product(((6, 3), (6, 6), (6, 1), (4, 2)), ((5,), (3, 2), (2, 1, 3)), (18, 21)):
    count = groups if opset == 18 else channels
    x, scale, bias = normal(2, channels, *rest), normal(count), normal(count)
    rows = standardized(x.reshape(2, groups, -1), 2, 1e-5).reshape(x.shape)
    wide = [along_channels(np.repeat(value, channels // count), x.ndim) for value in (scale, bias)]
    add(opset, "GroupNormalization", [x, [scale], bias], (rows * wide[0] + wide[1]).astype(np.float32), num_groups=groups)
for axis, shapes in ((-1, ((4,), (1,))), (1, ((3, 4), (4,), (3, 1), (1,))), (0, ((2, 3, 4), (4,), (2, 1, 1))), (-2, ((3, 4), (1, 4)))):
    for shape, biased, constant in itertools.product(shapes, (True, False), (True, False)):
        x, scale, bias = normal(2, 3, 4), normal(*shape), normal(*shape)
        y = standardized(x, tuple(range(axis % 3, 3)), 1e-5) * scale + (bias if biased else 0)
        operands = [scale, bias] if biased else [scale]
        add(21, "LayerNormalization", [x, *[[p] if constant else p for p in operands]], y.astype(np.float32), axis=axis)

for opset, cases in by_opset.items():
    cases.check(f"{sys.argv[1]}.{opset}")
print(sum(len(cases.nodes) for cases in by_opset.values()), "normalizations")
