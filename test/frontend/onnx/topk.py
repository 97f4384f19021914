# RUN: %python %s %t
# RUN: %adze import %t.batch.onnx -o %t.b
# RUN: FileCheck %s --check-prefix=TEXT < %t.b.adz
# TEXT: y: f32[batch, 4], i: i64[batch, 4] = topk(x, axis = 1, count = 4, smallest = false)
# RUN: not %adze import %t.many.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=MANY
# RUN: not %adze import %t.data.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=DATA
# MANY: node 'TopK0' (TopK): k is 4, out of range for dimension 1 of input 0
# DATA: TopK whose input 1 is not a constant
# TopK in all forms, against a sort by plain Python: every axis, all counts, ties, NaN (larger than any number, as numpy and
# torch have it), infinities, all element types, a batch without a size.
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from tools import adze, compiled, guarded, node_cases

random = np.random.default_rng(8)


def top(x, k, axis, largest):
    moved = np.moveaxis(x, axis, -1)
    rows = moved.reshape(-1, moved.shape[-1])

    def key(value):
        real = not isinstance(value, int)
        order = (1, 0) if real and math.isnan(value) else (0, value)
        return tuple(-part for part in order) if largest else order

    at = np.array([sorted(range(len(row)), key=lambda i: (*key(row[i].item()), i))[:k] for row in rows], np.int64)
    at = np.moveaxis(at.reshape(*moved.shape[:-1], k), -1, axis)
    return np.take_along_axis(x, at, axis), at


cases, old = node_cases.Cases(22), node_cases.Cases(10)
for kind in (np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64):
    if np.dtype(kind).kind == "f":
        x = random.standard_normal((3, 7, 41)).round(1).astype(kind)
        x[0, 0, ::5], x[1, :, 3], x[2, 4], x[0, 3, 2::7] = np.nan, np.inf, -np.inf, -0.0
    else:
        info = np.iinfo(kind)
        x = random.integers(info.min, info.max, (3, 7, 41), kind, endpoint=True)
        x[1] = random.integers(0, 5, (7, 41))  # ties
    for axis, largest in ((0, 1), (1, 0), (2, 1), (-1, 0)):
        for k in sorted({0, 1, 2, x.shape[axis] // 2, x.shape[axis]}):
            cases.add("TopK", [x, [np.int64([k])]], top(x, k, axis, largest), axis=axis, largest=largest)
    cases.add("TopK", [[x], [np.int64([4])]], top(x, 4, -1, True))
    old.add("TopK", [x, [np.int64([5])]], top(x, 5, 1, True), axis=1)
cases.add("TopK", [x, [np.int64([3])]], [top(x, 3, -1, True)[0], None], sorted=0)
cases.add("TopK", [x, [np.int64([3])]], [None, top(x, 3, -1, True)[1]])
long = random.standard_normal((2, 5000)).astype(np.float32)
for k in (1, 10, 300, 5000):
    cases.add("TopK", [long, [np.int64([k])]], top(long, k, 1, True))
cases.add("TopK", [long[:, :0], [np.int64([0])]], [long[:, :0], np.zeros((2, 0), np.int64)])
cases.add("TopK", [long[:0], [np.int64([2])]], [long[:0, :2], np.zeros((0, 2), np.int64)])
bits = (random.standard_normal((4, 30)).astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
for count, values in enumerate(top(bits, 7, 1, True)):
    cases.add("TopK", [bits, [np.int64([7])]], [None] * count + [values.astype(np.float32)], rtol=0, atol=0, elem=TensorProto.BFLOAT16, axis=1)
cases.check(sys.argv[1])
old.check(sys.argv[1] + ".10")

# A batch that is a symbol in the file.
x, k = helper.make_tensor_value_info("x", 1, ["batch", 9]), onnx.numpy_helper.from_array(np.int64([4]), "k")
outputs = [helper.make_tensor_value_info("y", 0, None), helper.make_tensor_value_info("i", 0, None)]


def save(path, nodes, inputs, constants):
    graph = helper.make_graph(nodes, "top", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)]), path)
    return path


node = helper.make_node("TopK", ["x", "k"], ["y", "i"], name="TopK0", axis=1)
path = save(pathlib.Path(sys.argv[1] + ".batch.onnx"), [node], [x], [k])
for batch in (1, 6):
    feeds = {"x": random.standard_normal((batch, 9)).astype(np.float32)}
    library = adze.compile_model(path, f"{sys.argv[1]}.{batch}", f"--dim=batch={batch}").library
    for got in (adze.interpret(path, feeds), guarded.outputs(compiled.Model(library), feeds)):
        for name, values in zip("yi", top(feeds["x"], 4, 1, True)):
            assert np.array_equal(got[name], values), name

small = helper.make_tensor_value_info("x", 1, [2, 3])
save(sys.argv[1] + ".many.onnx", [node], [small], [k])
save(sys.argv[1] + ".data.onnx", [node], [small, helper.make_tensor_value_info("k", 7, [1])], [])
