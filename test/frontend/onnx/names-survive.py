# RUN: rm -rf %t && mkdir -p %t && %python %s %t %cc %cxx
# Names are any text: they survive import, the language, the compiled library, its C header, the command line and the .npz
# that results go to, as names of inputs, outputs, weights, values between, nodes and dimensions.
import ctypes
import pathlib
import subprocess
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

folder, cc, cxx = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
random = np.random.default_rng(5)

NAMES = [
    "a b", "a_b", "a/b", "a:b", "a.b", "a-b", "a\\b", 'a"b', "a'b", "a,b", "a;b", "a|b", "a+b", "A_B", "a__b", " a b", "a b ",
    "int", "return", "class", "NULL", "main", "model", "input", "output", "relu", "plan", "f32", "true", "0", "1e5", "-1",
    "--help", "$x", "%s%n", "@", "#c", "*", "?", "~", "&amp;", "[0]", "(x)", "{}", '{"k": [1, "v"]}', "../x", "/x", "C:\\x",
    "\t", "a\tb", "a\nb", "é", "日本語", "a\u0301", "\u200b", "\U0001f642", "x" * 300, "x" * 299 + "y", "__x", "_", "x.1", "x.2",
    "a=b", "=", "a=", "=b.npy",
]  # fmt: skip


def model(nodes, inputs, outputs, weights=(), shape=(2, 3)):
    tensor = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "names",
        [helper.make_tensor_value_info(name, tensor, shape) for name in inputs],
        [helper.make_tensor_value_info(name, tensor, None) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def run_by_command(program, feeds):
    """`adze run` with NAME=FILE words."""
    words = []
    for index, (name, array) in enumerate(feeds.items()):
        np.save(folder / f"{index}.npy", array)
        words.append(f"{name}={folder / f'{index}.npy'}")
    subprocess.run([adze.PROGRAM, "run", program, "-o", folder / "out.npz", "--", *words], check=True)
    with np.load(folder / "out.npz") as outputs:
        return {name: outputs[name] for name in outputs.files}


def check(title, proto, feeds, want):
    """Interpreted, compiled, by the command, and printed and read again."""
    path = folder / "model.onnx"
    onnx.save(proto, path)
    done = adze.compile_model(path, folder / title, *adze.shapes(feeds))
    subprocess.run([adze.PROGRAM, "import", path, *adze.shapes(feeds), "-o", folder / "again"], check=True)
    ways = {
        "interpreted": adze.interpret(path, feeds),
        "compiled": guarded.outputs(compiled.Model(done.library), feeds),
        "by the command": run_by_command(done.library, feeds),
        "printed and read": adze.interpret(folder / "again.adz", feeds),
    }
    for way, got in ways.items():
        assert set(got) == set(want), (title, way, set(got) ^ set(want))
        for name, values in want.items():
            assert np.array_equal(got[name], values), (title, way, name)
    header = folder / "use.c"
    header.write_text(f'#include "{title}.h"\nint main(void) {{ return 0; }}\n')
    include = [f"-I{folder}", f"-I{adze.BUILD / 'include'}"]
    for compiler in ([cc, "-x", "c"], [cxx, "-x", "c++"]):
        subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *include, header], check=True)


arrays = {name: random.standard_normal((2, 3)).astype(np.float32) for name in NAMES}

# Ports, and nodes of the same names.
nodes = [helper.make_node("Add", [name, name], ["to " + name], name=name) for name in NAMES]
check("ports", model(nodes, NAMES, ["to " + name for name in NAMES]), arrays, {"to " + k: v + v for k, v in arrays.items()})

# Weights, and outputs that bear the names.
x = random.standard_normal((2, 3)).astype(np.float32)
nodes = [helper.make_node("Mul", ["the input", "w " + name], [name]) for name in NAMES]
weights = [("w " + name, value) for name, value in arrays.items()]
check("weights", model(nodes, ["the input"], NAMES, weights), {"the input": x}, {k: x * v for k, v in arrays.items()})

# Weights of the very names, values between, and nodes without names.
chain = ["start", *("v " + name for name in NAMES)]
nodes = [helper.make_node("Add", [a, name], [b]) for a, b, name in zip(chain, chain[1:], NAMES)]
total = x.copy()
for value in arrays.values():
    total = total + value
check("between", model(nodes, ["start"], [chain[-1]], list(arrays.items())), {"start": x}, {chain[-1]: total})

# Values of the very names.
nodes = [helper.make_node("Neg", [a], [b]) for a, b in zip(["start", *NAMES], NAMES)]
sign = -1 if len(NAMES) % 2 else 1
check("values", model(nodes, ["start"], [NAMES[-1]]), {"start": x}, {NAMES[-1]: sign * x})

# Dimensions, two inputs by the same one; then fixed by its name.
for name in NAMES:
    nodes = [helper.make_node("Add", ["p", "q"], ["r"])]
    path = folder / "dims.onnx"
    onnx.save(model(nodes, ["p", "q"], ["r"], shape=(name, 3)), path)
    assert np.array_equal(adze.interpret(path, {"p": x, "q": x})["r"], x + x), name
    if "=" not in name and name != "?":  # that is how some write that there is no name
        said = subprocess.run([adze.PROGRAM, "import", path, f"--dim={name}=2", "-o", "-"], capture_output=True, text=True)
        assert said.returncode == 0 and "f32[2, 3]" in said.stdout, (name, said)

# Diagnostics name what they are about; what would steer a terminal does not get through.
for name in (*NAMES, "\x1b[2J"):
    onnx.save(model([helper.make_node("Frobnicate", ["p"], [name], name=name)], ["p"], [name]), folder / "bad.onnx")
    said = subprocess.run([adze.PROGRAM, "import", folder / "bad.onnx", "-o", "-"], capture_output=True, text=True)
    shown = "".join("?" if ord(c) < 32 else c for c in name)
    assert said.returncode == 1 and "Frobnicate" in said.stderr and "\x1b" not in said.stderr, (name, said.stderr)
    assert shown[:100] in said.stderr.replace("\n", "?").replace("\t", "?"), (name, said.stderr)
print(len(NAMES), "names")
