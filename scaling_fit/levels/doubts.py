"""What was checked of a fit and what that means for its reader: the result's own doubts, each in three short texts."""

from collections.abc import Sequence

from scaling_fit.law.noise import Noise
from scaling_fit.levels.identify import Identifiability
from scaling_fit.levels.outlook import Extrapolation
from scaling_fit.levels.verdict import Verdict
from scaling_fit.levels.words import ASK_DRAWS, FEWER_DOCUMENTS
from scaling_fit.wording import Check, interval


def luck(noise: Noise, measured_apart: bool) -> Check:
    """`measured_apart`: runs repeated outside the table say how far trunks scatter, where it repeats none."""
    source = "measured between seeds" if noise.trunk_replicates else "from the fit's own residuals; no seed was repeated"
    if noise.assumed:
        source = "the trunks' from runs repeated apart" if measured_apart else "the trunks' is assumed; no seed was repeated"
    answer = f"{100 * noise.row:.2f}% per run, {100 * noise.trunk:.2f}% per trunk ({source})"
    if noise.rows_per_trunk <= 1:
        answer = f"{100 * noise.row:.2f}% per run (from the fit's own residuals; no two runs share a trunk)"
    meaning = "Two runs that differ only in their seed differ by about this much of their loss. All intervals contain it."
    if noise.rows_per_trunk <= 1 and not noise.trunk_replicates:
        meaning = "No run was repeated: this is what the law leaves over of a run, luck or not. All intervals contain it."
    return Check("Luck", answer, meaning)


def pinned_down(of_levels: dict[str, Identifiability]) -> Check:
    flags = [f"{level}: {flag}" for level, one in of_levels.items() for flag in one.flags]
    found = [one.floor_exponent_correlation for one in of_levels.values()]
    known = [abs(correlation) for correlation in found if correlation is not None]
    shown = [*flags[:3], f"and {len(flags) - 3} more, with the fitted parameters"] if len(flags) > 3 else flags
    answer = "; ".join(shown) or (f"yes; floor and exponent correlate at {max(known):.2f}" if known else "yes")
    return Check(
        "Are the parameters pinned down?",
        answer,
        "The closer that correlation is to 1, the more a lower floor and a higher exponent look alike over the tested range.",
    )


def smallest_shift(verdicts: Sequence[Verdict], baseline: str) -> Check:
    question = "Smallest shift this design can see"
    parts = [f"{one.level} {one.detectable_beta:.3f}" for one in verdicts if one.detectable_beta is not None]
    if not parts:
        return Check(question, "cannot be said", "The exponents are not pinned down well enough to say.")
    meaning = f"A difference in exponent from {baseline} smaller than this is found less than four times in five."
    return Check(question, ", ".join(parts), meaning)


def forecasts(extrapolation: Extrapolation) -> Check:
    rate, bias = extrapolation.rate_percent_per_e_fold, extrapolation.bias_percent
    if rate is None or bias is None:
        meaning = "Predictions beyond the tested range have no interval: do not rely on them."
        return Check("Forecast error", "could not be measured", meaning)
    return Check(
        "Forecast error",
        f"{rate:.2f}% of loss for every factor of 2.7 in compute, bias {bias:+.2f}%",
        "Measured by hiding the largest runs and predicting them. Bands beyond the tested range contain it; the bias is off.",
    )


def random_part(verdict: Verdict, baseline: str, drawn: bool) -> tuple[Check, str]:
    """Whether a random part of the baseline is as good as the baseline; the second is a warning where it is not. drawn: several
    times, so that it is not luck of the draw."""
    mean = verdict.gap.mean
    question, answer = f"Control: {verdict.level}", f"{interval(mean, '%+.2f')}% of loss against {baseline}"
    if mean.low <= 0 <= mean.high:
        return Check(question, answer, f"A random part of {baseline} is as good as the whole."), ""
    meaning = f"Differences of this size are luck of the draw, or the price of fewer documents; {ASK_DRAWS}."
    if drawn:
        meaning = f"Several draws miss {baseline} alike: {FEWER_DOCUMENTS}"
    return Check(question, answer, meaning), f"{question}: {answer}. {meaning}"
