"""Every sparse format with every way to store numbers: made by passes, kept by the file through reading and writing again,
and as large there as the format promises."""
# RUN: %python %s %t
import itertools
import json
import math
import pathlib
import re
import sys

from tools import adze

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
ROWS, COLUMNS = 48, 80
COUNT = ROWS * COLUMNS
TEXT = f"model m\ninput x: f32[4, {COLUMNS}]\nweight w: f32[{ROWS}, {COLUMNS}] = random(1)\noutput y = linear(x, w)\n"

# name in the type, options of sparsify, (numbers stored at most, bytes of index, start or mask)
FORMATS = [
    ("csr()", "ratio = 0.9, format = csr", (COUNT // 10, COUNT // 10 + 2 * (ROWS + 1))),
    ("bitmask()", "ratio = 0.5, format = bitmask", (COUNT // 2, COUNT // 8)),
    ("block(4, 4)", "ratio = 0.75, pattern = 4x4, format = block", (COUNT // 4, COUNT // 64 + (ROWS // 4 + 1))),
    ("block(1, 8)", "ratio = 0.75, pattern = 1x8, format = block", (COUNT // 4, COUNT // 32 + 2 * (ROWS + 1))),
    ("block(8, 1)", "ratio = 0.75, pattern = 8x1, format = block", (COUNT // 4, COUNT // 32 + 2 * (ROWS // 8 + 1))),
    ("nm(2, 4)", 'pattern = "2:4", format = nm', (COUNT // 2, COUNT // 2 * 2 // 8)),
    ("nm(4, 8)", 'pattern = "4:8", format = nm', (COUNT // 2, COUNT // 2 * 3 // 8)),
    ("nm(1, 4)", 'pattern = "1:4", format = nm', (COUNT // 4, COUNT // 4 * 2 // 8)),
]
# type, options of quantize, bits of a number, bytes of scales
NUMBERS = [
    ("f32", None, 32, 0),
    ("i8", "weights = int8", 8, 4 * ROWS),
    ("i4", "weights = int4", 4, 4 * ROWS),
    ("i8", "weights = int8, group = 16", 8, 4 * COUNT // 16),
    ("i4", "weights = int4, group = 16", 4, 4 * COUNT // 16),
    ("f16", "weights = f16", 16, 0),
    ("bf16", "weights = bf16", 16, 0),
]


def stored(path):
    """{name: (type, shape, bytes)}: the types of the file, some of which numpy lacks."""
    data = pathlib.Path(path).read_bytes()
    base = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:base])
    header.pop("__metadata__", None)
    return {
        name: (e["dtype"], e["shape"], data[base + e["data_offsets"][0] : base + e["data_offsets"][1]])
        for name, e in header.items()
    }


(OUT / "source.adz").write_text(TEXT)
for (form, sparsify, (most, places)), (elem, quantize, bits, scales) in itertools.product(FORMATS, NUMBERS):
    passes = f"sparsify(method = magnitude, {sparsify})"
    if quantize:
        passes += f", quantize({quantize}, activations = none)"
    first, again = OUT / "first", OUT / "again"
    adze.opt(OUT / "source.adz", passes, first, "--verify-each")
    adze.opt(f"{first}.adz", "simplify", again, "--verify-each")
    declared = re.search(r"weight w: (.*)", pathlib.Path(f"{first}.adz").read_text(encoding="utf-8"))[1]
    assert declared.startswith(f"{elem}[{ROWS}, {COLUMNS}]") and declared.endswith(form), (passes, declared)
    assert declared in pathlib.Path(f"{again}.adz").read_text(encoding="utf-8"), passes
    parts = stored(f"{first}.safetensors")
    assert parts == stored(f"{again}.safetensors"), passes
    size = sum(len(data) for _, _, data in parts.values())
    promised = math.ceil(most * bits / 8) + places + scales
    print(f"{form} {elem} {quantize or ''}: {size} bytes of {promised}, {', '.join(sorted(parts))}")
    assert size <= promised, (passes, {name: part[:2] for name, part in parts.items()}, promised)
    if form.startswith("nm"):
        assert size == promised, (passes, size, promised)
