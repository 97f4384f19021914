# RUN: %python %s %t
# An element type that adze has none for is called by ONNX's name, wherever a model asks for it: by an attribute, of an input,
# of an initializer. Only a number that ONNX does not know is said as a number, whole: one beyond 32 bits is not its low half.
import pathlib
import re
import subprocess
import sys

from onnx import TensorProto, helper

from tools import adze

SUPPORTED = "FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 BOOL FLOAT16 DOUBLE UINT32 UINT64 BFLOAT16"
NIBBLES = "UINT4 INT4"  # constants may be of them, and results of QuantizeLinear
TYPES = {type: name.lower() for name, type in TensorProto.DataType.items()}
foreign = {type: name for type, name in TYPES.items() if name.upper() not in SUPPORTED.split()}
numbers = {99: "type 99", -1: "type -1", 2**32 + TensorProto.FLOAT: "type 4294967297"}
NONE = TensorProto.UNDEFINED  # as an attribute of QuantizeLinear and EyeLike: the type is told elsewhere
path = pathlib.Path(sys.argv[1]).with_suffix(".onnx")
path.parent.mkdir(parents=True, exist_ok=True)


def said(nodes, inputs=(), constants=()):
    outputs = [helper.make_tensor_value_info(name, 0, None) for made in nodes for name in made.output]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2]), *inputs]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [1.0])
    size = helper.make_tensor("size", TensorProto.INT64, [], [4])
    graph = helper.make_graph(nodes, "types", ports, outputs, [scale, size, *constants])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())
    done = subprocess.run([adze.PROGRAM, "import", path, "-o", path.with_suffix("")], capture_output=True, text=True)
    assert done.returncode == 1, done
    return done.stderr


count = 0
for type, name in (foreign | numbers).items():
    wanted = {f"Cast to {name}": helper.make_node("Cast", ["x"], ["cast"], to=type)}
    wanted[f"BlackmanWindow of {name}"] = helper.make_node("BlackmanWindow", ["size"], ["window"], output_datatype=type)
    if type != NONE:
        wanted[f"EyeLike of {name}"] = helper.make_node("EyeLike", ["x"], ["eye"], dtype=type)
    if type != NONE and name.upper() not in NIBBLES.split():
        wanted[f"QuantizeLinear to {name}"] = helper.make_node("QuantizeLinear", ["x", "scale"], ["bytes"], output_dtype=type)
    text = said(list(wanted.values()))
    for words in wanted:
        assert re.search(rf"\b{re.escape(words)}(?!\w)", text), (words, text)
    count += len(wanted)
for type, name in foreign.items():
    use = [helper.make_node("Identity", ["w"], ["y"])]
    port = helper.make_tensor_value_info("w", type, [2])
    if type != NONE:
        text = said(use, inputs=[port])
        assert f"input 'w' has the unsupported element type {name}\n" in text, (name, text)
        count += 1
    if name.upper() not in NIBBLES.split():
        text = said(use, constants=[TensorProto(name="w", data_type=type, dims=[2], raw_data=bytes(4))])
        assert f"'w' has the unsupported element type {name}\n" in text, (name, text)
        count += 1
doubles = helper.make_node("QuantizeLinear", ["x", "scale"], ["y"], output_dtype=TensorProto.DOUBLE)
assert "QuantizeLinear to f64" in said([doubles])
print(count, "types named")
