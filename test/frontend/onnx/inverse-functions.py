# RUN: %python %s %t
# The inverse trigonometric and hyperbolic functions in every float type and both opsets, at the ends of their domains, close
# to 0 and where a square would overflow, against double precision.
import sys

import numpy as np
from onnx import TensorProto

from tools import node_cases

EDGES = [0, -0.0, 1, -1, 0.5, -0.5, 1e-6, -3e-5, 0.999, -0.999, 1.001, -1.001, 2, -2, 30000, -30000, np.inf, -np.inf, np.nan]
FUNCTIONS = {"Acos": np.arccos, "Asin": np.arcsin, "Atan": np.arctan, "Acosh": np.arccosh, "Asinh": np.arcsinh, "Atanh": np.arctanh}
WITHIN = {np.float16: (1e-3, 6e-8), np.float32: (2e-7, 0), np.float64: (1e-15, 0)}
random = np.random.default_rng(5)

for opset in (9, 22):
    cases = node_cases.Cases(opset)
    for op, function in FUNCTIONS.items():
        for kind, (rtol, atol) in WITHIN.items():
            x = np.concatenate([EDGES, random.uniform(-1.2, 3, 102)]).astype(kind).reshape(11, 11)
            if kind == np.float64:
                x[0, :4] = 1e300, -1e300, 1e-300, 1 + 2.0**-40
            if kind == np.float32:
                x[0, :4] = 3e38, -3e38, 1e-40, 1 + 2.0**-20
            with np.errstate(all="ignore"):
                y = function(x.astype(np.longdouble)).astype(kind)
            cases.add(op, [x], [y], rtol=rtol, atol=atol)
            cases.add(op, [[x]], [y], rtol=rtol, atol=atol)
        cases.add(op, [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.float32)])
        if opset == 22:  # bfloat16: eight bits of the float
            x = (np.concatenate([EDGES, random.uniform(-1.2, 3, 45)]).astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
            with np.errstate(all="ignore"):
                y = function(x.astype(np.float64)).astype(np.float32)
            cases.add(op, [x], [y], rtol=2.0**-8, atol=1e-38, elem=TensorProto.BFLOAT16)
    cases.check(f"{sys.argv[1]}.{opset}")
