"""A retrieval task out of dpkg's own list: find a package's long description by its one-line description.

Each text becomes 128 tokens of the MiniLM tokenizer (with its start and end tokens, cut or padded), and a mask.
"""

import argparse
import pathlib
import re

import numpy as np

from tools import models

STATUS = pathlib.Path("/var/lib/dpkg/status")
LENGTH = 128


def packages(status=STATUS):
    """(one line, long description) of every installed package that has both; each pair of texts once."""
    pairs = {}
    for stanza in status.read_text(encoding="utf-8").split("\n\n"):
        found = re.search(r"^Description: (.*)\n((?: .*\n?)+)", stanza + "\n", re.MULTILINE)
        if found:
            lines = [line.strip() for line in found[2].splitlines()]
            long = " ".join(line for line in lines if line and line != ".")
            if long:
                pairs.setdefault(long, found[1].strip())
    return [(short, long) for long, short in pairs.items()]


def tokenize(texts, length=LENGTH):
    """(ids, mask), both i64[count, length]."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(models.path("minilm_tokenizer.json")))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    encoded = tokenizer.encode_batch(list(texts))
    return np.array([e.ids for e in encoded]), np.array([e.attention_mask for e in encoded])


def score(queries, documents):
    """(recall@1, mean reciprocal rank): query i belongs to document i; both are embeddings of length 1."""
    similarity = queries @ documents.T
    own = np.diag(similarity)
    ranks = 1 + (similarity > own[:, None]).sum(1)
    return float((ranks == 1).mean()), float((1 / ranks).mean())


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.retrieval_data", description=__doc__)
    parser.add_argument("--count", type=int, help="at most so many packages (default: all)")
    parser.add_argument("-o", "--output", required=True, help=".npz with `query_ids`, `query_mask`, `ids`, `mask`")
    arguments = parser.parse_args()
    pairs = packages()[: arguments.count]
    query_ids, query_mask = tokenize(short for short, _ in pairs)
    ids, mask = tokenize(long for _, long in pairs)
    np.savez_compressed(arguments.output, query_ids=query_ids, query_mask=query_mask, ids=ids, mask=mask)


if __name__ == "__main__":
    main()
