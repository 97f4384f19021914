# RUN: %python %s %t
# ConvTranspose over every padding mode x stride x dilation x kernel x extra extent x groups, and to given shapes; Gemm with
# every shape of its third operand; Softmax and its kin before and since opset 13; against plain loops in double precision.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

random = np.random.default_rng(23)
nodes, inputs, constants, want = {11: [], 13: []}, {}, {}, {11: {}, 13: {}}


def normal(*shape):
    return np.asarray(random.standard_normal(shape), np.float32)


def add(opset, op, operands, expected, **attributes):
    """One node; operands are names, or arrays that become constants."""
    name, names = f"{op}{len(nodes[opset])}", []
    for index, operand in enumerate(operands):
        names.append(operand if isinstance(operand, str) else f"{opset}{name}.{index}")
        if not isinstance(operand, str):
            constants[names[-1]] = operand
    nodes[opset].append(helper.make_node(op, names, [name], **attributes))
    want[opset][name] = expected


# -- ConvTranspose, one dimension --
def transposed(x, w, bias, groups, stride, dilation, before, length):
    """Each input cell adds the kernel, from its place on; `before` cells are cut off."""
    channels, width = x.shape[1] // groups, w.shape[1]
    full = np.zeros((x.shape[0], width * groups, length + before + 64))
    for group, c, i, k in itertools.product(range(groups), range(channels), range(x.shape[2]), range(w.shape[2])):
        cell = x[:, group * channels + c, i]
        full[:, group * width : (group + 1) * width, i * stride + k * dilation] += cell[:, None] * w[group * channels + c, :, k]
    return full[:, :, before : before + length] + bias[:, None]


signal = {extent: normal(2, 4, extent) for extent in (1, 3, 5)}
inputs |= {f"x{extent}": value for extent, value in signal.items()}
combinations = itertools.product(("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"), (1, 2, 3), (1, 2), (1, 2, 3), (0, 1), (1, 2), signal)
for mode, stride, dilation, kernel, extra, groups, extent in combinations:
    if extra >= max(stride, dilation):
        continue
    reach = dilation * (kernel - 1) + 1
    natural = (extent - 1) * stride + reach + extra
    pads = (1, 2) if mode == "NOTSET" else (0, 0)
    if mode.startswith("SAME"):
        total = natural - extent * stride
        half = max(total, 0) // 2
        pads = (half, total - half) if mode == "SAME_UPPER" else (max(total, 0) - half, total - max(total, 0) + half)
    length = natural - sum(pads)
    if length < 1:
        continue
    w, bias = normal(4, 3, kernel), normal(3 * groups)
    attributes = {"auto_pad": mode, "strides": [stride], "dilations": [dilation], "output_padding": [extra], "group": groups}
    if mode == "NOTSET":
        attributes["pads"] = pads
    expected = transposed(signal[extent].astype(np.float64), w.astype(np.float64), bias, groups, stride, dilation, pads[0], length)
    add(11, "ConvTranspose", [f"x{extent}", w, bias], expected, **attributes)
for mode, shape in itertools.product(("NOTSET", "SAME_UPPER", "SAME_LOWER"), (8, 9, 10, 11, 12, 13)):
    w, total = normal(4, 3, 3), 4 * 2 + 3 - shape
    half = max(total, 0) // 2
    before = half if mode == "SAME_UPPER" else max(total, 0) - half
    expected = transposed(signal[5].astype(np.float64), w.astype(np.float64), np.zeros(3), 1, 2, 1, before, shape)
    add(11, "ConvTranspose", ["x5", w], expected, auto_pad=mode, strides=[2], output_shape=[shape])

# -- Gemm --
a, b = normal(3, 4), normal(4, 5)
inputs |= {"a": a, "a turned": a.T.copy()}
for left, right, shape, (alpha, beta) in itertools.product((0, 1), (0, 1), ((), (1,), (5,), (1, 5), (3, 1), (1, 1), (3, 5), None), ((1.0, 1.0), (0.5, -2.0), (0.0, 1.0))):
    c = None if shape is None else normal(*shape)
    expected = alpha * (a.astype(np.float64) @ b) + (0 if c is None else beta * c)
    operands = ["a turned" if left else "a", b.T.copy() if right else b, *([] if c is None else [c])]
    add(13, "Gemm", operands, expected, transA=left, transB=right, alpha=alpha, beta=beta)

# -- Softmax and its kin: all axes from `axis` on as one, or one axis --
inputs["s"] = np.round(normal(2, 3, 4) * 2)
s = inputs["s"].astype(np.float64)


def softmax_like(op, rows):
    """Along the last axis."""
    if op == "Hardmax":
        return np.eye(rows.shape[-1])[rows.argmax(-1)]
    shifted = rows - rows.max(-1, keepdims=True)
    sums = np.exp(shifted).sum(-1, keepdims=True)
    return shifted - np.log(sums) if op == "LogSoftmax" else np.exp(shifted) / sums


for op, axis in itertools.product(("Softmax", "LogSoftmax", "Hardmax"), (None, 0, 1, 2, -1, -2, -3)):
    given = {} if axis is None else {"axis": axis}
    start = (1 if axis is None else axis) % 3
    rows = int(np.prod(s.shape[:start]))
    add(11, op, ["s"], softmax_like(op, s.reshape(rows, -1)).reshape(s.shape), **given)
    axis = -1 if axis is None else axis
    add(13, op, ["s"], np.moveaxis(softmax_like(op, np.moveaxis(s, axis, -1)), -1, axis), **given)

path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
for opset in nodes:
    used = {name for node in nodes[opset] for name in node.input}
    feeds = {name: value for name, value in inputs.items() if name in used}
    graph = helper.make_graph(
        nodes[opset],
        "products",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape) for name, value in feeds.items()],
        [helper.make_tensor_value_info(name, 0, None) for name in want[opset]],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
    library = compiled.Model(adze.compile_model(path, f"{sys.argv[1]}{opset}").library)
    for way, got in (("interpreted", adze.interpret(path, feeds)), ("compiled", guarded.outputs(library, feeds))):
        for name, values in want[opset].items():
            assert got[name].shape == values.shape, (way, opset, name, got[name].shape, values.shape)
            assert np.allclose(got[name], values, rtol=1e-5, atol=1e-5), (way, opset, name, got[name], values)
    print(len(want[opset]), f"combinations in opset {opset}")
assert len(want[11]) > 350
