"""Arrays beside protected pages: reading or writing past the guarded end of one is a fault at once."""

import concurrent.futures
import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
NONE, READ = 0, mmap.PROT_READ

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def _protect(address, size, protection):
    if _libc.mprotect(address, size, protection):
        raise OSError(ctypes.get_errno(), "mprotect")


def empty(shape, dtype, at_end=True):
    """An array whose last byte lies before a protected page, or (at_end false) whose first byte lies after one. Bytes
    between the array and the other protected page are 0xA5."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    room = max(1, -(-size // PAGE)) * PAGE
    block = mmap.mmap(-1, room + 2 * PAGE)
    whole = np.frombuffer(block, np.uint8)
    whole[:] = 0xA5
    start = PAGE + (room - size if at_end else 0)
    _protect(whole.ctypes.data, PAGE, NONE)
    _protect(whole.ctypes.data + PAGE + room, PAGE, NONE)
    return whole[start : start + size].view(dtype).reshape(shape)


def copy(array, at_end=True):
    """A guarded copy that cannot be written to."""
    result = empty(array.shape, array.dtype, at_end)
    result[...] = array
    first = result.ctypes.data // PAGE * PAGE
    _protect(first, max(PAGE, -(-(result.ctypes.data + result.nbytes - first) // PAGE) * PAGE), READ)
    return result


def run(model, feeds, at_end):
    """Outputs by name of a compiled model that runs on guarded arrays."""
    frozen = {name: copy(array, at_end) for name, array in feeds.items()}
    plan = model.plan(frozen, allocate=lambda shape, dtype: empty(shape, dtype, at_end))
    return {name: array.copy() for name, array in plan.run().items()}


def outputs(model, feeds):
    """Outputs of a compiled model, by name, after checking that they depend on the inputs alone: with other inputs between,
    with buffers that end and that begin at a protected page, and from two threads at once. Inputs cannot be written to,
    scratch memory holds NaN patterns."""
    first = run(model, feeds, True)
    run(model, {name: np.ascontiguousarray(np.flip(array)) if array.ndim else array for name, array in feeds.items()}, False)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        later = [threads.submit(run, model, feeds, at_end) for at_end in (True, False)]
        for name, array in ((name, array) for later_run in later for name, array in later_run.result().items()):
            assert array.tobytes() == first[name].tobytes(), f"{name}: another run on the same inputs gave other bytes"
    return first
