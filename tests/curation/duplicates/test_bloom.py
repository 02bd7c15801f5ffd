"""The Bloom edit against the same rule with an exact set, and its rate of false alarms."""

import numpy as np
import pyarrow as pa

from curation.duplicates.bloom import Filter, unseen
from curation.duplicates.paragraphs import paragraphs
from curation.words import Words, scan


def kept(documents: list[str], filter_: Filter, ngram: int, threshold: float) -> list[bool]:
    words = scan(pa.array(documents, pa.large_string()))
    return unseen(filter_, words, paragraphs(words), ngram=ngram, threshold=threshold).tolist()


def by_set(documents: list[str], ngram: int, threshold: float) -> list[bool]:
    known: set[tuple[str, ...]] = set()
    result = []
    for document in documents:
        grams = []
        for line in document.splitlines():
            words = line.split()
            grams.append([tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)])
        seen = [sum(g in known for g in line) for line in grams]
        keep = [not line or count < threshold * len(line) for line, count in zip(grams, seen, strict=True)]
        total = sum(map(len, grams))
        if total and sum(seen) >= threshold * total:
            keep = [False] * len(keep)
        known.update(g for line, k in zip(grams, keep, strict=True) if k for g in line)
        result += keep
    return result


def corpus(seed: int) -> list[str]:
    """Documents of lines, many copied or half copied from a small stock of lines."""
    random = np.random.default_rng(seed)
    stock = [" ".join(f"w{i}" for i in random.integers(0, 10_000, random.integers(3, 30))) for _ in range(60)]

    def line() -> str:
        old = stock[random.integers(0, 60)].split()
        cut = random.integers(0, len(old)) if random.random() < 0.4 else len(old)
        return " ".join(old[:cut] + [f"n{i}" for i in random.integers(0, 10**6, len(old) - cut)])

    return ["\n".join(line() for _ in range(random.integers(1, 8))) for _ in range(300)]


def test_equal_to_the_rule_with_an_exact_set():
    for seed, (ngram, threshold) in enumerate([(5, 0.8), (3, 0.5), (13, 0.8)]):
        documents = corpus(seed)
        want = by_set(documents, ngram, threshold)
        assert kept(documents, Filter.of_capacity(1_000_000), ngram, threshold) == want
        assert 0.1 < np.mean(want) < 0.9


def test_batches_change_nothing():
    documents, filter_ = corpus(5), Filter.of_capacity(100_000)
    whole = kept(documents, Filter.of_capacity(100_000), 5, 0.8)
    assert [k for start in range(0, 300, 70) for k in kept(documents[start : start + 70], filter_, 5, 0.8)] == whole


def test_a_document_is_not_a_duplicate_of_itself():
    line = " ".join(f"w{i}" for i in range(20))
    assert kept([f"{line}\n{line}"], Filter.of_capacity(100), 13, 0.8) == [True, True]
    assert kept([line, line], Filter.of_capacity(100), 13, 0.8) == [True, False]


def test_false_alarms_are_as_rare_as_stated():
    """A filter fed its capacity takes fewer than 1 in 300 new n-grams for old, and its bits are about a third set."""
    random, n = np.random.default_rng(0), 400_000
    filter_ = Filter.of_capacity(n)

    def fresh(count: int) -> Words:  # documents of one word, n-grams of one word
        return Words(np.zeros(count, np.uint8), np.arange(count + 1), random.integers(0, 2**64, count, np.uint64),
                     np.arange(count), np.ones(count, np.int32), np.ones(count, np.int32), np.arange(count + 1))  # fmt: skip

    first = fresh(n)
    unseen(filter_, first, paragraphs(first), ngram=1)
    assert 0.25 < filter_.fill < 0.4
    again = fresh(n // 20)
    assert 1 - unseen(filter_, again, paragraphs(again), ngram=1).mean() < 1 / 300
