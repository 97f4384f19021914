# RUN: %python %s %t
# Einsum in its forms: products, traces, diagonals, outer products, an ellipsis that broadcasts, several operands, no arrow.
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper

from tools import adze, compiled, guarded

random = np.random.default_rng(17)
CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->i", (2, 3)),
    ("i,j->ij", (2,), (3,)), ("i,i->", (3,), (3,)), ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)), ("ii->i", (3, 3)), ("ii->", (3, 3)),
    ("bhqk,bhkd->bqhd", (2, 2, 3, 5), (2, 2, 5, 4)), ("bii->bi", (2, 3, 3)), ("iij->j", (3, 3, 2)), ("iii->i", (3, 3, 3)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)), ("...i->...", (2, 3, 4)), ("i...->...i", (2, 3, 4)), ("...,...->...", (2, 3), (3,)),
    ("ij,jk", (2, 3), (3, 4)), ("ba,cb", (2, 3), (3, 2)), ("Ab,bC->AC", (2, 3), (3, 4)), (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("abc,cd,ad->b", (2, 3, 4), (4, 5), (2, 5)), ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    ("ij,ij->ij", (2, 3), (2, 3)), ("ij,j->ij", (2, 3), (3,)), ("btd,dhk->bthk", (2, 3, 4), (4, 2, 5)), (",ij->ij", (), (2, 3)), ("ij,k->", (2, 3), (2,)),
]  # fmt: skip
nodes, inputs, want = [], {}, {}
for number, (equation, *shapes) in enumerate(CASES):
    names = [f"x{number}.{k}" for k in range(len(shapes))]
    inputs |= {name: np.asarray(random.standard_normal(shape), np.float32) for name, shape in zip(names, shapes)}
    nodes.append(helper.make_node("Einsum", names, [equation], equation=equation))
    want[equation] = np.einsum(equation.replace(" ", ""), *(inputs[name].astype(np.float64) for name in names))


def save(some_nodes, outputs):
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape) for name, value in inputs.items()]
    graph = helper.make_graph(some_nodes, "einsum", info, [helper.make_tensor_value_info(name, 0, None) for name in outputs])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)


path = pathlib.Path(sys.argv[1] + ".onnx")
path.parent.mkdir(parents=True, exist_ok=True)
save(nodes, want)
for got in (adze.interpret(path, inputs), guarded.outputs(compiled.Model(adze.compile_model(path, sys.argv[1]).library), inputs)):
    for equation, values in want.items():
        assert got[equation].shape == values.shape, (equation, got[equation].shape)
        assert np.allclose(got[equation], values, rtol=1e-5, atol=1e-5), equation

for equation in ("ij,jk,kl->il", "i->j", "ij->ii", "i.j->ij", "ijk->i", "i$->i", "->"):
    save([helper.make_node("Einsum", ["x0.0"], ["y"], equation=equation)], ["y"])
    try:
        adze.interpret(path, inputs)
    except adze.CompileError as error:
        assert "Einsum" in str(error) and "error:" in str(error), error
    else:
        raise AssertionError(f"not refused: {equation}")
print(len(CASES), "equations")
