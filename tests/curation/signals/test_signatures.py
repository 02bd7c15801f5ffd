"""Signatures against datasketch, bit for bit, and what the two hashes do and do not tell apart."""

import csv
import json
import re
import subprocess
import sys
import unicodedata
from itertools import pairwise

import datasketch
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.document import Batch
from curation.signals.signatures import AT_ONCE, EMPTY, exact, minhash, permutations, shingle_hashes, shingle_sets, units, url


def batch(*texts: str) -> Batch:
    return Batch(pa.table({"text": pa.array(texts, pa.large_string())}))


def rows(table: pa.Table) -> np.ndarray:
    column = table["signature"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


def by_datasketch(hashes: np.ndarray, num_perm: int, seed: int) -> np.ndarray:
    sketch = datasketch.MinHash(num_perm, seed, hashfunc=lambda h: h, scheme="affine32")
    sketch.update_batch(hashes.tolist())
    return sketch.hashvalues


def assert_equal_to_datasketch(documents: Batch, num_perm: int, seed: int, ngram: int, unit: str) -> None:
    cut = units(documents.composed, unit)
    signature_DP = rows(minhash(documents, num_perm=num_perm, seed=seed, ngram=ngram, unit=unit))
    for d in range(len(signature_DP)):
        np.testing.assert_array_equal(signature_DP[d], by_datasketch(shingle_hashes(cut, d, ngram), num_perm, seed))


@given(
    st.lists(st.text(st.sampled_from("ab \n.é日")), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from(["word", "character"]),
)
@settings(max_examples=60, deadline=None)
def test_equal_to_datasketch_on_any_text(texts, ngram, unit):
    assert_equal_to_datasketch(batch(*texts), 8, 3, ngram, unit)


@pytest.mark.parametrize("shingles", [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 100 * AT_ONCE])
@pytest.mark.parametrize("num_perm", [112, 7])
def test_equal_to_datasketch_for_any_number_of_shingles_and_permutations(shingles, num_perm):
    text = " ".join(f"w{i}" for i in np.random.default_rng(shingles).integers(0, 10**6, shingles + 4))
    assert_equal_to_datasketch(batch("short one", text), num_perm, 1, 5, "word")


@pytest.fixture(params=["sample", "documentation"])
def texts(request) -> list[str]:
    """The sample of our own, and pages of documentation from the shared data where that is."""
    if request.param == "sample":
        return request.getfixturevalue("sample")
    file = request.getfixturevalue("shared_data") / "text/dedup_pairs/docs.jsonl.zst"
    lines = subprocess.run(["zstdcat", file], capture_output=True, check=True).stdout.splitlines()[:60]
    return [json.loads(line)["text"] for line in lines]


def test_equal_to_datasketch_on_text_of_many_kinds(texts):
    """And a datasketch object made from a row estimates the same similarity."""
    documents = batch(*texts)
    assert_equal_to_datasketch(documents, 112, 1, 5, "word")
    signature_DP = rows(minhash(documents))
    left, right = (datasketch.MinHash(hashvalues=row, seed=1, scheme="affine32") for row in signature_DP[:2])
    assert left.jaccard(right) == (signature_DP[0] == signature_DP[1]).mean()


def test_sets_measure_the_similarity_of_copies(sample):
    """Essays of the sample and their near copies, by sets of five words from a regular expression."""
    texts = [text for text in sample if text.isascii() and 60 < len(text.split()) < 400 and "\n\n" not in text]
    hash_S, bounds = shingle_sets(units(batch(*texts).composed, "word"), 5)
    mine = [set(hash_S[a:b].tolist()) for a, b in pairwise(bounds.tolist())]
    words = [re.findall(r"[a-z0-9_]+", text.lower()) for text in texts]
    plain = [{tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in words]
    similar = 0
    for i in range(len(texts)):
        for j in range(i):
            expected = len(plain[i] & plain[j]) / len(plain[i] | plain[j])
            similar += 0.3 < expected < 1
            assert len(mine[i] & mine[j]) / len(mine[i] | mine[j]) == pytest.approx(expected, abs=0.02)
    assert similar >= 2


def test_sets_measure_the_similarity_that_others_measured(shared_data):
    """323 pairs of versions of documentation pages with their Jaccard of 5-word shingles, cut by other code."""
    lines = subprocess.run(["zstdcat", shared_data / "text/dedup_pairs/docs.jsonl.zst"], capture_output=True, check=True).stdout
    rows = [json.loads(line) for line in lines.splitlines()]
    place = {row["id"]: i for i, row in enumerate(rows)}
    hash_S, bounds = shingle_sets(units(batch(*(row["text"] for row in rows)).composed, "word"), 5)
    sets = [set(hash_S[a:b].tolist()) for a, b in pairwise(bounds.tolist())]
    with (shared_data / "text/dedup_pairs/pairs.tsv").open() as file:
        pairs = [(place[r["doc_a"]], place[r["doc_b"]], float(r["jaccard5"])) for r in csv.DictReader(file, delimiter="\t")]
    mine = np.array([len(sets[a] & sets[b]) / max(len(sets[a] | sets[b]), 1) for a, b, _ in pairs])
    error = np.abs(mine - [jaccard for _, _, jaccard in pairs])
    assert len(pairs) > 300
    assert error.mean() < 0.002
    assert np.quantile(error, 0.99) < 0.03


def test_permutations_are_datasketch_s():
    a, b = datasketch.MinHash(64, 7, scheme="affine32").permutations
    mine = permutations(64, 7)
    np.testing.assert_array_equal(mine[0], a)
    np.testing.assert_array_equal(mine[1], b)


def test_a_huge_document_needs_no_workspace():
    """Four million words: 1.8 GB as a table of shingles by permutations, a few pages here."""
    script = """
import resource
import numpy as np
from curation.signals.signatures import _signatures, permutations
words = np.random.default_rng(0).integers(0, 2**64, 4_000_000, np.uint64)
out = np.empty((1, 112), np.uint32)
_signatures(words[:100], np.array([0, 100]), 5, *permutations(112, 1), out)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_signatures(words, np.array([0, len(words)]), 5, *permutations(112, 1), out)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert int(grown) < 2000  # KB


def test_short_documents_have_no_shingle():
    table = minhash(batch("one two three four", "", "one two three four five"))
    assert table["n_shingles"].to_pylist() == [0, 0, 1]
    assert (rows(table)[:2] == EMPTY).all()
    assert (rows(table)[2] != EMPTY).any()


def test_sets_are_the_distinct_hashes():
    documents = batch("a b a b a b a b", "", "x", "b a b a")
    cut = units(documents.composed, "word")
    hash_S, bounds = shingle_sets(cut, 2)
    sets = [hash_S[bounds[d] : bounds[d + 1]].tolist() for d in range(4)]
    assert sets == [sorted(set(shingle_hashes(cut, d, 2).tolist())) for d in range(4)]
    assert [len(s) for s in sets] == [2, 0, 0, 2]
    assert sets[0] == sets[3]


def test_planted_overlap_is_measured_by_the_sets():
    """Two texts that share 60 of their 5-grams, of 96 and 80: Jaccard 60 / 116."""
    shared = [f"s{i}" for i in range(64)]
    left, right = shared + [f"l{i}" for i in range(36)], shared + [f"r{i}" for i in range(20)]
    hash_S, bounds = shingle_sets(units(batch(" ".join(left), " ".join(right)).composed, "word"), 5)
    a, b = set(hash_S[: bounds[1]].tolist()), set(hash_S[bounds[1] :].tolist())
    assert (len(a & b), len(a | b)) == (60, 116)


def test_character_shingles_read_white_space_and_ascii_case_as_one():
    documents = batch("  Hello\n\tWORLD ", "hello world", "hello, world", "héllo world")
    cut = units(documents.composed, "character")
    spelled = [cut.hash_U[cut.bounds[d] : cut.bounds[d + 1]].tolist() for d in range(4)]
    assert spelled[0] == spelled[1]
    assert [len(s) for s in spelled] == [11, 11, 12, 11]
    assert spelled[3] != spelled[0]


def test_exact_hash_ignores_case_space_and_punctuation_only():
    hashes = exact(batch("Hello, World!", "hello world", "hello  WORLD...", "world hello", "hello worlds", "helloworld"))
    first, *rest = hashes["hash"].to_pylist()
    assert rest[0] == rest[1] == first
    assert len({first, *rest[2:]}) == 4


def test_documents_without_words_are_hashed_by_their_bytes():
    hashes = exact(batch("!", "?", "", "!", "??"))["hash"].to_pylist()
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 4


def test_urls_that_name_one_page_have_one_hash():
    same = ["https://www.Example.com/a/b?q=1", "http://example.com:80/a/b?q=1#top", " EXAMPLE.COM/a/b?q=1 "]
    other = [
        "https://example.com/a/B?q=1",
        "https://example.com/a/b",
        "https://example.com/a/b?q=2",
        "https://example.org/a/b?q=1",
    ]
    hashes = url(Batch(pa.table({"url": [*same, *other, None, "", "https://example.com/", "example.com"]})))["hash"].to_pylist()
    assert len(set(hashes[:3])) == 1
    assert len(set(hashes[:7])) == 5
    assert hashes[7:9] == [None, None]
    assert hashes[9] == hashes[10]


def test_golden_values():
    """Signals on disk are found again by these: who changes one raises the version of the steps that hold it."""
    documents = Batch(
        pa.table(
            {
                "text": pa.array(
                    ["It was the best of times, it was the worst of times, it was the age of wisdom."], pa.large_string()
                ),
                "url": ["https://www.example.com/a?b=1"],
            }
        )
    )
    assert rows(minhash(documents, num_perm=8))[0, :4].tolist() == [333912950, 680851218, 86145213, 52173637]
    by_characters = minhash(documents, num_perm=4, unit="character", ngram=9)
    assert rows(by_characters).tolist() == [[55959950, 452257998, 82743802, 109049457]]
    assert exact(documents)["hash"].to_pylist() == [15614838319679985653]
    assert url(documents)["hash"].to_pylist() == [1142660375756710332]


@pytest.mark.parametrize("unit", ["word", "character"])
def test_composed_and_decomposed_copies_are_one(unit: str) -> None:
    text = "Un \u00e9l\u00e8ve a mang\u00e9 hier soir \u00e0 la fen\u00eatre, o\u00f9 \u1ed3n \ud55c\uad6d\uc5b4 \u304c\u3044."
    both = batch(text, unicodedata.normalize("NFD", text), text.replace("hier", "demain"))
    first, second, other = exact(both)["hash"].to_pylist()
    assert first == second != other
    signatures = rows(minhash(both, ngram=3, unit=unit))  # type: ignore[arg-type]
    assert (signatures[0] == signatures[1]).all()
    assert (signatures[0] != signatures[2]).any()
