# RUN: %python %s %t
# Arithmetic on the shapes of values whose dimensions have no size ends as shapes in the text, and gives what numpy gives.
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tools import adze

nodes, constants, outputs = [], [], []


def add(op, *inputs, count=1, **attributes):
    names = [f"{op.lower()}{len(nodes)}" + (f".{i}" if count > 1 else "") for i in range(count)]
    inputs = [i if isinstance(i, str) else constant(i) for i in inputs]
    nodes.append(helper.make_node(op, inputs, names, **attributes))
    return names[0] if count == 1 else names


def constant(value):
    name = f"c{len(constants)}"
    constants.append(numpy_helper.from_array(np.asarray(value, None if isinstance(value, np.ndarray) else np.int64), name))
    return name


def expect(value, text, numpy_value):
    outputs.append((value, text, numpy_value))


x = np.random.default_rng(1).standard_normal((2, 8, 3, 6)).astype(np.float32)  # n, 8, h, w
n, c, h, w = x.shape
shape = add("Shape", "x")

# Gather, Unsqueeze, Concat, -1: what torch writes for view(n, -1).
first = add("Gather", shape, 0, axis=0)
rows = add("Concat", add("Unsqueeze", first, [0]), [-1], axis=0)
expect(add("Reshape", "x", rows), "f32[n, 8 * h * w]", x.reshape(n, -1))

# Split, Mul, Div: a pixel shuffle.
parts = add("Split", shape, [1, 1, 1, 1], count=4, axis=0)
area = [add("Mul", parts[2], [2]), add("Mul", [2], parts[3])]
six = add("Concat", parts[0], add("Div", parts[1], [4]), [2], [2], parts[2], parts[3], axis=0)
four = add("Concat", parts[0], add("Div", parts[1], [4]), *area, axis=0)
moved = add("Transpose", add("Reshape", "x", six), perm=[0, 1, 4, 2, 5, 3])
expect(
    add("Reshape", moved, four),
    "f32[n, 2, 2 * h, 2 * w]",
    x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w),
)

# Where on comparisons that the bounds decide: what torch writes for expand(-1, ...).
wanted = add("Concat", parts[0], [-1], parts[2], parts[3], axis=0)
target = add("Where", add("Equal", wanted, [-1]), [1, 1, 1, 1], wanted)
plane = add("ReduceMean", "x", axes=[1], keepdims=1)
expect(add("Expand", plane, target), "f32[n, 1, h, w]", x.mean(1, keepdims=True))

# Slice of a shape, ReduceProd, Size, Sub, casts between integer types.
tail = add("Slice", shape, [1], [2147483647])
total = add("Unsqueeze", add("Cast", add("ReduceProd", tail, keepdims=0), to=onnx.TensorProto.INT64), [0])
expect(add("Reshape", "x", add("Concat", parts[0], total, axis=0)), "f32[n, 8 * h * w]", x.reshape(n, -1))
same = add("Sub", add("Size", "x"), 0)
expect(add("Reshape", "x", add("Unsqueeze", same, [0])), "f32[8 * h * n * w]", x.reshape(-1))

# ConstantOfShape, and a slice that ends where the axis ends.
zeros = add("ConstantOfShape", shape, value=numpy_helper.from_array(np.float32([3])))
ends = add("Unsqueeze", add("Gather", shape, 3, axis=0), [0])
expect(add("Slice", add("Add", zeros, "x"), [1], ends, [3]), "f32[n, 8, h, w - 1]", (x + 3)[..., 1:])

graph = helper.make_graph(
    nodes,
    "shapes",
    [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 8, "h", "w"])],
    [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name, _, _ in outputs],
    constants,
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)

text = subprocess.run([adze.PROGRAM, "import", path, "-o", "-"], capture_output=True, text=True, check=True).stdout
got = adze.interpret(path, {"x": x})
for name, wanted_type, value in outputs:
    line = next(line for line in text.splitlines() if line.startswith((f"{name}: ", f'"{name}": ')))
    assert f": {wanted_type} = " in line, (line, wanted_type)
    assert np.array_equal(got[name], value) or np.allclose(got[name], value, rtol=1e-6), name
