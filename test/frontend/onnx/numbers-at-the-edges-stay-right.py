# RUN: %python %s %t
# Infinities, NaN, numbers near overflow and integers beyond 2^53, in ops that are composed of others: each intermediate
# step has to stay finite where the result is. Expected values are computed in double precision or in whole numbers.
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

INF, NAN = math.inf, math.nan
random = np.random.default_rng(3)
nodes, inputs, constants, want = [], {}, [], {}


def add(op, operands, expected, **attributes):
    """One node. An operand is an input; in a list of one, a constant; None is left out."""
    number, names = len(nodes), []
    for index, operand in enumerate(operands):
        name = "" if operand is None else f"{op}{number}.{index}"
        names.append(name)
        if isinstance(operand, list):
            constants.append(onnx.numpy_helper.from_array(np.asarray(operand[0]), name))
        elif operand is not None:
            inputs[name] = operand
    nodes.append(helper.make_node(op, names, [f"{op}{number}"], **attributes))
    want[f"{op}{number}"] = np.asarray(expected)


# Half of e^x still fits where e^x does not; near 0 the difference of two exponentials cancels.
x = np.float32([0, 1e-4, -1e-4, 0.3, -0.9, 1, 1.1, 16, 20, -20, 88.8, -89.2, 104, -104, INF, -INF, NAN])
wide = x.astype(np.float64)
with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
    add("Sinh", [x], np.sinh(wide).astype(np.float32))
    add("Cosh", [x], np.cosh(wide).astype(np.float32))
    add("Celu", [x], np.where(wide > 0, wide, 0) + np.minimum(0, -0.7 * np.expm1(wide / -0.7)), alpha=-0.7)
    want["Celu2"] = want["Celu2"].astype(np.float32)

# A sum that starts at an infinity leaves what lies before it alone.
rows = np.float32([[1, 2, INF, 4, 5, 6, 7], [1, NAN, 3, 4, 5, 6, 7], [-INF, 2, INF, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]])
big = np.int64([[2**62, 2**62, -(2**63), 5, -7, 1], [2**53, 1, 1, 1, -(2**53), 0]])
for exclusive in (0, 1):
    for reverse in (0, 1):
        for values in (rows, big):
            turned = values[:, ::-1] if reverse else values
            with np.errstate(invalid="ignore"):
                sums = np.cumsum(turned, axis=1, dtype=values.dtype)
            if exclusive:
                sums = np.concatenate([np.zeros_like(sums[:, :1]), sums[:, :-1]], axis=1)
            sums = sums[:, ::-1] if reverse else sums
            add("CumSum", [values, [np.int64(1)]], sums, exclusive=exclusive, reverse=reverse)

# log(sum(exp)): the largest element is taken out, unless it is infinite.
logs = np.float32([[INF, 1], [-INF, -INF], [NAN, 2], [INF, INF], [3e38, 3e38], [-1e3, -1e3], [-INF, 5]])
add("ReduceLogSumExp", [logs], np.float32([INF, -INF, NAN, INF, 3e38, -1e3 + math.log(2), 5]), axes=[1], keepdims=0)
counts = random.integers(1, 9, (3, 4)).astype(np.int64)
add("ReduceL2", [counts], np.sqrt((counts**2).sum(1)).astype(np.int64), axes=[1], keepdims=0)
add("ReduceLogSum", [counts], np.log(counts.sum(1)).astype(np.int64), axes=[1], keepdims=0)
add("ReduceLogSumExp", [counts], np.log(np.exp(counts).sum(1)).astype(np.int64), axes=[1], keepdims=0)

# Padding by numbers that are not known, are NaN, or need more digits than a double has.
cells = random.standard_normal((2, 3)).astype(np.float32)
ends = np.int64([1, 0, 0, 2])
around = ((1, 0), (0, 2))
add("Pad", [cells, [ends], [np.float32(NAN)]], np.pad(cells, around, constant_values=NAN))
add("Pad", [cells, [ends], np.float32(7.5)], np.pad(cells, around, constant_values=7.5))
for number in (2**60 + 1, -(2**63), 2**63 - 1):
    add("Pad", [big, [ends], [np.int64(number)]], np.pad(big, around, constant_values=number))

# Whole numbers to whole powers are exact, whatever type the power has.
bases, powers = np.int64([2, 3, -2, 7, 10, -1]), np.float64([2.5, 2, 3, 17, 18, 63])
add("Pow", [bases, powers], np.int64([5, 9, -8, 7**17, 10**18, -1]))
add("Pow", [bases.astype(np.int32), powers[:6].astype(np.float32) % 9], np.int32([5, 9, -8, 7**8, 1, 1]))

# Bits that are shifted out are gone; shifts by the width and more leave nothing.
for kind in (np.uint8, np.uint16, np.uint32, np.uint64):
    bits = 8 * np.dtype(kind).itemsize
    numbers = [1, 3, 2 ** (bits - 1), 2**bits - 1, 0b1011, 2**bits - 2, 7]
    shifts = [0, 1, 1, bits - 1, 2, bits, bits + 1]
    for direction, shift in (("LEFT", lambda a, b: a << b), ("RIGHT", lambda a, b: a >> b)):
        shifted = kind([shift(a, b) % 2**bits for a, b in zip(numbers, shifts)])
        add("BitShift", [kind(numbers), kind(shifts)], shifted, direction=direction)

# Whole numbers divided by zero, and the smallest one by -1: as in two's complement, 0 where there is no answer, and no trap.
for kind in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64):
    lo, hi = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    numbers = [lo, lo + 1, hi, hi - 1, 0, 1, 2, 3, 7, hi // 2, *([-1, -2, -7] if lo else [])]
    pairs = [(a, b) for a in numbers for b in numbers]
    a, b = (np.array([pair[side] for pair in pairs], kind) for side in (0, 1))
    quotients = [0 if q == 0 else abs(p) // abs(q) * (-1 if (p < 0) != (q < 0) else 1) for p, q in pairs]
    add("Div", [a, b], np.array([(q - lo) % (hi - lo + 1) + lo for q in quotients], kind))
    add("Mod", [a, b], np.array([0 if q == 0 else p % q for p, q in pairs], kind))
    add("Mod", [a, b], np.array([0 if q == 0 else p - q * quotient for (p, q), quotient in zip(pairs, quotients)], kind), fmod=1)
    for divisor in (0, 1, 3, hi, *([-1, lo] if lo else [])):
        quotients = [0 if divisor == 0 else abs(p) // abs(divisor) * (-1 if (p < 0) != (divisor < 0) else 1) for p in numbers]
        add("Div", [np.array(numbers, kind), [kind(divisor)]], np.array([(q - lo) % (hi - lo + 1) + lo for q in quotients], kind))

add("Slice", [cells, [np.int64([2])], [np.int64([-(2**63)])], [np.int64([1])], [np.int64([-(2**63)])]], cells[:, 2:])
add("Shrink", [np.int32([-5, -1, 0, 1, 2, 9])], np.int32([-3, 0, 0, 0, 0, 7]), lambd=2.0, bias=2.0)

info = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs.items()]
outputs = [helper.make_tensor_value_info(name, 0, None) for name in want]
graph = helper.make_graph(nodes, "edges", info, outputs, constants)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), path)
for got in (adze.interpret(path, inputs), guarded.outputs(compiled.Model(adze.compile_model(path, sys.argv[1]).library), inputs)):
    for name, values in want.items():
        assert got[name].shape == values.shape and got[name].dtype == values.dtype, (name, got[name], values)
        if values.dtype.kind == "f":
            assert np.allclose(got[name], values, rtol=5e-6, atol=0, equal_nan=True), (name, got[name], values)
        else:
            assert np.array_equal(got[name], values), (name, got[name], values)
