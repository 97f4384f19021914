"""What docs/accuracy.md measures: tasks, and the pipelines that make their models smaller.

A recipe is one row; the method names the curve that it is a point of. Baselines are recipes like others. Where a recipe has
more than one choice, the one that scores best on the selection split stands in the row, and the page shows what each scored
there. A bound is what a row may lose, in points of its task's metric, the share that
its file may have, and how many times as fast it has to be.
"""

import typing

# Of the text recognition model: the weights of its attention blocks, and all that is not a convolution.
ATTENTION = ", ".join(f"linear_{k}.*" for k in range(77, 85))
OTHERS = "linear_*"
READ = "fold-constants, simplify, fold-batchnorm, raise, simplify"


class Choice(typing.NamedTuple):
    what: str  # how it differs from the other choices
    passes: str


class Recipe(typing.NamedTuple):
    name: str
    method: str
    choices: list
    samples: int = 0  # of the final split, the first so many; 0: all


class Task(typing.NamedTuple):
    model: str
    shapes: list  # options that fix its shapes
    metric: str
    labels: list  # options of eval
    besides: tuple = ()  # further metrics of which the change is shown
    first: str = ""  # the first layer, which some baselines leave alone
    judge: str = ""  # the metric that choices are compared by, where the first one is too coarse on so few samples

    distributions: tuple = ("uniform", "sensitivity", "global")  # that baselines may take
    of_obs: tuple = ("sensitivity",)  # that OBS may take above 60%

    @property
    def chosen_by(self):
        return self.judge or self.metric


class Bound(typing.NamedTuple):
    task: str
    recipe: str
    loss: float
    share: float | None = None
    baseline: str | None = None
    speedup: float = 0


def options(**given):
    def text(value):
        if isinstance(value, bool):
            return str(value).lower()
        return f'"{value}"' if isinstance(value, str) and not value.isidentifier() else value

    return ", ".join(f"{name.rstrip('_')} = {text(value)}" for name, value in given.items())


def one(name, method, *passes):
    return Recipe(name, method, [Choice("", ", ".join((READ, *passes)))])


def prune(ratio, **given):
    return f"prune-channels({options(ratio=ratio, **given)})"


def sparsify(**given):
    return f"sparsify({options(**given)})"


def quantize(**given):
    return f"quantize({options(**given)})"


def percent(ratio):
    return f"{round(100 * ratio)}%"


def spread(method, ratio, ways, samples=0):
    """One method at one ratio; the choice is how the zeros are distributed over the layers."""
    choices = [Choice(what, f"{READ}, {sparsify(method=method, ratio=ratio, **way)}") for what, way in ways]
    return Recipe(f"{percent(ratio)} unstructured, {method}", f"unstructured, {method}", choices, samples)


def unstructured(task, ratios, methods=("obs", "magnitude"), samples=0):
    """OBS as it comes and by the other distribution, baselines with whichever does best; `samples`: of baselines."""
    about = TASKS[task]
    ways = {name: {"distribution": name} for name in about.distributions}
    if about.first:
        ways["uniform, first layer dense"] = {"distribution": "uniform", "except_": about.first}
    rows = []
    for ratio in ratios:
        own = ("uniform",) if ratio <= 0.6 else about.of_obs
        rows.append(spread("obs", ratio, [(name, {"distribution": name}) for name in own]))
        rows += [spread(method, ratio, list(ways.items()), samples) for method in methods if method != "obs"]
    return rows


# Channels by magnitude, without solving for what stays: the plain method.
PLAIN = {"importance": "magnitude", "solve": False}


def channels(ratios):
    """The pass as it comes, and the plain method, each with the better distribution of the ratio over the groups."""
    rows = []
    for ratio in ratios:
        for suffix, method, given in (("", "channels, second order", {}), (", magnitude", "channels, magnitude", PLAIN)):
            choices = [
                Choice(way, f"{READ}, {prune(ratio, distribution=way, **given)}") for way in ("uniform", "global")
            ]
            rows.append(Recipe(f"{percent(ratio)} of the channels{suffix}", method, choices))
    return rows


def heads(ratio):
    """Attention heads alone, with and without solving for what stays."""
    return [
        one(f"{percent(ratio)} of the heads", "heads, second order", prune(0, heads=ratio, round=False)),
        one(f"{percent(ratio)} of the heads, magnitude", "heads, magnitude", prune(0, heads=ratio, round=False, **PLAIN)),
    ]


def int4():
    """The embedding tables are most of the file and no contraction: nothing can be solved for there."""
    tables = "embeddings.*"

    def stored(group, **given):
        return quantize(weights="int4", activations="none", group=group, **given)

    def apart(group):
        return ", ".join((READ, stored(group, except_=tables), quantize(weights="int8", activations="none", only=tables)))

    choices = [
        Choice("groups of 32", f"{READ}, {stored(32)}"),
        Choice("groups of 32, tables int8", apart(32)),
        Choice("groups of 16, tables int8", apart(16)),
    ]
    return Recipe("int4 weights", "int4 weights", choices)


def mixed(ratios):
    """Text recognition: convolutions lose channels, attention blocks half of their weights, and all becomes int8."""
    attention = sparsify(method="obs", ratio=0.5, only=ATTENTION)
    rows = []
    for ratio in ratios:
        first = [prune(ratio, distribution="uniform", exclude=OTHERS)] if ratio else []
        name = f"{percent(ratio)} of the convs' channels, attention 50% unstructured, int8"
        rows.append(one(name, "mixed", *first, attention, "quantize")._replace(samples=1000))
    return rows


NUMBERS = [
    one("int8", "int8", "quantize"),
    one("int8 weights", "int8 weights", "quantize(activations = none)"),
    one("f16 weights", "f16 weights", "quantize(weights = f16, activations = none)"),
]

TASKS = {
    "glyph": Task("glyph.adz", [], "top1", [], first="stem", of_obs=("uniform", "sensitivity")),
    "direction": Task("ppocr_cls.onnx", ["--shape=x=1,3,48,192"], "top1", [], first="conv1_weights*"),
    "filetype": Task("magika.onnx", ["--shape=bytes=1,2048"], "top1", []),
    "ocr": Task("ppocr_rec.onnx", ["--shape=x=1,3,48,320"], "exact", ["--strip=5710,6624"], first="conv2d_10.w_0*"),
    "retrieval": Task(
        "minilm.adz", ["--dim=batch=1"], "recall@1", [], besides=("mrr",), judge="original_cosine",
        distributions=("uniform", "global"),
    ),
}

RECIPES = {
    "glyph": [
        *channels((0.3, 0.5, 0.7)),
        *unstructured("glyph", (0.5, 0.7, 0.8, 0.9, 0.95), ("obs", "wanda", "magnitude")),
        *NUMBERS,
        one("30% of the channels, 50% unstructured, int8", "together", prune(0.3), sparsify(method="obs", ratio=0.5), "quantize"),
    ],
    "direction": [*NUMBERS, *unstructured("direction", (0.5,)), *channels((0.3,))],
    "filetype": [*NUMBERS, *unstructured("filetype", (0.5,))],
    "ocr": [*NUMBERS, *unstructured("ocr", (0.3,), samples=1000), *mixed((0, 0.1, 0.2, 0.3))],
    "retrieval": [
        *NUMBERS,
        int4(),
        *unstructured("retrieval", (0.5, 0.7)),
        one("2:4, obs", "2:4, obs", sparsify(method="obs", pattern="2:4")),
        *heads(0.25),
        one("2:4, magnitude", "2:4, magnitude", sparsify(method="magnitude", pattern="2:4")),
    ],
}  # fmt: skip

BOUNDS = [
    Bound("glyph", "30% of the channels", 1, None, "30% of the channels, magnitude"),
    Bound("glyph", "50% of the channels", 3, None, "50% of the channels, magnitude", speedup=1.5),
    Bound("glyph", "50% unstructured, obs", 0.5, None, "50% unstructured, magnitude"),
    Bound("glyph", "70% unstructured, obs", 2, None, "70% unstructured, magnitude"),
    Bound("glyph", "30% of the channels, 50% unstructured, int8", 2, 0.1),
    Bound("ocr", "int8", 1, 0.3),
    Bound("ocr", "int8 weights", 0.5, 0.3),
    Bound("ocr", "30% unstructured, obs", 5, None, "30% unstructured, magnitude"),
    Bound("direction", "int8", 0.5),
    Bound("direction", "50% unstructured, obs", 5, None, "50% unstructured, magnitude"),
    Bound("filetype", "int8", 0.5),
    Bound("filetype", "50% unstructured, obs", 0.5, None, "50% unstructured, magnitude"),
    Bound("retrieval", "50% unstructured, obs", 1.5, None, "50% unstructured, magnitude"),
    Bound("retrieval", "70% unstructured, obs", 5, None, "70% unstructured, magnitude"),
    Bound("retrieval", "int8", 1),
    Bound("retrieval", "int4 weights", 1.5),
    Bound("retrieval", "2:4, obs", 3, None, "2:4, magnitude"),
]

# (what, task, the model if it is not the task's, choice, seconds it may take): how long the surgeon takes, and its memory.
TIMES = [
    ("its largest layer alone, 384 x 1536", "retrieval", "layer", Choice("", sparsify(method="obs", ratio=0.5)), 20),
    ("all 36 layers, 50%", "retrieval", "original", spread("obs", 0.5, [("", {"distribution": "uniform"})]).choices[0], 360),
]
