# RUN: %python %s %t
# RUN: not %adze import %t.onesided.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=ONESIDED
# RUN: not %adze import %t.window.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=WINDOW
# RUN: not %adze import %t.axis.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=AXIS
# ONESIDED: node 'DFT0' (DFT): a transform of complex numbers that is one-sided
# WINDOW: node 'STFT0' (STFT): its frames have 8 numbers, but its window has not
# AXIS: node 'DFT0' (DFT): axis 2 holds the parts of the numbers
# Windows, mel filters and Fourier transforms in all forms against plain sums in double precision: lengths that cut and that
# pad, one side, inverses, every axis, both opsets' places of the axis.
import itertools
import pathlib
import sys

import numpy as np
from onnx import TensorProto

from tools import node_cases

random = np.random.default_rng(9)
TURN = 2j * np.pi


def complex_of(x):
    return x[..., 0] + (1j * x[..., 1] if x.shape[-1] == 2 else 0)


def parts_of(z):
    return np.stack([z.real, z.imag], -1)


def dft(x, axis, length=None, inverse=False, onesided=False):
    """The sums of the definition; an inverse of one side first gets its other one."""
    z = np.moveaxis(complex_of(x.astype(np.float64)), axis, -1)
    half = inverse and onesided
    length = length or (2 * (z.shape[-1] - 1) if half else z.shape[-1])
    wide = np.zeros((*z.shape[:-1], length), complex)
    used = min(z.shape[-1], length // 2 + 1 if half else length)
    wide[..., :used] = z[..., :used]
    if half:
        for i in range(used):
            if i in (0, length - i):
                wide[..., i] = wide[..., i].real
            else:
                wide[..., length - i] = wide[..., i].conj()
    k = np.arange(length)
    y = wide @ np.exp((TURN if inverse else -TURN) * np.outer(k, k) / length) / (length if inverse else 1)
    if onesided and not inverse:
        y = y[..., : length // 2 + 1]
    y = np.moveaxis(y, -1, axis)
    return y.real[..., None] if half else parts_of(y)


modern, old = node_cases.Cases(22), node_cases.Cases(17)
for kind, within in ((np.float32, 1e-5), (np.float64, 1e-12), (np.float16, 4e-3)):
    for parts, axis, (inverse, onesided) in itertools.product((1, 2), (0, 1, 2, -2), itertools.product((0, 1), (0, 1))):
        if onesided and not inverse and parts == 2:
            continue
        x = random.standard_normal((3, 5, 8, parts)).astype(kind)
        for length in (None, 1, 4, 7, 16):
            y = dft(x, axis if axis >= 0 else axis + 4, length, inverse, onesided).astype(kind)
            told = None if length is None else [np.int64(length)]
            modern.add("DFT", [x, told, [np.int64(axis)]], [y], rtol=within, atol=within * 8, inverse=inverse, onesided=onesided)
            old.add("DFT", [x, told], [y], rtol=within, atol=within * 8, inverse=inverse, onesided=onesided, axis=axis)
x = random.standard_normal((6, 2)).astype(np.float32)
modern.add("DFT", [x], [dft(x, 0).astype(np.float32)])
x = random.standard_normal((1, 500, 1)).astype(np.float32)
modern.add("DFT", [x, None, [np.int64(1)]], [dft(x, 1, onesided=True).astype(np.float32)], rtol=1e-4, atol=1e-4, onesided=1)
old.add("DFT", [x], [dft(x, 1).astype(np.float32)], rtol=1e-4, atol=1e-4)

for kind, parts, frame, step, onesided, windowed in itertools.product((np.float32, np.float64), (1, 2), (1, 5, 8), (1, 3, 9), (0, 1), (0, 1, 2)):
    if onesided and parts == 2:
        continue
    x, window = random.standard_normal((2, 20, parts)).astype(kind), random.uniform(0, 1, frame).astype(kind)
    shape = window.astype(np.float64)[:, None] if windowed else 1
    frames = np.stack([x[:, i : i + frame].astype(np.float64) * shape for i in range(0, 20 - frame + 1, step)], 1)
    y = dft(frames, 2, onesided=bool(onesided)).astype(kind)
    operand = None if not windowed else [window] if windowed == 1 else window
    told = None if windowed == 1 else [np.int64(frame)]
    modern.add("STFT", [x, [np.int64(step)], operand, told], [y], rtol=1e-5, atol=1e-5, onesided=onesided)
x = random.standard_normal((1, 6, 1)).astype(np.float32)
modern.add("STFT", [x, [np.int32(2)]], [dft(x[:, None], 2, onesided=True).astype(np.float32)])  # one frame, as long as the signal

PARTS = {"HannWindow": (0.5, 0.5, 0), "HammingWindow": (25 / 46, 21 / 46, 0), "BlackmanWindow": (0.42, 0.5, 0.08)}
for (op, (a, b, c)), periodic, size in itertools.product(PARTS.items(), (0, 1), (0, 1, 2, 10, 401)):
    length = max(size if periodic else size - 1, 1)
    turns = 2 * np.pi * np.arange(size) / length
    y = a - b * np.cos(turns) + c * np.cos(2 * turns) if periodic or size != 1 else np.ones(1)
    modern.add(op, [[np.int64(size)]], [y.astype(np.float32)], atol=1e-7, periodic=periodic)
    modern.add(op, [[np.int32(size)]], [y], rtol=1e-14, atol=1e-14, periodic=periodic, output_datatype=TensorProto.DOUBLE)
modern.add("HannWindow", [[np.int64(8)]], [np.int64([0, 0, 0, 0, 1, 0, 0, 0])], output_datatype=TensorProto.INT64)


def mel(bands, length, rate, low, high):
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (low, high))
    points = 700 * (10 ** ((np.arange(bands + 2) * (high - low) / (bands + 2) + low) / 2595) - 1)
    bins = ((length + 1) * points // rate).astype(int)
    y = np.zeros((length // 2 + 1, bands))
    for column, (left, top, right) in enumerate(zip(bins, bins[1:], bins[2:])):
        for row in range(len(y)):
            if row == top:
                y[row, column] = 1
            elif left <= row < top:
                y[row, column] = (row - left) / (top - left)
            elif top < row < right:
                y[row, column] = (right - row) / (right - top)
    return y


for bands, length, rate, low, high in ((8, 16, 8192, 0, 4096), (40, 512, 16000, 20, 8000), (80, 400, 16000, 0, 8000), (3, 64, 8000, 100, 3000)):
    constants = [[np.int64(bands)], [np.int64(length)], [np.int64(rate)], [np.float32(low)], [np.float32(high)]]
    modern.add("MelWeightMatrix", constants, [mel(bands, length, rate, low, high).astype(np.float32)])
    modern.add("MelWeightMatrix", constants, [mel(bands, length, rate, low, high)], rtol=1e-14, output_datatype=TensorProto.DOUBLE)
modern.check(sys.argv[1])
old.check(sys.argv[1] + ".17")

x = np.zeros((1, 20, 2), np.float32)
for name, op, operands, attributes in (
    ("onesided", "DFT", [x], {"onesided": 1}),
    ("axis", "DFT", [x, None, [np.int64(2)]], {}),
    ("window", "STFT", [x[..., :1], [np.int64(2)], [np.ones(5, np.float32)], [np.int64(8)]], {}),
):
    wrong = node_cases.Cases(22)
    wrong.add(op, operands, [x], **attributes)
    wrong.nodes[0].name = f"{op}0"
    wrong.save(pathlib.Path(f"{sys.argv[1]}.{name}.onnx"))
