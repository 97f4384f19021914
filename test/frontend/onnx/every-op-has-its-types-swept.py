# RUN: %python %s
# The tests types-*.py have nodes for every op that is imported and in opsets 7 to 22: an op that is new to the table needs a
# function there.
import importlib.util
import pathlib

from tools import onnx_types

swept = set()
for path in pathlib.Path(__file__).parent.glob("types-*.py"):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    both = swept & set(module.table)
    assert not both, f"{path.name} sweeps what another test does: {', '.join(sorted(both))}"
    swept |= set(module.table)
missing = {op for op in onnx_types.imported() - swept if any(onnx_types.versions(op))}
assert not missing, f"no function in types-*.py for {', '.join(sorted(missing))}"
assert swept <= onnx_types.imported(), f"not imported: {', '.join(sorted(swept - onnx_types.imported()))}"
