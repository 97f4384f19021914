"""Measures layers whose weights are stored sparse, quantized or narrow beside the same layers in dense f32.

All of a shape run in one process, rounds interleaved, one thread, the least time counts. A library's weights are compared
with the weights file that it was compiled from.
"""

import dataclasses
import pathlib
import sys

import numpy as np

from tools import adze, compiled

OUTPUT = adze.ROOT / "docs" / "benchmarks-encoded.md"
MOST_TIME, MOST_BYTES = 2.0, 1.1
# A library has a header and starts each constant at a line; what is allowed for that.
ROOM_BYTES = 1024


def linear(outputs, inputs):
    return lambda batch: (
        (batch, inputs),
        f"weight w: f32[{outputs}, {inputs}] = random(1)\noutput y = linear(x, w)\n",
        outputs * inputs,
    )


def conv(batch):
    return (
        (batch, 256, 14, 14),
        "weight w: f32[256, 256, 3, 3] = random(1)\noutput y = conv2d(x, w, pad = 1)\n",
        256 * 256 * 9,
    )


# title, and the shape of the input, the model's text and the weight's elements
LAYERS = {
    "linear-1024x4096-batch-1": ("linear 1024 to 4096, batch 1", linear(4096, 1024)(1)),
    "linear-1024x4096-batch-64": ("linear 1024 to 4096, batch 64", linear(4096, 1024)(64)),
    "linear-4096x1024-batch-1": ("linear 4096 to 1024, batch 1", linear(1024, 4096)(1)),
    "linear-4096x1024-batch-64": ("linear 4096 to 1024, batch 64", linear(1024, 4096)(64)),
    "conv-256": ("convolution 3 x 3, 256 to 256 channels, 14 x 14", conv(1)),
}


def sparse(form, ratio, pattern=None):
    shape = f'pattern = "{pattern}", ' if pattern else ""
    return f"sparsify(method = magnitude, ratio = {ratio}, {shape}format = {form})"


def grouped(pattern):
    return f'sparsify(method = magnitude, pattern = "{pattern}", format = nm)'


INT8, INT4 = "quantize(activations = none)", "quantize(weights = int4, group = 32, activations = none)"
RECIPES = {
    "f16": "quantize(weights = f16, activations = none)",
    "bf16": "quantize(weights = bf16, activations = none)",
    "int8 weights": INT8,
    "int8": "quantize(min_snr = -100)",
    "int4 weights, groups of 32": INT4,
    **{f"{form} {ratio}%": sparse(form, ratio / 100) for form in ("csr", "bitmask") for ratio in (70, 80, 90)},
    **{
        f"block {pattern} {ratio}%": sparse("block", ratio / 100, pattern)
        for pattern in ("4x4", "1x4", "16x1")
        for ratio in (50, 70, 90)
    },
    **{pattern: grouped(pattern) for pattern in ("2:4", "1:4", "4:8")},
    "bitmask 80%, int8 weights": f"{sparse('bitmask', 0.8)}, {INT8}",
    "2:4, int8": f"{grouped('2:4')}, quantize(min_snr = -100)",
    "bitmask 50%, int4 weights": f"{sparse('bitmask', 0.5)}, {INT4}",
    "csr 90%, f16": f"{sparse('csr', 0.9)}, quantize(weights = f16, activations = none)",
}


@dataclasses.dataclass
class Encoded:
    title: str
    plan: compiled.Plan
    file_bytes: int
    library_bytes: int
    milliseconds: float = 0


def compile_layer(name, recipe, passes, layer, folder):
    shape, text, elements = layer
    stem = folder / f"{name}-{''.join(c if c.isalnum() else '-' for c in recipe)}"
    source = stem.with_name(stem.name + "-source.adz")
    source.write_text(f"model layer\ninput x: f32[{', '.join(map(str, shape))}]\n{text}")
    file_bytes = 4 * elements
    if passes:
        data = folder / f"{name}.npz"
        np.savez(data, x=np.random.default_rng(1).normal(size=(4 * shape[0], *shape[1:])).astype(np.float32))
        dense = source
        source = stem.with_name(stem.name + "-encoded.adz")
        if "activations = none" in passes or "quantize" not in passes:
            adze.opt(dense, passes, source.with_suffix(""))
        else:
            adze.opt(dense, passes, source.with_suffix(""), f"--data={data}")
        file_bytes = source.with_suffix(".safetensors").stat().st_size
    made = adze.compile_model(source, stem, "--weights=external")
    weights = made.stem.with_name(made.stem.name + ".weights")
    model = compiled.Model(made.library, weights)
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    return Encoded(recipe, model.plan({"x": x}), file_bytes, weights.stat().st_size)


def misses(found, dense):
    most = []
    if found.milliseconds > MOST_TIME * dense.milliseconds:
        most.append(f"slower than {MOST_TIME:g}x")
    if found.library_bytes > MOST_BYTES * found.file_bytes + ROOM_BYTES:
        most.append(f"library over {MOST_BYTES:g}x")
    return ", ".join(most)


def table(title, rows):
    dense = rows[0]
    yield f"## {title}"
    yield ""
    yield "| weights | ms | to dense f32 | file, KiB | file to dense | library to file | scratch, KiB | |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        cells = [
            row.title,
            f"{row.milliseconds:.3f}",
            f"{row.milliseconds / dense.milliseconds:.2f}",
            f"{row.file_bytes / 1024:.0f}",
            f"{row.file_bytes / dense.file_bytes:.3f}",
            f"{row.library_bytes / row.file_bytes:.3f}",
            f"{row.plan.scratch_bytes / 1024:.0f}",
            misses(row, dense),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def run(about, command, interleave, clock, rounds, seconds, only=None):
    """The page's text, and the number of rows that miss what is demanded."""
    cpu, isa, gmacs = about
    folder = adze.BUILD / "bench" / "encoded"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Benchmarks of encoded weights",
        "",
        f"Written by `{command}`, on {cpu} ({isa}; {gmacs:.1f} thousand million multiply-adds a second at most on one core in",
        "this run). One thread; all rows of a table take turns in one process, the least time counts; weights are random and",
        "pruned by magnitude. *Library to file*: bytes of the constants in the compiled library to those of the weights file.",
        f"Demanded: at most {MOST_TIME:g}x the time of dense f32, and a library of at most {MOST_BYTES:g}x the file.",
        "",
    ]
    missed = 0
    for name in only or LAYERS:
        title, layer = LAYERS[name]
        rows = [compile_layer(name, "dense f32", None, layer, folder)]
        rows += [compile_layer(name, recipe, passes, layer, folder) for recipe, passes in RECIPES.items()]
        for row, found in zip(rows, interleave([row.plan for row in rows], clock, rounds, seconds)):
            row.milliseconds = found
        text = list(table(title, rows))
        print("\n".join(text), flush=True)
        lines += text
        missed += sum(bool(misses(row, rows[0])) for row in rows)
    return "\n".join(lines).rstrip() + "\n", missed


def write(text):
    pathlib.Path(OUTPUT).write_text(text)


if __name__ == "__main__":
    sys.exit("run it by ./dev bench --encoded")
