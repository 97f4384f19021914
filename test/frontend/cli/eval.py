"""adze eval: every score against numpy, paired intervals, layer by layer, and what is refused."""
# RUN: %python %s %t
import json
import subprocess
import sys

import numpy as np

from tools import adze

stem = sys.argv[1]
rng = np.random.default_rng(3)


def write(name, weight, text):
    with open(f"{stem}.{name}.adz", "w", encoding="utf-8") as file:
        numbers = ", ".join(repr(float(w)) for w in weight.ravel())
        file.write(text.replace("WEIGHT", "{" + numbers + "}"))
    return f"{stem}.{name}.adz"


def evaluate(*arguments, fails=False):
    done = subprocess.run([adze.PROGRAM, "eval", *map(str, arguments)], capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else json.loads(done.stdout) if "--json" in arguments else done.stdout


def near(interval, mean):
    assert abs(interval["mean"] - mean) < 1e-5, (interval, mean)
    assert interval["lo"] <= interval["mean"] <= interval["hi"]


n, classes = 200, 8
w = rng.normal(size=(classes, 6)).astype(np.float32)
v = w + 0.3 * rng.normal(size=w.shape).astype(np.float32)
text = "input x: f32[batch, 6]\nweight w: f32[8, 6] = WEIGHT\nh = linear(x, w)\noutput y = mul(h, 2.0)\n"
model, original = write("model", v, text), write("original", w, text)
x = rng.normal(size=(n, 6)).astype(np.float32)
y, z = 2 * x @ v.T, 2 * x @ w.T
label = np.where(rng.random(n) < 0.8, z.argmax(1), rng.integers(0, classes, n))
target = z + 0.1
np.savez(f"{stem}.npz", x=x, label=label, target=target.astype(np.float32))

got = evaluate(model, f"--data={stem}.npz", f"--against={original}", "--json", "--per-layer")
m = got["metrics"]
hit, hit_original = y.argmax(1) == label, z.argmax(1) == label
near(m["top1"]["score"], hit.mean())
near(m["top1"]["original"], hit_original.mean())
d = hit.astype(float) - hit_original
near(m["top1"]["change"], d.mean())
half = 1.959963984540054 * d.std(ddof=1) / np.sqrt(n)
assert abs(m["top1"]["change"]["hi"] - d.mean() - half) < 1e-6
p, q = hit.mean(), 1.959963984540054**2
assert abs(m["top1"]["score"]["hi"] - (p + q / (2 * n) + np.sqrt(q * (p * (1 - p) / n + q / (4 * n * n)))) / (1 + q / n)) < 1e-6
near(m["top5"]["score"], np.mean([t in np.argsort(-row)[:5] for row, t in zip(y, label, strict=True)]))
near(m["mse"]["score"], ((y - target) ** 2).mean())
cosine = (y * target).sum(1) / np.linalg.norm(y, axis=1) / np.linalg.norm(target, axis=1)
near(m["cosine"]["score"], cosine.mean())
near(m["agreement"]["score"], (y.argmax(1) == z.argmax(1)).mean())
near(m["original_mse"]["score"], ((y - z) ** 2).mean())
ratio = 10 * np.log10((z[:16] ** 2).sum() / ((z[:16] - y[:16]) ** 2).sum())
assert [layer["name"] for layer in got["layers"]] in (["h", "y"], ["y", "h"])
assert all(abs(layer["snr_db"] - ratio) < 0.01 for layer in got["layers"])
assert evaluate(model, f"--data={stem}.npz", "--interp", "--json")["metrics"]["top1"] == {
    "count": n, "score": m["top1"]["score"]
}  # fmt: skip
adze.compile_model(model, f"{stem}.c", "--dim=batch=1")
assert evaluate(f"{stem}.c.so", f"--data={stem}.npz", "--json")["metrics"]["top1"]["score"] == m["top1"]["score"]

# Sequences: blank 0, and 7 does not count at the ends.
steps = np.array([[0, 3, 3, 0, 3, 7], [7, 1, 2, 2, 0, 0], [5, 5, 0, 5, 1, 1]])
np.savez(f"{stem}.ctc.npz", x=np.eye(classes, dtype=np.float32)[steps], label=[[3, 3, -1], [1, 2, -1], [5, 1, -1]])
with open(f"{stem}.ctc.adz", "w", encoding="utf-8") as file:
    file.write("input x: f32[batch, 6, 8]\noutput y = mul(x, 2.0)\n")
near(evaluate(f"{stem}.ctc.adz", f"--data={stem}.ctc.npz", "--strip=7", "--json")["metrics"]["exact"]["score"], 2 / 3)
near(evaluate(f"{stem}.ctc.adz", f"--data={stem}.ctc.npz", "--json")["metrics"]["exact"]["score"], 0)

# Retrieval: 30 documents, each with a noisy query.
documents = rng.normal(size=(30, 6)).astype(np.float32)
queries = documents + 0.8 * rng.normal(size=documents.shape).astype(np.float32)
query = np.concatenate([np.full(30, -1), np.arange(30)])
np.savez(f"{stem}.ir.npz", x=np.concatenate([documents, queries]), query=query)
a, b = documents @ v.T, queries @ v.T
similar = (b / np.linalg.norm(b, axis=1)[:, None]) @ (a / np.linalg.norm(a, axis=1)[:, None]).T
rank = (similar > np.diag(similar)[:, None]).sum(1) + 1
m = evaluate(model, f"--data={stem}.ir.npz", "--json")["metrics"]
near(m["recall@1"]["score"], (rank == 1).mean())
near(m["recall@10"]["score"], (rank <= 10).mean())
near(m["mrr"]["score"], (1 / rank).mean())

np.savez(f"{stem}.bad.npz", x=x, label=label.astype(np.float32))
assert "array label is f32[200], expected i64 or i32" in evaluate(model, f"--data={stem}.bad.npz", fails=True)
np.savez(f"{stem}.bad.npz", x=x, label=label[:100])
assert "array label is i64[100], expected a row for each sample" in evaluate(model, f"--data={stem}.bad.npz", fails=True)
for wrong in (classes, -1):
    np.savez(f"{stem}.bad.npz", x=x, label=np.where(np.arange(n) == 3, wrong, label))
    said = evaluate(model, f"--data={stem}.bad.npz", "--interp", fails=True)
    assert f"the label of sample 3 has {wrong}, expected 0 to 7" in said, said
np.savez(f"{stem}.bad.npz", x=x, target=np.where(np.arange(n)[:, None] == 5, np.nan, target).astype(np.float32))
assert "expected finite numbers" in evaluate(model, f"--data={stem}.bad.npz", fails=True)
# Two samples at a time have no label each.
two = write("two", w, text.replace("batch", "2"))
assert "expected a row for each sample, which are 100" in evaluate(two, f"--data={stem}.npz", fails=True)
other = write("other", w, text.replace("input x", "input more: f32[2]\ninput x"))
assert "have other inputs" in evaluate(model, f"--data={stem}.npz", f"--against={other}", "--interp", fails=True)
roots = write("roots", w, text.replace("mul(h, 2.0)", "sqrt(h)"))
for pair in ((roots, original), (original, roots)):
    said = evaluate(pair[0], f"--data={stem}.npz", f"--against={pair[1]}", "--interp", fails=True)
    assert f"{roots}: the output of sample" in said and "has NaN" in said, said
assert "there is no score top2" in evaluate(model, f"--data={stem}.npz", "--metric=top1,top2", fails=True)
# A value that is zero in the original has no signal: a number in JSON all the same.
zero = write("zero", 0 * w, text)
noise = evaluate(model, f"--data={stem}.npz", f"--against={zero}", "--interp", "--per-layer", "--json")
assert [layer["snr_db"] for layer in noise["layers"]] == [-999, -999]
np.savez(f"{stem}.bad.npz", x=x)
assert "there is nothing to score" in evaluate(model, f"--data={stem}.bad.npz", fails=True)
assert "--data is missing" in evaluate(model, fails=True)
assert "--per-layer needs models" in evaluate(model, f"--data={stem}.npz", "--per-layer", fails=True)
