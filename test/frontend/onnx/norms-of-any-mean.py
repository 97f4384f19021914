# RUN: %python %s %t
# Norms of rows whose mean is up to a million times their deviation, whose deviation is 0 or tiny, and of no rows at all: a mean
# that is rounded once must not show in what is left when it is subtracted. Expected values are computed in double precision.
import sys

import numpy as np

from tools import node_cases

TOLERANCE = {np.float32: 2e-5, np.float16: 2e-3}  # of the largest value
random = np.random.default_rng(5)
cases = node_cases.Cases(opset=21)


def standardized(x, axes, epsilon, outside=0.0):
    wide = x.astype(np.float64)
    if not wide.size:
        return wide
    centred = wide - wide.mean(axes, keepdims=True)
    variance = (centred**2).mean(axes, keepdims=True)
    return centred / (np.sqrt(variance) + outside if outside else np.sqrt(variance + epsilon))


def add(op, x, expected, *parameters, **attributes):
    within = TOLERANCE[x.dtype.type]
    operands = [x, *([values] for values in parameters)]
    cases.add(op, operands, [expected.astype(x.dtype)], rtol=0, atol=within * np.abs(expected).max(initial=1e-30), **attributes)


def by_channel(values, rank):
    return values.astype(np.float64).reshape(-1, *[1] * (rank - 2))


for kind, (mean, deviation), shape in (
    (kind, size, shape)
    for kind in TOLERANCE
    for size in ((0, 1), (1e4, 1), (1e6, 1), (-3e4, 0.01), (7, 0), (0, 1e-18), (300, 2))
    for shape in ((2, 6, 35), (1, 6, 5, 9), (2, 6, 2, 3, 4), (2, 6, 1, 1), (0, 6, 4, 4))
):
    if kind == np.float16 and abs(mean) > 1e3:
        continue
    rank = len(shape)
    x = (mean + deviation * random.standard_normal(shape)).astype(kind)
    scale, bias = (random.standard_normal(shape[1]).astype(kind) for _ in range(2))
    by = by_channel(scale, rank), by_channel(bias, rank)
    add("InstanceNormalization", x, standardized(x, tuple(range(2, rank)), 1e-5) * by[0] + by[1], scale, bias)
    for groups in (1, 3):
        rows = standardized(x.reshape(shape[0], groups, int(np.prod(shape[1:])) // groups), (2,), 1e-5).reshape(shape)
        add("GroupNormalization", x, rows * by[0] + by[1], scale, bias, num_groups=groups)
    for axis in range(1, rank):
        width = shape[axis:]
        scale, bias = (random.standard_normal(width).astype(kind) for _ in range(2))
        expected = standardized(x, tuple(range(axis, rank)), 1e-5) * scale.astype(np.float64) + bias
        add("LayerNormalization", x, expected, scale, bias, axis=axis)
    for axes in ((0, *range(2, rank)), (1,), tuple(range(rank))):
        if deviation >= 0.01 or deviation == 0 and mean == 7:  # all means of which are exact
            add("MeanVarianceNormalization", x, standardized(x, axes, 0, 1e-9), axes=list(axes))

cases.check(sys.argv[1])
print(len(cases.want), "norms")
