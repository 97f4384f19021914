"""A residual CNN on integers from end to end: what floats are left between its layers, and how near it comes.

Everything compiled must equal the interpreter bit for bit."""
# RUN: %python %s %t
import re
import sys

import numpy as np

from tools import adze
from tools.compiled import Model

stem = sys.argv[1]
rng = np.random.default_rng(11)
with open(f"{stem}.adz", "w", encoding="utf-8") as file:
    file.write(
        """input x: f32[batch, 8, 12, 12]
weight w1: f32[16, 8, 3, 3] = random(1)
weight b1: f32[16] = random(2)
weight wd: f32[16, 1, 3, 3] = random(3)
weight w2: f32[16, 16, 1, 1] = random(4)
weight b2: f32[16] = random(5)
weight w3: f32[16, 32, 3, 3] = random(6)
weight w4: f32[10, 16] = random(7)
a = relu(conv2d(x, w1, b1, pad = 1))
p = maxpool2d(a, window = 2)
d = relu(conv2d(p, wd, pad = 1, groups = 16))
r = relu(add(conv2d(d, w2, b2), p))
c = concat(r, p, axis = 1)
e = relu(conv2d(c, w3, pad = 1, stride = 2))
y = linear(reduce_mean(e, axes = [2, 3]), w4)
output y
"""
    )
x = rng.normal(0.5, 1, size=(64, 8, 12, 12)).astype(np.float32)
np.savez(f"{stem}.npz", x=x[:32])
adze.opt(f"{stem}.adz", "quantize", f"{stem}.q", f"--data={stem}.npz")
text = open(f"{stem}.q.adz", encoding="utf-8").read()

# All five layers read integers; the only floats between are inside of kernels that end in quantize.
assert len(re.findall(r"= (conv2d|linear)\(", text)) == 5
assert len(re.findall(r"= (?:conv2d|linear)\((\"[^\"]*\.q\"|quantize\S*|maxpool2d\S*|concat\S*)", text)) == 5, text
assert re.search(r"i8\[batch, 16, 6, 6\] quant\(.*\) = maxpool2d", text)
assert re.search(r"i8\[batch, 32, 6, 6\] quant\(.*\) = concat", text)
assert len(re.findall(r"= dequantize\(", text)) == 1  # the residual add

want = adze.interpret(f"{stem}.adz", {"x": x[32:]})["y"]
got = adze.interpret(f"{stem}.q.adz", {"x": x[32:]})["y"]
noise = 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum())
assert noise > 25, noise

compiled = adze.compile_model(f"{stem}.q.adz", f"{stem}.c", "--dim=batch=32")
assert np.array_equal(Model(compiled.library).run(x=x[32:])["y"], got)
