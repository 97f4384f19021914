# RUN: %python %s %t
# What passes look for, and what only looks like it: norms and activations written out, with every part replaced by another one;
# batch norms and products after every kind of convolution; padding before every kind of window; clips of clips; blocked channels
# that do not fill their blocks, through functions that are not 0 at 0. Expected values are computed in double precision.
import itertools
import math
import pathlib
import sys

import numpy as np

from tools import adze

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from graph import Graph, conv  # noqa: E402

random = np.random.default_rng(9)
erf = np.vectorize(math.erf)


def data(*shape):
    return random.standard_normal(shape).astype(np.float32)


def number(value):
    return [np.float32(value)]


def sizes(*numbers):
    return [np.int64(numbers)]


def wide(values):
    return np.asarray(values, np.float64)


def layer_norms(g):
    x = data(3, 5, 8) + 2
    shapes = itertools.cycle((None, (8,), (1,), (), (5, 1), (5, 8), (3, 1, 8), (2, 1, 1, 8)))
    axes = ((2,), (1,), (1, 2))
    for mean_axes, var_axes, power, beside, swapped, divided in itertools.product(axes, axes, *[(True, False)] * 4):
        mean = g.add("ReduceMean", x, sizes(*mean_axes))
        centred = g.add("Sub", mean, x) if swapped else g.add("Sub", x, mean)
        d = (wide(x) - wide(x).mean(mean_axes, keepdims=True)) * (-1 if swapped else 1)
        square = g.add("Pow", centred, number(2)) if power else g.add("Mul", centred, centred)
        variance, v = g.add("ReduceMean", square, sizes(*var_axes)), (d * d).mean(var_axes, keepdims=True)
        if beside:  # epsilon is added to the root
            root, s = g.add("Add", g.add("Sqrt", variance), number(0.1)), np.sqrt(v) + np.float32(0.1)
        else:
            root, s = g.add("Sqrt", g.add("Add", variance, number(0.1))), np.sqrt(v + np.float32(0.1))
        y, want = g.add("Div", centred, root) if divided else g.add("Mul", centred, g.add("Reciprocal", root)), d / s
        for op, f in (("Mul", np.multiply), ("Add", np.add)):
            shape = next(shapes)
            if shape is not None:
                other = np.asarray(random.standard_normal(shape), np.float32)
                y, want = g.add(op, y, [other]), f(want, other)
        g.output(y, want)


def activations(g):
    x, other = data(4, 19), data(4, 19)
    for same, root, one, half, order in itertools.product((True, False), (2**0.5, 1.4), (1, 2), (0.5, 0.7), range(4)):
        v = x if same else other
        inner = g.add("Add", g.add("Erf", g.add("Div", x, number(root))), number(one))
        factors = [v, inner, number(half)]
        a, b, c = factors[order % 3 :] + factors[: order % 3]
        y = g.add("Mul", g.add("Mul", a, b), c) if order < 3 else g.add("Mul", a, g.add("Mul", c, b))
        g.output(y, wide(v) * np.float32(half) * (erf(wide(x) / wide(np.float32(root))) + one))
    for same, cubic, scale, power, half in itertools.product((True, False), (0.044715, 0.05), (math.sqrt(2 / math.pi), 0.8), (3, 2), (0.5, 0.7)):
        v = x if same else other
        inner = g.add("Add", x, g.add("Mul", g.add("Pow", x, number(power)), number(cubic)))
        y = g.add("Add", g.add("Tanh", g.add("Mul", inner, number(scale))), number(1))
        want = np.tanh((x + wide(x) ** power * np.float32(cubic)) * wide(np.float32(scale))) + 1
        g.output(g.add("Mul", g.add("Mul", v, y), number(half)), v * want * np.float32(half))
    for same, factor in itertools.product((True, False), (1, 1.702, -1)):
        v = x if same else other
        y = g.add("Sigmoid", x if factor == 1 else g.add("Mul", x, number(factor)))
        g.output(g.add("Mul", v, y), v / (1 + np.exp(wide(x) * -wide(np.float32(factor)))))
    for lowest, highest, low, divisor in itertools.product((0, -1), (6, 5), (3, 2), (6, 5)):
        y = g.add("Clip", g.add("Add", x, number(low)), number(lowest), number(highest))
        g.output(g.add("Div", g.add("Mul", x, y), number(divisor)), x * np.clip(wide(x) + low, lowest, highest) / divisor)


def batch_norms(g):
    """Each producer is folded into, shared, or an output, too; what follows has a number for each channel, or looks like it."""
    x = data(2, 6, 6, 6)
    full, group, depth = data(6, 6, 3, 3), data(6, 3, 3, 3), data(6, 1, 3, 3)
    turned = full.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    producers = {
        "conv": (lambda: g.add("Conv", x, [full], pads=[1] * 4), conv(x, full, pad=1)),
        "grouped": (lambda: g.add("Conv", x, [group], group=2, pads=[1] * 4), conv(x, group, 2, pad=1)),
        "depthwise": (lambda: g.add("Conv", x, [depth], group=6, pads=[1] * 4), conv(x, depth, 6, pad=1)),
        "transposed": (lambda: g.add("ConvTranspose", x, [full], pads=[1] * 4), conv(x, turned, pad=1)),
        "weights of an input": (lambda: g.add("Conv", x, full, pads=[1] * 4), conv(x, full, pad=1)),
        "none": (lambda: g.add("Identity", x), wide(x)),
        "matmul": (lambda: g.add("MatMul", x, [full[0, :, :, 0].repeat(2, 1)]), wide(x) @ full[0, :, :, 0].repeat(2, 1)),
    }

    def batch_norm(value, a):
        s, b, m = data(6), data(6), data(6)
        v = np.abs(data(6)) + np.float32(0.1)
        by = [wide(p).reshape(-1, 1, 1) for p in (s, b, m, v)]
        y = g.add("BatchNormalization", value, [s], [b], [m], [v])
        return y, (a - by[2]) / np.sqrt(by[3] + 1e-5) * by[0] + by[1]

    def by_numbers(op, f, shape, left):
        def apply(value, a):
            other = np.asarray(random.random(shape) + 0.5, np.float32)
            return g.add(op, [other], value) if left else g.add(op, value, [other]), f(other, a) if left else f(a, other)

        return apply

    follows = [batch_norm] + [
        by_numbers(op, f, shape, left)
        for shape in ((6, 1, 1), (1, 6, 1, 1), (1, 1, 1), (), (6,), (6, 1), (1, 6, 6), (2, 1, 1, 1))
        for op, f, left in (("Mul", np.multiply, 0), ("Add", np.add, 1), ("Sub", np.subtract, 0), ("Sub", np.subtract, 1), ("Div", np.divide, 0))
    ]
    for (make, a), use in itertools.product(producers.values(), ("alone", "shared", "output", "twice", "before")):
        for i, follow in enumerate(follows if use == "alone" else follows[:9:2]):
            value = make()
            y, want = follow(value, a)
            g.output(y, want)
            if use == "shared":
                g.output(*follows[(i + 3) % len(follows)](value, a))
            elif use == "output":
                g.output(value, a)
            elif use == "twice":
                g.output(*batch_norm(*batch_norm(y, want)))
            elif use == "before":  # padding is not what the norm makes of 0
                g.output(g.add("Conv", y, [full], pads=[1] * 4), conv(want, full, pad=1))


def padded_windows(g):
    x, w = data(1, 4, 6, 7), data(5, 4, 3, 3)
    ends = ([0, 0, 1, 2, 0, 0, 3, 1], [0, 0, 0, 1, 0, 0, 1, 0], [0, 0, -1, 2, 0, 0, 1, -2], [0, 0, -1, -1, 0, 0, -1, -1], [1, 0, 1, 0, 0, 0, 0, 1])
    for pads, value, own in itertools.product(ends, (0.0, 1.5, -np.inf), (0, 1)):
        grown = [(max(lo, 0), max(hi, 0)) for lo, hi in zip(pads[:4], pads[4:])]
        cut = tuple(slice(max(-lo, 0), hi if hi < 0 else None) for lo, hi in zip(pads[:4], pads[4:]))
        a = np.pad(wide(x), grown, constant_values=value)[cut]
        attributes = {"kernel_shape": [3, 3], "pads": [own] * 4}

        def windows(fill):
            around = np.pad(a, [(0, 0), (0, 0), (own, own), (own, own)], constant_values=fill)
            return np.lib.stride_tricks.sliding_window_view(around, (3, 3), (2, 3))

        def padded():
            return g.add("Pad", x, sizes(*pads), number(value))

        g.output(padded(), a)
        g.output(g.add("MaxPool", padded(), **attributes), windows(-np.inf).max((4, 5)))
        if np.isfinite(value):
            g.output(g.add("Conv", padded(), [w], pads=[own] * 4), conv(a, w, pad=own))
            g.output(g.add("AveragePool", padded(), count_include_pad=1, **attributes), windows(0).mean((4, 5)))
            g.output(g.add("AveragePool", padded(), count_include_pad=0, **attributes), np.nanmean(windows(np.nan), (4, 5)))


def clips(g):
    x, w = data(2, 5, 4, 3) * 4, data(5, 5, 1, 1)
    sums = conv(x, w)
    bounds = ((None, 2), (-1, None), (-2, 1), (3, 1), (None, None))
    for first, second, after in itertools.product(bounds, bounds, ("input", "conv")):
        value, a = (g.name_of(x), wide(x)) if after == "input" else (g.add("Conv", x, [w]), sums)
        for lowest, highest in (first, second):
            value = g.add("Clip", value, *(None if bound is None else number(bound) for bound in (lowest, highest)))
            a = np.minimum(np.maximum(a, -np.inf if lowest is None else lowest), np.inf if highest is None else highest)
        g.output(value, a)
        g.output(g.add("Relu", value), np.maximum(a, 0))


def unfilled_blocks(g):
    for channels in (3, 17, 19):
        x, w, b = data(1, 8, 5, 6), data(channels, 8, 3, 3) / 16, np.abs(data(channels)) + np.float32(6)
        last, depth = data(20, channels, 3, 3), data(channels, 1, 3, 3)
        sums = conv(x, w, pad=1) + b.reshape(-1, 1, 1)
        functions = {
            "Reciprocal": lambda v: (g.add("Reciprocal", v), 1 / sums),
            "Log": lambda v: (g.add("Log", v), np.log(sums)),
            "Exp": lambda v: (g.add("Exp", g.add("Neg", v)), np.exp(-sums)),
            "quotient": lambda v: (g.add("Div", g.add("Sqrt", v), v), 1 / np.sqrt(sums)),
            "Pow": lambda v: (g.add("Pow", v, number(-2)), sums**-2.0),
            "sum": lambda v: (g.add("Add", v, number(1e4)), sums + 1e4),
        }
        for f in functions.values():
            y, want = f(g.add("Conv", x, [w], [b], pads=[1] * 4))
            g.output(g.add("Conv", y, [last], pads=[1] * 4), conv(want, last, pad=1))
            g.output(g.add("Conv", y, [depth], group=channels), conv(want, depth, channels))
            for op, reduce in (("ReduceSum", np.sum), ("ReduceMax", np.max), ("ReduceMin", np.min), ("ReduceMean", np.mean)):
                for axes in ((1,), (2, 3), (1, 2, 3)):
                    g.output(g.add(op, y, sizes(*axes)), reduce(want, axes, keepdims=True))


compared = kinds = 0
families = (layer_norms, activations, batch_norms, padded_windows, clips, unfilled_blocks)
for family, level in zip(families, itertools.cycle(adze.levels())):
    g = Graph()
    family(g)
    kinds += len(g.want)
    compared += g.check(f"{sys.argv[1]}.{family.__name__}", 6e-6, targets=(level,))
    print(family.__name__, len(g.want))
print(kinds, "combinations,", compared, "outputs")
