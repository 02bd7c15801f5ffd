"""What a task's items say of a run: pure functions of the nats of every choice.

    accuracy        share of items whose right choice has the most probability; of a cloze, whose target is the likeliest text
    accuracy_bytes  the same by probability per byte (lm-eval's acc_norm counts characters), as longer choices are less likely
    margin          nats by which the right choice beats the best wrong one, mean over items
    bits_per_byte   of the right answer, summed over items as a loss is

Errors are those of sampling items: of a mean, and for bits per byte of a ratio (Cochran 1977, section 6.3). Choices that tie
share their item.

C choices, I items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Answers:
    """One task's choices, those of an item together: the item, whether the choice is right, and its bytes as written."""

    item_C: np.ndarray
    right_C: np.ndarray
    n_bytes_C: np.ndarray


@dataclass(frozen=True)
class Metric:
    """`chance`: what one gets who knows nothing; None where a metric has none."""

    metric: str
    value: float
    se: float
    chance: float | None
    n_items: int


def metrics(answers: Answers, nats_C: np.ndarray, greedy_C: np.ndarray) -> list[Metric]:
    """Every metric of one task under one run."""
    first_I = np.flatnonzero(np.concatenate(([True], answers.item_C[1:] != answers.item_C[:-1])))
    n_choices_I = np.diff(np.append(first_I, len(answers.item_C)))
    right, n = answers.right_C, len(first_I)
    nats_I, bytes_I = nats_C[right], answers.n_bytes_C[right].astype(float)
    rate = float(nats_I.sum() / bytes_I.sum())
    error = _standard_error((nats_I - rate * bytes_I) * n / bytes_I.sum())
    found = [Metric("bits_per_byte", rate / math.log(2), error / math.log(2), None, n)]
    if (n_choices_I == 1).all():
        return [_mean("accuracy", greedy_C[right].astype(float), 0.0), *found]
    chance = float((1 / n_choices_I).mean())
    wrong_I = np.minimum.reduceat(np.where(right, np.inf, nats_C), first_I)
    return [
        _mean("accuracy", _right(nats_C, right, first_I), chance),
        _mean("accuracy_bytes", _right(nats_C / answers.n_bytes_C, right, first_I), chance),
        _mean("margin", wrong_I - nats_I, None),
        *found,
    ]


def _right(cost_C: np.ndarray, right_C: np.ndarray, first_I: np.ndarray) -> np.ndarray:
    """1 for an item whose right choice costs least, a share where it ties, else 0."""
    least_I = np.minimum.reduceat(cost_C, first_I)
    n_choices_I = np.diff(np.append(first_I, len(cost_C)))
    ties_I = np.add.reduceat(cost_C == np.repeat(least_I, n_choices_I), first_I)
    return (cost_C[right_C] == least_I) / ties_I


def _mean(name: str, values_I: np.ndarray, chance: float | None) -> Metric:
    return Metric(name, float(values_I.mean()), _standard_error(values_I), chance, len(values_I))


def _standard_error(values_I: np.ndarray) -> float:
    return float(values_I.std(ddof=1) / math.sqrt(len(values_I))) if len(values_I) > 1 else math.nan
