# RUN: %python %s
# Multiply-adds counted from a run are the sums of the layers' sizes.
import numpy as np

from tools import macs, models

image = np.zeros((1, 3, 224, 224), np.float32)
assert macs.count(models.path("mobilenetv2.onnx"), {"input": image}) == 300774272
perceptron = 21 * 37 + 37 * 5
assert macs.count(models.path("tiny_mlp.onnx"), {"input": np.zeros((3, 21), np.float32)}) == 3 * perceptron

assert macs.node_macs("Conv", [[1, 8, 9, 9], [16, 4, 3, 3]], [[1, 16, 7, 7]]) == 16 * 49 * 4 * 9
assert macs.node_macs("ConvTranspose", [[1, 8, 9, 9], [8, 4, 2, 2]], [[1, 4, 18, 18]]) == 8 * 81 * 4 * 4
assert macs.node_macs("Relu", [[5]], [[5]]) == 0
