"""The answer on one evaluation set: what to train on, what moved, and what to know before acting on it."""

from collections.abc import Collection
from dataclasses import dataclass

from scaling_fit.levels import doubts
from scaling_fit.levels.decision import Decision, Order
from scaling_fit.levels.outlook import Budget
from scaling_fit.levels.planned import FAR, departs
from scaling_fit.levels.settle import Settling
from scaling_fit.levels.verdict import Verdict
from scaling_fit.levels.words import Words, saved
from scaling_fit.settings import Settings
from scaling_fit.wording import Check, count, eval_words, listed, times


@dataclass(frozen=True)
class Answer:
    """`recommended`: the contender to train on (None: none is shown to beat the baseline); `tied`: contenders not told apart
    from it, or from the baseline that stays; `choice`: the same in a sentence; `moved`: what moved and what follows; `planned`:
    what the plan over budgets names beside it; `not_shown`: what these runs could not show; `order`: all levels by their loss
    over the tested range; verdicts and words by level; `warnings`: what to know before acting on it; `settling`: the runs that
    would settle what is open (told of the primary set; None where nothing is)."""

    recommended: str | None
    tied: tuple[str, ...]
    choice: str
    moved: str
    planned: str
    not_shown: str
    order: Order | None
    verdicts: dict[str, Verdict]
    words: dict[str, Words]
    warnings: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    settling: Settling | None = None


def no_answer(choice: str, moved: str) -> Answer:
    return Answer(None, (), choice, moved, "", "", None, {}, {})


def not_shown(verdicts: dict[str, Verdict], tested: tuple[float, float], settings: Settings) -> str:
    """What these runs could not show. tested: the largest N and D."""
    N, D = (count(one) for one in tested)
    beyond = f"These runs do not show what happens past {D} tokens or {N} parameters (nothing at all past {FAR:.0f} times that)"
    smallest = [one.detectable_beta for one in _contending(verdicts, settings)]
    seen = [one for one in smallest if one is not None]
    if not seen:
        return f"{beyond}, nor whether an exponent moved: they do not pin the exponents down."
    missed = f"nor a shift of one level's exponent of less than {max(seen):.2g}, which they would have missed"
    return f"{beyond}, {missed}."


def _contending(verdicts: dict[str, Verdict], settings: Settings) -> list[Verdict]:
    return [verdicts[level] for level in settings.contenders([settings.baseline, *verdicts])]


def choice(decision: Decision, verdicts: dict[str, Verdict], settings: Settings) -> str:
    """What to train on, in one sentence: an order where the joint test confirms a shift of the law, else a leaning."""
    base, contending = settings.baseline, _contending(verdicts, settings)
    if decision.chosen is not None:
        tie = f", a tie with {listed(list(decision.tied))}" if decision.tied else ""
        best = verdicts[decision.chosen]
        verb = "Train on" if best.shifted else "Lean to"
        return f"{verb} {best.level}{tie}: {-best.gap.mean.value:.1f}% lower loss than {base} over the tested range."
    if len(decision.tied) == len(contending):
        return f"A tie: no level is shown to differ from {base} over the tested range."
    stays = f"Stay with {base}: no curated level has a lower loss over the tested range"
    if not decision.tied:
        return f"{stays}."
    return f"{stays}, and {listed(list(decision.tied))} {'ties' if len(decision.tied) == 1 else 'tie'} with it."


def moved(
    verdicts: dict[str, Verdict], budget: Budget, choices: dict[str, str | None], eval_set: str, settings: Settings
) -> str:
    """What the best level is worth, what other evaluation sets would choose, what moved, and who wins at larger budgets.

    choices: the level recommended on every evaluation set."""
    best = choices[eval_set]
    parts = (
        _needs(verdicts[best], settings.baseline) if best else "",
        _elsewhere(choices, eval_set, settings.baseline),
        _moved(_contending(verdicts, settings), settings.baseline),
        departs(budget, best or settings.baseline),
    )
    return " ".join(filter(None, parts))


def _needs(verdict: Verdict, base: str) -> str:
    """How many tokens the baseline needs to match the level where most was tested; where that has no bound, how many the level
    needs to match the baseline."""
    curve = verdict.worth
    if curve is None:
        return ""
    D, value, low, high = count(curve.D[-1]), curve.multiplier[-1], curve.low[-1], curve.high[-1]
    if value is None:
        return f"By the fitted law {base} never reaches the loss of {verdict.level} at {D} tokens."
    if low is None or high is None:
        reaches = saved(verdict, base)
        return f"{verdict.level} {reaches[0].lower()}{reaches[1:]}" if reaches else ""
    if high < 1:
        return (
            f"At {D} tokens {base} has caught up: it needs only {times(value)} [{low:.2f}, {high:.2f}] the tokens to match "
            f"{verdict.level}."
        )
    return f"To match {verdict.level} at {D} tokens, {base} needs {times(value)} [{low:.2f}, {high:.2f}] as many."


def _elsewhere(choices: dict[str, str | None], eval_set: str, base: str) -> str:
    """Which other level the other evaluation sets would choose, and which sets those are."""
    sets_of: dict[str, list[str]] = {}
    for name, level in choices.items():
        if level != choices[eval_set] and not name.startswith("own:"):
            sets_of.setdefault(level or base, []).append(eval_words(name).removesuffix(" (held out)"))
    parts = [f"{level} on {listed(names)}" for level, names in sets_of.items()]
    return f"Judged on other text the choice differs: {'; '.join(parts)}." if parts else ""


def _moved(contending: list[Verdict], base: str) -> str:
    """One sentence on the part of the law that moved, levels with the same answer together."""
    levels_of: dict[str, list[str]] = {}
    for one in contending:
        levels_of.setdefault(one.kind, []).append(one.level)
    phrases = {
        "exponent": "the exponent moved with {}",
        "floor": "the floor moved with {}",
        "exponent and floor": "exponent and floor both moved with {}",
        "multiplier": "a constant discount in tokens, with the same exponent, for {}",
        "none": f"the same law as {base}, within the margin, for {{}}",
        "undetected": f"no difference from {base} was found for {{}}",
        "not identifiable": "whether exponent, prefactor or floor moved with {} cannot be told from these runs",
    }
    sentence = "; ".join(phrases[kind].format(listed(levels)) for kind, levels in levels_of.items())
    return sentence[:1].upper() + sentence[1:] + "." if sentence else ""


def doubts_of(
    verdicts: dict[str, Verdict], settings: Settings, drawn: Collection[str]
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """Checks and warnings of the controls that are random parts of the baseline. drawn: those of several draws."""
    pairs = [
        doubts.random_part(verdicts[name], settings.baseline, name in drawn)
        for name in settings.random_parts
        if name in verdicts
    ]
    return tuple(check for check, _ in pairs), tuple(warning for _, warning in pairs if warning)
