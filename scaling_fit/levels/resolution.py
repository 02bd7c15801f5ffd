"""Which evaluation set can decide: how far levels lie apart on it, beside the noise of telling two of them apart.

The table is that of signal and noise (Heineman et al. 2025, arXiv:2508.13144): signal is the spread of what is compared, noise
that of a comparison. Here noise is the standard error of a level's mean gap to the baseline, seeds and misfit in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling_fit.levels.verdict import Verdict
from scaling_fit.observations import Observations
from scaling_fit.wording import Check, eval_words

SHARE = 1 / 3
"""Sampling of documents should be no more than this share of a run's luck."""


@dataclass(frozen=True)
class Resolution:
    """One evaluation set, in percent of the loss: `signal`, from the best to the worst of baseline and levels; `noise`, the
    standard error of a difference (the median over levels); `run`, how far the seeds of one level scatter (standard deviation);
    `sampling`, the standard error of a run's loss over documents (None: the table does not say). `detectable_beta`: the least
    shift found four times in five on every level, None where the exponent is not identified on some."""

    signal: float
    noise: float
    ratio: float
    run: float
    sampling: float | None
    detectable_beta: float | None

    @property
    def documents_wanted(self) -> float:
        """How many times the documents it takes for sampling to be `SHARE` of a run's luck."""
        return (self.sampling / (SHARE * self.run)) ** 2 if self.sampling is not None and self.run > 0 else 0.0


def resolution(verdicts: Mapping[str, Verdict], run: float, table: Observations, confidence: float) -> Resolution | None:
    """Of one set's verdicts and rows; `run`: the standard deviation of a run's log loss. None where nothing is compared."""
    compared = [one for one in verdicts.values() if one.role != "control"] or list(verdicts.values())
    if not compared:
        return None
    means = [0.0, *(one.gap.mean.value for one in compared)]
    noise = float(np.median([one.gap.mean.standard_error(confidence) for one in verdicts.values()]))
    signal = float(max(means) - min(means))
    shifts = [one.detectable_beta for one in verdicts.values()]
    known = [shift for shift in shifts if shift is not None]
    shares = (table.loss_se / table.loss)[np.isfinite(table.loss_se)]
    sampling = float(100 * np.sqrt((shares**2).mean())) if len(shares) else None
    ratio = signal / noise if noise > 0 else 0.0
    return Resolution(signal, noise, ratio, 100 * run, sampling, max(known) if len(known) == len(shifts) else None)


def sampled(found: Mapping[str, Resolution | None]) -> Check | None:
    """Whether the documents of the sets are enough; None where no table says how far their losses scatter."""
    told = {name: one for name, one in found.items() if one is not None and one.sampling is not None}
    if not told:
        return None
    question = "Are the evaluation sets large enough?"
    coarse = [name for name, one in told.items() if one.documents_wanted > 1]
    if not coarse:
        meaning = "Other documents of the kind would have moved losses less than other seeds do."
        return Check(question, f"yes, all {len(told)}", meaning)
    name = max(coarse, key=lambda name: told[name].documents_wanted)
    worst = told[name]
    moved = f"on {eval_words(name)} other documents move a loss by {worst.sampling:.1f}%, another seed by {worst.run:.1f}%"
    wanted = f"{worst.documents_wanted:,.0f} times as many would bring it to a third of the seeds' noise."
    return Check(
        question,
        f"{len(coarse)} of {len(told)} have too little text: {moved}",
        "All levels are scored on the same documents, so part of it cancels between them; the rest is in no interval. What is "
        f"said of a set holds for its documents. {wanted}",
    )
