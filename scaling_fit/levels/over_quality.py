"""Does better data change the exponent? The answer on one evaluation set for every axis, in numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scaling_fit.intervals import Interval, holm
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.strictness import Strictness, strictness
from scaling_fit.levels.trends import Response, Trend, estimates, trends
from scaling_fit.settings import Settings
from scaling_fit.wording import count, eval_words, interval, listed, probability, times

Kind = Literal["yes", "no", "open"]
TOGETHER = 0.95
"""Correlation of quality and coverage from which their parts cannot be told."""
SINGULAR = ("share", "mean", "p10", "p50", "p90")
"""Titles of axes of which there is one; others are counts of many (`different words per word`)."""
USELESS = 0.5
"""A bound on a change of the exponent that is a larger part of the exponent itself says nothing worth printing."""


@dataclass(frozen=True)
class QualityWords:
    """What is said of one axis. `kind` and `answer`: whether the exponent changes along it; `said`: a sentence per response, in
    their order ("" where there is no line); `doubts`: how far the line is to be trusted."""

    kind: Kind
    answer: str
    said: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class OverQuality:
    """One evaluation set. `trends` and `words` by axis, the first of which leads; a trend is None where fewer than two levels
    with an estimate differ on the axis."""

    responses: tuple[Response, ...]
    trends: dict[str, tuple[Trend | None, ...]]
    words: dict[str, QualityWords]
    strictness: Strictness | None
    pool: str


def over_quality(
    whole: Comparison,
    parameters: dict[str, dict[str, Interval]],
    axes: Axes,
    eval_set: str,
    settings: Settings,
    r_star: float,
) -> OverQuality:
    """Set the levels of a joint fit against their quality. parameters: intervals of every level's law; r_star: as of
    `analyse`."""
    made = estimates(whole, parameters, settings)
    responses, lines = tuple(one.response for one in made), trends(whole, made, axes, eval_set, settings)
    told = {axis: words(axis, axes, responses, row, eval_set, settings) for axis, row in lines.items()}
    pairs_RL = next((one.pairs_RL for one in made if one.pairs_RL is not None), None)
    best = strictness(whole, pairs_RL, settings, r_star) if pairs_RL is not None else None
    return OverQuality(responses, lines, told, best, _pool(best, whole) if best else "")


def words(
    axis: str, axes: Axes, responses: tuple[Response, ...], row: tuple[Trend | None, ...], eval_set: str, settings: Settings
) -> QualityWords:
    """row: the axis's trend of each response, the exponent's first."""
    said = tuple(
        _said(one, trend, _path(axis, axes, trend)) if trend else "" for one, trend in zip(responses, row, strict=True)
    )
    exponent = row[0]
    if exponent is None:
        differ = axis in axes.differing(settings.plain(responses[0].estimates))
        reason = "the exponents of its levels are not identified" if differ else "fewer than two levels differ on it"
        return QualityWords("open", f"Cannot be told over {axes.titles.get(axis, axis)}: {reason}.", said, ())
    kind, answer = _answer(exponent, responses[0], _path(axis, axes, exponent), settings)
    return QualityWords(kind, answer, said, tuple(_doubts(exponent, len(axes.values), eval_set, settings)))


def across_sets(found: Mapping[str, OverQuality], settings: Settings) -> dict[str, OverQuality]:
    """The answers by evaluation set, those of other sets than the settings name corrected for how many were looked at (Holm): a
    slope on one text of many is no surprise. The set that was named beforehand is asked alone."""
    out = dict(found)
    others = [name for name in found if name != settings.eval_set]
    for axis in dict.fromkeys(axis for one in found.values() for axis in one.trends):
        lines = {name: trend for name in others if (trend := found[name].trends[axis][0]) is not None}
        for name, p in zip(lines, holm([trend.p for trend in lines.values()]), strict=True):
            told = out[name].words[axis]
            if told.kind == "yes" and p >= settings.alpha:
                known = told.answer.removesuffix(".").replace("Yes: ", "Not shown: ").replace(", yes: ", ", not shown: ")
                chance = f"one set of {len(lines)} may show that by chance ({probability(p)}, corrected for it)"
                told = replace(told, kind="open", answer=f"{known}, but {chance}.")
                out[name] = replace(out[name], words=out[name].words | {axis: told})
    return out


def one_by_one(kind: Kind, moved: Sequence[str]) -> str:
    """How the answer of the line agrees with those of single levels. moved: those whose exponent is shown to have moved."""
    if moved and kind != "yes":
        return f"One by one, the exponent of {listed(list(moved))} is shown to have moved; the line asks about all levels."
    if kind == "yes" and not moved:
        return "No level by itself is shown to have moved its exponent; the line through all of them is."
    return ""


def _path(axis: str, axes: Axes, trend: Trend | None) -> str:
    """From which quality to which, with the levels there: "as the share of the pool that is kept goes from 34 % (raw) to 12 %
    (top),"."""
    assert trend is not None
    at, title = axes.values[axis], axes.titles.get(axis, "")
    form = (lambda end: f"{100 * end:.2g} %") if title.startswith("share") else (lambda end: f"{end:.3g}")
    ends = [f"{form(end)} ({next(level for level in trend.levels if at[level] == end)})" for end in trend.ends]
    subject = f"the {title} goes" if title.startswith(SINGULAR) else f"{title} go" if title else f"{axis} goes"
    return f"as {subject} from {ends[0]} to {ends[1]},"


def _answer(trend: Trend, response: Response, path: str, settings: Settings) -> tuple[Kind, str]:
    """The exponent's answer: yes, no, or what is ruled out."""
    change, margin = trend.change, settings.margin
    of = f"Of these {_number(len(trend.levels))} levels, " if trend.few else ""
    told = f"{path} the exponent changes by {interval(change, '%+.3f')}"
    if change.low > 0 or change.high < 0:
        return "yes", _sentence(f"{of}yes: {told} ({probability(trend.p)}).")
    if -margin < trend.within.low and trend.within.high < margin:
        return "no", _sentence(f"{of}no: {told}, which is less than {margin:g}.")
    most = max(abs(change.low), abs(change.high))
    typical = np.median([abs(response.estimates[level].value) for level in trend.levels])
    if most > USELESS * typical:
        return "open", _sentence(f"{of}cannot be told: {told}.")
    bound = f"For the line through the levels a change of more than {most:.2g} is ruled out; one level may lie further off."
    return "open", _sentence(f"{of}not shown: {told}. {bound}")


def _said(response: Response, trend: Trend, path: str) -> str:
    """The line of one response in a sentence."""
    change, p, start = trend.change, probability(trend.p), _sentence(path)
    match response.kind:
        case "exponent":
            return f"{start} the exponent changes by {interval(change, '%+.3f')} ({p})."
        case "multiplier":
            value = f"{times(change.value)} [{change.low:.2f}, {change.high:.2f}]"
            return f"{start} a token becomes worth {value} as much at {count(response.D or 0)} tokens ({p})."
        case "prefactor":
            percent = interval(_percent(change, 1.0), "%+.0f")
            return f"{start} the data term B/D^beta at {count(response.D or 0)} tokens changes by {percent} % ({p})."
        case "floor":
            return f"{start} the floor changes by {interval(change, '%+.2f')} nats/token ({p})."
    percent = interval(_percent(change, 1.0), "%+.1f")
    return f"{start} the loss at {count(response.D or 0)} tokens changes by {percent} % ({p})."


def _doubts(trend: Trend, axes: int, eval_set: str, settings: Settings) -> list[str]:
    out, levels = [], len(trend.levels)
    if trend.few:
        out.append(f"{_number(levels).capitalize()} levels say little about others: the interval is of these levels alone.")
    if trend.test("linear", "free").p_simulated < settings.alpha:
        p = probability(trend.test("linear", "free").p_simulated)
        out.append(f"The exponents lie further from a line than the noise of their runs explains ({p}).")
    if trend.matching is not None:
        judged, correlation = eval_words(eval_set), trend.matching.correlation
        if abs(correlation) > TOGETHER:
            out.append(
                f"Along this axis the levels also match {judged} more or less (correlation {correlation:+.2f}): quality and "
                "matching cannot be told apart."
            )
        elif trend.matching.part is not None:
            part = interval(_percent(trend.matching.part), "%.0f")
            out.append(f"Of that change, {part} % goes with how much of {judged} a level covers.")
        else:
            left = interval(trend.matching.left, "%+.3f")
            out.append(f"At equal coverage of {judged} the exponent changes by {left}.")
    if axes > 1 and trend.p < settings.alpha <= trend.p_axes:
        out.append(f"Picked among {axes} axes, such a slope is no surprise ({probability(trend.p_axes)}, corrected for that).")
    return out


def _pool(found: Strictness, whole: Comparison) -> str:
    """What to keep of the pool, at the most data tested and at the largest budget."""
    tested = float(whole.table.D.max())
    near = min(found.best, key=lambda one: abs(np.log(one.D / tested)))
    parts = []
    for one in dict.fromkeys((near, found.best[-1])):
        kept, gain = interval(_percent(one.kept), "%.0f"), interval(one.gain, "%.2f")
        parts.append(f"{kept} % of {whole.baseline}'s tokens for {count(one.D)} to train (worth {gain} of its own)")
    return f"With this pool it is best to keep {listed(parts)}."


def _percent(share: Interval, of: float = 0.0) -> Interval:
    return Interval(*(100 * (end - of) for end in (share.value, share.low, share.high)))


def _number(levels: int) -> str:
    return {2: "two", 3: "three"}.get(levels, str(levels))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
