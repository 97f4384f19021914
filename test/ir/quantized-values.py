"""Quantized models mean what independent integer arithmetic says, bit for bit, interpreted and compiled."""
# RUN: %python %s %t
import sys

import numpy as np

from tools import adze, safetensors
from tools.compiled import Model

stem = sys.argv[1]
rng = np.random.default_rng(7)
f32 = np.float32


def quantize(x, scale, zero):
    q = np.rint(x.astype(f32) / f32(scale)) + zero
    return np.clip(q, -128, 127).astype(np.int8)


x = rng.normal(size=(2, 8, 7, 6)).astype(f32)
w = rng.integers(-128, 128, (16, 8, 3, 3)).astype(np.int8)
w_scale = rng.uniform(0.005, 0.015, 16).astype(f32)
b = rng.normal(size=16).astype(f32)
pairs = rng.integers(-8, 8, (10, 144)).astype(np.int8)
pairs_scale = rng.uniform(0.01, 0.02, (10, 5)).astype(f32)  # groups of 32: the last one has 16
packed = ((pairs[:, 0::2] & 15) | ((pairs[:, 1::2] & 15) << 4)).astype(np.uint8)
table = rng.integers(0, 256, (9, 4)).astype(np.uint8)
table_scale = rng.uniform(0.1, 0.2, 9).astype(f32)
table_zero = rng.integers(0, 256, 9).astype(np.uint8)
safetensors.save(
    f"{stem}.safetensors",
    {
        "w": w, "w.scale": w_scale, "b": b, "l": packed, "l.scale": pairs_scale,
        "t": table, "t.scale": table_scale, "t.zero": table_zero,
        "h": rng.normal(size=(3, 144)).astype(np.float16),
    },
)
with open(f"{stem}.adz", "w", encoding="utf-8") as file:
    file.write(
        f"""weights "{stem}.safetensors"
input x: f32[2, 8, 7, 6]
weight w: i8[16, 8, 3, 3] quant(axis = 0)
weight l: i4[10, 144] quant(axis = 0, group = 32)
weight t: u8[9, 4] quant(axis = 0)
q = quantize(x, scale = 0.02, zero = -3)
c = conv2d(q, w, b, pad = 1, stride = [2, 1])
r = quantize(relu(c), scale = 0.03, zero = 5)
p = maxpool2d(r, window = 2, stride = 1, pad = [0, 0, 0, 1])
m = reduce_mean(p, axes = [2, 3])
s = slice(p, starts = [0, 0], ends = [9, 3], axes = [2, 3])
z = linear(flatten(dequantize(s)), l)
h = linear(flatten(dequantize(s)), h)
e = embedding(i32[3] {{8, 0, 3}}, t)
output c
output r
output p
output m
output z
output h
output e
"""
    )

got = adze.interpret(f"{stem}.adz", {"x": x})
ran = Model(adze.compile_model(f"{stem}.adz", stem).library).run(x=x)
for name in "crpme":
    assert np.array_equal(ran[name], got[name]), name
for name in "zh":
    assert np.allclose(ran[name], got[name], rtol=1e-5, atol=1e-4), name

# The convolution, in integers.
q = quantize(x, 0.02, -3).astype(np.int64) + 3
padded = np.pad(q, ((0, 0), (0, 0), (1, 1), (1, 1)))
acc = np.zeros((2, 16, 4, 6), np.int64)
for ky in range(3):
    for kx in range(3):
        window = padded[:, :, ky : ky + 7 : 2, kx : kx + 6]
        acc += np.einsum("nchw,oc->nohw", window, w[:, :, ky, kx].astype(np.int64))
scale = f32(0.02) * w_scale
c = acc.astype(f32) * scale[:, None, None] + b[:, None, None]
assert np.array_equal(got["c"], c)

r = quantize(np.maximum(c, 0), 0.03, 5)
assert np.array_equal(got["r"], r)
wide = np.pad(r, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=-128)
p = np.maximum(
    np.maximum(wide[:, :, :-1, :-1], wide[:, :, 1:, :-1]),
    np.maximum(wide[:, :, :-1, 1:], wide[:, :, 1:, 1:]),
)
assert np.array_equal(got["p"], p)
mean = (p.astype(np.int64) - 5).sum((2, 3)) / (p.shape[2] * p.shape[3])
assert np.array_equal(got["m"], (mean * np.float64(f32(0.03))).astype(f32))

# Stored weights are decoded; the sums after that are floats.
s = (p[:, :, :, :3].astype(np.int64) - 5).astype(f32) * f32(0.03)
flat = s.reshape(2, 144)
decoded = pairs.astype(f32) * np.repeat(pairs_scale, 32, axis=1)[:, :144]
assert np.allclose(got["z"], flat.astype(np.float64) @ decoded.T, rtol=1e-5, atol=1e-4)
half = safetensors.load(f"{stem}.safetensors")["h"].astype(np.float64)
assert np.allclose(got["h"], flat @ half.T, rtol=1e-5, atol=1e-4)
rows = np.array([8, 0, 3])
e = (table[rows].astype(np.int64) - table_zero[rows, None]).astype(f32) * table_scale[rows, None]
assert np.array_equal(got["e"], e)
