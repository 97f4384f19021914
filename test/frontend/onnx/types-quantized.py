# RUN: %python %s %t
# Quantized ops in every version of opsets 10 to 22 and with every element type that ONNX allows: halves to even, saturation,
# one scale, scales by axis and by block, as constants and as inputs.

import numpy as np

from tools import onnx_types as t

F32 = np.dtype(np.float32)
table = t.Table()
case = table.case


def quantized(x, scale, zero, kind):
    """Of numbers that are exact: x / scale rounded, plus the zero point, saturated."""
    limits = np.iinfo(kind)
    x, scale, zero = (np.asarray(v).astype(np.longdouble) for v in (x, scale, zero))
    steps = np.rint(x / scale) + zero
    return np.clip(steps, limits.min, limits.max).astype(np.int64).astype(kind)


def given_or_input(c, inputs, want, **attributes):
    """Scales and zero points as constants, then as inputs."""
    c.node([inputs[0], *([v] if v is not None else None for v in inputs[1:])], want, **attributes)
    c.node(inputs, want, **attributes)


@case("QuantizeLinear")
def quantize(c):
    kind, to = c.types["T1"], c.types["T2"]
    scale_kind = F32 if c.version < 19 else kind
    if t.is_float(kind):
        x = t.rounded([0, 0.25, 0.5, 0.75, 1.25, -0.25, -0.75, -1.25, 3, -3, 100, -100, 1e4, -1e4, 4e4, -4e4, np.inf, -np.inf], kind)
    else:
        x = t.in_type([0, 1, 2, 3, 5, -1, -3, -5, 301, -301, 70000, -70000, 2**31 - 1, -(2**31)], kind)
    half = scale_kind.type(0.5 if t.is_float(scale_kind) else 2)
    for zero in (to.type(3), to.type(np.iinfo(to).max)):
        given_or_input(c, [x, half, zero], quantized(x, half, np.asarray(zero), to))
    if to == np.uint8:
        given_or_input(c, [x, half, None], quantized(x, half, np.uint8(0), to))
    if c.version >= 13:
        rows = np.stack([x, x[::-1], np.roll(x, 3)])
        scales, zeros = t.in_type([1, 2, 4], scale_kind), to.type([0, 5, 100])
        want = quantized(rows, scales[:, None], zeros[:, None], to)
        given_or_input(c, [rows, scales, zeros], want, axis=0)
        given_or_input(c, [np.ascontiguousarray(rows.T), scales, zeros], want.T)
    if c.version >= 21:
        rows = np.stack([x[:10], x[9::-1]])
        scales, zeros = t.in_type([[1, 2, 4, 8], [2, 1, 8, 4]], scale_kind), to.type([[0, 1, 2, 3], [9, 8, 7, 6]])
        spread = [np.repeat(v, 3, 1)[:, :10] for v in (scales, zeros)]
        want = quantized(rows, spread[0], spread[1], to)
        given_or_input(c, [rows, scales, zeros], want, axis=1, block_size=3)
        given_or_input(c, [x, half, None], quantized(x, half, np.asarray(to.type(0)), to), output_dtype=t.TENSOR[to])


def dequantize_nibbles(c, kind, to):
    """Integers of 4 bits, which constants alone have: one scale, scales by axis and by block."""
    x = np.arange(15).reshape(3, 5).astype(np.int64) - (0 if kind.name == "uint4" else 8)

    def add(scale, zero, spread, **attributes):
        scale, zero = t.rounded(scale, to), np.asarray(zero)
        want = t.rounded((x - spread(zero)).astype(np.longdouble) * t.exact(spread(scale)), to)
        for form in (scale, [scale]):
            c.node([[x.astype(kind)], form, [zero.astype(kind)]], want, any_zero=True, **attributes)

    add(0.25, 3, lambda v: v)
    add([0.5, 2, 4], [3, 0, 7], lambda v: v[:, None], axis=0)
    add([[0.5, 2], [1, 4], [8, 2]], [[1, 2], [3, 4], [5, 6]], lambda v: np.repeat(v, 3, 1)[:, :5], axis=1, block_size=3)
    c.node([[x.astype(kind)], t.rounded(0.25, to)], t.rounded(x / 4, to), any_zero=True)


@case("DequantizeLinear")
def dequantize(c):
    kind, to = c.types.get("T1", c.T), c.types.get("T2", F32)
    if kind in t.NIBBLES.values():
        dequantize_nibbles(c, kind, to)
        return
    limits = np.iinfo(kind)
    x = t.in_type([0, 1, 2, 3, 100, limits.max, limits.max - 1, limits.min, limits.min + 1, limits.max // 2], kind)
    scale = t.rounded(0.25, to)[()]
    tolerance = {"ulps": 1, "any_zero": True}  # i32 beyond 2^24 is rounded before it is multiplied

    def real(x, scale, zero):
        x, scale, zero = (np.asarray(v).astype(np.longdouble) for v in (x, scale, zero))
        return t.rounded((x - zero) * scale, to)

    zeros = [kind.type(0)] if kind == np.int32 else [kind.type(3), limits.max]
    for zero in map(kind.type, zeros):
        given_or_input(c, [x, scale, zero], real(x, scale, zero), **tolerance)
        c.node([[x], [scale], [zero]], real(x, scale, zero), **tolerance)
    given_or_input(c, [x, scale, None], real(x, scale, kind.type(0)), **tolerance)
    if kind in (np.uint16, np.int16):
        tiny = t.rounded(2.0**-12, to)[()]  # 65535 is too large for f16, its product is not
        given_or_input(c, [x, tiny, kind.type(0)], real(x, tiny, kind.type(0)), **tolerance)
    if c.version >= 13:
        rows = np.stack([x, x[::-1], np.roll(x, 3)])
        scales, zeros = t.rounded([0.5, 2, 4], to), kind.type([0, 0, 0] if kind == np.int32 else [0, 5, 100])
        want = real(rows, scales[:, None], zeros[:, None])
        given_or_input(c, [rows, scales, zeros], want, axis=0, **tolerance)
        given_or_input(c, [np.ascontiguousarray(rows.T), scales, zeros], want.T, **tolerance)
        c.node([[rows], [scales], [zeros]], want, axis=0, **tolerance)
    if c.version >= 21:
        rows = np.stack([x, x[::-1]])
        scales, zeros = t.rounded([[0.5, 2, 4, 8], [1, 2, 0.25, 4]], to), kind.type(np.zeros((2, 4)) if kind == np.int32 else [[0, 1, 2, 3], [9, 8, 7, 6]])
        want = real(rows, np.repeat(scales, 3, 1)[:, :10], np.repeat(zeros, 3, 1)[:, :10])
        given_or_input(c, [rows, scales, zeros], want, axis=1, block_size=3, **tolerance)
        c.node([[rows], [scales], [zeros]], want, axis=1, block_size=3, **tolerance)
        turned = np.ascontiguousarray(rows.T), np.ascontiguousarray(scales.T), np.ascontiguousarray(zeros.T)
        c.node([[v] for v in turned], want.T, axis=0, block_size=3, **tolerance)


@case("DynamicQuantizeLinear")
def dynamic(c):
    for x in (np.float32([0, 2, -3, -2.5, 1.34, 0.5]), np.float32([1, 2, 3]), np.float32([-1, -2, -4])):
        low, high = np.float32(min(x.min(), 0)), np.float32(max(x.max(), 0))
        scale = np.float32(high - low) / np.float32(255)
        zero = np.uint8(np.clip(np.rint((0 - low) / scale), 0, 255))
        want = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
        c.node([x], [want, scale, zero])


def bytes_of(kind, *shape, step=7):
    return t.wrapped((np.arange(np.prod(shape)) * step).reshape(shape), kind)


@case("MatMulInteger")
def matmul_integer(c):
    a, b = bytes_of(c.types["T1"], 3, 9, step=37), bytes_of(c.types["T2"], 9, 5, step=53)
    x, w = a.astype(np.int64), b.astype(np.int64)
    c.node([a, b], (x @ w).astype(np.int32))
    zeros = a.dtype.type(100), b.dtype.type(17)
    given_or_input(c, [a, b, *zeros], ((x - 100) @ (w - 17)).astype(np.int32))
    rows, columns = a.dtype.type([1, 2, 3]), b.dtype.type([5, 4, 3, 2, 1])
    c.node([a, [b], [rows], [columns]], ((x - rows[:, None].astype(np.int64)) @ (w - columns.astype(np.int64))).astype(np.int32))


def convolved(x, w):
    """Two dimensions, no padding."""
    sizes = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    y = np.zeros((x.shape[0], w.shape[0], *sizes), np.int64)
    for n, o, i, j in np.ndindex(*y.shape):
        y[n, o, i, j] = (x[n, :, i : i + w.shape[2], j : j + w.shape[3]] * w[o]).sum()
    return y


@case("ConvInteger")
def convolution_integer(c):
    x, w = bytes_of(c.types["T1"], 1, 3, 5, 6, step=37), bytes_of(c.types["T2"], 4, 3, 2, 3, step=53)
    wide = x.astype(np.int64), w.astype(np.int64)
    c.node([x, w], convolved(*wide).astype(np.int32))
    c.node([x, [w], [x.dtype.type(100)], [w.dtype.type(17)]], convolved(wide[0] - 100, wide[1] - 17).astype(np.int32))


def requantized(sums, scale, zero):
    limits = np.iinfo(zero.dtype)
    return np.clip(np.rint(sums * scale) + zero.astype(np.float64), limits.min, limits.max).astype(zero.dtype)


@case("QLinearMatMul")
def qlinear_matmul(c):
    a, b = bytes_of(c.types["T1"], 3, 9, step=37), bytes_of(c.types["T2"], 9, 5, step=53)
    kind, scale = c.types.get("TS", F32), 2.0**-7
    zero = c.types["T3"].type(5)
    sums = (a.astype(np.int64) - 100) @ (b.astype(np.int64) - 17)
    scales = [t.rounded(v, kind)[()] for v in (0.5, 0.25, 0.125 / scale)]
    want = requantized(sums, scale, np.asarray(zero))
    operands = [a, scales[0], a.dtype.type(100), b, scales[1], b.dtype.type(17), scales[2], zero]
    c.node(operands, want)
    c.node([v if i in (0, 3) else [v] for i, v in enumerate(operands)], want)
    c.node([v if i == 0 else [v] for i, v in enumerate(operands)], want)
    columns = [t.rounded([0.25, 0.5, 1, 2, 4], kind), b.dtype.type([17, 16, 15, 14, 13])]
    sums = (a.astype(np.int64) - 100) @ (b.astype(np.int64) - columns[1].astype(np.int64))
    want = requantized(sums, scale / 0.25 * columns[0].astype(np.float64), np.asarray(zero))
    operands[4:6] = columns
    c.node([v if i == 0 else [v] for i, v in enumerate(operands)], want)


@case("QLinearConv")
def qlinear_convolution(c):
    x, w = bytes_of(c.types["T1"], 1, 3, 5, 6, step=37), bytes_of(c.types["T2"], 4, 3, 2, 3, step=53)
    zero, bias = c.types["T3"].type(5), np.int32([100, -200, 300, 0])
    sums = convolved(x.astype(np.int64) - 100, w.astype(np.int64) - 17) + bias.reshape(1, 4, 1, 1)
    want = requantized(sums, 2.0**-9, np.asarray(zero))
    operands = [x, np.float32(0.5), x.dtype.type(100), w, np.float32(0.25), w.dtype.type(17), np.float32(64), zero, bias]
    for inputs in ((0,), (0, 3), range(8)):
        c.node([v if i in inputs else [v] for i, v in enumerate(operands)], want)


if __name__ == "__main__":
    t.main(table)
