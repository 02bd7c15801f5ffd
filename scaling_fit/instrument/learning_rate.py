"""Does the best learning rate move with curation? Three rates or more at one cell of the two extreme levels.

A parabola through loss against log rate gives each level's optimum and what the ladder's own rate costs there. If the optima
agree to well within a factor of two, and both costs are within noise, a level-specific rate cannot pass for a better exponent.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling_fit.observations import Observations
from scaling_fit.wording import Check


@dataclass(frozen=True)
class Optimum:
    """Per level: the losses by rate, the rate at the parabola's minimum, and the loss that `used` gives up against it.

    `inside` is false where the minimum lies outside the rates tried: then `lr` is the best rate tried, and only a bound.
    """

    level: str
    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    lr: float
    inside: bool
    cost_of_used: float


def rate_of(trunk: str) -> float | None:
    """The peak learning rate that a check's trunk is named after ("dedup/nano/0/lr=0.01"); None for other trunks."""
    _, marked, rate = trunk.rpartition("/lr=")
    return float(rate) if marked else None


def optima(table: Observations, used: float, eval_set: str = "heldout") -> list[Optimum]:
    """The optimum of each level. `used`: the rate of the ladder.

    Errors: ValueError without runs at several rates on the evaluation set.
    """
    by_level: dict[str, dict[float, float]] = defaultdict(dict)
    for level, trunk, name, loss in zip(table.level, table.trunk, table.eval_set, table.loss, strict=True):
        rate = rate_of(trunk)
        if name == eval_set and rate is not None:
            by_level[level][rate] = float(loss)
    if not by_level:
        raise ValueError(f"no runs at several learning rates on evaluation set {eval_set!r}; declare checks.learning_rate")
    return [_optimum(level, dict(sorted(losses.items())), used) for level, losses in sorted(by_level.items())]


def _optimum(level: str, losses: dict[float, float], used: float) -> Optimum:
    lr, loss = np.array(list(losses)), np.array(list(losses.values()))
    if len(lr) < 3:
        raise ValueError(f"level {level!r} has losses at {len(lr)} learning rates; an optimum needs 3")
    best = int(loss.argmin())
    first = max(0, min(best - 1, len(lr) - 3))
    near = slice(first, first + 3)
    a, b, c = np.polyfit(np.log(lr[near]), loss[near], 2)
    vertex = -b / (2 * a) if a > 0 else np.inf
    inside = bool(np.log(lr[0]) <= vertex <= np.log(lr[-1]))
    at = float(np.exp(vertex)) if inside else float(lr[best])
    lowest = float(np.polyval((a, b, c), vertex)) if inside else float(loss[best])
    cost = float(np.interp(np.log(used), np.log(lr), loss)) - lowest
    return Optimum(level, tuple(map(float, lr)), tuple(map(float, loss)), at, inside, cost)


def fairness(optima: Sequence[Optimum], row_noise: float) -> Check | None:
    """Whether one rate was fair: the optima against each other, and what the ladder's rate costs against the noise of a run
    (`row_noise`, of log loss)."""
    if not optima:
        return None
    best = [f"{one.level} {one.lr:.2g} (the rate used costs {one.cost_of_used:.4f} nats)" for one in optima]
    rates, costs = [one.lr for one in optima], [one.cost_of_used for one in optima]
    luck = row_noise * min(min(one.losses) for one in optima)
    unfair = max(costs) - min(costs)
    lost = [100 * one.cost_of_used / min(one.losses) for one in optima]
    if not all(one.inside for one in optima):
        meaning = "An optimum lies outside the rates tried, so its level may be judged below its best: try more rates."
    elif max(rates) / min(rates) < 2 and unfair <= luck:
        meaning = (
            f"One rate serves these levels: it costs all of them {min(lost):.1f} % of loss or more, and between levels "
            f"{max(lost) - min(lost):.1f} %, which is within luck."
        )
    else:
        meaning = f"The best rates differ: up to {unfair:.4f} nats of a difference in loss may come from that."
    return Check("Is one learning rate fair?", "best: " + ", ".join(best), meaning)
