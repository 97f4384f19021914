"""Runs a program made with --emit=exe under an emulator and compares its outputs with the interpreter's.

emulated.py MODEL PROGRAM FOLDER EMULATOR...
"""

import subprocess
import sys

import numpy as np

from tools import adze

SHAPES = {"image": (2, 3, 23, 19), "words": (2, 13, 24), "ids": (2, 13)}
BOUND = {"halves": 2e-2}  # of the largest value: a value may round to the next half
model, program, folder, *emulator = sys.argv[1:]
random = np.random.default_rng(3)
feeds = {
    name: random.integers(0, 10, shape) if name == "ids" else random.standard_normal(shape, dtype=np.float32)
    for name, shape in SHAPES.items()
}
words = []
for name, array in feeds.items():
    np.save(f"{folder}/{name}.npy", array)
    words.append(f"{name}={folder}/{name}.npy")
subprocess.run([*emulator, program, *words, "-o", f"{folder}/out"], check=True)
for name, want in adze.interpret(model, feeds).items():
    got = np.load(f"{folder}/out.{name}.npy")
    assert got.shape == want.shape and got.dtype == want.dtype, name
    scale = max(np.abs(want).max(), 1e-30)
    error = np.abs(got.astype(np.float64) - want).max() / scale
    assert error <= (BOUND.get(name, 1e-5) if want.dtype.kind == "f" else 0), (name, error)
