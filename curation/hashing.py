"""Hashes that identify documents, and the streams of chance that sample and order them.

Every draw in curation is a hash of what is drawn (a document's `uid`, a duplicate cluster) under the key of its purpose, so the
same documents are drawn whatever the shards, machines and retries. Each purpose has a stream of its own: were the held-out
documents and the training order to share one, the documents held out would be those that come first in the order, and every
training stream would begin with what is left of them.

Shapes: R records of one file, N numbers.
"""

from functools import cache
from typing import Literal

import numpy as np
import xxhash

GOLDEN = 0x9E3779B97F4A7C15
UINT64 = 0xFFFFFFFFFFFFFFFF

Purpose = Literal[
    "held-out clusters",
    "evaluation passages",
    "tokenizer sample",
    "end of the tokenizer sample",
    "classifier examples",
    "classifier test split",
    "classifier line order",
    "random score",
    "ties in a ranking",
    "random control",
    "copied documents",
    "replaced words",
    "replacement words",
    "training order",
    "order of windows",
    "report samples",
    "quality sample",
    "quality clusters",
    "reference model",
    "task items",
]
"""What a study draws by chance. A new draw gets a name of its own here."""


def mix64(key: int, x_N: np.ndarray) -> np.ndarray:
    """Splitmix64's finaliser (Steele, Lea, Flood 2014) of ``x + key * golden``: uint64[N] in, uint64[N] out.

    A bijection of `x` for every key, so distinct inputs never collide.
    """
    z = np.asarray(x_N, np.uint64) + np.uint64(key * GOLDEN & UINT64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@cache
def stream(seed: int, purpose: Purpose) -> int:
    """The key of one purpose's stream of chance in a study of this `seed`: ``mix64(stream(seed, purpose), uid_N)`` are uniform
    numbers, independent of those of every other purpose and seed."""
    return xxhash.xxh3_64_intdigest(f"{seed}\0{purpose}".encode())


def uid(source: str, path: str, record_R: np.ndarray) -> np.ndarray:
    """Identity of records `record_R` (their numbers in the file) of the file `path` of `source`: uint64[R].

    It does not depend on shards, order or machines, and records of one file never collide.
    """
    return mix64(xxhash.xxh3_64_intdigest(f"{source}\0{path}".encode()), record_R)


def piece_uid(uid_N: np.ndarray, piece_N: np.ndarray) -> np.ndarray:
    """Identity of the pieces numbered `piece_N` of the documents `uid_N`: uint64[N]. A first piece has its document's."""
    return uid_N ^ mix64(0, piece_N)  # mix64(0, 0) is 0


def copy_uid(uid_N: np.ndarray, copy_N: np.ndarray) -> np.ndarray:
    """Identity of the copies numbered `copy_N` of the documents `uid_N`, none of which is a document of a source: uint64[N]."""
    return mix64(1, uid_N ^ mix64(1, copy_N))
