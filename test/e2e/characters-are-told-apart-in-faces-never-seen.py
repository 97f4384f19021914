# RUN: %python %s %t
# The compiled glyph classifier gives what double precision gives, and is right about characters drawn in font files that
# it was not trained on: 99.9% of 6,000, so at least 98.5% of 600.
import sys

import numpy as np

from tools import accuracy_data, adze, compiled, models, safetensors

BATCH = 20


def conv(x, weights, name):
    w, b = weights[f"{name}.weight"], weights[f"{name}.bias"]
    edge = w.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], axis=(2, 3))
    return np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2) + b[:, None, None]


def relu(x):
    return np.maximum(x, 0)


def reference(x, weights):
    """Logits in double precision, written from the training script."""
    x = relu(conv(x, weights, "stem"))
    for stage in (("s0.b0",), ("s1.b0", "s1.b1"), ("s2.b0", "s2.b1")):
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
        for block in stage:
            y = conv(relu(conv(x, weights, f"{block}.conv1")), weights, f"{block}.conv2")
            x = relu(y + (conv(x, weights, f"{block}.skip") if f"{block}.skip.weight" in weights else x))
    return x.mean((2, 3)) @ weights["head.weight"].T + weights["head.bias"]


weights = {name: array.astype(np.float64) for name, array in safetensors.load(models.path("glyph.safetensors")).items()}
library = adze.compile_model(models.path("glyph.adz"), sys.argv[1], f"--dim=batch={BATCH}").library
model = compiled.Model(library)

data = accuracy_data.glyph(600, "final")
image, label = data["image"], data["label"]
logits = np.concatenate([model.run(image=image[i : i + BATCH])["logits"].copy() for i in range(0, len(image), BATCH)])

want = reference(image[:BATCH].astype(np.float64), weights)
assert np.abs(logits[:BATCH] - want).max() <= 1e-5 * np.abs(want).max()

accuracy = (logits.argmax(1) == label).mean()
assert accuracy >= 0.985, accuracy
