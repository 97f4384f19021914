# RUN: %python %s %t
# Ops that sample between cells, put windows back or take determinants, in every version of opsets 7 to 22 and with every
# element type that ONNX allows. Numbers are chosen so that results are exact, but for determinants.
import numpy as np

from tools import onnx_types as t

table = t.Table()
case = table.case


@case("AffineGrid")
def affine_grid(c):
    kind = c.types["T1"]
    theta = t.rounded([[[1, 0.5, -1], [0.25, -2, 0.5]]], kind)
    for align, rows, columns in ((1, np.arange(3) - 1, np.arange(5) / 2 - 1), (0, (np.arange(4) + 0.5) / 2 - 1, (np.arange(2) + 0.5) - 1)):
        places = np.array([[[x, y, 1] for x in columns] for y in rows], np.longdouble)
        want = t.rounded(places @ t.exact(theta)[0].T, kind)[None]
        size = [np.int64([1, 1, len(rows), len(columns)])]
        c.node([theta, size], want, any_zero=True, align_corners=align)


@case("Col2Im")
def col2im(c):
    x = t.small(c.T, 1, 8, 4)  # two channels, blocks of 2 x 2 in four places of an image of 3 x 3
    parts, image = t.exact(x).reshape(1, 2, 2, 2, 2, 2), np.zeros((1, 2, 3, 3), np.longdouble if t.is_float(c.T) else object)
    for i, j, row, column in np.ndindex(2, 2, 2, 2):
        image[:, :, row + i, column + j] += parts[:, :, i, j, row, column]
    c.node([x, [np.int64([3, 3])], [np.int64([2, 2])]], t.in_type(image, c.T), any_zero=True)


@case("MaxUnpool")
def max_unpool(c):
    kind = c.types["T1"]
    x, places = t.cells(kind, 1, 1, 2, 3), np.int64([[[[1, 2, 4], [13, 20, 23]]]])
    want = np.zeros(24, kind)
    want[places.ravel()] = x.ravel()
    for form in (places, [places]):
        c.node([x, form], want.reshape(1, 1, 4, 6), kernel_shape=[2, 2], strides=[2, 2])
    wider = np.pad(want.reshape(1, 1, 4, 6), ((0, 0), (0, 0), (0, 0), (0, 1)))
    c.node([x, places, [np.int64([1, 1, 4, 7])]], wider, kernel_shape=[2, 2], strides=[2, 2])


@case("Det")
def determinant(c):
    x = t.rounded([[[2, 1, 0], [4, -1, 2], [1, 3, 5]], [[0, 2, 1], [1, 0, 3], [2, 1, 0]], [[1, 2, 3], [2, 4, 6], [0, 1, 1]]], c.T)
    tolerance = {"ulps": {2: 1, 4: 8, 8: 8}[c.T.itemsize], "least": 16, "any_zero": True}
    c.node([x], t.rounded([-40, 13, 0], c.T), **tolerance)
    c.node([x[0]], t.rounded(-40, c.T), **tolerance)


def between(x, row, column):
    """Of channels [c, height, width] at a place inside."""
    height, width = x.shape[1:]
    i, j = min(int(row), height - 1), min(int(column), width - 1)
    k, m = min(i + 1, height - 1), min(j + 1, width - 1)
    v, h = row - i, column - j
    return (x[:, i, j] * (1 - h) + x[:, i, m] * h) * (1 - v) + (x[:, k, j] * (1 - h) + x[:, k, m] * h) * v


@case("RoiAlign")
def roi_align(c):
    kind = c.types["T1"]
    x, rois = t.small(kind, 2, 2, 5, 6, step=3), t.rounded([[0.5, 0.5, 4.5, 4.5], [1.5, 0.5, 3.5, 2.5]], kind)
    shift = 0.5 if c.version >= 16 else 0
    want = np.zeros((2, 2, 2, 2), np.longdouble)
    for r, picture in enumerate((1, 0)):
        left, top, right, bottom = t.exact(rois)[r] - shift
        for a, b in np.ndindex(2, 2):
            spots = [(top + (bottom - top) * (2 * a + i + 0.5) / 4, left + (right - left) * (2 * b + j + 0.5) / 4) for i in range(2) for j in range(2)]
            want[r, :, a, b] = np.mean([between(t.exact(x)[picture], *spot) for spot in spots], axis=0)
    c.node([x, rois, np.int64([1, 0])], t.rounded(want, kind), any_zero=True, output_height=2, output_width=2, sampling_ratio=2)


@case("DeformConv")
def deformed_convolution(c):
    x, w = t.small(c.T, 1, 2, 4, 4), t.small(c.T, 3, 2, 2, 2, step=3)
    offset = t.rounded(t.exact(t.small(c.T, 1, 8, 3, 3, start=0)) % 3 / 2, c.T)  # 0, 1/2 or 1
    bias, wide = t.small(c.T, 3), np.pad(t.exact(x)[0], ((0, 0), (0, 3), (0, 3)))
    moves = t.exact(offset).reshape(2, 2, 2, 3, 3)
    want = np.zeros((1, 3, 3, 3), np.longdouble) + t.exact(bias).reshape(1, 3, 1, 1)
    for row, column, i, j in np.ndindex(3, 3, 2, 2):
        down, right = moves[i, j, :, row, column]
        want[0, :, row, column] += t.exact(w)[:, :, i, j] @ between(wide, row + i + down, column + j + right)
    c.node([x, w, offset, bias], t.rounded(want, c.T), any_zero=True)


if __name__ == "__main__":
    t.main(table)
