import gzip
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from curation.quality import text
from curation.quality.text import Passages, Sample
from curation.words import scan

WORDS = [f"w{i}" for i in range(400)]
GROUP = 1000


def prose(seed: int, documents: int, vocabulary: int = 400) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS[:vocabulary], k=rng.randint(20, 150))) + ". " for _ in range(documents)]


def sample_of(texts: list[str]) -> Sample:
    return Sample.of(pa.array(texts, pa.large_string()), GROUP)


def grams(texts: list[str], n: int) -> list[list[tuple[str, ...] | None]]:
    """The n words from each word on, None where the piece has fewer left."""
    found = []
    for one in texts:
        words = one.lower().replace(".", "").split()
        found += [tuple(words[i : i + n]) if i + n <= len(words) else None for i in range(len(words))]
    return found


def in_groups(values: list) -> list[list]:
    return [values[a:b] for a, b in pairwise(range(0, len(values) + 1, GROUP))]


def expected(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)


def test_groups_have_their_words_and_are_all_of_the_text():
    texts = prose(0, 80)
    sample = sample_of(texts)
    assert sample.whole
    assert sample.n_groups == sum(len(t.split()) for t in texts) // GROUP
    whole = "".join(texts)
    for group in range(sample.n_groups):
        begin, end = sample.span(group)
        assert len(whole[begin:end].replace(".", " ").split()) == GROUP
    assert sample.span(0)[0] == 0
    assert [sample.span(g)[1] for g in range(sample.n_groups - 1)] == [sample.span(g)[0] for g in range(1, sample.n_groups)]


def test_variety_is_the_definition():
    texts = prose(1, 80)
    measured = text.variety(sample_of(texts))
    words = [w for t in texts for w in t.replace(".", "").split()]
    assert (measured["types"].value, measured["types"].error) == pytest.approx(
        expected([len(set(group)) / GROUP for group in in_groups(words)])
    )
    novel = []
    for group in in_groups(grams(texts, text.NOVEL)):
        whole = [g for g in group if g is not None]
        novel.append(len(set(whole)) / len(whole))
    assert (measured["novelty"].value, measured["novelty"].error) == pytest.approx(expected(novel))


def test_repeated_text_is_less_novel_and_compresses_better():
    again = prose(2, 8) * 10
    random.Random(0).shuffle(again)
    once, twice = sample_of(prose(2, 80)), sample_of(again)
    assert text.variety(twice)["novelty"].value < text.variety(once)["novelty"].value - 0.1
    assert text.compressed(twice)["zstd"].value < text.compressed(once)["zstd"].value


def test_gzip_is_of_windows():
    texts = prose(3, 200, vocabulary=50)
    sample = Sample.of(pa.array(texts, pa.large_string()), 3 * GROUP)
    whole = "".join(texts).encode()
    by_group = []
    for group in range(sample.n_groups):
        begin, end = sample.span(group)
        size = text.GZIP_BYTES
        windows = [whole[i : i + size] for i in range(begin, end, size) if i + size <= end]
        by_group += [np.mean([len(gzip.compress(w, 9, mtime=0)) / len(w) for w in windows])] if windows else []
    assert text.compressed(sample)["gzip"].value == pytest.approx(np.mean(by_group))


def test_coverage_is_the_share_of_a_sets_n_grams_that_stand_in_a_group():
    texts, held = prose(4, 80, vocabulary=12), prose(5, 6, vocabulary=14)
    sets = [["heldout", "domain:a" if i % 2 else "domain:b"] for i in range(6)]
    measured = text.coverage(sample_of(texts), Passages.of(pa.array(held, pa.large_string()), sets))
    seen = [set(group) - {None} for group in in_groups(grams(texts, text.COVERED))]
    for name in ("heldout", "domain:a", "domain:b"):
        wanted = [g for one, of in zip(held, sets, strict=True) if name in of for g in grams([one], text.COVERED) if g]
        shares = [sum(g in group for g in wanted) / len(wanted) for group in seen]
        assert 0 < np.mean(shares) < 1
        assert (measured[name].value, measured[name].error) == pytest.approx(expected(shares))


def test_languages_are_counted_by_their_bytes():
    english = "The house on the hill was sold to a young family who had always wanted to live near the sea. " * 3
    german = "Das Haus auf dem H\u00fcgel wurde an eine junge Familie verkauft, die schon immer am Meer leben wollte. " * 3
    texts = [english] * 3 + [german]
    main, share = text.languages(sample_of(texts))
    assert main == "en"
    assert share.value == pytest.approx(3 * len(english) / sum(len(t.encode()) for t in texts))
    assert share.error is None  # one group says nothing of its scatter


def test_bits_are_of_lower_cased_words():
    model = text.reference_model(pa.array(["the cat sat in 1999 on the mat " * 50], pa.large_string()))
    clean = text.bits_per_byte(sample_of(["the cat sat in 2024 on the mat " * 20]), model)
    marked = text.bits_per_byte(sample_of(["**The CAT**, sat -- (in 1871) on: <the> mat\n" * 20]), model)
    other = text.bits_per_byte(sample_of(["zqx vvk jjwq " * 20]), model)
    assert marked.value == pytest.approx(clean.value)
    assert clean.value < 0.5 < 4 < other.value


def test_spelled_words():
    words = scan(pa.array(["It's 42!", "\u00c9t\u00e9 A1", ""], pa.large_string()))
    utf8_N, bounds = text.spelled(words, words.bounds)
    assert utf8_N.tobytes().decode() == "it s 00 \u00c9t\u00e9 a0 "
    assert Counter(np.diff(bounds).tolist()) == Counter([8, 9, 0])


def test_a_small_sample_is_one_group_and_says_nothing_of_what_depends_on_size():
    sample = sample_of(["a few words only"])
    assert (sample.n_groups, sample.whole) == (1, False)
    assert text.compressed(sample) == {}  # not one window
    assert text.variety(sample) == {}
    assert text.coverage(sample, Passages.of(pa.array(["a few words only"], pa.large_string()), [["heldout"]])) == {}
