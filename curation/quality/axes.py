"""The quality axes: what each is called, its unit, which way is usually better, and where the measure comes from.

The manual's page (`docs/reference/quality.md`) says the same, and a test holds the two together.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Axis:
    """One axis, or a family of them where the name has a part in braces: `{classifier}.score`.

    `better` says which way most curation aims at; `neither` is for what has a best value in between, or none.
    """

    name: str
    unit: str
    better: Better
    source: str


@dataclass(frozen=True)
class Measure:
    """A value with its standard error: 0 where all of the stream was read, None where a sample is too small to tell."""

    value: float
    error: float | None = 0.0

    @classmethod
    def of_groups(cls, value_G: Iterable[float]) -> "Measure":
        """The mean over random groups of equal size, and its error by their scatter."""
        values = [float(value) for value in value_G]
        mean = sum(values) / len(values)
        if len(values) < 2:
            return cls(mean, None)
        return cls(mean, sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)))


QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}

AXES = (
    Axis("kept", "share of the pool's tokens", "neither", "the ledger"),
    Axis("document_tokens", "tokens", "neither", "the ledger"),
    Axis("epochs", "passes", "lower", "Muennighoff et al. 2023, arXiv:2305.16264"),
    Axis("duplicates.exact", "share of tokens", "lower", "Lee et al. 2022, arXiv:2107.06499"),
    Axis("duplicates.near", "share of tokens", "lower", "Lee et al. 2022, arXiv:2107.06499"),
    Axis("{classifier}.score", "probability", "higher", "Li et al. 2024 (DCLM), arXiv:2406.11794"),
    Axis("{classifier}.score.{quantile}", "probability", "higher", "Li et al. 2024 (DCLM), arXiv:2406.11794"),
    Axis("removed.{family}", "share of the pool's tokens", "neither", "the ledger"),
    Axis("language", "share of bytes", "higher", "Lui and Baldwin 2012; py3langid"),
    Axis("gzip", "compressed bytes per byte", "neither", "Pandey 2024, arXiv:2405.16684"),
    Axis("zstd", "compressed bytes per byte", "neither", "Pandey 2024, arXiv:2405.16684"),
    Axis("reference_bits", "bits per byte", "lower", "Wenzek et al. 2020 (CCNet), arXiv:1911.00359"),
    Axis("types", "different words per word", "neither", "Herdan 1960; fixed size as in Kettunen 2014"),
    Axis("novelty", "different 5-grams per 5-gram", "higher", "Li et al. 2016 (distinct-n), arXiv:1510.03055"),
    Axis("overlap:{set}", "share of the set's 3-grams", "neither", "Merrill et al. 2024 (n-novelty), arXiv:2406.13069"),
)

WORDS = {
    "kept": "share of the pool's tokens kept",
    "document_tokens": "mean length of a document (tokens)",
    "epochs": "passes over its distinct tokens",
    "duplicates.exact": "share of tokens in exact duplicates",
    "duplicates.near": "share of tokens in near duplicates",
    "{classifier}.score": "mean score of the classifier {classifier}",
    "{classifier}.score.{quantile}": "{quantile} of the score of the classifier {classifier}",
    "removed.{family}": "share of the pool's tokens removed by {family}",
    "language": "share of text in its commonest language",
    "gzip": "compressed bytes per byte (gzip)",
    "zstd": "compressed bytes per byte (zstd)",
    "reference_bits": "bits per byte under a model of clean text",
    "types": "different words per word",
    "novelty": "different 5-grams per 5-gram",
    "overlap:{set}": "share of the 3-grams of {set} that it has",
}
"""What stands at the axis of a figure."""

OVERLAP, REMOVED = "overlap:", "removed."
REFERENCE = "reference_bits"
FAMILIES = ("withheld", "duplicates", "top", "random", "mixture", "edits", "other")
"""Families of rules besides the signals that rules read."""


def names(classifiers: Collection[str], signals: Collection[str]) -> list[str]:
    """The axes that levels of a study may have; those of overlap, which are a covariate and no quality, left out."""
    families = [*FAMILIES, *signals, *classifiers]
    found: list[str] = []
    for axis in AXES:
        if axis.name.startswith("{classifier}"):
            kinds = ("",) if "quantile" not in axis.name else tuple(f".{name}" for name in QUANTILES)
            found += [f"{classifier}.score{kind}" for classifier in classifiers for kind in kinds]
        elif axis.name.startswith(REMOVED):
            found += [f"{REMOVED}{family}" for family in families]
        elif not axis.name.startswith(OVERLAP):
            found.append(axis.name)
    return found


def for_law(measured: Collection[str], chosen: str) -> list[str]:
    """The axes that a law is set against, `chosen` first: all but shares that rules removed and quantiles of scores, which say
    again what others say, unless one of them is chosen."""
    again = (REMOVED, OVERLAP)
    rest = [name for name in measured if not name.startswith(again) and name.rpartition(".")[2] not in QUANTILES]
    return [chosen, *(name for name in rest if name != chosen)]


def check(name: str, known: Collection[str]) -> None:
    """Raise ValueError for a name that is no axis, with the closest ones."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        there = f"the closest are {', '.join(close)}" if close else f"it has {', '.join(known)}"
        raise ValueError(f"{name!r} is no quality axis of this study; {there}")


def in_order(measured: Iterable[str]) -> list[str]:
    """Names in the order of `AXES`, those of one family as they come."""
    order = [axis.name for axis in AXES]
    return sorted(dict.fromkeys(measured), key=lambda name: order.index(described(name).name))


def described(name: str) -> Axis:
    """The axis, or family of axes, that a name belongs to."""
    return next(axis for axis in AXES if re.fullmatch(_pattern(axis.name), name))


def worded(name: str) -> str:
    """An axis in the words of a figure; a name that is none of ours, such as a column of somebody's table, stays as it is."""
    for family, words in WORDS.items():
        found = re.fullmatch(_pattern(family).replace("(?:", "("), name)
        if found:
            for part, value in zip(re.findall(r"\{\w+\}", family), found.groups(), strict=True):
                words = words.replace(part, value)
            return words
    return name


def _pattern(name: str) -> str:
    parts = re.split(r"(\{\w+\})", name)
    inner = {"{quantile}": "|".join(QUANTILES), "{classifier}": r"[A-Za-z][A-Za-z0-9_-]*"}
    return "".join(f"(?:{inner.get(part, '.+')})" if part.startswith("{") else re.escape(part) for part in parts)
