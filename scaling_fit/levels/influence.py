"""Does one rung carry the answer, or lie off it? Every token count, and every shape, left out in turn.

Without a rung an exponent moves by chance: by the root of the variance that the rung takes away (Hausman 1978: an efficient
estimate is uncorrelated with its difference to one from fewer data). That its runs do not follow the law of the others is
another question: the F test of what misfit goes with them. A badly tuned rung fails it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from scaling_fit.law.estimate import Estimate
from scaling_fit.law.groups import Part
from scaling_fit.law.solve import solve
from scaling_fit.levels.compare import Cell, Comparison, lay_out
from scaling_fit.observations import Observations
from scaling_fit.wording import Check, count, probability

FEWEST_TOKENS = 4  # that must be left of every level: one more than floor, prefactor and exponent
SURE = 0.01
"""Chance that some rung of no fault is called off (Bonferroni)."""


@dataclass(frozen=True)
class Influence:
    """A rung left out ("D 81.9K" or "shape nano"). Of a level: its shift of beta without the rung, how far that is from the
    shift with all, and in standard errors of such a move. `p`: of the rung's runs, all levels together, as runs of the law of
    the others."""

    rung: str
    level: str
    delta_beta: float
    move: float
    z: float
    p: float


def influence(whole: Comparison) -> tuple[Influence, ...]:
    """Of every rung on every level but the baseline; of none where too little is left without it."""
    followed = ~np.isin(whole.table.row, whole.wild)  # a stray run says nothing of its rung
    table, runs, found = whole.table.where(followed), whole.runs.where(followed), []
    rungs = [(f"D {count(D)}", table.D != D) for D in np.unique(table.D)]
    if whole.by_shape and len(whole.shapes) > 1:
        rungs += [(f"shape {shape}", table.shape != shape) for shape in whole.shapes]
    before, everything = _shifts(whole, table)
    if whole.shared is not None:  # a rung off the law is off it at all levels: as the runs are, before that was taken out
        _, everything = _shifts(whole, runs)
    for rung, kept in rungs:
        rest = table.where(kept)
        if not _enough(rest, whole):
            continue
        shifts, rss = _shifts(whole, rest)
        if whole.shared is not None:
            _, rss = _shifts(whole, runs.where(kept))
        gone, df = len(table) - len(rest), len(rest) - whole.grouped.problem.n_parameters
        p = float(fdtrc(gone, df, max(everything - rss, 0.0) / gone / (rss / df))) if df > 0 and rss > 0 else 1.0
        for level, (delta, variance) in shifts.items():
            move, chance = delta - before[level][0], variance - before[level][1]
            z = move / chance**0.5 if chance > 1e-12 * variance else 0.0
            found.append(Influence(rung, level, delta, move, float(z), p))
    return tuple(found)


def _enough(rest: Observations, whole: Comparison) -> bool:
    """Whether every level is left with token counts enough for its law."""
    return all(len(np.unique(rest.D[rest.level == level])) >= FEWEST_TOKENS for level in whole.levels)


def _shifts(whole: Comparison, rows: Observations) -> tuple[dict[str, tuple[float, float]], float]:
    """Each level's difference of beta with its variance, and the misfit, by the law and the noise of the whole fit."""
    laid, _, _ = lay_out(rows, whole.baseline, whole.noise.ratio, whole.grouped.pivot, whole.grouped.law.name)
    start_P = whole.theta_P[[whole.grouped.columns.index(column) for column in laid.columns]]
    fit = solve(laid.problem, start_P[None], tolerance=1e-10)
    theta_P = fit.theta_RP[0]
    everything = np.ones(len(theta_P), bool)
    cov_PP, _ = Estimate(laid.problem, theta_P, everything, whole.rss / whole.df, whole.df).covariance()
    columns = {level: laid.column("beta", Part("difference", Cell(level))) for level in whole.levels[1:]}
    return {level: (float(theta_P[k]), float(cov_PP[k, k])) for level, k in columns.items()}, 2.0 * float(fit.objective_R[0])


def carried(found: tuple[Influence, ...]) -> Check | None:
    """Whether a rung lies off the law, and how far the one that moves an exponent most does; None where none was left out."""
    if not found:
        return None
    question = "Does one rung carry the answer?"
    p_of = {one.rung: one.p for one in found}
    off, chance = min(((rung, min(1.0, p * len(p_of))) for rung, p in p_of.items()), key=lambda item: item[1])
    shown = [one for one in found if one.rung == off] if chance < SURE else list(found)
    most = max(shown, key=lambda one: abs(one.z))
    before, after = most.delta_beta - most.move, most.delta_beta
    moved = f"without {most.rung} {most.level}'s shift of beta goes from {before:+.3f} to {after:+.3f}"
    if chance < SURE:
        meaning = "Its runs do not follow the law of the others: look at how they were trained, or begin the ladder after it."
        return Check(question, f"{off} lies off the law ({probability(chance)}); {moved}", meaning)
    errors = f"{abs(most.z):.1f} standard errors of such a move"
    return Check(question, f"no: {moved}, {errors}", "No rung lies off the law, and none moves an exponent more than this one.")
