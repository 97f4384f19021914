"""The models that ./dev bench measures: what adze compiles, what onnxruntime runs, with what input."""

import dataclasses
import pathlib

import numpy as np

from tools import adze, models, ocr_data

ROOT = models.ROOT


@dataclasses.dataclass
class Case:
    name: str
    title: str
    source: pathlib.Path  # what adze compiles
    peer: pathlib.Path  # the ONNX file that onnxruntime runs: the same one, but for models written in the DSL
    feeds: dict  # inputs by name, the same for both
    outputs: list | None = None  # outputs of the peer to compare, in adze's order; None: all
    options: list = dataclasses.field(default_factory=list)  # of `adze compile`


def _made(name, title, shape):
    path = models.path(f"{name}.onnx")
    return Case(name, title, path, path, {"input": np.random.default_rng(1).standard_normal(shape, dtype=np.float32)})


def _imported(name, title, feeds):
    path = models.path(f"{name}.onnx")
    return Case(name, title, path, path, feeds, options=adze.shapes(feeds))


def _minilm():
    from tools import minilm_onnx, retrieval_data

    peer = models.MODELS / "minilm_128.onnx"
    if not peer.exists():
        peer.write_bytes(minilm_onnx.build(128).SerializeToString())
    text = " ".join(long for _, long in retrieval_data.packages()[:20])
    ids, mask = retrieval_data.tokenize([text])
    models.path("minilm.safetensors")
    return Case(
        "minilm", "all-MiniLM-L6-v2, 128 tokens", models.path("minilm.adz"), peer, {"ids": ids, "mask": mask},
        outputs=["embedding"], options=["--dim", "batch=1"],
    )  # fmt: skip


def _words():
    return {"x": ocr_data.make(1, seed=5)[0]}


def _page():
    """A page of words, 640 x 640, for text detection."""
    random = np.random.default_rng(6)
    page = np.full((640, 640), 235, np.uint8)
    for row in range(20, 600, 60):
        word = ocr_data.draw(random, str(random.choice(ocr_data.words())), random.choice(ocr_data.faces()))
        page[row : row + min(word.shape[0], 55), 40 : 40 + word.shape[1]] = word[:55, :600]
    return {"x": np.repeat(((page / 255 - 0.5) / 0.5).astype(np.float32)[None, None], 3, axis=1)}


def _file():
    from tools import filetype_data

    return {"bytes": filetype_data.features(pathlib.Path(__file__).read_bytes())[None]}


CASES = {
    "resnet50": lambda: _made("resnet50", "ResNet-50, 224 x 224", (1, 3, 224, 224)),
    "mobilenetv2": lambda: _made("mobilenetv2", "MobileNetV2, 224 x 224", (1, 3, 224, 224)),
    "mlp_b1": lambda: _made("mlp_b1", "MLP 1024-4096-4096-1024, batch 1", (1, 1024)),
    "mlp_b64": lambda: _made("mlp_b64", "the same, batch 64", (64, 1024)),
    "ppocr_rec": lambda: _imported("ppocr_rec", "PP-OCRv4 recognition, 48 x 320", _words()),
    "ppocr_det": lambda: _imported("ppocr_det", "PP-OCRv4 detection, 640 x 640", _page()),
    "ppocr_cls": lambda: _imported(
        "ppocr_cls", "PP-OCR direction, 48 x 192", {"x": ocr_data.make_directions(1, seed=5)[0]}
    ),
    "magika": lambda: _imported("magika", "magika, 2048 bytes", _file()),
    "minilm": _minilm,
}
