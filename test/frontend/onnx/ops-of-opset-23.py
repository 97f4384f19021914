# RUN: %python %s %t
# RUN: not %adze import %t.turns.onnx -o %t.x 2>&1 | FileCheck %s
# CHECK: node 'RotaryEmbedding0' (RotaryEmbedding): 3 numbers of a head of 8 turn
# Models of opsets 23 and 24: ops that did not change, and RMSNormalization, RotaryEmbedding and Swish, against double precision.
import itertools
import pathlib
import sys

import numpy as np

from tools import node_cases

random = np.random.default_rng(14)
WITHIN = {np.float16: 3e-3, np.float32: 2e-6, np.float64: 1e-10}  # epsilon is a float of 32 bits


def rms(x, scale, axis, epsilon):
    mean = np.mean(x.astype(np.float64) ** 2, axis=tuple(range(axis % x.ndim, x.ndim)), keepdims=True)
    return x / np.sqrt(mean + epsilon) * scale.astype(np.float64)


def rotary(x, cos, sin, interleaved, turned):
    """x is [batch, tokens, heads, size], cos and sin are [batch, tokens, turned / 2]."""
    y = x.astype(np.float64)
    for k in range(turned // 2):
        a, b = (2 * k, 2 * k + 1) if interleaved else (k, k + turned // 2)
        c, s = cos[..., k, None].astype(np.float64), sin[..., k, None].astype(np.float64)
        y[..., a], y[..., b] = x[..., a] * c - x[..., b] * s, x[..., a] * s + x[..., b] * c
    return y


for opset in (23, 24):
    cases = node_cases.Cases(opset)
    for kind, within in WITHIN.items():
        x = random.standard_normal((2, 3, 5, 4)).astype(kind)
        for axis, shape in ((-1, (4,)), (-1, (5, 4)), (2, (5, 4)), (1, (1,)), (0, (2, 1, 1, 4)), (-2, ())):
            scale = random.standard_normal(shape).astype(kind)
            for epsilon in (1e-5, 0.5):
                cases.add("RMSNormalization", [x, scale], [rms(x, scale, axis, epsilon).astype(kind)], rtol=within, atol=within, axis=axis, epsilon=epsilon)
        cases.add("RMSNormalization", [x * 0, scale], [x * 0])
        if opset == 24:
            for alpha in (1.0, -0.5, 1.702):
                y = x / (1 + np.exp(-np.float64(np.float32(alpha)) * x))
                cases.add("Swish", [x], [y.astype(kind)], rtol=within, atol=within, alpha=alpha)
        if kind == np.float64:
            continue
        for flat, told, interleaved, turned in itertools.product((False, True), (False, True), (0, 1), (8, 4)):
            x = random.standard_normal((2, 3, 2, 8)).astype(kind)
            angle, at = random.uniform(0, 6, (10 if told else 2, *(() if told else (3,)), turned // 2)), random.integers(0, 10, (2, 3))
            cos, sin = np.cos(angle).astype(kind), np.sin(angle).astype(kind)
            y = rotary(x, cos[at] if told else cos, sin[at] if told else sin, interleaved, turned).astype(kind)
            x, y = (a.reshape(2, 3, 16) if flat else a.transpose(0, 2, 1, 3).copy() for a in (x, y))
            attributes = {"interleaved": interleaved} | ({"num_heads": 2} if flat else {}) | ({"rotary_embedding_dim": turned} if turned != 8 else {})
            cases.add("RotaryEmbedding", [x, cos, sin] + ([at] if told else []), [y], rtol=within, atol=within, **attributes)
    x = random.standard_normal((2, 6)).astype(np.float32)
    cases.add("Transpose", [x], [x.T])
    cases.add("Reshape", [x, [np.int64([3, -1])]], [x.reshape(3, 4)])
    cases.add("Unsqueeze", [x, [np.int64([0])]], [x[None]])
    cases.add("Cast", [x], [x.astype(np.float64)], to=11)
    cases.add("Pad", [x, [np.int64([0, 1, 0, 1])]], [np.pad(x, ((0, 0), (1, 1)))])
    cases.add("QuantizeLinear", [x, [np.float32(0.1)], [np.int8(3)]], [np.clip(np.rint(x / np.float32(0.1)) + 3, -128, 127).astype(np.int8)])
    cases.add("TopK", [x, [np.int64([2])]], [-np.sort(-x, 1)[:, :2], np.argsort(-x, 1)[:, :2]])
    cases.check(f"{sys.argv[1]}.{opset}")

wrong = node_cases.Cases(23)
x = np.zeros((1, 2, 3, 8), np.float32)
wrong.add("RotaryEmbedding", [x, np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 4), np.float32)], [x], rotary_embedding_dim=3)
wrong.nodes[0].name = "RotaryEmbedding0"
wrong.save(pathlib.Path(sys.argv[1] + ".turns.onnx"))
