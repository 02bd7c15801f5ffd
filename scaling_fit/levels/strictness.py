"""How strictly to curate a finite pool, by the tokens that will be trained: better tokens against more of them.

Shape suffixes: R replicates (row 0 the estimate), L levels, S strictnesses, C budgets.

A level's D tokens are worth D_eff = m w(D, U) of the baseline's: m is the worth of one fresh token, U what is left of the pool,
and w(D, U) counts a token less each time it is repeated (Muennighoff et al. 2023). Strict levels have a larger m and a smaller
U, so that which is best depends on D (Goyal et al. 2024). Between levels ln m is taken along straight lines in ln U.
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.intervals import Interval, percentile
from scaling_fit.levels.budget import R_STAR, worth
from scaling_fit.levels.compare import Comparison
from scaling_fit.settings import Settings

Array = np.ndarray
STRICTNESSES, BUDGETS = 61, 25
REACH = 30.0
"""Budgets go this many times past all that the pool has."""
LEAST = 2
"""Levels of different size: two make a line."""


@dataclass(frozen=True)
class Best:
    """With D tokens to train: the share of the baseline's unique tokens that is best to keep, what that makes the D tokens
    worth against the baseline's, and the level that is best of those there are, with the share of replicates that agree."""

    D: float
    kept: Interval
    gain: Interval
    level: str
    sure: float


@dataclass(frozen=True)
class Strictness:
    """`levels` by the unique tokens they have, the baseline's first; `best` over budgets of D tokens; `r_star`: repeats after
    which a token is worth 1/e."""

    levels: tuple[str, ...]
    unique: tuple[float, ...]
    r_star: float
    best: tuple[Best, ...]


def strictness(whole: Comparison, log_worth_RL: Array, settings: Settings, r_star: float = R_STAR) -> Strictness | None:
    """log_worth_RL: ln m of `whole.levels`, row 0 the estimate. None where the table does not say how many tokens the baseline
    and another plain level have."""
    table, unique = whole.table, {}
    for k, level in enumerate(whole.levels):
        tokens = table.unique[table.level == level]
        if settings.role(level) == "level" and np.isfinite(tokens).all():
            unique[level] = (float(tokens.max()), k)
    if whole.baseline not in unique:
        return None
    pool, first = unique[whole.baseline]
    smaller = {level: one for level, one in unique.items() if one[0] <= pool}
    levels = sorted(smaller, key=lambda level: (-smaller[level][0], level != whole.baseline))
    U_L, at = np.array([smaller[level][0] for level in levels]), [smaller[level][1] for level in levels]
    if len(np.unique(U_L)) < LEAST:
        return None
    log_m_RL = log_worth_RL[:, at] - log_worth_RL[:, [first]]
    budgets_C = np.geomspace(min(float(table.D.min()), float(U_L.min())), pool * REACH, BUDGETS)
    U_S = np.geomspace(U_L[-1], pool, STRICTNESSES)
    log_m_RS = np.array([np.interp(np.log(U_S), np.log(U_L[::-1]), row[::-1]) for row in log_m_RL])
    baseline_C = worth(budgets_C, pool, r_star)
    best = []
    for D, own in zip(budgets_C, baseline_C, strict=True):
        gain_RS = log_m_RS + np.log(worth(np.full(STRICTNESSES, D), U_S, r_star))
        gain_RL = log_m_RL + np.log(worth(np.full(len(levels), D), U_L, r_star))
        at_R, winner_R = gain_RS.argmax(1), gain_RL.argmax(1)
        kept_R, gain_R = U_S[at_R] / pool, np.exp(gain_RS.max(1)) / own
        best.append(
            Best(
                float(D),
                percentile(float(kept_R[0]), kept_R[1:], settings.confidence, corrected=False),
                percentile(float(gain_R[0]), gain_R[1:], settings.confidence, corrected=False),
                levels[winner_R[0]],
                float((winner_R[1:] == winner_R[0]).mean()),
            )
        )
    return Strictness(tuple(levels), tuple(U_L.tolist()), r_star, tuple(best))
