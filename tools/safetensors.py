"""Reads and writes safetensors files as numpy arrays."""

import json
import pathlib

import numpy as np

ELEMENTS = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64, "BOOL": np.bool_,
}  # fmt: skip


def load(path):
    """{name: array}, read-only and mapped from the file."""
    data = np.memmap(path, np.uint8, mode="r")
    size = int(data[:8].view(np.uint64)[0])
    header = json.loads(bytes(data[8 : 8 + size]))
    header.pop("__metadata__", None)
    base = 8 + size
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = data[base + begin : base + end].view(ELEMENTS[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
    return arrays


def save(path, arrays, metadata=None):
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    names = {np.dtype(element): name for name, element in ELEMENTS.items()}
    for name, array in arrays.items():
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with pathlib.Path(path).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())
