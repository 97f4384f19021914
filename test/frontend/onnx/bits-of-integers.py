# RUN: %python %s %t
# RUN: not %adze import %t.mixed.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=MIXED
# RUN: not %adze import %t.floats.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=FLOATS
# RUN: not %adze import %t.logic.onnx -o %t.x 2>&1 | FileCheck %s --check-prefix=LOGIC
# MIXED: node 'BitwiseAnd0' (BitwiseAnd): input 1 is i16, expected i32
# FLOATS: node 'BitwiseNot0' (BitwiseNot): input 0 is f32, expected integers
# LOGIC: node 'And0' (And): input 0 is u8, expected bool
# The bitwise ops on every integer type, with broadcasting, constants and values at the ends of the type.
import pathlib
import sys

import numpy as np

from tools import node_cases

OPS = {"BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor}
random = np.random.default_rng(6)
cases = node_cases.Cases(18)
for kind in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64):
    info = np.iinfo(kind)
    a, b = (random.integers(info.min, info.max, (3, 37), kind, endpoint=True) for _ in range(2))
    a[0, :4], b[0, :4] = [info.min, info.max, 0, 1], [info.max, info.max, info.min, 1]
    cases.add("BitwiseNot", [a], [~a])
    cases.add("BitwiseNot", [[a]], [~a])
    for op, function in OPS.items():
        cases.add(op, [a, b], [function(a, b)])
        cases.add(op, [a, b[:, :1]], [function(a, b[:, :1])])
        cases.add(op, [a[:1], [b]], [function(a[:1], b)])
        cases.add(op, [a[:, :0], b[:, :0]], [a[:, :0]])
        cases.add(op, [a[0, 0], b], [function(a[0, 0], b)])
cases.check(sys.argv[1])

for name, op, operands in (
    ("mixed", "BitwiseAnd", [np.int32([1]), np.int16([1])]),
    ("floats", "BitwiseNot", [np.float32([1])]),
    ("logic", "And", [np.uint8([1]), np.uint8([1])]),
):
    wrong = node_cases.Cases(18)
    wrong.add(op, operands, [operands[0]])
    wrong.nodes[0].name = f"{op}0"
    wrong.save(pathlib.Path(f"{sys.argv[1]}.{name}.onnx"))
