"""Channels a hundred times the others: levelled between layers, through a depthwise layer, and on a norm; an
output of the model and a value that something else reads keep their channels."""
# RUN: %python %s %t
import sys

import numpy as np

from tools import adze
from tools.compiled import Model

stem = sys.argv[1]
rng = np.random.default_rng(3)


def noise(want, got):
    return 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum())



def uneven(*shape, axis, spread=6):
    """Random numbers whose channels along an axis differ by up to 2^spread."""
    factor = np.exp2(rng.uniform(0, spread, shape[axis]))
    return rng.normal(size=shape) * factor.reshape([-1 if i == axis else 1 for i in range(len(shape))]), factor


def literal(array):
    return "{" + ", ".join(repr(float(np.float32(v))) for v in np.ravel(array)) + "}"


w1, f1 = uneven(16, 4, 3, 3, axis=0)
wd, fd = uneven(16, 1, 3, 3, axis=0)
w2 = rng.normal(size=(8, 16, 1, 1)) / (f1 * fd).reshape(1, 16, 1, 1)
wd = wd / 3
CNN = f"""input x: f32[batch, 4, 8, 8]
weight w1: f32[16, 4, 3, 3] = {literal(w1)}
weight b1: f32[16] = random(2)
weight wd: f32[16, 1, 3, 3] = {literal(wd)}
weight w2: f32[8, 16, 1, 1] = {literal(w2)}
a = relu(conv2d(x, w1, b1, pad = 1))
p = maxpool2d(a, window = 2)
d = relu(conv2d(p, wd, pad = 1, groups = 16))
y = conv2d(d, w2)
output y
"""
g = np.exp2(rng.uniform(0, 6, 24))
w3 = rng.normal(size=(12, 24)) / g
w4 = rng.normal(size=(12, 24)) / g
NORM = f"""input x: f32[batch, 5, 24]
weight g: f32[24] = {literal(g)}
weight h: f32[24] = {literal(g * rng.normal(size=24))}
weight w3: f32[12, 24] = {literal(w3)}
weight w4: f32[12, 24] = {literal(w4)}
n = layernorm(x, g, h)
y = linear(n, w3)
z = linear(n, w4)
output y
output z
"""

for name, text, shape in (("cnn", CNN, (96, 4, 8, 8)), ("norm", NORM, (96, 5, 24))):
    path = f"{stem}.{name}"
    with open(f"{path}.adz", "w", encoding="utf-8") as file:
        file.write(text)
    x = rng.normal(0.3, 1, size=shape).astype(np.float32)
    np.savez(f"{path}.npz", x=x[:64])
    want = adze.interpret(f"{path}.adz", {"x": x[64:]})["y"]
    decibels = []
    for balance in ("false", "true"):
        adze.opt(f"{path}.adz", f"quantize(balance = {balance}, min_snr = 0)", f"{path}.{balance}", f"--data={path}.npz")
        got = adze.interpret(f"{path}.{balance}.adz", {"x": x[64:]})["y"]
        decibels.append(noise(want, got))
    scaled = open(f"{path}.true.adz", encoding="utf-8").read()
    assert '.scaled"' in scaled or ".scaled.q" in scaled, scaled  # nobody takes these numbers for the original's
    assert decibels[1] > decibels[0] + 10, (name, decibels)
    compiled = adze.compile_model(f"{path}.true.adz", f"{path}.c", "--dim=batch=32")
    assert np.array_equal(Model(compiled.library).run(x=x[64:])["y"], got)

# What is an output, or read by something else, stays what it was.
for extra in ("output n\n", "m = sigmoid(n)\noutput m\n"):
    with open(f"{stem}.kept.adz", "w", encoding="utf-8") as file:
        file.write(NORM + extra)
    adze.opt(f"{stem}.kept.adz", "quantize(balance = true, min_snr = 0)", f"{stem}.kept.q", f"--data={stem}.norm.npz")
    inputs = {"x": rng.normal(size=(2, 5, 24)).astype(np.float32)}
    kept = extra.split()[0] if "=" in extra else extra.split()[1]
    assert np.array_equal(
        adze.interpret(f"{stem}.kept.adz", inputs)[kept], adze.interpret(f"{stem}.kept.q.adz", inputs)[kept]
    )
