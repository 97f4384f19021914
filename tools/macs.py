"""Counts the multiply-adds of an ONNX model from the shapes that onnxruntime saw in one run without optimisation."""

import json
import math
import pathlib
import tempfile

import onnxruntime


def _shapes(entries):
    return [next(iter(entry.values())) for entry in entries]


def node_macs(op, inputs, outputs):
    """Multiply-adds of one node, by the shapes of its operands and results; 0 for what is no contraction."""
    size = math.prod(outputs[0]) if outputs else 0
    if op == "Conv":
        return size * math.prod(inputs[1][1:])
    if op == "ConvTranspose":
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    if op == "MatMul":
        return size * inputs[0][-1]
    if op == "Gemm":
        return math.prod(inputs[0]) * outputs[0][1]
    return 0


def count(model, feeds):
    """Multiply-adds of one run."""
    with tempfile.TemporaryDirectory() as directory:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # A prepacked weight is missing from the profile.
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.enable_profiling = True
        options.profile_file_prefix = str(pathlib.Path(directory, "profile"))
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        session.run(None, feeds)
        events = json.loads(pathlib.Path(session.end_profiling()).read_text())
    nodes = [e["args"] for e in events if e.get("cat") == "Node" and "output_type_shape" in e.get("args", {})]
    return sum(
        node_macs(n["op_name"], _shapes(n["input_type_shape"]), _shapes(n["output_type_shape"])) for n in nodes
    )
