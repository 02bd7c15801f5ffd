"""Noise from repeated runs alone, with no law in between: what `assay noise` measured, for the fit and for the design.

Runs that differ only in their seed share a cell (level, shape, D); their log losses scatter by the trunk's luck, which all
branches of one trunk share, and by the branch's own. Both variances come by restricted maximum likelihood around a free
mean per cell. Shape suffixes: N points, C trunks, K cells.
"""

from dataclasses import dataclass

import numpy as np

from scaling_fit.law.groups import trunks
from scaling_fit.law.noise import RATIOS, reml
from scaling_fit.observations import observations

Array = np.ndarray


@dataclass(frozen=True)
class Repeats:
    """Standard deviations of log loss: `row` (a branch's own; 0 where every trunk has one D, so that it cannot be told apart),
    `trunk` (shared by a trunk's branches); the trunks' degrees of freedom, and how many trunks and cells they come from."""

    row: float
    trunk: float
    trunk_df: float
    trunks: int
    cells: int


def measure(table: object, eval_set: str | None = None) -> Repeats:
    """Row and trunk noise of repeated runs on one evaluation set (default "heldout" if there, else the first).

    table: anything `observations` reads. Errors: ValueError where no cell has two seeds, or the set is not in the table.
    """
    data = observations(table)
    name = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
    if name not in data.eval_sets:
        raise ValueError(f"evaluation set {name!r} is not in the noise table; it has {', '.join(data.eval_sets)}")
    rows = data.where(data.eval_set == name)
    rows = rows.where(np.argsort(rows.trunk.astype(str), kind="stable"))
    laid = trunks(rows.trunk, rows.level, 0.0)
    cells = {cell: k for k, cell in enumerate(dict.fromkeys(zip(rows.level, rows.shape, rows.D, strict=True)))}
    n, K, C = len(rows), len(cells), len(laid.starts_C)
    shapes = len({(level, shape) for level, shape, _ in cells})
    if n == K:
        raise ValueError("no cell (level, shape, tokens) has two seeds; train at least two seeds of one cell")
    dummies_NK = np.eye(K)[[cells[cell] for cell in zip(rows.level, rows.shape, rows.D, strict=True)]]
    y_N = np.log(rows.loss)
    branched = n > C
    fits = reml(y_N, dummies_NK, laid, RATIOS if branched else RATIOS[:1])
    best = int(np.argmin([fit[0] for fit in fits]))
    sd = float(np.sqrt(fits[best][1] / (n - K)))
    if not branched:
        return Repeats(0.0, sd, float(n - K), C, K)
    return Repeats(sd, sd * float(np.sqrt(RATIOS[best])), float(max(C - shapes, 1)), C, K)


def trunk_noise(table: object) -> dict[str, tuple[float, float]]:
    """Evaluation set -> the trunks' standard deviation of log loss and its degrees of freedom."""
    data = observations(table)
    found = {name: measure(data, name) for name in data.eval_sets}
    return {name: (one.trunk, one.trunk_df) for name, one in found.items()}
