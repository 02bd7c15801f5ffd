"""Numbers, intervals and names of evaluation sets in words, the same wherever a result is told."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scaling_fit.intervals import Interval


@dataclass(frozen=True)
class Check:
    """A doubt that was looked into: the question, what was found, and what that means for the reader."""

    question: str
    answer: str
    meaning: str


def count(value: float) -> str:
    """Tokens or parameters with three digits: 12.3M."""
    for limit, unit in ((1e15, "e15"), (1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= limit * 0.9995:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def times(value: float) -> str:
    """A ratio: 1.70×, 12×."""
    return f"{value:.2f}×" if value < 10 else f"{value:,.0f}×"


def interval(estimate: Interval, form: str) -> str:
    """An estimate with its interval; an end that the data do not bound is said to be open."""
    value, low, high = (form % x if math.isfinite(x) else None for x in (estimate.value, estimate.low, estimate.high))
    return f"{value or 'unknown'} [{low or 'open'}, {high or 'open'}]"


def span(estimate: Interval) -> str:
    """What a difference may be: `anything between -0.02 and +0.03`, or as much of that as the data say."""
    low, high = math.isfinite(estimate.low), math.isfinite(estimate.high)
    if low and high:
        return f"anything between {estimate.low:+.3f} and {estimate.high:+.3f}"
    return "anything" + (f" from {estimate.low:+.3f} up" if low else f" up to {estimate.high:+.3f}" if high else "")


def probability(p: float | None) -> str:
    if p is None or not math.isfinite(p):
        return "not tested"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


WHOLE = {"heldout": "all held-out text", "heldout-pool": "held-out text weighed as the pool"}
"""The same documents: every domain about alike, and each by its share of the pool."""


def eval_words(name: str) -> str:
    """What an evaluation set is: `domain:web` -> web (held out)."""
    kind, _, rest = name.partition(":")
    if name in WHOLE:
        return WHOLE[name]
    if kind == "own":
        return f"{rest}'s own text"
    return {"domain": f"{rest} (held out)", "reference": f"{rest} (reference)"}.get(kind, name)


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def row_numbers(rows: Sequence[int], most: int = 20) -> str:
    """Rows of a table: all of a few, else the first and how many more."""
    return ", ".join(map(str, rows[:most])) + (f" and {len(rows) - most:,} more" if len(rows) > most else "")
