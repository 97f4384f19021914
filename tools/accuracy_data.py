"""The labelled data that compressed models are judged by, in the form that `adze eval` reads.

Each task has three splits: calibration (at most 1,024 samples, of which passes see the inputs alone), selection (recipes
are chosen on it) and final (figures in the documentation). Splits have no word, file content or package in common, and no
font file where the model was trained here: what a sample is made from belongs to one split, by a hash of it. Where fewer
samples than wanted belong to a split, all of them are taken.
"""

import hashlib
import importlib.util
import pathlib

import numpy as np

from tools import filetype_data, models, ocr_data, retrieval_data

FOLDER = models.ROOT / "build" / "accuracy" / "data"
SEEDS = {"calibration": 101, "selection": 102, "final": 103}
SHARES = {"calibration": (0, 3), "selection": (3, 5), "final": (5, 10)}  # of ten
# Samples of each split, and those of quick runs.
COUNTS = {
    "ocr": ({"calibration": 256, "selection": 500, "final": 5000}, 24),
    "direction": ({"calibration": 512, "selection": 600, "final": 2000}, 64),
    "filetype": ({"calibration": 256, "selection": 300, "final": 1200}, 48),
    "retrieval": ({"calibration": 192, "selection": 200, "final": 400}, 24),
    "glyph": ({"calibration": 1024, "selection": 2000, "final": 6000}, 96),
}


def belongs(name, split):
    """Whether what has this name belongs to the split."""
    low, high = SHARES[split]
    return low <= int(hashlib.sha256(name if isinstance(name, bytes) else name.encode()).hexdigest(), 16) % 10 < high


def drawn_words(count, split):
    """(grey pictures, words) of a split's own words."""
    random = np.random.default_rng(SEEDS[split])
    words = [word for word in ocr_data.words() if belongs(word, split)]
    chosen = [words[i] for i in random.integers(len(words), size=count)]
    styles = ocr_data.faces()
    return random, [ocr_data.draw(random, word, styles[random.integers(len(styles))]) for word in chosen], chosen


def ocr(count, split):
    """Words as sequences of the recognition model's classes, padded with -1."""
    _, grey, words = drawn_words(count, split)
    letters = ocr_data.read_alphabet(models.path("ppocr_rec.onnx"))
    label = np.full((count, max(map(len, words))), -1, np.int64)
    for row, word in zip(label, words):
        row[: len(word)] = [letters.index(letter) for letter in word]
    return {"x": np.stack([ocr_data.prepare(picture) for picture in grey]), "label": label}


def direction(count, split):
    random, grey, _ = drawn_words(count, split)
    label = random.integers(0, 2, count)
    turned = [np.rot90(picture, 2) if turn else picture for picture, turn in zip(grey, label)]
    return {"x": np.stack([ocr_data.prepare(picture, columns=192) for picture in turned]), "label": label}


def filetype(count, split):
    number = {label: index for index, label in enumerate(filetype_data.labels())}
    found = [(filetype_data.features(path.read_bytes()), label) for path, label in filetype_data.find(40)]
    files = [(row, label) for row, label in found if belongs(row.tobytes(), split)]
    random = np.random.default_rng(SEEDS[split])
    chosen = random.permutation(len(files))[:count]
    inputs = np.stack([files[i][0] for i in chosen])
    return {"bytes": inputs, "label": np.array([number[files[i][1]] for i in chosen])}


def retrieval(count, split):
    """Documents, then their queries."""
    pairs = [pair for pair in retrieval_data.packages() if belongs(pair[0], split)][:count]
    texts = [long for _, long in pairs] + [short for short, _ in pairs]
    ids, mask = retrieval_data.tokenize(texts)
    query = np.concatenate([np.full(len(pairs), -1), np.arange(len(pairs))])
    return {"ids": ids, "mask": mask, "query": query}


def glyph(count, split):
    place = models.ROOT / "test" / "models" / "glyph_data.py"
    spec = importlib.util.spec_from_file_location("glyph_data", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    image, label = module.make(split, count)
    return {"image": image, "label": label}


MAKERS = {"ocr": ocr, "direction": direction, "filetype": filetype, "retrieval": retrieval, "glyph": glyph}


def path(task, split, small=False):
    """The .npz of a split, made at first use."""
    counts, few = COUNTS[task]
    count = min(few, counts[split]) if small else counts[split]
    file = FOLDER / f"{task}-{split}-{count}.npz"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        unfinished = pathlib.Path(f"{file}.part.npz")
        np.savez(unfinished, **MAKERS[task](count, split))
        unfinished.rename(file)
    return file
