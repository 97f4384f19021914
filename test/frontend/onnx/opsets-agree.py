# RUN: %python %s %t
# Parameters are attributes in some opsets and inputs in others; both forms give what numpy gives.
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze

x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4) - 7
softmax = np.exp(x - x.max((2, 3), keepdims=True))

# Op, expected value, forms: (opset, inputs after the first (None is left out), attributes).
CASES = [
    ("Clip", x.clip(-2, 5), [(6, [], {"min": -2.0, "max": 5.0}), (11, [np.float32(-2), np.float32(5)], {})]),
    ("Clip", x.clip(None, 5), [(6, [], {"max": 5.0}), (13, [None, np.float32(5)], {})]),
    ("Slice", x[:, :, ::-1][:, :, :2, 1:3], [(10, [[2, 1], [0, 3], [2, 3], [-1, 1]], {})]),
    ("Slice", x[:, :, :, 1:3], [(9, [], {"axes": [3], "starts": [1], "ends": [3]}), (10, [[1], [3], [-1]], {})]),
    ("Squeeze", x[0], [(11, [], {"axes": [0]}), (13, [[0]], {}), (11, [], {}), (13, [], {})]),
    ("Unsqueeze", x[:, None, :, :, :, None], [(11, [], {"axes": [1, 5]}), (13, [[1, -1]], {})]),
    ("ReduceSum", x.sum((1, 2)), [(11, [], {"axes": [1, 2], "keepdims": 0}), (13, [[1, 2]], {"keepdims": 0})]),
    ("ReduceSum", x, [(13, [], {"noop_with_empty_axes": 1})]),
    ("ReduceMean", x.mean((-1, -2), keepdims=True), [(13, [], {"axes": [-1, -2]}), (18, [[-1, -2]], {})]),
    ("ReduceMax", x.max(keepdims=True), [(12, [], {}), (18, [], {})]),
    ("Pad", np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=9),
     [(10, [], {"pads": [0, 0, 1, 0, 0, 0, 0, 2], "value": 9.0}), (11, [[0, 0, 1, 0, 0, 0, 0, 2], np.float32(9)], {}),
      (18, [[1, 0, 0, 2], np.float32(9), [2, 3]], {})]),
    ("Pad", np.pad(x, ((0, 0), (0, 0), (2, 1), (0, 0)), mode="reflect"),
     [(10, [], {"pads": [0, 0, 2, 0, 0, 0, 1, 0], "mode": "reflect"}), (13, [[0, 0, 2, 0, 0, 0, 1, 0]], {"mode": "reflect"})]),
    ("Upsample", x.repeat(2, 2).repeat(3, 3), [(7, [], {"scales": [1.0, 1, 2, 3]}), (9, [np.float32([1, 1, 2, 3])], {})]),
    ("Resize", x.repeat(2, 2).repeat(3, 3),
     [(10, [np.float32([1, 1, 2, 3])], {}), (11, [np.float32([]), np.float32([1, 1, 2, 3])], {}),
      (13, [None, None, [1, 2, 6, 12]], {}), (18, [None, None, [6, 12]], {"axes": [2, 3]})]),
    ("Dropout", x, [(7, [], {"ratio": 0.3}), (12, [np.float32(0.3)], {}), (13, [None, np.bool_(False)], {})]),
    ("Softmax", softmax / softmax.sum((2, 3), keepdims=True), [(11, [], {"axis": 2})]),
    ("Softmax", np.exp(x) / np.exp(x).sum(3, keepdims=True), [(13, [], {}), (11, [], {"axis": 3})]),
    ("Reshape", x.reshape(1, 2, 12), [(5, [[0, 2, -1]], {}), (14, [[1, 2, 12]], {"allowzero": 1})]),
    ("Cast", x.astype(np.int32), [(6, [], {"to": 6}), (19, [], {"to": 6, "saturate": 1})]),
    ("Flatten", x.reshape(1, 24), [(1, [], {}), (11, [], {"axis": -3})]),
    ("Expand", np.broadcast_to(x, (5, 2, 3, 4)), [(8, [[5, 1, 1, 1]], {}), (13, [[5, 2, 3, 4]], {})]),
]  # fmt: skip


def make(op, opset, parameters, attributes):
    """A model of one node; parameters become initializers (also listed as inputs, where the format asks for that)."""
    tensors, names = [], []
    for index, value in enumerate(parameters):
        names.append("" if value is None else f"p{index}")
        if value is not None:
            array = value if isinstance(value, (np.ndarray, np.generic)) else np.array(value, np.int64)
            tensors.append(onnx.numpy_helper.from_array(np.asarray(array), f"p{index}"))
    info = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, x.shape)]
    if opset < 9:
        info += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    node = helper.make_node(op, ["x", *names], ["y"], **attributes)
    graph = helper.make_graph([node], op, info, [helper.make_tensor_value_info("y", 0, None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3 if opset < 9 else 8)


path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
for op, want, forms in CASES:
    for opset, parameters, attributes in forms:
        onnx.save(make(op, opset, parameters, attributes), path)
        got = adze.interpret(path, {"x": x})["y"]
        where = (op, opset, parameters, attributes)
        assert got.shape == want.shape and got.dtype == want.dtype, (*where, got.shape, got.dtype)
        assert np.allclose(got, want, rtol=1e-5, atol=1e-6), (*where, got, want)
