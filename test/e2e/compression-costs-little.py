# RUN: %python %s %t
# The recipes of docs/accuracy.md, on a few samples: what the page requires of the small networks holds with some room for
# chance, files are as small as they should be, and solving for what stays beats leaving it alone by far.
import pathlib
import sys

from tools import accuracy_data, accuracy_measure, accuracy_page, accuracy_recipes

# (task, recipe, points it may lose at most, the share that its file may have)
LOSSES = [
    ("glyph", "int8", 1, 0.27),
    ("direction", "int8", 2, 0.34),
    ("direction", "50% unstructured, obs", 8, 0.66),
]
# (task, recipe, points that it loses at least: what is not solved again)
BASELINES = [("direction", "50% magnitude", "sparsify(method = magnitude, ratio = 0.5, distribution = uniform)", 25)]

output = pathlib.Path(sys.argv[1])
measurer = accuracy_measure.Measurer(small=True, output=output)
recipes = {(task, r.name): r for task, rows in accuracy_recipes.RECIPES.items() for r in rows}


def lost(task, recipe):
    result = measurer.measure(task, recipe)
    assert result["count"] == accuracy_data.COUNTS[task][1][1], result["count"]
    return -100 * accuracy_page.metric(result)["change"]["mean"], accuracy_page.share(result)


for task, name, most, share in LOSSES:
    loss, size = lost(task, recipes[task, name])
    assert loss <= most and size <= share, (task, name, loss, size)
for task, name, passes, least in BASELINES:
    loss, _ = lost(task, accuracy_recipes.one(name, name, passes))
    assert loss >= least, (task, name, loss)
