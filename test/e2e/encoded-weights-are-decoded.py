# Kernels that read encoded weights see what the weights stand for, to the bit, whatever the encoding, the numbers, the
# scales, the shape and the CPU: each output here is one weight, picked by an input that is 1 in one place.
# RUN: %python %s %t
import itertools
import pathlib
import sys

import numpy as np

from tools import adze, compiled

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
import encode  # noqa: E402

OUT = pathlib.Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
RANDOM = np.random.default_rng(7)
EACH = 7
TARGETS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
FORMS = ["", "csr()", "bitmask()", "nm(2, 4)", "nm(1, 4)", "nm(3, 5)", "block(4, 4)", "block(1, 4)", "block(16, 1)", "block(3, 5)"]
ELEMENTS = ["f32", "f16", "bf16", "i8", "u8", "i4", "u4"]
SCALES = ["one", "axis", "group"]
KEPT = {"csr()": 0.1, "bitmask()": 0.4}  # of blocks: a third; of n:m: n of each m


def numbers(elem, shape):
    if elem in ("f32", "f16"):
        return RANDOM.normal(size=shape).astype(elem.replace("f", "float")), None
    if elem == "bf16":
        bits = (RANDOM.normal(size=shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return bits, None
    low, high = {"i8": (-128, 127), "u8": (0, 255), "i4": (-8, 7), "u4": (0, 15)}[elem]
    return RANDOM.integers(low, high, shape, endpoint=True).astype(np.int8 if elem[0] == "i" else np.uint8), (low, high)


def thinned(tensor, form):
    matrix = tensor.reshape(tensor.shape[0], -1).copy()
    rows, columns = matrix.shape
    if form.startswith("nm"):
        n, m = map(int, form[3:-1].split(","))
        for row in matrix:
            for first in range(0, columns, m):
                group = RANDOM.permutation(np.arange(first, min(first + m, columns)))
                row[group[n:]] = 0
    elif form.startswith("block"):
        a, b = map(int, form[6:-1].split(","))
        gone = RANDOM.random((-(-rows // a), -(-columns // b))) < 0.66
        matrix[np.repeat(np.repeat(gone, a, 0), b, 1)[:rows, :columns]] = 0
    elif form:
        matrix[RANDOM.random(matrix.shape) >= KEPT[form]] = 0
    return matrix.reshape(tensor.shape)


def weight(name, shape, elem, form, scales):
    """(declaration, component tensors, the f32 values they stand for)"""
    tensor, limits = numbers(elem, shape)
    tensor = thinned(tensor, form)
    parts = encode.encode(name, tensor, elem, form)
    quant, columns = "", int(np.prod(shape[1:]))
    value = tensor.astype(np.float32)
    if elem == "bf16":
        value = (tensor.astype(np.uint32) << 16).view(np.float32)
    if limits:
        scale_shape = {"one": (), "axis": shape[:1], "group": (shape[0], -(-columns // 8))}[scales]
        quant = {"one": " quant()", "axis": " quant(axis = 0)", "group": " quant(axis = 0, group = 8)"}[scales]
        scale = np.asarray(RANDOM.random(scale_shape) + 0.01, np.float32)
        zero = np.asarray(RANDOM.integers(*limits, scale_shape, endpoint=True), tensor.dtype)
        if limits[0] == 0:
            zero = np.asarray(zero // 2, tensor.dtype)
        parts[f"{name}.scale"] = scale
        if not form and RANDOM.random() < 0.7:  # zeros that are not stored are zeros
            parts[f"{name}.zero"] = encode.stored(zero, elem)
        else:
            zero = np.zeros_like(zero)
        wide = [np.broadcast_to(x, (shape[0], columns)) for x in (scale, zero)] if scales == "one" else [
            np.repeat(x.reshape(shape[0], -1), 8 if scales == "group" else columns, 1)[:, :columns] for x in (scale, zero)
        ]  # fmt: skip
        matrix = tensor.reshape(shape[0], columns).astype(np.int32) - wide[1].astype(np.int32)
        value = (matrix.astype(np.float32) * wide[0]).reshape(shape)
    declared = f"weight {name}: {elem}[{', '.join(map(str, shape))}]{quant}{' ' + form if form else ''}\n"
    return declared, parts, value


def all_weights(shape):
    for elem, form in itertools.product(ELEMENTS, FORMS):
        numbers_of = [int(word) for word in form.partition("(")[2].rstrip(")").split(",") if word]
        block = ([1] if form.startswith("nm") else numbers_of[:1]) + numbers_of[1:]
        fits = not numbers_of or (shape[0] >= block[0] and np.prod(shape[1:]) >= block[1])
        if (elem == "f32" and not form) or not fits:
            continue
        for scales in SCALES if elem[0] in "iu" else ["none"]:
            yield elem, form, scales


def linear_layer(outputs, inputs, rows):
    picked = np.unique(np.concatenate([[0, inputs - 1], RANDOM.integers(0, inputs, rows)]))[:rows] if rows < inputs else np.arange(inputs)
    x = np.zeros((len(picked), inputs), np.float32)
    x[np.arange(len(picked)), picked] = 1
    return (outputs, inputs), x, "linear(x, {})", lambda w: w[:, picked].T


def conv_layer(outputs, inputs, kernel):
    x = np.zeros((inputs, inputs, kernel, kernel), np.float32)
    x[np.arange(inputs), np.arange(inputs), kernel // 2, kernel // 2] = 1
    text = f"conv2d(x, {{}}, pad = {kernel // 2})"
    return (outputs, inputs, kernel, kernel), x, text, lambda w: w[:, :, ::-1, ::-1].swapaxes(0, 1)


def depthwise_layer(channels, kernel):
    x = np.zeros((1, channels, kernel, kernel), np.float32)
    x[0, :, kernel // 2, kernel // 2] = 1
    text = f"conv2d(x, {{}}, pad = {kernel // 2}, groups = {channels})"
    return (channels, 1, kernel, kernel), x, text, lambda w: w[:, 0, ::-1, ::-1][None]


LAYERS = {
    "linear-1x1": linear_layer(1, 1, 1),
    "linear-15x9": linear_layer(15, 9, 9),
    "linear-16x8": linear_layer(16, 8, 8),
    "linear-67x129": linear_layer(67, 129, 7),
    "linear-130x1003-one-row": linear_layer(130, 1003, 1),
    "linear-33x1003": linear_layer(33, 1003, 24),
    "conv-17x20": conv_layer(17, 20, 3),
    "conv-40x37-1x1": conv_layer(40, 37, 1),
    "conv-33x3-5x5": conv_layer(33, 3, 5),
    "depthwise-37": depthwise_layer(37, 3),
}


def share(shape, layer_number, target):
    """Every so many of the encodings, so that layers, and CPUs for the same layer, have different ones."""
    first = layer_number * 3 + TARGETS.index(target)
    return list(all_weights(shape))[first % EACH :: EACH]


def check(name, target, layer, layer_number):
    shape, x, text, meant = layer
    model, tensors, values = f"model {name.replace('-', '_')}\ninput x: f32[{', '.join(map(str, x.shape))}]\n", {}, {}
    model += f'weights "{name}.safetensors"\n'
    for i, (elem, form, scales) in enumerate(share(shape, layer_number, target)):
        declared, parts, value = weight(f"w{i}", shape, elem, form, scales)
        model += declared
        tensors.update(parts)
        values[f"y{i}"] = (meant(value), f"{elem} {form} {scales}")
    model += "".join(f"output y{i} = {text.format(f'w{i}')}\n" for i in range(len(values)))
    encode.save(OUT / f"{name}.safetensors", tensors)
    (OUT / f"{name}.adz").write_text(model)
    made = adze.compile_model(OUT / f"{name}.adz", OUT / f"{name}-{target}", f"--target={target}", "--remarks")
    said = made.stem.with_name(made.stem.name + ".log").read_text()
    assert "generic" not in said, said
    try:
        got = compiled.Model(made.library).run(x=x)
    except compiled.ModelError as problem:
        return f"{name} for {target}: skipped: {problem}"
    for output, (value, what) in values.items():
        wrong = np.argwhere(got[output] != value)
        assert not len(wrong), (name, target, what, output, wrong[:5], got[output][tuple(wrong[0])], value[tuple(wrong[0])])
    plain = [line for line in said.splitlines() if "library holds plain" in line]
    return f"{name} for {target}: {len(values)} encodings, {len(plain)} of them held plain"


for number, (name, layer) in enumerate(LAYERS.items()):
    for target in TARGETS:
        print(check(name, target, layer, number), flush=True)
