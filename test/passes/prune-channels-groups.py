"""The groups of channels of known architectures, against counts worked out by hand from the architectures.

ResNet-50: the stem; two inner widths in each of 16 bottlenecks; the residual width of each of 4 stages, whose convolutions
and shortcuts all stand or fall together, the last one read by the classifier: 1 + 32 + 4 = 37.
MobileNetV2: the stem, which the first depthwise convolution and the first projection's input go with; 16 expansions with
their depthwise convolutions; the width of 7 stages of blocks; the last 1280 channels: 1 + 16 + 7 + 1 = 25.
MiniLM: in each of 6 layers the 1536 channels of the feed-forward part, and the 12 heads of 32 channels, in queries, keys,
values and what reads them at once: 12. Its width of 384 is the embedding that it puts out, and stays.
"""
# RUN: %python %s %t
import re
import subprocess
import sys

from tools import adze, models

READ = "fold-constants, simplify, fold-batchnorm, raise, simplify"


def groups(model):
    """[(first weight, channels gone, channels)] of every group."""
    command = [adze.PROGRAM, "opt", models.path(model), f"--passes={READ}, prune-channels(ratio = 0.25)", "--remarks"]
    said = subprocess.run([*command, "-o", sys.argv[1]], capture_output=True, text=True, check=True).stderr
    found = re.findall(r"remark: prune-channels: applied: (\S+): (\d+) of (\d+) (channels|heads)", said)
    return [(name, int(gone), int(all_)) for name, gone, all_, _ in found]


resnet = groups("resnet50.onnx")
assert len(resnet) == 37, len(resnet)
assert sorted({all_ for _, _, all_ in resnet}) == [64, 128, 256, 512, 1024, 2048]
assert [all_ for _, _, all_ in resnet].count(2048) == 1
assert len(groups("mobilenetv2.onnx")) == 25
minilm = groups("minilm.adz")
assert len(minilm) == 12, minilm
assert sum(all_ == 1536 for _, _, all_ in minilm) == 6, minilm
