"""The luck of which documents a level got: several draws of one control, set by set.

The seeds of a level read the same documents, so their spread knows nothing of which ones the draw kept. Levels that are draws
of the same thing differ by that luck and by their seeds' noise; the first is what is left of the variance between them. It
is a component of every level's gap to the baseline, since a level of that size is one draw of the text that it stands for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import stdtrit

from scaling_fit.levels import decision
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.decision import Order
from scaling_fit.levels.gap import Gap, gap, mean_gap
from scaling_fit.settings import Settings
from scaling_fit.wording import Check, listed


@dataclass(frozen=True)
class DrawLuck:
    """`between`: variance of the mean gap between draws (percent of loss, squared), `df` behind it; `seeds`: how much of it the
    seeds' noise explains; `levels` that were compared."""

    between: float
    seeds: float
    df: int
    levels: tuple[str, ...]

    @property
    def variance(self) -> float:
        """Of one draw, beyond the seeds' noise."""
        return max(self.between - self.seeds, 0.0)

    def reach(self, draws: int, confidence: float) -> float:
        """Half-width of the interval of so many draws' sum, percent of loss."""
        return float(stdtrit(self.df, (1 + confidence) / 2) * (draws * self.variance) ** 0.5)


def gaps_of(whole: Comparison, settings: Settings) -> tuple[dict[str, Gap], DrawLuck | None]:
    """Every level's gap to the baseline, with the luck of a draw in it where there are draws to measure it by."""
    plain = {level: gap(whole, level, settings.confidence) for level in whole.levels[1:]}
    luck = draw_luck(plain, settings.draws, settings.confidence)
    if luck is None:
        return plain, None
    return {level: widened(one, luck, settings.confidence) for level, one in plain.items()}, luck


def draw_luck(gaps: Mapping[str, Gap], draws: Sequence[Sequence[str]], confidence: float) -> DrawLuck | None:
    """From the gaps of levels that are draws of the same thing, pooled over groups; None without two draws of anything."""
    groups = [[level for level in group if level in gaps] for group in draws]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return None
    df = sum(len(group) - 1 for group in groups)
    means = [np.array([gaps[level].mean.value for level in group]) for group in groups]
    named = tuple(level for group in groups for level in group)
    # the baseline's own noise is common to all draws, so half the variance of a difference is a draw's
    errors = [gaps[level].mean.standard_error(confidence) for level in named]
    squares = sum(float(((mean - mean.mean()) ** 2).sum()) for mean in means)
    return DrawLuck(squares / df, float(np.mean(np.square(errors)) / 2), df, named)


def widened(gap: Gap, luck: DrawLuck, confidence: float) -> Gap:
    """The gap with the luck of one draw in its intervals over the tested range; what lies beyond it gets the same."""
    reach = luck.reach(1, confidence)
    spans = {name: decision.widened(getattr(gap, name), reach) for name in ("mean", "first", "last", "beyond")}
    return replace(gap, **spans)


def reaches(levels: Sequence[str], baseline: str, luck: DrawLuck | None, confidence: float) -> dict[frozenset[str], float]:
    """What the luck of documents adds to the difference of every two levels (percent of loss): one draw against the baseline,
    two between other levels."""
    if luck is None:
        return {}
    return {frozenset(pair): luck.reach(2 - (baseline in pair), confidence) for pair in combinations(levels, 2)}


def order_of(whole: Comparison, luck: DrawLuck | None, confidence: float) -> Order:
    """The levels by their mean gap over the tested range."""
    loss_R = {whole.baseline: np.zeros(len(whole.theta_RP) + 1)}
    loss_R |= {level: mean_gap(whole, level) for level in whole.levels[1:]}
    return decision.order(loss_R, confidence, reaches(whole.levels, whole.baseline, luck, confidence))


def told(luck: DrawLuck) -> Check:
    sd = luck.variance**0.5
    meaning = "Every interval of a difference contains it."
    if not sd:
        meaning = "No more than seeds explain, so no interval was made wider."
    return Check(
        "Luck of which documents a level got",
        f"{sd:.2f}% of the loss between {listed(list(luck.levels))} ({luck.df} degrees of freedom)",
        meaning,
    )
