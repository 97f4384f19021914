"""The labelled data that compressed models are judged by, in the form that `adze eval` reads.

Each task has three splits: calibration (at most 1,024 samples, of which passes see the inputs alone), selection (recipes
are chosen on it) and final (figures in the documentation). Splits have no word, file content or package in common, and no
font file where the model was trained here: what a sample is made from belongs to one split, by a hash of it. Where fewer
samples than wanted belong to a split, all of them are taken. Where the original makes next to no mistakes there is a fourth,
harder: of what belongs to final, drawn so that it is harder to read than anything that the other splits have.
"""

import hashlib
import os
import pathlib

import numpy as np

from tools import filetype_data, glyph_data, models, ocr_data, retrieval_data

FOLDER = models.ROOT / "build" / "accuracy" / "data"
SEEDS = {"calibration": 101, "selection": 102, "final": 103, "harder": 104}
SHARES = {"calibration": (0, 3), "selection": (3, 5), "final": (5, 10), "harder": (5, 10)}  # of ten
# Samples of each split, and those of quick runs: to calibrate, and to score.
COUNTS = {
    "ocr": ({"calibration": 256, "selection": 500, "final": 5000, "harder": 1000}, (24, 100)),
    "direction": ({"calibration": 256, "selection": 600, "final": 2000}, (64, 400)),
    "filetype": ({"calibration": 128, "selection": 300, "final": 1200}, (48, 100)),
    "retrieval": ({"calibration": 96, "selection": 200, "final": 400}, (24, 60)),
    "glyph": ({"calibration": 256, "selection": 2000, "final": 6000, "harder": 2000}, (32, 400)),
}
SOURCES = {"ocr": "ocr_data", "direction": "ocr_data", "filetype": "filetype_data", "retrieval": "retrieval_data", "glyph": "glyph_data"}


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
    drawn = [ocr_data.draw(random, word, styles[random.integers(len(styles))], split == "harder") for word in chosen]
    return random, drawn, chosen


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
    image, label = glyph_data.make(split, count)
    return {"image": image, "label": label}


MAKERS = {"ocr": ocr, "direction": direction, "filetype": filetype, "retrieval": retrieval, "glyph": glyph}


def size(task, split):
    """How many samples a split has: fewer than are asked for where there are no more."""
    with np.load(path(task, split)) as data:
        return len(data["query" if "query" in data.files else "label"])


def path(task, split, small=False):
    """The .npz of a split, made at first use, and again when what draws it has changed."""
    counts, few = COUNTS[task]
    count = min(few[split != "calibration"], counts[split]) if small else counts[split]
    maker = pathlib.Path(__file__).with_name(f"{SOURCES[task]}.py").read_bytes()
    drawn_by = hashlib.sha256(maker + repr((SEEDS[split], SHARES[split])).encode()).hexdigest()[:8]
    file = FOLDER / f"{task}-{split}-{count}-{drawn_by}.npz"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        # Tests run side by side: a file appears whole or not at all.
        unfinished = FOLDER / f".{os.getpid()}-{file.name}"
        np.savez(unfinished, **MAKERS[task](count, split))
        unfinished.rename(file)
    return file
