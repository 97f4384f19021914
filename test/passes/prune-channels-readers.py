"""Half of a layer's channels never fire and have the largest weights: they go, and nothing is lost, whatever reads them.

The readers: transposed convolutions (kernels, strides), stacked matrices, a weight on the left, ops that
read one weight together, slices that share the channels out, a product of two activations. With one sample, too.
"""
# RUN: %python %s %t
import itertools
import pathlib
import sys

import numpy as np

from tools import adze, safetensors

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(11)
count = 0


def normal(*shape):
    return (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def dead_rows(weight, bias, which):
    weight[which] *= 5
    bias[which] = -1000


def check(what, x, body, weights, samples=48, least=60, size=0.75):
    """The model after pruning gives what it gave, and its weights are fewer."""
    global count
    count += 1
    declared = "".join(f"weight {name}: f32{list(w.shape)}\n" for name, w in weights.items())
    (folder / "m.adz").write_text(f'model m\nweights "m.safetensors"\ninput x: f32{list(x)}\n{declared}{body}\n')
    safetensors.save(folder / "m.safetensors", weights)
    np.savez(folder / "data.npz", x=random.uniform(-1, 1, (samples, *x[1:])).astype(np.float32))
    adze.opt(folder / "m.adz", "prune-channels(ratio = 0.5)", folder / "p", f"--data={folder / 'data.npz'}", "--verify-each")
    given = {"x": random.uniform(-1, 1, x).astype(np.float32)}
    want, got = (adze.interpret(folder / f"{stem}.adz", given) for stem in "mp")
    noise = sum(((want[name] - got[name]).astype(float) ** 2).sum() for name in want)
    decibels = 10 * np.log10(sum((value.astype(float) ** 2).sum() for value in want.values()) / max(noise, 1e-30))
    share = (folder / "p.safetensors").stat().st_size / (folder / "m.safetensors").stat().st_size
    assert decibels > least and share < size, (what, decibels, share)


def made(spatial):
    weight, bias = normal(32, 4, *[3] * spatial), normal(32)
    dead_rows(weight, bias, random.permutation(32)[:16])
    return {"a": weight, "ab": bias}


for spatial, kernel, stride in itertools.product((1, 2), (1, 2, 3, 4), (1, 2, 3)):
    x, op = [1, 4, *[6] * spatial], f"{spatial}d"
    body = f"h = relu(conv{op}(x, a, ab, pad = {[1] * 2 * spatial}))\noutput y = conv_transpose{op}(h, w, b, stride = {[stride] * spatial})"
    weights = made(spatial=spatial) | {"w": normal(32, 12, *[kernel] * spatial), "b": normal(12)}
    check(("transposed", spatial, kernel, stride), x, body, weights, size=0.8)

def hidden():
    weight, bias = normal(64, 16), normal(64)
    dead_rows(weight, bias, random.permutation(64)[:32])
    return {"a": weight, "ab": bias}


H = "h = relu(linear(x, a, ab))\n"
check("stacked", [1, 8, 16], H + "output y = matmul(h, w)", hidden() | {"w": normal(1, 64, 12)})
check("on the left", [8, 16], H + "output y = linear(w, h)", hidden() | {"w": normal(12, 64)}, samples=64)
check("one sample", [1, 8, 16], H + "output y = linear(h, w)", hidden() | {"w": normal(12, 64)}, samples=1, least=40)
both = hidden()
check(
    "a product of two", [1, 8, 16],
    H + "g = relu(linear(x, a, ab))\noutput y = matmul(h, transpose(g, perm = [0, 2, 1]))", both,
)  # fmt: skip
for readers, biases in itertools.product((2, 3), ("none", "one", "own")):
    lines = [f"h{i} = relu(linear(slice(x, starts = [{2 * i}], ends = [{2 * i + 2}], axes = [1]), a, ab))" for i in range(readers)]
    of = {"none": "", "one": ", b", "own": ", b{}"}[biases]
    lines += [f"output y{i} = linear(h{i}, w{of.format(i)})" for i in range(readers)]
    extra = {} if biases == "none" else {"b": normal(12)} if biases == "one" else {f"b{i}": normal(12) for i in range(readers)}
    check(("family", readers, biases), [1, 8, 16], "\n".join(lines), hidden() | {"w": normal(64, 12).T.copy()} | extra)
for first, last, bound in itertools.product(("0", "-128"), ("64", "-64"), ("128", "2147483647")):
    weight, bias = normal(128, 16), normal(128)
    dead_rows(weight, bias, 64 + random.permutation(64)[:32])
    body = (
        f"s = linear(x, a, ab)\nu = slice(s, starts = [{first}], ends = [64], axes = [-1])\n"
        f"g = sigmoid(slice(s, starts = [{last}], ends = [{bound}], axes = [2]))\noutput y = linear(mul(u, g), w)"
    )
    check(("slices", first, last, bound), [1, 8, 16], body, {"a": weight, "ab": bias, "w": normal(12, 64)})
print(count, "combinations")
assert count == 24 + 4 + 6 + 8
