"""Writes docs/accuracy.md and its curves from what was measured."""

import textwrap

from tools import accuracy_data, accuracy_recipes, models, svg
from tools.bench import machine

PAGE = models.ROOT / "docs" / "accuracy.md"
CURVES = models.ROOT / "docs" / "accuracy"
ABOUT = """What compression costs, one shot: no fine-tuning, calibration on at most 1,024 unlabelled samples, scores on the final
split, which no recipe was chosen on. Changes are paired: both models on the same samples, with 95% intervals. Files are the
weights files against the f32 original's. Speedups are of one thread, batch 1, least of many runs in turns; the seconds are CPU
time of one thread for all of `adze opt`, with its peak memory; the commit is the compiler's that a row was measured with."""
BASELINES = """Baselines are tuned with no less care than what they stand beside: of magnitude and Wanda the row shows the
distribution of the zeros over the layers that does best on the selection split (tables *chosen*), of OBS up to 60% the uniform
one, above that by sensitivity, as the pass comes, or the better of the two. Channels go from the groups evenly or in one ranking
of all, whichever does better there; those by magnitude do without solving again."""


def points(interval):
    """A difference of scores in points, with its interval."""
    return f"{100 * interval['mean']:+.2f} [{100 * interval['lo']:+.2f}, {100 * interval['hi']:+.2f}]"


def metric(result):
    return result["metrics"][accuracy_recipes.TASKS[result["task"]].metric]


def original(result):
    """The score of the original on the same samples, in %."""
    return 100 * metric(result)["original"]["mean"]


def share(result):
    return result["bytes"] / result["original_bytes"]


def speedup(result):
    """How many times as fast as the original, where that was measured; else 0."""
    speed = result.get("speed")
    return speed["original_ms"] / speed["ms"] if speed else 0


def line(cells):
    return f"| {' | '.join(map(str, cells))} |"


def head(names):
    return [line(names), "|" + "---|" * len(names)]


def required(results):
    known = {(r["task"], r["name"]): r for r in results}
    lines = head(["model", "recipe", "may lose", "loses (95%)", "file", "speedup", "held", "baseline", "it loses (95%)"])

    def lost(r):
        change = metric(r)["change"]
        return f"{-100 * change['mean']:.2f} [{-100 * change['hi']:.2f}, {-100 * change['lo']:.2f}]"

    missed = []
    for bound in accuracy_recipes.BOUNDS:
        r, b = known.get((bound.task, bound.recipe)), known.get((bound.task, bound.baseline))
        if not r:
            lines.append(line([bound.task, bound.recipe, bound.loss, "not measured", *5 * [""]]))
            continue
        loss = -100 * metric(r)["change"]["mean"]
        held = loss <= bound.loss and (bound.share is None or share(r) <= bound.share) and speedup(r) >= bound.speedup
        limit = f" (at most {bound.share:g}x)" if bound.share else ""
        other = [f"{b['name']}{f' ({choice})' if (choice := b['choice']) else ''}", lost(b)] if b else ["", ""]
        fast = f"{speedup(r):.2f}x" + (f" (at least {bound.speedup:g}x)" if bound.speedup else "") if r.get("speed") else ""
        cells = [bound.task, bound.recipe, bound.loss, lost(r), f"{share(r):.3f}x{limit}", fast]
        lines.append(line([*cells, "yes" if held else "**no**", *other]))
        if not held:
            missed += near(bound, r, lost(r))
    return [*lines, *missed]


def near(bound, r, loss):
    """How near a row came to what is required of it, and what was tried."""
    text = f"Not held: {bound.task}, {bound.recipe}. It loses {loss} of {metric(r)['count']}, and may lose {bound.loss}"
    if -100 * metric(r)["change"]["hi"] <= bound.loss:
        text += ", which is within the interval: more samples would have to tell"
    judge = accuracy_recipes.TASKS[bound.task].chosen_by
    tried = [f"{choice.what} {100 * result['metrics'][judge]['score']['mean']:.2f}" for choice, result in r["tried"]]
    if tried:
        text += f". Tried, with {judge} on the selection split in %: {'; '.join(tried)}"
    return ["", *textwrap.wrap(f"{text}.", 128)]


def table(task, results):
    """A row for each recipe of a task."""
    about, harder = accuracy_recipes.TASKS[task], any("harder" in r for r in results)
    names = ["recipe", "samples", "score, %", "change, points (95%)"]
    names += [*(f"change of {name}" for name in about.besides), "agreement, %"]
    if harder:
        names += ["harder: score, %", "change, points (95%)"]
    lines = head([*names, "file", "speedup", "pass, s", "peak, MiB", "commit"])
    for r in results:
        cells = [r["name"] + (f" ({r['choice']})" if r["choice"] else "")]
        cells += [r["count"], f"{100 * metric(r)['score']['mean']:.2f}", points(metric(r)["change"])]
        cells += [points(r["metrics"][name]["change"]) for name in about.besides]
        cells.append(f"{100 * r['metrics']['agreement']['score']['mean']:.1f}")
        if harder:
            h = r.get("harder")
            one = h and h["metrics"][about.metric]
            cells += [f"{100 * one['score']['mean']:.2f}", points(one["change"])] if one else ["", ""]
        cells += [f"{share(r):.3f}x", f"{speedup(r):.2f}x" if r.get("speed") else ""]
        cells += [f"{r['cpu_seconds']:.0f}", f"{r['peak_bytes'] / 2**20:.0f}", r["commit"]]
        lines.append(line(cells))
    return lines


def chosen(task, results):
    """What every choice of the recipes with several scored on the selection split."""
    name = accuracy_recipes.TASKS[task].chosen_by
    rows = [(r, tried) for r in results if (tried := r["tried"])]
    if not rows:
        return []
    ways = list(dict.fromkeys(choice.what for _, tried in rows for choice, _ in tried))
    lines = [f"How rows with several choices were *chosen*: {name} on the selection split, in %.", "", *head(["recipe", *ways])]
    for r, tried in rows:
        scores = {choice.what: f"{100 * result['metrics'][name]['score']['mean']:.2f}" for choice, result in tried}
        marked = {what: f"**{score}**" if what == r["choice"] else score for what, score in scores.items()}
        lines.append(line([r["name"], *(marked.get(way, "") for way in ways)]))
    return [*lines, ""]


def curve(task, results):
    """The SVG of one model: score against file size, a line for each method."""
    lines = {}
    for r in results:
        lines.setdefault(r["method"], []).append((share(r), 100 * metric(r)["score"]["mean"]))
    name = accuracy_recipes.TASKS[task].metric
    level = original(max(results, key=lambda r: r["count"]))
    text = svg.chart(f"{task}: {name} against file size", "file, share of the f32 original", f"{name}, %", lines, level)
    CURVES.mkdir(exist_ok=True)
    (CURVES / f"{task}.svg").write_text(text)


def samples(task, results):
    about, first = accuracy_recipes.TASKS[task], max(results, key=lambda r: r["count"])
    text = f"{about.model}, {about.metric}: the original scores {original(first):.2f}% of {first['count']} samples"
    harder = next((r["harder"] | {"task": task} for r in results if r.get("harder")), None)
    if harder:
        text += f", and {original(harder):.2f}% of {harder['count']} harder ones"
    counts = {split: accuracy_data.size(task, split) for split in ("calibration", "selection")}
    return f"{text}; calibration: {counts['calibration']} samples, selection: {counts['selection']}."


def smallest(results, most=1):
    """Which row has the smallest file of those that lose at most so many points."""
    held = [r for r in results if -100 * metric(r)["change"]["mean"] <= most]
    if not held:
        return []
    r = min(held, key=share)
    best = f"**{r['name']}**, {share(r):.3f}x, {points(metric(r)['change'])}"
    return [f"The smallest file that loses at most {most} point: {best}.", ""]


def duration(timings):
    """`timings`: [(what, result of `make`, seconds it may take)]."""
    if not timings:
        return []
    lines = ["How long OBS takes (`adze opt`, CPU time of one thread, reading the model and measuring included):", ""]
    lines += head(["what", "seconds", "may take", "held", "peak, MiB"])
    for what, made, most in timings:
        took = made["cpu_seconds"]
        lines.append(line([what, f"{took:.0f}", most, "yes" if took <= most else "**no**", f"{made['peak_bytes'] / 2**20:.0f}"]))
    return [*lines, ""]


def write(results, timings):
    """`timings`: [(task, what, result of `make`, seconds it may take)]."""
    lines = [
        "# Accuracy", "", "<!-- made by `./dev accuracy`: do not edit -->", "", *textwrap.wrap(ABOUT, 128), "",
        *textwrap.wrap(BASELINES, 128), "", f"Machine: {machine()[0]} ({machine()[1]}). Command: `./dev accuracy`.", "",
        "## What is required", "", *required(results), "",
    ]  # fmt: skip
    for task in accuracy_recipes.TASKS:
        own = [r for r in results if r["task"] == task]
        if own:
            lines += [f"## {task}", "", samples(task, own), "", *table(task, own), "", *smallest(own), *chosen(task, own)]
            lines += duration([rest for name, *rest in timings if name == task])
            lines += [f"![{task}](accuracy/{task}.svg)", ""]
            curve(task, own)
    PAGE.write_text("\n".join(lines))
