# RUN: %python %s
# A step that takes longer than waking a worker is cut into pieces for all of them, a smaller one is not; the bytes of the
# results do not depend on the workers, nor on the order of the pieces.
import ctypes
import pathlib
import tempfile

import numpy as np

from tools import adze, compiled

MODEL = """
model m
input x: f32[1, 16, 56, 56]
weight w: f32[128, 16, 3, 3] = random(1)
weight v: f32[10, 128] = random(2)
large = relu(conv2d(x, w, pad = 1))
small = linear(reduce_mean(large, axes = [2, 3]), v)
output y = relu(small)
output z = large
"""
BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)
PARALLEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, BODY, ctypes.c_void_p, ctypes.c_uint32)


def run(model, x, workers):
    """The outputs' bytes, and the pieces of each step that was shared."""
    pieces = []

    def parallel(_, body, context, items):
        pieces.append(items)
        for item in reversed(range(items)):
            body(context, item, item % workers)

    function = PARALLEL(parallel)
    executor = compiled.Exec(size=ctypes.sizeof(compiled.Exec), workers=workers)
    executor.parallel_for = ctypes.cast(function, ctypes.c_void_p)
    outputs = model.plan({"x": x}, workers=workers, executor=executor).run()
    return [array.tobytes() for array in outputs.values()], pieces


with tempfile.TemporaryDirectory() as folder:
    source = pathlib.Path(folder) / "m.adz"
    source.write_text(MODEL)
    made = adze.compile_model(source, pathlib.Path(folder) / "m")
    model = compiled.Model(made.library)
    x = np.random.default_rng(1).standard_normal((1, 16, 56, 56), dtype=np.float32)
    want, shared = run(model, x, 1)
    assert shared == []
    for workers in (2, 3, 8):
        got, shared = run(model, x, workers)
        assert got == want, workers
        steps = [name for name, _, _ in model.steps()]
        assert 1 <= len(shared) < len(steps), (shared, steps)
        assert all(count >= 2 for count in shared) and max(shared) >= 3 * workers, (workers, shared)
