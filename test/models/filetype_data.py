"""A file type task out of the files of this machine: the label is told by the extension, the input are bytes.

The input of magika's model is i32[2048]: the first 1024 bytes of the first 4096 without leading blanks, and the last
1024 bytes of the last 4096 without trailing blanks; 256 stands for "no byte". Labels told by extensions are noisy, so
agreement with the original model says more than accuracy.
"""

import argparse
import collections
import json
import os
import pathlib

import numpy as np

from tools import models

ROOTS = ("/etc", "/usr/bin", "/usr/include", "/usr/lib", "/usr/share")
BLOCK, PART, PADDING = 4096, 1024, 256
SMALLEST, LARGEST = 16, 1 << 22


def labels():
    """The model's classes in order."""
    return json.loads(models.path("magika.json").read_text())["target_labels_space"]


def extensions():
    """{extension: label}, for extensions that belong to one of the model's classes and to no other."""
    known = set(labels())
    owners = collections.defaultdict(set)
    for label, about in json.loads(models.path("magika_types.json").read_text()).items():
        for extension in about.get("extensions", []):
            owners[extension].add(label)
    single = {extension: next(iter(of)) for extension, of in owners.items() if len(of) == 1}
    return {extension: label for extension, label in single.items() if label in known}


def features(content):
    """The model's input for the bytes of a file, i32[2048]."""
    first = content[:BLOCK].lstrip()[:PART]
    last = content[-BLOCK:].rstrip()[-PART:]
    result = np.full(2 * PART, PADDING, np.int32)
    result[: len(first)] = np.frombuffer(first, np.uint8)
    result[2 * PART - len(last) :] = np.frombuffer(last, np.uint8)
    return result


def find(each, roots=ROOTS):
    """(path, label) of at most `each` files for each extension, in the order of their names."""
    label_of = extensions()
    taken = collections.Counter()
    found = []
    for root in roots:
        for directory, below, names in os.walk(root):
            below.sort()
            for name in sorted(names):
                extension = pathlib.PurePath(name).suffix[1:].lower()
                path = pathlib.Path(directory, name)
                if extension not in label_of or taken[extension] >= each or path.is_symlink():
                    continue
                if path.is_file() and SMALLEST <= path.stat().st_size <= LARGEST:
                    taken[extension] += 1
                    found.append((path, label_of[extension]))
    return found


def make(each=20, roots=ROOTS):
    """(inputs i32[count, 2048], classes i64[count], paths)"""
    number = {label: index for index, label in enumerate(labels())}
    files = find(each, roots)
    inputs = np.stack([features(path.read_bytes()) for path, _ in files])
    return inputs, np.array([number[label] for _, label in files]), [str(path) for path, _ in files]


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.filetype_data", description=__doc__)
    parser.add_argument("--each", type=int, default=20, help="files for each extension (default: 20)")
    parser.add_argument("-o", "--output", required=True, help=".npz with `bytes` and `label`")
    arguments = parser.parse_args()
    inputs, classes, _ = make(arguments.each)
    np.savez_compressed(arguments.output, bytes=inputs, label=classes)


if __name__ == "__main__":
    main()
