# RUN: %python %s %t
# RNN, GRU and LSTM in every direction, with and without biases, initial states, peepholes and sequences of unlike length,
# with every function in the place of every gate's, and clipped, against the equations of the standard in double precision.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

STEPS, BATCH, INPUTS, HIDDEN = 4, 2, 3, 5
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
random = np.random.default_rng(11)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(op, x, h, c, r, bias, peep, options):
    """x: what the input and its bias add to the gates."""
    if op == "RNN":
        return np.tanh(x + h @ r.T + bias), c
    parts = np.split(r, GATES[op])
    xs, bs = np.split(x, GATES[op], axis=-1), np.split(bias, GATES[op])
    if op == "GRU":
        z, reset = (sigmoid(xs[i] + h @ parts[i].T + bs[i]) for i in (0, 1))
        inner = reset * (h @ parts[2].T + bs[2]) if options.get("linear_before_reset") else (reset * h) @ parts[2].T + bs[2]
        return (1 - z) * np.tanh(xs[2] + inner) + z * h, c
    i, o, f, g = (xs[k] + h @ parts[k].T + bs[k] for k in range(4))
    i = sigmoid(i + peep[0] * c)
    f = 1 - i if options.get("input_forget") else sigmoid(f + peep[2] * c)
    c = f * c + i * np.tanh(g)
    return sigmoid(o + peep[1] * c) * np.tanh(c), c


def expected(op, x, w, r, b, lengths, h0, c0, p, backwards, options):
    rows = GATES[op] * HIDDEN
    h, c = h0.astype(np.float64), c0.astype(np.float64)
    outputs = np.zeros((STEPS, BATCH, HIDDEN))
    for t in reversed(range(STEPS)) if backwards else range(STEPS):
        next_h, next_c = step(op, x[t] @ w.T + b[:rows], h, c, r, b[rows:], np.split(p, 3), options)
        inside = (t < lengths)[:, None]
        outputs[t] = np.where(inside, next_h, 0)
        h, c = np.where(inside, next_h, h), np.where(inside, next_c, c)
    return outputs, h, c


nodes, constants, want = [], {}, {}
x = random.standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
inputs = {"x": x, "x by batch": np.ascontiguousarray(x.transpose(1, 0, 2)), "lengths": np.int32([4, 2])}
for op, direction, full, ragged, layout in itertools.product(GATES, ("forward", "reverse", "bidirectional"), (0, 1), (0, 1), (0, 1)):
    ways, rows = 1 + (direction == "bidirectional"), GATES[op] * HIDDEN
    if layout and (ragged or direction == "reverse"):
        continue
    name = f"{op} {direction} {full} {ragged} {layout}"
    shapes = {"w": (ways, rows, INPUTS), "r": (ways, rows, HIDDEN), "b": (ways, 2 * rows), "h": (ways, BATCH, HIDDEN)}
    shapes |= {"c": (ways, BATCH, HIDDEN), "p": (ways, 3 * HIDDEN)}
    arrays = {k: random.standard_normal(shape).astype(np.float32) if full or k in "wr" else np.zeros(shape, np.float32) for k, shape in shapes.items()}
    used = ("w", "r", *(("b", "h", *(("c", "p") if op == "LSTM" else ())) if full else ()))
    for key in used:
        turned = layout and key in "hc"
        constants[f"{name} {key}"] = np.ascontiguousarray(arrays[key].transpose(1, 0, 2)) if turned else arrays[key]
    names = {key: f"{name} {key}" if key in used else "" for key in shapes}
    operands = ["x by batch" if layout else "x", names["w"], names["r"], names["b"], "lengths" if ragged else "", names["h"]]
    operands += [names["c"], names["p"]] if op == "LSTM" else []
    options = {"direction": direction, "hidden_size": HIDDEN, "layout": layout}
    options |= {"linear_before_reset": full} if op == "GRU" else {"input_forget": ragged} if op == "LSTM" else {}
    results = [f"{name}: {kind}" for kind in ("all", "last", "cell")[: 3 if op == "LSTM" else 2]]
    nodes.append(helper.make_node(op, operands, results, **options))
    lengths = np.array([4, 2] if ragged else [STEPS] * BATCH)
    runs = [
        expected(op, x.astype(np.float64), *(arrays[k][i] for k in "wrb"), lengths, arrays["h"][i], arrays["c"][i], arrays["p"][i], i == 1 or direction == "reverse", options)
        for i in range(ways)
    ]
    found = [np.stack([run[0] for run in runs], axis=1), np.stack([run[1] for run in runs]), np.stack([run[2] for run in runs])]
    if layout:
        found = [found[0].transpose(2, 0, 1, 3), found[1].transpose(1, 0, 2), found[2].transpose(1, 0, 2)]
    want |= dict(zip(results, found))

# Functions of gates, with parameters of their own, listed for those that have some.
FUNCTIONS = {
    "Sigmoid": (0, lambda x, a, b: sigmoid(x)), "Tanh": (0, lambda x, a, b: np.tanh(x)), "Relu": (0, lambda x, a, b: np.maximum(x, 0)),
    "Affine": (2, lambda x, a, b: a * x + b), "LeakyRelu": (1, lambda x, a, b: np.where(x < 0, a * x, x)),
    "ThresholdedRelu": (1, lambda x, a, b: np.where(x > a, x, 0)), "ScaledTanh": (2, lambda x, a, b: a * np.tanh(b * x)),
    "HardSigmoid": (2, lambda x, a, b: np.clip(a * x + b, 0, 1)), "Elu": (1, lambda x, a, b: np.where(x < 0, a * np.expm1(x), x)),
    "Softsign": (0, lambda x, a, b: x / (1 + abs(x))), "Softplus": (0, lambda x, a, b: np.log1p(np.exp(x))),
}  # fmt: skip
words = list(FUNCTIONS)
for op, clip, first in itertools.product(GATES, (0, 0.75), range(len(words))):
    count, rows = {"RNN": 1, "GRU": 2, "LSTM": 3}[op], GATES[op] * HIDDEN
    name = f"{op} {words[first]} {clip}"
    w, r, b = (0.4 * random.standard_normal(shape).astype(np.float32) for shape in ((2, rows, INPUTS), (2, rows, HIDDEN), (2, 2 * rows)))
    constants |= {f"{name} w": w, f"{name} r": r, f"{name} b": b}
    used = [words[(first + 3 * i) % len(words)] for i in range(2 * count)]
    parameters = random.uniform(0.2, 0.9, (2 * count, 2)).astype(np.float32).astype(float)
    options = {"direction": "bidirectional", "hidden_size": HIDDEN, "activations": used}
    options["activation_alpha"] = [a for (a, _), word in zip(parameters, used) if FUNCTIONS[word][0] > 0]
    options["activation_beta"] = [b for (_, b), word in zip(parameters, used) if FUNCTIONS[word][0] > 1]
    options = {key: value for key, value in options.items() if value} | ({"clip": clip} if clip else {})
    bent = [lambda x, i=i: FUNCTIONS[used[i]][1](np.clip(x, -clip, clip) if clip else x, *parameters[i]) for i in range(2 * count)]
    last = []
    for way in range(2):
        h, c, f = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN)), bent[way * count :]
        wide = [value[way].astype(float) for value in (w, r, b)]
        for t in reversed(range(STEPS)) if way else range(STEPS):
            xs = np.split(x[t] @ wide[0].T + wide[2][:rows], GATES[op], axis=1)
            hs = np.split(wide[1], GATES[op])
            bs = np.split(wide[2][rows:], GATES[op])
            if op == "RNN":
                h = f[0](xs[0] + h @ hs[0].T + bs[0])
            elif op == "GRU":
                z, reset = (f[0](xs[i] + h @ hs[i].T + bs[i]) for i in (0, 1))
                h = (1 - z) * f[1](xs[2] + (reset * h) @ hs[2].T + bs[2]) + z * h
            else:
                i, o, forget, g = (xs[k] + h @ hs[k].T + bs[k] for k in range(4))
                c = f[0](forget) * c + f[0](i) * f[1](g)
                h = f[0](o) * f[2](c)
        last.append(h)
    nodes.append(helper.make_node(op, ["x", f"{name} w", f"{name} r", f"{name} b"], ["", f"{name}: last"], **options))
    want[f"{name}: last"] = np.stack(last)

graph = helper.make_graph(
    nodes,
    "recurrent",
    [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs.items()],
    [helper.make_tensor_value_info(name, 0, None) for name in want],
    [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)]), path)
for got in (adze.interpret(path, inputs), guarded.outputs(compiled.Model(adze.compile_model(path, sys.argv[1]).library), inputs)):
    for name, values in want.items():
        assert got[name].shape == values.shape, (name, got[name].shape, values.shape)
        assert np.allclose(got[name], values, rtol=1e-5, atol=1e-5), (name, got[name], values)
print(len(nodes), "networks")
