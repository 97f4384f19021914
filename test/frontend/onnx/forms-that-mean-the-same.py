# RUN: %python %s %t %build/bin/unit/frontend/onnx_nodes FORMS
# Models that are written in another way give the same: every node test that passes, in every form of one of the tables in
# Inputs/forms.py. With --keep the folders stay.
import collections
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
import forms  # noqa: E402

from tools.onnx_coverage import DEBIAN, make_tests, run_tests  # noqa: E402

ROOM, PROGRAM, TABLE = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def read_tensors(folder, kind):
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return [numpy_helper.to_array(onnx.load_tensor(folder / f"{kind}_{i}.pb")) for i in range(count)]


def read(folder, target):
    model = onnx.load(folder / "model.onnx")
    data = folder / "test_data_set_0"
    names = [i.name for i in model.graph.input]
    return forms.Case(model, dict(zip(names, read_tensors(data, "input"))), read_tensors(data, "output"), target)


def write(case):
    data = case.folder / "test_data_set_0"
    data.mkdir(parents=True, exist_ok=True)
    (case.folder / "model.onnx").write_bytes(case.model.SerializeToString())
    fed = [i for i in case.graph.input if i.name in case.inputs]  # old formats list constants as inputs, too
    for i, value in enumerate(fed):
        (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(case.inputs[value.name]).SerializeToString())
    for i, array in enumerate(case.outputs):
        (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(np.asarray(array)).SerializeToString())


def main():
    made, failed = collections.Counter(), []
    shutil.rmtree(ROOM, ignore_errors=True)
    for source in (DEBIAN, make_tests()):
        passed = [test.name for test in run_tests(PROGRAM, source) if test.verdict == "passed"]
        for form, change in getattr(forms, TABLE).items():
            folder = ROOM / source.name / form
            for name in passed:
                target = folder / name
                target.mkdir(parents=True)
                case = read(source / name, target)
                if change(case):
                    write(case)
                    made[form] += 1
                else:
                    shutil.rmtree(target)
            rows = run_tests(PROGRAM, folder)
            failed += [f"{form} {row.name}: {row.verdict}: {row.reason}" for row in rows if row.verdict != "passed"]
    print(f"{sum(made.values())} models in other forms: " + ", ".join(f"{form} {count}" for form, count in made.items()))
    failed += [f"{form} applies to no test" for form in getattr(forms, TABLE) if not made[form]]
    print(f"{len(failed)} failed", *failed, sep="\n")
    if "--keep" not in sys.argv:
        shutil.rmtree(ROOM)
    return bool(failed)


sys.exit(main())
