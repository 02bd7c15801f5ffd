"""Is a rise that looks sudden a break, or a smooth rise seen through a threshold (Schaeffer et al. 2023, arXiv:2304.15004)?

An accuracy counts an answer as wrong until the right choice leads, so that it may turn where nothing else does. The metric
under it, the margin of the right choice, knows no threshold. The accuracy alone turning is explained by it; the margin turning
is a break.
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


def emergence(level: str, metrics: dict[str, Scores], ratios: dict[str, float], chance: bool) -> Emergence:
    """What is measured of one level of one task, its kind still open. metrics: its rows by metric, the accuracy first; ratios:
    of trunk to run variance, by metric; chance: the accuracy is at chance at the level's most compute."""
    accuracy = next(iter(metrics))
    continuous = next((name for name in CONTINUOUS if name in metrics), "")
    blank = Emergence(level, "chance" if chance else "open", None, None, continuous, None, None, None)
    turns = None if chance else turn(metrics[accuracy], ratios.get(accuracy, 0.0))
    under = turn(metrics[continuous], ratios.get(continuous, 0.0)) if turns and continuous else None
    if turns is None or (continuous and under is None):
        return blank
    follows = explained(metrics[accuracy], metrics[continuous]) if continuous else None
    return replace(
        blank, loss=turns.at, p_accuracy=turns.p, loss_continuous=under and under.at, p_continuous=under and under.p,
        follows=follows,
    )  # fmt: skip


def decided(found: list[Emergence], alpha: float) -> list[Emergence]:
    """Kinds of all levels and tasks of a table, their p values adjusted for being many (Holm)."""
    p_accuracy = iter(holm([one.p_accuracy for one in found if one.p_accuracy is not None]))
    p_under = iter(holm([one.p_continuous for one in found if one.p_continuous is not None]))
    out = []
    for one in found:
        if one.p_accuracy is not None:
            under = None if one.p_continuous is None else next(p_under)
            one = replace(one, p_accuracy=next(p_accuracy), p_continuous=under)
            one = replace(one, kind=_kind(one, alpha))
        out.append(one)
    return out


def _kind(one: Emergence, alpha: float) -> Kind:
    assert one.p_accuracy is not None
    if one.p_continuous is not None and one.p_continuous < alpha:
        return "break"
    if one.p_accuracy >= alpha:
        return "smooth"
    return "explained" if one.follows is not None and one.follows >= FOLLOWS else "turns"


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
