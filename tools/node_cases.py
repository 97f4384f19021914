"""Models of many nodes side by side, each with the result that it must have: for tests of single ONNX ops.

    cases = node_cases.Cases(opset=22)
    cases.add("Acos", [x], [np.arccos(x)])             # inputs are arrays; [array] is a constant, None is left out
    cases.check(sys.argv[1])                           # interpreted, and compiled under guard
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper

from tools import adze, compiled, guarded


class Cases:
    def __init__(self, opset):
        self.opset = opset
        self.nodes, self.inputs, self.constants, self.want, self.within = [], {}, {}, {}, {}

    def add(self, op, operands, expected, rtol=1e-5, atol=1e-6, elem=None, **attributes):
        """One node with these results (None: not asked for). `elem`: the operands are floats that are cast to this type
        of ONNX and the results cast back."""
        name, names = f"{op}{len(self.nodes)}", []
        for index, operand in enumerate(operands):
            names.append("" if operand is None else f"{name}.{index}")
            if isinstance(operand, list):
                self.constants[names[-1]] = np.asarray(operand[0])
            elif operand is not None:
                self.inputs[names[-1]] = np.asarray(operand)
                if elem and np.asarray(operand).dtype.kind == "f":
                    self.nodes.append(helper.make_node("Cast", [names[-1]], [names[-1] + ".cast"], to=elem))
                    names[-1] += ".cast"
        outputs = ["" if values is None else f"{name}:{index}" for index, values in enumerate(expected)]
        made = [f"{output}.cast" if output and elem else output for output in outputs]
        self.nodes.append(helper.make_node(op, names, made, **attributes))
        for output, source, values in zip(outputs, made, expected):
            if not output:
                continue
            if elem:
                self.nodes.append(helper.make_node("Cast", [source], [output], to=TensorProto.FLOAT))
            self.want[output], self.within[output] = np.asarray(values), (rtol, atol)

    def save(self, path):
        graph = helper.make_graph(
            self.nodes,
            "cases",
            [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in self.inputs.items()],
            [helper.make_tensor_value_info(name, 0, None) for name in self.want],
            [onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)]), path)

    def check(self, stem):
        """Interprets the model and runs it compiled: each output must have the shape, the type and the values."""
        path = pathlib.Path(stem + ".onnx")
        self.save(path)
        library = adze.compile_model(path, stem).library
        for how, got in (("interpreted", adze.interpret(path, self.inputs)), ("compiled", guarded.outputs(compiled.Model(library), self.inputs))):
            for name, values in self.want.items():
                found, (rtol, atol) = got[name], self.within[name]
                assert found.shape == values.shape and found.dtype == values.dtype, (how, name, found.shape, found.dtype, values.shape, values.dtype)
                exact = values.dtype.kind != "f"
                same = np.array_equal(found, values) if exact else np.allclose(found, values, rtol=rtol, atol=atol, equal_nan=True)
                assert same, f"{how}: {name} is\n{found}\nexpected\n{values}"
