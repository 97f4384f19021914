# RUN: %python %s
# MiniLM written as ONNX and run by onnxruntime computes what the numpy model computes in double precision.
import numpy as np

from tools import minilm_onnx, minilm_reference, reference, retrieval_data

ids, mask = retrieval_data.tokenize(["a library to compress data", "x"], length=24)
peer = reference.session(minilm_onnx.build(24).SerializeToString())
exact = minilm_reference.MiniLM(dtype=np.float64)
for one_ids, one_mask in zip(ids[:, None], mask[:, None]):
    hidden, embedding = peer.run(["hidden", "embedding"], {"ids": one_ids, "mask": one_mask})
    want = exact.hidden(one_ids, one_mask)
    assert np.abs(hidden - want).max() < 2e-5 * np.abs(want).max()
    assert np.abs(embedding - exact.embed(one_ids, one_mask)).max() < 1e-6
