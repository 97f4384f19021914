"""Measures what compression costs in accuracy, and writes docs/accuracy.md and its curves.

Every recipe of tools/accuracy_recipes.py runs as `adze opt` on the calibration split, and is scored by `adze eval` against
the original on the final split. Results are kept in build/accuracy by the recipe, the number of samples and the sources of
the passes and the interpreter, so that a run that was broken off goes on, and one after a change starts anew.
"""

import argparse
import hashlib
import json
import subprocess
import sys

from tools import accuracy_data, accuracy_recipes, adze, models, svg
from tools.bench import machine

OUTPUT = models.ROOT / "build" / "accuracy"
PAGE = models.ROOT / "docs" / "accuracy.md"
CURVES = models.ROOT / "docs" / "accuracy"


def run(*words):
    """The result of a command under tools/measured.py: seconds, peak bytes, and what it wrote."""
    measure = [sys.executable, "-S", str(models.ROOT / "tools" / "measured.py"), str(OUTPUT / "log")]
    result = json.loads(subprocess.run([*measure, *map(str, words)], stdout=subprocess.PIPE, check=True).stdout)
    result["said"] = (OUTPUT / "log").read_text(errors="replace")
    if result["status"]:
        raise SystemExit(f"{' '.join(map(str, words))}: exit status {result['status']}\n{result['said']}")
    return result


def original(task):
    """The imported model, its shapes fixed: what recipes start from and are compared with."""
    model, shapes, _, _ = accuracy_recipes.TASKS[task]
    stem = OUTPUT / task / "original"
    if not stem.with_suffix(".adz").exists():
        stem.parent.mkdir(parents=True, exist_ok=True)
        run(adze.PROGRAM, "opt", models.path(model), *shapes, f"--passes={accuracy_recipes.READ}", "-o", stem)
    return stem


def sources():
    """A hash of all that figures depend on, beside the recipe."""
    digest = hashlib.sha256()
    for folder in ("passes", "ir", "tools/accuracy_data.py", "tools/ocr_data.py", "test/models/glyph_data.py"):
        place = models.ROOT / folder
        for path in sorted(place.rglob("*.[ch]")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key_of(task, passes, split, small, version):
    return hashlib.sha256(json.dumps([task, passes, split, small, version]).encode()).hexdigest()[:16]


def measure(task, name, passes, split, small, key):
    """The JSON of one recipe, measured unless it is known."""
    file = OUTPUT / task / f"{key}.json"
    if file.exists():
        return json.loads(file.read_text())
    start, stem = original(task), OUTPUT / task / key
    data = accuracy_data.path(task, "calibration", small)
    made = run(adze.PROGRAM, "opt", f"{start}.adz", f"--passes={passes}", f"--data={data}", "-o", stem)
    _, _, metric, options = accuracy_recipes.TASKS[task]
    final = accuracy_data.path(task, split, small)
    command = [adze.PROGRAM, "eval", f"{stem}.adz", f"--against={start}.adz", f"--data={final}", "--json", *options]
    scored = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    size = stem.with_suffix(".safetensors").stat().st_size
    whole = start.with_suffix(".safetensors").stat().st_size
    result = {
        "task": task, "name": name, "passes": passes, "split": split, "seconds": made["seconds"],
        "peak_bytes": made["peak_bytes"], "bytes": size, "original_bytes": whole, "metric": metric,
        **scored["metrics"][metric], "agreement": scored["metrics"]["agreement"]["score"]["mean"],
    }  # fmt: skip
    file.write_text(json.dumps(result, indent=1))
    return result


def least_ms(stems, rounds=3):
    """The least time of a run of each compiled model, one thread, measured in turns."""
    least = [float("inf")] * len(stems)
    for stem in stems:
        run(adze.PROGRAM, "compile", f"{stem}.adz", *(["--dim=batch=1"] if "batch" in open(f"{stem}.adz").read() else []), "-o", stem)
    for _ in range(rounds):
        for i, stem in enumerate(stems):
            done = subprocess.run([adze.PROGRAM, "bench", f"{stem}.so", "--json", "--seconds=0.5"], stdout=subprocess.PIPE, check=True)
            least[i] = min(least[i], json.loads(done.stdout)["min_ms"])
    return least


def speed(task, key):
    """{"ms", "original_ms"} of a recipe's model, measured once."""
    file = OUTPUT / task / f"{key}.speed.json"
    if not file.exists():
        original_ms, ms = least_ms([original(task), OUTPUT / task / key])
        file.write_text(json.dumps({"ms": ms, "original_ms": original_ms}))
    return json.loads(file.read_text())


def points(interval, sign=True):
    """A difference of scores in points, with its interval."""
    form = "+.2f" if sign else ".2f"
    low, high = 100 * interval["lo"], 100 * interval["hi"]
    return f"{100 * interval['mean']:{form}} [{low:{form}}, {high:{form}}]"


def speedup(r):
    """Of models with fewer channels: the others' kernels are the dense ones."""
    if "prune-channels" not in r["passes"]:
        return ""
    return f"{r['speed']['original_ms'] / r['speed']['ms']:.2f}x"


def table(results):
    lines = [
        "| recipe | score, % | change, points (95%) | agreement, % | file | speedup | pass, s | peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        lines.append(
            f"| {r['name']} | {100 * r['score']['mean']:.2f} | {points(r['change'])} | {100 * r['agreement']:.1f} "
            f"| {r['bytes'] / r['original_bytes']:.3f}x | {speedup(r)} | {r['seconds']:.0f} | {r['peak_bytes'] / 2**20:.0f} |"
        )
    return lines


def required(results):
    lines = ["| model | recipe | may lose | loses | file | held | baseline loses |", "|---|---|---|---|---|---|---|"]
    known = {(r["task"], r["name"]): r for r in results}
    for task, name, most, share, baseline in accuracy_recipes.BOUNDS:
        r, b = known.get((task, name)), known.get((task, baseline))
        if not r:
            lines.append(f"| {task} | {name} | {most} | not measured | | | |")
            continue
        loss, size = -100 * r["change"]["mean"], r["bytes"] / r["original_bytes"]
        held = loss <= most and (share is None or size <= share)
        other = f"{-100 * b['change']['mean']:.2f}" if b else ""
        limit = f" (at most {share:g}x)" if share else ""
        lines.append(f"| {task} | {name} | {most} | {loss:.2f} | {size:.3f}x{limit} | {'yes' if held else '**no**'} | {other} |")
    return lines


def curve(task, results):
    """The SVG of one model: score against file size, a line for each method."""
    lines = {}
    methods = {name: method for name, method, _ in accuracy_recipes.RECIPES[task]}
    for r in results:
        lines.setdefault(methods[r["name"]], []).append((r["bytes"] / r["original_bytes"], 100 * r["score"]["mean"]))
    level = 100 * results[0]["original"]["mean"]
    metric = accuracy_recipes.TASKS[task][2]
    text = svg.chart(f"{task}: {metric} against file size", "file, share of the f32 original", f"{metric}, %", lines, level)
    CURVES.mkdir(exist_ok=True)
    (CURVES / f"{task}.svg").write_text(text)


def page(results, split):
    lines = [
        "# Accuracy", "",
        "<!-- made by `./dev accuracy`: do not edit -->", "",
        "What compression costs, one shot: no fine-tuning, calibration on at most 1,024 unlabelled samples, scores on the "
        f"{split} split, which no recipe was chosen on. Changes are paired: both models on the same samples, with 95% "
        "intervals. Files are the weights files against the f32 original's. Speedups are of one thread, batch 1, least of many "
        "runs in turns.", "",
        f"Machine: {machine()[0]} ({machine()[1]}). Command: `./dev accuracy`.", "", "## What is required", "", *required(results), "",
    ]  # fmt: skip
    for task in accuracy_recipes.TASKS:
        own = [r for r in results if r["task"] == task]
        if not own:
            continue
        counts = accuracy_data.COUNTS[task][0]
        lines += [
            f"## {task}", "",
            f"{accuracy_recipes.TASKS[task][0]}, {own[0]['metric']}: the original scores "
            f"{100 * own[0]['original']['mean']:.2f}% of {own[0]['count']} samples; calibration: {counts['calibration']}.", "",
            *table(own), "", f"![{task}](accuracy/{task}.svg)", "",
        ]  # fmt: skip
        curve(task, own)
    PAGE.write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(prog="./dev accuracy", description=__doc__)
    parser.add_argument("--only", default="", help="recipes whose TASK/NAME contains this")
    parser.add_argument("--split", default="final", choices=("final", "selection"))
    parser.add_argument("--small", action="store_true", help="a few samples, no page: is it all there?")
    parser.add_argument("--known", action="store_true", help="measure nothing: write the page of what is known")
    parser.add_argument("--force", action="store_true", help="measure again what is known")
    arguments = parser.parse_args()
    OUTPUT.mkdir(parents=True, exist_ok=True)
    results, version = [], sources()
    for task, recipes in accuracy_recipes.RECIPES.items():
        for name, _, passes in recipes:
            key = key_of(task, passes, arguments.split, arguments.small, version)
            known = (OUTPUT / task / f"{key}.json").exists()
            if known and arguments.force and arguments.only in f"{task}/{name}":
                (OUTPUT / task / f"{key}.json").unlink()
                known = False
            if not known and (arguments.known or arguments.only not in f"{task}/{name}"):
                continue
            result = measure(task, name, passes, arguments.split, arguments.small, key)
            if "prune-channels" in passes and not arguments.small:
                result["speed"] = speed(task, key)
            results.append(result)
            print(
                f"{task:10} {name:45} {100 * result['score']['mean']:6.2f}  {points(result['change'])}  "
                f"{result['bytes'] / result['original_bytes']:.3f}x  {result['seconds']:.0f} s",
                flush=True,
            )
    if not arguments.small and arguments.split == "final":
        page(results, arguments.split)


if __name__ == "__main__":
    main()
