"""Compiles real models and uses them: reads words (ocr), finds descriptions (retrieval), tells file types (filetype)."""

import argparse
import pathlib
import sys
import time

import numpy as np

from tools import adze, compiled, filetype_data, models, ocr_data, retrieval_data

OUTPUT = adze.BUILD / "demo"


def build(source, name, *options):
    """Compiles a model and loads the library."""
    print(f"compiling {source}", flush=True)
    made = adze.compile_model(source, OUTPUT / name, *options)
    print(f"  {made.seconds:.1f} s, {made.library} ({made.library.stat().st_size / 2**20:.1f} MiB)", flush=True)
    return compiled.Model(made.library)


def run_each(model, name, rows):
    """(first output of each row alone, stacked; seconds a row)"""
    start = time.perf_counter()
    results = []
    for row in rows:
        results.append(next(iter(model.run(**{name: row[None]}).values())))
    return np.concatenate(results), (time.perf_counter() - start) / len(rows)


def save_words(pictures, texts):
    from PIL import Image

    directory = OUTPUT / "words"
    directory.mkdir(parents=True, exist_ok=True)
    for picture, text in zip(pictures, texts):
        grey = np.clip((picture[0] + 1) * 127.5, 0, 255).astype(np.uint8)
        Image.fromarray(grey).save(directory / f"{text}.png")
    return directory


def ocr(count):
    """Reads drawn words with PP-OCRv4; returns (texts read, texts drawn, pictures)."""
    pictures, texts = ocr_data.make(count, seed=2024)
    model = build(models.path("ppocr_rec.onnx"), "ppocr_rec", *adze.shapes({"x": pictures[:1]}))
    letters = ocr_data.alphabet(model.metadata()["character"])
    scores, seconds = run_each(model, "x", pictures)
    read = ocr_data.decode(scores, letters)
    for text, answer in list(zip(texts, read))[:12]:
        print(f"  {text:<18} {answer:<18} {'' if text == answer else 'differs'}".rstrip())
    right = sum(a == b for a, b in zip(texts, read))
    print(f"{right} of {count} words read exactly ({right / count:.1%}), {1e3 * seconds:.1f} ms a picture, one thread")
    print(f"pictures: {save_words(pictures[:12], texts)}")
    return read, texts, pictures


def retrieval(count):
    """Finds package descriptions with MiniLM; returns (recall@1, mean reciprocal rank, query and document embeddings)."""
    pairs = retrieval_data.packages()[:count]
    models.path("minilm.safetensors")
    model = build(models.path("minilm.adz"), "minilm", "--dim", "batch=1")
    start = time.perf_counter()
    sides = []
    for texts in zip(*pairs):
        ids, mask = retrieval_data.tokenize(texts)
        rows = [model.run(ids=i[None], mask=m[None])["embedding"] for i, m in zip(ids, mask)]
        sides.append(np.concatenate(rows))
    seconds = (time.perf_counter() - start) / (2 * len(pairs))
    recall, rank = retrieval_data.score(*sides)
    best = (sides[0] @ sides[1].T).argmax(1)
    for query in range(min(6, len(pairs))):
        mark = "right" if best[query] == query else "wrong"
        print(f"  {pairs[query][0][:60]!r} -> {pairs[best[query]][1][:60]!r} ({mark})")
    print(f"{len(pairs)} packages: recall@1 {recall:.3f}, mean reciprocal rank {rank:.3f}, {1e3 * seconds:.1f} ms a text")
    return recall, rank, sides


def filetype(count):
    """Tells file types with magika; returns (answers, classes by extension, inputs)."""
    inputs, classes, paths = filetype_data.make()
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    inputs, classes = inputs[chosen], classes[chosen]
    model = build(models.path("magika.onnx"), "magika", *adze.shapes({"bytes": inputs[:1]}))
    scores, seconds = run_each(model, "bytes", inputs)
    answers, names = scores.argmax(1), filetype_data.labels()
    for index in range(0, len(chosen), max(1, len(chosen) // 10)):
        print(f"  {paths[chosen[index]]}: {names[answers[index]]}")
    agree = float(np.mean(answers == classes))
    print(f"{len(chosen)} files: {agree:.1%} as their extensions tell, {1e3 * seconds:.1f} ms a file, one thread")
    return answers, classes, inputs


DEMOS = {"ocr": (ocr, 200), "retrieval": (retrieval, 100), "filetype": (filetype, 300)}


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("name", nargs="?", choices=DEMOS, default="ocr")
    parser.add_argument("--count", type=int, help="how many words, packages or files")
    arguments = parser.parse_args()
    function, count = DEMOS[arguments.name]
    try:
        function(arguments.count or count)
    except adze.CompileError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"files: {pathlib.Path(OUTPUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
