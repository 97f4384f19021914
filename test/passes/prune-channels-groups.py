"""The groups of channels of known architectures, against counts worked out by hand from the architectures.

ResNet-50: the stem; two inner widths in each of 16 bottlenecks; the residual width of each of 4 stages, whose convolutions
and shortcuts all stand or fall together, the last one read by the classifier: 1 + 32 + 4 = 37.
MobileNetV2: the stem, which the first depthwise convolution and the first projection's input go with; 16 expansions with
their depthwise convolutions; the width of 7 stages of blocks; the last 1280 channels: 1 + 16 + 7 + 1 = 25.
MiniLM: in each of 6 layers the 1536 channels of the feed-forward part, and the 12 heads of 32 channels, in queries, keys,
values and what reads them at once: 12. Its width of 384 is the embedding that it puts out, and stays.
PP-OCR cls (MobileNetV3 small): the stem; 11 blocks' expansions with their depthwise convolutions; the inner width of the
squeeze-and-excite units that 9 of them have; the widths 8, 8, 16 and 32 of the blocks' results, where blocks of one width
after the first add to it; the last 200 channels: 1 + 11 + 9 + 4 + 1 = 26.
PP-OCR det: the stem and 14 pointwise convolutions of the backbone, each with the depthwise one that follows; 2
squeeze-and-excite units; the results of 4 convolutions that lead to the neck; its one width of 96, which is summed from
the top down; for each of 4 levels a unit of 24 on the width, 24 channels that are concatenated, and a unit of 6 on those;
2 inner widths of the head: 15 + 2 + 4 + 1 + 12 + 2 = 36.
PP-OCR rec: again stem and 14 pointwise convolutions, and 2 squeeze-and-excite units; in the neck 60 channels before the
transformer; its residual width of 120, through 5 layer norms; in each of 2 layers 8 heads, where queries, keys and values
are one product, and 240 channels of the feed-forward part; 480 channels after it; 60 after the concatenation, and 120 for
the classifier: 15 + 2 + 1 + 1 + 4 + 1 + 1 + 1 = 26.
Magika: the 257 values of a byte, of which each has its own row of the embedding; its 64 channels, 4 of whose positions at a
time make the 256 that the convolution reads; the convolution's 512 channels, through a maximum and a layer norm: 3.
The glyph classifier: the stem; the first stage's one block has an inner width, its width is one with the shortcut's; two
blocks each in the other stages have two inner widths and one that they share: 1 + 2 + 3 + 3 = 9.
Small ones: a stem that the residual adds to and an expansion (2); the inner widths of perceptrons of 2 and 3 layers (1, 2).
"""
# RUN: %python %s %t
import re
import subprocess
import sys

from tools import adze, models

READ = "fold-constants, simplify, fold-batchnorm, raise, simplify"


def groups(model, *shape):
    """The numbers of channels of all groups; each has to lose some."""
    passes = f"--passes={READ}, prune-channels(ratio = 0.5)"
    command = [adze.PROGRAM, "opt", models.path(model), *shape, passes, "--remarks", "-o", sys.argv[1]]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.findall(r"remark: prune-channels: (\S+): .*: (\d+) of (\d+) (?:channels|heads) gone", said)
    assert all(kind == "applied" for kind, _, _ in found), found
    return sorted(int(channels) for _, _, channels in found)


def check(model, want, *shape):
    found = groups(model, *shape)
    assert len(found) == want, (model, len(found), found)
    return found


resnet = check("resnet50.onnx", 37)
assert set(resnet) == {64, 128, 256, 512, 1024, 2048} and resnet.count(2048) == 1, resnet
check("mobilenetv2.onnx", 25)
minilm = check("minilm.adz", 12)
assert minilm == [12] * 6 + [1536] * 6, minilm
check("ppocr_cls.onnx", 26, "--shape=x=1,3,48,192")
check("ppocr_det.onnx", 36, "--shape=x=1,3,320,320")
rec = check("ppocr_rec.onnx", 26, "--shape=x=1,3,48,320")
assert rec.count(8) == 2 and rec.count(120) == 3, rec
assert check("magika.onnx", 3, "--shape=bytes=1,2048") == [64, 257, 512]
assert check("glyph.adz", 9) == [32] + [48] * 2 + [96] * 3 + [192] * 3
assert check("tiny_cnn.onnx", 2) == [8, 24]
assert check("tiny_mlp.onnx", 1) == [37]
assert check("mlp_b1.onnx", 2) == [4096, 4096]
