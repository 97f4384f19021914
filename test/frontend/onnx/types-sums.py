# RUN: %python %s %t
# Reductions, normalizations, matrix products, windows and recurrent networks in every version of opsets 7 to 22 and with every
# element type that ONNX allows. Sums of small whole numbers have to be exact, integers wrap; narrow floats are summed wide.
import itertools
import math

import numpy as np

from tools import onnx_types as t

table = t.Table()
case = table.case


def near(c, narrow=1, f32=8, f64=16):
    """Units in the last place that a result may differ by."""
    return {2: narrow, 4: f32, 8: f64}[c.T.itemsize]


# -- reductions --
def whole_root(value):
    return math.isqrt(value)


def log_sum_exp(row):
    top = max(row)
    return top + np.log(sum(np.exp(np.array(row, np.longdouble) - np.longdouble(top))))


WHOLE = {
    "ReduceSum": sum,
    "ReduceMean": lambda row: t.truncated(sum(row), len(row)),
    "ReduceMax": max,
    "ReduceMin": min,
    "ReduceProd": math.prod,
    "ReduceSumSquare": lambda row: sum(v * v for v in row),
    "ReduceL1": lambda row: sum(abs(v) for v in row),
    "ReduceL2": lambda row: whole_root(sum(v * v for v in row)),
    "ReduceLogSum": lambda row: int(np.log(np.longdouble(sum(row)))),
    "ReduceLogSumExp": lambda row: int(log_sum_exp(row)),
}
REAL = {
    "ReduceSum": lambda x: x.sum(-1),
    "ReduceMean": lambda x: x.mean(-1),
    "ReduceMax": lambda x: x.max(-1),
    "ReduceMin": lambda x: x.min(-1),
    "ReduceProd": lambda x: x.prod(-1),
    "ReduceSumSquare": lambda x: (x * x).sum(-1),
    "ReduceL1": lambda x: abs(x).sum(-1),
    "ReduceL2": lambda x: np.sqrt((x * x).sum(-1)),
    "ReduceLogSum": lambda x: np.log(x.sum(-1)),
    "ReduceLogSumExp": lambda x: np.where(np.isinf(x.max(-1)), x.max(-1), x.max(-1) + np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1))),
}  # fmt: skip


def rows_of(c):
    """Rows to be reduced: edges where order and rounding mean nothing, else what is exact, or nearly so."""
    if c.T == np.bool_:
        return [np.array([[False, False, False], [True, False, True], [True, True, True]])]
    if c.op in ("ReduceMax", "ReduceMin"):
        return [t.cells(c.T, 7, 5)]
    if not t.is_float(c.T):
        if c.op in ("ReduceLogSum", "ReduceLogSumExp", "ReduceL2"):
            return [t.in_type([[1, 2, 3, 4], [10, 20, 30, 40], [5, 7, 11, 100]], c.T)]
        return [t.cells(c.T, 4, 7), t.small(c.T, 3, 5)]
    rows = [t.small(c.T, 3, 5, start=1)]
    top = t.exact(t.edges(c.T))[12]
    if c.op in ("ReduceSum", "ReduceL1"):  # a narrow sum would stay at its first number
        precision = min(t.FORMATS[c.T][0], 12)
        rows.append(t.rounded([[2.0**precision, *[1] * 63]], c.T))
        rows.append(t.rounded([[np.inf, 1], [np.nan, 1], [-np.inf, 2]], c.T))
    if c.op == "ReduceL2" and c.T.itemsize == 2:
        rows.append(t.rounded([[3 * 2.0**12, 4 * 2.0**12]], c.T))  # squares overflow f16
    if c.op == "ReduceLogSumExp":
        rows.append(t.rounded([[top, top / 2], [-top, -top], [np.inf, 1], [-np.inf, -np.inf], [np.nan, 1]], c.T))
    return rows


@case(*WHOLE)
def reduction(c):
    axes_are_inputs = c.version >= (13 if c.op == "ReduceSum" else 18)
    exact_ops = ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare", "ReduceL1")
    ulps = 0 if c.op in exact_ops or not t.is_float(c.T) else near(c, f32=2, f64=4)

    def reduced(x):
        if t.is_float(c.T):
            return t.rounded(REAL[c.op](t.exact(x)), c.T)
        return t.in_type([WHOLE[c.op]([int(v) for v in row]) for row in x], c.T)

    def add(x, want, axes, **attributes):
        given = {} if axes_are_inputs or axes is None else {"axes": axes}
        operands = [x, [np.int64(axes)]] if axes_are_inputs and axes is not None else [x]
        c.node(operands, want, ulps=ulps, least=1 if ulps else 0, any_zero=True, **given, **attributes)

    for x in rows_of(c):
        want = reduced(x)
        add(x, want, [1], keepdims=0)
        add(x, want[:, None], [1])
        add(np.ascontiguousarray(x.T), want[None], [0])
        if c.version >= 11:
            add(x, want, [-1], keepdims=0)
        if x.size < 40:
            add(x, reduced(x.reshape(1, -1)).reshape(1, 1), None)
    if c.version >= 18 or (c.op == "ReduceSum" and c.version >= 13):
        if c.op in ("ReduceSum", "ReduceMax"):
            add(x, x, None, noop_with_empty_axes=1)


@case("ArgMax", "ArgMin")
def arg(c):
    rows = t.finite(c.T)
    x = np.stack([rows, rows[::-1], np.full_like(rows, rows[3]), np.roll(rows, 5)])
    x[1, 7] = x[1, 2] = rows.max() if c.op == "ArgMax" else rows.min()
    wide = x.astype(np.float64 if t.is_float(c.T) else c.T)
    best = (wide.max if c.op == "ArgMax" else wide.min)(1, keepdims=True)
    first, last = (wide == best).argmax(1), len(rows) - 1 - (wide == best)[:, ::-1].argmax(1)
    c.node([x], first[:, None], axis=1)
    c.node([np.ascontiguousarray(x.T)], first, keepdims=0)
    if c.version >= 12:
        c.node([x], last[:, None], axis=1, select_last_index=1)


@case("TopK")
def top(c):
    x = np.stack([t.finite(c.T), t.finite(c.T)[::-1], np.roll(t.finite(c.T), 5)])
    x[1, 7] = x[1, 2]  # a tie: the first one is taken
    wide = x.astype(np.float64 if t.is_float(c.T) else c.T)
    for largest in (1, 0) if c.version >= 11 else (1,):
        word = {"largest": largest} if c.version >= 11 else {}
        order = np.stack([sorted(range(len(row)), key=lambda i: (-row[i] if largest else row[i], i))[:4] for row in wide.tolist()])
        want = [np.take_along_axis(x, order, 1), order]
        if c.version < 10:
            c.node([x], want, any_zero=True, k=4)
        else:
            c.node([x, [np.int64([4])]], want, any_zero=True, **word)
            c.node([np.ascontiguousarray(x.T), [np.int64([4])]], [v.T for v in want], any_zero=True, axis=0, **word)


# -- along an axis --
def soft(x, op):
    shifted = x - x.max(-1, keepdims=True)
    if op == "Softmax":
        return np.exp(shifted) / np.exp(shifted).sum(-1, keepdims=True)
    if op == "LogSoftmax":
        return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return np.eye(x.shape[-1])[x.argmax(-1)]


@case("Softmax", "LogSoftmax", "Hardmax")
def softmax(c):
    x = t.small(c.T, 2, 3, 5, step=3)
    x[0, 0, 1] = x[0, 0, 2] = 6  # a tie
    x[0, 1] = x[0, 1] * 8
    least = {"Softmax": 0, "LogSoftmax": 1, "Hardmax": 0}[c.op]
    tolerance = {"ulps": 0 if c.op == "Hardmax" else near(c, f32=4), "least": least, "any_zero": True}
    wide = t.exact(x)
    c.node([x], t.rounded(soft(wide, c.op), c.T), axis=2, **tolerance)
    if c.version < 13:
        c.node([x], t.rounded(soft(wide.reshape(2, 15), c.op).reshape(x.shape), c.T), **tolerance)
    else:
        moved = np.moveaxis(soft(np.moveaxis(wide, 1, -1), c.op), -1, 1)
        c.node([x], t.rounded(moved, c.T), axis=1, **tolerance)


@case("CumSum")
def cumulative(c):
    kind, axis = c.types["T"], [c.types["T2"].type(1)]
    x = t.small(kind, 3, 7)
    rows = [x] if t.is_float(kind) else [x, t.cells(kind, 4, 7)]
    if kind.itemsize == 2:
        rows.append(t.rounded([[2.0 ** t.FORMATS[kind][0], *[1] * 8]], kind))
    for x in rows:
        sums = np.cumsum(t.exact(x), 1)
        before = np.concatenate([sums[:, :1] * 0, sums[:, :-1]], 1)
        back = np.cumsum(t.exact(x)[:, ::-1], 1)[:, ::-1]
        c.node([x, axis], t.in_type(sums, kind), any_zero=True)
        c.node([x, axis], t.in_type(before, kind), any_zero=True, exclusive=1)
        c.node([x, axis], t.in_type(back, kind), any_zero=True, reverse=1)


# -- normalizations --
def standardized(x, axes, epsilon):
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon), mean, 1 / np.sqrt(variance + epsilon)


def channels(values, rank):
    return t.exact(values).reshape(-1, *[1] * (rank - 2))


def bumpy(dtype, *shape):
    """Numbers with a mean and, for f16, squares that are too large for the type."""
    return t.in_type(t.exact(t.small(np.dtype(np.float64), *shape, step=3)) * 100 + 50, dtype)


@case("BatchNormalization")
def batchnorm(c):
    per = c.types.get("T1", c.T)
    kind = c.types.get("T2", c.types.get("U", c.T))
    x = t.small(c.T, 2, 3, 4)
    scale, bias, mean, variance = (t.in_type(v, d) for v, d in (([1, 2, 0.5], per), ([0, -1, 3], per), ([1, 0, -2], kind), ([1, 4, 0.25], kind)))
    want = (t.exact(x) - channels(mean, 3)) / np.sqrt(channels(variance, 3) + np.longdouble(np.float32(1e-5))) * channels(scale, 3) + channels(bias, 3)
    attributes = {"spatial": 1} if c.version < 9 else {}
    for form in (lambda v: v, lambda v: [v]):
        c.node([x, *map(form, (scale, bias, mean, variance))], t.rounded(want, c.T), ulps=near(c), least=1, **attributes)
    if c.version < 9:
        each = [t.small(c.T, 3, 4, start=start) for start in (-3, -2, 0, 1)]
        scale, bias, mean, variance = map(t.exact, each)
        want = (t.exact(x) - mean) / np.sqrt(variance + np.longdouble(np.float32(1e-5))) * scale + bias
        c.node([x, *each], t.rounded(want, c.T), ulps=near(c), least=8, spatial=0)


@case("LayerNormalization")
def layernorm(c):
    stash = c.types["U"]
    x, scale, bias = bumpy(c.T, 3, 4), t.small(c.T, 4), t.small(c.T, 4, step=2)
    y, mean, inverse = standardized(t.exact(x), 1, np.longdouble(np.float32(1e-5)))
    want = t.rounded(y * t.exact(scale) + t.exact(bias), c.T)
    attributes = {"stash_type": t.TENSOR[stash]} if stash != np.float32 else {}
    c.node([x, scale, bias], want, ulps=near(c), least=8, **attributes)
    results = [want, t.rounded(mean, stash), t.rounded(inverse, stash)]
    c.node([x, scale, bias], results, ulps=near(c), least=8, **attributes)


@case("InstanceNormalization")
def instance_norm(c):
    x, scale, bias = bumpy(c.T, 2, 3, 4), t.small(c.T, 3), t.small(c.T, 3, step=2)
    want = standardized(t.exact(x), 2, np.longdouble(np.float32(1e-5)))[0] * channels(scale, 3) + channels(bias, 3)
    c.node([x, scale, bias], t.rounded(want, c.T), ulps=near(c), least=4)


@case("GroupNormalization")
def group_norm(c):
    count = 2 if c.version < 21 else 4
    x, scale, bias = bumpy(c.T, 2, 4, 3), t.small(c.T, count, start=1), t.small(c.T, count, step=2)
    y = standardized(t.exact(x).reshape(2, 2, 6), 2, np.longdouble(np.float32(1e-5)))[0].reshape(2, 4, 3)
    spread = [channels(np.repeat(v, 4 // count), 3) for v in (scale, bias)]
    c.node([x, scale, bias], t.rounded(y * spread[0] + spread[1], c.T), ulps=near(c), least=8, num_groups=2)


@case("MeanVarianceNormalization")
def mean_variance_norm(c):
    x = bumpy(c.T, 2, 3, 2, 4)
    c.node([x], t.rounded(standardized(t.exact(x), (0, 2, 3), 0)[0], c.T), ulps=near(c), least=1)
    c.node([x], t.rounded(standardized(t.exact(x), (1,), 0)[0], c.T), ulps=near(c), least=1, axes=[1])


@case("LpNormalization")
def lp_norm(c):
    x = bumpy(c.T, 3, 4)
    wide = t.exact(x)
    c.node([x], t.rounded(wide / np.sqrt((wide**2).sum(-1, keepdims=True)), c.T), ulps=near(c))
    c.node([x], t.rounded(wide / abs(wide).sum(0, keepdims=True), c.T), ulps=near(c), p=1, axis=0)


@case("LRN")
def lrn(c):
    x = bumpy(c.T, 2, 5, 3)
    wide = t.exact(x)
    squares = np.stack([(wide[:, max(0, i - 1) : i + 2] ** 2).sum(1) for i in range(5)], 1)
    want = wide / (2 + np.longdouble(np.float32(0.01)) / 3 * squares) ** np.longdouble(0.5)
    c.node([x], t.rounded(want, c.T), ulps=near(c), size=3, alpha=0.01, beta=0.5, bias=2.0)


# -- matrix products --
@case("MatMul")
def matmul(c):
    a, b = t.small(c.T, 3, 7), t.small(c.T, 7, 5, step=3)
    c.node([a, b], t.in_type(t.exact(a) @ t.exact(b), c.T), any_zero=True)
    c.node([a, [b]], t.in_type(t.exact(a) @ t.exact(b), c.T), any_zero=True)
    c.node([t.small(c.T, 2, 3, 7), b[:, 0]], t.in_type(t.exact(t.small(c.T, 2, 3, 7)) @ t.exact(b)[:, 0], c.T), any_zero=True)
    if not t.is_float(c.T):
        a, b = t.cells(c.T, 3, 4), t.cells(c.T, 4, 5)
        c.node([a, b], t.in_type(t.exact(a) @ t.exact(b), c.T))


@case("Gemm")
def gemm(c):
    a, b, bias = t.small(c.T, 3, 7), t.small(c.T, 7, 5, step=3), t.small(c.T, 5, step=2)
    product = t.exact(a) @ t.exact(b)
    c.node([a, b, bias], t.in_type(product + t.exact(bias), c.T), any_zero=True)
    c.node([np.ascontiguousarray(a.T), np.ascontiguousarray(b.T), bias], t.in_type(product * 2 + t.exact(bias) * 3, c.T), any_zero=True,
           transA=1, transB=1, alpha=2.0, beta=3.0)  # fmt: skip
    if t.is_float(c.T):
        want = t.rounded(product * np.longdouble(0.3) + t.exact(bias) * np.longdouble(0.7), c.T)
        tolerance = {"ulps": 1 if c.T.itemsize == 2 else 4 if c.T.itemsize == 4 else 2**28, "least": 16}  # attributes are f32
        c.node([a, b, bias], want, alpha=0.3, beta=0.7, **tolerance)
    if c.version >= 11:
        c.node([a, b], t.in_type(product, c.T), any_zero=True)


@case("Einsum")
def einsum(c):
    a, b = t.small(c.T, 3, 4), t.small(c.T, 4, 3, step=3)
    c.node([a, b], t.in_type(t.exact(a) @ t.exact(b), c.T), equation="ij,jk->ik", any_zero=True)
    c.node([a], t.in_type(t.exact(a).sum(0), c.T), equation="ij->j", any_zero=True)
    c.node([t.cells(c.T, 2, 3)], t.cells(c.T, 2, 3).T, equation="ij->ji")
    c.node([a, np.ascontiguousarray(b.T)], t.in_type((t.exact(a) * t.exact(b.T)).sum(1), c.T), equation="ij,ij->i", any_zero=True)


# -- windows --
def windows(x, kernel, stride=1, pad=0, dilation=1, fill=0):
    """Of an operand [n, c, spatial…]: places, and for each the cells of its window [n, c, *kernel]."""
    wide = np.full((*x.shape[:2], *(size + 2 * pad for size in x.shape[2:])), fill, x.dtype)
    wide[(..., *(slice(pad, pad + size) for size in x.shape[2:]))] = x
    sizes = [(size - (k - 1) * dilation - 1) // stride + 1 for size, k in zip(wide.shape[2:], kernel)]
    for at in itertools.product(*map(range, sizes)):
        yield at, wide[(..., *(slice(i * stride, i * stride + (k - 1) * dilation + 1, dilation) for i, k in zip(at, kernel)))]


def gathered(found, channels_out):
    """Results [n, channels] by place, as one array."""
    found = list(found)
    sizes = [max(at[i] for at, _ in found) + 1 for i in range(len(found[0][0]))]
    y = np.zeros((found[0][1].shape[0], channels_out, *sizes), found[0][1].dtype)
    for at, values in found:
        y[(slice(None), slice(None), *at)] = values
    return y


def convolved(x, w, bias=None, groups=1, **window):
    share, made = w.shape[1], w.shape[0] // groups
    found = [
        (at, np.stack([(cells[:, o // made * share : (o // made + 1) * share] * w[o]).reshape(len(x), -1).sum(1) for o in range(len(w))], 1))
        for at, cells in windows(x, w.shape[2:], **window)
    ]
    y = gathered(found, len(w))
    return y if bias is None else y + bias.reshape(-1, *[1] * (x.ndim - 2))


@case("Conv")
def convolution(c):
    for shape, kernel, groups, window in [
        ((1, 2, 9), (3, 2, 3), 1, {"pad": 1}),
        ((2, 4, 5, 6), (6, 2, 3, 3), 2, {"pad": 1, "stride": 2}),
        ((1, 3, 6, 5), (3, 1, 2, 2), 3, {"dilation": 2}),
        ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), 1, {}),
    ]:
        x, w, bias = t.small(c.T, *shape), t.small(c.T, *kernel, step=3), t.small(c.T, kernel[0])
        want = t.rounded(convolved(t.exact(x), t.exact(w), t.exact(bias), groups, **window), c.T)
        count = len(kernel) - 2
        attributes = {"group": groups, "pads": [window.get("pad", 0)] * 2 * count}
        attributes |= {"strides": [window.get("stride", 1)] * count, "dilations": [window.get("dilation", 1)] * count}
        c.node([x, w, bias], want, any_zero=True, **attributes)
        c.node([x, [w], [bias]], want, any_zero=True, **attributes)


@case("ConvTranspose")
def transposed_convolution(c):
    for shape, kernel, groups, stride in [((1, 2, 4), (2, 3, 3), 1, 2), ((1, 4, 3, 4), (4, 2, 3, 2), 2, 2), ((1, 2, 2, 3, 2), (2, 2, 2, 2, 2), 1, 1)]:
        x, w = t.small(c.T, *shape), t.small(c.T, *kernel, step=3)
        wide, weights, made = t.exact(x), t.exact(w), kernel[1]
        y = np.zeros((1, made * groups, *((size - 1) * stride + k for size, k in zip(shape[2:], kernel[2:]))), np.longdouble)
        bias = t.small(c.T, made * groups)
        for i in range(shape[1]):
            group = i // (shape[1] // groups)
            for at in itertools.product(*map(range, shape[2:])):
                place = (0, slice(group * made, (group + 1) * made), *(slice(p * stride, p * stride + k) for p, k in zip(at, kernel[2:])))
                y[place] += wide[(0, i, *at)] * weights[i]
        want = t.rounded(y + channels(bias, len(shape)), c.T)
        attributes = {"group": groups, "strides": [stride] * (len(shape) - 2)}
        c.node([x, w, bias], want, any_zero=True, **attributes)
        c.node([x, [w], [bias]], want, any_zero=True, **attributes)


POOLS = [((1, 2, 9), (3,)), ((2, 3, 5, 6), (2, 3)), ((1, 2, 3, 4, 3), (2, 2, 2))]


@case("MaxPool")
def max_pool(c):
    for shape, kernel in POOLS:
        x = t.cells(c.T, *shape)
        if t.is_float(c.T):
            x = np.where(np.isnan(x.astype(np.float64)), c.T.type(1), x)
        lowest = -np.inf if t.is_float(c.T) else int(np.iinfo(c.T).min)
        for stride in (1, 2):
            found = [(at, cells.reshape(*shape[:2], -1).max(-1)) for at, cells in windows(t.exact(x), kernel, stride, 1, fill=lowest)]
            want = t.in_type(gathered(found, shape[1]), c.T)
            attributes = {"kernel_shape": kernel, "strides": [stride] * len(kernel), "pads": [1] * 2 * len(kernel)}
            c.node([x], want, any_zero=True, **attributes)
    if c.version >= 8:
        x = np.resize(t.small(c.T, 11, step=2), (1, 2, 4, 4))
        number = np.arange(x.size).reshape(x.shape)
        values, places = [], []
        for (at, cells), (_, numbers) in zip(windows(x, (2, 2), 2), windows(number, (2, 2), 2)):
            best = cells.reshape(1, 2, 4).astype(np.float64).argmax(-1)[..., None]
            values.append((at, np.take_along_axis(cells.reshape(1, 2, 4), best, -1)[..., 0]))
            places.append((at, np.take_along_axis(numbers.reshape(1, 2, 4), best, -1)[..., 0]))
        c.node([x], [gathered(values, 2), gathered(places, 2)], kernel_shape=[2, 2], strides=[2, 2])


@case("AveragePool")
def average_pool(c):
    for shape, kernel in POOLS:
        x = t.small(c.T, *shape)
        ones = np.ones(shape, np.longdouble)
        attributes = {"kernel_shape": kernel, "strides": [1] * len(kernel), "pads": [1] * 2 * len(kernel)}
        sums = gathered(((at, cells.reshape(*shape[:2], -1).sum(-1)) for at, cells in windows(t.exact(x), kernel, 1, 1)), shape[1])
        counts = gathered(((at, cells.reshape(*shape[:2], -1).sum(-1)) for at, cells in windows(ones, kernel, 1, 1)), shape[1])
        c.node([x], t.rounded(sums / counts, c.T), ulps=1, any_zero=True, **attributes)
        c.node([x], t.rounded(sums / math.prod(kernel), c.T), ulps=1, any_zero=True, count_include_pad=1, **attributes)


@case("LpPool")
def lp_pool(c):
    for shape, kernel in POOLS:
        x = bumpy(c.T, *shape)
        for p in (1, 2, 3):
            powers = [(at, (abs(cells).reshape(*shape[:2], -1) ** p).sum(-1)) for at, cells in windows(t.exact(x), kernel)]
            want = gathered(powers, shape[1]) ** (np.longdouble(1) / p)
            c.node([x], t.rounded(want, c.T), ulps=near(c), kernel_shape=kernel, p=p)


@case("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(c):
    x = bumpy(c.T, 2, 3, 4, 5)
    flat = t.exact(x).reshape(2, 3, 20, 1, 1)
    if c.op == "GlobalLpPool":
        c.node([x], t.rounded(np.sqrt((flat**2).sum(2)), c.T), ulps=near(c))
        c.node([x], t.rounded((abs(flat) ** 3).sum(2) ** (np.longdouble(1) / 3), c.T), ulps=near(c), p=3)
    else:
        c.node([x], t.rounded(flat.mean(2) if c.op == "GlobalAveragePool" else flat.max(2), c.T), ulps=1)


# -- signals --
WINDOWS = {"HannWindow": (0.5, 0.5, 0), "HammingWindow": (25 / 46, 21 / 46, 0), "BlackmanWindow": (0.42, 0.5, 0.08)}


@case(*WINDOWS)
def window(c):
    size, kind = [c.types["T1"].type(8)], c.types["T2"]
    a, b, d = WINDOWS[c.op]
    for periodic in (1, 0):
        turns = 2 * np.pi * np.arange(8) / (8 if periodic else 7)
        y = a - b * np.cos(turns) + d * np.cos(2 * turns)
        want = t.rounded(y, kind) if t.is_float(kind) else y.astype(kind)
        c.node([size], want, ulps=2, least=1, periodic=periodic, output_datatype=t.TENSOR[kind])


@case("MelWeightMatrix")
def mel(c):
    whole, real, kind = c.types["T1"], c.types["T2"], c.types["T3"]
    edges = 700 * (10 ** (np.arange(10) * np.log10(1 + 4096 / 700) / 10) - 1)
    bins = (17 * edges // 8192).astype(int)
    y = np.zeros((9, 8))
    for band, (left, top, right) in enumerate(zip(bins, bins[1:], bins[2:])):
        for row in range(9):
            y[row, band] = 1 if row == top else (row - left) / (top - left) if left <= row < top else (right - row) / (right - top) if top < row < right else 0
    want = t.rounded(y, kind) if t.is_float(kind) else y.astype(kind)
    operands = [[whole.type(v)] for v in (8, 16, 8192)] + [[real.type(v)] for v in (0, 4096)]
    c.node(operands, want, any_zero=True, output_datatype=t.TENSOR[kind])


def spectrum(x):
    """Real and imaginary parts of the transform along the last axis."""
    k = np.arange(x.shape[-1])
    turns = 2 * np.pi * (np.outer(k, k) % len(k)) / len(k)
    return np.stack([x @ np.cos(turns), -(x @ np.sin(turns))], -1)


@case("DFT")
def transform(c):
    x, length = t.small(c.T, 2, 8, 1), [c.types["T2"].type(5)]
    place = {} if c.version >= 20 else {"axis": 1}
    axis = [[np.int64(1)]] if c.version >= 20 else []
    tolerance = {"ulps": near(c, f64=32), "least": 8}
    wide = t.exact(x)[..., 0]
    c.node([x], t.rounded(spectrum(wide), c.T), **tolerance)
    c.node([x, length, *axis], t.rounded(spectrum(wide[:, :5]), c.T), **tolerance, **place)
    c.node([x, None, *axis], t.rounded(spectrum(wide)[:, :5], c.T), onesided=1, **tolerance, **place)


@case("STFT")
def short_transform(c):
    x, window, kind = t.small(c.T, 2, 16, 1), t.rounded([0.25, 0.5, 1, 0.75], c.T), c.types["T2"]
    frames = np.stack([t.exact(x)[:, i : i + 4, 0] * t.exact(window) for i in range(0, 13, 3)], 1)
    for form in (window, [window]):
        want = t.rounded(spectrum(frames), c.T)
        c.node([x, [kind.type(3)], form, [kind.type(4)]], want, ulps=near(c, f64=32), least=4, onesided=0)


# -- recurrent networks: one direction, forms of the equations are another test's --
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@case("RNN", "GRU", "LSTM")
def recurrent(c):
    steps, batch, size, hidden = 3, 2, 3, 4
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[c.op]
    x = t.rounded(t.exact(t.small(c.T, steps, batch, size)) / 8, c.T)
    w, r = (t.rounded(t.exact(t.small(c.T, 1, gates * hidden, n, step=3)) / 8, c.T) for n in (size, hidden))
    b = t.rounded(t.exact(t.small(c.T, 1, 2 * gates * hidden, step=2)) / 8, c.T)
    lengths = np.int32([3, 2])
    bias = t.exact(b)[0, : gates * hidden], t.exact(b)[0, gates * hidden :]
    h = cell = np.zeros((batch, hidden), np.longdouble)
    outputs = []
    for step in range(steps):
        xs = np.split(t.exact(x)[step] @ t.exact(w)[0].T + bias[0], gates, -1)
        hs = np.split(h @ t.exact(r)[0].T + bias[1], gates, -1)
        if c.op == "RNN":
            next_h, next_cell = np.tanh(xs[0] + hs[0]), cell
        elif c.op == "GRU":
            z, reset = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
            inner = (reset * h) @ np.split(t.exact(r)[0], 3)[2].T + np.split(bias[1], 3)[2]
            next_h, next_cell = (1 - z) * np.tanh(xs[2] + inner) + z * h, cell
        else:
            i, o, f, g = (xs[k] + hs[k] for k in range(4))
            next_cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            next_h = sigmoid(o) * np.tanh(next_cell)
        inside = (step < lengths)[:, None]
        outputs.append(np.where(inside, next_h, 0))
        h, cell = np.where(inside, next_h, h), np.where(inside, next_cell, cell)
    want = [np.stack(outputs)[:, None], h[None], *([cell[None]] if c.op == "LSTM" else [])]
    for form in (lambda v: v, lambda v: [v]):
        c.node([x, form(w), form(r), form(b), form(lengths)], [t.rounded(y, c.T) for y in want], ulps=near(c, 2), least=1, hidden_size=hidden)


if __name__ == "__main__":
    t.main(table)
