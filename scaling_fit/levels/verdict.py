"""From tests to a sentence a team can act on, including the sentence that the design cannot tell.

Rules, in order (alpha 5 %, Holm over levels; the exponent is always judged with the floor free):
1. A shift of any kind is shown (F of everything against nothing)?
   exponent shown, floor free -> "exponent"; and the floor too, exponent free -> "exponent and floor";
   exponent not shown, but |delta beta| < margin shown -> "multiplier" or "floor", whichever of the two fits better;
   otherwise the level differs, and which part moved is "not identifiable".
2. No shift shown: exponent and multiplier both shown equivalent -> "none"; exponent equivalent only -> "undetected";
   otherwise "not identifiable".
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from scaling_fit.intervals import Interval, finite, percentile
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.shift import Shift

KINDS = ("exponent", "floor", "exponent and floor", "multiplier", "none", "undetected", "not identifiable")


@dataclass(frozen=True)
class Verdict:
    """`kind` is one of KINDS; `direction` "better", "worse" or "unclear" over the tested range; `shifted` whether any
    difference is shown at all; `sentence` says it, `reading` says what to do."""

    level: str
    kind: str
    direction: str
    shifted: bool
    sentence: str
    reading: str
    difference_percent: Interval
    floor_nats: Interval
    detectable_beta: float

    def to_dict(self) -> dict:
        return {
            "level": self.level,
            "kind": self.kind,
            "direction": self.direction,
            "shifted": self.shifted,
            "sentence": self.sentence,
            "reading": self.reading,
            "difference_percent": self.difference_percent.to_dict(),
            "floor_nats": self.floor_nats.to_dict(),
            "detectable_beta": finite(self.detectable_beta),
        }


def detectable(se: float, df: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest shift found with this power by a two-sided t test at alpha."""
    return float((stdtrit(df, 1 - alpha / 2) + stdtrit(df, power)) * se)


def mean_difference(whole: Comparison, level: str, confidence: float, last: bool = False) -> Interval:
    """Percent loss difference to the baseline, averaged over the tested (shape, D) (or at each shape's last D)."""
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP])
    parts = []
    for shape, size in whole.shapes.items():
        base = whole.table.D[(whole.table.level == whole.baseline) & (whole.table.shape == shape)]
        own = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
        if not len(base) or not len(own):
            continue
        D = np.unique(own)[-1:] if last else np.unique(own)
        N = np.full(len(D), size)
        parts.append(whole.log_loss(level, shape, N, D, theta_RP) - whole.log_loss(whole.baseline, shape, N, D, theta_RP))
    if not parts:
        return Interval(np.nan, -np.inf, np.inf)
    draws = 100 * np.concatenate(parts, 1).mean(1)
    return percentile(draws[0], draws[1:], confidence, corrected=False)


def floor_difference(whole: Comparison, level: str, confidence: float) -> Interval:
    """Floor minus the baseline's, nats/token (mean over shapes where floors are per shape)."""
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP])
    own, base = whole.parameters(level, theta_RP), whole.parameters(whole.baseline, theta_RP)
    names = [n for n in own if (n == "E" or n.startswith("E[")) and n in base]
    if not names:
        return Interval(np.nan, -np.inf, np.inf)
    draws = np.mean([own[n] - base[n] for n in names], axis=0)
    return percentile(draws[0], draws[1:], confidence)


def _ends(interval: Interval, digits: str = ".3f") -> str:
    low = "no lower limit" if not np.isfinite(interval.low) else f"{interval.low:{digits}}"
    high = "no upper limit" if not np.isfinite(interval.high) else f"{interval.high:{digits}}"
    return f"[{low}, {high}]"


def judge(
    whole: Comparison,
    shift: Shift,
    p_holm: dict[str, float],
    *,
    alpha: float = 0.05,
    margin: float = 0.02,
    multiplier_margin: float = 0.1,
    confidence: float = 0.95,
    caveat: str = "",
) -> Verdict:
    """Apply the rules above. p_holm: adjusted p-values of "any shift", "exponent, floor free", "floor, exponent free"."""
    level, base = shift.level, whole.baseline
    same = shift.equivalence(margin, multiplier_margin)
    difference = mean_difference(whole, level, confidence)
    last = mean_difference(whole, level, confidence, last=True)
    floor = floor_difference(whole, level, confidence)
    mde = detectable(shift.beta_se, shift.df, alpha) if shift.identified else np.inf
    shifted = p_holm["any shift"] < alpha
    exponent = shift.identified and p_holm["exponent, floor free"] < alpha and shift.beta.bounded
    floors = p_holm["floor, exponent free"] < alpha
    chi2 = {row["hypothesis"]: row["chi2"] for row in shift.table}
    if shifted:
        if exponent:
            kind = "exponent and floor" if floors and shift.identified else "exponent"
        elif same["beta_equivalent"]:
            kind = "floor" if chi2["floor"] < chi2["multiplier"] else "multiplier"
        else:
            kind = "not identifiable"
    elif same["beta_equivalent"]:
        kind = "none" if same["multiplier_equivalent"] else "undetected"
    else:
        kind = "not identifiable"
    direction = "better" if difference.high < 0 else "worse" if difference.low > 0 else "unclear"
    sentence = _sentence(level, base, kind, shifted, shift, difference, floor, mde, margin, p_holm)
    reading = _reading(level, base, kind, direction, bool(shifted), last, shift)
    if caveat:
        reading += " Caution: " + caveat
    return Verdict(level, kind, direction, bool(shifted), sentence, reading, difference, floor, mde)


def _sentence(
    level: str,
    base: str,
    kind: str,
    shifted: bool,
    shift: Shift,
    difference: Interval,
    floor: Interval,
    mde: float,
    margin: float,
    p_holm: dict[str, float],
) -> str:
    beta = f"{shift.beta.value:+.3f} {_ends(shift.beta)}"
    worth = f"{shift.multiplier.value:.2f} {_ends(shift.multiplier, '.2f')}"
    equal = f"the exponents agree to within {margin:g} (difference {beta})"
    nats = f"{floor.value:+.2f} {_ends(floor, '.2f')} nats/token"
    if kind == "exponent":
        rising = "higher" if shift.beta.value > 0 else "lower"
        p = _say(p_holm["exponent, floor free"])
        return (
            f"{level} changes how fast loss falls with data: its exponent is {rising} than {base}'s "
            f"(difference {beta}, floors left free, {p})."
        )
    if kind == "exponent and floor":
        return f"{level} changes both the exponent ({beta}) and the floor ({nats}) against {base}."
    if kind == "floor":
        return f"{level} moves the floor by {nats} against {base}; {equal}."
    if kind == "multiplier":
        return f"One token of {level} is worth {worth} tokens of {base} at every scale tested; {equal}."
    if kind == "none":
        return f"{level} and {base} follow the same law: {equal}, and a token of {level} is worth {worth} of {base}."
    if kind == "undetected":
        return f"No shift of {level} against {base} is shown; {equal}, but a token of {level} may be worth {worth} of {base}."
    told = f"With floors free, the difference in the data exponent may be anywhere in {_ends(shift.beta)}"
    if np.isfinite(mde) and mde < 2:
        told += f"; the smallest shift this design would find four times in five is {mde:.2g}"
    if not shifted and difference.low <= 0 <= difference.high:
        return (
            f"No difference between {level} and {base} is shown, and an exponent shift that matters is not ruled out. {told}."
        )
    if not shifted:
        lower = "lower" if difference.value < 0 else "higher"
        return (
            f"Over the tested range the loss of {level} averages {abs(difference.value):.2g} % {lower} than that of {base} "
            f"({_ends(difference, '.2g')} %), but the joint test of a shift in the law does not confirm it "
            f"({_say(p_holm['any shift'])}). {told}."
        )
    simplest = f"The simplest law that fits is a multiplier: one token of {level} worth {worth} of {base}."
    if _p(shift, "beyond a multiplier") < 0.05:
        simplest = "A constant multiplier alone does not fit."
    lower = "lower" if difference.value < 0 else "higher"
    return (
        f"{level} has {abs(difference.value):.2g} % {lower} loss than {base} over the tested range "
        f"(difference {_ends(difference, '.2g')} %), but this design cannot tell whether exponent, prefactor or floor moved. "
        f"{simplest} {told}."
    )


def _p(shift: Shift, contrast: str) -> float:
    one = shift.contrasts[contrast]
    return one["p_F"] if one["p_simulated"] is None else one["p_simulated"]


def _say(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.01 else "p < 0.01"


def _reading(level: str, base: str, kind: str, direction: str, shifted: bool, last: Interval, shift: Shift) -> str:
    at_end = f"At the most data tested its loss is {last.value:+.2g} % {_ends(last, '.2g')} against {base}."
    if kind == "none":
        return f"Choose between {level} and {base} on cost and tokens available, not on loss. {at_end}"
    if kind == "undetected" or (kind == "not identifiable" and direction == "unclear"):
        return f"No reason in the loss to prefer either; more token counts over a wider range would tell. {at_end}"
    if kind == "not identifiable" and not shifted:
        likelier = level if direction == "better" else base
        return f"If a choice must be made now, {likelier} is the likelier one at budgets like those tested. {at_end}"
    if kind == "not identifiable":
        advice = "Use" if direction == "better" else "Avoid"
        return f"{advice} {level} at budgets like those tested; do not extrapolate the gap. {at_end}"
    if "exponent" in kind:
        grows = (shift.beta.value > 0) == (direction != "worse")
        more = "grows with the budget" if grows else "shrinks with the budget: see where the curves cross"
        return f"The difference {more}. {at_end}"
    if kind == "floor":
        return f"The gap tends to a constant number of nats, so it weighs more, relatively, at larger budgets. {at_end}"
    share = 1 / shift.multiplier.value
    return f"The same loss needs {share:.2f} times the tokens with {level}, at any budget in range. {at_end}"
