# RUN: %python %s %t
# Slice: every start x end x step over a short axis, far ones too, and pads of every mode x amount, against numpy.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

EXTENT = 4
FAR = (-(2**63), -(2**31), -EXTENT - 2, 2**31 - 1, 2**63 - 1)
x = np.arange(2 * EXTENT * 3, dtype=np.int64).reshape(2, EXTENT, 3)
nodes, constants, want = [], {}, {}


def constant(values):
    """The name of a constant, one for equal ones."""
    name = str(values)
    constants[name] = np.array(values, np.int64)
    return name


def elements(start, end, step):
    """Positions by the rules of the standard."""
    low, high = (0, EXTENT) if step > 0 else (-1, EXTENT - 1)
    start += EXTENT if start < 0 else 0
    end += EXTENT if end < 0 else 0
    start = min(max(start, 0), high if step < 0 else EXTENT)
    end = min(max(end, low), high if step > 0 else EXTENT)
    return list(range(start, end, step))


positions = (*range(-EXTENT - 1, EXTENT + 2), *FAR)
for start, end, step in itertools.product(positions, positions, (1, 2, 3, -1, -2, 2**40, -(2**63))):
    name = f"slice {start} {end} {step}"
    axis = 1 if len(nodes) % 2 else -2
    nodes.append(helper.make_node("Slice", ["x", constant([start]), constant([end]), constant([axis]), constant([step])], [name]))
    want[name] = x[:, elements(start, end, step)]

for mode, before, after in itertools.product(("constant", "reflect", "edge", "wrap"), range(-2, 4), range(-2, 4)):
    kept = x[:, max(-before, 0) : EXTENT - max(-after, 0)]  # negative pads cut off first
    if not kept.shape[1] or (mode != "constant" and min(before, after) < 0 < max(before, after)):
        continue
    name = f"pad {mode} {before} {after}"
    nodes.append(helper.make_node("Pad", ["x", constant([0, before, 0, 0, after, 0])], [name], mode=mode))
    want[name] = np.pad(kept, ((0, 0), (max(before, 0), max(after, 0)), (0, 0)), mode=mode)

graph = helper.make_graph(
    nodes,
    "slices",
    [helper.make_tensor_value_info("x", onnx.TensorProto.INT64, x.shape)],
    [helper.make_tensor_value_info(name, 0, None) for name in want],
    [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)]), path)
library = compiled.Model(adze.compile_model(path, sys.argv[1]).library)
for way, got in (("interpreted", adze.interpret(path, {"x": x})), ("compiled", guarded.outputs(library, {"x": x}))):
    for name, values in want.items():
        assert np.array_equal(got[name], values), (way, name, got[name], values)
print(len(want), "combinations")
assert len(want) > 1500
