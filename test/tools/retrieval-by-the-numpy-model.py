# RUN: %python %s
# The numpy MiniLM finds descriptions, agrees with itself in double precision and does not see padding.
import math

import numpy as np

from tools import minilm_reference, retrieval_data

points = np.linspace(-7, 7, 10001)
assert np.abs(minilm_reference.erf(points) - [math.erf(x) for x in points]).max() < 1e-15

pairs = retrieval_data.packages()[:32]
queries = retrieval_data.tokenize(short for short, _ in pairs)
documents = retrieval_data.tokenize(long for _, long in pairs)
assert queries[0].shape == (len(pairs), 128)
model = minilm_reference.MiniLM()
recall, rank = retrieval_data.score(model.embed_each(*queries), model.embed_each(*documents))
assert recall > 0.6 and rank >= recall, (recall, rank)

ids, mask = queries[0][:2], queries[1][:2]
exact = minilm_reference.MiniLM(dtype=np.float64).embed(ids, mask)
assert np.abs(model.embed(ids, mask) - exact).max() < 1e-6
length = mask.sum(1).max()
assert np.abs(model.embed(ids[:, :length], mask[:, :length]) - exact).max() < 1e-6
