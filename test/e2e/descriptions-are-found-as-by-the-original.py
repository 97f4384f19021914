# RUN: %python %s
# MiniLM, compiled from its text and its safetensors file, embeds and finds as the numpy model in double precision does.
import numpy as np

from tools import demo, minilm_reference, retrieval_data

count = 24
recall, rank, sides = demo.retrieval(count)
exact = minilm_reference.MiniLM(dtype=np.float64)
pairs = retrieval_data.packages()[:count]
want = [exact.embed_each(*retrieval_data.tokenize(texts)) for texts in zip(*pairs)]
for got, true in zip(sides, want):
    assert np.abs(got - true).max() < 1e-4 * np.abs(true).max()
assert (recall, rank) == retrieval_data.score(*want)
