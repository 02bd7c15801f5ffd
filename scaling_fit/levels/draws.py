"""The luck of which documents a level got, from runs on several draws of it.

Seeds that read one draw of a level know nothing of which documents it kept. Runs on other draws differ by that luck and by
their seeds, so it is what is left of the variance between draws: a one-way layout with random effects (Searle, Casella and
McCulloch 1992, "Variance Components", chapter 3). It is a component of every level's difference to the baseline, since a level
that was drawn once is one draw of the text that it stands for; a level of several draws averages it.

A level that keeps most of the baseline's text has little room for luck. Sampling a share s of a finite whole leaves a variance
in proportion to 1/s - 1 (Cochran 1977, "Sampling Techniques", section 2.6), so what was measured at the drawn levels' share of
the unique tokens is scaled to each level's own.

Shape suffixes: N rows, U units (the seeds of one draw of a level), G draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import chdtr, gammaincinv, ndtr

from scaling_fit.observations import Observations
from scaling_fit.wording import Check, listed

Array = np.ndarray
GRID = 2000  # quantiles of a posterior


@dataclass(frozen=True)
class DrawLuck:
    """`between`: variance of draws' mean log losses, `df` behind it; `seeds`: how much of it the seeds explain; `levels` that
    were drawn more than once; `shares`: by level, how much of one draw's luck its own loss has."""

    between: float
    seeds: float
    df: int
    levels: tuple[str, ...]
    shares: dict[str, float]

    @property
    def percent(self) -> float:
        """Standard deviation of one draw beyond what seeds explain, percent of loss."""
        return 100 * max(self.between - self.seeds, 0.0) ** 0.5

    def reach(self, confidence: float) -> float:
        """Half-width of the interval of one draw's luck, percent of loss: Student's t where seeds explain nothing. Else the
        variance between draws has its scaled inverse chi-squared posterior above what seeds explain (Box and Tiao 1973,
        "Bayesian Inference in Statistical Analysis", section 5.2): few draws that happen to agree show no absence of luck."""
        scale = self.df * self.between
        below = chdtr(self.df, scale / self.seeds) if self.seeds else 1.0
        if scale * below == 0:
            return 0.0
        middles = (np.arange(GRID) + 0.5) / GRID
        sd = np.sqrt(np.maximum(scale / (2 * gammaincinv(self.df / 2, below * middles)) - self.seeds, 1e-30))
        bracket = 0.0, 1e3 * float(sd.max())
        return 100 * root_scalar(lambda half: float(2 * ndtr(-half / sd).mean()) - (1 - confidence), bracket=bracket).root


def reaches(levels: Sequence[str], luck: DrawLuck | None, confidence: float) -> dict[frozenset[str], float]:
    """What the luck of documents adds to the difference of every two levels, percent of loss."""
    if luck is None:
        return {}
    one = luck.reach(confidence)
    return {frozenset(pair): one * sum(luck.shares[level] for level in pair) ** 0.5 for pair in combinations(levels, 2)}


def draw_luck(table: Observations, baseline: str) -> tuple[DrawLuck | None, Array]:
    """The luck of documents in one evaluation set's runs, and how far each row's draw lies from its level's mean in log loss,
    [N], zero where a level was drawn once. None where no level was drawn twice.

    Draws and seeds are compared cell by cell (level, shape, D); of a seed's cells the median counts, so that a stray run is no
    luck of documents. Without two seeds on any draw, all that lies between draws counts.
    """
    key_N = [f"{level}\0{draw}" for level, draw in zip(table.level, table.draw, strict=True)]
    draws, draw_N = np.unique(key_N, return_inverse=True)
    level_G = np.array([one.partition("\0")[0] for one in draws], dtype=object)
    drawn = tuple(level for level in table.levels if (level_G == level).sum() > 1)
    if not drawn:
        return None, np.zeros(len(table))
    away_N = np.log(table.loss) - _means(np.log(table.loss), table.level, table.shape, table.D)
    units, unit_N = np.unique(np.stack([draw_N, np.unique(table.seed, return_inverse=True)[1]]), axis=1, return_inverse=True)
    draw_U = units[0]
    away_U = np.array([np.median(away_N[unit_N == unit]) for unit in range(len(draw_U))])
    n_G = np.bincount(draw_U).astype(float)
    away_G = np.bincount(draw_U, away_U) / n_G
    within, within_df = float(((away_U - away_G[draw_U]) ** 2).sum()), len(draw_U) - len(draws)
    between, df, repeats, shares = 0.0, 0, 0.0, {}
    effect_G = np.zeros(len(draws))
    for level in table.levels:
        mine = level_G == level
        shares[level] = float((n_G[mine] ** 2).sum() / n_G[mine].sum() ** 2)
        if level in drawn:
            effect_G[mine] = away_G[mine] - np.average(away_G[mine], weights=n_G[mine])
            between += float((n_G[mine] * effect_G[mine] ** 2).sum())
            df += int(mine.sum()) - 1
            repeats += n_G[mine].sum() * (1 - shares[level])
    seeds = within / within_df if within_df else 0.0
    repeated = repeats / df  # seeds of a draw; where draws have unlike numbers, their mean in the layout's sense
    scale = _room(table, baseline, drawn)
    shares = {level: share * (1.0 if level in drawn else scale[level]) for level, share in shares.items()}
    return DrawLuck(between / df / repeated, seeds / repeated, df, drawn, shares), effect_G[draw_N]


def _means(value_N: Array, *labels: Array) -> Array:
    """The mean over the rows that share all labels, at every row."""
    key_KN = np.stack([np.unique(label, return_inverse=True)[1] for label in labels])
    cell_N = np.unique(key_KN, axis=1, return_inverse=True)[1]
    return (np.bincount(cell_N, value_N) / np.bincount(cell_N))[cell_N]


def _room(table: Observations, baseline: str, drawn: Sequence[str]) -> dict[str, float]:
    """By level, the variance of a draw of its size over that of the drawn levels' size; one where sizes are unknown. The
    baseline is the whole that others are drawn from, so it has none."""
    unique = {level: float(np.median(table.unique[table.level == level])) for level in table.levels}
    room = {level: max(unique[baseline] / size - 1, 0.0) for level, size in unique.items()}
    measured = float(np.mean([room[level] for level in drawn]))
    scale = {level: one / measured if measured > 0 else 1.0 for level, one in room.items()}
    return {level: one if np.isfinite(one) else 1.0 for level, one in scale.items()} | {baseline: 0.0}


def told(luck: DrawLuck) -> Check:
    meaning = "Every interval of a difference contains it, as far as a level's share of the text leaves room for it."
    if not luck.percent:
        meaning = f"No more than seeds explain. {meaning}"
    return Check(
        "Luck of which documents a level got",
        f"{luck.percent:.2f}% of the loss between draws of {listed(list(luck.levels))} ({luck.df} degrees of freedom)",
        meaning,
    )
