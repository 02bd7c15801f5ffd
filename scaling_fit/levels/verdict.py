"""From tests to what is concluded of a level, including the conclusion that the design cannot tell.

Rules, in order (alpha 5 %, Holm over levels; the exponent is always judged with the floor free):
1. A shift of any kind is shown (F of everything against nothing)?
   exponent shown, floor free -> "exponent"; and the floor too, exponent free -> "exponent and floor";
   exponent not shown, but |delta beta| < margin shown -> "multiplier" or "floor", whichever of the two fits better;
   otherwise the level differs, and which part moved is "not identifiable".
2. No shift shown: exponent and multiplier both shown equivalent -> "none"; exponent equivalent only -> "undetected";
   otherwise "not identifiable".
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from scaling_fit.intervals import UNKNOWN, Interval, percentile
from scaling_fit.levels.companions import MultiplierCurve
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.decision import Direction, direction
from scaling_fit.levels.gap import Gap
from scaling_fit.levels.saving import Saving
from scaling_fit.levels.shift import ShiftTest
from scaling_fit.settings import Role, Settings

Kind = Literal["exponent", "floor", "exponent and floor", "multiplier", "none", "undetected", "not identifiable"]


@dataclass(frozen=True)
class Verdict:
    """What is concluded of one level. `shifted`: any difference of the law is shown; `direction` and `gap` from the fitted
    curves; `floor_nats`: of the floor; `detectable_beta`: the smallest shift found four times in five; `worth`: baseline tokens
    per token over D at the largest shape, from the fitted laws; `saving`: tokens with which it makes the baseline's loss."""

    level: str
    role: Role
    kind: Kind
    direction: Direction
    shifted: bool
    gap: Gap
    floor_nats: Interval
    detectable_beta: float | None
    worth: MultiplierCurve | None
    saving: Saving | None

    @property
    def overtaken(self) -> bool:
        """The average over the tested range points one way, and where most was tested the other."""
        last, share = self.gap.last, self.saving.share if self.saving else UNKNOWN
        if self.direction == "better":
            return last.low > 0 or share.low > 1
        return self.direction == "worse" and (last.high < 0 or share.high < 1)


def judge(whole: Comparison, level: str, test: ShiftTest, gap: Gap, settings: Settings) -> Verdict:
    """Apply the rules above."""
    shown = {name: getattr(test.contrasts, name).p_adjusted < settings.alpha for name in ("any_shift", "exponent", "floor")}
    same = test.equivalence
    kind: Kind = "not identifiable"
    if shown["any_shift"]:
        if shown["exponent"] and test.identified and test.delta_beta.bounded:
            kind = "exponent and floor" if shown["floor"] else "exponent"
        elif same.beta_equivalent:
            kind = "floor" if test.chi2("floor") < test.chi2("multiplier") else "multiplier"
    elif same.beta_equivalent:
        kind = "none" if same.multiplier_equivalent else "undetected"
    smallest = detectable(test.delta_beta_se, test.df, settings.alpha) if test.identified else None
    floor = floor_difference(whole, level, settings.confidence)
    shifted, role = shown["any_shift"], settings.role(level)
    return Verdict(level, role, kind, direction(gap.mean), shifted, gap, floor, smallest, None, None)


def detectable(se: float, df: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest shift found with this power by a two-sided t test at alpha."""
    return float((stdtrit(df, 1 - alpha / 2) + stdtrit(df, power)) * se)


def floor_difference(whole: Comparison, level: str, confidence: float) -> Interval:
    """Floor minus the baseline's, nats/token (mean over shapes where floors are per shape)."""
    theta_RP = np.concatenate([whole.theta_P[None], whole.theta_RP])
    own, base = whole.parameters(level, theta_RP), whole.parameters(whole.baseline, theta_RP)
    names = [name for name in own if name.startswith("E") and name in base]
    if not names:
        return UNKNOWN
    draws = np.mean([own[name] - base[name] for name in names], axis=0)
    return percentile(draws[0], draws[1:], confidence)
