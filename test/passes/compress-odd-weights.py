"""Weights that passes must not take for what they are not: NaN in any that is read, infinities in masks, numbers that f16 does not
have, a matrix written as a stack of one, integers where channels should go; and samples that are zero throughout."""
# RUN: %python %s %t
import pathlib
import sys

import numpy as np

from tools import adze, safetensors

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(3)
PASSES = ("prune-channels(ratio = 0.25)", "sparsify(ratio = 0.25)", "quantize", "quantize(activations = none)")
BODY = "h = softmax(add(linear(x, w, b), mask), axis = -1)\noutput y = linear(mul(h, scale), v, c)\n"


def weights(**others):
    made = {"w": random.normal(size=(16, 12)), "b": random.normal(size=16), "mask": np.zeros(16), "scale": np.ones(16)}
    made |= {"v": random.normal(size=(8, 16)), "c": random.normal(size=8)} | others
    return {name: value.astype(np.float32) for name, value in made.items()}


def write(arrays, body=BODY, x=(4, 12)):
    lines = "".join(f"weight {name}: f32{list(array.shape)}\n" for name, array in arrays.items())
    (folder / "m.adz").write_text(f'weights "m.safetensors"\ninput x: f32{list(x)}\n{lines}{body}')
    safetensors.save(folder / "m.safetensors", arrays)
    np.savez(folder / "data.npz", x=random.normal(size=(64, *x[1:])).astype(np.float32))


def opt(passes):
    return adze.opt(folder / "m.adz", passes, folder / "out", f"--data={folder / 'data.npz'}", "--remarks", "--verify-each")


def refused(passes, *words):
    try:
        opt(passes)
    except adze.CompileError as error:
        assert "exit status 1" in str(error) and all(word in str(error) for word in words), (passes, str(error))
    else:
        raise AssertionError(f"{passes}: accepted")


def decibels(x):
    want, got = (adze.interpret(folder / f"{stem}.adz", {"x": x})["y"].astype(float) for stem in ("m", "out"))
    return 10 * np.log10((want**2).sum() / max(((want - got) ** 2).sum(), 1e-30))


count = 0
for passes in PASSES:
    for name in ("w", "b", "mask", "scale", "v", "c"):  # of layers and of no layer
        spoiled = weights()
        spoiled[name].flat[5] = np.nan
        write(spoiled)
        refused(passes, f"weight {name} has NaN")
        count += 1
    for name in ("w", "c"):
        spoiled = weights()
        spoiled[name].flat[5] = np.inf
        write(spoiled)
        refused(passes, f"weight {name} has an infinite number")
        count += 1
    hidden = weights()
    hidden["mask"][3:6] = -np.inf
    write(hidden)
    opt(passes)
    assert decibels(random.normal(size=(4, 12)).astype(np.float32)) > 5, passes
    count += 1
assert count == 4 * 9

large = weights()
large["w"][2] = 1e6
large["b"][2] = 0
del large["mask"], large["scale"]
write(large, "output y = linear(clip(linear(x, w, b), min = -3.0, max = 3.0), v, c)\n")
said = opt("quantize(weights = f16, activations = none)")
assert "w: left as it is: its numbers are larger than f16 has" in said, said
assert decibels(random.normal(size=(4, 12)).astype(np.float32)) > 50

stack = {"w": random.normal(size=(1, 12, 64)).astype(np.float32), "v": random.normal(size=(1, 64, 8)).astype(np.float32)}
write(stack, "output y = matmul(relu(matmul(x, w)), v)\n", (2, 4, 12))
for passes, share in (("quantize", 0.5), ('sparsify(pattern = "2:4")', 0.7)):
    opt(passes)
    assert (folder / "out.safetensors").stat().st_size < share * (folder / "m.safetensors").stat().st_size, passes

write({"w": random.normal(size=(64, 12)).astype(np.float32), "v": random.normal(size=(8, 64)).astype(np.float32)}, "output y = linear(relu(linear(x, w)), v)\n")
refused("quantize, prune-channels", "m.adz:3", "the channels of weight w cannot go: it is stored as integers already; prune before quantize")
np.savez(folder / "data.npz", x=np.zeros((8, 12), np.float32))
for passes, least in (("sparsify(ratio = 0.25)", 8), ("quantize(activations = none)", 30), ("quantize", 30)):
    opt(passes)
    assert decibels(random.normal(size=(4, 12)).astype(np.float32)) > least, passes
