"""Calls the compiler as a user does."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

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


def levels():
    """The levels of x86-64 that this machine runs, as names of targets; on another machine itself."""
    listed = subprocess.run([str(PROGRAM), "targets"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^(x86-64-v\d) .*\(runs here\)$", listed, re.MULTILINE) or ["host"]


def compile_model(source, stem, *options):
    """Runs `adze compile SOURCE OPTIONS -o STEM`."""
    stem = pathlib.Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    log = stem.with_name(stem.name + ".log")
    command = [str(PROGRAM), "compile", str(source), *options, "-o", str(stem)]
    measure = [sys.executable, "-S", str(ROOT / "tools" / "measured.py"), str(log)]
    result = json.loads(subprocess.run(measure + command, stdout=subprocess.PIPE, check=True).stdout)
    if result["status"]:
        said = log.read_text(errors="replace")
        raise CompileError(f"adze compile {source}: exit status {result['status']}\n{said}")
    return Compiled(stem, result["seconds"], result["peak_bytes"])


def opt(source, passes, stem, *options):
    """Runs `adze opt SOURCE --passes=PASSES OPTIONS -o STEM`; what it said."""
    command = [str(PROGRAM), "opt", str(source), f"--passes={passes}", *options, "-o", str(stem)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise CompileError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return done.stderr


def interpret(source, feeds, *options):
    """Outputs by name, of `adze run --interp` on these arrays; the shapes of an ONNX file's inputs follow from them."""
    with tempfile.TemporaryDirectory() as folder:
        words = []
        for index, (name, array) in enumerate(feeds.items()):
            np.save(f"{folder}/{index}.npy", array)
            words.append(f"{name}={folder}/{index}.npy")
        command = [str(PROGRAM), "run", str(source), "--interp", *options, "-o", f"{folder}/out.npz", "--", *words]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise CompileError(f"{' '.join(command[:3])}: exit status {done.returncode}\n{done.stderr}")
        with np.load(f"{folder}/out.npz") as outputs:
            return {name: outputs[name] for name in outputs.files}
