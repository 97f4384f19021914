"""Measures compiled models beside onnxruntime: same file, same input, one run, rounds interleaved, the least time counts.

Outputs are compared before anything is timed. The multiply-add peak of a core is measured in the same run.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

from tools import adze, bench_encoded, compiled, macs, pool, reference
from tools.agree import TOLERANCE, Disagreement, difference
from tools.bench_cases import CASES, ROOT

OUTPUT = ROOT / "docs" / "benchmarks.md"
# Between two slices, so that a peer's worker threads stop spinning before the other one is timed.
PAUSE = 0.03
# Single layers take a fraction of a millisecond.
ENCODED_ROUNDS, ENCODED_SECONDS = 6, 0.06


@dataclasses.dataclass
class Timing:
    threads: int
    peer_ms: float
    adze_ms: float


@dataclasses.dataclass
class Result:
    title: str
    macs: int
    compilation: adze.Compiled | None = None
    error: float = 0
    timings: list = dataclasses.field(default_factory=list)
    failure: str = ""


def compare(got, want):
    """The largest difference, relative to the largest magnitude of the peer's output."""
    worst = max(difference(ours, theirs) for ours, theirs in zip(got, want, strict=True))
    if not worst <= TOLERANCE:
        raise Disagreement(f"outputs differ by {worst:.1e} of the largest")
    return worst


def least(call, clock, seconds):
    """The least time of one call by a clock, calling for about so many seconds, and at least twice."""
    best, start, calls = float("inf"), clock(), 0
    while True:
        before = clock()
        call()
        now = clock()
        best, calls = min(best, now - before), calls + 1
        if now - start > seconds and calls >= 2:
            return best


def interleave(calls, clock, rounds, seconds):
    """The least time of each of several calls in milliseconds, in rounds that take turns."""
    best = [float("inf")] * len(calls)
    for call in calls:
        call()
    for turn in range(rounds):
        order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
        for index in order:
            time.sleep(PAUSE)
            best[index] = min(best[index], least(calls[index], clock, seconds))
    return [1e3 * value for value in best]


def measure(case, threads, clock, rounds, seconds):
    result = Result(case.title, macs.count(case.peer, case.feeds))
    try:
        result.compilation = adze.compile_model(case.source, adze.BUILD / "bench" / case.name, *case.options)
        model = compiled.Model(result.compilation.library)
        want = reference.session(case.peer).run(case.outputs, case.feeds)
        result.error = compare(list(model.run(**case.feeds).values())[: len(want)], want)
        for count in threads:
            session = reference.session(case.peer, count)
            with pool.Pool(count) as workers:
                plan = model.plan(case.feeds, workers=count, executor=workers.executor)
                calls = [lambda: session.run(case.outputs, case.feeds), plan]
                result.timings.append(Timing(count, *interleave(calls, clock, rounds, seconds)))
    except (Disagreement, adze.CompileError, compiled.ModelError, OSError) as problem:
        result.failure = " ".join(str(problem).splitlines()[:2])
    return result


def machine():
    """(CPU name, ISA, multiply-adds a second of one core in 1e9)"""
    names = [
        line.split(":", 1)[1].strip()
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    peak = json.loads(subprocess.run([adze.BUILD / "bin/adze", "targets", "--peak"], capture_output=True, check=True).stdout)
    return (names or ["unknown"])[0], peak["isa"], peak["gmacs"]


def row(result, timing, gmacs):
    def share(ms):
        return f"{100 * result.macs / (ms * 1e6 * gmacs * timing.threads):.0f}%"

    cells = [
        result.title,
        str(timing.threads),
        f"{timing.peer_ms:.2f}",
        f"{timing.adze_ms:.2f}",
        f"{timing.adze_ms / timing.peer_ms:.2f}",
        share(timing.peer_ms),
        share(timing.adze_ms),
    ]
    return f"| {' | '.join(cells)} |"


def speed_table(results, gmacs):
    yield "| model | threads | onnxruntime, ms | adze, ms | adze / onnxruntime | onnxruntime, of peak | adze, of peak |"
    yield "|---|---|---|---|---|---|---|"
    for result in results:
        yield from (row(result, timing, gmacs) for timing in result.timings)
        if result.failure:
            yield f"| {result.title} | | | | {result.failure} | | |"


def compile_table(results):
    yield "| model | seconds | peak memory, MiB | library, MiB | largest difference |"
    yield "|---|---|---|---|---|"
    for result in results:
        made = result.compilation
        if made and not result.failure:
            size = made.library.stat().st_size / 2**20
            yield f"| {result.title} | {made.seconds:.1f} | {made.peak_bytes / 2**20:.0f} | {size:.1f} | {result.error:.1e} |"


def report(results, about, command, busy):
    import onnxruntime

    cpu, isa, gmacs = about
    yield "# Benchmarks"
    yield ""
    yield f"Written by `{command}`, on {cpu} ({isa}, {os.cpu_count()} CPUs). onnxruntime {onnxruntime.__version__} with its"
    yield "default optimisations ran beside it in the same run, on the same model and input; outputs were compared first, rounds"
    yield "alternate, the least time counts. *Of peak* is the share of the multiply-adds that so many cores can do at most:"
    yield f"a loop of nothing else made {gmacs:.1f} thousand million a second on one core in this run."
    if busy:
        yield "The machine did other work meanwhile: times are the CPU time of the calling thread, which did all the work."
    yield ""
    yield from speed_table(results, gmacs)
    yield ""
    yield "## Compiling"
    yield ""
    yield "`adze compile` of the same files, with the default options; the difference is to onnxruntime's output, relative to its"
    yield "largest element."
    yield ""
    yield from compile_table(results)


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"default: all of {', '.join(CASES)}")
    parser.add_argument("--threads", default="1,2", help="comma separated (default: 1,2)")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each side (default: 12)")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a turn (default: 0.25)")
    parser.add_argument("--busy", action="store_true", help="one thread, by its CPU time: for a machine that does other work")
    parser.add_argument("--encoded", action="store_true", help="only layers with encoded weights (docs/benchmarks-encoded.md)")
    parser.add_argument("-o", "--output", help="file to write (default: docs/benchmarks.md when all models are measured)")
    arguments = parser.parse_args()
    known = bench_encoded.LAYERS if arguments.encoded else CASES
    for name in arguments.models:
        if name not in known:
            parser.error(f"unknown model {name}")
    return arguments


def main():
    arguments = parse()
    threads = [1] if arguments.busy else [int(count) for count in arguments.threads.split(",")]
    clock = time.thread_time if arguments.busy else time.perf_counter
    about, results = machine(), []
    command = " ".join(["./dev bench", *sys.argv[1:]])
    if arguments.encoded or not arguments.models:
        text, missed = bench_encoded.run(about, command, interleave, clock, ENCODED_ROUNDS, ENCODED_SECONDS, arguments.models)
        if not arguments.models:
            bench_encoded.write(text)
        if arguments.encoded:
            return 1 if missed else 0
    for name in arguments.models or CASES:
        result = measure(CASES[name](), threads, clock, arguments.rounds, arguments.seconds)
        results.append(result)
        for line in [row(result, timing, about[2]) for timing in result.timings] or [f"{name}: {result.failure}"]:
            print(line, flush=True)
    text = "\n".join(report(results, about, command, arguments.busy)) + "\n"
    output = arguments.output or (None if arguments.models else OUTPUT)
    if output:
        pathlib.Path(output).parent.mkdir(exist_ok=True)
        pathlib.Path(output).write_text(text)
    return 1 if any(result.failure for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
