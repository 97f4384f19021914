"""Measures one recipe: what it makes of the model, how long that takes, and how good the result is.

What is known is kept in build/accuracy, in two steps, so that a run that was broken off goes on: the model that a recipe
makes, by its passes and the calibration samples; and its scores, by the samples that were scored besides. Each remembers
the sources that it was made with.
"""

import hashlib
import json
import subprocess
import sys

import numpy as np

from tools import accuracy_data, accuracy_recipes, adze, minilm_reference, models, safetensors

OUTPUT = models.ROOT / "build" / "accuracy"
# What a compressed model depends on, beside its recipe.
SOURCES = ("passes", "ir", "frontend", "runtime", "codegen")
LAYER = """model layer
weights "layer.safetensors"
input x: f32[1, 128, 1536]
weight "dense.weight": f32[384, 1536]
weight "dense.bias": f32[384]
output y = linear(x, "dense.weight", "dense.bias")
"""


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def sources():
    """A hash of the sources that decide what passes make."""
    found = hashlib.sha256()
    for folder in SOURCES[:2]:
        for path in sorted((models.ROOT / folder).rglob("*.[ch]")):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def commit():
    """The last commit that changed the compiler."""
    command = ["git", "-C", models.ROOT, "log", "-1", "--format=%h", "--", *SOURCES]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip() or "unknown"


def answers(file):
    """A hash of the answers of a split: when they are others, so are the samples."""
    found = hashlib.sha256()
    with np.load(file) as data:
        for name in sorted(set(data.files) & {"label", "query", "mask"}):
            found.update(data[name].tobytes())
    return found.hexdigest()[:16]


def is_bounded(task, name):
    """Whether a row is required to be good."""
    return any(task == bound.task and name == bound.recipe for bound in accuracy_recipes.BOUNDS)


class Measurer:
    """Measures recipes with few samples or all; rows that other sources made stand if `keep`."""

    def __init__(self, small=False, keep=False, only_known=False, output=OUTPUT):
        self.small, self.keep, self.only_known = small, keep or only_known, only_known
        self.sources, self.commit, self.output = sources(), commit(), output
        output.mkdir(parents=True, exist_ok=True)

    def run(self, *words):
        """The result of a command under tools/measured.py: seconds and peak bytes."""
        log = self.output / "log"
        measure = [sys.executable, "-S", str(models.ROOT / "tools" / "measured.py"), str(log)]
        result = json.loads(subprocess.run([*measure, *map(str, words)], stdout=subprocess.PIPE, check=True).stdout)
        if result["status"]:
            raise SystemExit(f"{' '.join(map(str, words))}: exit status {result['status']}\n{log.read_text(errors='replace')}")
        return result

    def original(self, task):
        """The imported model, its shapes fixed: what recipes start from and are compared with."""
        about = accuracy_recipes.TASKS[task]
        stem = self.output / task / "original"
        if not stem.with_suffix(".safetensors").exists():
            stem.parent.mkdir(parents=True, exist_ok=True)
            self.run(adze.PROGRAM, "opt", models.path(about.model), *about.shapes, f"--passes={accuracy_recipes.READ}", "-o", stem)
        return stem

    def known(self, file):
        """The JSON of a file that is there and still holds, or None."""
        if not file.exists():
            return None
        found = json.loads(file.read_text())
        return found if self.keep or found["sources"] == self.sources else None

    def stem(self, task, choice):
        data = accuracy_data.path(task, "calibration", self.small)
        return self.output / task / digest(choice.passes, answers(data))

    def layer(self):
        """(stem, samples) of the largest layer of MiniLM as a model of its own, with what it is given in the whole."""
        stem, name = self.output / "retrieval" / "layer", "encoder.layer.0"
        data = stem.with_name("layer_inputs.npy")
        if not stem.with_suffix(".adz").exists():
            model = minilm_reference.MiniLM()
            with np.load(accuracy_data.path("retrieval", "calibration", self.small)) as texts:
                x = model.attended(model.embedded(texts["ids"]), texts["mask"], name)
            np.save(data, model.wide(x, name).astype(np.float32))
            parts = {f"dense.{part}": model.w[f"{name}.output.dense.{part}"] for part in ("weight", "bias")}
            safetensors.save(stem.with_suffix(".safetensors"), parts)
            stem.with_suffix(".adz").write_text(LAYER)
        return stem, data

    def make_layer(self, choice):
        """As `make`, of the largest layer of MiniLM alone."""
        stem = self.output / "retrieval" / digest("layer", choice.passes)
        file = stem.with_suffix(".made.json")
        result = self.known(file)
        if result or self.only_known:
            return result
        start, data = self.layer()
        made = self.run(adze.PROGRAM, "opt", f"{start}.adz", f"--passes={choice.passes}", f"--data={data}", "-o", stem)
        result = {"sources": self.sources, "commit": self.commit, **made}
        file.write_text(json.dumps(result, indent=1))
        return result

    def make(self, task, choice):
        """{"seconds", "cpu_seconds", "peak_bytes", "bytes", "original_bytes", …} of the model at `stem`."""
        stem = self.stem(task, choice)
        file = stem.with_suffix(".made.json")
        result = self.known(file)
        if result or self.only_known:
            return result
        start = self.original(task)
        data = accuracy_data.path(task, "calibration", self.small)
        made = self.run(adze.PROGRAM, "opt", f"{start}.adz", f"--passes={choice.passes}", f"--data={data}", "-o", stem)
        result = {
            "sources": self.sources, "commit": self.commit, "passes": choice.passes, **made,
            "bytes": stem.with_suffix(".safetensors").stat().st_size,
            "original_bytes": start.with_suffix(".safetensors").stat().st_size,
        }  # fmt: skip
        file.write_text(json.dumps(result, indent=1))
        return result

    def score(self, task, choice, split, most=0):
        """What `make` gives, with "count" and "metrics" on a split, or on its first `most` samples."""
        made = self.make(task, choice)
        if not made:
            return None
        stem, data = self.stem(task, choice), accuracy_data.path(task, split, self.small)
        file = stem.with_suffix(f".{split}{most or ''}.{answers(data)}.json")
        scored = self.known(file)
        if not scored or scored["commit"] != made["commit"]:
            if self.only_known:
                return None
            options = accuracy_recipes.TASKS[task].labels
            command = [adze.PROGRAM, "eval", f"{stem}.adz", f"--against={self.original(task)}.adz", f"--data={data}", "--json"]
            command += [*options, f"--samples={most}"] if most else options
            scored = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
            scored |= {"sources": made["sources"], "commit": made["commit"]}
            file.write_text(json.dumps(scored, indent=1))
        return {**made, "count": scored["samples"], "metrics": scored["metrics"]}

    def choose(self, task, recipe):
        """(the choice that scores best on the selection split, [(choice, result)] of them all)."""
        if len(recipe.choices) == 1:
            return recipe.choices[0], []
        judge = accuracy_recipes.TASKS[task].chosen_by
        found = [(choice, self.score(task, choice, "selection")) for choice in recipe.choices]
        found = [(choice, result) for choice, result in found if result]
        if not found:
            return recipe.choices[0], []
        return max(found, key=lambda pair: pair[1]["metrics"][judge]["score"]["mean"])[0], found

    def measure(self, task, recipe):
        """A row of the page, or None where nothing is known and nothing may be measured."""
        choice, tried = self.choose(task, recipe)
        result = self.score(task, choice, "final", 0 if self.small else recipe.samples)
        if not result:
            return None
        result |= {"task": task, "name": recipe.name, "method": recipe.method, "choice": choice.what, "tried": tried}
        if not self.small and "harder" in accuracy_data.COUNTS[task][0] and is_bounded(task, recipe.name):
            result["harder"] = self.score(task, choice, "harder")
        if not self.small and "prune-channels" in choice.passes:
            result["speed"] = self.speed(task, self.stem(task, choice))
        return result

    def speed(self, task, stem):
        """{"ms", "original_ms"} of a model, measured once."""
        file = stem.with_suffix(".speed.json")
        if not file.exists() and not self.only_known:
            original_ms, ms = self.least_ms([self.original(task), stem])
            file.write_text(json.dumps({"ms": ms, "original_ms": original_ms}))
        return json.loads(file.read_text()) if file.exists() else None

    def least_ms(self, stems, rounds=3):
        """The least time of a run of each compiled model, one thread, measured in turns."""
        least = [float("inf")] * len(stems)
        for stem in stems:
            batch = ["--dim=batch=1"] if "[batch" in stem.with_suffix(".adz").read_text() else []
            self.run(adze.PROGRAM, "compile", f"{stem}.adz", *batch, "-o", stem)
        for _ in range(rounds):
            for i, stem in enumerate(stems):
                command = [adze.PROGRAM, "bench", f"{stem}.so", "--json", "--seconds=0.5"]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                least[i] = min(least[i], json.loads(done.stdout)["min_ms"])
        return least
