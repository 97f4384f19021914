"""Calls the compiler as a user does."""

import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np

from tools.models import ROOT

BUILD = pathlib.Path(os.environ.get("ADZE_BUILD", ROOT / "build"))
PROGRAM = pathlib.Path(os.environ.get("ADZE", BUILD / "bin" / "adze"))


class CompileError(Exception):
    """What the compiler said."""


class Compiled:
    """The files of one `adze compile`, how long it took and how much memory it and its children had at once."""

    def __init__(self, stem, seconds, peak_bytes):
        self.stem = stem
        self.library = stem.with_name(stem.name + ".so")
        self.seconds = seconds
        self.peak_bytes = peak_bytes


def shapes(feeds):
    """--shape options that fix the inputs to the shapes of these arrays."""
    return [f"--shape={name}={','.join(map(str, array.shape))}" for name, array in feeds.items()]


def compile_model(source, stem, *options):
    """Runs `adze compile SOURCE OPTIONS -o STEM`."""
    stem = pathlib.Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    log = stem.with_name(stem.name + ".log")
    start = time.perf_counter()
    with log.open("wb") as output:
        command = [str(PROGRAM), "compile", str(source), *options, "-o", str(stem)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CompileError(f"adze compile {source}: exit status {process.returncode}\n{log.read_text(errors='replace')}")
    return Compiled(stem, seconds, usage.ru_maxrss * 1024)


def interpret(source, feeds, *options):
    """Outputs by name, of `adze run --interp` on these arrays; the shapes of an ONNX file's inputs follow from them."""
    with tempfile.TemporaryDirectory() as folder:
        words = []
        for index, (name, array) in enumerate(feeds.items()):
            np.save(f"{folder}/{index}.npy", array)
            words.append(f"{name}={folder}/{index}.npy")
        command = [str(PROGRAM), "run", str(source), "--interp", *options, *words, "-o", f"{folder}/out.npz"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise CompileError(f"{' '.join(command[:3])}: exit status {done.returncode}\n{done.stderr}")
        with np.load(f"{folder}/out.npz") as outputs:
            return {name: outputs[name] for name in outputs.files}
