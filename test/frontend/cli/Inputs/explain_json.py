# The numbers that explain prints agree with each other.
import json
import math
import sys

with open(sys.argv[1]) as file:
    told = json.load(file)
layers = {layer["name"]: layer for layer in told["layers"]}
assert told["dense_bytes"] == sum(layer["dense_bytes"] for layer in told["layers"]) == 5248
assert told["stored_bytes"] == sum(layer["stored_bytes"] for layer in told["layers"])
assert math.isclose(told["ratio"], told["dense_bytes"] / told["stored_bytes"])
assert layers["k"]["decisions"] == [] and layers["k"]["zeros"] == 0
w = layers["w"]
(decision,) = w["decisions"]
assert w["op"] == "linear" and w["layer"] == "y" and w["kind"] == "weight"
assert decision["pass"] == "sparsify(ratio = 0.3, only = w)" and decision["method"] == "obs"
assert decision["kept"] == round(decision["total"] * (1 - w["zeros"])) == 112 and decision["unit"] == "weights"
assert 0 < decision["error"] < 0.2
assert math.isclose(decision["snr_db"], -10 * math.log10(decision["error"]), rel_tol=1e-6)
