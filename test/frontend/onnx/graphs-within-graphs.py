# RUN: %python %s %t
# Branches, loops and model functions are imported in place: what they read from around them, names that hide others,
# functions in functions and attributes of calls. What depends on data is computed, or refused with its reason.
import itertools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

node, F, I, B = helper.make_node, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL
stem = pathlib.Path(sys.argv[1])
stem.parent.mkdir(parents=True, exist_ok=True)
path = stem.with_suffix(".onnx")
numbers = itertools.count()
x = np.float32([[1, -2, 3], [-4, 5, -6]])


def info(name, elem=F, shape=None):
    return helper.make_tensor_value_info(name, elem, shape)


def graph(nodes, inputs=(), outputs=(), constants=()):
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()]
    return helper.make_graph(nodes, "g", [i if not isinstance(i, str) else info(i) for i in inputs], [info(o) for o in outputs], tensors)


def save(nodes, inputs, outputs, constants=(), functions=()):
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    ports = [info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape) for name, value in inputs.items()]
    proto = helper.make_model(graph(nodes, ports, outputs, constants), opset_imports=opsets, functions=list(functions), ir_version=9)
    onnx.save(proto, path)


def gives(title, want, nodes, inputs, constants=(), functions=()):
    save(nodes, inputs, list(want), constants, functions)
    title = f"{title}.{next(numbers)}"  # a library of a name that is loaded already would not be loaded again
    for got in (adze.interpret(path, inputs), guarded.outputs(compiled.Model(adze.compile_model(path, f"{stem}.{title}").library), inputs)):
        for name, values in want.items():
            assert got[name].shape == np.shape(values), (title, name, got[name].shape)
            assert np.allclose(got[name], values, rtol=1e-6), (title, name, got[name], values)


def refused(words, nodes, inputs, outputs, constants=(), functions=()):
    save(nodes, inputs, outputs, constants, functions)
    try:
        adze.interpret(path, inputs)
    except adze.CompileError as error:
        assert all(word in str(error) for word in words), error
        return
    raise AssertionError(f"not refused: {words}")


# -- If: by a constant, by a size, by data --
add = graph([node("Add", ["x", "one"], ["sum"])], outputs=["sum"], constants={"one": np.float32(1)})
negate = graph([node("Neg", ["x"], ["y"])], outputs=["y"])  # its y hides nothing, but is a name of the graph around it too
choose = node("If", ["c"], ["y"], then_branch=add, else_branch=negate)
gives("yes", {"y": x + 1}, [choose], {"x": x}, {"c": True})
gives("no", {"y": -x}, [choose], {"x": x}, {"c": [False]})
by_size = [node("Shape", ["x"], ["s"]), node("Size", ["s"], ["r"]), node("Equal", ["r", "two"], ["c"]), choose]
gives("size", {"y": x + 1}, by_size, {"x": x}, {"two": 2})
for truth in (True, False):
    gives("data", {"y": x + 1 if truth else -x}, [choose], {"x": x, "c": np.array(truth)})
other = graph([node("ReduceSum", ["x"], ["y"])], outputs=["y"])
refused(["If", "unlike types"], [node("If", ["c"], ["y"], then_branch=add, else_branch=other)], {"x": x, "c": np.array(True)}, ["y"])

# A branch in a branch reads from two levels up; the value that it reads is made after the If in the file.
inner = graph([node("Mul", ["late", "k"], ["m"])], outputs=["m"])
outer = graph(
    [node("If", ["c"], ["i"], then_branch=inner, else_branch=negate), node("Add", ["i", "x"], ["o"])],
    outputs=["o"],
    constants={"k": np.float32(3)},
)
nested = [node("If", ["c"], ["y"], then_branch=outer, else_branch=negate), node("Exp", ["x"], ["late"])]
gives("nested", {"y": np.exp(x) * 3 + x}, nested, {"x": x}, {"c": True})
cyclic = [node("If", ["c"], ["y"], then_branch=inner, else_branch=negate), node("Neg", ["y"], ["late"])]
refused(["cycle"], cyclic, {"x": x}, ["y"], {"c": True, "k": np.float32(3)})
unknown = graph([node("Neg", ["absent"], ["m"])], outputs=["m"])
refused(["'absent'", "nothing defines"], [node("If", ["c"], ["y"], then_branch=unknown, else_branch=negate)], {"x": x}, ["y"], {"c": True})

# -- Loop: counted, ended by its condition, with what it collects --
step = graph(
    [node("Add", ["v", "x"], ["w"]), node("Less", ["i", "last"], ["d"]), node("Mul", ["w", "w"], ["square"])],
    [info("i", I, []), info("c", B, []), "v"],
    ["d", "w", "square"],
    {"last": 2},
)
for trips in (2, 9):  # the condition ends the second one after three
    count = min(trips, 3)
    sums = [x * (k + 2) for k in range(count)]
    want = {"y": sums[-1], "all": np.square(sums)}
    gives("loop", want, [node("Loop", ["n", "", "x"], ["y", "all"], body=step)], {"x": x}, {"n": trips})
for count, first in ((0, True), (0, False), (3, False), (-1, True)):  # what is collected in no iteration has its type
    nothing = {"y": x, "all": np.zeros((0, 2, 3), np.float32)}
    gives("none", nothing, [node("Loop", ["n", "first", "x"], ["y", "all"], body=step)], {"x": x}, {"n": count, "first": first})
refused(["trip count"], [node("Loop", ["n", "", "x"], ["y", "all"], body=step)], {"x": x, "n": np.array(2)}, ["y"])

# A condition that depends on data ends a loop of so many iterations at most; two states, one of them an integer.
until = graph(
    [node("Add", ["v", "x"], ["w"]), node("Add", ["k", "c1"], ["l"]), node("ReduceMax", ["w"], ["most"], keepdims=0), node("Less", ["most", "limit"], ["d"])],
    [info("i", I, []), info("c", B, []), "v", info("k", I, [])],
    ["d", "w", "l"],
    {"c1": 1},
)
for limit, trips, first in itertools.product((0.5, 11, 21, 1e9), (1, 4), (True, False)):
    value, steps = x, 0
    while steps < trips and (value.max() < limit if steps else first):
        value, steps = value + x, steps + 1
    loop = [node("Loop", ["n", "first", "x", "zero"], ["y", "steps"], body=until)]
    feeds = {"x": x, "limit": np.float32(limit), "first": np.array(first)}
    gives("until", {"y": value, "steps": np.int64(steps)}, loop, feeds, {"n": trips, "zero": 0})
    if first:
        gives("until", {"y": value, "steps": np.int64(steps)}, [node("Loop", ["n", "", "x", "zero"], ["y", "steps"], body=until)], {"x": x, "limit": np.float32(limit)}, {"n": trips, "zero": 0})
collecting = graph([node("Add", ["v", "x"], ["w"]), node("ReduceMax", ["w"], ["most"], keepdims=0), node("Less", ["most", "limit"], ["d"])], [info("i", I, []), info("c", B, []), "v"], ["d", "w", "most"])
feeds = {"x": x, "limit": np.float32(9)}
refused(["depends on data", "collects"], [node("Loop", ["n", "", "x"], ["y", "all"], body=collecting)], feeds, ["all"], {"n": 4})
refused(["depends on data", "4096"], [node("Loop", ["", "", "x"], ["y"], body=graph(collecting.node, collecting.input, ["d", "w"]))], feeds, ["y"])
endless = graph([node("Identity", ["c"], ["d"]), node("Neg", ["v"], ["w"])], [info("i", I, []), info("c", B, []), "v"], ["d", "w"])
refused(["more than 4096 iterations"], [node("Loop", ["", "", "x"], ["y"], body=endless)], {"x": x}, ["y"])

# -- Scan: forwards and backwards, along any axis --
body = graph([node("Add", ["h", "e"], ["next"]), node("Mul", ["next", "two"], ["out"])], ["h", "e"], ["next", "out"], {"two": np.float32(2)})
for axis, backwards in ((0, 0), (1, 0), (-1, 1)):
    lines = np.moveaxis(x, axis, 0)[:: -1 if backwards else 1]
    sums = np.cumsum(lines, axis=0)
    scan = node("Scan", ["h", "x"], ["y", "all"], body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_input_directions=[backwards], scan_output_axes=[-1])
    gives("scan", {"y": sums[-1], "all": np.moveaxis(2 * sums, 0, -1)}, [scan], {"x": x}, {"h": np.zeros(lines.shape[1], np.float32)})

for axis in (0, 1, -1):
    none = np.zeros((2, 0) if axis % 2 else (0, 2), np.float32)
    scan = node("Scan", ["h", "x"], ["y", "all"], body=body, num_scan_inputs=1, scan_input_axes=[axis], scan_output_axes=[-1])
    gives("scan none", {"y": np.float32([3, 4]), "all": np.zeros((2, 0))}, [scan], {"x": none}, {"h": np.float32([3, 4])})


# -- functions of the model --
def function(name, inputs, outputs, nodes, attributes=()):
    return helper.make_function("own", name, inputs, outputs, nodes, [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)], attributes)


def referring(made, attribute, outer, kind):
    made.attribute.append(onnx.AttributeProto(name=attribute, ref_attr_name=outer, type=kind))
    return made


leaky = function("Leaky", ["a"], ["x"], [referring(node("LeakyRelu", ["a"], ["x"]), "alpha", "slope", onnx.AttributeProto.FLOAT)], ["slope"])
twice = function(
    "Twice",
    ["x", "bias"],
    ["y"],
    [referring(node("Leaky", ["x"], ["a"], domain="own"), "slope", "s", onnx.AttributeProto.FLOAT), node("Leaky", ["a"], ["b"], domain="own"), node("Sum", ["b", "b"], ["y"])],
    ["s"],
)
slope = np.where(x < 0, x * 0.5, x)
slope = np.where(slope < 0, slope * 0.01, slope)  # the second call leaves the attribute out: LeakyRelu's own default
gives("function", {"y": 2 * slope}, [node("Twice", ["x"], ["y"], domain="own", s=0.5)], {"x": x}, functions=[leaky, twice])
gives("again", {"y": 2 * slope, "z": -2 * slope}, [node("Twice", ["x"], ["y"], domain="own", s=0.5), node("Twice", ["x"], ["b"], domain="own", s=0.5), node("Neg", ["b"], ["z"])], {"x": x}, functions=[leaky, twice])
endless = function("Endless", ["x"], ["y"], [node("Endless", ["x"], ["y"], domain="own")])
refused(["nested more than"], [node("Endless", ["x"], ["y"], domain="own")], {"x": x}, ["y"], functions=[endless])
refused(["inputs"], [node("Leaky", ["x", "x"], ["y"], domain="own")], {"x": x}, ["y"], functions=[leaky])
refused(["own.Other"], [node("Other", ["x"], ["y"], domain="own")], {"x": x}, ["y"], functions=[leaky])

# Functions of one name differ in their overload; attributes that a call leaves out have defaults, as deep as calls go.
overloads = {}
for overload, op in (("", "Neg"), ("b", "Abs"), ("bc", "Exp")):
    overloads[overload] = function("F", ["a"], ["b"], [node(op, ["a"], ["b"])])
    overloads[overload].overload = overload
calls = []
for index, overload in enumerate(overloads):
    calls.append(node("F", ["x"], [f"y{index}"], domain="own"))
    calls[-1].overload = overload
gives("overloads", {"y0": -x, "y1": abs(x), "y2": np.exp(x)}, calls, {"x": x}, functions=overloads.values())
calls[1].overload = "c"
refused(["own.F"], calls, {"x": x}, ["y1"], functions=overloads.values())
FLOAT = onnx.AttributeProto.FLOAT
inner = helper.make_function("own", "In", ["a"], ["b"], [referring(node("LeakyRelu", ["a"], ["b"]), "alpha", "s", FLOAT)], [helper.make_opsetid("", 18)], attribute_protos=[helper.make_attribute("s", 0.25)])
outer = helper.make_function("own", "Out", ["a"], ["b"], [referring(node("In", ["a"], ["b"], domain="own"), "s", "t", FLOAT)], [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)], attribute_protos=[helper.make_attribute("t", 0.75)])
calls = [node("In", ["x"], ["y0"], domain="own"), node("In", ["x"], ["y1"], domain="own", s=0.5), node("Out", ["x"], ["y2"], domain="own"), node("Out", ["x"], ["y3"], domain="own", t=2.0)]
gives("defaults", {f"y{i}": np.where(x < 0, x * s, x) for i, s in enumerate((0.25, 0.5, 0.75, 2))}, calls, {"x": x}, functions=[inner, outer])

# -- sparse constants, and more pieces than an op of ours has results --
values, at = onnx.numpy_helper.from_array(np.float32([1.5, -2]), "w"), onnx.numpy_helper.from_array(np.int64([1, 5]), "w_at")
by_axes = onnx.numpy_helper.from_array(np.int64([[0, 1], [1, 2]]), "w_at")
dense = np.float32([[0, 1.5, 0], [0, 0, -2]])
for indices in (at, by_axes):
    sparse = helper.make_sparse_tensor(values, indices, [2, 3])
    save([node("Add", ["x", "w"], ["y"]), node("Constant", [], ["c"], sparse_value=sparse), node("Mul", ["x", "c"], ["z"])], {"x": x}, ["y", "z"])
    proto = onnx.load(path)
    proto.graph.sparse_initializer.append(sparse)
    onnx.save(proto, path)
    got = adze.interpret(path, {"x": x})
    assert np.array_equal(got["y"], x + dense) and np.array_equal(got["z"], x * dense)
sparse = helper.make_sparse_tensor(values, onnx.numpy_helper.from_array(np.int64([1, 6]), "w_at"), [2, 3])
refused(["index outside"], [node("Constant", [], ["c"], sparse_value=sparse), node("Mul", ["x", "c"], ["y"])], {"x": x}, ["y"])
long = np.arange(300, dtype=np.float32).reshape(100, 3)
names = [f"p{i}" for i in range(100)]
pieces = [node("Split", ["x"], names, axis=0, num_outputs=100), node("Concat", names[::-1], ["y"], axis=0)]
gives("pieces", {"y": long[::-1]}, pieces, {"x": long})
print(next(numbers), "graphs")
