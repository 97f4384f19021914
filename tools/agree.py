"""Compiles a model and checks it against onnxruntime, with every buffer beside a protected page.

Inputs cannot be written to, outputs and inputs end (then begin) at a protected page, scratch memory starts as NaN patterns.
The model runs on one input, on another one, and on the first again, which must give the same bytes.
"""

import argparse
import sys

import numpy as np

from tools import adze, compiled, guarded, reference
from tools.bench_cases import CASES

TOLERANCE = 1e-4  # of the largest output


class Disagreement(Exception):
    pass


def difference(got, want):
    """The largest difference of two outputs, relative to the largest magnitude of the second."""
    if got.shape != want.shape or got.dtype != want.dtype:
        raise Disagreement(f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}")
    scale = max(float(np.abs(want).max(initial=0)), np.finfo(np.float32).tiny)
    return float(np.abs(got.astype(np.float64) - want).max(initial=0)) / scale


def other_input(array):
    """As valid an input, with other values: the last axis turned around, numbers halved."""
    turned = np.ascontiguousarray(array[..., ::-1])
    return turned if array.dtype.kind in "iu" else turned * array.dtype.type(0.5)


def check_memory(model, feeds, other):
    """Outputs for both inputs, after checking that they depend on nothing else."""
    first = guarded.run(model, feeds, at_end=True)
    second = guarded.run(model, other, at_end=False)
    third = guarded.run(model, feeds, at_end=False)
    for name in first:
        if first[name].tobytes() != third[name].tobytes():
            raise Disagreement(f"{name}: the second run on the same input gave other bytes")
    return first, second


def check(case):
    """The largest difference over all outputs and both inputs."""
    made = adze.compile_model(case.source, adze.BUILD / "e2e" / case.name, *case.options)
    model = compiled.Model(made.library)
    other = {name: array if name == "mask" else other_input(array) for name, array in case.feeds.items()}
    peer = reference.session(case.peer)
    worst = 0.0
    for feeds, got in zip((case.feeds, other), check_memory(model, case.feeds, other)):
        want = peer.run(case.outputs, feeds)
        for (name, ours), theirs in zip(got.items(), want):
            found = difference(ours, theirs)
            print(f"{case.name}: {name} differs by {found:.1e} of the largest")
            if not found <= TOLERANCE:
                raise Disagreement(f"{name} differs by {found:.1e} of the largest, more than {TOLERANCE:.0e}")
            worst = max(worst, found)
    return worst


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.agree", description=__doc__)
    parser.add_argument("name", choices=CASES)
    arguments = parser.parse_args()
    try:
        check(CASES[arguments.name]())
    except (Disagreement, adze.CompileError, compiled.ModelError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
