"""The one rule by which levels are told apart. Headline, rows, colours, planner, explorer and terminal all ask here.

Two levels differ where the interval of the difference between their losses excludes zero; otherwise they tie. Over the tested
range a level's loss is its mean gap to the baseline (`gap`), at a budget that of the best run it can pay for (`budget`). The
baseline stays unless a contender is shown to have a lower loss than it.

Shape suffixes: R replicates (row 0 the estimate).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from scaling_fit.intervals import Interval, percentile

Direction = Literal["better", "worse", "unclear"]
Tone = Literal["better", "worse", "plain"]


def direction(difference: Interval) -> Direction:
    """Of a loss minus another."""
    return "better" if difference.high < 0 else "worse" if difference.low > 0 else "unclear"


def tone(found: Direction, contends: bool) -> Tone:
    """How a direction is coloured: good or bad news is only what could be trained on in the baseline's place."""
    return found if contends and found != "unclear" else "plain"


@dataclass(frozen=True)
class Order:
    """Levels by their loss, lowest first. `tied`: by level, those it is not told apart from, in the same order."""

    levels: tuple[str, ...]
    tied: dict[str, tuple[str, ...]]

    def ahead(self, level: str, other: str) -> bool:
        """Whether a level is shown to have the lower loss."""
        return other not in self.tied[level] and self.levels.index(level) < self.levels.index(other)

    def between(self, level: str, other: str) -> Direction:
        if level == other or other in self.tied[level]:
            return "unclear"
        return "better" if self.ahead(level, other) else "worse"


@dataclass(frozen=True)
class Decision:
    """`chosen`: the contender of the lowest loss among those ahead of the baseline, None where there is none and the baseline
    stays; `tied`: contenders not told apart from what is chosen, the lowest loss first."""

    chosen: str | None
    tied: tuple[str, ...]


def order(loss_R: Mapping[str, np.ndarray], confidence: float, reach: Mapping[frozenset[str], float]) -> Order:
    """From losses in any one unit, replicates paired between levels. reach: half-width of what else moves a difference of two
    levels (the luck of their documents), by pair; none where a pair is not named."""
    levels = tuple(sorted(loss_R, key=lambda level: np.nan_to_num(loss_R[level][0], nan=np.inf)))
    tied: dict[str, list[str]] = {level: [] for level in levels}
    for low, high in combinations(levels, 2):
        difference_R = loss_R[low] - loss_R[high]
        found = percentile(float(difference_R[0]), difference_R[1:], confidence, corrected=False)
        if direction(widened(found, reach.get(frozenset((low, high)), 0.0))) != "better":
            tied[low].append(high)
            tied[high].append(low)
    return Order(levels, {level: tuple(other for other in levels if other in tied[level]) for level in levels})


def widened(found: Interval, reach: float) -> Interval:
    """An interval with the half-width of an independent part added in squares."""
    low, high = np.hypot(found.value - found.low, reach), np.hypot(found.high - found.value, reach)
    return Interval(found.value, float(found.value - low), float(found.value + high))


def decide(order: Order, baseline: str, contenders: Collection[str]) -> Decision:
    better = [level for level in order.levels if level in contenders and order.ahead(level, baseline)]
    chosen = better[0] if better else None
    return Decision(chosen, tuple(level for level in order.tied[chosen or baseline] if level in contenders))
