# RUN: %python %s
# The trained models, imported and interpreted, agree with onnxruntime.
import numpy as np

from tools import adze, models, ocr_data, reference

words, _ = ocr_data.make(2, seed=21)
turned, _ = ocr_data.make_directions(2, seed=22)
scene = np.concatenate(list(words), axis=1)[None]  # two words, one above the other: 96 rows
tokens = np.random.default_rng(23).integers(0, 257, (2, 2048)).astype(np.int32)
for name, feeds in {
    "ppocr_rec": {"x": words[:1]},
    "ppocr_det": {"x": scene},
    "ppocr_cls": {"x": turned},
    "magika": {"bytes": tokens},
}.items():
    model = models.path(f"{name}.onnx")
    (got,) = adze.interpret(model, feeds).values()
    (want,) = reference.run(model, **feeds)
    error = abs(got.astype(np.float64) - want).max() / abs(want).max()
    assert got.shape == want.shape and error < 3e-5, (name, got.shape, error)
