# RUN: %python %s %t
# Pointwise ops in every version of opsets 7 to 22 and with every element type that ONNX allows: edges of the types, halves,
# wrap-around, NaN and infinities. Integers and single roundings have to be exact.
import math

import numpy as np

from tools import onnx_types as t

table = t.Table()
case = table.case


# -- one operand --
def erf(x):
    return np.vectorize(math.erf, otypes=[np.longdouble])(x.astype(np.float64))


def erfc(x):
    return np.vectorize(math.erfc, otypes=[np.longdouble])(x.astype(np.float64))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.where(np.isnan(x), x, np.maximum(x, 0) + np.log1p(np.exp(-abs(x))))


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def between(x, low, high):
    return np.where(np.isnan(x), x, np.minimum(np.maximum(x, low), high))


ROUNDED_ONCE = {
    "Relu": lambda x: np.where(x <= 0, 0, x),
    "Neg": lambda x: -x,
    "Abs": abs,
    "Sign": lambda x: np.where(x > 0, 1, np.where(x < 0, -1, x)),
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Sqrt": np.sqrt,
    "Reciprocal": lambda x: 1 / x,
    "Identity": lambda x: x,
}  # fmt: skip

INVERSE = {"Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Asinh": np.arcsinh, "Acosh": np.arccosh, "Atanh": np.arctanh}

# function, units in the last place allowed, of at least which number, largest magnitude of operands
WIDE = {
    "Sigmoid": (sigmoid, 4, 0, None),
    "Tanh": (np.tanh, 4, 0, None),
    "Exp": (np.exp, 4, 0, None),
    "Log": (np.log, 4, 0, None),
    "Sin": (np.sin, 4, 0, 1e5),
    "Cos": (np.cos, 4, 0, 1e5),
    "Tan": (np.tan, 8, 0, 1e5),
    **{op: (function, 4, 0, None) for op, function in INVERSE.items()},
    "Sinh": (np.sinh, 8, 0, None),
    "Cosh": (np.cosh, 8, 0, None),
    "Erf": (erf, 4, 0, None),
    "Softplus": (softplus, 4, 0, None),
    "Softsign": (lambda x: np.where(np.isinf(x), np.nan, x / (1 + abs(x))), 2, 0, None),
    "HardSwish": (lambda x: x * between(x / 6 + 0.5, 0, 1), 4, 1, 1e4),
    "Mish": (lambda x: x * np.tanh(softplus(x)), 8, 1e-30, 1e4),
}  # fmt: skip


@case(*ROUNDED_ONCE)
def rounded_once(c):
    x = t.edges(c.T)
    function = ROUNDED_ONCE[c.op]
    if t.is_float(c.T):
        numbers = x if c.T == np.float64 else t.exact(x)  # one rounding
        c.node([x], t.rounded(function(numbers), c.T), any_zero=c.op == "Sign")
    else:
        c.node([x], t.in_type([function(int(value)) for value in x], c.T))


@case(*WIDE)
def wide(c):
    function, ulps, least, largest = WIDE[c.op]
    x = t.edges(c.T)
    if not t.is_float(c.T):
        c.node([x], t.wrapped([int(function(np.array(float(value)))) for value in x], c.T))
        return
    if largest:
        x = np.where(~(abs(x.astype(np.float64)) > largest), x, x.dtype.type(3))
    c.node([x], t.rounded(function(t.exact(x)), c.T), ulps=1 if c.T.itemsize == 2 else ulps, least=least)


@case("Not")
def negation(c):
    x = t.edges(c.T)
    c.node([x], ~x)


@case("IsNaN")
def is_nan(c):
    x = t.edges(c.T)
    c.node([x], np.isnan(x.astype(np.float64)))


@case("IsInf")
def is_infinite(c):
    x = t.edges(c.T)
    wide = x.astype(np.float64)
    c.node([x], np.isinf(wide))
    c.node([x], wide == np.inf, detect_negative=0)
    c.node([x], wide == -np.inf, detect_positive=0)


def with_parameters(c, function, ulps=4, least=0, largest=None, **attributes):
    x = t.edges(c.T)
    if largest:
        x = np.where(~(abs(x.astype(np.float64)) > largest), x, x.dtype.type(3))
    c.node([x], t.rounded(function(t.exact(x)), c.T), ulps=1 if c.T.itemsize == 2 else ulps, least=least, any_zero=True, **attributes)


def single(value):
    return np.longdouble(np.float32(value))


@case("LeakyRelu")
def leaky_relu(c):
    with_parameters(c, lambda x: np.where(x < 0, x * single(0.01), x), 1)
    with_parameters(c, lambda x: np.where(x < 0, x / 4, x), 0, alpha=0.25)


@case("HardSigmoid")
def hard_sigmoid(c):
    with_parameters(c, lambda x: between(x * single(0.2) + 0.5, 0, 1), 2, 0.5)
    with_parameters(c, lambda x: between(x * 0.25 - 1, 0, 1), 0, alpha=0.25, beta=-1.0)


@case("Elu")
def elus(c):
    with_parameters(c, lambda x: elu(x, 1))
    with_parameters(c, lambda x: elu(x, 0.5), alpha=0.5)


@case("Selu")
def selu(c):
    alpha, gamma = single(1.67326319217681884765625), single(1.05070102214813232421875)
    with_parameters(c, lambda x: gamma * elu(x, alpha))
    with_parameters(c, lambda x: 2 * elu(x, 0.5), alpha=0.5, gamma=2.0)


@case("Celu")
def celu(c):
    with_parameters(c, lambda x: np.maximum(x, 0) + np.minimum(0, 2 * np.expm1(x / 2)), alpha=2.0)


@case("Gelu")
def gelu(c):
    with_parameters(c, lambda x: x * erfc(-x / np.sqrt(np.longdouble(2))) / 2, 4, 1, 1e4)
    root = np.sqrt(2 / np.longdouble(np.pi))
    with_parameters(c, lambda x: x * (1 + np.tanh(root * (x + 0.044715 * x**3))) / 2, 4, 1, 1e3, approximate="tanh")


@case("ThresholdedRelu")
def thresholded_relu(c):
    with_parameters(c, lambda x: np.where(x > 1, x, np.where(np.isnan(x), 0, 0)), 0)
    with_parameters(c, lambda x: np.where(x > -2, x, 0), 0, alpha=-2.0)


@case("Shrink")
def shrink(c):
    x = t.edges(c.T)
    if t.is_float(c.T):
        with_parameters(c, lambda x: np.where(x < -1.5, x + 0.5, np.where(x > 1.5, x - 0.5, 0)), 0, lambd=1.5, bias=0.5)
        return
    x = x[abs(x.astype(object)) < 2**40]
    c.node([x], t.wrapped([v + 2 if v < -2 else v - 2 if v > 2 else 0 for v in x.tolist()], c.T), lambd=2.0, bias=2.0)


# -- casts --
def cast(x, to):
    if to == np.bool_:
        return x.astype(np.float64 if t.is_float(x.dtype) else x.dtype) != 0
    if t.is_float(to):
        return t.rounded(t.exact(x).astype(np.longdouble), to)
    if not t.is_float(x.dtype):
        return t.wrapped(x.astype(object), to)
    limits = np.iinfo(to)  # a float saturates, NaN is 0
    return np.array([0 if np.isnan(v) else min(max(limits.min, int(v) if np.isfinite(v) else int(np.copysign(2**70, v))), limits.max)
                     for v in x.astype(np.float64).tolist()], to)  # fmt: skip


def cast_operand(c):
    x = t.edges(c.types["T1"])
    if not t.is_float(x.dtype):
        return x
    halves = [2.0**k + s for k in (7, 8, 15, 16) for s in (-0.5, 0.5, -1, 0)] + [2**24 + 2, 2**31, 2**32, 2.0**63, 2.0**64, 65519, 65520]
    return np.concatenate([x, t.rounded([*halves, *np.negative(halves)], x.dtype)])


@case("Cast")
def casts(c):
    x, to = cast_operand(c), c.types["T2"]
    c.node([x], cast(x, to), to=t.TENSOR[to])


@case("CastLike")
def cast_like(c):
    x, to = cast_operand(c), c.types["T2"]
    c.node([x, t.small(to, 2)], cast(x, to))


@case("Dropout")
def dropout(c):
    x = t.edges(c.T)
    flag = c.T if c.version < 10 else np.bool_
    if c.version < 12:
        c.node([x], x, ratio=0.25)
        c.node([x], [x, np.ones(x.shape, flag)])
        return
    ratio = c.types["T1"].type(0.25)
    c.node([x, [ratio]], x)
    c.node([x, [ratio], [np.bool_(False)]], [x, np.ones(x.shape, flag)])
    c.node([x, ratio, [np.bool_(False)]], x)


# -- bounds --
@case("Clip")
def clip(c):
    x = t.edges(c.T)
    values = t.exact(x)

    def bounded(low, high):
        if t.is_float(c.T):
            return t.rounded(between(values, -np.inf if low is None else low, np.inf if high is None else high), c.T)
        clipped = [v if low is None else max(v, low) for v in x.tolist()]
        return t.wrapped([v if high is None else min(v, high) for v in clipped], c.T)

    if c.version < 11:
        c.node([x], bounded(-1.5, 2.5), min=-1.5, max=2.5)
        c.node([x], bounded(None, 2.5), max=2.5)
        c.node([x], bounded(1, None), min=1.0)
        c.node([x], bounded(5, -3), min=5.0, max=-3.0)
        return
    one = 1 if t.is_float(c.T) or c.T.kind == "i" else -1
    bounds = [(one and (-2 if one > 0 else 2), 10), (10, 3), (None, 7), (3, None), (None, None)]
    if not t.is_float(c.T):
        bounds += [(np.iinfo(c.T).max - 1, None), (None, np.iinfo(c.T).min + 1), (int(np.iinfo(c.T).min), int(np.iinfo(c.T).max))]
    for low, high in bounds:
        low, high = (None if v is None else int(v) for v in (low, high))
        given = [None if v is None else c.T.type(v) for v in (low, high)]
        c.node([x, *given], bounded(low, high))
        c.node([x, *(None if v is None else [v] for v in given)], bounded(low, high))


# -- two and more operands --
def whole(a, b, function):
    return t.wrapped([function(int(x), int(y)) for x, y in zip(a, b)], a.dtype)


WHOLE = {"Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b, "Div": t.truncated}
REAL = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


@case(*WHOLE)
def arithmetic(c):
    a, b = t.pairs(c.T)
    if t.is_float(c.T):
        wide = np.float64 if c.T == np.float64 else np.longdouble  # one rounding
        want = REAL[c.op](a.astype(wide), b.astype(wide))
        c.node([a, b], want if c.T == np.float64 else t.rounded(want, c.T))
        return
    if c.op == "Div":
        a, b = a[b != 0], b[b != 0]
    c.node([a, b], whole(a, b, WHOLE[c.op]))


@case("Mod")
def modulo(c):
    a, b = t.pairs(c.T)
    if t.is_float(c.T):
        keep = ~(b.astype(np.float64) == 0)
        c.node([a[keep], b[keep]], t.rounded(np.fmod(t.exact(a[keep]), t.exact(b[keep])), c.T), fmod=1)
        return
    a, b = a[b != 0], b[b != 0]
    c.node([a, b], whole(a, b, lambda x, y: x % y))
    c.node([a, b], whole(a, b, lambda x, y: x - y * t.truncated(x, y)), fmod=1)


@case("Pow")
def power(c):
    kind = c.types.get("T1", c.T)
    bases = [0.5, 1, 2, 3, 7, 10, -1, -2] if t.is_float(c.T) else [0, 1, 2, 3, 7, 10, -1, -2, -7]
    powers = [0, 1, 2, 3, 5, 9, 17]
    if t.is_float(kind):
        powers += [4.25, 40.3]
    if kind.kind != "u" and t.is_float(c.T):
        powers += [-1, -2]
    if c.T.kind == "i" and not t.is_float(kind) and kind.itemsize > 4:
        powers += [2**32 + 3]
    a = np.repeat(t.in_type(bases, c.T), len(powers))
    b = np.tile(t.in_type(np.array(powers, np.longdouble if t.is_float(kind) else object), kind), len(bases))
    if t.is_float(c.T):
        wide = np.power(t.exact(a), t.exact(b).astype(np.longdouble))
        # The error of an f64 power is that of its logarithm, times the exponent.
        ulps = 2 + 2 * abs(np.log(wide)) if c.T == np.float64 else 1
        c.node([a, b], t.rounded(wide, c.T), ulps=np.where(np.isfinite(ulps), ulps, 2), any_zero=True)
        return
    keep = [p == int(p) or x > 0 and x**float(p) < 2**31 for x, p in zip(a.tolist(), b.tolist())]
    a, b = a[keep], b[keep]
    exact = [pow(x, int(p), 2**64) if p == int(p) else int(np.power(np.longdouble(x), np.longdouble(p))) for x, p in zip(a.tolist(), b.tolist())]
    c.node([a, b], t.wrapped(exact, c.T))


@case("BitShift")
def bit_shift(c):
    a = np.repeat(t.edges(c.T), 5)
    by = np.tile(t.in_type([0, 1, 3, 8 * c.T.itemsize - 1, 8 * c.T.itemsize], c.T), len(t.edges(c.T)))
    c.node([a, by], whole(a, by, lambda x, s: x << s), direction="LEFT")
    c.node([a, by], whole(a, by, lambda x, s: x >> s), direction="RIGHT")


@case("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot")
def bitwise(c):
    a, b = t.pairs(c.T)
    if c.op == "BitwiseNot":
        c.node([a], ~a)
    else:
        c.node([a, b], {"BitwiseAnd": a & b, "BitwiseOr": a | b, "BitwiseXor": a ^ b}[c.op])


@case("PRelu")
def prelu(c):
    a, b = t.pairs(c.T)
    if t.is_float(c.T):
        wide = np.float64 if c.T == np.float64 else np.longdouble
        x, s = a.astype(wide), b.astype(wide)
        c.node([a, b], t.rounded(np.where(x < 0, x * s, x), c.T))
    else:
        c.node([a, b], whole(a, b, lambda x, s: x * s if x < 0 else x))
    rows, slope = a[:4].reshape(2, 2), t.small(c.T, 2)
    want = np.where(t.exact(rows) < 0, t.exact(rows) * t.exact(slope), t.exact(rows))
    c.node([rows, slope], t.in_type(want, c.T))


@case("And", "Or", "Xor")
def logic(c):
    a, b = t.pairs(c.T)
    c.node([a, b], {"And": a & b, "Or": a | b, "Xor": a ^ b}[c.op])


COMPARE = {"Equal": np.equal, "Less": np.less, "LessOrEqual": np.less_equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal}


@case(*COMPARE)
def comparison(c):
    a, b = t.pairs(c.T)
    wide = np.float64 if t.is_float(c.T) else c.T
    c.node([a, b], COMPARE[c.op](a.astype(wide), b.astype(wide)))
    row, column = a[:5], b[:3].reshape(3, 1)
    c.node([row, column], COMPARE[c.op](row.astype(wide), column.astype(wide)))


@case("Min", "Max")
def extreme(c):
    a, b = t.pairs(c.T)
    function = np.minimum if c.op == "Min" else np.maximum
    wide = np.float64 if t.is_float(c.T) else c.T
    c.node([a, b], function(a.astype(wide), b.astype(wide)).astype(c.T), any_zero=True)
    third = np.roll(a, 7)
    c.node([a, b, third], function(function(a.astype(wide), b.astype(wide)), third.astype(wide)).astype(c.T), any_zero=True)
    c.node([a], a)


@case("Sum", "Mean")
def sums(c):
    a, b = t.pairs(c.T)
    c.node([a], a)
    wide = np.float64 if c.T == np.float64 else np.longdouble
    total = a.astype(wide) + b.astype(wide)
    if c.op == "Sum":
        c.node([a, b], t.rounded(total, c.T))
        c.node([t.small(c.T, 2, 3), t.small(c.T, 3), t.small(c.T, 2, 1)], t.rounded(
            t.exact(t.small(c.T, 2, 3)) + t.exact(t.small(c.T, 3)) + t.exact(t.small(c.T, 2, 1)), c.T))  # fmt: skip
    else:
        total = t.exact(a) + t.exact(b)
        wide = c.T if c.T == np.float64 else np.dtype(np.float32)
        keep = np.isfinite(t.rounded(total, wide)) | ~np.isfinite(total)  # the sum may overflow
        c.node([a[keep], b[keep]], t.rounded(total[keep] / 2, c.T), ulps=1)
        c.node([t.small(c.T, 2, 3)] * 4, t.small(c.T, 2, 3))


@case("Where")
def where(c):
    kind = c.types["T"]
    a, b = t.pairs(kind)
    condition = np.arange(len(a)) % 3 == 0
    c.node([condition, a, b], np.where(condition, a, b))
    c.node([condition[:3].reshape(3, 1), a[:5], b[-1:]], np.where(condition[:3].reshape(3, 1), a[:5], b[-1:]))


if __name__ == "__main__":
    t.main(table)
