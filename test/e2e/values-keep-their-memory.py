# RUN: %python %s %t
# Where a value lives: an input, a constant, scratch memory that others get when its last reader is done, or an output's memory,
# which views of it share. Every origin x view x what is an output x what reads it later, with values of the same size made in
# between. All numbers are whole, so that every result is exact.
import itertools
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from graph import Graph  # noqa: E402

SHAPE = (1, 6, 4, 5)
x = (np.arange(np.prod(SHAPE)) % 23 - 11).astype(np.float32).reshape(SHAPE)
kernel = (np.arange(36).reshape(6, 6, 1, 1) % 5 - 2).astype(np.float32)


def sizes(*numbers):
    return [np.int64(numbers)]


# Values of SHAPE, each made with another number k, so that no two are the same.
def of_input(g, k):
    return g.name_of(x), x


def of_constant(g, k):
    return g.name_of([x * k]), x * k


def of_one_number(g, k):
    return g.add("Expand", [np.float32(k)], sizes(*SHAPE)), np.full(SHAPE, k, np.float32)


def of_pointwise(g, k):
    return g.add("Relu", g.add("Add", x, [np.float32(k)])), np.maximum(x + k, 0)


def of_convolution(g, k):
    sums = np.einsum("nchw,oc->nohw", x, kernel[:, :, 0, 0])
    return g.add("Conv", x, [kernel * k]), sums * k


def of_reduction(g, k):
    wide = np.stack([x, x * k])
    return g.add("ReduceMax", g.add("Concat", *(g.add("Unsqueeze", v, sizes(0)) for v in (x, g.add("Mul", x, [np.float32(k)]))), axis=0),
                 sizes(0), keepdims=0), wide.max(0)  # fmt: skip


def of_piece(g, k):
    both = g.add("Concat", g.add("Add", x, [np.float32(k)]), x, axis=1)
    return g.add("Split", both, sizes(6, 6), outputs=2, axis=1)[k % 2], x if k % 2 else x + k


def of_concat(g, k):
    halves = g.add("Split", g.add("Sub", [np.float32(k)], x), sizes(2, 4), outputs=2, axis=1)
    return g.add("Concat", *halves[::-1], axis=1), np.concatenate([k - x[:, 2:], k - x[:, :2]], 1)


ORIGINS = (of_input, of_constant, of_one_number, of_pointwise, of_convolution, of_reduction, of_piece, of_concat)

VIEWS = {
    "none": lambda g, v, a: (v, a),
    "reshape": lambda g, v, a: (g.add("Reshape", v, sizes(4, 30)), a.reshape(4, 30)),
    "flatten": lambda g, v, a: (g.add("Flatten", v, axis=2), a.reshape(6, 20)),
    "squeeze": lambda g, v, a: (g.add("Squeeze", v, sizes(0)), a[0]),
    "there and back": lambda g, v, a: (g.add("Reshape", g.add("Reshape", v, sizes(120)), sizes(*SHAPE)), a),
    "of a transpose": lambda g, v, a: (g.add("Reshape", g.add("Transpose", v, perm=[0, 2, 3, 1]), sizes(20, 6)), a[0].reshape(6, 20).T),
    "of a slice": lambda g, v, a: (g.add("Reshape", g.add("Slice", v, sizes(1), sizes(5), sizes(1)), sizes(8, 10)), a[:, 1:5].reshape(8, 10)),
}
OUTPUTS = ("neither", "value", "view", "both", "all twice")


def nobody(g, v, a, w, b):
    pass


def reads_value(g, v, a, w, b):
    g.output(g.add("Neg", v), -a)


def reads_view(g, v, a, w, b):
    g.output(g.add("Abs", w), np.abs(b))


def joins_them(g, v, a, w, b):
    g.output(g.add("Concat", *(g.add("Reshape", u, sizes(-1)) for u in (w, v, w)), axis=0), np.concatenate([u.ravel() for u in (b, a, b)]))


def sums_them(g, v, a, w, b):
    rows = g.add("ReduceSum", g.add("Reshape", v, sizes(6, 20)), sizes(1))
    g.output(g.add("Add", g.add("ReduceSum", w, keepdims=0), rows), b.sum() + a.reshape(6, 20).sum(1, keepdims=True))


LATER = (nobody, reads_value, reads_view, joins_them, sums_them)

combinations = compared = 0
for origin in ORIGINS:
    g = Graph()
    for k, (view, outputs, later) in enumerate(itertools.product(VIEWS, OUTPUTS, LATER), 2):
        if outputs == "neither" and later is nobody:
            continue
        combinations += 1
        value, a = origin(g, k)
        viewed, b = VIEWS[view](g, value, a)
        if outputs in ("value", "both", "all twice"):
            g.output(value if value not in g.inputs else g.add("Identity", value), a)
        if outputs in ("view", "both", "all twice"):
            g.output(viewed if viewed not in g.inputs else g.add("Identity", viewed), b)
        if outputs == "all twice":
            g.output(g.add("Identity", value), a)
            g.output(g.add("Identity", viewed), b)
        between = g.add("MaxPool", g.add("Mul", x, [np.float32(k)]), kernel_shape=[1, 1])  # of the same size, while the others live
        g.output(g.add("ReduceMin", between), (x * k).min(keepdims=True))
        later(g, value, a, viewed, b)
    compared += g.check(f"{sys.argv[1]}.{origin.__name__}", 0, targets=("host",))
print(combinations, "combinations,", compared, "outputs")
