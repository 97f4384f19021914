"""Writes a safetensors file: make_weights.py FILE NAME=TYPE:D0,D1,... elements count up from 0."""

import json
import pathlib
import struct
import sys

CODES = {"F32": "f", "I64": "q", "U8": "B"}

header, data = {}, b""
for spec in sys.argv[2:]:
    name, _, rest = spec.rpartition("=")
    kind, _, dims = rest.partition(":")
    shape = [int(d) for d in dims.split(",") if d]
    count = 1
    for d in shape:
        count *= d
    part = struct.pack(f"<{count}{CODES[kind]}", *range(count))
    header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
    data += part
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
pathlib.Path(sys.argv[1]).write_bytes(struct.pack("<Q", len(text)) + text + data)
