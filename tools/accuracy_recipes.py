"""What docs/accuracy.md measures: tasks, and the pipelines that make their models smaller.

A recipe is (name, method, passes): the method names the curve that it is a point of; baselines are recipes like others.
A bound is (recipe, metric, largest drop, baseline) of the required figures, in points.
"""

READ = "fold-constants, simplify, fold-batchnorm, raise, simplify"


def pruned(ratio, **options):
    words = "".join(f", {name} = {value}" for name, value in options.items())
    return f"{READ}, prune-channels(ratio = {ratio}{words})"


def sparse(method, ratio, distribution="auto"):
    return f"{READ}, sparsify(method = {method}, ratio = {ratio}, distribution = {distribution})"


INT8 = f"{READ}, quantize"
INT8_WEIGHTS = f"{READ}, quantize(activations = none)"
INT4_WEIGHTS = f"{READ}, quantize(weights = int4, activations = none, group = 32)"
F16 = f"{READ}, quantize(weights = f16, activations = none)"


def unstructured(ratios, methods=("obs", "magnitude")):
    rows = []
    for ratio in ratios:
        percent = round(100 * ratio)
        for method in methods:
            rows.append((f"{percent}% unstructured, {method}", f"unstructured, {method}", sparse(method, ratio)))
    return rows


NUMBERS = [
    ("int8", "int8", INT8),
    ("int8 weights", "int8 weights", INT8_WEIGHTS),
    ("f16 weights", "f16 weights", F16),
]

# task: (model, options that fix its shapes, metric, label options of eval)
TASKS = {
    "glyph": ("glyph.adz", [], "top1", []),
    "direction": ("ppocr_cls.onnx", ["--shape=x=1,3,48,192"], "top1", []),
    "filetype": ("magika.onnx", ["--shape=bytes=1,2048"], "top1", []),
    "ocr": ("ppocr_rec.onnx", ["--shape=x=1,3,48,320"], "exact", ["--strip=5710,6624"]),
    "retrieval": ("minilm.adz", ["--dim=batch=1"], "recall@1", []),
}

RECIPES = {
    "glyph": [
        *[(f"{p}% of the channels", "channels, second order", pruned(p / 100)) for p in (30, 50, 70)],
        *unstructured((0.5, 0.7, 0.8, 0.9, 0.95), ("obs", "wanda", "magnitude")),
        *[
            (f"{p}% unstructured, obs, by sensitivity", "unstructured, obs, by sensitivity", sparse("obs", p / 100, "sensitivity"))
            for p in (50, 70, 80, 90, 95)
        ],
        *NUMBERS,
        (
            "30% of the channels, 50% unstructured, int8", "together",
            f"{pruned(0.3)}, sparsify(method = obs, ratio = 0.5), quantize",
        ),
    ],
    "direction": [*NUMBERS, *unstructured((0.3, 0.5)), ("30% of the channels", "channels, second order", pruned(0.3))],
    "filetype": [*NUMBERS, *unstructured((0.5, 0.7))],
    "ocr": [*NUMBERS, *unstructured((0.3,)), ("20% of the channels", "channels, second order", pruned(0.2))],
    "retrieval": [
        *NUMBERS,
        ("int4 weights, groups of 32", "int4 weights", INT4_WEIGHTS),
        *unstructured((0.5, 0.7)),
        ("2:4, obs", "2:4", f'{READ}, sparsify(method = obs, pattern = "2:4")'),
    ],
}  # fmt: skip

# (task, recipe, points of the metric that may be lost, the file's share that is allowed, baseline)
BOUNDS = [
    ("glyph", "30% of the channels", 1, None, None),
    ("glyph", "50% of the channels", 3, None, None),
    ("glyph", "50% unstructured, obs", 0.5, None, "50% unstructured, magnitude"),
    ("glyph", "70% unstructured, obs", 2, None, "70% unstructured, magnitude"),
    ("glyph", "30% of the channels, 50% unstructured, int8", 2, 0.1, None),
    ("ocr", "int8", 1, 0.3, None),
    ("ocr", "int8 weights", 0.5, 0.3, None),
    ("ocr", "30% unstructured, obs", 5, None, "30% unstructured, magnitude"),
    ("direction", "int8", 0.5, None, None),
    ("direction", "50% unstructured, obs", 5, None, "50% unstructured, magnitude"),
    ("filetype", "int8", 0.5, None, None),
    ("filetype", "50% unstructured, obs", 0.5, None, "50% unstructured, magnitude"),
    ("retrieval", "50% unstructured, obs", 1.5, None, "50% unstructured, magnitude"),
    ("retrieval", "70% unstructured, obs", 5, None, "70% unstructured, magnitude"),
    ("retrieval", "int8", 1, None, None),
    ("retrieval", "int4 weights, groups of 32", 1.5, None, None),
    ("retrieval", "2:4, obs", 3, None, None),
]
