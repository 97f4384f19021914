# RUN: %python %s %t
# Resize: every coordinate mode x interpolation x rounding x scale, by scales and by sizes, against the formulas of the
# standard in double precision, a cell at a time.
import itertools
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

random = np.random.default_rng(19)
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
CROP, FILL = (0.25, 1.125), 7.5


def position(mode, i, count, scale, to):
    """Where cell i of `to` lies among `count` cells."""
    exact = scale * count
    if mode == "align_corners":
        return i * (count - 1) / (exact - 1) if exact != 1 else 0
    if mode == "asymmetric":
        return i / scale
    if mode == "tf_crop_and_resize":
        first, span = CROP[0] * (count - 1), (CROP[1] - CROP[0]) * (count - 1)
        return first + (i * span / (exact - 1) if exact != 1 else span / 2)
    if mode == "pytorch_half_pixel" and to == 1:
        return 0
    offset = count / 2 * (1 - to / exact) if mode == "half_pixel_symmetric" else 0
    return offset + (i + 0.5) / scale - 0.5


def nearest(x, rounding):
    half = math.floor(x) + 0.5
    if rounding == "floor":
        return math.floor(x)
    if rounding == "ceil":
        return math.ceil(x)
    if x == half:
        return math.floor(x) + (rounding == "round_prefer_ceil")
    return math.floor(x + 0.5)


def kernel(mode, x, a):
    x = abs(x)
    if mode == "linear":
        return max(0.0, 1 - x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def resized(line, to, scale, mode, coordinates, rounding, a=-0.75, exclude=False, smooth=False):
    """The last axis of `line`, cell by cell."""
    count, cells = line.shape[-1], []
    for i in range(to):
        x = position(coordinates, i, count, scale, to)
        if coordinates == "tf_crop_and_resize" and not 0 <= x <= count - 1:
            cells.append(np.full(line.shape[:-1], FILL))
            continue
        if mode == "nearest":
            cells.append(line[..., min(max(nearest(x, rounding), 0), count - 1)])
            continue
        stretch = min(scale, 1.0) if smooth else 1.0
        reach = math.ceil(2 / stretch) + 1
        taps = range(math.floor(x) - reach, math.floor(x) + reach + 1)
        weights = {k: kernel(mode, (k - x) * stretch, a) for k in taps if not exclude or 0 <= k < count}
        total = sum(weights.values()) if exclude or smooth else 1
        cells.append(sum(w / total * line[..., min(max(k, 0), count - 1)] for k, w in weights.items()))
    return np.stack(cells, axis=-1)


nodes, constants, want = [], {}, {}
lines = {count: random.standard_normal((2, 3, count)).astype(np.float32) for count in (1, 4, 5)}


def add(count, to, scale, by_scale, **attributes):
    name = f"y{len(nodes)}"
    operands = [f"x{count}", "roi" if attributes["coordinate_transformation_mode"] == "tf_crop_and_resize" else ""]
    constants[name + "k"] = np.float32([1, 1, scale]) if by_scale else np.int64([2, 3, to])
    operands += [name + "k"] if by_scale else ["", name + "k"]
    nodes.append(helper.make_node("Resize", operands, [name], extrapolation_value=FILL, **attributes))
    exact = float(np.float32(scale)) if by_scale else to / count
    want[name] = resized(
        lines[count].astype(np.float64), to, exact, attributes["mode"], attributes["coordinate_transformation_mode"],
        attributes.get("nearest_mode", "round_prefer_floor"), attributes.get("cubic_coeff_a", -0.75),
        attributes.get("exclude_outside", 0), attributes.get("antialias", 0),
    )  # fmt: skip


constants["roi"] = np.float32([0, 0, CROP[0], 1, 1, CROP[1]])
SIZES = ((4, 8, 2.0), (4, 2, 0.5), (5, 6, 1.25), (5, 7, 1.5), (5, 3, 0.75), (5, 1, 0.25), (1, 3, 3.0), (4, 5, 1.25))
for coordinates, (count, to, scale), by_scale in itertools.product(COORDINATES, SIZES, (False, True)):
    common = {"coordinate_transformation_mode": coordinates}
    for rounding in ROUNDINGS:
        add(count, to, scale, by_scale, mode="nearest", nearest_mode=rounding, **common)
    add(count, to, scale, by_scale, mode="linear", **common)
    for a, exclude in ((-0.75, 0), (-0.5, 1)):
        add(count, to, scale, by_scale, mode="cubic", cubic_coeff_a=a, exclude_outside=exclude, **common)
for mode, (count, to, scale), by_scale in itertools.product(("linear", "cubic"), SIZES, (False, True)):
    add(count, to, scale, by_scale, mode=mode, antialias=1, coordinate_transformation_mode="half_pixel")

graph = helper.make_graph(
    nodes,
    "resize",
    [helper.make_tensor_value_info(f"x{k}", onnx.TensorProto.FLOAT, v.shape) for k, v in lines.items()],
    [helper.make_tensor_value_info(name, 0, None) for name in want],
    [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)]), path)
feeds = {f"x{k}": v for k, v in lines.items()}
library = compiled.Model(adze.compile_model(path, sys.argv[1]).library)
for way, got in (("interpreted", adze.interpret(path, feeds)), ("compiled", guarded.outputs(library, feeds))):
    for node in nodes:
        found, values = got[node.output[0]], want[node.output[0]]
        assert found.shape == values.shape, (way, node, found.shape, values.shape)
        assert np.allclose(found, values, rtol=1e-5, atol=1e-5), (way, node, constants[node.output[0] + "k"], found[0, 0], values[0, 0])
print(len(want), "combinations")
assert len(want) > 650
