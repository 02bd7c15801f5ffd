"""Is a rise that looks sudden a break, or a smooth rise seen through a threshold (Schaeffer et al. 2023, arXiv:2304.15004)?

An accuracy counts an answer as wrong until the right choice leads, so that it may leap where nothing else does. The metric
under it, the margin of the right choice, knows no threshold. A leap of the accuracy over a smooth margin that it follows is
explained; a margin that turns is a break. Where no continuous metric was measured the accuracy itself is tested for a turn.
"""

from dataclasses import replace

import numpy as np

from scaling_fit.intervals import holm
from scaling_fit.tasks.curve import fit_curve
from scaling_fit.tasks.records import Emergence, Kind
from scaling_fit.tasks.scores import Scores
from scaling_fit.tasks.turn import turn

CONTINUOUS = ("margin", "bits_per_byte")
FOLLOWS = 0.5
"""Share of the accuracy's variance from which a continuous metric is said to explain it."""
SUDDEN = 0.5
"""An accuracy that makes 10 to 90 % of its rise within this share of the tested losses looks sudden."""


def emergence(level: str, metrics: dict[str, Scores], ratios: dict[str, float], chance: bool) -> Emergence:
    """What is measured of one level of one task, its kind still open. metrics: its rows by metric, the accuracy first; ratios:
    of trunk to run variance, by metric; chance: the accuracy is at chance at the level's most compute."""
    accuracy = next(iter(metrics))
    continuous = next((name for name in CONTINUOUS if name in metrics), "")
    tested = continuous or accuracy
    blank = Emergence(level, "chance" if chance else "open", None, tested, None, None, None)
    found = None if chance else turn(metrics[tested], ratios.get(tested, 0.0))
    if found is None:
        return blank
    follows = explained(metrics[accuracy], metrics[continuous]) if continuous else None
    return replace(blank, span=span(metrics[accuracy]), loss=found.at, p=found.p, follows=follows)


def decided(found: list[Emergence], alpha: float) -> list[Emergence]:
    """Kinds of all levels and tasks of a table, their p values adjusted for being many (Holm)."""
    p_values = iter(holm([one.p for one in found if one.p is not None]))
    told = [one if one.p is None else replace(one, p=next(p_values)) for one in found]
    return [one if one.p is None else replace(one, kind=_kind(one, alpha)) for one in told]


def _kind(one: Emergence, alpha: float) -> Kind:
    assert one.p is not None
    if one.p < alpha:
        return "break" if one.tested in CONTINUOUS else "turns"
    if one.span is None or one.span >= SUDDEN:
        return "smooth"
    return "explained" if one.follows is not None and one.follows >= FOLLOWS else "sudden"


def span(accuracy: Scores) -> float | None:
    """The share of a level's tested losses within which its accuracy makes 10 to 90 % of its rise, by its own sigmoid; None
    where there is no rise beyond the scatter of runs."""
    curve = fit_curve(accuracy)
    value_M = curve.predict(curve.levels[0], np.linspace(accuracy.loss.max(), accuracy.loss.min(), 401))[0]
    rise = float(value_M[-1] - value_M[0])
    if rise < 2 * float(np.sqrt(curve.run_variance(value_M).mean())):
        return None
    inside = (value_M > value_M[0] + 0.1 * rise) & (value_M < value_M[0] + 0.9 * rise)
    return float(inside.mean())


def explained(accuracy: Scores, continuous: Scores) -> float | None:
    """The share of the accuracy's variance between runs that a sigmoid of the continuous metric explains; None where too few
    runs have both."""
    at = dict(zip(_runs(continuous), continuous.value.tolist(), strict=True))
    under = np.array([at.get(run, np.nan) for run in _runs(accuracy)])
    both = np.isfinite(under)
    one = replace(accuracy.where(both), loss=-under[both])
    try:
        curve = fit_curve(one)
    except ValueError:
        return None
    left = curve.scores.value - curve.predict(curve.levels[0], curve.scores.loss)[0]
    whole = float(curve.scores.value.var())
    return float(np.clip(1 - (left**2).mean() / whole, 0.0, 1.0)) if whole > 0 else None


def _runs(scores: Scores) -> list[tuple[str, str, str, float]]:
    return list(zip(scores.trunk.tolist(), scores.shape.tolist(), scores.seed.tolist(), scores.D.tolist(), strict=True))
