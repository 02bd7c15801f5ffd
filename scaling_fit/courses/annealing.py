"""Does a cooldown predict the whole run? A level judged by a cooldown alone, against its own runs, from one trunk.

Annealing costs a fifth of a run where a cooldown is a fifth of it, since the trunk is shared: the cheapest way to judge data
(Llama 3, arXiv:2407.21783, section 3.1; OLMo 2, arXiv:2501.00656, section 4). It is worth it where the difference that a
cooldown makes ranks levels as whole runs rank them.

Both differences are taken to one and the same run of the trunk's level, so its luck is in both, and makes cooldown and whole
run agree where nothing differs. Hence what is compared is always the cooldowns of some shapes and seeds with the whole runs
of others.

Shape suffixes: B levels and evaluation sets, C pairs of shape and seed, S ways to halve the pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from scipy.stats import rankdata

from scaling_fit.courses.effect import Course, jackknifed, paired, percent
from scaling_fit.intervals import Interval
from scaling_fit.observations import Observations
from scaling_fit.wording import eval_words, interval, listed

MOST_SPLITS = 200  # halves of the pairs: all of them up to nine pairs


@dataclass(frozen=True)
class Annealed:
    """One level on one evaluation set at the longest D: its loss minus that of the trunk's level in percent, by a cooldown on
    it and by whole runs."""

    course: str
    level: str
    eval_set: str
    annealed: float
    full: float


@dataclass(frozen=True)
class Annealing:
    """All courses that leave the trunk of one level. `rank`: Spearman's correlation of the two differences over levels and
    evaluation sets, cooldowns of one half of the pairs of shape and seed against whole runs of the other; `slope`: the whole
    runs' difference for a percent of the annealed one; both with intervals over pairs. `by_cooldown`, `by_runs`: the level that
    each would choose on `eval_set`."""

    trunk: str
    eval_set: str
    points: tuple[Annealed, ...]
    rank: Interval
    slope: Interval
    by_cooldown: str
    by_runs: str
    answer: str


def annealing(
    data: Observations, courses: Sequence[Course], eval_sets: Sequence[str], confidence: float
) -> tuple[Annealing, ...]:
    """One reading per trunk, of the courses whose last level has runs of its own; `eval_sets`: the one to choose on first."""
    found = []
    for trunk in dict.fromkeys(course.against for course in courses if course.kind == "annealing"):
        own = [c for c in courses if c.kind == "annealing" and c.against == trunk and c.last in data.levels and c.last != trunk]
        if own:
            found.append(_of_trunk(data, trunk, own, eval_sets, confidence))
    return tuple(found)


def _of_trunk(
    data: Observations, trunk: str, courses: Sequence[Course], eval_sets: Sequence[str], confidence: float
) -> Annealing:
    points, annealed, full = [], [], []
    for eval_set in eval_sets:
        for course in courses:
            by_cooldown, by_runs = (_longest(data, name, trunk, eval_set) for name in (course.name, course.last))
            both = sorted(by_cooldown.keys() & by_runs.keys())
            if not both:
                continue
            annealed.append([by_cooldown[key] for key in both])
            full.append([by_runs[key] for key in both])
            means = (percent(float(np.mean(found[-1]))) for found in (annealed, full))
            points.append(Annealed(course.name, course.last, eval_set, *means))
    annealed_BC, full_BC = np.array(annealed), np.array(full)
    rank, slope = agreement(annealed_BC, full_BC, confidence)
    chosen = [point for point in points if point.eval_set == eval_sets[0]]
    choice = {kind: min([(0.0, trunk), *((getattr(p, kind), p.level) for p in chosen)])[1] for kind in ("annealed", "full")}
    answer = _answer(trunk, eval_sets[0], chosen, choice["annealed"], choice["full"], rank, slope)
    return Annealing(trunk, eval_sets[0], tuple(points), rank, slope, choice["annealed"], choice["full"], answer)


def _longest(data: Observations, name: str, other: str, eval_set: str) -> dict[tuple[str, str], float]:
    return {key: run[-1][1] for key, run in paired(data, name, other, eval_set).items()}


def agreement(annealed_BC: np.ndarray, full_BC: np.ndarray, confidence: float) -> tuple[Interval, Interval]:
    """`rank` and `slope` of two differences in percent (see Annealing)."""
    rank, slope = jackknifed(
        lambda c: np.array([_rank(annealed_BC[:, c], full_BC[:, c]), _slope(annealed_BC[:, c], full_BC[:, c])]),
        annealed_BC.shape[1], confidence,
    )  # fmt: skip
    return (Interval(rank.value, max(rank.low, -1.0), min(rank.high, 1.0)) if rank.bounded else rank), slope


def _rank(annealed_BC: np.ndarray, full_BC: np.ndarray) -> float:
    """Spearman's correlation of the cooldowns of one half of the pairs with the whole runs of the other, over all halves; of
    one pair, its own."""
    C = annealed_BC.shape[1]
    if len(annealed_BC) < 3:
        return np.nan
    halves = list(islice(combinations(range(C), C // 2), MOST_SPLITS)) if C > 1 else [(0,)]
    first_SC = np.array([np.isin(range(C), half) for half in halves])
    ranks = [
        rankdata(x_BC @ (half_SC / half_SC.sum(1, keepdims=True)).T, axis=0)
        for x_BC, half_SC in ((annealed_BC, first_SC), (full_BC, ~first_SC if C > 1 else first_SC))
    ]
    x_BS, y_BS = (rank - rank.mean(0) for rank in ranks)
    under_S = np.sqrt((x_BS**2).sum(0) * (y_BS**2).sum(0))
    told = under_S > 0
    return float(np.mean((x_BS * y_BS).sum(0)[told] / under_S[told])) if told.any() else np.nan


def _slope(annealed_BC: np.ndarray, full_BC: np.ndarray) -> float:
    """Through the origin (no difference is no difference, by either), from the products of unlike pairs: neither the luck that
    both share is in it, nor that of the cooldowns, which would flatten it."""

    def of_unlike(x_BC: np.ndarray, y_BC: np.ndarray) -> float:
        return float(x_BC.sum(1) @ y_BC.sum(1) - (x_BC * y_BC).sum()) if x_BC.shape[1] > 1 else float((x_BC * y_BC).sum())

    under = of_unlike(annealed_BC, annealed_BC)
    return of_unlike(annealed_BC, full_BC) / under if under > 0 else np.nan


def _answer(
    trunk: str, eval_set: str, chosen: Sequence[Annealed], by_cooldown: str, by_runs: str, rank: Interval, slope: Interval
) -> str:
    """What a team that can pay for cooldowns alone must know."""
    tried = listed([point.level for point in chosen])
    where = f"On {eval_words(eval_set)}, annealing {trunk} on {tried}"
    picked = f"{where} would have chosen {by_cooldown}; the full runs chose {by_runs}."
    agrees = f"Rank correlation over levels and evaluation sets: {interval(rank, '%+.2f')}."
    if not np.isfinite(rank.value):
        agrees = "There are too few levels for a rank correlation."
    worth = f"A percent of difference by annealing is {interval(slope, '%.2f')} percent by full runs."
    return f"{picked} {agrees} {worth}"
