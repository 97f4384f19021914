# RUN: %python %s %t
# Sums of tens of thousands of positive terms, wherever there are any: reductions over every set of dimensions, norms and softmax
# along and across memory, windows, products. Adding one term after the other would lose three digits more than is allowed
# here; nothing cancels, so the result is as good as the sum. Expected values are computed in double precision.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

TOLERANCE = 2e-6  # of each value
TARGETS = adze.levels()
random = np.random.default_rng(6)
nodes, inputs, constants, want = [], {}, [], {}


def data(*shape):
    return (random.random(shape) + 0.5).astype(np.float32)


def name_of(operand):
    if isinstance(operand, list):
        constants.append(onnx.numpy_helper.from_array(operand[0], f"c{len(constants)}"))
        return constants[-1].name
    for name, array in inputs.items():
        if array is operand:
            return name
    inputs[f"x{len(inputs)}"] = operand
    return f"x{len(inputs) - 1}"


def add(op, operands, expected, **attributes):
    """One node. An operand is an input; in a list of one, a constant."""
    name = f"{op} {len(nodes)}"
    nodes.append(helper.make_node(op, [name_of(operand) for operand in operands], [name], **attributes))
    want[name] = expected


REDUCTIONS = {
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceSumSquare": lambda x, axes, keepdims: (x * x).sum(axes, keepdims=keepdims),
    "ReduceL2": lambda x, axes, keepdims: np.sqrt((x * x).sum(axes, keepdims=keepdims)),
}
for shape in ((40000, 3, 2), (3, 40000, 2), (2, 3, 40000), (200, 3, 200), (40000, 17), (300, 200, 2)):
    x = data(*shape)
    wide = x.astype(np.float64)
    for count in range(1, len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), count):
            for op, f in REDUCTIONS.items():
                add(op, [x, [np.int64(axes)]], f(wide, axes, keepdims=True), keepdims=1)

for axis, shape in ((0, (30000, 3)), (1, (3, 30000)), (1, (2, 30000, 2)), (0, (30000,))):
    x = data(*shape)
    powers = np.exp(x.astype(np.float64))
    add("Softmax", [x], powers / powers.sum(axis, keepdims=True), axis=axis)
    add("ReduceLogSumExp", [x, [np.int64([axis])]], np.log(powers.sum(axis, keepdims=True)))

plane, line = data(1, 2, 200, 210), data(1, 2, 30000)
windows = np.lib.stride_tricks.sliding_window_view
for kernel in ((200, 210), (64, 70), (1, 200), (200, 1), (9, 8)):
    means = windows(plane.astype(np.float64), kernel, (2, 3))[:, :, ::50, ::50].mean((4, 5))
    add("AveragePool", [plane], means, kernel_shape=kernel, strides=[50, 50])
for kernel in (30000, 20000, 65):
    means = windows(line.astype(np.float64), kernel, 2)[:, :, ::5000].mean(3)
    add("AveragePool", [line], means, kernel_shape=[kernel], strides=[5000])
add("GlobalAveragePool", [plane], plane.astype(np.float64).mean((2, 3), keepdims=True))

for (rows, terms, columns), kind in itertools.product(((1, 40003, 5), (3, 20001, 33), (17, 9001, 40), (1, 8200, 1)), "cd"):
    a, b = data(rows, terms), data(terms, columns)
    add("MatMul", [a, [b] if kind == "c" else b], a.astype(np.float64) @ b)
for channels, (height, width) in ((24, (25, 26)), (40, (16, 16))):
    x, w = data(1, channels, height + 1, width + 2), data(5, channels, height, width)
    seen = windows(x[0].astype(np.float64), (height, width), (1, 2))
    add("Conv", [x, [w]], np.einsum("cyxij,ocij->oyx", seen, w)[None])

info = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs.items()]
outputs = [helper.make_tensor_value_info(name, 0, None) for name in want]
graph = helper.make_graph(nodes, "sums", info, outputs, constants)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
for target in TARGETS:
    made = adze.compile_model(path, f"{sys.argv[1]}.{target}", f"--target={target}", *(["--verify"] if target == TARGETS[-1] else []))
    got = guarded.run(compiled.Model(made.library), inputs, True)
    for name, values in want.items():
        assert got[name].shape == values.shape, (name, got[name].shape, values.shape)
        error = np.abs(got[name] / values - 1).max()
        assert error <= TOLERANCE, (target, name, error)
print(len(want), "sums at", len(TARGETS), "levels")
