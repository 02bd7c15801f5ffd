"""The verdict in words, worded here and nowhere else: terminal, page, Markdown and JSON lay these texts out.

Only the choice of the whole comparison advises what to train on; what is said of a level compares it with the baseline alone,
so that no two sentences can recommend differently. What is known leads: the tokens that a level needs for the baseline's loss
may be clear where nobody can say which part of the law moved.
"""

import math
from dataclasses import dataclass

from scaling_fit.levels.gap import BEYOND
from scaling_fit.levels.outlook import Budget
from scaling_fit.levels.shift import FLOOR_SPREAD, ShiftTest
from scaling_fit.levels.verdict import Verdict
from scaling_fit.wording import count, interval, probability, span, times

BADGE = {
    "exponent": "the exponent moved",
    "floor": "the floor moved",
    "exponent and floor": "exponent and floor moved",
    "multiplier": "a constant discount",
    "none": "no difference, shown",
    "undetected": "no difference found",
    "not identifiable": "what moved cannot be told",
}
DIRECTION = {"better": "lower loss", "worse": "higher loss", "unclear": "no clear difference"}
OVERTAKEN = {"better": "lower loss on average, higher at the end", "worse": "higher loss on average, lower at the end"}
"""In place of the direction where the most data tested say the opposite."""
ROLE = {"level": "", "control": "control", "arm": "another mixture of domains"}
FEWER_DOCUMENTS = "at equal tokens a run reads further into fewer documents. Set what keeps as little against this control."
ASK_DRAWS = "several draws of the control tell them apart"
OF_ROLE = {
    "control": "A control says how far luck and size reach; it is no choice.",
    "arm": "Its domains have other shares, so that the difference is one of topics as well.",
}
VAGUE = 30.0
"""An interval of a ratio that spans more than this factor says nothing worth printing."""


@dataclass(frozen=True)
class Words:
    """All that a reader is told of one level. `badge`: what moved, in a few words, after the tokens that it needs where only
    those are known; `loss`: the direction in words; `finding`: what moved, with interval and test; `reading`: what that means
    in practice; `worth` and `worth_of`: baseline tokens per token at the most data tested, and what the number is ("" where it
    cannot be told); `saving`: the tokens with which it makes the baseline's loss, to be read before the finding ("" likewise,
    or where they may be as many); `floors`: the exponent's shift with floors free, pooled and equal, and which of them the
    verdict rests on."""

    role: str
    badge: str
    loss: str
    finding: str
    reading: str
    worth: str
    worth_of: str
    saving: str
    floors: str


def words(
    verdict: Verdict, test: ShiftTest, budget: Budget, baseline: str, *, random_part: bool = False, drawn: bool = False
) -> Words:
    """What is said of one level against the baseline. random_part: of the baseline's own text, so that only luck and the number
    of documents tell them apart; drawn: several times, so that it is not luck."""
    if random_part:
        return _luck(verdict, test, baseline, drawn)
    parts = (_reading(verdict, test, baseline), _missed(verdict), _gap(verdict, baseline))
    reading = OF_ROLE.get(verdict.role) or " ".join(filter(None, parts))
    crossing = "" if verdict.role == "control" else _crossing(verdict.level, budget, baseline)
    worth, worth_of = _worth(verdict, baseline)
    return Words(
        ROLE[verdict.role],
        _badge(verdict),
        OVERTAKEN[verdict.direction] if verdict.overtaken else DIRECTION[verdict.direction],
        _finding(verdict, test, baseline),
        f"{reading} {crossing}".strip(),
        worth,
        worth_of,
        saved(verdict, baseline),
        _floors(test),
    )


def _luck(verdict: Verdict, test: ShiftTest, baseline: str, drawn: bool) -> Words:
    """A random part of the baseline's text: what it misses the baseline by is luck of the draw, or, where several draws do it
    alike, what fewer documents cost; no part of the law has moved."""
    mean = verdict.gap.mean
    off = not mean.low <= 0 <= mean.high
    missed = f"A random part of {baseline}'s documents has a loss {interval(mean, '%+.2g')} % off"
    if not off:
        finding, badge = f"{missed}: as good, within luck.", "as good as the whole"
    elif drawn:
        finding = f"{missed} on several draws, which is no luck: {FEWER_DOCUMENTS}"
        badge = "what fewer documents cost"
    else:
        finding = (
            f"{missed}: take differences of that size as luck of the draw, or as the price of fewer documents; {ASK_DRAWS}."
        )
        badge = "luck of the draw"
    worth, role = _worth(verdict, baseline), ROLE[verdict.role]
    return Words(role, badge, DIRECTION[verdict.direction], finding, OF_ROLE["control"], *worth, "", _floors(test))


def _badge(verdict: Verdict) -> str:
    """What moved; where that cannot be told, what is known of the tokens goes before it."""
    share = _share(verdict) if verdict.kind == "not identifiable" else ""
    return f"needs {share}; {BADGE[verdict.kind]}" if share else BADGE[verdict.kind]


def _floors(test: ShiftTest) -> str:
    """The answers that rest on what is assumed of floors, side by side."""
    if test.floors == "equal":
        return (
            "It is drawn from the baseline's own text, so that with endless data both end at the same loss (an equal floor); "
            f"on that rests the shift of the exponent, {interval(test.delta_beta, '%+.3f')}."
        )
    free, pooled, equal = (
        interval(one, "%+.3f") for one in (test.delta_beta, test.delta_beta_floor_pooled, test.delta_beta_floor_shared)
    )
    alike = f"; {pooled} if floors lie within some {100 * FLOOR_SPREAD:.0f} % of each other"
    known = math.isfinite(test.delta_beta_floor_pooled.value)
    return (
        f"Shift of the exponent: {free} with floors free, on which the verdict rests{alike if known else ''}; "
        f"{equal} if they are equal."
    )


def _finding(verdict: Verdict, test: ShiftTest, baseline: str) -> str:
    """What moved, with its interval and its test, in one short sentence."""
    beta, floor = interval(test.delta_beta, "%+.3f"), interval(verdict.floor_nats, "%+.2f")
    worth, anything = interval(test.multiplier, "%.2f"), span(test.delta_beta)
    p_any, p_beta, p_floor = (
        probability(contrast.p_adjusted)
        for contrast in (test.contrasts.any_shift, test.contrasts.exponent, test.contrasts.floor)
    )
    within = f"the exponents agree to within {test.equivalence.margin_beta:g}"
    match verdict.kind:
        case "exponent":
            floor_was = "left free" if test.floors == "free" else "the same, as both read one text"
            return f"The exponent moved by {beta}, with the floor {floor_was} ({p_beta})."
        case "floor":
            return f"The floor moved by {floor} nats/token ({p_floor}); {within}."
        case "exponent and floor":
            return f"The exponent moved by {beta} ({p_beta}) and the floor by {floor} nats/token ({p_floor})."
        case "multiplier":
            return f"A constant discount ({p_any}): one token is worth {worth} of {baseline} at every scale tested; {within}."
        case "none":
            return f"The same law as {baseline}: {within}, and one token is worth {worth} of {baseline}."
        case "undetected":
            return f"No difference is shown ({p_any}); {within}, but one token may be worth {worth} of {baseline}."
    if verdict.shifted:
        wide = f", and counts as unmoved only within ±{test.equivalence.margin_beta:g}" if test.delta_beta.bounded else ""
        return f"The law differs ({p_any}). Which part of it moved cannot be told: the exponent may differ by {anything}{wide}."
    if verdict.direction == "unclear":
        return f"No difference is shown ({p_any}), nor could a small one have been: the exponent may differ by {anything}."
    return (
        f"On average its loss is {DIRECTION[verdict.direction].split()[0]}, but the joint test does not confirm a shift of "
        f"the law ({p_any}): the exponent may differ by {anything}."
    )


def _reading(verdict: Verdict, test: ShiftTest, baseline: str) -> str:
    """What the finding means in practice."""
    level, worth = verdict.level, test.multiplier.value
    if verdict.kind == "none":
        return f"Choose between {level} and {baseline} on cost and tokens available, not on loss."
    if verdict.direction == "unclear":
        return "The loss gives no reason to prefer either; more token counts over a wider range would tell."
    if verdict.kind == "multiplier" and (worth > 1) == (verdict.direction == "better"):
        return f"The same loss needs {1 / worth:.2f} times the tokens with {level}, at any budget in range."
    if not verdict.shifted:
        likelier, other = (level, baseline) if verdict.direction == "better" else (baseline, level)
        return f"At budgets like those tested {likelier} is likelier to be the better one than {other}."
    if verdict.kind == "not identifiable":
        return f"It is {verdict.direction} than {baseline} at budgets like those tested; do not extrapolate the gap."
    return ""


def _missed(verdict: Verdict) -> str:
    """Beside a null result, the shift that would have been seen."""
    if verdict.kind not in ("none", "undetected", "not identifiable") or verdict.detectable_beta is None:
        return ""
    return f"A shift of the exponent of {verdict.detectable_beta:.2g} or more would have been found four times in five."


def _share(verdict: Verdict) -> str:
    """With what share of its tokens the level makes the baseline's loss, where that is shown to be fewer or more."""
    saving = verdict.saving
    if verdict.role == "control" or saving is None or not saving.share.bounded or saving.share.low <= 1 <= saving.share.high:
        return ""
    return f"{100 * saving.share.value:.0f} % [{100 * saving.share.low:.0f}, {100 * saving.share.high:.0f}] of the tokens"


def saved(verdict: Verdict, baseline: str) -> str:
    """The same as a sentence without its subject."""
    share, saving = _share(verdict), verdict.saving
    if saving is None or not share:
        return ""
    goal = f"{baseline}'s loss at {count(saving.D)} tokens"
    return f"Reaches {goal} with {share}." if saving.share.high < 1 else f"Needs {share} to reach {goal}."


def _gap(verdict: Verdict, baseline: str) -> str:
    """The gap at the most data tested, and where it goes, by the fitted curves."""
    gap = verdict.gap
    if not math.isfinite(gap.last.value):
        return ""
    sentence = f"At the most data tested its loss is {interval(gap.last, '%+.2g')} % against {baseline}"
    if verdict.direction == "unclear" or gap.trend == "unclear":
        return f"{sentence}."
    if gap.trend == "crosses":
        ends = f"{gap.first.value:+.2g} % at the least, {gap.beyond.value:+.2g} % at {BEYOND:.0f} times the most"
        return f"{sentence}; the fitted curves change places ({ends})."
    beyond = f"to {gap.beyond.value:+.2g} % at {BEYOND:.0f} times"
    return f"{sentence}; by the fitted curves the gap {gap.trend} from there, {beyond}."


def _crossing(level: str, budget: Budget, baseline: str) -> str:
    """Where the level and the baseline change places, by training budget with the tokens there are."""
    crossing = budget.plan.crossings.get(level)
    if crossing is None or crossing.at is None or crossing.low is None or crossing.high is None:
        return ""
    ahead = level if crossing.after == "level" else baseline
    outside = "" if crossing.inside_observed else ", beyond what was tested,"
    pool = " with the tokens there are" if budget.finite else ""
    return f"Past {crossing.at:.1e} FLOPs [{crossing.low:.1e}, {crossing.high:.1e}]{outside} {ahead} is ahead{pool}."


def _worth(verdict: Verdict, baseline: str) -> tuple[str, str]:
    """What one token is worth at the largest tested D of the largest shape: a number and what it means."""
    curve = verdict.worth
    if curve is None:
        return "", ""
    D, value, low, high = curve.D[-1], curve.multiplier[-1], curve.low[-1], curve.high[-1]
    if value is None:
        return "∞", f"{baseline} never reaches its loss at {count(D)} tokens"
    if low is None or high is None or high > VAGUE * max(low, 1e-9):
        return "", f"how many tokens {baseline} needs to match it cannot be told"
    return times(value), f"as many tokens [{low:.2f}, {high:.2f}] would {baseline} need for its loss at {count(D)}"
