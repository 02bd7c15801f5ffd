"""Paragraphs and cuts against plain string work."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.paragraphs import CUTS, cut_table, line_hashes, paragraphs, repeats, without
from curation.words import scan

texts = st.lists(st.text(st.sampled_from("ab \n.é"), max_size=30), min_size=1, max_size=6)


def array(documents: list[str]) -> pa.Array:
    return pa.array(documents, pa.large_string())


@given(texts)
@settings(deadline=None)
def test_paragraphs_are_the_lines(documents):
    words = scan(array(documents))
    cut = paragraphs(words)
    assert cut.bounds[0] == 0
    for d, text in enumerate(documents):
        spans = range(cut.bounds[d], cut.bounds[d + 1])
        lines = [words.utf8_N[cut.start_Q[q] : cut.start_Q[q + 1]].tobytes().decode() for q in spans]
        assert lines == text.splitlines(keepends=True)
        assert [int(cut.n_words[q]) for q in spans] == [len(scan(array([line])).hash_W) for line in lines]


@given(texts, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_cuts_take_out_just_those_paragraphs(documents, random):
    text = array(["before", *documents])[1:]  # a slice: its offsets do not begin at 0
    cut = paragraphs(scan(text))
    keep_Q = np.array([random.random() < 0.5 for _ in range(len(cut.start_Q) - 1)], bool)
    table = cut_table(cut, keep_Q)
    assert table.schema == CUTS
    lines = [line for document in documents for line in document.splitlines(keepends=True)]
    kept = iter(keep_Q.tolist())
    want = ["".join(line for line in document.splitlines(keepends=True) if next(kept)) for document in documents]
    assert len(lines) == len(keep_Q)
    assert without(text, table["cuts"]).to_pylist() == want
    sizes = [len(document.encode()) for document in documents]
    assert table["n_bytes"].to_pylist() == sizes
    removed = [size - len(w.encode()) for size, w in zip(sizes, want, strict=True)]
    assert table["removed_bytes"].to_pylist() == removed
    np.testing.assert_allclose(table["removed_share"], [r / max(s, 1) for r, s in zip(removed, sizes, strict=True)], rtol=1e-6)
    assert all(len(c) <= 2 * (d.count("\n") + 1) for c, d in zip(table["cuts"].to_pylist(), documents, strict=True))


def test_neighbours_make_one_cut():
    cut = paragraphs(scan(array(["a\nb\nc\nd", "e\nf"])))
    assert cut_table(cut, np.array([1, 0, 0, 1, 0, 0], bool))["cuts"].to_pylist() == [[2, 6], [0, 3]]


def test_lines_of_the_same_words_have_one_hash():
    words = scan(array(["Read  more...\nread more\nREAD, MORE\r\nmore read\n\n--\n--", "read more"]))
    hashes = line_hashes(words, paragraphs(words)).tolist()
    assert hashes[0] == hashes[1] == hashes[2] == hashes[-1]
    assert len({hashes[0], hashes[3], hashes[4], hashes[5]}) == 4


def test_every_occurrence_but_the_first_repeats():
    hashes = np.array([7, 7, 7, 8, 9, 9], np.uint64)
    uids = np.array([5, 3, 3, 1, 2, 1], np.uint64)
    lines = np.array([0, 9, 4, 0, 1, 2])
    assert repeats(hashes, uids, lines).tolist() == [True, True, False, False, True, False]
    assert repeats(hashes[:0], uids[:0], lines[:0]).tolist() == []
