"""Feeds texts made to hurt: hostile.py ADZE FOLDER. Each must end soon, by a diagnostic (exit code 1) or well."""

import pathlib
import subprocess
import sys

X = "input x: f32[2, 3]\n"
N = 100_000


def chain(n, body):
    return X + "block b0(x) { return relu(x) }\n" + "".join(f"block b{i}(x) {{ return {body.format(i - 1)} }}\n" for i in range(1, n))


# name: (text, what the first error says; None: the text is fine)
CASES = {
    "brackets": (X + "y = " + "(" * N + "x" + ")" * N + "\noutput y\n", "nested too deeply"),
    "calls": (X + "y = " + "relu(" * 300 + "x" + ")" * 300 + "\noutput y\n", "nested more than 200 deep"),
    "calls that are fine": (X + "y = " + "relu(" * 190 + "x" + ")" * 190 + "\noutput y\n", None),
    "infix": (X + "y = x" + " + x" * N + "\noutput y\n", "nested more than 200 deep"),
    "signs": (X + "y = " + "- " * N + "x\noutput y\n", "nested too deeply"),
    "lists": (X + "y = reshape(x, shape = " + "[" * N + "\noutput y\n", "nested too deeply"),
    "bodies": (X + "repeat i in 0..2 {" * 250 + "}" * 250 + "\noutput x\n", "nested more than 200 deep"),
    "braces": (X + "{" * N, "unexpected '{'"),
    "a long loop": (X + "repeat i in 0..1000000000 { }\noutput x\n", "unroll to too many statements"),
    "a loop of loops": (X + "repeat i in 0..1000 { repeat j in 0..1000 { x = relu(x) } }\noutput y = x\n", "ops"),
    "twice each": (chain(100, "add(b{0}(x), b{0}(x))") + "output y = b99(x)\n", "unroll to too many statements"),
    "a chain of blocks": (chain(1000, "b{0}(x)") + "output y = b999(x)\n", "nested more than 600 deep"),
    "many ops": (X + "y0 = relu(x)\n" + "".join(f"y{i + 1} = relu(y{i})\n" for i in range(20000)) + "output y20000\n", None),
    "a large fuse": (X + "y = fuse(x) {" + "x1 = relu(x) " + "".join(f"x{i + 1} = relu(x{i}) " for i in range(1, 5000)) + "return x9 }\noutput y\n", "a fuse of more than 2000 ops"),
    "many operands": (X + "output y = concat(" + "x, " * N + "x, axis = 0)\n", None),
    "many names": (X + ", ".join(f"a{i}" for i in range(N)) + " = relu(x)\noutput x\n", "100000 names for 1 result"),
    "many results": (X + "block f(x) { return " + ", ".join(["x"] * N) + " }\ny = f(x)\noutput x\n", "at most 64 are possible"),
    "many errors": (X + "".join(f"y{i} = rleu(x)\n" for i in range(N)), "no op and no block has the name 'rleu'"),
    "a long name": (X + '"' + "n" * N + '" = relu(x)\noutput x\n', "a name of more than 1000 bytes"),
    "a long path": (X + "y = relu(x" + ".x" * N + ")\noutput x\n", "a name of more than 1000 bytes"),
    "a large literal": ("output y = f32[200000] {" + ", ".join(map(str, range(200_000))) + "}\n", None),
    "a huge weight": ("weight w: f32[1000000, 1000000] = random(1)\noutput w\n", "more than 1 GiB"),
    "a product of symbols": ("input x: f32[" + " * ".join("abcdefghijklmnop") + "]\noutput x\n", "a dimension that overflows"),
    "halved again and again": ("input x: f32[1, 2, h]\nrepeat i in 0..20000 { x = maxpool1d(x, window = 2, stride = 2, pad = 1) }\noutput y = x\n", "maxpool1d"),
    "doubled again and again": ("input x: f32[1, 2, h]\nrepeat i in 0..20000 { x = concat(x, x, axis = 2) }\noutput y = x\n", "concat"),
    "a long symbol": ("input x: f32[" + "h" * 500 + "]\noutput x\n", "the name of a symbol is too long"),
    "a long declared symbol": ("dim " + "h" * 500 + " in 1..=2\n" + X + "output x\n", "the name of a symbol is too long"),
    "a long plan": (X + "output x\nplan {\n a: " + "b " * N + "\n}\n", None),
    "nothing": ("", "the model has no output"),
    "a NUL": (X + "\0", "unexpected character \\x00"),
    "bytes": (bytes(range(256)).decode("latin-1") * 50, "unexpected character"),
    "a circle": ('include "a circle.adz"\n' + X + "output x\n", None),
}


def fault(adze, path, wanted):
    try:
        result = subprocess.run([adze, "opt", path], capture_output=True, timeout=100)
    except subprocess.TimeoutExpired:
        return "took too long"
    error = result.stderr.decode("utf-8", "replace").split("\n", 1)[0]
    if result.returncode != (0 if wanted is None else 1):
        return f"exit status {result.returncode}: {error}"
    return None if wanted is None or wanted in error else f"unexpected error: {error}"


def main():
    adze, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, (text, wanted) in CASES.items():
        path = folder / f"{name}.adz"
        path.write_text(text, encoding="utf-8")
        problem = fault(adze, path, wanted)
        if problem:
            print(f"{name}: {problem}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
