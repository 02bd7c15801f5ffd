"""Pools whose scaling is known beforehand: what is planted, and how it is written.

Copies by Zipf's law: pieces of real text are met with probability p_k ~ k^-(1+a), so that n of them hold some n^kappa different
ones, kappa = 1 / (1 + a) (Heaps' law). A piece that was met often teaches nothing more, so D tokens are worth D^kappa, whoever
learns: the exponent is kappa times that of the same text met once, and the floor is the same.

Facts: a key and a value of chance, met with probability p_k ~ k^-(1+a), a line each. Where a line is replaced by letters of
chance, the floor of text that is made alike moves by an amount that can be computed.

Digits of chance in a share of the text leave the exponent, and the floor, and take that share of the tokens.
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


def noise(bytes_wanted: float, rng: np.random.Generator) -> Iterator[str]:
    """Documents with nothing to learn from: digits of chance."""
    for _ in range(int(bytes_wanted / 400)):
        yield "\n".join("".join(map(str, rng.integers(0, 10, 9))) for _ in range(40))


def lines(words_K: np.ndarray, a: float, junk: float, bytes_wanted: float, rng: np.random.Generator) -> Iterator[str]:
    """Documents of facts in which a line is, with probability `junk`, '#' and letters of chance, as long as a fact is."""
    p_K = np.arange(1, len(words_K) + 1.0) ** -(1 + a)
    length = len(words_K[0])
    documents = int(bytes_wanted / PER_DOCUMENT / (length + 1))
    for text_L in words_K[rng.choice(len(words_K), (documents, PER_DOCUMENT), p=p_K / p_K.sum())]:
        for i in np.flatnonzero(rng.random(PER_DOCUMENT) < junk):
            text_L[i] = "#" + "".join(LETTERS[rng.integers(0, 64, length - 1)])
        yield "\n".join(text_L)


def floor_with_junk(floor: float, junk: float, length: int) -> float:
    """Nats per byte of `lines` whose facts alone have this floor, with `length` letters a line, newline
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


def pieces(texts: Iterable[str], characters: int) -> list[str]:
    """Texts cut into pieces of about as many characters, at line ends."""
    out: list[str] = []
    for text in texts:
        piece = ""
        for line in text.splitlines(keepends=True):
            piece += line
            if len(piece) >= characters:
                out.append(piece)
                piece = ""
    return out


def copies(texts: list[str], kappa: float, bytes_wanted: float, rng: np.random.Generator) -> Iterator[str]:
    """Texts drawn again and again, so that n draws hold some n^kappa different ones."""
    p_K = np.arange(1, len(texts) + 1.0) ** (-1 / kappa)
    mean = float(np.mean([len(text) for text in texts]))
    for k in rng.choice(len(texts), int(bytes_wanted / mean), p=p_K / p_K.sum()):
        yield texts[k]
