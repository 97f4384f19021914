"""Writes all-MiniLM-L6-v2 as an ONNX file, as an exporter would, for runtimes that adze is compared with.

Inputs `ids` and `mask`, i64[1, length]; outputs `hidden`, f32[1, length, 384], and `embedding`, f32[1, 384].
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tools import minilm_reference as reference
from tools import models, safetensors

OPSET = 17
WIDTH = 384


class _Graph:
    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.initializers = []
        self.count = 0

    def constant(self, array, name=None):
        self.count += 1
        name = name or f"constant_{self.count}"
        if all(known.name != name for known in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, *inputs, **attributes):
        self.count += 1
        result = f"{op.lower()}_{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [result], name=result, **attributes))
        return result

    def scalar(self, value):
        return self.constant(np.float32(value).reshape(()))

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def weight(self, name):
        return self.constant(self.weights[name], name)

    def linear(self, x, name):
        transposed = self.constant(self.weights[f"{name}.weight"].T, f"{name}.weight_t")
        return self.node("Add", self.node("MatMul", x, transposed), self.weight(f"{name}.bias"))

    def norm(self, x, name):
        parameters = (self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))
        return self.node("LayerNormalization", x, *parameters, axis=-1, epsilon=reference.EPSILON)

    def gelu(self, x):
        erf = self.node("Erf", self.node("Div", x, self.scalar(np.sqrt(2))))
        return self.node("Mul", self.node("Mul", x, self.node("Add", erf, self.scalar(1))), self.scalar(0.5))

    def attention(self, x, bias, name, length):
        heads, size = reference.HEADS, WIDTH // reference.HEADS

        def split(part, order):
            shaped = self.node("Reshape", self.linear(x, f"{name}.self.{part}"), self.ints(1, length, heads, size))
            return self.node("Transpose", shaped, perm=order)

        query, key, value = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]), split("value", [0, 2, 1, 3])
        scores = self.node("Div", self.node("MatMul", query, key), self.scalar(np.sqrt(size)))
        weights = self.node("Softmax", self.node("Add", scores, bias), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", weights, value), perm=[0, 2, 1, 3])
        joined = self.node("Reshape", mixed, self.ints(1, length, WIDTH))
        dense = self.linear(joined, f"{name}.output.dense")
        return self.norm(self.node("Add", dense, x), f"{name}.output.LayerNorm")

    def encode(self, length):
        table = "embeddings.{}_embeddings.weight".format
        fixed = self.weights[table("position")][:length] + self.weights[table("token_type")][0]
        x = self.node("Add", self.node("Gather", self.weight(table("word")), "ids"), self.constant(fixed[None]))
        x = self.norm(x, "embeddings.LayerNorm")
        mask = self.node("Cast", self.node("Unsqueeze", "mask", self.ints(1, 2)), to=TensorProto.FLOAT)
        bias = self.node("Mul", self.node("Sub", self.scalar(1), mask), self.scalar(reference.MASKED))
        for layer in range(reference.LAYERS):
            name = f"encoder.layer.{layer}"
            x = self.attention(x, bias, f"{name}.attention", length)
            wide = self.gelu(self.linear(x, f"{name}.intermediate.dense"))
            x = self.norm(self.node("Add", self.linear(wide, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")
        return x

    def pool(self, hidden):
        weights = self.node("Cast", self.node("Unsqueeze", "mask", self.ints(2)), to=TensorProto.FLOAT)
        total = self.node("ReduceSum", self.node("Mul", hidden, weights), self.ints(1), keepdims=0)
        mean = self.node("Div", total, self.node("ReduceSum", weights, self.ints(1), keepdims=0))
        return self.node("Div", mean, self.node("ReduceL2", mean, axes=[-1], keepdims=1))


def build(length):
    weights = {name: a for name, a in safetensors.load(models.path("minilm.safetensors")).items() if a.dtype == np.float32}
    graph = _Graph(weights)
    hidden = graph.encode(length)
    for name, value in ("hidden", hidden), ("embedding", graph.pool(hidden)):
        graph.nodes.append(helper.make_node("Identity", [value], [name]))
    ports = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, length]) for name in ("ids", "mask")]
    results = [
        helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, length, WIDTH]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, WIDTH]),
    ]
    whole = helper.make_graph(graph.nodes, "minilm", ports, results, graph.initializers)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.minilm_onnx", description=__doc__)
    parser.add_argument("--length", type=int, default=128, help="tokens (default: 128)")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    onnx.save(build(arguments.length), arguments.output)


if __name__ == "__main__":
    main()
