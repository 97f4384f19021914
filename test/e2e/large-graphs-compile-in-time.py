# RUN: %python %s %t
# Graphs of thousands of ops compile in seconds and compute what they should: nothing recurses over the graph or is quadratic
# in it. Doubling a graph may at most about double the processor time.
import pathlib
import resource
import sys

import numpy as np
from onnx import helper

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from graph import Graph  # noqa: E402

SECONDS = 60  # of processor time, on a machine that is busy
random = np.random.default_rng(4)
x = (np.arange(15) % 7 - 3).astype(np.float32).reshape(3, 5)


def sizes(*numbers):
    return [np.int64(numbers)]


def pointwise_chain(g, count):
    """Values of long ago are read again; whole and half numbers stay exact."""
    value, a = g.name_of(x), x
    old = [(value, a)]
    for i in range(count):
        other, b = old[i * 7 % len(old)]
        value, a = g.add("Sub", other, value), b - a
        value, a = g.add("Clip", value, [np.float32(-8)], [np.float32(8)]), np.clip(a, -8, 8)
        if i % 40 == 0:
            old.append((value, a))
    g.output(value, a)


def movement_chain(g, count):
    value, a = g.name_of(x), x
    for i in range(count):
        value, a = g.add("Neg", g.add("Transpose", value, perm=[1, 0])), -a.T
        if i % 3 == 0:
            value, a = g.add("Reshape", value, sizes(*a.T.shape)), a.reshape(a.T.shape)
    g.output(value, a)


def convolution_chain(g, count):
    image = (np.arange(36) % 5 - 2).astype(np.float32).reshape(1, 4, 3, 3)
    value, a = g.name_of(image), image
    for i in range(count):
        order = random.permutation(4)
        value, a = g.add("Conv", value, [np.eye(4, dtype=np.float32)[order][:, :, None, None]]), a[:, order]
        if i % 2:
            value, a = g.add("Relu", g.add("Add", value, [np.float32(1)])), np.maximum(a + 1, 0)
        else:
            value, a = g.add("Sub", value, [np.float32(1)]), a - 1
    g.output(value, a)


def wide_concat(g, count):
    rows = (np.arange(count * 3) % 11 - 5).astype(np.float32).reshape(count, 3)
    pieces = g.add("Split", rows, outputs=count, axis=0, num_outputs=count)
    turned = [g.add("Neg", piece) if i % 3 else piece for i, piece in enumerate(pieces)][::-1]
    a = np.where(np.arange(count) % 3 > 0, -1, 1)[:, None] * rows
    g.output(g.add("Concat", *turned, axis=1), a[::-1].reshape(1, -1))
    g.output(g.add("Sum", *turned), a.sum(0, keepdims=True))
    g.output(g.add("Max", *turned), a.max(0, keepdims=True))


def fan_out(g, count):
    value, a = g.add("Relu", x), np.maximum(x, 0)
    kernels = (np.arange(count * 5) % 3 - 1).astype(np.float32).reshape(count, 5, 1)
    g.output(g.add("Concat", *(g.add("MatMul", value, [k]) for k in kernels), axis=1), np.concatenate([a @ k for k in kernels], 1))
    for i in range(0, count, 10):
        g.output(g.add("Add", value, [np.float32(i)]), a + i)


def unrolled_network(g, count):
    """A recurrent network of one layer, as RNN."""
    steps, size = (np.arange(count * 6) % 4 - 1).astype(np.float32).reshape(count, 2, 3), 4
    w, r = (np.arange(size * n).reshape(size, n) % 3 - 1 for n in (3, size))
    node = g.add("RNN", steps, [w[None].astype(np.float32)], [r[None].astype(np.float32)], outputs=2, hidden_size=size,
                 activations=["HardSigmoid"], activation_alpha=[0.5], activation_beta=[0.5])  # fmt: skip
    state, states = np.zeros((2, size)), []
    for step in steps:
        state = np.clip(0.5 * (step @ w.T + state @ r.T) + 0.5, 0, 1)
        states.append(state)
    g.output(node[0], np.stack(states)[:, None])
    g.output(node[1], state[None])


def unrolled_loop(g, count):
    value = helper.make_tensor_value_info
    nodes = [("Sub", ["x", "s"], ["s2"]), ("Identity", ["c"], ["c2"]), ("Abs", ["s2"], ["scan"])]
    body = helper.make_graph(
        [helper.make_node(*node) for node in nodes], "body", [value("i", 7, []), value("c", 9, []), value("s", 1, [3, 5])],
        [value("c2", 9, []), value("s2", 1, [3, 5]), value("scan", 1, [3, 5])],
    )  # fmt: skip
    g.inputs["x"] = x
    start = x[::-1] * 2
    last, scans = g.add("Loop", [np.int64(count)], [np.bool_(True)], start, outputs=2, body=body)
    a, seen = start, []
    for _ in range(count):
        a = x - a
        seen.append(np.abs(a))
    g.output(last, a)
    g.output(scans, np.stack(seen))


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


for make, count in (
    (pointwise_chain, 2000), (movement_chain, 1000), (convolution_chain, 1000), (wide_concat, 700), (fan_out, 700),
    (unrolled_network, 1000), (unrolled_loop, 1000),
):  # fmt: skip
    seconds = []
    for n in (count // 2, count):
        g = Graph()
        make(g, n)
        before = processor_seconds()
        g.check(f"{sys.argv[1]}.{make.__name__}.{n}", 2e-6, targets=("host",), interpreted=False)
        seconds.append(processor_seconds() - before)
    print(f"{make.__name__}: {count} in {seconds[1]:.2f} s, half as many in {seconds[0]:.2f} s")
    assert seconds[1] < SECONDS and seconds[1] < 3 * seconds[0] + 1, (make.__name__, seconds)
