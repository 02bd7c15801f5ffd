"""Pools whose scaling is known beforehand: what is planted, and how it is written.

Facts (after Hutter 2021, arXiv:2102.04074, and Michaud et al. 2023, arXiv:2303.13506): fact k is a key and a value of chance,
met with probability p_k ~ k^-(1+a). D tokens teach the facts up to rank K ~ D^(1/(1+a)), and on text of the same making the
loss above the floor is that of the others, sum over k > K of p_k ~ K^-a: it falls as D^-beta with beta = a / (1 + a), whoever
learns. That there is a last fact takes a constant from the loss, which is the floor's. Where a share of the text is something
else there is less to learn from, and the exponent is the same.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from curation.sources import python_environment
from curation.sources.source import Record, Source

LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"))
FACTS = 1 << 12
PER_DOCUMENT = 96


def write(path: Path, documents: Iterable[str | tuple[str, str]]) -> None:
    """One JSON object a line: texts, of the source's domain, or (domain, text)."""
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            record = {"text": document} if isinstance(document, str) else dict(zip(("domain", "text"), document, strict=True))
            file.write(json.dumps(record) + "\n")


def fact_words(seed: int) -> np.ndarray:
    """The text of every fact, shape [K]: two letters of key and one of value."""
    rng = np.random.default_rng(seed)
    code_K, value_K = rng.permutation(FACTS), rng.integers(0, 64, FACTS)
    text_KL = LETTERS[np.stack([code_K // 64, code_K % 64, value_K], 1)]
    return np.ascontiguousarray(text_KL).view("U3")[:, 0]


def facts(words_K: np.ndarray, a: float, bytes_wanted: float, rng: np.random.Generator) -> Iterator[str]:
    """Documents of facts met with p_k ~ k^-(1+a)."""
    for text_L in _drawn(words_K, a, bytes_wanted, rng):
        yield "\n".join(text_L)


def noise(bytes_wanted: float, rng: np.random.Generator) -> Iterator[str]:
    """Documents with nothing to learn from: digits of chance."""
    for _ in range(int(bytes_wanted / 400)):
        yield "\n".join("".join(map(str, rng.integers(0, 10, 9))) for _ in range(40))


def lines(words_K: np.ndarray, a: float, junk: float, bytes_wanted: float, rng: np.random.Generator) -> Iterator[str]:
    """Documents of facts in which a line is, with probability `junk`, '#' and letters of chance, as long as a fact is."""
    for text_L in _drawn(words_K, a, bytes_wanted, rng):
        for i in np.flatnonzero(rng.random(PER_DOCUMENT) < junk):
            text_L[i] = "#" + "".join(LETTERS[rng.integers(0, 64, len(words_K[0]) - 1)])
        yield "\n".join(text_L)


def _drawn(words_K: np.ndarray, a: float, bytes_wanted: float, rng: np.random.Generator) -> np.ndarray:
    """Lines of documents, shape [documents, lines]."""
    p_K = np.arange(1, len(words_K) + 1.0) ** -(1 + a)
    documents = int(bytes_wanted / PER_DOCUMENT / (len(words_K[0]) + 1))
    return words_K[rng.choice(len(words_K), (documents, PER_DOCUMENT), p=p_K / p_K.sum())]


def floor_with_junk(floor: float, junk: float, length: int) -> float:
    """Nats per token (one letter each) of `lines` whose facts alone have this floor, with `length` letters a line, newline
    included: whether a line is junk, and its letters."""
    which = -(junk * np.log(junk) + (1 - junk) * np.log(1 - junk))
    return float((1 - junk) * floor + (which + junk * (length - 2) * np.log(64)) / length)


def python_parts(megabytes: float, parts: int, rng: np.random.Generator) -> list[list[tuple[str, str]]]:
    """Text of this Python and its packages (domain, text), dealt at random to as many parts; documents up to 32 kB."""
    source = Source("python", "python_environment", max_megabytes=megabytes)
    documents = [
        (record.domain, record.text)
        for part in python_environment.parts(source)
        for record in python_environment.read(part, 1 << 20)
        if isinstance(record, Record) and len(record.text) <= 32_000
    ]
    dealt = rng.integers(0, parts, len(documents))
    return [[documents[i] for i in np.flatnonzero(dealt == part)] for part in range(parts)]
