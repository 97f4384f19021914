# RUN: %python %s %t
# `adze import` writes text and weights that mean what the ONNX file means, with its names and its metadata.
import json
import pathlib
import struct
import subprocess
import sys

import numpy as np
import onnx

from tools import adze, models

stem = pathlib.Path(sys.argv[1])
stem.parent.mkdir(parents=True, exist_ok=True)
model = models.path("ppocr_rec.onnx")
feeds = {"x": np.random.default_rng(3).standard_normal((1, 3, 48, 64), dtype=np.float32)}
subprocess.run([adze.PROGRAM, "import", model, "--shape=x=1,3,48,64", "-o", stem], check=True)

text = stem.with_name(stem.name + ".adz").read_text()
assert text.splitlines()[0] == "model ppocr_rec", text.splitlines()[0]
assert "\ninput x: f32[1, 3, 48, 64]\n" in text
original = onnx.load(model)
assert {entry.key for entry in original.metadata_props} == {"character"}
assert '\nmetadata "character" = "' in text

weights = stem.with_name(stem.name + ".safetensors").read_bytes()
(length,) = struct.unpack("<Q", weights[:8])
header = json.loads(weights[8 : 8 + length])
assert (8 + length) % 64 == 0 and header.pop("__metadata__")["adze_format"] == "1"
made = {name for node in original.graph.node for name in node.output}
assert header.keys() <= made, header.keys() - made
assert all(f'weight "{name}"' in text for name in header)

first, second = adze.interpret(model, feeds), adze.interpret(f"{stem}.adz", feeds)
assert list(first) == list(second) and all(first[name].tobytes() == second[name].tobytes() for name in first)

again = stem.with_name(stem.name + "-again")
subprocess.run([adze.PROGRAM, "import", model, "--shape=x=1,3,48,64", "-o", again], check=True)
assert again.with_name(again.name + ".safetensors").read_bytes() == weights
