"""Loads a compiled model (a shared library) by its descriptor, as runtime/include/adze_model.h defines it, and runs it on
numpy arrays. A reader of the ABI that shares no code with the compiler."""

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

import numpy as np

ABI = 1
ALIGN = 64
SELECT = -1
COMPUTED = np.iinfo(np.int64).min
ERRORS = (
    "ok", "wrong ABI", "CPU lacks instructions", "bad argument", "symbol out of range", "bad scratch", "wrong weights",
    "no memory", "no file", "not a model", "no thread",
)  # fmt: skip
INPUT, OUTPUT = 1, 2
# By enum adze_elem; a bf16 is seen as its bits.
ELEMENTS = (
    None, np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.float16,
    np.uint16, np.float32, np.float64,
)  # fmt: skip


class Port(Structure):
    _fields_ = [
        ("name", c_char_p), ("role", c_uint32), ("elem", c_uint32), ("rank", c_uint32), ("updates", c_int32),
        ("dim", POINTER(c_int64)),
    ]  # fmt: skip


class Symbol(Structure):
    _fields_ = [("name", c_char_p), ("lo", c_int64), ("hi", c_int64)]


class Step(Structure):
    _fields_ = [("name", c_char_p), ("operations", c_uint64), ("bytes", c_uint64)]


class Variant(Structure):
    _fields_ = [
        ("target", c_char_p), ("features", c_char_p), ("lo", POINTER(c_int64)), ("hi", POINTER(c_int64)),
        ("steps", c_uint32), ("reserved", c_uint32), ("step", POINTER(POINTER(Step))),
    ]  # fmt: skip


class Exec(Structure):
    _fields_ = [
        ("size", c_uint32), ("workers", c_uint32), ("pool", c_void_p), ("parallel_for", c_void_p), ("clock", c_void_p),
        ("ticks", POINTER(c_uint64)),
    ]  # fmt: skip


class Call(Structure):
    _fields_ = [
        ("size", c_uint32), ("variant", c_int32), ("symbols", POINTER(c_int64)), ("port", POINTER(c_void_p)),
        ("scratch", c_void_p), ("scratch_bytes", c_size_t), ("weights", c_void_p), ("exec", POINTER(Exec)),
    ]  # fmt: skip


class Descriptor(Structure):
    _fields_ = [
        ("abi", c_uint32), ("size", c_uint32), ("name", c_char_p), ("text", c_char_p), ("metadata", c_void_p),
        ("ports", c_uint32), ("symbols", c_uint32), ("variants", c_uint32), ("reserved", c_uint32),
        ("port", POINTER(POINTER(Port))), ("symbol", POINTER(POINTER(Symbol))), ("variant", POINTER(POINTER(Variant))),
        ("weights_bytes", c_uint64), ("weights_hash", c_uint8 * 32),
        ("select", ctypes.CFUNCTYPE(c_int, POINTER(c_int64), POINTER(c_int32))),
        ("shape", ctypes.CFUNCTYPE(c_int, c_uint32, POINTER(c_int64), POINTER(c_int64))),
        ("scratch", ctypes.CFUNCTYPE(c_int, c_int32, POINTER(c_int64), c_uint32, POINTER(c_size_t))),
        ("run", ctypes.CFUNCTYPE(c_int, POINTER(Call))),
    ]  # fmt: skip


class ModelError(Exception):
    """A model's function returned `code`."""

    def __init__(self, code):
        super().__init__(ERRORS[code] if code < len(ERRORS) else f"error {code}")
        self.code = code


def check(code):
    if code:
        raise ModelError(code)


def aligned(count, fill=None):
    """u8[count] aligned for scratch memory and weights, filled with one byte value if asked."""
    raw = np.empty(count + ALIGN, np.uint8)
    start = -raw.ctypes.data % ALIGN
    if fill is not None:
        raw[:] = fill
    return raw[start : start + count]


class Model:
    """A loaded library. `weights` is the side file of a model compiled with external weights."""

    def __init__(self, path, weights=None):
        self.library = ctypes.CDLL(str(path))
        self.about = Descriptor.in_dll(self.library, "adze_model")
        if self.about.abi != ABI:
            raise ModelError(1)
        self.name = self.about.name.decode()
        self.text = self.about.text.decode()
        ports = [self.about.port[i].contents for i in range(self.about.ports)]
        self.ports = ports
        self.inputs = [p.name.decode() for p in ports if p.role == INPUT]
        self.outputs = [p.name.decode() for p in ports if p.role == OUTPUT]
        self.symbols = [self.about.symbol[i].contents for i in range(self.about.symbols)]
        self.weights = None
        if weights is not None:
            content = np.fromfile(weights, np.uint8)
            self.weights = aligned(content.size)
            self.weights[:] = content

    def metadata(self):
        """{key: value} of the model's source."""
        entries, at = [], self.about.metadata
        while text := ctypes.string_at(at):
            entries.append(text.decode())
            at += len(text) + 1
            if len(entries) % 2:
                value = ctypes.string_at(at)
                entries.append(value.decode())
                at += len(value) + 1
        return dict(zip(entries[::2], entries[1::2]))

    def steps(self, variant=0):
        """(name, operations, bytes) of each step."""
        v = self.about.variant[variant].contents
        found = [v.step[i].contents for i in range(v.steps)]
        return [(s.name.decode(), s.operations, s.bytes) for s in found]

    def bind_symbols(self, shapes):
        """The symbols' values, told by the shapes of the inputs; a symbol that no shape tells is its lower bound."""
        values = [symbol.lo for symbol in self.symbols]
        for port, shape in zip(self.ports, shapes):
            for axis in range(port.rank):
                dim = port.dim[axis]
                if COMPUTED < dim < 0:
                    values[-1 - dim] = shape[axis]
        return (c_int64 * max(1, len(values)))(*values)

    def dims(self, port, symbols):
        dims = (c_int64 * max(1, self.ports[port].rank))()
        check(self.about.shape(port, symbols, dims))
        return tuple(dims[: self.ports[port].rank])

    def plan(self, inputs, workers=1, executor=None, allocate=np.empty, scratch_fill=0xFF):
        """A run that can be repeated: inputs are arrays by name. `allocate(shape, dtype)` makes the outputs; scratch
        memory starts as NaN patterns."""
        return Plan(self, inputs, workers, executor, allocate, scratch_fill)

    def run(self, **inputs):
        """{output: array}, in the model's order."""
        return self.plan(inputs).run()


class Plan:
    def __init__(self, model, inputs, workers, executor, allocate, scratch_fill):
        self.model = model
        given = []
        for name, port in zip(model.inputs, model.ports):
            array = np.asarray(inputs[name], ELEMENTS[port.elem], order="C")  # ascontiguousarray makes scalars vectors
            given.append(array)
        unknown = set(inputs) - set(model.inputs)
        if unknown:
            raise KeyError(f"no such input: {', '.join(sorted(unknown))}; there is {', '.join(model.inputs)}")
        symbols = model.bind_symbols([array.shape for array in given])
        for index, array in enumerate(given):
            if model.dims(index, symbols) != array.shape:
                raise ValueError(f"{model.inputs[index]}: shape {array.shape}, not {model.dims(index, symbols)}")
        outputs = [
            allocate(model.dims(len(given) + index, symbols), ELEMENTS[port.elem])
            for index, port in enumerate(model.ports[len(given) :])
        ]
        variant, size = c_int32(), c_size_t()
        check(model.about.select(symbols, ctypes.byref(variant)))
        check(model.about.scratch(variant, symbols, workers, ctypes.byref(size)))
        scratch = aligned(size.value, scratch_fill)
        ports = (c_void_p * len(model.ports))(*(array.ctypes.data for array in given + outputs))
        weights = None if model.weights is None else model.weights.ctypes.data
        self.outputs = dict(zip(model.outputs, outputs))
        self.kept = (given, scratch, ports, symbols, executor)
        self.call = Call(
            ctypes.sizeof(Call), variant.value, symbols, ports, scratch.ctypes.data, size.value, weights,
            ctypes.pointer(executor) if executor is not None else None,
        )  # fmt: skip
        self.scratch_bytes = size.value

    def __call__(self):
        check(self.model.about.run(ctypes.byref(self.call)))

    def run(self):
        self()
        return self.outputs
