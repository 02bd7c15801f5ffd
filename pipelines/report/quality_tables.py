"""Levels over their quality as flat tables: a row per evaluation set, axis, response and level, or place on a line."""

from curation.quality.axes import worded
from pipelines.report.frames import Rows
from pipelines.report.law_tables import ends
from scaling_fit.levels.over_quality import OverQuality, QualityWords, one_by_one
from scaling_fit.levels.trends import Kind, Response
from scaling_fit.result import Result
from scaling_fit.wording import count

TITLES: dict[Kind, tuple[str, str]] = {
    "exponent": ("the exponent", "data exponent β"),
    "multiplier": ("the worth of a token", "baseline tokens that one token is worth, at {D} tokens"),
    "prefactor": ("the prefactor", "data term B/D^β at {D} tokens (nats/token)"),
    "floor": ("the floor", "floor E (nats/token)"),
    "loss": ("the loss at {D} tokens", "loss at {D} tokens, shape {shape} (nats/token)"),
}
"""What a response is called in the selector, and on its axis."""


def _fits(result: Result) -> dict[str, OverQuality]:
    return {name: fit.quality for name, fit in result.fits.items() if fit.quality is not None}


def _first(result: Result) -> OverQuality:
    return next(iter(_fits(result).values()))


def axes(result: Result) -> dict[str, str]:
    """The axes on which levels differ, the leading one first, in words."""
    return {axis: worded(axis) for axis in result.axes}


def told(result: Result, eval_set: str) -> list[tuple[str, QualityWords, list[tuple[str, str]], str]]:
    """By axis: what is said of it, of each response, and of single levels beside it."""
    found, answer = result.fits[eval_set].quality, result.sets[eval_set].answer
    plain = result.settings.plain(answer.verdicts)
    moved = [level for level in plain if answer.verdicts[level].kind in ("exponent", "exponent and floor")]
    assert found is not None
    keys = [one.key for one in found.responses]
    return [
        (axis, words, list(zip(keys, words.said, strict=True)), one_by_one(words.kind, moved))
        for axis in axes(result)
        for words in [found.words[axis]]
    ]


def _worded(response: Response, form: str) -> str:
    return form.format(D=count(response.D or 0), shape=response.shape)


def title(result: Result, kind: Kind) -> str:
    """What stands at the axis of the first response of a kind."""
    return next(_worded(one, TITLES[kind][1]) for one in _first(result).responses if one.kind == kind)


def responses(result: Result) -> dict[str, str]:
    return {one.key: _worded(one, TITLES[one.kind][0]) for one in _first(result).responses}


def titles(result: Result) -> Rows:
    """What stands at the axes, by axis and response."""
    return [
        {"axis": axis, "response": one.key, "x_title": words, "y_title": _worded(one, TITLES[one.kind][1])}
        for axis, words in axes(result).items()
        for one in _first(result).responses
    ]


def levels(result: Result) -> Rows:
    """Where each level stands on each axis."""
    rows: Rows = []
    for name, found in _fits(result).items():
        assert result.quality is not None
        for axis, quality in ((axis, result.quality.values[axis]) for axis in result.axes):
            for one, trend in zip(found.responses, found.trends[axis], strict=True):
                rows += [
                    {
                        "eval_set": name, "axis": axis, "response": one.key, "level": level, "label": level,
                        "role": result.settings.role(level), "quality": quality[level], **ends(estimate),
                        "fitted": "yes" if trend and level in trend.levels else "no",
                    }
                    for level, estimate in one.estimates.items()
                    if level in quality
                ]  # fmt: skip
    return rows


def lines(result: Result) -> Rows:
    """The lines with their intervals; `shown`: to slope."""
    alpha = result.settings.alpha
    return [
        {
            "eval_set": name, "axis": axis, "response": one.key, "quality": place, **ends(value), "shown": trend.p < alpha,
            "p": trend.p,
        }
        for name, found in _fits(result).items()
        for axis, row in ((axis, found.trends[axis]) for axis in result.axes)
        for one, trend in zip(found.responses, row, strict=True)
        if trend is not None
        for place, value in trend.line
    ]  # fmt: skip


def pool(result: Result) -> Rows:
    """What is best to keep of the pool, by evaluation set and tokens to train."""
    return [
        {
            "eval_set": name, "D": one.D, "kept": one.kept.value, "low": one.kept.low, "high": one.kept.high,
            "gain": one.gain.value, "gain_low": one.gain.low, "gain_high": one.gain.high, "level": one.level, "sure": one.sure,
        }
        for name, found in _fits(result).items()
        if found.strictness
        for one in found.strictness.best
    ]  # fmt: skip
