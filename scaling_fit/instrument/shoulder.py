"""Does a ladder begin past its shoulder? Where learning begins a loss falls slowly, then faster; by a law E + B / D^beta it
only ever falls slower (its local slope -d ln L / d ln D is beta (1 - E / L)). So no law follows both, and what it misses it
puts into the exponent.

Shapes: C trunks (curves of one shape), D token counts, G = D - 1 gaps between them.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from scaling_fit.observations import Observations

SURE = 3.0  # standard errors by which the steepest gap must beat the first
MATERIAL = 0.1  # and by which share of itself


@dataclass(frozen=True)
class Shoulder:
    """A shape whose curves get steeper: `slope_G` between its token counts, mean of its trunks; `begin`: the D from which they
    are steepest, and then flatten."""

    shape: str
    slope_G: tuple[float, ...]
    begin: float
    rows: tuple[int, ...]


def local_slopes(tokens_D: np.ndarray, loss_CD: np.ndarray) -> np.ndarray:
    """-d ln L / d ln D between neighbouring token counts: [C, G]."""
    return -np.diff(np.log(loss_CD), axis=1) / np.diff(np.log(tokens_D))


def shoulders(table: Observations) -> list[Shoulder]:
    """The shapes whose ladder begins on the shoulder: of three or more D and two or more trunks (level and seed) at least,
    each judged on the mean of ln L over its evaluation sets."""
    found = []
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(~table.repeated).tolist():
        rows_of[table.shape[row]].append(row)
    for shape, rows in rows_of.items():
        if len(rows) < 6:  # three D of two trunks
            continue
        mine = table.where(np.array(rows))
        curves: dict[tuple[str, str], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
        for level, trunk, tokens, loss in zip(mine.level, mine.trunk, mine.D, mine.loss, strict=True):
            curves[level, trunk][tokens].append(np.log(loss))
        tokens_D = np.unique(mine.D)
        whole = [curve for curve in curves.values() if len(curve) == len(tokens_D)]
        if len(tokens_D) < 3 or len(whole) < 2:
            continue
        loss_CD = np.exp([[np.mean(curve[tokens]) for tokens in tokens_D] for curve in whole])
        slope_CG = local_slopes(tokens_D, loss_CD)
        slope_G = slope_CG.mean(0)
        steepest = int(slope_G.argmax())
        rise_C = slope_CG[:, steepest] - slope_CG[:, 0]
        error = rise_C.std(ddof=1) / np.sqrt(len(rise_C))
        if rise_C.mean() > max(SURE * error, MATERIAL * slope_G[steepest]):
            early = mine.row[np.isin(mine.D, tokens_D[:steepest])]
            found.append(Shoulder(shape, tuple(slope_G.tolist()), float(tokens_D[steepest]), tuple(early.tolist())))
    return found
