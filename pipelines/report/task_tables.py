"""Tasks as flat tables: a row per task, metric and level, run, place on a curve or forecast."""

from pipelines.report.frames import JsonObject, Rows
from pipelines.report.law_tables import ends
from scaling_fit.result import Result
from scaling_fit.tasks.records import MetricFit
from scaling_fit.tasks.words import DECIDES, METRIC, difference

SIGNAL = ("task", "levels apart", "noise of a difference", "ratio", "a run", "items", "can it decide?")
"""Headings of the table that says which task can decide."""


def _fits(result: Result) -> list[tuple[str, MetricFit]]:
    """Every task and metric, the leading metric of a task first."""
    found = result.tasks.tasks if result.tasks else {}
    return [(name, fit) for name, task in found.items() for fit in task.metrics.values()]


def shown(result: Result) -> dict[str, str]:
    """What the selector of tasks offers: a task and a metric that has a curve."""
    return {_key(name, fit): f"{name}: {METRIC[fit.metric]}" for name, fit in _fits(result) if fit.curves}


def _key(task: str, fit: MetricFit) -> str:
    return f"{task}|{fit.metric}"


def _common(task: str, fit: MetricFit) -> JsonObject:
    return {"shown": _key(task, fit), "task": task, "metric": fit.metric}


def standing(result: Result) -> Rows:
    """Levels at their most compute."""
    return [
        {
            **_common(task, fit), "level": one.level, **ends(one.value), "chance": fit.chance, "at_chance": one.chance,
            "items": fit.items, "runs": one.runs, "flops": one.flops,
        }
        for task, fit in _fits(result)
        for one in fit.longest
    ]  # fmt: skip


def points(result: Result) -> Rows:
    """Runs."""
    return [
        {
            **_common(task, fit), "level": one.level, "shape": one.shape, "seed": one.seed, "N": one.N, "D": one.D,
            "loss": one.loss, "value": one.value, "se": one.se, "chance": fit.chance,
        }
        for task, fit in _fits(result)
        for one in fit.points
        if fit.curves
    ]  # fmt: skip


def curves(result: Result) -> Rows:
    """Scores as a function of the loss, with the interval of the curve."""
    return [
        {**_common(task, fit), "level": one.level, "loss": loss, "value": value, "low": low, "high": high}
        for task, fit in _fits(result)
        for one in fit.curves
        for loss, value, low, high in zip(one.loss, one.value, one.low, one.high, strict=True)
    ]


def ahead(result: Result) -> Rows:
    """Larger runs: the first, the middle and the last budget that was forecast of each level."""
    rows: Rows = []
    for task, fit in _fits(result):
        for level in dict.fromkeys(one.level for one in fit.ahead):
            own = [one for one in fit.ahead if one.level == level]
            rows += [
                {
                    **_common(task, fit), "level": level, "budget": one.budget, "times": one.times, "N": one.N, "D": one.D,
                    "loss": one.loss.value, **ends(one.value),
                }
                for one in {id(one): one for one in (own[0], own[len(own) // 2], own[-1])}.values()
            ]  # fmt: skip
    return rows


def signal_rows(result: Result) -> list[tuple[str, ...]]:
    """The leading metric of every task by what it can tell apart; the one that tells most first."""
    rows = []
    for name, task in (result.tasks.tasks if result.tasks else {}).items():
        fit, found = task.lead, task.lead.signal
        if found is None:
            continue
        items = "unknown" if found.items is None else difference(fit.metric, found.items)
        verdict = "at chance" if all(one.chance for one in fit.longest) else "yes" if found.ratio >= DECIDES else "no"
        numbers = (difference(fit.metric, one) for one in (found.signal, found.noise, found.run))
        apart, noise, run = numbers
        rows.append((f"{name}, {METRIC[fit.metric]}", apart, noise, f"{found.ratio:.1f}", run, items, verdict))
    return rows
