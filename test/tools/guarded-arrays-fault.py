# RUN: %python %s
# A guarded array faults past either end, and a guarded copy when written to; inside, all is well.
import signal
import subprocess
import sys

import numpy as np

from tools import guarded

for shape in [(3, 5), (0,), (1024,), (4097,)]:
    for at_end in (True, False):
        array = guarded.empty(shape, np.float32, at_end)
        array[...] = 1
        frozen = guarded.copy(np.arange(array.size, dtype=np.float32).reshape(shape), at_end)
        assert frozen.sum() == array.size * (array.size - 1) / 2

TOUCH = """
import ctypes, numpy
from tools import guarded
a = guarded.{make}
ctypes.memset(a.ctypes.data + {offset}, 0, 1)
"""
for make, offset in [
    ("empty((5,), numpy.float32)", "a.nbytes"),
    ("empty((5,), numpy.float32, False)", "-1"),
    ("copy(numpy.ones(5), True)", "0"),
    ("copy(numpy.ones(5), False)", "a.nbytes - 1"),
]:
    result = subprocess.run([sys.executable, "-c", TOUCH.format(make=make, offset=offset)], stderr=subprocess.DEVNULL)
    assert result.returncode == -signal.SIGSEGV, (make, result.returncode)
