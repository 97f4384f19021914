"""A weight that several layers read becomes small as any other: products, layers and convolutions, two to four of them, as in a
recurrence written out; where another op reads it, too, it is left, and that is said."""
# RUN: %python %s %t
import itertools
import pathlib
import sys

import numpy as np

from tools import adze, safetensors

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(7)
OPS = {
    "matmul": ([4, 32], [32, 32], "matmul({}, w)"),
    "linear": ([4, 32], [32, 32], "linear({}, w, b)"),
    "conv1d": ([1, 32, 5], [32, 32, 3], "conv1d({}, w, b, pad = [1, 1])"),
    "conv2d": ([1, 16, 4, 4], [16, 16, 3, 3], "conv2d({}, w, b, pad = [1, 1, 1, 1])"),
    "conv_transpose1d": ([1, 32, 5], [32, 32, 1], "conv_transpose1d({}, w)"),
}
# The least signal to noise (wanda takes as much of every row), and the most of the file that may stay.
PASSES = {
    "quantize": (25, 0.4),
    "quantize(activations = none)": (35, 0.4),
    "quantize(weights = f16, activations = none)": (50, 0.6),
    "sparsify(method = magnitude, ratio = 0.9)": (40, 0.4),
    "sparsify(method = wanda, ratio = 0.9)": (3, 0.4),
    "sparsify(ratio = 0.9)": (25, 0.4),
}


def write(op, times, also=""):
    x, shape, call = OPS[op]
    w = random.standard_normal(shape) / np.sqrt(shape[1] / 8)
    w *= np.where(random.random(shape) < 0.08, 1, 1e-5)  # nine of ten hardly count
    weights = {"w": w.astype(np.float32), "b": random.standard_normal(shape[0]).astype(np.float32) / 8}
    declared = "".join(f"weight {name}: f32{list(array.shape)}\n" for name, array in weights.items())
    body = "x"
    for _ in range(times):
        body = f"relu({call.format(body)})"
    (folder / "m.adz").write_text(f'weights "m.safetensors"\ninput x: f32{x}\n{declared}output y = {body}\n{also}')
    safetensors.save(folder / "m.safetensors", weights)
    np.savez(folder / "data.npz", x=random.standard_normal((40 * x[0], *x[1:])).astype(np.float32))
    return x


def opt(passes):
    return adze.opt(folder / "m.adz", passes, folder / "out", f"--data={folder / 'data.npz'}", "--remarks", "--verify-each")


count = 0
for op, times, (passes, (least, share)) in itertools.product(OPS, (2, 4), PASSES.items()):
    x = write(op, times)
    opt(passes)
    given = {"x": random.standard_normal(x).astype(np.float32)}
    want, got = (adze.interpret(folder / f"{stem}.adz", given)["y"].astype(float) for stem in ("m", "out"))
    decibels = 10 * np.log10((want**2).sum() / max(((want - got) ** 2).sum(), 1e-30))
    size = (folder / "out.safetensors").stat().st_size / (folder / "m.safetensors").stat().st_size
    assert decibels > least and size < share, (op, times, passes, decibels, size)
    count += 1
assert count == 60
for passes in ("quantize", "sparsify"):
    write("matmul", 2, "output z = add(w, 1.0)\n")
    assert "w: left as it is: ops that are no such layers use " in opt(passes)
