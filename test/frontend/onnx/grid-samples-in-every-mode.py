# RUN: %python %s %t
# GridSample: interpolation x padding x alignment over two dimensions and (but for cubic) three, at places inside, at the
# edges and far outside, against plain loops in double precision.
import itertools
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

random = np.random.default_rng(29)


def reflect(x, count, align):
    low, high = (0, count - 1) if align else (-0.5, count - 0.5)
    while high > low and not low <= x <= high:
        x = 2 * low - x if x < low else 2 * high - x
    return x if high > low else low


def cubic(x, a=-0.75):
    x = abs(x)
    return (a + 2) * x**3 - (a + 3) * x**2 + 1 if x <= 1 else a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def taps(x, count, mode, padding, align):
    """{cell: weight} along one axis; a cell of None gives 0."""
    x = (x + 1) / 2 * (count - 1) if align else ((x + 1) * count - 1) / 2
    if padding == "border":
        x = min(max(x, 0), count - 1)
    if padding == "reflection":
        x = reflect(x, count, align)
    base = math.floor(x)
    weights = {round(x): 1.0} if mode == "nearest" else {base: 1 - (x - base), base + 1: x - base}
    if mode == "cubic":
        weights = {k: cubic(k - x) for k in range(base - 1, base + 3)}
    found = []
    for cell, weight in weights.items():
        if padding == "reflection":
            cell = round(reflect(cell, count, align))
        if padding == "zeros" and not 0 <= cell < count:
            continue
        found.append((min(max(cell, 0), count - 1), weight))
    return found


def sampled(x, grid, mode, padding, align):
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for place in np.ndindex(*grid.shape[:-1]):
        batch, *where = place
        along = [taps(c, count, mode, padding, align) for c, count in zip(grid[place][::-1], x.shape[2:])]
        for combination in itertools.product(*along):
            weight = math.prod(w for _, w in combination)
            out[(batch, slice(None), *where)] += weight * x[(batch, slice(None), *(cell for cell, _ in combination))]
    return out


inputs, nodes, want = {}, [], {}
for extents, places in (((3, 4), (3, 5)), ((1, 4), (2, 2)), ((2, 3, 4), (2, 2, 3))):
    name = f"x{extents}"
    inputs[name] = random.standard_normal((2, 3, *extents)).astype(np.float32)
    # Multiples of 1/16, off by 1/64: no place is half way between two cells, where rounding could go either way.
    grid = random.integers(-40, 40, (2, *places, len(extents))) / 16 + 1 / 64
    inputs[f"g{extents}"] = grid.astype(np.float32)
    for mode, padding, align in itertools.product(("linear", "nearest", "cubic"), ("zeros", "border", "reflection"), (0, 1)):
        if mode == "cubic" and len(extents) == 3:
            continue
        output = f"{extents} {mode} {padding} {align}"
        nodes.append(helper.make_node("GridSample", [name, f"g{extents}"], [output], mode=mode, padding_mode=padding, align_corners=align))
        want[output] = sampled(inputs[name].astype(np.float64), grid, mode, padding, align)

graph = helper.make_graph(
    nodes,
    "grids",
    [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape) for name, value in inputs.items()],
    [helper.make_tensor_value_info(name, 0, None) for name in want],
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
library = compiled.Model(adze.compile_model(path, sys.argv[1]).library)
for way, got in (("interpreted", adze.interpret(path, inputs)), ("compiled", guarded.outputs(library, inputs))):
    for name, values in want.items():
        assert got[name].shape == values.shape, (way, name, got[name].shape)
        assert np.allclose(got[name], values, rtol=1e-5, atol=1e-5), (way, name, got[name], values)
print(len(want), "combinations")
