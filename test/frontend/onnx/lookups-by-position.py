# RUN: %python %s %t
# Gathering and scattering by positions that are constants and that depend on data, along every axis, with negative indices
# and every reduction; one-hot rows of indices of every type; against plain loops.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

random = np.random.default_rng(13)
nodes, inputs, constants, want = [], {}, {}, {}
x = random.standard_normal((3, 4, 5)).astype(np.float32)
whole = random.integers(-(2**62), 2**62, (3, 4, 5))


def add(op, operands, expected, **attributes):
    """One node; an operand in a list of one is a constant."""
    name, names = f"{op}{len(nodes)}", []
    for index, operand in enumerate(operands):
        names.append(f"{name}.{index}")
        if isinstance(operand, list):
            constants[names[-1]] = np.asarray(operand[0])
        else:
            inputs[names[-1]] = operand
    nodes.append(helper.make_node(op, names, [name], **attributes))
    want[name] = expected


def place_of(at, axis, index, data):
    """The element of `data` that index number `at` is about."""
    place = list(at)
    place[axis] = index % data.shape[axis]
    return tuple(place)


for data, axis, kind in itertools.product((x, whole), (0, 1, 2, -1), (np.int32, np.int64)):
    shape = [2, 3, 4]
    shape[axis] = 6
    at = random.integers(-data.shape[axis], data.shape[axis], shape).astype(kind)
    found = np.array([data[place_of(i, axis, at[i], data)] for i in np.ndindex(*shape)], data.dtype).reshape(shape)
    add("GatherElements", [data, at], found, axis=axis)
    add("GatherElements", [data, [at]], found, axis=axis)

REDUCE = {"none": lambda a, b: b, "add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max, "min": min}
for axis, (word, reduce) in itertools.product((0, 1, -1), REDUCE.items()):
    shape = [2, 3, 4]
    shape[axis] = 2 if word == "none" else 6  # places that are met several times
    at = np.broadcast_to(np.expand_dims(np.arange(shape[axis]) % x.shape[axis], [k for k in range(3) if k != axis % 3]), shape).copy()
    at[0] -= x.shape[axis]  # counted from the end
    updates, out = random.standard_normal(shape).astype(np.float32), x.copy()
    for i in np.ndindex(*shape):
        place = place_of(i, axis, at[i], x)
        out[place] = reduce(out[place], updates[i])
    for places in ([at], at, at.astype(np.int32)):
        add("ScatterElements", [x, places, updates], out, axis=axis, reduction=word)

for batch, lists in ((0, [[0, 1], [-1, 2]]), (0, [[[2], [-3]]]), (0, [[0, 1, 4], [2, -4, -5]]), (1, [[[1], [2]], [[-1], [0]], [[3], [3]]]), (2, random.integers(-5, 5, (3, 4, 2, 1)))):
    at = np.array(lists)
    outer = at.shape[:-1]
    found = np.stack([x[(*i[:batch], *at[i])] for i in np.ndindex(*outer)]).reshape(*outer, *x.shape[batch + at.shape[-1] :])
    add("GatherND", [x, at], found, batch_dims=batch)
    add("GatherND", [x, [at]], found, batch_dims=batch)

for word, reduce in REDUCE.items():
    for lists in ([[0, 1], [-1, 2], [2, -2]], [[1], [1], [-3]]):
        at = np.array(lists) if word != "none" else np.array(lists)[1:]  # which of two wins is not said
        updates, out = random.standard_normal((len(at), *x.shape[at.shape[1] :])).astype(np.float32), x.copy()
        for one, i in zip(updates, at):
            both = np.broadcast_arrays(out[tuple(i)], one)
            out[tuple(i)] = np.vectorize(reduce)(*both)
        for places in ([at], at):
            add("ScatterND", [x, places, updates], out, reduction=word)
bounds = np.int64([-(2**63), 2**63 - 1, 5])
for word, reduce in REDUCE.items():  # numbers that only their own type holds, and no update at all
    at, updates, out = np.int64([[0], [2], [2]])[: 2 if word == "none" else 3], np.int64([7, 2**62 + 1, -3]), bounds.copy()
    for one, (i,) in zip(updates, at):
        with np.errstate(over="ignore"):
            out[i] = reduce(out[i], one)
    add("ScatterND", [bounds, at, updates[: len(at)]], out, reduction=word)
    add("ScatterND", [bounds, np.zeros((0, 1), np.int64), np.zeros(0, np.int64)], bounds, reduction=word)

# Positions and depth need not fit into the type that the indices have.
for kind, depth, axis in itertools.product((np.int8, np.uint8, np.int32, np.uint64, np.int64, np.float16, np.float32, np.float64), (0, 1, 10, 300), (0, 1, -1)):
    least = np.iinfo(kind).min if np.dtype(kind).kind in "iu" else -400
    most = np.iinfo(kind).max if np.dtype(kind).kind in "iu" else 400
    picks = np.array([[0, 1, 9], [min(most, 250), max(least, -1), most], [max(least, -10), min(most, 299), least]]).astype(kind)
    hot = np.full((3, 3, depth), 2, np.int32)
    for i in np.ndindex(3, 3):
        if -depth <= int(picks[i]) < depth:
            hot[(*i, int(picks[i]) % depth)] = 5
    add("OneHot", [picks, [np.int64(depth)], [np.int32([2, 5])]], np.moveaxis(hot, -1, axis), axis=axis)

# Of updates to one place the last one stays; integers and truth values; nothing to update, and nothing to put it into.
for data in (whole, whole > 0, whole.astype(np.uint8), x.astype(np.float16)):
    at = random.integers(-3, 3, (7, 1))
    updates, out = random.integers(0, 2, (7, 4, 5)).astype(data.dtype), data.copy()
    for one, i in zip(updates, at):
        out[i[0]] = one
    add("ScatterND", [data, at, updates], out)
    add("ScatterND", [data, at[:0], updates[:0]], data)
add("ScatterElements", [x[:, :0], np.zeros((2, 0, 5), np.int64), x[:2, :0]], x[:, :0], axis=1)

keep = np.array([True, False, True, True])
add("Compress", [x, [keep]], x[:, keep], axis=1)
add("Compress", [x, [keep]], x.ravel()[:4][keep])
lengths = np.int64([4, 1, 2])
turned = whole.copy()
for i, length in enumerate(lengths):
    turned[i, :length] = whole[i, :length][::-1]
add("ReverseSequence", [whole, lengths], turned, batch_axis=0, time_axis=1)
add("ReverseSequence", [whole.transpose(1, 0, 2).copy(), lengths], turned.transpose(1, 0, 2))

graph = helper.make_graph(
    nodes,
    "lookups",
    [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs.items()],
    [helper.make_tensor_value_info(name, 0, None) for name in want],
    [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
)
path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
for got in (adze.interpret(path, inputs), guarded.outputs(compiled.Model(adze.compile_model(path, sys.argv[1]).library), inputs)):
    for name, values in want.items():
        assert got[name].shape == values.shape and got[name].dtype == values.dtype, (name, got[name].shape, values.shape)
        assert np.allclose(got[name], values, rtol=1e-5, atol=1e-6) if values.dtype.kind == "f" else np.array_equal(got[name], values), name
print(len(nodes), "lookups")
