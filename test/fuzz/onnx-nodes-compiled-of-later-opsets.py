# RUN: %python %s %build/bin/fuzz/onnx_nodes
# The Python package's node tests, of opsets 18 to 22, compiled as those of onnx-nodes-compiled.
import subprocess
import sys

from tools.onnx_coverage import make_tests

done = subprocess.run([sys.argv[1], make_tests()], capture_output=True, text=True, errors="replace")
print(done.stdout, done.stderr, end="")
assert done.returncode == 0 and int(done.stdout.split()[0]) > 400, done.returncode
