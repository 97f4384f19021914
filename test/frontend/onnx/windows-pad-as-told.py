# RUN: %python %s %t
# Every padding mode x kernel x stride x dilation x extent, of convolutions and pools, against plain loops in double precision.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze

FLOAT = onnx.TensorProto.FLOAT
random = np.random.default_rng(7)


def positions(extent, kernel, stride, dilation, pads, ceil_mode):
    """Starts of the windows in the padded extent; None if no window fits."""
    reach = dilation * (kernel - 1) + 1
    room = extent + sum(pads) - reach
    if room < 0:
        return None
    count = room // stride + 1
    if ceil_mode and room % stride and count * stride < extent + pads[0]:
        count += 1  # one more, which begins before the padding at the end
    return [i * stride for i in range(count)]


def padding(mode, extent, kernel, stride, dilation):
    if mode == "VALID":
        return 0, 0
    if mode == "NOTSET":
        return 1, 2
    reach = dilation * (kernel - 1) + 1
    total = max((-(-extent // stride) - 1) * stride + reach - extent, 0)
    return (total // 2, total - total // 2) if mode == "SAME_UPPER" else (total - total // 2, total // 2)


def windows(x, kernel, stride, dilation, pads, starts):
    """For each window, the cells of x (channels first) that it sees, None outside."""
    for start in starts:
        cells = [start + k * dilation - pads[0] for k in range(kernel)]
        yield [x[:, c] if 0 <= c < x.shape[1] else None for c in cells], start


def expected(kind, x, w, kernel, stride, dilation, pads, ceil_mode, count_pad):
    starts = positions(x.shape[1], kernel, stride, dilation, pads, ceil_mode)
    columns = []
    for cells, start in windows(x.astype(np.float64), kernel, stride, dilation, pads, starts):
        inside = [c for c in cells if c is not None]
        if kind == "Conv":
            columns.append(sum((w[:, :, k] @ c for k, c in enumerate(cells) if c is not None), np.zeros(w.shape[0])))
        elif kind == "LpPool":
            columns.append(np.sqrt(np.sum(np.square(inside), axis=0)))
        elif kind == "MaxPool":
            columns.append(np.max(inside, axis=0) if inside else np.full(x.shape[0], -np.inf))
        else:
            padded = x.shape[1] + sum(pads)
            size = sum(start + k * dilation < padded for k in range(kernel)) if count_pad else len(inside)
            columns.append(np.sum(inside, axis=0) / size)
    return np.stack(columns, axis=1)


nodes, outputs, want = [], [], {}
inputs = {f"x{extent}": random.standard_normal((1, 3, extent)).astype(np.float32) - 2 for extent in (1, 4, 5, 7)}
kernels = {k: random.standard_normal((2, 3, k)).astype(np.float32) for k in (1, 2, 3)}
modes = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
kinds = (("Conv", 0, 0), ("MaxPool", 0, 0), ("MaxPool", 1, 0), ("LpPool", 0, 0), ("LpPool", 1, 0), *(("AveragePool", c, p) for c in (0, 1) for p in (0, 1)))
for (kind, ceil, count), mode, kernel, stride, dilation, (name, x) in itertools.product(
    kinds, modes, kernels, (1, 2, 3), (1, 2), inputs.items()
):
    pads = padding(mode, x.shape[2], kernel, stride, dilation)
    starts = positions(x.shape[2], kernel, stride, dilation, pads, ceil and mode == "NOTSET")
    if starts is None or (kind != "Conv" and max(pads) >= kernel) or (ceil and mode != "NOTSET"):
        continue  # a pool's padding is smaller than its window; what ceil means with auto_pad is unsettled
    if kind != "Conv" and any(all(c is None for c in cells) for cells, _ in windows(x[0], kernel, stride, dilation, pads, starts)):
        continue  # a window with nothing in it has no largest or mean element
    output = f"{kind} {ceil} {count} {mode} {kernel} {stride} {dilation} {name}"
    attributes = {"kernel_shape": [kernel], "strides": [stride], "dilations": [dilation], "auto_pad": mode}
    if mode == "NOTSET":
        attributes["pads"] = pads
    if ceil:
        attributes["ceil_mode"] = 1
    if count:
        attributes["count_include_pad"] = 1
    nodes.append(helper.make_node(kind, [name, f"w{kernel}"] if kind == "Conv" else [name], [output], **attributes))
    outputs.append(helper.make_tensor_value_info(output, FLOAT, None))
    want[output] = expected(kind, x[0], kernels[kernel].astype(np.float64), kernel, stride, dilation, pads, ceil, count)

graph = helper.make_graph(
    nodes,
    "windows",
    [helper.make_tensor_value_info(name, FLOAT, x.shape) for name, x in inputs.items()],
    outputs,
    [onnx.numpy_helper.from_array(w, f"w{k}") for k, w in kernels.items()],
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)]), path)
got = adze.interpret(path, inputs)
for output, values in want.items():
    assert got[output].shape == (1, *values.shape), (output, got[output].shape, values.shape)
    assert np.allclose(got[output][0], values, rtol=1e-5, atol=1e-5), (output, got[output][0], values)
print(len(want), "combinations")
assert len(want) > 1100
