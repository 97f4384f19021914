"""Arrays beside protected pages: reading or writing past the guarded end of one is a fault at once."""

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
