# RUN: %python %s %t
# A convolution or product and the pointwise op after it become one kernel. Every kind of contraction x shape of the other operand
# (constant or input, on either side) x op; and the other operand may be the contraction's own input, its own result, another
# contraction or wider than the result, and the sum may be read again. Expected values are computed in double precision.
import itertools
import pathlib
import sys

import numpy as np

from tools import adze

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from graph import Graph, conv  # noqa: E402

random = np.random.default_rng(8)


def data(*shape):
    return random.standard_normal(shape).astype(np.float32)


# Each has a result of the same shape as its operand, so that that can be added, too. Extents are equal, so that a row, a column, a
# channel and a batch differ by their place alone.
SIZE = 6
image, batch, rows = data(1, SIZE, SIZE, SIZE), data(SIZE, SIZE, SIZE, SIZE), data(SIZE, SIZE, SIZE)
line, wide = data(SIZE, SIZE, SIZE), data(2, 32, 5, 5)
full, point, depth, group = data(SIZE, SIZE, 3, 3), data(SIZE, SIZE, 1, 1), data(SIZE, 1, 3, 3), data(SIZE, 3, 3, 3)
taps, matrix, many, blocks = data(SIZE, SIZE, 3), data(SIZE, SIZE), data(32, 32, 3, 3), data(32, 16, 3, 3)
turned = full.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
same = {"pads": [1] * 4}
CONTRACTIONS = {  # operand, node, and what it computes
    "conv": (image, lambda g, x: g.add("Conv", x, [full], **same), lambda x: conv(x, full, pad=1)),
    "conv of a batch": (batch, lambda g, x: g.add("Conv", x, [full], **same), lambda x: conv(x, full, pad=1)),
    "conv 1x1": (image, lambda g, x: g.add("Conv", x, [point]), lambda x: conv(x, point)),
    "depthwise": (image, lambda g, x: g.add("Conv", x, [depth], group=SIZE, **same), lambda x: conv(x, depth, SIZE, pad=1)),
    "grouped": (image, lambda g, x: g.add("Conv", x, [group], group=2, **same), lambda x: conv(x, group, 2, pad=1)),
    "wide": (wide, lambda g, x: g.add("Conv", x, [many], **same), lambda x: conv(x, many, pad=1)),
    "wide groups": (wide, lambda g, x: g.add("Conv", x, [blocks], group=2, **same), lambda x: conv(x, blocks, 2, pad=1)),
    "conv of inputs": (image, lambda g, x: g.add("Conv", x, full, **same), lambda x: conv(x, full, pad=1)),
    "conv of a line": (line, lambda g, x: g.add("Conv", x, [taps], pads=[1, 1]), lambda x: conv(x, taps, pad=1)),
    "transposed": (image, lambda g, x: g.add("ConvTranspose", x, [full], **same), lambda x: conv(x, turned, pad=1)),
    "matmul": (rows, lambda g, x: g.add("MatMul", x, [matrix]), lambda x: x.astype(np.float64) @ matrix),
    "matmul of inputs": (rows, lambda g, x: g.add("MatMul", x, matrix), lambda x: x.astype(np.float64) @ matrix),
    "gemm": (matrix, lambda g, x: g.add("Gemm", x, [rows[0]], transB=1), lambda x: x.astype(np.float64) @ rows[0].T),
}
OPS = ("Add", "Sub", "Mul", "Max", "Pow", "PRelu")


def shapes(shape):
    """Every shape that broadcasts to `shape`: any dimension may be 1, leading ones may be missing, and one may be added."""
    for kept in itertools.product((0, 1), repeat=len(shape)):
        other = tuple(extent if keep else 1 for extent, keep in zip(shape, kept))
        first = next((i for i, keep in enumerate(kept) if keep), len(shape))
        yield from dict.fromkeys((other, other[first:]))
    yield (2, *shape)


def meet(op, a, b):
    """What op gives, and the first operand of it: a power of what is not negative, a slope for what is."""
    if op == "Pow":
        return np.abs(a) ** b
    if op == "PRelu":
        return np.where(a < 0, a * b, a)
    return {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Max": np.maximum}[op](a, b)


def operands(g, x, node, sums):
    """Every shape of the other operand, on both sides, constants and ops in turn."""
    turn = itertools.cycle(OPS)
    for number, (shape, left) in enumerate(itertools.product(shapes(sums.shape), (True, False))):
        other, op, constant = np.asarray(random.random(shape) + 0.5, np.float32), next(turn), number // 2 % 2
        if op in ("Pow", "PRelu") and (left or len(shape) > sums.ndim):
            op = "Sub"
        first, second = node(g, x), [other] if constant else other
        if op == "Pow" and not left:
            first = g.add("Abs", first)
        a, b = sums, other
        if left:
            first, second, a, b = second, first, b, a
        g.output(g.add(op, first, second), meet(op, a, b))


def readers(g, x, node, sums, of_abs):
    """The other operand is no stranger, and the sum is read again."""
    value = node(g, x)
    g.output(g.add("Relu", g.add("Add", node(g, x), x)), np.maximum(sums + x, 0))
    g.output(g.add("Mul", value, value), sums * sums)
    g.output(g.add("Add", g.add("Relu", value), g.add("Neg", value)), np.maximum(sums, 0) - sums)
    g.output(value, sums)
    residual = g.add("Relu", g.add("Add", value, x))
    g.output(g.add("Add", g.add("Mul", residual, x), residual), np.maximum(sums + x, 0) * (x + 1.0))
    g.output(residual, np.maximum(sums + x, 0))
    g.output(g.add("ReduceMax", residual), np.maximum(sums + x, 0).max(keepdims=True))
    g.output(g.add("Sub", node(g, g.add("Abs", x)), value), of_abs - sums)


compared = kinds = 0
for (name, (x, node, compute)), level in zip(CONTRACTIONS.items(), itertools.cycle(adze.levels())):
    g = Graph()
    operands(g, x, node, compute(x))
    readers(g, x, node, compute(x), compute(np.abs(x)))
    kinds += len(g.want)
    compared += g.check(f"{sys.argv[1]}.{name.replace(' ', '-')}", 4e-6, targets=(level,))
print(kinds, "combinations,", compared, "outputs")
