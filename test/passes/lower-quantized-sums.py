# Sums of integers that f32 cannot hold are cut into slices that it can: as few as the weights allow, never through what a
# sparse format stores together. All have the interpreter's bits. What cannot be cut is summed in f64.
# RUN: %python %s %t
import pathlib
import sys

import numpy as np

from tools import adze, compiled

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e" / "Inputs"))
import encode  # noqa: E402

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
RANDOM = np.random.default_rng(3)
LOWERED = "fold-constants, simplify, fold-batchnorm, raise, lower-quantized"


def codes(shape, most):
    return RANDOM.integers(-most, most, shape, endpoint=True).astype(np.int8)


def of_four(tensor):
    matrix = tensor.reshape(tensor.shape[0], -1).copy()
    matrix[:, 1::4] = matrix[:, 2::4] = 0
    return matrix.reshape(tensor.shape)


# name, shape of x, weight, zero point of x, its form, the op, slices, whether the rest is in f64
LINEAR, CONV = "linear({}, w)", "conv2d({}, w, pad = 1)"
CASES = [
    ("few-terms", (3, 64), codes((5, 64), 127), -3, "", LINEAR, 1, False),
    # |codes| up to 127 on average 64: inputs of -128 to 127 let 2,048 terms fit, were they all average.
    ("many-terms", (3, 4096), codes((5, 4096), 127), 0, "", LINEAR, 3, False),
    # The worst of signs: all inputs above zero meet weights of one sign.
    ("largest-codes", (2, 4096), np.full((3, 4096), 127, np.int8), -128, "", LINEAR, 8, False),
    ("other-scales", (2, 3000), np.full((3, 3000), -127, np.int8), 127, "", LINEAR, 6, False),
    ("sparse", (2, 4099), of_four(np.full((3, 4099), 127, np.int8)), -128, "nm(2, 4)", LINEAR, 4, False),
    ("blocks", (2, 4096), np.full((4, 4096), 127, np.int8), -128, "block(1, 32)", LINEAR, 8, False),
    ("channels", (1, 256, 5, 4), codes((6, 256, 3, 3), 127), -128, "", CONV, 2, False),
    ("transposed", (1, 4, 3, 3), codes((4, 2, 2, 2), 127), -3, "", "conv_transpose2d({}, w)", 1, True),
]


def check(name, shape, weight, zero, form, op, slices, wide):
    scale = np.asarray(RANDOM.random(weight.shape[1 if wide else 0]) + 0.1, np.float32)
    encode.save(OUT / f"{name}.safetensors", {**encode.encode("w", weight, "i8", form), "w.scale": scale})
    source = OUT / f"{name}.adz"
    elem = f"i8[{', '.join(map(str, weight.shape))}] quant(axis = {1 if wide else 0}) {form}"
    quantized = f"quantize(x, scale = 0.5, zero = {zero}, to = i8)"
    source.write_text(
        f"model t\ninput x: f32[{', '.join(map(str, shape))}]\nweights \"{name}.safetensors\"\nweight w: {elem}\n"
        f"output y = {op.format(quantized)}\n"
    )
    adze.opt(source, LOWERED, OUT / f"{name}-lowered")
    text = (OUT / f"{name}-lowered.adz").read_text()
    cut = max(1, text.count(" = slice("))
    assert cut == slices, (name, cut, text)
    assert ("f64" in text) == wide, (name, text)
    x = RANDOM.integers(-128, 128, shape).astype(np.float32)
    x.reshape(-1)[::3] = 127.0
    got = compiled.Model(adze.compile_model(source, OUT / name).library).run(x=x)["y"]
    meant = adze.interpret(source, {"x": x})["y"]
    assert got.tobytes() == meant.tobytes(), (name, got, meant)
    print(f"{name}: {cut} slices")


for case in CASES:
    check(*case)
