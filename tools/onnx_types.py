"""Sweeps ONNX ops over what their schemas allow: every version that is in force in opsets 7 to 22, every element type.

A test has a function for each op that adds nodes with their expected values to a case; `sweep` calls it for each version
and combination of types, puts the nodes of an opset into one model, and compares what the interpreter and the compiled
model make of it. Expected values are computed wide and rounded once.
"""

import hashlib
import itertools
import pathlib
import re
import sys

import ml_dtypes
import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded
from tools.models import ROOT

np.seterr(all="ignore")

FIRST, LAST = 7, 22  # opsets
BF16 = np.dtype(ml_dtypes.bfloat16)
ELEMENTS = {
    "bool": np.bool_, "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64, "uint8": np.uint8,
    "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "float": np.float32, "double": np.float64,
}  # fmt: skip
ELEMENTS = {name: np.dtype(type) for name, type in ELEMENTS.items()}
NIBBLES = {"int4": np.dtype(ml_dtypes.int4), "uint4": np.dtype(ml_dtypes.uint4)}  # for the ops that are told below
TENSOR = {type: getattr(onnx.TensorProto, name.upper()) for name, type in (ELEMENTS | NIBBLES).items()}
FORMATS = {np.dtype(np.float16): (11, -14), BF16: (8, -126), np.dtype(np.float32): (24, -126), np.dtype(np.float64): (53, -1022)}
OF_NIBBLES = ("DequantizeLinear",)
MOST_COMBINATIONS = 400  # of one version; with more, each pair of types occurs, but not each triple


def is_float(dtype):
    return dtype in FORMATS


# -- numbers --
def unit(values, dtype):
    """The distance of neighbours in the type, about each value."""
    precision, least = FORMATS[dtype]
    return np.ldexp(np.longdouble(1), np.maximum(np.frexp(values)[1], least + 1) - precision)


def rounded(values, dtype):
    """Numbers in a float type: one rounding, to nearest, halves to even."""
    if dtype == np.float64:
        return np.asarray(values, np.longdouble).astype(np.float64)
    wide = np.asarray(values, np.longdouble)
    steps = unit(np.where(np.isfinite(wide), wide, 1), dtype)
    result = np.where(np.isfinite(wide), np.rint(wide / steps) * steps, wide)
    return result.astype(dtype)  # exact, or overflow


def wrapped(values, dtype):
    """Whole numbers in an integer type, modulo its size."""
    low, size = int(np.iinfo(dtype).min), 1 << (8 * dtype.itemsize)
    flat = [(int(value) - low) % size + low for value in np.asarray(values, object).ravel()]
    return np.array(flat, dtype).reshape(np.shape(values))


def in_type(values, dtype):
    """Exact results as numbers of the type."""
    if dtype == np.bool_:
        return np.asarray(values) != 0
    return rounded(values, dtype) if is_float(dtype) else wrapped(values, dtype)


def exact(array):
    """An array's numbers: Python's for integers, so that nothing wraps, long doubles for floats."""
    return array.astype(np.longdouble) if is_float(array.dtype) else array.astype(np.int64).astype(object) if array.dtype == np.bool_ else array.astype(object)


def edges(dtype):
    """Numbers of the type that go wrong first."""
    if dtype == np.bool_:
        return np.array([False, True])
    if is_float(dtype):
        precision, least = FORMATS[dtype]
        top = np.longdouble(2) ** (2 - least) * (1 - np.longdouble(2) ** -precision)
        tiny = np.longdouble(2) ** least
        plain = [0, 0.5, 1, 1.5, 2, 2.5, 3.75, 7, 100, 255.5, 1 + np.longdouble(2) ** (1 - precision), 0.1, top, tiny, tiny * np.longdouble(2) ** (1 - precision)]
        return rounded(np.array([*plain, *(-np.array(plain, np.longdouble)), np.inf, -np.inf, np.nan], np.longdouble), dtype)
    limits = np.iinfo(dtype)
    some = [0, 1, 2, 3, 7, 10, 100, limits.max, limits.max - 1, limits.max // 2 + 1, limits.min, limits.min + 1]
    return wrapped(sorted({*some, *(-value for value in some[1:7])}), dtype)


def finite(dtype):
    values = edges(dtype)
    return values[np.isfinite(values.astype(np.float64))] if is_float(dtype) else values


def pairs(dtype, other=None):
    """Each edge of one type with each of the other."""
    a, b = edges(dtype), edges(other or dtype)
    return np.repeat(a, len(b)), np.tile(b, len(a))


def small(dtype, *shape, start=-3, step=1):
    """Small whole numbers, of which all types hold sums and products exactly."""
    count = int(np.prod(shape, dtype=np.int64))
    values = (np.arange(count) * step) % 7 + (0 if dtype.kind in "ub" else start)
    return in_type(values % 2 if dtype == np.bool_ else values, dtype).reshape(shape)


def cells(dtype, *shape):
    """Edges of the type, in a shape."""
    return np.resize(edges(dtype), shape)


def truncated(quotient_of, by):
    """Exact division of whole numbers, towards zero."""
    return abs(quotient_of) // abs(by) * (-1 if (quotient_of < 0) != (by < 0) else 1)


# -- schemas --
def imported():
    return set(re.findall(r"^ONNX_OP\((\w+),", (ROOT / "frontend/onnx/onnx_ops.def").read_text(), re.MULTILINE))


def versions(op):
    """The schemas that are in force in opsets FIRST to LAST, each with the opset to test it in."""
    found = sorted((s for s in onnx.defs.get_all_schemas_with_history() if s.name == op and s.domain == ""), key=lambda s: s.since_version)
    for schema, following in zip(found, [*found[1:], None]):
        if schema.since_version <= LAST and (following is None or following.since_version > FIRST) and not schema.deprecated:
            yield schema, max(FIRST, schema.since_version)


def combinations(schema):
    """{type variable: element type}, for all that the schema allows."""
    names, kinds = [], []
    elements = ELEMENTS | NIBBLES if schema.name in OF_NIBBLES else ELEMENTS
    for constraint in schema.type_constraints:
        words = [match[1] for text in constraint.allowed_type_strs if (match := re.fullmatch(r"tensor\((\w+)\)", text))]
        names.append(constraint.type_param_str)
        kinds.append(sorted((elements[word] for word in words if word in elements), key=lambda d: list(TENSOR).index(d)))
    if np.prod([len(kind) for kind in kinds]) <= MOST_COMBINATIONS or len(kinds) != 3:
        for chosen in itertools.product(*kinds):
            yield dict(zip(names, chosen))
    else:
        for i, k in itertools.product(range(len(kinds[0])), range(len(kinds[2]))):
            yield dict(zip(names, (kinds[0][i], kinds[1][(i + k) % len(kinds[1])], kinds[2][k])))


# -- cases --
class Table(dict):
    """{op: function}."""

    def case(self, *ops):
        """A decorator: the function is that of these ops."""

        def add(function):
            self.update(dict.fromkeys(ops, function))
            return function

        return add


class Node:
    def __init__(self, proto, inputs, constants, want, tolerance, about):
        self.proto, self.inputs, self.constants, self.want = proto, inputs, constants, want
        self.tolerance, self.about = tolerance, about


class Case:
    """One version of an op with one choice of types. An op's function adds nodes to it."""

    def __init__(self, schema, opset, types, number):
        self.op, self.version, self.opset, self.types = schema.name, schema.since_version, opset, types
        self.number, self.nodes = number, []

    @property
    def T(self):
        return next(iter(self.types.values()))

    def __str__(self):
        kinds = ", ".join(f"{name} {dtype.name}" for name, dtype in self.types.items())
        return f"{self.op}-{self.version} ({kinds})"

    def node(self, inputs, want, ulps=0, least=0, any_zero=False, **attributes):
        """An input is an array; in a list, a constant; None is left out. `want` is an array or a list of one for each
        result, None for one that is not asked for. A result may differ by `ulps` units in the last place of the expected
        number or, where that is larger, of `least`; any_zero: zeros of either sign are equal."""
        stem = f"{self.op}.{self.version}.{self.number}.{len(self.nodes)}"
        fed, constants, names = {}, [], []
        for index, given in enumerate(inputs):
            if given is None:
                names.append("")
            elif isinstance(given, list):
                constants.append(tensor(given[0], f"{stem}.{index}"))
                names.append(constants[-1].name)
            else:
                array = np.ascontiguousarray(given) if np.ndim(given) else np.asarray(given)
                key = hashlib.blake2b(array.tobytes() + repr((array.shape, array.dtype.name)).encode(), digest_size=8).hexdigest()
                fed[f"in.{key}"] = array
                names.append(f"in.{key}")
        want = want if isinstance(want, list) else [want]
        outputs = ["" if array is None else f"{stem}.y{index}" for index, array in enumerate(want)]
        proto = helper.make_node(self.op, names, outputs, name=stem, **attributes)
        arrays = {name: np.asarray(array) for name, array in zip(outputs, want) if name}
        self.nodes.append(Node(proto, fed, constants, arrays, (ulps, least, any_zero), self))


def tensor(array, name):
    array = np.asarray(array)
    if array.dtype in NIBBLES.values():
        flat = [int(value) & 15 for value in array.ravel()]
        pairs = bytes(low | high << 4 for low, high in itertools.zip_longest(flat[::2], flat[1::2], fillvalue=0))
        return helper.make_tensor(name, TENSOR[array.dtype], array.shape, pairs, raw=True)
    return helper.make_tensor(name, TENSOR[array.dtype], array.shape, array.tobytes(), raw=True)


# -- running --
def model(nodes, opset):
    inputs, constants, outputs = {}, [], []
    for node in nodes:
        inputs |= node.inputs
        constants += node.constants
        outputs += [helper.make_tensor_value_info(name, TENSOR[array.dtype], array.shape) for name, array in node.want.items()]
    info = [helper.make_tensor_value_info(name, TENSOR[array.dtype], array.shape) for name, array in inputs.items()]
    graph = helper.make_graph([node.proto for node in nodes], f"opset{opset}", info, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), inputs


def interpreted(path, feeds):
    return adze.interpret(path, feeds)


def run_compiled(path, feeds):
    made = adze.compile_model(path, path.with_suffix(""))
    bits = {name: array.view(np.uint16) if array.dtype == BF16 else array for name, array in feeds.items()}
    return guarded.outputs(compiled.Model(made.library), bits)


def wrong(got, want, tolerance):
    """What is wrong with a result, or None."""
    ulps, least, any_zero = tolerance
    if want.dtype == BF16 and got.dtype.itemsize == 2 and got.dtype.kind in "Vu":
        got = got.view(BF16)
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
    if is_float(want.dtype):
        g, w = got.astype(np.longdouble), want.astype(np.longdouble)
        size = np.maximum(np.where(np.isfinite(w), abs(w), 0), np.longdouble(least))
        near = np.isfinite(g) & np.isfinite(w) & (abs(g - w) <= ulps * unit(size, want.dtype))
        same = (g == w) & (any_zero | (np.signbit(g) == np.signbit(w)) | (ulps > 0)) | (np.isnan(g) & np.isnan(w)) | near
    else:
        same = got == want
    if np.all(same):
        return None
    at = tuple(np.argwhere(~same)[0])
    return f"{int((~same).sum())} of {same.size} wrong, first [{', '.join(map(str, at))}]: {got[at]!r} instead of {want[at]!r}"


def failures(nodes, opset, way, stem):
    """(node, what is wrong) of a model of these nodes. Nodes that keep a model from being made are those that the diagnostic
    names, or else are found by halving."""
    made, feeds = model(nodes, opset)
    path = stem.with_name(f"{stem.name}.{nodes[0].proto.name}.{len(nodes)}.onnx")  # a library is loaded once for each name
    onnx.save(made, path)
    try:
        got = way(path, feeds)
    except (adze.CompileError, compiled.ModelError, AssertionError) as problem:
        said = str(problem).strip()
        named = [node for node in nodes if len(nodes) == 1 or f"'{node.proto.name}'" in said]
        if named:
            rest = [node for node in nodes if node not in named]
            return [(node, said) for node in named] + (failures(rest, opset, way, stem) if rest else [])
        half = len(nodes) // 2
        return failures(nodes[:half], opset, way, stem) + failures(nodes[half:], opset, way, stem)
    return [(node, said) for node in nodes for name, want in node.want.items() if (said := wrong(got[name], want, node.tolerance))]


def sweep(table, stem, ops=()):
    """Runs the functions of `table` ({op: function}); prints what failed and how much was tried. The exit status."""
    by_opset, cases, found = {}, [], []
    for op in table:
        for schema, opset in versions(op) if not ops or op in ops else ():
            for types in combinations(schema):
                case = Case(schema, opset, types, len(cases))
                table[op](case)
                cases.append(case)
                by_opset.setdefault(opset, []).extend(case.nodes)
    path = pathlib.Path(stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    for opset, nodes in sorted(by_opset.items()):
        for way in (interpreted, run_compiled):
            for node, said in failures(nodes, opset, way, path):
                found.append(f"{node.about} {way.__name__}, {[a.name for a in node.proto.attribute]}: {said}")
    print(*found, sep="\n")
    nodes = sum(len(case.nodes) for case in cases)
    print(f"{len(set(case.op for case in cases))} ops, {len({(c.op, c.version) for c in cases})} versions of them, {len(cases)} combinations "
          f"of op, version and types in {nodes} nodes of {len(by_opset)} models: {len(found)} failures")  # fmt: skip
    untried = [str(case) for case in cases if not case.nodes]
    print(*(f"nothing was tried of {text}" for text in untried), sep="\n")
    return 1 if found or untried else 0


def main(table):
    sys.exit(sweep(table, sys.argv[1], sys.argv[2:]))
