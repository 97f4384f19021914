# RUN: %python %s %t
# Normalizations over ranks, sizes of windows and groups, parameters that are constants, inputs, of other types than the
# operand, of every element (spatial = 0) or that broadcast; against the formulas of the standard in double precision.
import itertools
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

random = np.random.default_rng(31)
nodes, inputs, constants, want = {}, {}, {}, {}


def normal(*shape, dtype=np.float32, scale=1):
    return np.asarray(scale * random.standard_normal(shape)).astype(dtype)


def add(opset, op, operands, expected, **attributes):
    """One node; an operand in a list of one is a constant."""
    name, names = f"{op}{opset}.{len(nodes.setdefault(opset, []))}", []
    for index, operand in enumerate(operands):
        names.append(f"{name}.{index}")
        place = constants if isinstance(operand, list) else inputs
        place.setdefault(opset, {})[names[-1]] = np.asarray(operand[0] if isinstance(operand, list) else operand)
    nodes[opset].append(helper.make_node(op, names, [name], **attributes))
    want.setdefault(opset, {})[name] = expected


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

total = 0
for opset in nodes:
    graph = helper.make_graph(
        nodes[opset],
        "norms",
        [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs[opset].items()],
        [helper.make_tensor_value_info(name, 0, None) for name in want[opset]],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.get(opset, {}).items()],
    )
    path = pathlib.Path(f"{sys.argv[1]}.{opset}.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    library = adze.compile_model(path, path.with_suffix("")).library
    for got in (adze.interpret(path, inputs[opset]), guarded.outputs(compiled.Model(library), inputs[opset])):
        for name, values in want[opset].items():
            tolerance = {"float16": 5e-3, "float32": 2e-5, "float64": 1e-12}[values.dtype.name]
            assert got[name].shape == values.shape and got[name].dtype == values.dtype, (name, got[name].shape, values.shape)
            error = abs(got[name].astype(float) - values.astype(float)).max() / abs(values.astype(float)).max()
            assert error < tolerance, (name, error)
    total += len(nodes[opset])
print(total, "normalizations")
