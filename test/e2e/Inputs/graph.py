"""Grows one ONNX model of many small graphs, each with what it should give, and runs all of them at once."""

import pathlib

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded


class Graph:
    """Nodes with their expected outputs. An operand is the name of a value, an array (an input), or an array in a list of one (a
    constant); None is left out."""

    def __init__(self, opset=18):
        self.opset = opset
        self.nodes, self.inputs, self.constants, self.want = [], {}, [], {}

    def name_of(self, operand):
        if operand is None or isinstance(operand, str):
            return operand or ""
        if isinstance(operand, list):
            self.constants.append(onnx.numpy_helper.from_array(np.asarray(operand[0]), f"c{len(self.constants)}"))
            return self.constants[-1].name
        for name, array in self.inputs.items():
            if array is operand:
                return name
        self.inputs[f"x{len(self.inputs)}"] = operand
        return f"x{len(self.inputs) - 1}"

    def add(self, op, *operands, outputs=1, **attributes):
        """The name of the node's output, or a list of them."""
        names = [f"{op}{len(self.nodes)}.{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, [self.name_of(operand) for operand in operands], names, **attributes))
        return names[0] if outputs == 1 else names

    def output(self, value, expected):
        """A value that is an output already gets another name: the same memory cannot be both."""
        name = value if value not in self.want else self.add("Identity", value)
        self.want[name] = np.asarray(expected)

    def save(self, path):
        info = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in self.inputs.items()]
        outputs = [helper.make_tensor_value_info(name, 0, None) for name in self.want]
        graph = helper.make_graph(self.nodes, "graph", info, outputs, self.constants)
        opsets = [helper.make_opsetid("", self.opset)]
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)

    def check(self, stem, tolerance, targets=None, interpreted=True):
        """Runs the interpreter, and code compiled for each target (else each level of this machine) on guarded memory, several
        times; errors are relative to an output's largest value. Returns how many outputs were compared."""
        targets = targets or adze.levels()
        path = f"{stem}.onnx"
        self.save(path)
        if interpreted:
            self.compare("interpreted", adze.interpret(path, self.inputs), tolerance)
        for target in targets:
            made = adze.compile_model(path, f"{stem}.{target}", f"--target={target}")
            self.compare(target, guarded.outputs(compiled.Model(made.library), self.inputs), tolerance)
        return len(self.want) * (len(targets) + interpreted)

    def compare(self, how, got, tolerance):
        for name, want in self.want.items():
            found = got[name]
            assert found.shape == want.shape, (how, name, found.shape, want.shape)
            if found.dtype.kind != "f":
                assert np.array_equal(found, want), (how, name, found, want)
                continue
            finite = np.isfinite(want)
            assert np.array_equal(found[~finite], want[~finite], equal_nan=True), (how, name, found, want)
            error = np.abs(found[finite] - want[finite]).max(initial=0)
            assert error <= tolerance * np.abs(want[finite]).max(initial=1e-30), (how, name, error, found, want)


def conv(x, w, group=1, stride=1, pad=0):
    """A convolution over any number of spatial dimensions, in double precision."""
    spatial = x.ndim - 2
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0)] + [(pad, pad)] * spatial)
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], tuple(range(2, x.ndim)))
    windows = windows[(slice(None), slice(None)) + (slice(None, None, stride),) * spatial]
    wide = w.reshape(group, w.shape[0] // group, *w.shape[1:]).astype(np.float64)
    windows = windows.reshape(x.shape[0], group, -1, *windows.shape[2:])
    taps = "ijk"[:spatial]
    places = "xyz"[:spatial]
    sums = np.einsum(f"ngc{places}{taps},goc{taps}->ngo{places}", windows, wide)
    return sums.reshape(x.shape[0], w.shape[0], *sums.shape[3:])
