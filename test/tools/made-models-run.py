# RUN: %python %s
# The models with random weights are valid, keep the size of their activations, and are the same every time.
import numpy as np

from tools import made_models, models, reference

random = np.random.default_rng(5)
for name, shape in [("tiny_cnn", (3, 3, 17, 19)), ("tiny_mlp", (4, 21)), ("mobilenetv2", (1, 3, 224, 224))]:
    (result,) = reference.run(models.path(f"{name}.onnx"), input=random.standard_normal(shape, dtype=np.float32))
    assert np.isfinite(result).all() and 0.01 < result.std() < 100, (name, result.std())
assert made_models.tiny_cnn() == made_models.tiny_cnn()
