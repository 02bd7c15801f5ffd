"""What a larger run would score: the forecast of its loss, put through the task's curve, with the errors of both steps.

Shape suffixes: P parameters, R replicates, M runs.

An interval is that of one run on the same items: the forecast's own of the loss (a run's luck in it), the curve's parameters,
and the scatter of runs about the curve. A forecast is served by the runs next to it, so the curve is that of the lower half of
the losses, where those are enough. It may still be wrong in form: the ladder is cut at its own budgets, its larger runs are
asked for, and where the curve's standard errors were too small for them they are widened by that factor.
"""

import numpy as np
from scipy.special import ndtri

from scaling_fit.intervals import Interval
from scaling_fit.levels.outlook import BudgetPlan, ForecastError
from scaling_fit.tasks.curve import Curve, fit_curve
from scaling_fit.tasks.records import Ahead, RollingTask
from scaling_fit.tasks.scores import Scores

Array = np.ndarray
FURTHEST = 10.0  # times the largest budget tested
MOST_WIDENED = 5.0
DRAWS = 2000
CUTS = 6
NEAR, FEWEST = 0.5, 6  # share of the range of losses that a forecast is made from, and runs of a level that it takes


def near(scores: Scores) -> Scores:
    """The runs that forecasts are made from: those in the lower half of the losses; all, where some level has few there."""
    low, high = float(scores.loss.min()), float(scores.loss.max())
    served = scores.where(scores.loss <= low + NEAR * (high - low))
    enough = all((served.level == level).sum() >= FEWEST for level in scores.names("level"))
    return served if enough else scores


def forecasts(
    curve: Curve, level: str, plan: BudgetPlan, observed: tuple[float, float], rolling: RollingTask, confidence: float
) -> tuple[Ahead, ...]:
    """Scores of the plan's runs from the largest budget tested to `FURTHEST` times it. curve: of the runs that are `near`;
    observed: least and largest budget."""
    frontier, out = plan.frontier[level], []
    for k, budget in enumerate(plan.budgets):
        times = budget / observed[1]
        if not 0.99 <= times <= FURTHEST * 1.01:
            continue
        low, high = frontier.low[k], frontier.high[k]
        loss = Interval(frontier.loss[k], -np.inf if low is None else low, np.inf if high is None else high)
        value = score(curve, level, loss, rolling.widened, confidence)
        out.append(Ahead(level, budget, times, frontier.N[k], frontier.D[k], loss, value))
    return tuple(out)


def score(curve: Curve, level: str, loss: Interval, widened: float, confidence: float, seed: int = 0) -> Interval:
    """The score of one run whose loss is forecast, its interval at the same confidence as that of the loss."""
    value = float(curve.predict(level, np.array([loss.value]))[0, 0])
    if not loss.bounded:
        return Interval(value, -np.inf, np.inf)
    rng = np.random.default_rng(seed)
    sd = np.log(loss.high / loss.low) / 2 / ndtri(0.5 + confidence / 2)
    loss_R = loss.value * np.exp(sd * rng.standard_normal(DRAWS))
    theta_RP = curve.draws(rng, DRAWS, widened)
    draws_R = curve.along(level, loss_R, theta_RP)
    draws_R = draws_R + np.sqrt(curve.run_variance(draws_R)) * rng.standard_normal(DRAWS)
    draws_R = np.clip(draws_R, 0.0, 1.0) if curve.link.accuracy else draws_R
    low, high = np.quantile(draws_R, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(value, min(float(low), value), max(float(high), value))


def roll(scores: Scores, known_losses: tuple[ForecastError, ...]) -> RollingTask:
    """Cut at the ladder's own budgets, fit the curve to what is below, and ask for the rest. known_losses: what forecasts of
    the loss were worth at those cuts, on the same evaluation set."""
    at_cut: dict[float, list[ForecastError]] = {}
    for one in known_losses:
        at_cut.setdefault(float(f"{one.cut:.3g}"), []).append(one)
    cuts = sorted(at_cut)
    cuts = [cuts[k] for k in np.unique(np.linspace(0, len(cuts) - 1, CUTS).astype(int))] if cuts else []
    chained, alone, z2 = [], [], []  # z2: how many times the variance that the curve's parameters tell
    for cut in cuts:
        below = scores.flops <= cut * 1.01
        try:
            curve = fit_curve(near(scores.where(below)))
        except ValueError:
            continue
        errors, excess, told = [], 0.0, 0.0
        for level in curve.levels:
            hidden = scores.where(~below & (scores.level == level))
            if not len(hidden):
                continue
            predicted_M = curve.predict(level, hidden.loss)[0]
            J_MP = curve.gradient(level, hidden.loss)
            errors.append(hidden.value - predicted_M)
            excess += float((errors[-1] ** 2 - curve.run_variance(predicted_M)).sum())
            told += float(np.einsum("mp,pq,mq->", J_MP, curve.covariance_PP, J_MP))
            loss_M = _forecast(hidden, [one for one in at_cut[cut] if one.level == level])
            told_M = np.isfinite(loss_M)
            chained += (hidden.value - curve.predict(level, loss_M)[0])[told_M].tolist()
        alone += np.concatenate(errors).tolist() if errors else []
        z2 += [excess / told] if errors else []
    widened = float(np.sqrt(np.clip(np.mean(z2), 1.0, MOST_WIDENED**2))) if z2 else 1.0
    return RollingTask(len(chained), _rms(chained), _rms(alone), widened)


def _forecast(hidden: Scores, errors: list[ForecastError]) -> Array:
    """Losses that were forecast of hidden runs [M], nan where none was asked for. Forecasts know no seed: the seeds' observed
    losses and errors of one (shape, D) average to the forecast of both."""
    out_M = np.full(len(hidden), np.nan)
    for shape, D in set(zip(hidden.shape.tolist(), hidden.D.tolist(), strict=True)):
        here = (hidden.shape == shape) & (hidden.D == D)
        told = [one.error / 100 for one in errors if one.shape == shape and one.D == D]
        if told:
            out_M[here] = np.exp(np.log(hidden.loss[here]).mean() + np.mean(told))
    return out_M


def _rms(errors: list[float]) -> float | None:
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else None
