# Quantized tables stay as they are stored in the library: integers, 4-bit ones in pairs, and their scales. What is
# looked up has the interpreter's bits.
# RUN: %python %s %adze %t
import subprocess
import sys
from pathlib import Path

import numpy as np

ADZE, OUT = sys.argv[1], Path(sys.argv[2])
ROWS = 500

# name, columns, options of quantize, bytes of a row in the library (numbers and scales)
CASES = [
    ("int8", 24, "weights = int8", 24 + 4),
    ("int8-groups", 24, "weights = int8, group = 8", 24 + 3 * 4),
    ("int4-groups", 64, "weights = int4, group = 32", 32 + 2 * 4),
    ("int4-odd", 15, "weights = int4, group = 5", 8 + 3 * 4),
    ("f16", 24, "weights = f16", 48),
    ("bf16", 24, "weights = bf16", 48),
]


def adze(*args):
    return subprocess.run([ADZE, *map(str, args)], check=True, capture_output=True, text=True).stdout


def text(columns, op):
    return (
        f"model t\ninput n: i64[2, 3]\nweight t: f32[{ROWS}, {columns}] = random(1)\noutput y = {op}\n"
    )


OUT.mkdir(parents=True, exist_ok=True)
np.save(OUT / "n.npy", np.array([[0, 7, ROWS - 1], [-1, 7, 250]]))
for name, columns, options, row in CASES:
    for kind, op in (("embedding", "embedding(n, t)"), ("gather", "gather(t, n)")):
        stem = OUT / f"{name}-{kind}"
        source = stem.with_suffix(".source.adz")
        source.write_text(text(columns, op))
        adze("opt", source, f"--passes=quantize({options}, activations = none)", "-o", stem)
        adze("compile", f"{stem}.adz", "--weights=external", "-o", f"{stem}.so")
        adze("run", "--interp", f"{stem}.adz", f"n={OUT / 'n.npy'}", "-o", OUT / "meant.npy")
        adze("run", f"{stem}.so", f"n={OUT / 'n.npy'}", "-o", OUT / "got.npy")
        meant, got = np.load(OUT / "meant.npy"), np.load(OUT / "got.npy")
        assert meant.tobytes() == got.tobytes(), (name, kind)
        size = stem.with_suffix(".weights").stat().st_size
        assert size <= ROWS * row * 1.02 + 512, (name, kind, size, ROWS * row)
        print(name, kind, size)
