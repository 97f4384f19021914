# RUN: %python %s %t
# RUN: not %adze import %t.adaptive.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=ADAPTIVE
# RUN: not %adze import %t.square.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=SQUARE
# ADAPTIVE: RoiAlign with sampling_ratio 0 of regions that depend on data (how many samples): 1 node, 'RoiAlign0'
# SQUARE: node 'Det0' (Det): a matrix of 2 rows and 3 columns
# RoiAlign of regions inside and outside of the picture in every mode, affine grids, and determinants, against plain loops.
import itertools
import pathlib
import sys

import numpy as np

from tools import node_cases

random = np.random.default_rng(11)


def sample(picture, y, x):
    """The four weighted corners, none outside of the picture."""
    height, width = picture.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return [np.zeros(len(picture))]
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    i, j = int(y), int(x)
    k, m = min(i + 1, height - 1), min(j + 1, width - 1)
    v, h = y - i, x - j
    return [picture[:, i, j] * (1 - v) * (1 - h), picture[:, i, m] * (1 - v) * h, picture[:, k, j] * v * (1 - h), picture[:, k, m] * v * h]


def roi_align(x, rois, batch, bins, ratio, scale, half, mode):
    y = np.zeros((len(rois), x.shape[1], *bins))
    for r, (region, picture) in enumerate(zip(rois.astype(np.float64), batch)):
        left, top, right, bottom = region * scale - (0.5 if half else 0)
        size = [bottom - top, right - left] if half else [max(bottom - top, 1), max(right - left, 1)]
        each = [ratio or int(np.ceil(size[i] / bins[i])) for i in range(2)]
        for a, b in np.ndindex(*bins):
            found = []
            for c, d in np.ndindex(*each):
                at = top + (a + (c + 0.5) / each[0]) * size[0] / bins[0], left + (b + (d + 0.5) / each[1]) * size[1] / bins[1]
                corners = sample(x[picture].astype(np.float64), *at)
                found.append(sum(corners) if mode == "avg" else np.max(corners, axis=0))
            if found:
                y[r, :, a, b] = np.mean(found, axis=0) if mode == "avg" else np.max(found, axis=0)
    return y


REGIONS = [[0, 0, 7, 5], [1.5, 2.25, 4.75, 4], [-3, -2, 2, 3], [5, 4, 30, 40], [3, 3, 3, 3], [20, 20, 25, 25], [6, 5, 1, 1]]
modern, old = node_cases.Cases(22), node_cases.Cases(10)
for kind, mode, half, bins, ratio, scale in itertools.product(
    (np.float32, np.float64, np.float16), ("avg", "max"), (False, True), ((1, 1), (2, 3), (5, 5)), (1, 2, 3), (1.0, 0.5)
):
    x = random.standard_normal((2, 3, 6, 8)).astype(kind)
    rois, batch = np.array(REGIONS, kind), random.integers(0, 2, len(REGIONS))
    y = roi_align(x, rois, batch, bins, ratio, scale, half, mode).astype(kind)
    within = 5e-3 if kind == np.float16 else 2e-5
    options = {"mode": mode, "output_height": bins[0], "output_width": bins[1], "sampling_ratio": ratio, "spatial_scale": scale}
    word = "half_pixel" if half else "output_half_pixel"
    modern.add("RoiAlign", [x, rois, batch], [y], rtol=within, atol=within, coordinate_transformation_mode=word, **options)
    if not half and ratio == 2:
        old.add("RoiAlign", [x, rois, batch], [y], rtol=within, atol=within, **options)
x = random.standard_normal((2, 3, 6, 8)).astype(np.float32)
for mode, half, bins in itertools.product(("avg", "max"), (False, True), ((1, 1), (2, 3))):
    rois, batch = np.float32(REGIONS), random.integers(0, 2, len(REGIONS))  # as many samples as cells: of known regions
    word = "half_pixel" if half else "output_half_pixel"
    if half:
        rois, batch = rois[:-1], batch[:-1]  # without the one that is turned round
    y = roi_align(x, rois, batch, bins, 0, 1.0, half, mode).astype(np.float32)
    options = {"mode": mode, "output_height": bins[0], "output_width": bins[1], "coordinate_transformation_mode": word}
    modern.add("RoiAlign", [x, [rois], batch], [y], rtol=2e-5, atol=2e-5, **options)
modern.add("RoiAlign", [x, np.zeros((0, 4), np.float32), np.zeros(0, np.int64)], [np.zeros((0, 3, 1, 1), np.float32)], sampling_ratio=1)
old.check(sys.argv[1] + ".10")

for kind, size, align in itertools.product((np.float32, np.float64), ((4, 5), (1, 3), (2, 3, 4), (3, 1, 2), (0, 2)), (0, 1)):
    theta = random.standard_normal((3, len(size), len(size) + 1)).astype(kind)
    y = np.zeros((3, *size, len(size)))
    for at in np.ndindex(*size):
        place = [0 if align and n == 1 else 2 * i / (n - 1) - 1 if align else (2 * i + 1) / n - 1 for i, n in zip(at, size)]
        y[(slice(None), *at)] = theta.astype(np.float64) @ [*place[::-1], 1]
    modern.add("AffineGrid", [theta, [np.int64([3, 1, *size])]], [y.astype(kind)], align_corners=align)


def det(m):
    """By Laplace's rule."""
    return m[0, 0] if len(m) == 1 else sum((-1) ** i * m[0, i] * det(np.delete(m[1:], i, 1)) for i in range(len(m)))


CLOSE = {np.float16: (2e-3, 1e-2), np.float32: (1e-5, 1e-3), np.float64: (1e-13, 1e-11)}  # numbers cancel
for kind, shape in itertools.product(CLOSE, ((1, 1), (2, 2), (3, 3), (5, 2, 2), (2, 3, 4, 4), (2, 6, 6), (0, 3, 3))):
    m = random.integers(-4, 5, shape).astype(kind)
    flat = m.astype(np.float64).reshape(-1, *shape[-2:])
    if len(flat) > 2:
        flat[0], flat[1, 0] = np.roll(np.eye(shape[-1]), 1, 0) * 3, 0  # zeros where pivots are looked for; none at all
        m = flat.reshape(shape).astype(kind)
    y = np.array([det(one) for one in flat]).reshape(shape[:-2])
    modern.add("Det", [m], [y.astype(kind)], rtol=CLOSE[kind][0], atol=CLOSE[kind][1])
m = random.standard_normal((3, 20, 20))
modern.add("Det", [m], [np.linalg.det(m)], rtol=1e-10)
modern.check(sys.argv[1])

for name, op, operands, attributes in (
    ("adaptive", "RoiAlign", [x, np.float32(REGIONS), np.zeros(7, np.int64)], {}),
    ("square", "Det", [np.zeros((2, 3), np.float32)], {}),
):
    wrong = node_cases.Cases(22)
    wrong.add(op, operands, [operands[0]], **attributes)
    wrong.nodes[0].name = f"{op}0"
    wrong.save(pathlib.Path(f"{sys.argv[1]}.{name}.onnx"))
