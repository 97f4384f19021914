"""A forward pass of all-MiniLM-L6-v2 (a BERT encoder with mean pooling) in numpy, in single or double precision.

After Devlin et al., BERT (2018): learned positions, post layer norm, gelu by the error function. The sentence
embedding is the mean of the last layer over the tokens of the text, scaled to length 1.
"""

import argparse
import math

import numpy as np

from tools import models, safetensors

LAYERS = 6
HEADS = 12
EPSILON = 1e-12
MASKED = -1e9

# erf by its Taylor polynomial of degree 6 about the nearest point of a grid: exact to a few ulp of f64.
_STEP = 1 / 64
_GRID = np.arange(-6, 6 + _STEP, _STEP)
_ERF = np.array([math.erf(x) for x in _GRID])
_SLOPE = 2 / math.sqrt(math.pi) * np.exp(-_GRID * _GRID)


def erf(x):
    clipped = np.clip(x.astype(np.float64), -6, 6)
    index = np.rint((clipped + 6) / _STEP).astype(np.int64)
    g, d = _GRID[index], clipped - _GRID[index]
    # The k-th derivative of exp(-g^2) is (-1)^k H_k(g) exp(-g^2), H_k the Hermite polynomials.
    h = [np.ones_like(g), 2 * g]
    for k in range(1, 5):
        h.append(2 * g * h[k] - 2 * k * h[k - 1])
    series, power = np.zeros_like(d), d
    for k in range(6):
        series += (-1) ** k * h[k] * power / math.factorial(k + 1)
        power = power * d
    return (_ERF[index] + _SLOPE[index] * series).astype(x.dtype)


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + x.dtype.type(EPSILON)) * weight + bias


def gelu(x):
    return x * x.dtype.type(0.5) * (1 + erf(x * x.dtype.type(math.sqrt(0.5))))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class MiniLM:
    """Weights in one precision."""

    def __init__(self, path=None, dtype=np.float32):
        arrays = safetensors.load(path or models.path("minilm.safetensors"))
        self.w = {name: np.asarray(a, dtype) for name, a in arrays.items() if a.dtype == np.float32}
        self.dtype = dtype

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x, name):
        return layer_norm(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def attention(self, x, bias, name):
        batch, length, width = x.shape

        def split(part):
            return self.linear(x, f"{name}.self.{part}").reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / self.dtype(math.sqrt(width // HEADS)) + bias
        mixed = (softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)
        return self.norm(self.linear(mixed, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")

    def embedded(self, ids):
        x = self.w["embeddings.word_embeddings.weight"][ids]
        x = x + self.w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        return self.norm(x + self.w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")

    def attended(self, x, mask, name):
        return self.attention(x, ((1 - mask[:, None, None, :]) * MASKED).astype(self.dtype), f"{name}.attention")

    def wide(self, x, name):
        """What a layer's last projection is given, [batch, length, 1536]."""
        return gelu(self.linear(x, f"{name}.intermediate.dense"))

    def hidden(self, ids, mask):
        """The last layer, [batch, length, 384], for token ids and a 0/1 mask, both [batch, length]."""
        x = self.embedded(ids)
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            x = self.attended(x, mask, name)
            x = self.norm(self.linear(self.wide(x, name), f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
        return x

    def embed(self, ids, mask):
        """Sentence embeddings of length 1, [batch, 384]."""
        weights = mask[:, :, None].astype(self.dtype)
        mean = (self.hidden(ids, mask) * weights).sum(1) / weights.sum(1)
        return mean / np.sqrt((mean * mean).sum(-1, keepdims=True))

    def embed_each(self, ids, mask, batch=16):
        """As `embed`, for many texts: sorted by length, so that little padding is computed."""
        lengths = mask.sum(1)
        order = np.argsort(lengths, kind="stable")
        result = np.empty((len(ids), self.w["embeddings.LayerNorm.weight"].size), self.dtype)
        for start in range(0, len(ids), batch):
            rows = order[start : start + batch]
            length = lengths[rows].max()
            result[rows] = self.embed(ids[rows, :length], mask[rows, :length])
        return result


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.minilm_reference", description=__doc__)
    parser.add_argument("input", help=".npz with `ids` and `mask`")
    parser.add_argument("--f64", action="store_true", help="compute in double precision")
    parser.add_argument("-o", "--output", required=True, help=".npz with `hidden` and `embedding`")
    arguments = parser.parse_args()
    data = np.load(arguments.input)
    model = MiniLM(dtype=np.float64 if arguments.f64 else np.float32)
    hidden, embedding = model.hidden(data["ids"], data["mask"]), model.embed(data["ids"], data["mask"])
    np.savez(arguments.output, hidden=hidden, embedding=embedding)


if __name__ == "__main__":
    main()
