"""Which tasks can decide: how far levels lie apart on one, beside the noise of telling two of them apart.

As `levels.resolution` does for evaluation sets, after signal and noise (Heineman et al. 2025, arXiv:2508.13144), on the runs
that levels have in common and without a curve.
"""

from collections.abc import Iterable

import numpy as np

from scaling_fit.tasks.curve import Curve
from scaling_fit.tasks.records import Signal


def signal_of(curve: Curve, levels: Iterable[str], baseline: str) -> Signal | None:
    """Of one metric. levels: those compared with the baseline; None where none of them shares a (shape, D) with it."""
    scores = curve.scores
    cells = {
        level: {
            (shape, D): scores.value[(scores.level == level) & (scores.shape == shape) & (scores.D == D)]
            for shape, D in set(zip(scores.shape.tolist(), scores.D.tolist(), strict=True))
        }
        for level in (baseline, *levels)
    }
    gaps, errors = [0.0], []
    run = curve.run_variance(curve.predict(baseline, scores.loss)[0].mean(keepdims=True))[0]
    trunk = run * curve.trunks.ratio / (1 + curve.trunks.ratio)
    for level in levels:
        common = [cell for cell, values in cells[level].items() if len(values) and len(cells[baseline][cell])]
        if not common:
            continue
        pairs = [(cells[level][cell], cells[baseline][cell]) for cell in common]
        gaps.append(float(np.mean([a.mean() - b.mean() for a, b in pairs])))
        here = [
            np.isin(scores.level, [name]) & np.isin(scores.shape, [cell[0] for cell in common]) for name in (level, baseline)
        ]
        trunks = [len(set(scores.trunk[rows].tolist())) for rows in here]
        rows = [sum(len(pair[k]) for pair in pairs) for k in (0, 1)]
        errors.append(sum(trunk / t + (run - trunk) / n for t, n in zip(trunks, rows, strict=True)) ** 0.5)
    if not errors:
        return None
    noise, spread = float(np.median(errors)), max(gaps) - min(gaps)
    items = float(np.sqrt(np.nanmean(scores.se**2))) if np.isfinite(scores.se).any() else None
    return Signal(spread, noise, spread / noise if noise > 0 else 0.0, float(run**0.5), items)
