# The constants of a library are at most 1.1 times the weights file, and what is decoded at a time is a small part of a layer.
# RUN: %python %s
import tempfile
from pathlib import Path

from tools import bench_encoded

RECIPES = ["bf16", "int8 weights", "int4 weights, groups of 32", "csr 90%", "bitmask 70%", "block 4x4 50%", "block 16x1 90%", "1:4"]

with tempfile.TemporaryDirectory() as folder:
    for name in ("linear-1024x4096-batch-64", "conv-256"):
        _, layer = bench_encoded.LAYERS[name]
        for recipe in RECIPES:
            found = bench_encoded.compile_layer(name, recipe, bench_encoded.RECIPES[recipe], layer, Path(folder))
            part = found.plan.scratch_bytes / (4 * layer[2])
            ratio = found.library_bytes / found.file_bytes
            print(f"{name}, {recipe}: library {ratio:.3f} of the file, scratch {part:.3f} of the dense layer")
            assert ratio <= bench_encoded.MOST_BYTES, (name, recipe, ratio)
            assert part <= 0.2, (name, recipe, part)
