# RUN: rm -rf %t && mkdir -p %t && %python %s %t
# Constants of 4-bit integers: two a byte, of odd and even counts, as bytes, as a list and outside of the file; dequantized by
# one scale, by axis and by blocks, cast, multiplied; and QuantizeLinear to 4 bits, told by its zero point or by its type.
import itertools
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from tools import adze, compiled, guarded

random = np.random.default_rng(37)
folder = pathlib.Path(sys.argv[1])
nodes, inputs, constants, want, outside = [], {}, [], {}, bytearray()
LIMITS = {TensorProto.INT4: (-8, 7), TensorProto.UINT4: (0, 15)}


def packed(values):
    flat = [int(v) & 15 for v in values.ravel()] + [0] * (values.size % 2)
    return bytes(low | high << 4 for low, high in zip(flat[::2], flat[1::2]))


def constant(kind, values, storage):
    tensor = TensorProto(name=f"w{len(constants)}", data_type=kind, dims=values.shape)
    if storage == "raw":
        tensor.raw_data = packed(values)
    elif storage == "list":
        tensor.int32_data.extend(packed(values))
    else:
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "w.bin"), ("offset", str(len(outside))), ("length", str(len(packed(values))))):
            tensor.external_data.add(key=key, value=value)
        outside.extend(packed(values))
    constants.append(tensor)
    return tensor.name


def floats(values):
    constants.append(onnx.numpy_helper.from_array(np.asarray(values, np.float32), f"w{len(constants)}"))
    return constants[-1].name


def add(op, names, expected, **attributes):
    nodes.append(helper.make_node(op, names, [f"y{len(nodes)}"], **attributes))
    if expected is not None:
        want[f"y{len(nodes) - 1}"] = np.asarray(expected, np.float32)
    return f"y{len(nodes) - 1}"


inputs["one"] = np.ones((), np.float32)
for (kind, (low, high)), storage, shape in itertools.product(LIMITS.items(), ("raw", "list", "outside"), ((), (0,), (1,), (2,), (3, 5), (2, 3, 2), (7, 1), (4, 6))):
    values = random.integers(low, high + 1, shape)
    name = constant(kind, values, storage)
    add("Mul", [add("Cast", [name], None, to=TensorProto.FLOAT), "one"], values)
    add("Mul", [add("DequantizeLinear", [name, floats(0.5)], None), "one"], values * 0.5)
    for axis in range(len(shape)):
        scales, zeros = random.uniform(0.1, 2, shape[axis]).astype(np.float32), random.integers(low, high + 1, shape[axis])
        line = [-1 if k == axis else 1 for k in range(len(shape))]
        real = (values - zeros.reshape(line)) * scales.reshape(line).astype(float)
        add("Mul", [add("DequantizeLinear", [name, floats(scales), constant(kind, zeros, storage)], None, axis=axis), "one"], real)
values = random.integers(-8, 8, (6, 5))
blocks, zeros = random.uniform(0.1, 2, (3, 5)).astype(np.float32), random.integers(-8, 8, (3, 5))
weights = (values - zeros.repeat(2, 0)) * blocks.repeat(2, 0).astype(float)
real = add("DequantizeLinear", [constant(TensorProto.INT4, values, "raw"), floats(blocks), constant(TensorProto.INT4, zeros, "list")], None, axis=0, block_size=2)
inputs["rows"] = random.standard_normal((3, 6)).astype(np.float32)
add("MatMul", ["rows", real], inputs["rows"] @ weights)
inputs["x"] = np.float32([-1e9, -9.5, -8.25, -4, -0.5, 0.5, 1.5, 3.4, 3.6, 7.5, 8.5, 15.4, 1e9])
for kind, (low, high) in LIMITS.items():
    for zero in (None, 0, 3, high):
        told = [] if zero is None else [constant(kind, np.array(zero), "raw")]
        steps = np.clip(np.rint(inputs["x"].astype(float) / 0.5) + (zero or 0), low, high) - (zero or 0)
        for attributes in ({"output_dtype": kind},) if zero is None else ({}, {"output_dtype": kind}):
            scale = floats(0.5)
            add("DequantizeLinear", [add("QuantizeLinear", ["x", scale, *told], None, **attributes), scale, *told], steps * 0.5)


def save(outputs):
    ports = [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in inputs.items()]
    graph = helper.make_graph(nodes, "nibbles", ports, [helper.make_tensor_value_info(name, 0, None) for name in outputs], constants)
    (folder / "model.onnx").write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())
    (folder / "w.bin").write_bytes(outside)
    return folder / "model.onnx"


path = save(want)
for got in (adze.interpret(path, inputs), guarded.outputs(compiled.Model(adze.compile_model(path, folder / "model").library), inputs)):
    for name, expected in want.items():
        assert got[name].shape == expected.shape and np.allclose(got[name], expected, rtol=1e-5, atol=1e-5), (name, got[name], expected)
for change, words in (("short", "1 bytes of values, its type and shape need 2"), ("long", "3 bytes of values"), ("output", "is of 4 bits")):
    w = TensorProto(name="bad", data_type=TensorProto.INT4, dims=[3], raw_data=bytes({"short": 1, "long": 3}.get(change, 2)))
    constants[:], nodes[:] = [w], [helper.make_node("Cast", ["bad"], ["y"], to=TensorProto.FLOAT)]
    done = subprocess.run([adze.PROGRAM, "import", save(["bad" if change == "output" else "y"]), "-o", folder / "bad"], capture_output=True, text=True)
    assert done.returncode == 1 and words in done.stderr and "'bad'" in done.stderr, done.stderr
print(len(want), "values of 4 bits")
