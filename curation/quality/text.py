"""What the text of a level is like, measured on a sample of its pieces in groups of a fixed number of words.

Types, novel n-grams and coverage depend on how much text is looked at, so all is measured in groups of `GROUP_WORDS` words:
the value is the mean over the groups, its error their standard deviation over the square root of their number (random groups:
Wolter 2007, chapter 2). Pieces stand in random order, so a group is a random part of the level.

Shapes: N bytes, P pieces, W words, G groups, S segments (parts of pieces within one group).
"""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curation.compiled import kernel
from curation.document import Batch
from curation.quality import ngram
from curation.quality.axes import Measure
from curation.signals.language import language
from curation.signals.phrases import n_gram_keys
from curation.words import Words, scan

GROUP_WORDS = 1 << 16
NOVEL = 5  # words of the n-grams that are counted as new or seen
COVERED = 3  # words of the n-grams by which an evaluation set is covered
GZIP_BYTES = 4096
REFERENCE_BYTES = 1 << 17  # of each group, as the model reads some two million bytes a second


@dataclass(frozen=True)
class Sample:
    """Pieces of a level's text in random order, their words, and the first word of each group with, last, the end of all.

    Where the words do not fill a group, `whole` is False: they are one group, in which nothing is measured that depends on its
    size. A sample is not without a word.
    """

    pieces: pa.LargeStringArray
    words: Words
    first_G: np.ndarray
    whole: bool

    @classmethod
    def of(cls, pieces: pa.LargeStringArray, group_words: int = GROUP_WORDS) -> "Sample":
        words = scan(pieces)
        n = len(words.hash_W)
        whole = n >= group_words
        return cls(pieces, words, np.arange(0, n + 1, group_words) if whole else np.array([0, n]), whole)

    @property
    def n_groups(self) -> int:
        return len(self.first_G) - 1

    def span(self, group: int) -> tuple[int, int]:
        """The bytes of a group, from its first word to the next group's."""
        first, last = self.first_G[group : group + 2]
        start_W, end = self.words.start_W, int(self.words.text_bounds[-1])
        return int(start_W[first]), int(start_W[last]) if last < len(start_W) else end


@dataclass(frozen=True)
class Passages:
    """Evaluation passages as n-grams of `COVERED` words: the key of each, and for each set which of them are in it."""

    key_E: np.ndarray
    sets: Mapping[str, np.ndarray]  # bool[E]

    @classmethod
    def of(cls, texts: pa.LargeStringArray, sets: Sequence[Sequence[str]]) -> "Passages":
        """`sets` names the sets of each text."""
        words = scan(texts)
        key_W = n_gram_keys(words, COVERED)
        passage_W = np.repeat(np.arange(len(texts)), np.diff(words.bounds))
        whole = key_W != 0
        member = {name: np.array([name in of for of in sets], bool) for name in sorted({name for of in sets for name in of})}
        return cls(key_W[whole], {name: in_P[passage_W[whole]] for name, in_P in member.items()})


def compressed(sample: Sample) -> dict[str, Measure]:
    """`gzip`: compressed bytes per byte in whole windows of `GZIP_BYTES`, with a header of 18 bytes each; `zstd`: of a whole
    group, in which what several documents share is found too."""
    gzip_G, zstd_G = [], []
    codec = pa.Codec("zstd", compression_level=3)
    for group in range(sample.n_groups):
        begin, end = sample.span(group)
        text = sample.words.utf8_N[begin:end].tobytes()
        starts = range(0, len(text) - GZIP_BYTES + 1, GZIP_BYTES)
        sizes = [len(zlib.compress(text[start : start + GZIP_BYTES], 9, wbits=31)) for start in starts]
        gzip_G += [sum(sizes) / len(sizes) / GZIP_BYTES] if sizes else []
        zstd_G += [len(codec.compress(text, asbytes=True)) / len(text)] if sample.whole else []
    measured = {"gzip": gzip_G, "zstd": zstd_G}
    return {name: Measure.of_groups(value_G) for name, value_G in measured.items() if value_G}


def variety(sample: Sample) -> dict[str, Measure]:
    """`types`: different words per word; `novelty`: different n-grams of `NOVEL` words per n-gram."""
    if not sample.whole:
        return {}
    key_W = n_gram_keys(sample.words, NOVEL)
    types_G, novelty_G = [], []
    for first, last in zip(sample.first_G[:-1], sample.first_G[1:], strict=True):
        types_G.append(len(np.unique(sample.words.hash_W[first:last])) / (last - first))
        key = key_W[first:last]
        key = key[key != 0]
        novelty_G.append(len(np.unique(key)) / max(len(key), 1))
    return {"types": Measure.of_groups(types_G), "novelty": Measure.of_groups(novelty_G)}


def coverage(sample: Sample, passages: Passages) -> dict[str, Measure]:
    """By evaluation set: the share of its n-grams of `COVERED` words that stand in a group, too."""
    if not sample.whole:
        return {}
    key_W = n_gram_keys(sample.words, COVERED)
    shared_W = np.isin(key_W, passages.key_E)
    spans = zip(sample.first_G[:-1], sample.first_G[1:], strict=True)
    seen_GE = np.stack([np.isin(passages.key_E, key_W[first:last][shared_W[first:last]]) for first, last in spans])
    return {name: Measure.of_groups(seen_GE[:, in_E].mean(axis=1)) for name, in_E in passages.sets.items() if in_E.any()}


def languages(sample: Sample) -> tuple[str, Measure]:
    """(the commonest language, the share of the text in pieces that are in it), by `curation.signals.language`'s own model."""
    found = language(Batch(pa.table({"text": sample.pieces})))["language"].to_pylist()
    n_bytes_P = np.diff(sample.words.text_bounds)
    totals: Counter[str] = Counter()
    for name, n in zip(found, n_bytes_P.tolist(), strict=True):
        totals[name] += n
    main = min(totals, key=lambda name: (-totals[name], name))
    group_P = np.clip(np.searchsorted(sample.first_G, sample.words.bounds[:-1], side="right") - 1, 0, None)
    inside_P = group_P < sample.n_groups
    in_main_P = np.array([name == main for name in found])
    whole_G, main_G = (np.bincount(group_P[inside_P], (n_bytes_P * mask)[inside_P], sample.n_groups) for mask in (1, in_main_P))
    return main, Measure.of_groups(main_G / np.maximum(whole_G, 1))


def bits_per_byte(sample: Sample, model: ngram.Model) -> Measure:
    """Bits per byte of the words (`spelled`) under a model of clean text, on the first `REFERENCE_BYTES` of each group."""
    cut_G = [sample.span(group)[0] + REFERENCE_BYTES for group in range(sample.n_groups)]
    last_G = np.minimum(np.searchsorted(sample.words.start_W, cut_G), sample.first_G[1:])
    bits_G = []
    for first, last in zip(sample.first_G[:-1], last_G, strict=True):
        # the words of a group, piece by piece
        inner = sample.words.bounds[(sample.words.bounds > first) & (sample.words.bounds < last)]
        utf8_N, bounds = spelled(sample.words, np.unique(np.concatenate([[first], inner, [last]])))
        bits_G.append(ngram.bits(model, utf8_N, bounds).sum() / max(len(utf8_N), 1))
    return Measure.of_groups(bits_G)


def reference_model(texts: pa.LargeStringArray) -> ngram.Model:
    """The model of clean reference texts."""
    words = scan(texts)
    return ngram.train(*spelled(words, words.bounds))


def spelled(words: Words, bounds_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The words of the segments that begin and end at `bounds_S`: ASCII letters lower-cased, digits as 0 (CCNet's
    normalisation), a space after each, so that markup and the spacing of punctuation, which differ between collections as
    prepared by their makers, do not count. (utf8_N uint8, bounds int64[S + 1])."""
    first, last = int(bounds_S[0]), int(bounds_S[-1])
    out_N = np.empty(int(words.length_W[first:last].sum()) + last - first, np.uint8)
    out_bounds = np.zeros(len(bounds_S), np.int64)
    _spell(words.utf8_N, words.start_W, words.length_W, bounds_S.astype(np.int64), out_N, out_bounds)
    return out_N, out_bounds


@kernel
def _spell(utf8_N, start_W, length_W, bounds_S, out_N, out_bounds):
    n = 0
    for s in range(len(bounds_S) - 1):
        for w in range(bounds_S[s], bounds_S[s + 1]):
            for i in range(start_W[w], start_W[w] + length_W[w]):
                byte = utf8_N[i]
                if 0x41 <= byte <= 0x5A:
                    byte += 0x20
                elif 0x30 <= byte <= 0x39:
                    byte = 0x30
                out_N[n] = byte
                n += 1
            out_N[n] = 0x20
            n += 1
        out_bounds[s + 1] = n
