"""ONNX models with seeded random weights, as an exporter in inference mode writes them (batch norms folded away).

They measure speed only. Weights are scaled after He, so that activations keep their size through the network.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
IR_VERSION = 7


class Builder:
    """Collects nodes and initializers; every method returns the name of its result."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.initializers = []

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, inputs, name, **attributes):
        result = f"/{name}_output_0"
        self.nodes.append(helper.make_node(op, inputs, [result], name=f"/{name}", **attributes))
        return result

    def normal(self, shape, deviation):
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(deviation)

    def conv(self, x, name, channels, kernel, stride=1, group=1, gain=2.0):
        """A convolution with bias; channels = (in, out); `gain` is 2 before a relu, 1 without one."""
        inputs, outputs = channels
        fan_in = inputs // group * kernel * kernel
        weight = self.normal((outputs, inputs // group, kernel, kernel), np.sqrt(gain / fan_in))
        operands = [x, self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", self.normal(outputs, 0.1))]
        pad = kernel // 2
        return self.node(
            "Conv", operands, f"{name}/Conv", kernel_shape=[kernel, kernel], strides=[stride, stride],
            pads=[pad] * 4, dilations=[1, 1], group=group,
        )  # fmt: skip

    def gemm(self, x, name, inputs, outputs, gain=1.0):
        weight = self.constant(f"{name}.weight", self.normal((outputs, inputs), np.sqrt(gain / inputs)))
        bias = self.constant(f"{name}.bias", self.normal(outputs, 0.1))
        return self.node("Gemm", [x, weight, bias], f"{name}/Gemm", alpha=1.0, beta=1.0, transB=1)

    def relu(self, x, name):
        return self.node("Relu", [x], f"{name}/Relu")

    def relu6(self, x, name):
        low = self.constant(f"{name}.min", np.float32(0).reshape(()))
        high = self.constant(f"{name}.max", np.float32(6).reshape(()))
        return self.node("Clip", [x, low, high], f"{name}/Clip")

    def head(self, x, channels, classes):
        pooled = self.node("GlobalAveragePool", [x], "avgpool/GlobalAveragePool")
        return self.gemm(self.node("Flatten", [pooled], "Flatten", axis=1), "fc", channels, classes)

    def model(self, name, result, input_shape, output_shape):
        """The finished model; `result` is renamed to "output"."""
        self.nodes[-1].output[0] = "output"
        assert result == f"/{self.nodes[-1].name.lstrip('/')}_output_0"
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, output_shape)],
            self.initializers,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="adze-tools")
        onnx.checker.check_model(model)
        return model


def resnet50():
    """ResNet-50 (v1.5: the stride is in the 3x3 convolution), one 224 x 224 picture."""
    b = Builder(50)
    x = b.relu(b.conv("input", "conv1", (3, 64), 7, stride=2), "relu")
    x = b.node("MaxPool", [x], "maxpool/MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = b.relu(b.conv(x, f"{name}.conv1", (channels, width), 1), f"{name}.relu1")
            y = b.relu(b.conv(y, f"{name}.conv2", (width, width), 3, stride=stride), f"{name}.relu2")
            y = b.conv(y, f"{name}.conv3", (width, 4 * width), 1, gain=0.25)
            if block == 0:
                x = b.conv(x, f"{name}.downsample.0", (channels, 4 * width), 1, stride=stride, gain=1.0)
            channels = 4 * width
            x = b.relu(b.node("Add", [y, x], f"{name}/Add"), f"{name}.relu3")
    return b.model("resnet50", b.head(x, channels, 1000), [1, 3, 224, 224], [1, 1000])


def mobilenetv2():
    """MobileNetV2 of width 1.0, one 224 x 224 picture."""
    b = Builder(2)
    x = b.relu6(b.conv("input", "features.0", (3, 32), 3, stride=2), "features.0")
    channels, index = 32, 1
    for expand, width, blocks, first_stride in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]:  # fmt: skip
        for block in range(blocks):
            name, hidden = f"features.{index}", channels * expand
            stride = first_stride if block == 0 else 1
            y = x
            if expand != 1:
                y = b.relu6(b.conv(y, f"{name}.expand", (channels, hidden), 1), f"{name}.expand")
            y = b.relu6(b.conv(y, f"{name}.depthwise", (hidden, hidden), 3, stride, group=hidden), f"{name}.depthwise")
            y = b.conv(y, f"{name}.project", (hidden, width), 1, gain=1.0)
            x = b.node("Add", [x, y], f"{name}/Add") if stride == 1 and channels == width else y
            channels, index = width, index + 1
    x = b.relu6(b.conv(x, f"features.{index}", (channels, 1280), 1), f"features.{index}")
    return b.model("mobilenetv2", b.head(x, 1280, 1000), [1, 3, 224, 224], [1, 1000])


def mlp(batch):
    """1024 - 4096 - 4096 - 1024 with relu between."""
    b = Builder(64)
    x = b.relu(b.gemm("input", "fc1", 1024, 4096, gain=2.0), "relu1")
    x = b.relu(b.gemm(x, "fc2", 4096, 4096, gain=2.0), "relu2")
    return b.model("mlp", b.gemm(x, "fc3", 4096, 1024), [batch, 1024], [batch, 1024])


def tiny_cnn():
    """Every convolution of the large models in small, with batch norm, a residual and a symbolic batch."""
    b = Builder(7)
    x = b.relu(b.conv("input", "conv1", (3, 8), 3, stride=2), "conv1")
    parameters = [
        b.constant("bn.weight", b.normal(8, 0.1) + 1),
        b.constant("bn.bias", b.normal(8, 0.1)),
        b.constant("bn.running_mean", b.normal(8, 0.1)),
        b.constant("bn.running_var", np.abs(b.normal(8, 0.1)) + 1),
    ]
    y = b.relu6(b.conv(x, "expand", (8, 24), 1), "expand")
    y = b.relu6(b.conv(y, "depthwise", (24, 24), 3, group=24), "depthwise")
    y = b.node("BatchNormalization", [b.conv(y, "project", (24, 8), 1), *parameters], "bn/BatchNormalization", epsilon=1e-5)
    x = b.node("Add", [x, y], "Add")
    x = b.node("MaxPool", [x], "MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    return b.model("tiny_cnn", b.head(x, 8, 10), ["batch", 3, 17, 19], ["batch", 10])


def tiny_mlp():
    """Two layers with sizes that are no multiple of any vector; a symbolic batch."""
    b = Builder(8)
    x = b.relu(b.gemm("input", "fc1", 21, 37, gain=2.0), "relu1")
    logits = b.gemm(x, "fc2", 37, 5)
    return b.model("tiny_mlp", b.node("Softmax", [logits], "Softmax", axis=-1), ["batch", 21], ["batch", 5])


MADE = {
    "resnet50": resnet50,
    "mobilenetv2": mobilenetv2,
    "mlp_b1": lambda: mlp(1),
    "mlp_b64": lambda: mlp(64),
    "tiny_cnn": tiny_cnn,
    "tiny_mlp": tiny_mlp,
}
