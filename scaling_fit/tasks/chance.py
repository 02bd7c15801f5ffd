"""A level's score at its most compute, and whether it is told from guessing.

Runs answer the same items, so that more runs do not make the items more: the interval has the sampling error of the items
once, and the runs' scatter over the number of runs.
"""

import numpy as np
from scipy.special import ndtr, ndtri

from scaling_fit.intervals import Interval
from scaling_fit.tasks.curve import Link
from scaling_fit.tasks.records import Longest
from scaling_fit.tasks.scores import Scores

Array = np.ndarray


def longest(scores: Scores, level: str, link: Link, confidence: float) -> Longest:
    """Of one metric's rows. Runs of most compute: those within 1 % of it."""
    one = scores.where(scores.level == level)
    top = one.where(one.flops >= 0.99 * one.flops.max())
    value, n = float(top.value.mean()), len(top)
    spread = float(top.value.std(ddof=1) ** 2 / n) if n > 1 else 0.0
    items = float(np.nanmean(top.se**2)) if np.isfinite(top.se).any() else float(link.variance(np.array(value)))
    items = items if link.accuracy or np.isfinite(top.se).any() else 0.0
    half = float(ndtri(0.5 + confidence / 2)) * float(np.sqrt(items + spread))
    low, high = (max(value - half, 0.0), min(value + half, 1.0)) if link.accuracy else (value - half, value + half)
    known = items > 0 or spread > 0
    interval = Interval(value, low, high) if known else Interval(value, -np.inf, np.inf)
    at_chance = guesses(value, link, (1 - confidence) / 2) if link.accuracy else None
    return Longest(level, float(top.flops.max()), n, interval, at_chance)


def guesses(value: float, link: Link, alpha: float) -> bool:
    """Whether guessing would score as high with a probability above alpha; guesses of open answers count as one right."""
    p = max(link.chance, 1 / link.items)
    return bool(1 - ndtr((value - p) / np.sqrt(p * (1 - p) / link.items)) > alpha)
