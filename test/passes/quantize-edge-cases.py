"""Layers and samples that say little: rows of zeros, inputs that are zero or one number, moments that are singular, one
sample; what the bias correction is for; options that contradict each other; a model with nothing to quantize."""
# RUN: %python %s %t
import sys

import numpy as np

from tools import adze

stem = sys.argv[1]
rng = np.random.default_rng(5)


def literal(array):
    return "{" + ", ".join(repr(float(np.float32(v))) for v in np.ravel(array)) + "}"


w = rng.normal(size=(24, 16))
w[3] = 0
b = rng.normal(size=24)
v = rng.normal(size=(8, 24)) / 5
TEXT = f"""input x: f32[batch, 16]
weight w: f32[24, 16] = {literal(w)}
weight b: f32[24] = {literal(b)}
weight v: f32[8, 24] = {literal(v)}
h = relu(linear(x, w, b))
y = linear(h, v)
output y
"""
with open(f"{stem}.adz", "w", encoding="utf-8") as file:
    file.write(TEXT)
x = rng.normal(size=(96, 16)).astype(np.float32)
dead, constant = x.copy(), x.copy()
dead[:, ::2] = 0
constant[:, ::2] = 3
low = (rng.normal(size=(96, 3)) @ rng.normal(size=(3, 16))).astype(np.float32)


def quantized(name, data, options=""):
    np.savez(f"{stem}.npz", x=data)
    adze.opt(f"{stem}.adz", f"quantize({options})", f"{stem}.{name}", f"--data={stem}.npz", "--verify-each")
    return f"{stem}.{name}.adz"


def decibels(want, got):
    return 10 * np.log10((want**2).sum() / ((want - got) ** 2).sum())


def outputs(model, data):
    return adze.interpret(model, {"x": data})["y"].astype(np.float64)


# Whatever the samples leave open, the layers are near the original on more of their like.
for name, data in (("dead", dead), ("constant", constant), ("low", low), ("random", x)):
    for activations in ("int8", "none"):
        model = quantized(f"{name}.{activations}", data[:64], f"activations = {activations}")
        snr = decibels(outputs(f"{stem}.adz", data[64:]), outputs(model, data[64:]))
        print(name, activations, round(snr, 1))
        assert snr > (20 if activations == "int8" else 40), (name, activations, snr)
model = quantized("one", x[:1])
assert decibels(outputs(f"{stem}.adz", x[:1]), outputs(model, x[:1])) > 30
assert np.isfinite(outputs(model, x)).all()
model = quantized("zero", np.zeros((4, 16), np.float32))
assert np.abs(outputs(model, x[:1] * 0) - outputs(f"{stem}.adz", x[:1] * 0)).max() < 0.05

# Coarse weights, rounded to nearest by their groups, move the means of what they compute; biases move them back.
shifted = x + 2
want = outputs(f"{stem}.adz", shifted).mean(axis=0)
moved = {}
for correct in ("true", "false"):
    model = quantized(f"correct.{correct}", shifted, f"weights = int4, activations = none, correct = {correct}")
    moved[correct] = np.abs(outputs(model, shifted).mean(axis=0) - want).max()
print(moved)
assert moved["true"] < moved["false"] / 5 and moved["true"] < 1e-2, moved


def refused(data, passes, part):
    np.savez(f"{stem}.npz", x=data)
    try:
        adze.opt(f"{stem}.adz", passes, f"{stem}.refused", f"--data={stem}.npz")
    except adze.CompileError as error:
        assert part in str(error), (passes, error)
    else:
        raise AssertionError(f"{passes} is taken")


bad = x.copy()
bad[2, 5] = np.nan
refused(bad, "quantize", "array x has NaN at [2, 5]")
bad[2, 5] = np.inf
refused(bad, "quantize", "array x has an infinite number at [2, 5]")
refused(x, 'quantize(only = "w, v", except = "w")', "quantize: the patterns conflict: every layer that 'w' means is excluded")
refused(x, 'quantize(except = "z*")', "the pattern 'z*' matches no layer")

# A model without layers of its own weights stays what it was, and that is said.
with open(f"{stem}.bare.adz", "w", encoding="utf-8") as file:
    file.write("model bare\ninput x: f32[4]\ny = relu(x)\noutput y\n")
said = adze.opt(f"{stem}.bare.adz", "quantize(activations = none)", f"{stem}.bare.q", "--remarks")
assert "quantize: missed: bare: there is no layer with weights of its own" in said, said
assert "relu(x)" in open(f"{stem}.bare.q.adz", encoding="utf-8").read()
