"""Writes weights in every encoding of ir/encoding.h, and says what they stand for: an encoder that shares no code with adze."""

import json

import numpy as np

NAMES = {"float32": "F32", "float16": "F16", "uint16": "BF16", "int8": "I8", "uint8": "U8", "uint32": "U32"}


def save(path, arrays):
    """A safetensors file; u16 arrays are bf16 unless their name ends in index or start."""
    header, offset = {}, 0
    for name, array in arrays.items():
        kind = NAMES[array.dtype.name]
        if kind == "BF16" and name.rsplit(".", 1)[-1] in ("index", "start"):
            kind = "U16"
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).tobytes())


def narrowest(array, most):
    return array.astype(np.uint8 if most < 2**8 else np.uint16 if most < 2**16 else np.uint32)


def pairs(flat):
    """4-bit integers of a list in bytes, the first in the low bits."""
    bits = flat.astype(np.int64) & 15
    bits = np.concatenate([bits, np.zeros(len(bits) % 2, np.int64)])
    return (bits[0::2] | bits[1::2] << 4).astype(np.uint8)


def stored(values, elem):
    """Values as the file has them: 4-bit ones in pairs along the rest of each index of the first dimension."""
    if elem not in ("i4", "u4"):
        return values
    if values.ndim < 2:
        return pairs(values.reshape(-1))
    rows = [pairs(row.reshape(-1)) for row in values]
    return np.stack(rows) if rows else np.zeros((0, -(-int(np.prod(values.shape[1:])) // 2)), np.uint8)


def lists(matrix, a, b):
    """(values, index, start) of blocks a x b with a nonzero."""
    rows, columns = -(-matrix.shape[0] // a), -(-matrix.shape[1] // b)
    padded = np.zeros((rows * a, columns * b), matrix.dtype)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    blocks = padded.reshape(rows, a, columns, b).swapaxes(1, 2)
    kept = (blocks != 0).any((2, 3))
    start = np.concatenate([[0], kept.sum(1).cumsum()])
    index = np.concatenate([np.flatnonzero(row) for row in kept] or [[]]).astype(np.int64)
    return blocks[kept], narrowest(index, columns - 1), narrowest(start, rows * columns)


def slots(matrix, n, m):
    """(values, places) of n:m rows."""
    bits = max(1, (m - 1).bit_length()) if m > 1 else 0
    values, places = [], []
    for row in matrix:
        mine, packed, at = [], 0, 0
        for first in range(0, len(row), m):
            group = row[first : first + m]
            spare = min(n, len(group)) - np.count_nonzero(group)
            for place, value in enumerate(group):
                if value == 0:
                    if spare <= 0:
                        continue
                    spare -= 1
                mine.append(value)
                packed |= place << at
                at += bits
        values.append(mine)
        places.append(list(packed.to_bytes(-(-at // 8), "little")))
    return np.array(values, matrix.dtype), np.array(places, np.uint8)


def mask(matrix):
    bits = np.packbits(matrix != 0, axis=1, bitorder="little")
    return matrix[matrix != 0], bits


def encode(name, tensor, elem, form):
    """The component tensors of a weight, by name. `form`: "", "csr()", "block(a, b)", "nm(n, m)" or "bitmask()"."""
    if not form:
        return {name: stored(tensor, elem)}
    matrix = tensor.reshape(tensor.shape[0], -1)
    kind, _, rest = form.partition("(")
    numbers = [int(word) for word in rest.rstrip(")").split(",") if word]
    if kind == "csr":
        values, index, start = lists(matrix, 1, 1)
        parts = {"values": stored(values.reshape(-1), elem), "index": index, "start": start}
    elif kind == "block":
        values, index, start = lists(matrix, *numbers)
        parts = {"values": stored(values, elem), "index": index, "start": start}
    elif kind == "nm":
        values, places = slots(matrix, *numbers)
        parts = {"values": stored(values, elem), "index": places}
    else:
        values, bits = mask(matrix)
        parts = {"values": stored(values, elem), "mask": bits}
    return {f"{name}.{suffix}": part for suffix, part in parts.items()}
