"""What a course does to the loss: its runs against a level's own, paired by shape, seed and D.

Differences are of log loss, and told as percent of the other's loss. At one D they scatter over shapes and seeds, and the
interval is Student's t of their mean. Below four pairs the scatter is taken to be the same at every D, so that few seeds still
give an interval.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from scaling_fit.intervals import UNKNOWN, Interval
from scaling_fit.observations import Observations

Kind = Literal["annealing", "order", "repetition", "continual", "level"]
OWN_SCATTER = 4  # pairs at one D that give a scatter of their own
Pairs = dict[tuple[str, str], list[tuple[float, float]]]


@dataclass(frozen=True)
class Course:
    """A course as its study declares it. `against`: the level whose own runs it is compared with ("": none in particular);
    `last`: the level that it ends with; `replay`: the share of its last phase that reads what came before."""

    name: str
    kind: Kind
    against: str
    last: str
    replay: float = 0.0


@dataclass(frozen=True)
class Effect:
    """At D tokens, the course's loss minus the other's in percent of it, over `pairs` pairs of shape and seed."""

    D: float
    percent: Interval
    pairs: int


@dataclass(frozen=True)
class Effects:
    """On one evaluation set, at every D; `per_tenfold`: what ten times the tokens add to the difference, in percent, each shape
    and seed giving a slope of its own."""

    eval_set: str
    against: str
    at: tuple[Effect, ...]
    per_tenfold: Interval

    @property
    def longest(self) -> Effect:
        return self.at[-1]


def paired(data: Observations, name: str, other: str, eval_set: str) -> Pairs:
    """(shape, seed) -> (D, 100 times the difference of log loss) in the order of D, of runs that both have."""
    found: dict[str, dict[tuple[str, str, float], float]] = {name: {}, other: {}}
    columns = (data.level, data.shape, data.seed, data.D, data.loss, data.eval_set)
    for level, shape, seed, D, loss, on in zip(*(column.tolist() for column in columns), strict=True):
        if on == eval_set and level in found:
            found[level][shape, seed, D] = float(np.log(loss))
    pairs: Pairs = defaultdict(list)
    for key in sorted(found[name].keys() & found[other].keys()):
        pairs[key[:2]].append((key[2], 100 * (found[name][key] - found[other][key])))
    return dict(pairs)


def effects(data: Observations, name: str, other: str, eval_set: str, confidence: float) -> Effects | None:
    """None where no run of `name` has one of `other` beside it. D of different shapes (whole batches of each) count as one by
    their rank."""
    pairs = paired(data, name, other, eval_set)
    if not pairs:
        return None
    by_rank: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for run in pairs.values():
        for rank, point in enumerate(run):
            by_rank[rank].append(point)
    cells = [np.array(by_rank[rank]) for rank in sorted(by_rank)]
    pooled_df = sum(len(cell) - 1 for cell in cells)
    pooled = sum(len(cell) * cell[:, 1].var() for cell in cells) / pooled_df if pooled_df else np.inf
    at = []
    for cell in cells:
        n, (D, difference) = len(cell), cell.mean(0)
        own = n >= OWN_SCATTER
        error, df = np.sqrt((cell[:, 1].var(ddof=1) if own else pooled) / n), n - 1 if own else pooled_df
        at.append(Effect(float(D), in_percent(around(float(difference), float(error), df, confidence)), n))
    slopes = [float(np.polyfit(*_logs(run), 1)[0]) for run in pairs.values() if len(run) > 1]
    return Effects(eval_set, other, tuple(at), in_percent(mean_of(slopes, confidence)))


def percent(log: float) -> float:
    """100 times a difference of log loss, as percent of the loss."""
    return 100 * math.expm1(log / 100) if math.isfinite(log) else log


def in_percent(log: Interval) -> Interval:
    """The same of an interval."""
    return Interval(percent(log.value), percent(log.low), percent(log.high))


def mean_of(values: list[float], confidence: float) -> Interval:
    """The mean with Student's interval; open for one value."""
    n = len(values)
    if not n:
        return UNKNOWN
    error = float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.inf
    return around(float(np.mean(values)), error, n - 1, confidence)


def jackknifed(of: Callable[[np.ndarray], np.ndarray], pairs: int, confidence: float) -> list[Interval]:
    """Several estimates at once, each with the jackknife's error over pairs and Student's t (Tukey 1958). `of`: estimates from
    the pairs with these numbers. Open below three pairs."""
    every = np.arange(pairs)
    values = of(every)
    if pairs < 3:
        return [Interval(float(value), -np.inf, np.inf) for value in values]
    without = np.array([of(np.delete(every, c)) for c in every])
    errors = np.sqrt((pairs - 1) / pairs * ((without - without.mean(0)) ** 2).sum(0))
    return [around(float(value), float(error), pairs - 1, confidence) for value, error in zip(values, errors, strict=True)]


def around(value: float, error: float, df: float, confidence: float) -> Interval:
    """Student's interval; open without degrees of freedom."""
    if df < 1 or not np.isfinite(error):
        return Interval(value, -np.inf, np.inf)
    half = float(stdtrit(df, 0.5 + confidence / 2) * error)
    return Interval(value, value - half, value + half)


def _logs(run: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    D, difference = np.array(run).T
    return np.log10(D), difference
