"""The thread pool of adze's runtime, for compiled.Plan."""

import ctypes

from tools import adze, compiled


def _load():
    library = ctypes.CDLL(str(adze.BUILD / "lib" / "libadze_runtime.so"))
    library.adze_pool_open.argtypes = (ctypes.c_uint32, ctypes.POINTER(ctypes.c_void_p))
    library.adze_pool_close.argtypes = (ctypes.c_void_p,)
    library.adze_pool_close.restype = None
    library.adze_pool_exec.argtypes = (ctypes.c_void_p, ctypes.POINTER(compiled.Exec))
    library.adze_pool_exec.restype = None
    return library


class Pool:
    """`with Pool(2) as pool: model.plan(inputs, workers=2, executor=pool.executor)`"""

    def __init__(self, workers):
        self._library = _load()
        self._pool = ctypes.c_void_p()
        compiled.check(self._library.adze_pool_open(workers, ctypes.byref(self._pool)))
        self.executor = compiled.Exec()
        self._library.adze_pool_exec(self._pool, ctypes.byref(self.executor))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._library.adze_pool_close(self._pool)
