"""Sums of integers that f32 does not hold exactly are made of slices over which it does: how many, and where they are
cut; f64 where none fit. Whatever the way, the library has the interpreter's bits."""
# RUN: %python %s %adze %t
import re
import subprocess
import sys
from pathlib import Path

ADZE, OUT = sys.argv[1], Path(sys.argv[2])
ROWS = 4

# Numbers of x are 0 to 255 and codes 127 or -127: 2^24 / (255 * 127) = 518 of them add up exactly in any order.
LINEAR = "linear(q, w)"
CASES = [
    # name, shape of x, shape of w, the op, passes before, products, ends of their slices
    ("short", (2, 518), (ROWS, 518), LINEAR, "", 1, []),
    ("longer-by-one", (2, 519), (ROWS, 519), LINEAR, "", 2, [260, 519]),
    ("long", (2, 4096), (ROWS, 4096), LINEAR, "", 8, [512 * i for i in range(1, 9)]),
    ("too-long", (2, 9000), (ROWS, 9000), LINEAR, "", "f64", []),
    ("conv", (1, 64, 5, 5), (ROWS, 64, 3, 3), "conv2d(q, w, pad = 1)", "", 2, [32, 64]),
    ("conv-wide", (1, 1100, 2, 2), (ROWS, 1100, 1, 1), "conv2d(q, w)", "", 3, [367, 734, 1100]),
    ("conv-1d", (1, 400, 6), (ROWS, 400, 3), "conv1d(q, w, pad = 1)", "", 3, [134, 268, 400]),
    ("conv-groups", (1, 128, 5, 5), (ROWS, 64, 3, 3), "conv2d(q, w, pad = 1, groups = 2)", "", "f64", []),
    # Slices are longer where of each few codes some are 0, and what is stored together stays together. (Without n of m
    # whole rows go first here, all numbers being as large, and the others are dense.)
    ("2-of-4", (2, 1500), (ROWS, 1500), LINEAR, 'pattern = "2:4", format = nm', 2, [752, 1500]),
    ("1-of-4", (2, 2076), (ROWS, 2076), LINEAR, 'pattern = "1:4", format = nm', 2, [1040, 2076]),
    ("2-of-4-conv", (1, 116, 5, 5), (ROWS, 116, 3, 3), "conv2d(q, w, pad = 1)", 'pattern = "2:4", format = nm', 2, [60, 116]),
    ("blocks", (2, 1500), (ROWS, 1500), LINEAR, "pattern = 1x16, format = block", 3, [512, 1024, 1500]),
    ("bitmask", (2, 1002), (ROWS, 1002), LINEAR, "format = bitmask", 2, [501, 1002]),
    ("csr", (2, 1002), (ROWS, 1002), LINEAR, "format = csr", 2, [501, 1002]),
]


def adze(*args):
    done = subprocess.run([ADZE, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout


def shape(dims):
    return "[" + ", ".join(map(str, dims)) + "]"


def numbers(dims):
    """Rows of one sign, of alternating ones, and in between: all of one size."""
    count = 1
    for d in dims[1:]:
        count *= d
    rows = [[1.0] * count, [-1.0] * count, [1.0 if i % 2 else -1.0 for i in range(count)],
            [-1.0 if i % 7 == 3 else 1.0 for i in range(count)]]
    return "{" + ", ".join(str(v) for row in rows for v in row) + "}"


OUT.mkdir(parents=True, exist_ok=True)
for name, x, w, op, sparse, products, ends in CASES:
    source, stem = OUT / f"{name}.source.adz", OUT / name
    source.write_text(
        f"model t\ninput x: f32{shape(x)}\nweight w: f32{shape(w)} = {numbers(w)}\n"
        f"q = quantize(x, scale = 0.004, zero = -128)\noutput y = {op}\n"
    )
    passes = "quantize(activations = none)"
    if sparse:
        passes = f"sparsify(method = magnitude, {sparse}), {passes}"
    adze("opt", source, f"--passes={passes}", "-o", stem)
    lowered = adze("opt", f"{stem}.adz", "--passes=lower-quantized")
    kernels = re.findall(r"(f32|f64)\[[^]]*\] = (?:linear|conv1d|conv2d)\(", lowered)
    assert kernels == (["f64"] if products == "f64" else ["f32"] * products), (name, kernels, lowered)
    cut = [int(e) for e in re.findall(r"slice\(.*ends = \[(\d+)\]", lowered)]
    assert cut == ends, (name, cut)
    said = adze("compile", f"{stem}.adz", "--verify", "-o", f"{stem}.so")
    assert "verify y: equal" in said, (name, said)
    print(name, kernels)
