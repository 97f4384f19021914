"""A model of QuantizeLinear and DequantizeLinear around each layer, as quantization tools write them, sums integers
in every layer, and agrees with onnxruntime to one step of the output's scale."""
# RUN: %python %s %t
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tools import adze
from tools.compiled import Model

stem = sys.argv[1]
rng = np.random.default_rng(3)


class Graph:
    def __init__(self):
        self.nodes, self.tensors = [], []

    def constant(self, name, array):
        self.tensors.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def quantized(self, name, scale, zero):
        """The value, through u8 and back."""
        parameters = [self.constant(f"{name}.s", np.float32(scale)), self.constant(f"{name}.z", np.uint8(zero))]
        q = self.node("QuantizeLinear", [name, *parameters], f"{name}.u8")
        return self.node("DequantizeLinear", [q, *parameters], f"{name}.f")

    def layer(self, op, x, x_scale, output, shape, **attributes):
        """A layer with weights of one scale for each output, and a bias in i32."""
        scale = rng.uniform(0.002, 0.01, shape[0]).astype(np.float32)
        w = self.constant(f"{output}.w", rng.integers(-127, 128, shape).astype(np.int8))
        w_scale = self.constant(f"{output}.ws", scale)
        w_zero = self.constant(f"{output}.wz", np.zeros(shape[0], np.int8))
        b = self.constant(f"{output}.b", rng.integers(-900, 900, shape[0]).astype(np.int32))
        b_scale = self.constant(f"{output}.bs", scale * np.float32(x_scale))
        weight = self.node("DequantizeLinear", [w, w_scale, w_zero], f"{output}.wf", axis=0)
        bias = self.node("DequantizeLinear", [b, b_scale], f"{output}.bf", axis=0)
        return self.node(op, [x, weight, bias], output, **attributes)

    def save(self, path, x, outputs):
        info = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
        outs = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs]
        graph = helper.make_graph(self.nodes, "g", info, outs, self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, path)


def run_onnx(path, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, {"x": x})


pathlib.Path(stem).parent.mkdir(parents=True, exist_ok=True)
x = rng.normal(0, 1, (2, 3, 12, 12)).astype(np.float32)
g = Graph()
g.quantized("x", 0.03, 128)
g.layer("Conv", "x.f", 0.03, "c1", (8, 3, 3, 3), pads=[1, 1, 1, 1])
g.node("Relu", ["c1"], "r1")
g.quantized("r1", 0.05, 0)
g.layer("Conv", "r1.f", 0.05, "c2", (8, 8, 3, 3), pads=[1, 1, 1, 1])
g.quantized("c2", 0.2, 120)
g.node("Add", ["c2.f", "r1.f"], "sum")
g.node("Relu", ["sum"], "r2")
g.quantized("r2", 0.15, 0)
g.node("MaxPool", ["r2.f"], "pool", kernel_shape=[2, 2], strides=[2, 2])
g.quantized("pool", 0.15, 0)
g.node("Flatten", ["pool.f"], "flat")
g.quantized("flat", 0.15, 0)
g.layer("Gemm", "flat.f", 0.15, "y0", (10, 8 * 36), transB=1)
g.quantized("y0", 2.0, 128)
g.node("Identity", ["y0.f"], "y")
g.save(f"{stem}.onnx", x, [("y", TensorProto.FLOAT), ("y0.u8", TensorProto.UINT8)])


def imported(path):
    subprocess.run([adze.PROGRAM, "import", path, "-o", f"{stem}.i"], check=True)
    return pathlib.Path(f"{stem}.i.adz").read_text()


text = imported(f"{stem}.onnx")
contractions = re.findall(r"= (?:conv2d|linear)\((.*)", text)
assert len(contractions) == 3, text
assert len(re.findall(r"weight \S+: i8\[.*quant\(axis = 0\)", text)) == 3, text
assert re.search(r"u8\[2, 8, 6, 6\] quant\(.*\) = maxpool2d", text), text
assert len(re.findall(r"= quantize\(", text)) == 5, text  # none for the pool and what is flattened
assert len(re.findall(r"= dequantize\(", text)) == 3, text  # the two operands of the sum, and y

want = run_onnx(f"{stem}.onnx", x)
got = adze.interpret(f"{stem}.onnx", {"x": x})
compiled = Model(adze.compile_model(f"{stem}.onnx", f"{stem}.c").library).run(x=x)
for result in (got, compiled):
    assert result["y0.u8"].dtype == np.uint8
    assert np.abs(result["y"] - want[0]).max() <= 2.0 * 1.001, np.abs(result["y"] - want[0]).max()
    assert np.abs(result["y0.u8"].astype(int) - want[1].astype(int)).max() <= 1
    assert want[1].std() > 5, want[1]
assert np.array_equal(got["y0.u8"], compiled["y0.u8"])

# The same in QLinear ops; between them pools and reshapes of plain bytes. Weights with a zero point, one scale.
g = Graph()
one = [g.constant("s1", np.float32(0.03)), g.constant("z1", np.uint8(128))]
two = [g.constant("s2", np.float32(0.1)), g.constant("z2", np.uint8(100))]
three = [g.constant("s3", np.float32(1.5)), g.constant("z3", np.uint8(130))]
w = [g.constant("w", rng.integers(-127, 128, (8, 3, 3, 3)).astype(np.int8)),
     g.constant("w.s", rng.uniform(0.002, 0.01, 8).astype(np.float32)), g.constant("w.z", np.zeros(8, np.int8))]
v = [g.constant("v", rng.integers(0, 256, (8 * 36, 10)).astype(np.uint8)),
     g.constant("v.s", np.float32(0.004)), g.constant("v.z", np.uint8(125))]  # fmt: skip
bias = g.constant("b", rng.integers(-900, 900, 8).astype(np.int32))
g.node("QuantizeLinear", ["x", *one], "q")
g.node("QLinearConv", ["q", *one, *w, *two, bias], "c", pads=[1, 1, 1, 1])
g.node("MaxPool", ["c"], "p", kernel_shape=[2, 2], strides=[2, 2])
g.node("Reshape", ["p", g.constant("shape", np.array([0, -1]))], "f")
g.node("QLinearMatMul", ["f", *two, *v, *three], "y")
g.save(f"{stem}.onnx", x, [("y", TensorProto.UINT8)])
text = imported(f"{stem}.onnx")
assert re.search(r"= conv2d\(\S+, w, \S+ stride", text) and re.search(r"= matmul\(\S+, v\)", text), text
assert len(re.findall(r"= cast\(", text)) == 1, text
want = run_onnx(f"{stem}.onnx", x)[0]
got = adze.interpret(f"{stem}.onnx", {"x": x})["y"]
compiled = Model(adze.compile_model(f"{stem}.onnx", f"{stem}.d").library).run(x=x)["y"]
assert want.std() > 5 and np.abs(got.astype(int) - want.astype(int)).max() <= 1, (got, want)
assert np.array_equal(got, compiled)

# A scale that is computed stays arithmetic.
g = Graph()
g.node("ReduceMax", ["x"], "most", keepdims=0)
g.node("Div", ["most", g.constant("steps", np.float32(100))], "scale")
g.node("QuantizeLinear", ["x", "scale", g.constant("zero", np.uint8(90))], "y")
g.save(f"{stem}.onnx", x, [("y", TensorProto.UINT8)])
assert "quantize(" not in imported(f"{stem}.onnx")
got, want = adze.interpret(f"{stem}.onnx", {"x": x})["y"], run_onnx(f"{stem}.onnx", x)[0]
assert np.abs(got.astype(int) - want.astype(int)).max() <= 1

# A list of one scale is one scale, whatever the axis.
g = Graph()
byte = g.constant("byte", np.array([5, -7, 127], np.int8))
g.node("DequantizeLinear", [byte, g.constant("half", np.float32([0.5])), g.constant("one", np.int8([1]))], "d")
g.node("Add", ["x", "d"], "y")
g.save(f"{stem}.onnx", x[..., :3], [("y", TensorProto.FLOAT)])
y = adze.interpret(f"{stem}.onnx", {"x": x[..., :3]})["y"]
assert np.array_equal(y, x[..., :3] + np.float32([2, -4, 63]))
