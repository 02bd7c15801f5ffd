"""A result as a short Markdown text: the verdict per level, what limits it, and the parameters on the primary set."""

from scaling_fit.intervals import show
from scaling_fit.result import Result, SetFit
from scaling_fit.wording import eval_words

RESOLUTION = ("evaluation set", "signal", "noise", "ratio", "shift of beta seen", "a seed", "documents")
"""Headings of the table that says which set can decide; numbers in percent of the loss."""


def resolution_rows(result: Result) -> list[tuple[str, ...]]:
    """The evaluation sets by what they can tell apart, the highest ratio first; none where only one level was run."""
    found = [(name, one.resolution) for name, one in result.sets.items() if one.resolution is not None]
    return [
        (
            eval_words(name), f"{one.signal:.1f}%", f"{one.noise:.2f}%", f"{one.ratio:.1f}",
            "unknown" if one.detectable_beta is None else f"{one.detectable_beta:.3f}", f"{one.run:.2f}%",
            "unknown" if one.sampling is None else f"{one.sampling:.2f}%",
        )
        for name, one in sorted(found, key=lambda item: -item[1].ratio)
    ]  # fmt: skip


def noise_budget(result: Result, eval_set: str) -> list[tuple[str, float]]:
    """What else could have come out, by what is drawn again: standard deviations in percent of the loss. Of a run, what its
    trunk and what a branch add; then which documents a level got and which are judged on, where they were measured."""
    one = result.sets[eval_set]
    if one.fit is None:
        return []
    noise, resolved = one.fit.noise, one.resolution
    assumed = " (assumed)" if noise.assumed else ""
    rows = [
        (f"initial weights and order of the trunk{assumed}", 100 * noise.trunk),
        ("order after the trunk, by branch", 100 * noise.row),
    ]
    if one.draws is not None:
        rows.append(("which documents a level got", one.draws.percent))
    if resolved is not None and resolved.sampling is not None:
        rows.append(("which documents are judged on", resolved.sampling))
    return rows


def summary(result: Result) -> str:
    answer, fit = result.answer, result.sets[result.primary].fit
    lines = [" ".join(filter(None, [answer.choice, answer.moved])), ""]
    for level, words in answer.words.items():
        role = f" ({words.role})" if words.role else ""
        said = " ".join(filter(None, (words.saving, words.finding, words.reading, words.floors)))
        lines.append(f"- **{level}{role}: {words.loss}, {words.badge}.** {said}")
    lines += [f"- {answer.settling.said}"] if answer.settling else []
    lines += _quality(result)
    lines += _resolutions(result)
    lines += _tasks(result)
    if fit is not None:
        lines += ["", *_parameters(result, fit)]
    lines += ["", *(f"- {warning}" for warning in answer.warnings)]
    lines += [f"- {fault.name} ({fault.severity}): {fault.message}" for fault in result.faults]
    return "\n".join(lines + [f"- {note}" for note in result.notes])


def _quality(result: Result) -> list[str]:
    """The answer of the leading axis in full; of the others what is shown, and how many show nothing."""
    fit, first = result.sets[result.primary].fit, result.over_quality()
    if fit is None or fit.quality is None or first is None:
        return []
    others = [fit.quality.words[axis] for axis in result.axes[1:]]
    shown, open_ones = [one for one in others if one.kind != "open"], [one for one in others if one.kind == "open"]
    lines = ["", f"**Does better data change the exponent?** {first.answer}", ""]
    lines += [f"- {sentence}" for sentence in (*first.said[1:], *first.doubts, fit.quality.pool) if sentence]
    lines += [f"- {one.answer}" for one in shown]
    return lines + ([f"- Over {len(open_ones)} other axes neither is shown."] if open_ones else [])


def _resolutions(result: Result) -> list[str]:
    """A row per evaluation set: signal, noise, their ratio, the detectable shift; the one that tells most first."""
    rows = resolution_rows(result)
    if not rows:
        return []
    return ["", f"| {' | '.join(RESOLUTION)} |", f"|{'---|' * len(RESOLUTION)}", *(f"| {' | '.join(row)} |" for row in rows)]


def _tasks(result: Result) -> list[str]:
    """What is said of every task, those that can decide first."""
    lines = []
    for name, task in (result.tasks.tasks if result.tasks else {}).items():
        told = task.words
        said = (*told.equal_loss.values(), *told.emergence.values(), told.forecast, told.signal)
        lines += ["", f"**Task {name}.** {told.finding}", "", *(f"- {sentence}" for sentence in said if sentence)]
    return lines


def _parameters(result: Result, fit: SetFit) -> list[str]:
    return [
        f"{fit.law.formula} on {result.primary} ({fit.law.reason}).",
        "",
        f"| level | parameter | value | {100 * result.settings.confidence:g} % interval |",
        "|---|---|---|---|",
        *(
            f"| {level} | {name} | {show(one.value)} | [{show(one.low)}, {show(one.high)}] |"
            for level, of_level in fit.levels.items()
            for name, one in of_level.parameters.items()
        ),
    ]
