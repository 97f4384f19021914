# The coding that a kernel reads follows from the form of the weights and from its bytes; what is compiled agrees with the
# interpreter, also where no kernel reads a form and the library holds plain numbers, which a remark says.
# RUN: %python %s %t
import pathlib
import re
import sys

import numpy as np

from tools import adze

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
import encode  # noqa: E402

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
NAMES = re.findall(r"^PANEL_CODING\((\w+),", (adze.ROOT / "ir" / "panel_codings.def").read_text(), re.MULTILINE)
WIDE = ["x86-64-v3", "x86-64-v4"]
TARGETS = ["x86-64", "x86-64-v2", *WIDE]
LAYER = "input x: f32[3, 203]\nweight w: f32[69, 203] = random(1)\noutput y = linear(x, w)\n"
GROUPED = "input x: f32[1, 12, 9, 9]\nweight w: f32[12, 4, 3, 3] = random(1)\noutput y = conv2d(x, w, pad = 1, groups = 3)\n"
TRANSPOSED = [
    f"input x: f32[1, 12, 9, 9]\nweight w: f32[12, {channels}, 3, 3] bitmask()\noutput y = conv_transpose2d(x, w, stride = 2)\n"
    for channels in (5, 9)
]


def pruned(ratio, form, pattern=None):
    shape = f'pattern = "{pattern}", ' if pattern else ""
    return f"sparsify(method = magnitude, ratio = {ratio}, {shape}format = {form})"


# model, passes, the coding (None: plain numbers), targets
CASES = [
    (LAYER, "quantize(weights = f16, activations = none)", "dense", TARGETS),
    (LAYER, "quantize(weights = int4, group = 32, activations = none)", "dense", TARGETS),
    (LAYER, pruned(0.5, "bitmask"), "bitmask", TARGETS),
    (LAYER, pruned(0.8, "csr"), "bitmask", TARGETS),
    (LAYER, pruned(0.99, "csr"), "block8", TARGETS),
    (LAYER, pruned(0.999, "csr"), "block16", TARGETS),
    (LAYER, 'sparsify(method = magnitude, pattern = "1:4", format = nm)', "nm", TARGETS),
    (LAYER, pruned(0.7, "block", "4x4"), "block8", TARGETS),
    (GROUPED, pruned(0.8, "bitmask"), None, WIDE),
    *((text, None, None, TARGETS) for text in TRANSPOSED),  # sparsify leaves these; a weights file may have them
]


def small_model(number, text, passes):
    """The model with encoded weights."""
    source, small = OUT / f"m{number}.adz", OUT / f"m{number}-small"
    if passes:
        source.write_text(f"model layer\n{text}")
        adze.opt(source, passes, small)
        return small.with_suffix(".adz")
    random = np.random.default_rng(5)
    shape = [int(word) for word in re.search(r"weight w: f32\[(.*?)\]", text)[1].split(",")]
    tensor = np.where(random.random(shape) < 0.2, random.normal(size=shape), 0).astype(np.float32)
    encode.save(OUT / f"m{number}.safetensors", encode.encode("w", tensor, "f32", "bitmask()"))
    source.write_text(f'model layer\nweights "m{number}.safetensors"\n{text}')
    return source


def compile_verified(source, stem, *options):
    """What the compiler said; the library is compared with the interpreter where this CPU can run it."""
    try:
        adze.compile_model(source, stem, "--verify", *options)
    except adze.CompileError as problem:
        if "lacks instructions" not in str(problem):
            raise
        adze.compile_model(source, stem, *options)
    return stem.with_name(stem.name + ".log").read_text()


def check(source, what, coding, target):
    stem = OUT / f"{source.stem}-{target}"
    said = compile_verified(source, stem, f"--target={target}", "--emit=shared,ir", "--remarks")
    found = [NAMES[int(k)] for k in re.findall(r"coding = (\d+)", stem.with_name(stem.name + ".adz").read_text())]
    plain = re.search("missed: w: .*: the library holds plain f32", said) is not None
    assert plain == (coding is None), (what, target, found, said)
    assert found == [coding] if coding else set(found) <= {"none"}, (what, target, found, said)


for number, (text, passes, coding, targets) in enumerate(CASES):
    source = small_model(number, text, passes)
    for target in targets:
        check(source, f"{text}{passes}", coding, target)
    print(f"{passes or 'transposed'}: {coding or 'plain'}", flush=True)
