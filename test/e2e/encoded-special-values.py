# Kernels of encoded weights keep what is rare: zeros with a sign that are stored, denormal, huge, infinite and undefined
# numbers, rows without weights, layers without weights, and layers where a sparse form holds every weight.
# RUN: %python %s %t
import itertools
import pathlib
import sys

import numpy as np

from tools import adze, compiled

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
import encode  # noqa: E402

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
RANDOM = np.random.default_rng(11)
TARGETS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
ROWS, COLUMNS = 37, 83
FORMS = ["csr()", "bitmask()", "nm(2, 4)", "nm(1, 4)", "nm(4, 4)", "block(4, 4)", "block(1, 4)", "block(16, 1)"]
# Bits of the largest and smallest numbers, of denormal, infinite and undefined ones, and last of a zero with a sign.
SPECIAL = {
    "f32": [0x7F7FFFFF, 0x00800000, 0x00000001, 0x807FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x80000000],
    "f16": [0x7BFF, 0x0400, 0x0001, 0x83FF, 0x7C00, 0xFC00, 0x7E00, 0x8000],
    "bf16": [0x7F7F, 0x0080, 0x0001, 0x807F, 0x7F80, 0xFF80, 0x7FC0, 0x8000],
}
STORED = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}


def meant(tensor, elem):
    return (tensor.astype(np.uint32) << 16).view(np.float32) if elem == "bf16" else tensor.astype(np.float32)


def ones(elem):
    """Numbers that are not special, one of them only where it stands for a zero with a sign until all is encoded."""
    values = (RANDOM.integers(2, 100, (ROWS, COLUMNS)) / 8).astype(np.float32)
    return (values.view(np.uint32) >> 16).astype(np.uint16) if elem == "bf16" else values.astype(STORED[elem])


def special(elem, form):
    width = np.dtype(STORED[elem]).itemsize
    bits = ones(elem).view(f"u{width}")
    bits[RANDOM.random(bits.shape) < 0.03] = SPECIAL[elem][0]
    for value in SPECIAL[elem][1:]:
        bits[RANDOM.random(bits.shape) < (0.004 if value in SPECIAL[elem][4:7] else 0.05)] = value
    return thinned(bits, form).view(STORED[elem])


def thinned(tensor, form):
    first = int(form[3]) if form.startswith("nm") else 0
    if first:
        tensor[:, np.arange(COLUMNS) % 4 >= first] = 0
    elif form:
        tensor[np.repeat(np.repeat(RANDOM.random((-(-ROWS // 16), -(-COLUMNS // 4))) < 0.5, 16, 0), 4, 1)[:ROWS, :COLUMNS]] = 0
    return tensor


def encoded(name, tensor, elem, form):
    """Zeros with a sign are numbers to keep, which the encoder would leave out."""
    bits = tensor.view(f"u{tensor.itemsize}")
    signed = bits == SPECIAL[elem][-1]
    stand_in = tensor.dtype.type(0.0078125) if elem != "bf16" else np.uint16(0x3C00)
    assert not (tensor == stand_in).any()
    parts = encode.encode(name, np.where(signed, stand_in, tensor), elem, form)
    values = parts.get(f"{name}.values", parts.get(name))
    values.view(f"u{tensor.itemsize}")[values == stand_in] = SPECIAL[elem][-1]
    return parts


def weights():
    """(what, element type, form, values as stored)"""
    for elem, form in itertools.product(SPECIAL, ["", *FORMS]):
        if (elem, form) != ("f32", ""):
            yield "special", elem, form, special(elem, form)
    for elem, form in itertools.product(["f32", "bf16"], FORMS):
        yield "none", elem, form, np.zeros((ROWS, COLUMNS), STORED[elem])
        rows = thinned(ones(elem), form)
        rows[[0, 5, 15, 16, 17, 31, ROWS - 1]] = 0
        yield "empty rows", elem, form, rows
        if not form.startswith("nm") or form == "nm(4, 4)":
            yield "all", elem, form, ones(elem)


text = f'model rare\ninput x: f32[{COLUMNS}, {COLUMNS}]\nweights "rare.safetensors"\n'
outputs, tensors, want = "", {}, {}
with np.errstate(invalid="ignore", over="ignore"):
    for i, (what, elem, form, tensor) in enumerate(weights()):
        text += f"weight w{i}: {elem}[{ROWS}, {COLUMNS}] {form}\n"
        outputs += f"output y{i} = linear(x, w{i})\n"
        tensors.update(encoded(f"w{i}", tensor, elem, form))
        value = meant(tensor, elem)
        # Row r of x picks column r: the others are multiplied by zero, which what is not finite survives.
        rest = np.array([[(~np.isfinite(np.delete(row, r))).any() for row in value] for r in range(COLUMNS)])
        want[f"y{i}"] = np.where(rest, np.float32(np.nan), value.T), f"{what} {elem} {form}"
encode.save(OUT / "rare.safetensors", tensors)
(OUT / "rare.adz").write_text(text + outputs)
for target in TARGETS:
    made = adze.compile_model(OUT / "rare.adz", OUT / f"rare-{target}", f"--target={target}", "--remarks")
    said = made.stem.with_name(made.stem.name + ".log").read_text()
    assert "library holds plain" not in said, said
    try:
        got = compiled.Model(made.library).run(x=np.eye(COLUMNS, dtype=np.float32))
    except compiled.ModelError as problem:
        print(f"{target}: skipped: {problem}")
        continue
    for name, (value, what) in want.items():
        same = (got[name] == value) | (np.isnan(got[name]) & np.isnan(value))
        wrong = np.argwhere(~same)
        assert not len(wrong), (target, what, len(wrong), wrong[:5], got[name][tuple(wrong[0])], value[tuple(wrong[0])])
    print(f"{target}: {len(want)} weights")
