"""Controls: levels made to be compared with, so that a verdict on curation is not one on size or on repetition.

`random` (`level.Random`): a random part of the parent with as many tokens of each domain as another level kept. What curation
does beyond having less data shows against it; several draws of it show the luck of which documents a level got.
`duplicate`: the parent with copies added, exact or with noise in the words. What duplicates do, by themselves. A shell hands
the copies to `layout.measure` and `layout.lay` like the documents of one more shard, counts them as available tokens, and
adds `ledger.funnel_copies` to the funnel.
Leave one out: a level without one of its rules at a time. Which rule does the work.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from curation.hashing import copy_uid, mix64, stream

WORD = re.compile(r"\w+")


def copies(kept: pl.DataFrame, rate: float, seed: int) -> pl.DataFrame:
    """The copies to add to a shard's kept documents: their rows, and `row`, the document's row in `kept`.

    A document gets ``floor(rate)`` copies, and one more with probability the rest, by hash of `uid`: `rate` is the expected
    share of the tokens that is added. Each copy has a `uid` of its own, so it stands elsewhere in the stream than the document.
    """
    uid_K = kept["uid"].to_numpy()
    chance_K = (mix64(stream(seed, "copied documents"), uid_K) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    count_K = int(rate) + (chance_K < rate - int(rate))
    row_A = np.repeat(np.arange(len(kept)), count_K)
    copy_A = np.arange(len(row_A)) - np.repeat(np.cumsum(count_K) - count_K, count_K)
    rows = kept[row_A]
    return rows.with_columns(uid=pl.Series(copy_uid(uid_K[row_A], copy_A)), row=pl.Series(row_A, dtype=pl.UInt32))


def noisy(text: str, uid: int, noise: float, seed: int) -> str:
    """A near copy: each word is replaced, with probability `noise`, by a word from elsewhere in the text.

    Which words is a function of the copy's `uid`. About ``(1 - noise) ** n`` of the n-word shingles stay.
    """
    words = WORD.findall(text)
    if not words:
        return text
    place = np.arange(len(words), dtype=np.uint64) ^ np.uint64(uid)
    replaced = mix64(stream(seed, "replaced words"), place) < np.uint64(min(int(noise * 2**64), 2**64 - 1))
    other = mix64(stream(seed, "replacement words"), place) % np.uint64(len(words))
    drawn = iter([words[other[k]] if replaced[k] else words[k] for k in range(len(words))])
    return WORD.sub(lambda _: next(drawn), text)


def further_draws(name: str, declared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Of a `random` control as a study declares it, with `draws`, the levels of its second draw on: `<name>-draw2`, ..."""
    alike = {key: value for key, value in declared.items() if key != "draws"}
    return {f"{name}-draw{draw}": {**alike, "draw": draw} for draw in range(2, int(declared["draws"]) + 1)}


def leave_one_out(name: str, declared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Of a level as a study declares it, the levels without one of its own rules or edits at a time.

    They are named `<name>-without-<what>`, where what is the entry of `drop`, `keep` or `edit`, or `top`. What the level
    extends stays whole. Raises `ValueError` for a level of fewer than two rules: without its only one it is its parent.
    """
    entries = {key: _listed(declared.get(key)) for key in ("drop", "keep", "edit")}
    without = [
        (entry, dict(declared) | {key: [*listed[:index], *listed[index + 1 :]]})
        for key, listed in entries.items()
        for index, entry in enumerate(listed)
    ]
    if declared.get("top") is not None:
        without.append(("top", {key: value for key, value in declared.items() if key != "top"}))
    if len(without) < 2:
        raise ValueError(f"level {name!r} has {len(without)} rules of its own; leaving one out takes at least two")
    family: dict[str, dict[str, Any]] = {}
    for what, rest in without:
        slug = f"{name}-without-{re.sub(r'[^a-z0-9]+', '-', what.lower()).strip('-')}"
        same = sum(other == slug or other.startswith(f"{slug}-no") for other in family)
        family[f"{slug}-no{same + 1}" if same else slug] = rest
    return family


def _listed(value: str | Sequence[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
