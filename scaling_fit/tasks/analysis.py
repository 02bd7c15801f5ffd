"""All that tasks say, put beside what the losses said: `with_tasks(analyse(table), scores)`."""

from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from scaling_fit.result import Result, SetFit
from scaling_fit.table.scores import METRICS
from scaling_fit.tasks.ahead import forecasts, near, roll
from scaling_fit.tasks.chance import longest
from scaling_fit.tasks.curve import Curve, fit_curve, link_of
from scaling_fit.tasks.emergence import decided, emergence
from scaling_fit.tasks.equal_loss import adjusted, at_equal_loss
from scaling_fit.tasks.records import AtEqualLoss, Emergence, MetricFit, TaskCurve, TaskPoint, TaskResult, Tasks
from scaling_fit.tasks.scores import ACCURACIES, Scores
from scaling_fit.tasks.signal import signal_of
from scaling_fit.tasks.words import words

DRAWN = 40  # losses at which a curve is given


def with_tasks(result: Result, scores: Scores | None) -> Result:
    """The result with its tasks; itself where there are no scores. Those of levels that it does not compare are left out."""
    scores = scores and scores.where(np.isin(scores.level, result.levels))
    if scores is None or not len(scores):
        return result
    settings, fit = result.settings, result.sets[result.primary].fit
    made: dict[str, dict[str, MetricFit]] = {}
    curves: dict[tuple[str, str], Curve] = {}
    for task in scores.names("task"):
        here = scores.where(scores.task == task)
        made[task] = {}
        for metric in (name for name in METRICS if name in here.names("metric")):
            made[task][metric], curve = _metric_fit(here.where(here.metric == metric), result, fit)
            if curve is not None:
                curves[task, metric] = curve
    for metric in METRICS:  # one family of tests per metric
        tested = [(task, one) for task, of in made.items() if metric in of for one in of[metric].equal_loss]
        for (task, _), one in zip(tested, adjusted([one for _, one in tested]), strict=True):
            made[task][metric] = replace(made[task][metric], equal_loss=_put(made[task][metric].equal_loss, one))
    found = [(task, one) for task, of in made.items() for one in _emergence(scores.where(scores.task == task), of, curves)]
    sudden = decided([one for _, one in found], settings.alpha)
    tasks = {}
    for task, of in made.items():
        leading, levels = next(iter(of)), {one.level: one for (name, _), one in zip(found, sudden, strict=True) if name == task}
        told = words(of[leading], levels, settings.baseline, settings.alpha)
        tasks[task] = TaskResult(leading, of, levels, told)
    order = sorted(tasks, key=lambda task: -(one.ratio if (one := tasks[task].lead.signal) else -1.0))
    return replace(result, tasks=Tasks(result.primary, {task: tasks[task] for task in order}))


def _put(row: tuple[AtEqualLoss, ...], one: AtEqualLoss) -> tuple[AtEqualLoss, ...]:
    return tuple(one if other.level == one.level else other for other in row)


def _emergence(scores: Scores, of: dict[str, MetricFit], curves: dict[tuple[str, str], Curve]) -> list[Emergence]:
    """Of every level of one task; none where it has no accuracy."""
    leading, task = next(iter(of)), str(scores.task[0])
    ratios = {metric: curves[task, metric].trunks.ratio for metric in of if (task, metric) in curves}
    out = []
    for one in of[leading].longest if leading in ACCURACIES else ():
        rows = scores.where(scores.level == one.level)
        metrics = {metric: rows.where(rows.metric == metric) for metric in of if metric in rows.names("metric")}
        out.append(emergence(one.level, metrics, ratios, bool(one.chance)))
    return out


def _metric_fit(scores: Scores, result: Result, fit: SetFit | None) -> tuple[MetricFit, Curve | None]:
    settings, link = result.settings, link_of(scores)
    levels = [level for level in result.levels if level in scores.names("level")]
    bare = MetricFit(
        metric=str(scores.metric[0]),
        chance=link.chance if link.accuracy else None,
        items=float(np.nanmedian(scores.n_items)) if np.isfinite(scores.n_items).any() else None,
        points=_points(scores),
        longest=tuple(longest(scores, level, link, settings.confidence) for level in levels),
        signal=None, curves=(), parallel=None, equal_loss=(), ahead=(), rolling=None, reason="",
    )  # fmt: skip
    try:
        curve, served = fit_curve(scores), fit_curve(near(scores))
    except ValueError as error:
        return replace(bare, reason=str(error)), None
    others = [level for level in levels if level != settings.baseline] if settings.baseline in levels else []
    rolling = roll(scores, fit.extrapolation.points if fit else ())
    at_chance = {one.level for one in bare.longest if one.chance}
    ahead = [
        forecasts(served, level, fit.budget.plan, fit.budget.observed, rolling, settings.confidence)
        for level in levels
        if fit is not None and level in fit.budget.plan.frontier and level not in at_chance
    ]
    return replace(
        bare,
        signal=signal_of(curve, [level for level in others if settings.role(level) != "control"] or others, settings.baseline),
        curves=tuple(_curve(curve, level, settings.confidence) for level in levels),
        parallel=curve.parallel if len(levels) > 1 else None,
        equal_loss=tuple(at_equal_loss(curve, level, settings.baseline, settings.confidence) for level in others),
        ahead=tuple(one for of_level in ahead for one in of_level),
        rolling=rolling,
    ), curve


def _points(scores: Scores) -> tuple[TaskPoint, ...]:
    columns = (scores.level, scores.shape, scores.seed, scores.N, scores.D, scores.loss, scores.value, scores.se)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(TaskPoint(*row[:-1], se=row[-1] if np.isfinite(row[-1]) else None) for row in rows)


def _curve(curve: Curve, level: str, confidence: float) -> TaskCurve:
    loss = curve.scores.loss[curve.level_N == curve.levels.index(level)]
    loss = np.linspace(loss.min(), loss.max(), DRAWN)
    value, J_MP = curve.predict(level, loss)[0], curve.gradient(level, loss)
    se = np.sqrt(np.maximum(np.einsum("mp,pq,mq->m", J_MP, curve.covariance_PP, J_MP), 0.0))
    half = float(stdtrit(curve.df_between, 0.5 + confidence / 2)) * se
    low, high = (np.clip(end, 0.0, 1.0) if curve.link.accuracy else end for end in (value - half, value + half))
    return TaskCurve(level, *(tuple(column.tolist()) for column in (loss, value, low, high)))
