"""Runs whose loss is far from what the others say of their N and D: a quick look before any law is fitted."""

import numpy as np

from scaling_fit.checks import Fault
from scaling_fit.observations import Observations

FEWEST = 10  # rows of a level and evaluation set: with fewer, six coefficients follow any of them
FAR = 8.0  # times the scatter of the others
LEAST = 0.05  # of the loss: what no seed of a run that went well does
ROUNDS = 30


def strays(table: Observations) -> tuple[Fault, ...]:
    """Rows off a smooth surface through the others of their level and evaluation set, as warnings.

    The surface is quadratic in ln N and ln D, for ln loss, fitted to least absolute deviations by reweighting, so that a row
    which is far off does not bend it; the scatter is 1.48 times the median absolute deviation.
    """
    faults = []
    for level in table.levels:
        for name in table.eval_sets:
            one = table.where((table.level == level) & (table.eval_set == name))
            if len(one) < FEWEST:
                continue
            off_R = _off(np.log(one.N), np.log(one.D), np.log(one.loss))
            limit = max(FAR * 1.48 * float(np.median(np.abs(off_R))), LEAST)
            for k in np.flatnonzero(np.abs(off_R) > limit):
                side = f"{abs(np.expm1(off_R[k])):.0%} {'above' if off_R[k] > 0 else 'below'}"
                faults.append(
                    Fault(
                        "stray-run", "warning",
                        f"row {one.row[k]}: the loss {one.loss[k]:.4g} is {side} what the others of level {level} say of its "
                        f"N and D ({name}): did it diverge, or end early? Repair it, or leave it out with --where",
                        (int(one.row[k]),),
                    )
                )  # fmt: skip
    return tuple(faults)


def _off(x_R: np.ndarray, y_R: np.ndarray, z_R: np.ndarray) -> np.ndarray:
    """z less the quadratic surface over x and y that has the least absolute deviations."""
    x_R, y_R = (v - v.mean() for v in (x_R, y_R))
    terms_RT = np.stack([np.ones_like(x_R), x_R, y_R, x_R * y_R, x_R**2, y_R**2], axis=1)
    weight_R = np.ones_like(z_R)
    off_R = z_R
    for _ in range(ROUNDS):
        root_R = np.sqrt(weight_R)
        coefficients_T = np.linalg.lstsq(terms_RT * root_R[:, None], z_R * root_R, rcond=None)[0]
        off_R = z_R - terms_RT @ coefficients_T
        weight_R = 1 / np.maximum(np.abs(off_R), 1e-4)
    return off_R
