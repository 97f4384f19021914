"""Compares compiled random graphs with the interpreter (docs/testing.md); exit status 1 if any differs.

The graphs SEED .. SEED + COUNT - 1 are shared out to JOBS processes. A graph depends on its number alone, so
`./dev fuzz --seed=N --count=1 --shrink` takes up a failure again and prints it as a small test.
Every graph is compiled as it is, and a network or graph of the same number is made smaller by compression passes first
(--compress; given, with or without passes, only that is done).
--record runs 5,000 as they are and 1,000 compressed ones if not told otherwise, and writes docs/random-graphs.md.
Options that are not listed here go to build/bin/fuzz/graphs (its --help lists them).
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from tools import fuzz_page

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH = 50


def batches(seed, count):
    """(first, number) of consecutive batches."""
    for first in range(seed, seed + count, BATCH):
        yield first, min(BATCH, seed + count - first)


def run_batch(program, first, count, options):
    """Prints what a batch found; returns its number of failures, and its statistics."""
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    command = [str(program), f"--seed={first}", f"--count={count}", "--stats", *options]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment).stdout
    summary = re.search(r"^\d+ graphs, (\d+) failures$", output, re.MULTILINE)
    stats = re.search(r"^{.*}$", output, re.MULTILINE)
    if not summary or int(summary.group(1)):
        print(re.sub(r"^{.*}\n", "", output, flags=re.MULTILINE), end="", flush=True)
    return int(summary.group(1)) if summary else 1, json.loads(stats.group(0)) if stats else {}


def run_all(program, runs, jobs):
    """Runs the batches of all runs (dicts with seed, count, options), `jobs` at a time; adds their failures and stats."""
    total, done, started = sum(run["count"] for run in runs), 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = {}
        for run in runs:
            run.update(failures=0, stats={})
            for batch in batches(run["seed"], run["count"]):
                waiting[pool.submit(run_batch, program, *batch, run["options"])] = batch[1], run
        for future in concurrent.futures.as_completed(waiting):
            number, run = waiting[future]
            failures, stats = future.result()
            run["failures"] += failures
            run["stats"] = fuzz_page.merged(run["stats"], stats)
            done += number
            failures = sum(run["failures"] for run in runs)
            left = (time.monotonic() - started) / done * (total - done)
            print(f"{done} of {total} graphs, {failures} failures, {left:.0f} s left", file=sys.stderr, flush=True)


def run_program(program, options):
    """Prints graphs or runs a text: no numbers of graphs to share out."""
    return subprocess.run([str(program), *options]).returncode


def record(runs):
    """Writes the page. Sources that no commit has are on no record."""
    git = ["git", "-C", str(ROOT)]
    changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True).stdout
    if changed:
        sys.exit("sources are changed: commit them first, so that the record can name them")
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    names = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return lambda: fuzz_page.PAGE.write_text(fuzz_page.page(runs, commit, (names or ["an unknown CPU"])[0]))


def main():
    parser = argparse.ArgumentParser(
        prog="./dev fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="the first graph (default: 1)")
    parser.add_argument("--count", type=int, help="how many graphs (default: 200)")
    parser.add_argument("--compressed", type=int, help="how many are compressed first (default: as many)")
    parser.add_argument("--record", action="store_true", help="write docs/random-graphs.md")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each CPU)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help=argparse.SUPPRESS)
    arguments, options = parser.parse_known_args()
    program = arguments.build / "bin" / "fuzz" / "graphs"
    if any(option == "--print" or option.startswith("--model=") for option in options):
        return run_program(program, [f"--seed={arguments.seed}", f"--count={arguments.count or 1}", *options])
    fewest = fuzz_page.FEWEST
    count = arguments.count or (fewest[fuzz_page.AS_THEY_ARE] if arguments.record else 200)
    compressed = arguments.compressed
    if compressed is None:
        compressed = fewest[fuzz_page.COMPRESSED] if arguments.record else count
    runs = [
        {"title": fuzz_page.AS_THEY_ARE, "seed": arguments.seed, "count": count, "options": options},
        {"title": fuzz_page.COMPRESSED, "seed": arguments.seed, "count": compressed, "options": [*options, "--compress"]},
    ]
    if any(option.startswith("--compress") for option in options):
        runs = [{"title": fuzz_page.COMPRESSED, "seed": arguments.seed, "count": count, "options": options}]
    write = record(runs) if arguments.record else None
    run_all(program, runs, max(arguments.jobs, 1))
    failures = sum(run["failures"] for run in runs)
    print(f"{' and '.join(str(run['count']) for run in runs)} graphs from {arguments.seed} on, {failures} failures")
    if write and not failures:
        write()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
