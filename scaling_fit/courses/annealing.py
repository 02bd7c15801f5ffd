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
from dataclasses import dataclass, replace
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
    """All courses that leave the trunk of one level. `within`: Spearman's correlation of the two differences over the levels
    (the trunk's too) on one evaluation set, the mean over sets: how far a choice may be trusted; `rank`: over levels and sets
    together; `slope`: the whole runs' difference for a percent of the annealed one. All three set cooldowns of some pairs of
    shape and seed against whole runs of others, and have intervals over pairs. `by_cooldown`, `by_runs`: the level that each
    would choose on `eval_set`; `same`: on how many of the `sets` evaluation sets both choose alike."""

    trunk: str
    eval_set: str
    points: tuple[Annealed, ...]
    within: Interval
    rank: Interval
    slope: Interval
    by_cooldown: str
    by_runs: str
    same: int
    sets: int
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
    sets = list(dict.fromkeys(point.eval_set for point in points))
    set_B = np.array([sets.index(point.eval_set) for point in points])
    within, rank, slope = agreement(np.array(annealed), np.array(full), set_B, confidence)
    chosen = {name: (_choice(points, trunk, name, "annealed"), _choice(points, trunk, name, "full")) for name in sets}
    (by_cooldown, by_runs), same = chosen[eval_sets[0]], sum(a == b for a, b in chosen.values())
    told = Annealing(trunk, eval_sets[0], tuple(points), within, rank, slope, by_cooldown, by_runs, same, len(sets), answer="")
    return replace(told, answer=_answer(told))


def _choice(points: Sequence[Annealed], trunk: str, eval_set: str, kind: str) -> str:
    """The level of least loss on a set, the trunk's among them."""
    return min([(0.0, trunk), *((getattr(point, kind), point.level) for point in points if point.eval_set == eval_set)])[1]


def _longest(data: Observations, name: str, other: str, eval_set: str) -> dict[tuple[str, str], float]:
    return {key: run[-1][1] for key, run in paired(data, name, other, eval_set).items()}


def agreement(annealed_BC: np.ndarray, full_BC: np.ndarray, set_B: np.ndarray, confidence: float) -> list[Interval]:
    """`within`, `rank` and `slope` (see Annealing) of two differences; set_B: number of the evaluation set of each."""

    def of(c: np.ndarray) -> np.ndarray:
        annealed_BS, full_BS = _halves(annealed_BC[:, c], full_BC[:, c])
        with_trunk = [
            _spearman(*(np.vstack([half_BS[set_B == k], np.zeros(half_BS.shape[1])]) for half_BS in (annealed_BS, full_BS)))
            for k in range(set_B.max() + 1)
        ]
        return np.array([np.nanmean(with_trunk), _spearman(annealed_BS, full_BS), _slope(annealed_BC[:, c], full_BC[:, c])])

    within, rank, slope = jackknifed(of, annealed_BC.shape[1], confidence)
    return [*(replace(one, low=max(one.low, -1.0), high=min(one.high, 1.0)) for one in (within, rank)), slope]


def _halves(annealed_BC: np.ndarray, full_BC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of the cooldowns over one half of the pairs, and of the whole runs over the other, for all halves: [B, S]; of one
    pair, its own."""
    C = annealed_BC.shape[1]
    halves = list(islice(combinations(range(C), C // 2), MOST_SPLITS)) if C > 1 else [(0,)]
    first_CS = np.array([np.isin(range(C), half) for half in halves]).T
    other_CS = ~first_CS if C > 1 else first_CS
    return annealed_BC @ (first_CS / first_CS.sum(0)), full_BC @ (other_CS / other_CS.sum(0))


def _spearman(x_BS: np.ndarray, y_BS: np.ndarray) -> float:
    """Mean over S; not a number where there are fewer than three B, or all are alike."""
    ranks = (rankdata(x, axis=0) for x in (x_BS, y_BS))
    x_BS, y_BS = (rank - rank.mean(0) for rank in ranks)
    under_S = np.sqrt((x_BS**2).sum(0) * (y_BS**2).sum(0))
    told = under_S > 0
    return float(np.mean((x_BS * y_BS).sum(0)[told] / under_S[told])) if len(x_BS) > 2 and told.any() else np.nan


def _slope(annealed_BC: np.ndarray, full_BC: np.ndarray) -> float:
    """Through the origin (no difference is no difference, by either), from the products of unlike pairs: neither the luck that
    both share is in it, nor that of the cooldowns, which would flatten it."""

    def of_unlike(x_BC: np.ndarray, y_BC: np.ndarray) -> float:
        return float(x_BC.sum(1) @ y_BC.sum(1) - (x_BC * y_BC).sum()) if x_BC.shape[1] > 1 else float((x_BC * y_BC).sum())

    under = of_unlike(annealed_BC, annealed_BC)
    return of_unlike(annealed_BC, full_BC) / under if under > 0 else np.nan


def _answer(found: Annealing) -> str:
    """What a team that can pay for cooldowns alone must know."""
    tried = listed([point.level for point in found.points if point.eval_set == found.eval_set])
    where = f"On {eval_words(found.eval_set)}, annealing {found.trunk} on {tried}"
    picked = f"{where} would have chosen {found.by_cooldown}; the full runs chose {found.by_runs}."
    also = f"They choose alike on {found.same} of {found.sets} evaluation sets."
    within, over_all = (interval(one, "%+.2f") for one in (found.within, found.rank))
    agrees = f"Rank correlation of levels: {within} on one set, {over_all} over levels and sets together."
    if not np.isfinite(found.rank.value):
        agrees = "There are too few levels for a rank correlation."
    worth = f"A percent of difference by annealing is {interval(found.slope, '%.2f')} percent by full runs."
    return " ".join([picked, also, agrees, worth])
