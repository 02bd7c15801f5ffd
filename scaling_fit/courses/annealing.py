"""Does a cooldown predict the whole run? A level judged by a cooldown alone, against its own runs, from one trunk.

Annealing costs a fifth of a run where a cooldown is a fifth of it, since the trunk is shared: the cheapest way to judge data
(Llama 3, arXiv:2407.21783, section 3.1; OLMo 2, arXiv:2501.00656, section 4). It is worth it where the difference that a
cooldown makes ranks levels as whole runs rank them.

Shape suffixes: R replicates, B branch levels, C pairs of shape and seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from scaling_fit.courses.effect import Course, paired
from scaling_fit.intervals import Interval, percentile
from scaling_fit.observations import Observations
from scaling_fit.wording import eval_words, interval, listed

REPLICATES = 2000


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
    evaluation sets; `slope`: the full run's difference for a percent of the annealed one; both with intervals over pairs of
    shape and seed. `by_cooldown`, `by_runs`: the level that each would choose on `eval_set`."""

    trunk: str
    eval_set: str
    points: tuple[Annealed, ...]
    rank: Interval
    slope: Interval
    by_cooldown: str
    by_runs: str
    answer: str


def annealing(
    data: Observations, courses: Sequence[Course], eval_sets: Sequence[str], confidence: float, seed: int
) -> tuple[Annealing, ...]:
    """One reading per trunk, of the courses whose last level has runs of its own; `eval_sets`: the one to choose on first."""
    found = []
    for trunk in dict.fromkeys(course.against for course in courses if course.kind == "annealing"):
        own = [c for c in courses if c.kind == "annealing" and c.against == trunk and c.last in data.levels and c.last != trunk]
        if own:
            found.append(_of_trunk(data, trunk, own, eval_sets, confidence, seed))
    return tuple(found)


def _of_trunk(
    data: Observations, trunk: str, courses: Sequence[Course], eval_sets: Sequence[str], confidence: float, seed: int
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
            means = float(np.mean(annealed[-1])), float(np.mean(full[-1]))
            points.append(Annealed(course.name, course.last, eval_set, *means))
    annealed_BC, full_BC = np.array(annealed), np.array(full)
    runs = annealed_BC.shape[1]
    drawn_RC = np.random.default_rng(seed).integers(runs, size=(REPLICATES, runs))
    draws = np.array([_agreement(annealed_BC[:, c].mean(1), full_BC[:, c].mean(1)) for c in drawn_RC])
    rank, slope = (
        percentile(value, draws[:, k], confidence, corrected=False) if runs > 1 else Interval(value, -np.inf, np.inf)
        for k, value in enumerate(_agreement(annealed_BC.mean(1), full_BC.mean(1)))
    )
    chosen = [point for point in points if point.eval_set == eval_sets[0]]
    choice = {kind: min([(0.0, trunk), *((getattr(p, kind), p.level) for p in chosen)])[1] for kind in ("annealed", "full")}
    answer = _answer(trunk, eval_sets[0], chosen, choice["annealed"], choice["full"], rank, slope)
    return Annealing(trunk, eval_sets[0], tuple(points), rank, slope, choice["annealed"], choice["full"], answer)


def _longest(data: Observations, name: str, other: str, eval_set: str) -> dict[tuple[str, str], float]:
    return {key: run[-1][1] for key, run in paired(data, name, other, eval_set).items()}


def _agreement(annealed: np.ndarray, full: np.ndarray) -> tuple[float, float]:
    """Spearman's correlation, and the slope through the origin (no difference is no difference, by either)."""
    slope = float(annealed @ full / (annealed @ annealed)) if annealed.any() else np.nan
    ranks = rankdata(annealed), rankdata(full)
    varied = len(annealed) > 2 and min(np.ptp(ranks[0]), np.ptp(ranks[1])) > 0
    return (float(np.corrcoef(*ranks)[0, 1]) if varied else np.nan), slope


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
