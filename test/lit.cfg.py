"""Configuration of the lit suite. `--param build=DIR` names the build tree (default: build)."""

import os
import pathlib
import shutil
import subprocess
import sys

import lit.formats

here = pathlib.Path(__file__).resolve().parent
root = here.parent
build = pathlib.Path(lit_config.params.get("build", root / "build")).resolve()
sys.path.insert(0, str(here / "support"))

config.name = "adze"
config.test_source_root = str(here)
config.test_exec_root = str(build / "test")
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".adz", ".test", ".py"]
config.excludes = ["Inputs", "support", "models", "lit.cfg.py"]


def llvm_bindir():
    config_program = shutil.which("llvm-config-22") or "/usr/lib/llvm-22/bin/llvm-config"
    return subprocess.run([config_program, "--bindir"], capture_output=True, text=True, check=True).stdout.strip()


def cpu_flags():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


# Features that a test names in REQUIRES, each with the CPU flags that make it up.
CPU_FEATURES = {
    "avx2": {"avx2"},
    "fma": {"fma"},
    "f16c": {"f16c"},
    "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd"},
    "avx512vnni": {"avx512_vnni"},
    "avx512bf16": {"avx512_bf16"},
    "avxvnni": {"avx_vnni"},
    "amx": {"amx_tile", "amx_int8"},
}
flags = cpu_flags()
config.available_features |= {name for name, needed in CPU_FEATURES.items() if needed <= flags}
TOOLS = ("qemu-x86_64", "qemu-aarch64", "qemu-riscv64", "aarch64-linux-gnu-gcc", "shellcheck")
config.available_features |= {tool for tool in TOOLS if shutil.which(tool)}
if build.name == "asan":
    config.available_features.add("asan")

# Tools, spelled as whole words in RUN lines.
tools = pathlib.Path(llvm_bindir())
for tool in ("FileCheck", "count", "not", "split-file", "llvm-objdump", "llvm-nm", "llvm-readelf"):
    config.substitutions.append((rf"(?<![\w./-]){tool}(?![\w./-])", str(tools / tool)))
config.substitutions += [
    ("%adze", str(build / "bin" / "adze")),
    ("%python", sys.executable),
    ("%build", str(build)),
    ("%root", str(root)),
    ("%models", str(root / "build" / "models")),
    ("%onnx_data", "/usr/share/libonnx-testdata"),
    ("%cc", shutil.which("gcc") or "cc"),
    ("%cxx", shutil.which("g++") or "c++"),
]

config.environment.update(
    ADZE=str(build / "bin" / "adze"),
    ADZE_BUILD=str(build),
    ADZE_MODELS=str(root / "build" / "models"),
    PYTHONPATH=str(root),
    PYTHONDONTWRITEBYTECODE="1",
    # Tests already run side by side.
    OPENBLAS_NUM_THREADS="1",
    UBSAN_OPTIONS="print_stacktrace=1",
    ASAN_OPTIONS="detect_leaks=0",
)
for name in ("OPENBLAS_CORETYPE", "HOME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
