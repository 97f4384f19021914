"""Runs the suite under test/ with lit; the last line printed is `N passed, N failed[, N skipped]`."""

import argparse
import collections
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}


def run_lit(build, paths, verbose, timeout, results):
    """Runs lit over the paths; returns its exit status."""
    lit = [sys.executable, "-c", "import lit.main; lit.main.main()"]
    command = lit + ["-j", str(os.cpu_count() or 1), "--timeout", str(timeout)]
    command += ["-vv" if verbose else "-sv", "--param", f"build={build}", "-o", str(results)]
    return subprocess.call(command + [str(path) for path in paths], cwd=ROOT)


def reason(test):
    """Why a test was skipped: the last line of its output, which names the features that are missing."""
    lines = test.get("output", "").strip().splitlines()
    return lines[-1] if lines else "no reason given"


def summarise(tests):
    """Prints the reasons for skipped tests and the counts; returns how many failed."""
    counts = collections.Counter()
    skipped = collections.defaultdict(list)
    for test in tests:
        kind = "passed" if test["code"] in PASSED else "skipped" if test["code"] in SKIPPED else "failed"
        counts[kind] += 1
        if kind == "skipped":
            skipped[reason(test)].append(test["name"])
    for why, names in sorted(skipped.items()):
        print(f"skipped {len(names)} ({why}): {', '.join(sorted(names))}")
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    print(line + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    return counts["failed"]


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__)
    parser.add_argument("paths", nargs="*", type=pathlib.Path, help="tests or folders (default: all)")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"), help=argparse.SUPPRESS)
    parser.add_argument("--timeout", type=int, default=600, help="seconds that one test may take (default: 600)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every command of a failing test")
    arguments = parser.parse_args()

    paths = arguments.paths or [ROOT / "test"]
    for path in paths:
        if not path.exists():
            parser.error(f"no such test: {path}")
    build = (ROOT / arguments.build).resolve()
    results = build / "test" / "results.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    status = run_lit(build, paths, arguments.verbose, arguments.timeout, results)
    if not results.exists():
        print("0 passed, 1 failed")
        return status or 1
    failed = summarise(json.loads(results.read_text())["tests"])
    return 1 if failed or status else 0


if __name__ == "__main__":
    sys.exit(main())
