# RUN: %python %s %t
# Values without elements go through every kind of op with the shape that the standard gives them: as operands, as results of
# windows that are less than a stride too long for what they slide over, and in products and sums, which are then zeros.
import sys

import numpy as np

from tools import node_cases

random = np.random.default_rng(41)
cases = node_cases.Cases(opset=20)
f = np.float32


def normal(*shape):
    return np.asarray(random.standard_normal(shape), f)


def zeros(*shape, dtype=f):
    return np.zeros(shape, dtype)


def ints(*values):
    return [np.int64(values)]


def add(op, operands, *expected, **attributes):
    cases.add(op, operands, expected, atol=1e-5, **attributes)


# Windows: floor((extent - reach) / stride) + 1 positions, which may be none; one more in ceil mode.
for extent in range(5):
    for taps, stride, dilation, ceil in ((3, 2, 1, 0), (5, 2, 1, 0), (2, 3, 3, 0), (4, 4, 1, 0), (3, 2, 1, 1), (5, 2, 1, 1), (2, 3, 3, 1)):
        reach = dilation * (taps - 1) + 1
        count = -(-(extent - reach) // stride) + 1 if ceil else (extent - reach) // stride + 1
        while ceil and count > 0 and (count - 1) * stride >= extent:
            count -= 1  # a window that begins behind the end is none
        if count < 0 or (ceil and extent < 1):
            continue
        x, w = normal(2, 3, extent), normal(4, 3, taps)
        views = [x[:, :, [i for i in range(p * stride, p * stride + reach, dilation) if i < extent]] for p in range(count)]
        most = np.stack([v.max(2) for v in views], 2) if count else zeros(2, 3, 0)
        mean = np.stack([v.mean(2) for v in views], 2) if count else zeros(2, 3, 0)
        size = np.stack([np.sqrt((v.astype(float) ** 2).sum(2)) for v in views], 2) if count else zeros(2, 3, 0)
        options = dict(kernel_shape=[taps], strides=[stride], dilations=[dilation], ceil_mode=ceil)
        add("MaxPool", [x], most, **options)
        add("AveragePool", [x], mean.astype(f), **options)
        add("LpPool", [x], size.astype(f), **options)
        if not ceil:
            sums = np.stack([np.einsum("nck,mck->nm", v.astype(float), w) for v in views], 2) if count else zeros(2, 4, 0)
            for weights in (w, [w]):
                add("Conv", [x, weights], sums.astype(f), strides=[stride], dilations=[dilation])
            wide = zeros(2, 4, 3, count) + sums[:, :, None]
            add("Conv", [np.repeat(x[:, :, None], 3, 2), [w[:, :, None]]], wide.astype(f), strides=[1, stride], dilations=[1, dilation])
        if not ceil and not count:
            add("MaxPool", [x], most, zeros(2, 3, 0, dtype=np.int64), **options)
            add("MaxPool", [np.repeat(x[:, :, None, None], 2, 2)], zeros(2, 3, 2, 1, 0), kernel_shape=[1, 1, taps], strides=[1, 1, stride], dilations=[1, 1, dilation])
for stride in (1, 2):
    add("Conv", [zeros(1, 2, 0, 4), [normal(3, 2, 5, 3)]], zeros(1, 3, 0, 4 // stride), auto_pad="SAME_UPPER", strides=[stride] * 2)
    add("MaxPool", [zeros(1, 2, 0, 4)], zeros(1, 2, 0, 4 // stride), auto_pad="SAME_LOWER", kernel_shape=[3, 3], strides=[stride] * 2)
add("ConvInteger", [zeros(1, 2, 7, 4, dtype=np.uint8), [zeros(3, 2, 3, 5, dtype=np.int8)]], zeros(1, 3, 5, 0, dtype=np.int32), strides=[1, 2])
add("ConvTranspose", [zeros(0, 2, 3), [normal(2, 3, 3)]], zeros(0, 3, 5))
add("Conv", [zeros(1, 0, 4), [zeros(2, 0, 3)], [f([1, 2])]], np.repeat(f([[[1], [2]]]), 2, 2))
add("GlobalAveragePool", [zeros(0, 2, 3)], zeros(0, 2, 1))
add("Resize", [zeros(0, 1, 2, 2), None, [f([1, 1, 2, 2])]], zeros(0, 1, 4, 4), mode="linear")
add("GridSample", [normal(1, 1, 2, 2), zeros(1, 0, 2, 2)], zeros(1, 1, 0, 2))

# Products, sums and normalizations.
add("MatMul", [zeros(0, 2, 3), normal(3, 4)], zeros(0, 2, 4))
add("MatMul", [zeros(2, 0), zeros(0, 3)], zeros(2, 3))
add("Gemm", [zeros(2, 0), zeros(0, 3), [f([1, 2, 3])]], np.tile(f([1, 2, 3]), (2, 1)))
add("Einsum", [zeros(2, 0), zeros(0, 3)], zeros(2, 3), equation="ij,jk->ik")
for op, value in (("ReduceSum", 0), ("ReduceProd", 1), ("ReduceMax", -np.inf), ("ReduceMin", np.inf), ("ReduceMean", np.nan), ("ReduceL1", 0), ("ReduceL2", 0), ("ReduceSumSquare", 0), ("ReduceLogSum", -np.inf), ("ReduceLogSumExp", -np.inf)):
    add(op, [zeros(2, 0, 3), ints(1)], np.full((2, 1, 3), value, f))
    add(op, [zeros(2, 0, 3), ints(0)], zeros(0, 3), keepdims=0)
for op in ("Softmax", "LogSoftmax", "Hardmax"):
    add(op, [zeros(0, 4)], zeros(0, 4))
    add(op, [zeros(2, 0)], zeros(2, 0))
add("ArgMax", [zeros(0, 4)], zeros(0, 1, dtype=np.int64), axis=1)
add("CumSum", [zeros(0, 2), ints(0)], zeros(0, 2))
add("LayerNormalization", [zeros(0, 4), [normal(4)]], zeros(0, 4))
add("InstanceNormalization", [zeros(0, 2, 3), [normal(2)], [normal(2)]], zeros(0, 2, 3))
add("BatchNormalization", [zeros(0, 3, 2), *[[f([1, 2, 3])]] * 4], zeros(0, 3, 2))
add("LRN", [zeros(1, 0, 2)], zeros(1, 0, 2), size=3)
initial = normal(1, 2, 2)
for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
    w, r = [normal(1, 2 * gates, 3)], [normal(1, 2 * gates, 2)]
    add(op, [zeros(2, 0, 3), w, r], zeros(2, 1, 0, 2), zeros(1, 0, 2), hidden_size=2)
    add(op, [zeros(0, 2, 3), w, r, None, None, initial], zeros(0, 1, 2, 2), initial, hidden_size=2)

# Movement.
add("Reshape", [zeros(0, 8, 2), ints(4, 2, -1)], zeros(4, 2, 0))
add("Reshape", [zeros(4, 2, 0), ints(0, 0, 4)], zeros(0, 0, 4), allowzero=1)
add("Reshape", [zeros(0, 3), ints(0, -1)], zeros(0, 3))
add("Expand", [normal(1, 3), ints(0, 3)], zeros(0, 3))
add("Tile", [normal(2, 3), ints(0, 2)], zeros(0, 6))
add("Concat", [zeros(0, 3), zeros(0, 3)], zeros(0, 3), axis=0)
add("Split", [zeros(0, 4), ints(4, 0)], zeros(0, 4), zeros(0, 0), axis=1)
add("Pad", [zeros(0, 2), ints(1, 0, 1, 0), [f(7)]], np.full((2, 2), 7, f))
add("Slice", [normal(3, 2), ints(2), ints(2)], zeros(0, 2))
add("Gather", [zeros(0, 3), [zeros(2, 0, dtype=np.int64)]], zeros(2, 0, 3))
add("GatherND", [normal(2, 3), zeros(0, 2, dtype=np.int64)], zeros(0))
add("ScatterND", [zeros(0, 3), [zeros(0, 1, dtype=np.int64)], zeros(0, 3)], zeros(0, 3))
add("OneHot", [zeros(0, dtype=np.int64), ints(3), [f([0, 1])]], zeros(0, 3))
add("DepthToSpace", [zeros(0, 4, 2, 2)], zeros(0, 1, 4, 4), blocksize=2)
add("Trilu", [zeros(0, 3)], zeros(0, 3))
add("NonZero", [[zeros(2, 0)]], zeros(2, 0, dtype=np.int64))
add("Where", [zeros(0, 1, dtype=bool), f([1, 2]), f([3, 4])], zeros(0, 2))
add("Max", [zeros(0), f(1)], zeros(0))
add("QuantizeLinear", [zeros(0, 2), [f(1)]], zeros(0, 2, dtype=np.uint8))

cases.check(sys.argv[1])
print(len(cases.nodes), "nodes,", sum(not value.size for value in cases.want.values()), "results without elements")
