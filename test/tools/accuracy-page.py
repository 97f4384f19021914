# RUN: %python %s
# docs/accuracy.md says of each required figure whether it holds: the loss and the file's share decide, a baseline stands beside
# it, and what was not measured is said to be missing.
from tools import accuracy_page, accuracy_recipes


def result(task, name, change, share):
    whole = {"mean": 0.9, "lo": 0.88, "hi": 0.92}
    score = whole | {"mean": 0.9 + change}
    differs = {"mean": change, "lo": change - 0.01, "hi": change + 0.01}
    metrics = {accuracy_recipes.TASKS[task].metric: {"count": 100, "score": score, "original": whole, "change": differs}}
    return {
        "task": task, "name": name, "choice": "", "tried": [], "bytes": 1000 * share, "original_bytes": 1000, "metrics": metrics,
    }  # fmt: skip


def row(results, task, name):
    found = [line.split(" | ") for line in accuracy_page.required(results) if line.startswith(f"| {task} | {name} |")]
    assert len(found) == 1
    return found[0]


bound = accuracy_recipes.Bound("ocr", "int8", 1, 0.3)
assert bound in accuracy_recipes.BOUNDS
assert row([], "ocr", "int8")[3] == "not measured"
for change, share, held in ((-0.01, 0.3, "yes"), (-0.0101, 0.3, "**no**"), (0.0, 0.301, "**no**"), (0.02, 0.25, "yes")):
    cells = row([result("ocr", "int8", change, share)], "ocr", "int8")
    assert cells[6] == held and cells[3].startswith(f"{-100 * change:.2f} "), cells

# How near a figure is that does not hold, and whether the samples can tell.
near = " ".join(accuracy_page.required([result("ocr", "int8", -0.015, 0.3)]))
assert "Not held: ocr, int8. It loses 1.50 [0.50, 2.50] of 100, and may lose 1, which is within the interval" in near, near
assert "within" not in " ".join(accuracy_page.required([result("ocr", "int8", -0.03, 0.3)]))

obs, plain = "50% unstructured, obs", "50% unstructured, magnitude"
cells = row([result("direction", obs, -0.01, 0.6), result("direction", plain, -0.2, 0.6)], "direction", obs)
assert cells[7] == plain and cells[8].startswith("20.00 "), cells

# A model that has to be fast is measured.
name = "50% of the channels"
slow, fast = ({"speed": {"original_ms": times, "ms": 1}} for times in (1.4, 1.6))
for speed, held in (({}, "**no**"), (slow, "**no**"), (fast, "yes")):
    assert row([result("glyph", name, 0.0, 0.25) | speed], "glyph", name)[6] == held

# The best row is the smallest that loses little, not the smallest.
rows = [result("ocr", "a", -0.005, 0.5), result("ocr", "b", -0.009, 0.4), result("ocr", "c", -0.3, 0.1)]
assert "**b**, 0.400x" in accuracy_page.smallest(rows)[0]
assert accuracy_page.smallest([rows[2]]) == []
