"""Compares compiled random graphs with the interpreter (docs/testing.md); exit status 1 if any differs.

The graphs SEED .. SEED + COUNT - 1 are shared out to JOBS processes. A graph depends on its number alone, so
`./dev fuzz --seed=N --count=1 --shrink` takes up a failure again and prints it as a small test.
Every graph is compiled as it is, and a network or graph of the same number is made smaller by compression passes first
(--compress; given, with or without passes, only that is done).
Options that are not listed here go to build/bin/fuzz/graphs (its --help lists them).
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH = 50


def batches(seed, count):
    """(first, number) of consecutive batches."""
    for first in range(seed, seed + count, BATCH):
        yield first, min(BATCH, seed + count - first)


def start(program, first, count, options):
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    command = [str(program), f"--seed={first}", f"--count={count}", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(process):
    """Prints what a batch found; returns its number of failures."""
    output, _ = process.communicate()
    summary = re.search(r"^\d+ graphs, (\d+) failures$", output, re.MULTILINE)
    failures = int(summary.group(1)) if summary else 1
    if failures or not summary or "graphs " in output.splitlines()[0]:
        print(output, end="", flush=True)
    return failures


def run(program, seed, count, jobs, options):
    """Runs all batches, `jobs` at a time; returns the number of failures."""
    kinds = [options] if any(option.startswith("--compress") for option in options) else [options, [*options, "--compress"]]
    waiting = [(*batch, kind) for batch in batches(seed, count) for kind in kinds]
    count *= len(kinds)
    running, failures, done, started = [], 0, 0, time.monotonic()
    while waiting or running:
        while waiting and len(running) < jobs:
            first, number, kind = waiting.pop(0)
            running.append((number, start(program, first, number, kind)))
        number, process = running.pop(0)
        failures += finish(process)
        done += number
        elapsed = time.monotonic() - started
        left = elapsed / done * (count - done)
        print(f"{done} of {count} graphs, {failures} failures, {left:.0f} s left", file=sys.stderr, flush=True)
    return failures


def main():
    parser = argparse.ArgumentParser(
        prog="./dev fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the first graph (default: 1)")
    parser.add_argument("--count", type=int, default=200, help="how many graphs (default: 200)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each CPU)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help=argparse.SUPPRESS)
    arguments, options = parser.parse_known_args()
    program = arguments.build / "bin" / "fuzz" / "graphs"
    failures = run(program, arguments.seed, arguments.count, max(arguments.jobs, 1), options)
    print(f"{arguments.count} graphs from {arguments.seed} on, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
