# RUN: %python %s %t
# An index that is out of range takes the nearest element in compiled code, or, where a lookup is composed of others, some element;
# nothing outside the tensor is read: tables lie beside protected pages. Every lookup x axis x index type x element size x indices
# from just outside to the ends of their type.
import itertools
import pathlib
import sys

import numpy as np

from tools import adze, compiled, guarded

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from graph import Graph  # noqa: E402

FAR = [2**31 - 1, -(2**31), 2**31, 2**32, -(2**32) + 1, 2**62, 2**63 - 1, -(2**63)]


def indices_of(kind, extent):
    limits = np.iinfo(kind)
    near = range(-2 * extent - 1, 2 * extent + 2)
    return np.array([i for i in (*near, *FAR) if limits.min <= i <= limits.max], kind)


def inside(indices, extent):
    wide = [int(i) for i in indices.ravel()]
    counted = [i + extent if i < 0 else i for i in wide]
    return np.array([min(max(i, 0), extent - 1) for i in counted]).reshape(indices.shape)


nearest, any_element = Graph(), Graph()
random = np.random.default_rng(2)
for element, kind in itertools.product((np.int8, np.float16, np.float32, np.float64), (np.int32, np.int64)):
    for shape in ((5, 4, 3), (1, 7, 1), (9,), (3, 2, 67)):
        table = random.integers(-99, 99, shape).astype(element)
        for axis, extent in enumerate(shape):
            indices = indices_of(kind, extent)
            nearest.output(nearest.add("Gather", table, indices, axis=axis), np.take(table, inside(indices, extent), axis))
            places = np.resize(indices, shape).astype(kind)
            any_element.output(any_element.add("GatherElements", table, places, axis=axis), table)
        if kind == np.int64 and len(shape) > 1:
            pairs = np.array(list(itertools.product(indices_of(kind, shape[0]), indices_of(kind, shape[1]))))
            any_element.output(any_element.add("GatherND", table, pairs), table)
compared = nearest.check(f"{sys.argv[1]}.nearest", 0, interpreted=False)
stem = f"{sys.argv[1]}.any"
any_element.save(f"{stem}.onnx")
for target in adze.levels():
    library = adze.compile_model(f"{stem}.onnx", f"{stem}.{target}", f"--target={target}").library
    for name, found in guarded.outputs(compiled.Model(library), any_element.inputs).items():
        assert np.isin(found, any_element.want[name]).all(), (target, name, found)
        compared += 1
print(len(nearest.want) + len(any_element.want), "lookups,", compared, "outputs")
