"""Half of the channels are made of the other half: on the user's data all of them can go without loss, and solving again is what does it.

RUN: %python %s %adze %t
"""

import pathlib
import subprocess
import sys

import numpy as np

adze, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(1)


def save(path, arrays):
    """A safetensors file by hand: 8 bytes of header length, JSON, data."""
    import json

    header, at, data = {}, 0, b""
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
        data += array.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


wide, hidden = 12, 32
a = random.standard_normal((hidden, wide)).astype(np.float32)
a[1::2] = 0.5 * a[0::2]  # an odd channel is half of the even one before it
b = random.standard_normal(hidden).astype(np.float32)
b[1::2] = 0.5 * b[0::2]
c = random.standard_normal((6, hidden)).astype(np.float32)
c[:, 0::2] *= 0.01  # the loud channels have the small weights
save(folder / "m.safetensors", {"a.weight": a, "a.bias": b, "c.weight": c})
(folder / "m.adz").write_text(
    """model m
weights "m.safetensors"
input x: f32[4, 12]
output y = linear(relu(linear(x, a.weight, a.bias)), c.weight)
"""
)
x = random.standard_normal((256, wide)).astype(np.float32)
np.savez(folder / "calib.npz", x=x[:240])
np.save(folder / "test.npy", x[240:244])


def run(*words):
    return subprocess.run([adze, *map(str, words)], capture_output=True, text=True, check=True).stderr


def output(model):
    run("run", "--interp", model, f"x={folder / 'test.npy'}", "-o", folder / "y.npy")
    return np.load(folder / "y.npy").astype(np.float64)


def noise(model, want):
    return 10 * np.log10((want**2).sum() / ((output(model) - want) ** 2).sum())


want = output(folder / "m.adz")
passes = "--passes=prune-channels(ratio = 0.5, round = false)"
run("opt", folder / "m.adz", passes, "-o", folder / "blind")
run("opt", folder / "m.adz", passes, f"--data={folder / 'calib.npz'}", "-o", folder / "solved")
blind, solved = noise(folder / "blind.adz", want), noise(folder / "solved.adz", want)
assert solved > 80 > blind, (solved, blind)
sizes = [(folder / name).stat().st_size for name in ("m.safetensors", "solved.safetensors")]
assert sizes[1] < 0.7 * sizes[0], sizes
again = output(folder / "solved.adz")
run("opt", folder / "m.adz", passes, f"--data={folder / 'calib.npz'}", "-o", folder / "solved")
assert (output(folder / "solved.adz") == again).all(), "two runs differ"

bad = a.copy()
bad[3, 5] = np.nan
save(folder / "m.safetensors", {"a.weight": bad, "a.bias": b, "c.weight": c})
failed = subprocess.run([adze, "opt", folder / "m.adz", passes, "-o", folder / "bad"], capture_output=True, text=True)
assert failed.returncode == 1 and "a.weight has NaN at [3, 5]" in failed.stderr, failed.stderr
assert not (folder / "bad.adz").exists()
