"""What tasks say in sentences, made here and nowhere else."""

from scaling_fit.intervals import Interval
from scaling_fit.tasks.records import Ahead, AtEqualLoss, Emergence, MetricFit, TaskWords
from scaling_fit.tasks.scores import ACCURACIES
from scaling_fit.wording import count, listed, probability

METRIC = {
    "accuracy": "accuracy", "accuracy_bytes": "accuracy per byte", "margin": "margin of the right answer",
    "bits_per_byte": "bits per byte of the right answer",
}  # fmt: skip
UNIT = {"margin": " nats", "bits_per_byte": " bits/byte"}
DECIDES = 2.0
"""Standard errors that levels must lie apart for a task to tell them apart."""
MOST_NAMED = 4


def score(metric: str, value: Interval) -> str:
    """A score with its interval: 41.2 % [37.0, 45.4], or -0.31 [-0.40, -0.22] nats."""
    if metric in ACCURACIES:
        ends = f" [{100 * value.low:.1f}, {100 * value.high:.1f}]" if value.bounded else ""
        return f"{100 * value.value:.1f} %{ends}"
    ends = f" [{value.low:.3g}, {value.high:.3g}]" if value.bounded else ""
    return f"{value.value:.3g}{ends}{UNIT[metric]}"


def difference(metric: str, value: float) -> str:
    return f"{100 * value:.1f} points" if metric in ACCURACIES else f"{value:.2g}{UNIT[metric]}"


def words(fit: MetricFit, emergence: dict[str, Emergence], baseline: str, alpha: float) -> TaskWords:
    """Of the leading metric of one task."""
    return TaskWords(
        _finding(fit),
        {one.level: _equal_loss(fit.metric, one, baseline, alpha) for one in fit.equal_loss},
        {level: _emergence(fit, one) for level, one in emergence.items()},
        _forecast(fit),
        _signal(fit),
    )


def _finding(fit: MetricFit) -> str:
    """Where levels stand at their most compute, and the chance of guessing."""
    shown = [f"{one.level} {score(fit.metric, one.value)}" for one in fit.longest[:MOST_NAMED]]
    more = len(fit.longest) - len(shown)
    told = listed(shown) + (f" ({more} more levels below)" if more else "")
    guess = f"; guessing scores {100 * fit.chance:.0f} %" if fit.chance is not None else ""
    sentence = f"{METRIC[fit.metric].capitalize()} at the most compute: {told}{guess}."
    at_chance = [one.level for one in fit.longest if one.chance]
    if len(at_chance) == len(fit.longest):
        return f"At chance throughout. {sentence}"
    return f"{sentence} Not told from chance: {listed(at_chance)}." if at_chance else sentence


def _equal_loss(metric: str, one: AtEqualLoss, baseline: str, alpha: float) -> str:
    if one.loss is None or one.p_adjusted is None:
        return f"{one.level} and {baseline} share no loss, so that they cannot be compared at one."
    unit = 100.0 if metric in ACCURACIES else 1.0
    value, low, high = (unit * end for end in (one.offset.value, one.offset.low, one.offset.high))
    form = "+.1f" if unit > 1 else "+.2g"
    span = f"{value:{form}} [{low:{form}}, {high:{form}}]{' points' if unit > 1 else UNIT[metric]}"
    told = f"{span} ({probability(one.p_adjusted)})"
    start = f"At equal loss, {one.loss:.2f} nats/token, {one.level} differs from {baseline} by {told}"
    if one.p_adjusted >= alpha:
        return f"{start}: no difference is shown beyond what the loss says."
    better = (one.offset.value > 0) != (metric == "bits_per_byte")
    return f"{start}: its text teaches this task {'more' if better else 'less'} than the loss shows."


def _emergence(fit: MetricFit, one: Emergence) -> str:
    """One sentence for one level."""
    name, continuous = METRIC[one.tested], one.tested not in ACCURACIES
    most = f"the accuracy makes most of its rise within {100 * (one.span or 0):.0f} % of the tested losses"
    match one.kind:
        case "chance":
            last = next(longest for longest in fit.longest if longest.level == one.level)
            return f"{one.level}: at chance throughout, {score(fit.metric, last.value)} at its most compute."
        case "open":
            return f"{one.level}: too few different losses to tell a break from a bend."
        case "break":
            return (
                f"{one.level}: a break; the {name} itself turns at a loss of {one.loss:.2f} nats/token "
                f"({probability(one.p)} if it rose smoothly)."
            )
        case "turns":
            return (
                f"{one.level}: the {name} turns at a loss of {one.loss:.2f} nats/token ({probability(one.p)} if it rose "
                "smoothly); no continuous metric was given that could explain it."
            )
        case "explained":
            return (
                f"{one.level}: {most}, and a smooth rise of the {name} explains it ({100 * (one.follows or 0):.0f} % of its "
                f"variance; {probability(one.p)} for no turn)."
            )
        case "sudden":
            under = f"the {name} does not explain it" if continuous else "no continuous metric was given that could explain it"
            return f"{one.level}: {most}; {under}, and no turn is shown ({probability(one.p)})."
    return f"{one.level}: no break is seen; the {name} may have risen smoothly ({probability(one.p)})."


def _forecast(fit: MetricFit) -> str:
    """The furthest forecast of every level, and what such forecasts were worth."""
    furthest: dict[str, Ahead] = {one.level: one for one in fit.ahead}
    if not furthest:
        return ""
    last = next(iter(furthest.values()))
    told = listed([f"{one.level} {score(fit.metric, one.value)}" for one in list(furthest.values())[:MOST_NAMED]])
    sentence = f"A run of {last.budget:.1e} FLOPs, {last.times:.3g} times the largest, would score: {told}."
    rolling = fit.rolling
    if rolling is None or rolling.chained is None:
        return f"{sentence} The ladder is too short to say what such forecasts are worth."
    missed = difference(fit.metric, rolling.chained)
    known = difference(fit.metric, rolling.at_known_loss or 0.0)
    return (
        f"{sentence} {rolling.forecasts} forecasts of the ladder's own larger runs missed by {missed} (root mean square), "
        f"{known} where the loss was known."
    )


def _signal(fit: MetricFit) -> str:
    found = fit.signal
    if found is None:
        return ""
    apart = (
        f"Levels lie {difference(fit.metric, found.signal)} apart, {found.ratio:.1f} times the standard error of a difference"
    )
    if found.ratio >= DECIDES:
        return f"{apart}: this task can tell some of them apart at this scale."
    wanted = (DECIDES / found.ratio) ** 2 if found.ratio > 0 else float("inf")
    more = f" It would take some {count(wanted)} times the runs." if wanted < 1000 else ""
    return f"{apart}: this task cannot decide at this scale.{more}"
