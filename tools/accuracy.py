"""Measures what compression costs in accuracy, and writes docs/accuracy.md and its curves.

Every recipe of tools/accuracy_recipes.py runs as `adze opt` on the calibration split, and is scored by `adze eval` against
the original on the final split. Results are kept in build/accuracy, so that a run that was broken off goes on; what other
sources of the passes and the interpreter made is made anew, but with --keep.
"""

import argparse
import os

from tools import accuracy_measure, accuracy_page, accuracy_recipes


def parse():
    parser = argparse.ArgumentParser(prog="./dev accuracy", description=__doc__)
    parser.add_argument("--only", default="", help="measure recipes whose TASK/NAME has this; the page has all that is known")
    parser.add_argument("--small", action="store_true", help="a few samples, no page: is it all there?")
    parser.add_argument("--keep", action="store_true", help="let rows stand that older sources of the compiler made")
    parser.add_argument("--known", action="store_true", help="measure nothing: write the page of what is known")
    return parser.parse_args()


def main():
    arguments = parse()
    # Seconds are those of one thread.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    measurer = accuracy_measure.Measurer(arguments.small, arguments.keep, arguments.known)
    known = accuracy_measure.Measurer(arguments.small, only_known=True)
    results = []
    for task, recipes in accuracy_recipes.RECIPES.items():
        for recipe in recipes:
            wanted = arguments.only in f"{task}/{recipe.name}"
            result = (measurer if wanted else known).measure(task, recipe)
            if not result:
                continue
            results.append(result)
            if wanted:
                metric = accuracy_page.metric(result)
                print(
                    f"{task:10} {recipe.name + ' ' + result['choice']:60} {100 * metric['score']['mean']:6.2f}  "
                    f"{accuracy_page.points(metric['change'])}  {accuracy_page.share(result):.3f}x  {result['cpu_seconds']:.0f} s",
                    flush=True,
                )
    timings = []
    for what, task, model, choice, most in accuracy_recipes.TIMES:
        by = measurer if arguments.only in f"{task}/{what}" else known
        made = by.make_layer(choice) if model == "layer" else by.make(task, choice)
        if made:
            timings.append((task, what, made, most))
    if not arguments.small:
        accuracy_page.write(results, timings)


if __name__ == "__main__":
    main()
