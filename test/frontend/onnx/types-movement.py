# RUN: %python %s %t
# Ops that move elements, index, make shapes and control flow, in every version of opsets 7 to 22 and with every element type
# that ONNX allows: no bit may change.
import numpy as np
from onnx import helper, numpy_helper

from tools import onnx_types as t

table = t.Table()
case = table.case


def i64(*values):
    return [np.array(values, np.int64)]


def axes_form(c, x, want, axes, since):
    """Axes are an attribute before a version, an input from it on."""
    if c.version < since:
        c.node([x], want, axes=axes)
    else:
        c.node([x, i64(*axes)], want)


# -- shapes --
@case("Reshape")
def reshape(c):
    x = t.cells(c.T, 2, 3, 4)
    c.node([x, i64(0, -1)], x.reshape(2, 12))
    c.node([x, i64(4, 6)], x.reshape(4, 6))
    if c.version >= 14:
        c.node([t.cells(c.T, 0, 3), i64(3, 0)], t.cells(c.T, 3, 0), allowzero=1)


@case("Flatten")
def flatten(c):
    x = t.cells(c.T, 2, 3, 4)
    c.node([x], x.reshape(2, 12))
    c.node([x], x.reshape(6, 4), axis=2)
    c.node([x], x.reshape(1, 24), axis=0)
    if c.version >= 11:
        c.node([x], x.reshape(6, 4), axis=-1)


@case("Squeeze")
def squeeze(c):
    x = t.cells(c.T, 1, 3, 1)
    c.node([x], x.reshape(3))
    axes_form(c, x, x.reshape(1, 3), [2], 13)
    if c.version >= 11:
        axes_form(c, x, x.reshape(3), [-1, 0], 13)


@case("Unsqueeze")
def unsqueeze(c):
    x = t.cells(c.T, 3)
    axes_form(c, x, x.reshape(1, 3, 1), [0, 2], 13)
    if c.version >= 11:
        axes_form(c, x, x.reshape(3, 1), [-1], 13)


@case("Expand")
def expand(c):
    x = t.cells(c.T, 3, 1)
    c.node([x, i64(2, 1, 4)], np.broadcast_to(x, (2, 3, 4)))


@case("Tile")
def tile(c):
    x = t.cells(c.T, 2, 3)
    c.node([x, i64(3, 2)], np.tile(x, (3, 2)))


@case("Transpose")
def transpose(c):
    x = t.cells(c.T, 2, 3, 4)
    c.node([x], x.transpose())
    c.node([x], x.transpose(1, 0, 2), perm=[1, 0, 2])


@case("Shape")
def shape(c):
    x = t.cells(c.types["T"], 2, 3, 4)
    c.node([x], np.int64([2, 3, 4]))
    if c.version >= 15:
        c.node([x], np.int64([3, 4]), start=-2)
        c.node([x], np.int64([2]), start=0, end=-2)


@case("Size")
def size(c):
    c.node([t.cells(c.types["T"], 2, 3, 4)], np.int64(24))


# -- made of nothing --
@case("Constant")
def constant(c):
    x = t.cells(c.T, 3, 2)
    c.node([], x, value=t.tensor(x, "value"))
    one = np.asarray(x[1, 1])
    c.node([], one, value=t.tensor(one, "value"))
    if c.version >= 11 and c.T.kind in "fiub" and c.T != t.BF16:
        values, places = t.tensor(x[:2, 0], "values"), t.tensor(np.int64([1, 4]), "places")
        want = np.zeros(6, c.T)
        want[[1, 4]] = x[:2, 0]
        c.node([], want, sparse_value=helper.make_sparse_tensor(values, places, [6]))
    if c.version >= 12 and c.T == np.float32:
        c.node([], np.float32(0.1), value_float=0.1)
        c.node([], np.float32([0.1, -2]), value_floats=[0.1, -2.0])
    if c.version >= 12 and c.T == np.int64:
        c.node([], np.int64(2**62 + 1), value_int=2**62 + 1)
        c.node([], np.int64([2**62 + 1, -1]), value_ints=[2**62 + 1, -1])


@case("ConstantOfShape")
def constant_of_shape(c):
    kind = c.types["T2"]
    for value in t.edges(kind)[-4:]:
        filler = np.array([value], kind)
        c.node([i64(2, 3)], np.full((2, 3), value, kind), value=t.tensor(filler, "value"))
    if kind == np.float32:
        c.node([i64(2, 3)], np.zeros((2, 3), np.float32))


@case("EyeLike")
def eye_like(c):
    x, kind = t.cells(c.types["T1"], 3, 4), c.types["T2"]
    c.node([x], np.eye(3, 4, 1).astype(kind), dtype=t.TENSOR[kind], k=1)
    if x.dtype == kind:
        c.node([x], np.eye(3, 4, -1).astype(kind), k=-1)


@case("Range")
def made_range(c):
    runs = [(2, 11, 3), (5, -4, -2), (3, 3, 1), (1, 0, 1)]
    if c.T.kind == "i":
        top, bottom = int(np.iinfo(c.T).max), int(np.iinfo(c.T).min)
        runs += [(top - 5, top, 1), (top - 1, bottom, bottom + 2), (bottom, bottom + 7, 3), (bottom, top, top)]
    else:
        runs += [(0.5, 2, 0.25), (-1, -2, -0.125)]
    for start, limit, delta in runs:
        want = [start]
        while (want[-1] < limit) if delta > 0 else (want[-1] > limit):
            want.append(want[-1] + delta)
        c.node([[c.T.type(v)] for v in (start, limit, delta)], np.array(want[:-1], c.T))


@case("Trilu")
def triangle(c):
    x = t.cells(c.T, 2, 3, 4)
    c.node([x], np.triu(x))
    c.node([x, [np.int64(-1)]], np.tril(x, -1), upper=0)
    c.node([x, [np.int64(1)]], np.triu(x, 1))


# -- pieces --
@case("Concat")
def concat(c):
    x, y = t.cells(c.T, 2, 3), t.cells(c.T, 2, 5)[:, ::-1]
    c.node([x, y], np.concatenate([x, y], 1), axis=1)
    c.node([x, x, x], np.concatenate([x, x, x], 0), axis=0)
    if c.version >= 11:
        c.node([x, y], np.concatenate([x, y], 1), axis=-1)


@case("Split")
def split(c):
    x = t.cells(c.T, 2, 7)
    if c.version < 13:
        c.node([x], [x[:, :2], x[:, 2:]], axis=1, split=[2, 5])
    else:
        c.node([x, i64(2, 5)], [x[:, :2], x[:, 2:]], axis=1)
    if c.version >= 18:
        c.node([x], [x[:, :3], x[:, 3:6], x[:, 6:]], axis=1, num_outputs=3)
    else:
        c.node([x], [x[:1], x[1:]])


@case("Slice")
def slices(c):
    x = t.cells(c.T, 3, 7)
    if c.version < 10:
        c.node([x], x[1:, -3:-1], starts=[1, -3], ends=[9, -1])
        c.node([x], x[:, 2:], starts=[2], ends=[2**31 - 1], axes=[1])
        return
    index = c.types["Tind"]
    for starts, ends, axes, steps, want in [
        ([1, -3], [9, -1], None, None, x[1:, -3:-1]),
        ([-1], [np.iinfo(index).min], [1], [-2], x[:, ::-2]),
        ([0], [np.iinfo(index).max], [-1], [3], x[:, ::3]),
    ]:
        c.node([x, *(None if v is None else [np.array(v, index)] for v in (starts, ends, axes, steps))], want)


@case("Pad")
def pad(c):
    x, around = t.cells(c.T, 2, 3), ((1, 0), (2, 1))
    pads = [1, 2, 0, 1]
    if c.version < 11:
        c.node([x], np.pad(x, around), pads=pads)
        c.node([x], np.pad(x, around, constant_values=2.5), pads=pads, value=2.5)
        c.node([x], np.pad(x, ((0, 0), (2, 1)), mode="reflect"), pads=[0, 2, 0, 1], mode="reflect")
        c.node([x], np.pad(x, around, mode="edge"), pads=pads, mode="edge")
        return
    given = i64(*pads)
    c.node([x, given], np.pad(x, around))
    for value in t.edges(c.T)[-4:]:
        c.node([x, given, [value]], np.pad(x, around, constant_values=value))
    c.node([x, given, np.asarray(value)], np.pad(x, around, constant_values=value))
    c.node([x, i64(0, 2, 0, 1)], np.pad(x, ((0, 0), (2, 1)), mode="reflect"), mode="reflect")
    c.node([x, given], np.pad(x, around, mode="edge"), mode="edge")
    c.node([x, i64(0, -1, 0, 0)], x[:, 1:])
    if c.version >= 18:
        index = c.types["Tind"]
        c.node([x, i64(2, 1), [value], [np.array([-1], index)]], np.pad(x, ((0, 0), (2, 1)), constant_values=value))
    if c.version >= 19:
        c.node([x, given], np.pad(x, around, mode="wrap"), mode="wrap")


@case("CenterCropPad")
def center_crop_pad(c):
    x = t.cells(c.types["T"], 4, 3)
    want = np.zeros((2, 6), x.dtype)
    want[:, 1:4] = x[1:3]
    c.node([x, [np.array([2, 6], c.types["Tind"])]], want)
    c.node([x, [np.array([3], c.types["Tind"])]], x[:3], axes=[0])


@case("DepthToSpace", "SpaceToDepth")
def blocks(c):
    x = t.cells(c.T, 1, 8, 2, 4)
    if c.op == "SpaceToDepth":
        want = x.reshape(1, 8, 1, 2, 2, 2).transpose(0, 3, 5, 1, 2, 4).reshape(1, 32, 1, 2)
        c.node([x], want, blocksize=2)
        return
    c.node([x], x.reshape(1, 2, 2, 2, 2, 4).transpose(0, 3, 4, 1, 5, 2).reshape(1, 2, 4, 8), blocksize=2)
    if c.version >= 11:
        want = x.reshape(1, 2, 2, 2, 2, 4).transpose(0, 1, 4, 2, 5, 3).reshape(1, 2, 4, 8)
        c.node([x], want, blocksize=2, mode="CRD")


# -- indices --
@case("Gather")
def gather(c):
    x = t.cells(c.types["T"], 4, 3)
    indices = np.array([[0, 3], [1, 1]], c.types["Tind"])
    c.node([x, indices], x[indices])
    c.node([x, indices % 3], x[:, indices % 3], axis=1)
    if c.version >= 11:
        c.node([x, indices - 4], x[indices - 4])
        c.node([x, [np.array(-1, c.types["Tind"])]], x[:, -1], axis=-1)


@case("GatherElements")
def gather_elements(c):
    x = t.cells(c.types["T"], 3, 3)
    indices = np.array([[1, 2, 0], [-1, 0, -3]], c.types["Tind"])
    c.node([x, indices], np.take_along_axis(x, indices, 0))
    c.node([x, indices], np.take_along_axis(x[:2], indices, 1), axis=1)


@case("GatherND")
def gather_nd(c):
    x = t.cells(c.T, 2, 3, 4)
    indices = np.int64([[0, 1], [1, -1]])
    c.node([x, indices], x[[0, 1], [1, -1]])
    if c.version >= 12:
        c.node([x, np.int64([[2], [0]])], np.stack([x[0, 2], x[1, 0]]), batch_dims=1)


@case("Scatter", "ScatterElements")
def scatter_elements(c):
    kind = c.types["T"]
    x, y = t.cells(kind, 3, 3), t.cells(kind, 6)[::-1].reshape(2, 3)
    indices = np.array([[1, 0, 2], [0, 2, 1]], c.types["Tind"])
    want = x.copy()
    np.put_along_axis(want, indices, y, 0)
    c.node([x, [indices], y], want)
    c.node([x, indices, y], want)
    if c.version >= 11:
        turned = x.copy()
        np.put_along_axis(turned[:2], indices, y, 1)
        c.node([x, [indices - 3], y], turned, axis=1)
    if kind != np.bool_:
        reduced(c, kind, indices)


def reductions(c):
    words = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max, "min": min}
    return {word: words[word] for word in [*(["add", "mul"] if c.version >= 16 else []), *(["max", "min"] if c.version >= 18 else [])]}


def reduced(c, kind, indices):
    x, y = t.small(kind, 3, 3), t.small(kind, 2, 3)
    for word, function in reductions(c).items():
        want = t.exact(x)
        for row, column in np.ndindex(2, 3):
            at = indices[row, column] * 0 + 1, column  # both updates of a column meet in one place
            want[at] = function(want[at], t.exact(y)[row, column])
        c.node([x, [indices * 0 + 1], y], t.in_type(want, kind), reduction=word, any_zero=True)
        c.node([x, indices * 0 + 1, y], t.in_type(want, kind), reduction=word, any_zero=True)


@case("ScatterND")
def scatter_nd(c):
    x, y = t.cells(c.T, 4, 3), t.cells(c.T, 2, 3)[:, ::-1]
    want = x.copy()
    want[[2, 3]] = y
    c.node([x, i64([2], [-1]), y], want)
    c.node([x, *i64([2], [-1]), y], want)
    if c.T == np.bool_:
        return
    x, y = t.small(c.T, 4, 3), t.small(c.T, 2, 3, step=2)
    for word, function in reductions(c).items():
        want = t.exact(x)
        for row, column in np.ndindex(2, 3):
            want[1, column] = function(want[1, column], t.exact(y)[row, column])
        c.node([x, i64([1], [1]), y], t.in_type(want, c.T), reduction=word, any_zero=True)
        c.node([x, *i64([1], [1]), y], t.in_type(want, c.T), reduction=word, any_zero=True)


@case("Compress")
def compress(c):
    x = t.cells(c.T, 3, 4)
    c.node([x, [np.array([False, True, True])]], x[1:], axis=0)
    c.node([x, [np.array([True, False, True, False, True])]], x.ravel()[[0, 2, 4]])


@case("NonZero")
def nonzero(c):
    x = t.cells(c.T, 3, 5)
    c.node([[x]], np.stack(np.nonzero(x.astype(np.float64) if t.is_float(c.T) else x)).astype(np.int64))


@case("ReverseSequence")
def reverse_sequence(c):
    x = t.cells(c.T, 4, 3)
    want = np.stack([np.concatenate([x[:n, b][::-1], x[n:, b]]) for b, n in enumerate((1, 3, 4))], 1)
    c.node([x, np.int64([1, 3, 4])], want)
    c.node([x.T, [np.int64([1, 3, 4])]], want.T, time_axis=1, batch_axis=0)


@case("OneHot")
def one_hot(c):
    kind, depth = c.types["T1"], c.types["T2"].type(5)
    values = t.edges(c.types["T3"])[-2:]
    given = [0, 4, 5, 100] + ([] if kind.kind == "u" else [-1, -5, -6])
    if kind.kind == "u":
        given += [int(np.iinfo(kind).max), int(np.iinfo(kind).max) - 1]  # not -1
    want = np.array([[values[int(i in (place, place - 5))] if i > -6 else values[0] for place in range(5)] for i in given])
    c.node([t.in_type(given, kind), [depth], values], want)
    c.node([t.in_type(given, kind), [np.array([5], depth.dtype)], [values]], want.T, axis=0)
    deep = c.types["T2"].type(120)
    c.node([t.in_type([-7 if kind.kind != "u" else 113], kind), [deep], values], np.where(np.arange(120) == 113, values[1], values[0])[None])


# -- sampling --
@case("Upsample")
def upsample(c):
    x = t.cells(c.T, 1, 2, 2, 3)
    want, scales = x.repeat(2, 2).repeat(3, 3), np.float32([1, 1, 2, 3])
    if c.version < 9:
        c.node([x], want, scales=scales.tolist())
    else:
        c.node([x, [scales]], want)


def stretched(x):
    """Twice as wide less one, corners on corners: neighbours' means between them."""
    wide = np.repeat(t.exact(x), 2, -1)[..., :-1]
    wide[..., 1::2] = (wide[..., :-1:2] + wide[..., 2::2]) / 2
    return wide


@case("Resize")
def resize(c):
    kind = c.types.get("T1", c.T)
    x = t.cells(kind, 1, 2, 2, 3)
    want, scales = x.repeat(2, 2).repeat(3, 3), [np.float32([1, 1, 2, 3])]
    if c.version < 11:
        c.node([x, scales], want)
        return
    roi = None if c.version >= 13 else [np.array([], c.types["T2"])]
    c.node([x, roi, scales], want, coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    empty = None if c.version >= 13 else [np.float32([])]
    c.node([x, roi, empty, i64(1, 2, 4, 9)], want)
    crop = [np.array([0, 0, 0, 0.5, 1, 1, 1, 1], c.types["T2"])]
    c.node([x, crop, empty, i64(1, 2, 2, 2)], x[..., 1:], coordinate_transformation_mode="tf_crop_and_resize")
    if kind != np.bool_:
        smooth = t.small(kind, 1, 1, 2, 4, step=2)
        if kind.itemsize >= 4 and not t.is_float(kind):
            smooth = smooth * kind.type(2 ** (8 * kind.itemsize - (6 if kind.itemsize == 4 else 14)) + 2)
        wide = stretched(smooth)
        if not t.is_float(kind):
            wide = wide[..., ::2]
        c.node([smooth, roi, empty, i64(*wide.shape)], t.in_type(wide, kind), any_zero=True,
               mode="linear", coordinate_transformation_mode="align_corners")  # fmt: skip


@case("GridSample")
def grid_sample(c):
    kind, places = c.types["T1"], c.types["T2"]
    x = t.cells(kind, 1, 2, 3, 5)
    at = [(0, 0), (2, 4), (1, 2), (0, 4), (1, 1), (5, 1)]  # the last one outside
    grid = t.rounded([[[(column / 2 - 1, row - 1) for row, column in at]]], places).reshape(1, 1, 6, 2)
    want = np.stack([x[0, :, row, column] if row < 3 else np.zeros(2, kind) for row, column in at], -1).reshape(1, 2, 1, 6)
    c.node([x, grid], want, mode="nearest", align_corners=1)
    border = np.stack([x[0, :, min(row, 2), column] for row, column in at], -1).reshape(1, 2, 1, 6)
    c.node([x, grid], border, mode="nearest", align_corners=1, padding_mode="border")
    if t.is_float(kind):
        smooth = t.small(kind, 1, 1, 3, 5)
        between = t.rounded([-0.75, 0, 0.25, 0, 1, 0.5], places).reshape(1, 1, 3, 2)
        near = smooth[0, 0].astype(np.float64)
        halves = [(near[1, 0] + near[1, 1]) / 2, (near[1, 2] + near[1, 3]) / 2, (near[1, 4] + near[2, 4]) / 2]
        word = "bilinear" if c.version < 20 else "linear"
        c.node([smooth, grid[:, :, :5]], np.stack([smooth[0, :, r, q] for r, q in at[:5]], -1).reshape(1, 1, 1, 5), mode=word, align_corners=1, any_zero=True)
        c.node([smooth, between], np.array(halves).astype(kind).reshape(1, 1, 1, 3), mode=word, align_corners=1)


# -- control flow --
def branch(name, x, kind, op, **attributes):
    output = helper.make_tensor_value_info(f"{name}.out", t.TENSOR[kind], None)
    return helper.make_graph([helper.make_node(op, x, [f"{name}.out"], **attributes)], name, [], [output])


@case("If")
def conditional(c):
    kind = c.types["V"]
    x, y = t.cells(kind, 2, 3), t.cells(kind, 2, 3)[:, ::-1]
    for chosen in (True, False):
        for condition in (np.array(chosen), [np.array(chosen)]):
            stem = f"if{c.number}.{len(c.nodes)}"
            then = helper.make_graph([helper.make_node("Constant", [], [f"{stem}.y"], value=t.tensor(x, "v"))], "then", [],
                                     [helper.make_tensor_value_info(f"{stem}.y", t.TENSOR[kind], x.shape)])  # fmt: skip
            other = helper.make_graph([helper.make_node("Constant", [], [f"{stem}.z"], value=t.tensor(y, "v"))], "other", [],
                                      [helper.make_tensor_value_info(f"{stem}.z", t.TENSOR[kind], y.shape)])  # fmt: skip
            c.node([condition], x if chosen else y, then_branch=then, else_branch=other)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, t.TENSOR[np.dtype(kind)], shape)


@case("Loop")
def loop(c):
    kind = c.types["V"]
    x, stem = t.cells(kind, 4), f"loop{c.number}"
    turn = t.tensor(np.int64([1, 2, 3, 0]), f"{stem}.turn")
    nodes = [helper.make_node("Identity", [f"{stem}.go"], [f"{stem}.goes"]),
             helper.make_node("Gather", [f"{stem}.v", f"{stem}.turn"], [f"{stem}.w"]),
             helper.make_node("Identity", [f"{stem}.v"], [f"{stem}.all"])]  # fmt: skip
    body = helper.make_graph(nodes, "body",
                             [value(f"{stem}.i", np.int64, []), value(f"{stem}.go", np.bool_, []), value(f"{stem}.v", kind, [4])],
                             [value(f"{stem}.goes", np.bool_, []), value(f"{stem}.w", kind, [4]), value(f"{stem}.all", kind, [4])], [turn])  # fmt: skip
    c.node([[np.int64(3)], [np.array(True)], x], [np.roll(x, -3), np.stack([np.roll(x, -i) for i in range(3)])], body=body)


@case("Scan")
def scan(c):
    kind = c.types["V"]
    start, rows, stem = t.cells(kind, 4)[::-1], t.cells(kind, 3, 4), f"scan{c.number}"
    nodes = [helper.make_node("Identity", [f"{stem}.row"], [f"{stem}.next"]),
             helper.make_node("Identity", [f"{stem}.state"], [f"{stem}.out"])]  # fmt: skip
    body = helper.make_graph(nodes, "body", [value(f"{stem}.state", kind, [4]), value(f"{stem}.row", kind, [4])],
                             [value(f"{stem}.next", kind, [4]), value(f"{stem}.out", kind, [4])])  # fmt: skip
    want = [rows[-1], np.concatenate([start[None], rows[:-1]])]
    if c.version < 9:
        both = [np.stack([start, start[::-1]]), np.stack([rows, rows[::-1]])]
        wants = [np.stack([want[0], rows[0]]), np.stack([want[1], np.concatenate([start[None, ::-1], rows[:0:-1]])])]
        c.node([None, *both], wants, body=body, num_scan_inputs=1)
    else:
        c.node([start, rows], want, body=body, num_scan_inputs=1)


if __name__ == "__main__":
    t.main(table)
