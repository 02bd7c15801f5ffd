"""One evaluation set's joint fit as the record that a reader gets: laws, curves, tests, companions, plans."""

import numpy as np

from scaling_fit.encoding import decode, encode
from scaling_fit.levels.adequacy import adequacy
from scaling_fit.levels.calibrate import calibrate
from scaling_fit.levels.companions import fitted_multiplier, matched_beta, multiplier_curve, paired_differences
from scaling_fit.levels.compare import Comparison
from scaling_fit.levels.identify import certificates, identifiability, sensitivity
from scaling_fit.levels.influence import influence
from scaling_fit.levels.outlook import Extrapolation, curves, plan_budgets, shape_crossing
from scaling_fit.levels.over_quality import over_quality
from scaling_fit.levels.parameters import level_intervals
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.shift import adjusted, shift
from scaling_fit.observations import Observations
from scaling_fit.result import AgainstBaseline, LawChoice, LevelFit, Point, SetFit
from scaling_fit.settings import Settings


def set_fit(whole: Comparison, eval_set: str, settings: Settings, axes: Axes | None, r_star: float) -> SetFit:
    """Everything but the verdicts. The primary set, which verdicts are read from, gets
    the slowest companion and all the tables."""
    others, confidence, primary = whole.levels[1:], settings.confidence, eval_set == settings.eval_set
    calibration, levels = calibrate(whole), _levels(whole, confidence, primary)
    test_replicates = settings.test_replicates // (1 if primary else 2)
    parameters = {level: one.parameters for level, one in levels.items()}
    if axes and whole.shared is not None:
        parameters = {level: level_intervals(whole, level, confidence, alone=False) for level in whole.levels}
    return SetFit(
        law=LawChoice(whole.grouped.law.name, whole.why, whole.by_shape),
        noise=whole.noise,
        levels=levels,
        curves=curves(whole, calibration, confidence),
        tests=adjusted({level: shift(whole, level, settings, test_replicates) for level in others}),
        against={level: _against(whole, level, settings) for level in others},
        adequacy=adequacy(whole),
        extrapolation=decode(Extrapolation, encode(calibration.to_dict()), "extrapolation"),
        budget=plan_budgets(whole, calibration, settings, r_star),
        quality=over_quality(whole, parameters, axes, eval_set, settings, r_star) if axes and others else None,
        influence=influence(whole),
    )


def _levels(whole: Comparison, confidence: float, primary: bool) -> dict[str, LevelFit]:
    searches, objectives = certificates(whole), sensitivity(whole, primary)
    out = {}
    for level in whole.levels:
        intervals, rows = level_intervals(whole, level, confidence), whole.table.where(whole.table.level == level)
        out[level] = LevelFit(
            intervals,
            len(rows),
            (float(rows.N.min()), float(rows.N.max())),
            (float(rows.D.min()), float(rows.D.max())),
            identifiability(whole, level, intervals),
            searches[level],
            objectives[level],
        )
    return out


def _against(whole: Comparison, level: str, settings: Settings) -> AgainstBaseline:
    confidence, shapes = settings.confidence, whole.common_shapes(level)
    matched, slope = multiplier_curve(whole, level, confidence=confidence, seed=settings.seed)
    fitted = []
    for shape in shapes if whole.by_shape or "alpha" in whole.grouped.law.names else []:
        D = whole.table.D[(whole.table.level == level) & (whole.table.shape == shape)]
        fitted.append(fitted_multiplier(whole, level, shape, np.geomspace(D.min(), D.max(), 15), confidence))
    seeds, summary = paired_differences(whole, level, confidence)
    crossings = tuple(shape_crossing(whole, level, shape, confidence) for shape in shapes)
    return AgainstBaseline(
        matched, slope, tuple(fitted), matched_beta(whole, level, confidence), seeds, summary, crossings
    )  # fmt: skip


def points(data: Observations, eval_set: str, whole: Comparison | None) -> tuple[Point, ...]:
    """Every run on an evaluation set, and what the law says of those that were fitted."""
    fitted: dict[int, tuple[float, float, float]] = {}
    if whole is not None:
        problem = whole.grouped.problem
        log_loss_N = problem.predict(whole.theta_P[None])[0]
        loss_of = dict(zip(data.row.tolist(), data.loss.tolist(), strict=True))  # the runs' own, not pseudo-observations
        residual_N = np.log([loss_of[row] for row in whole.table.row.tolist()]) - log_loss_N
        assert problem.trunks is not None
        z_N = problem.trunks.whiten(residual_N) / whole.noise.row if whole.noise.row > 0 else residual_N
        columns = (np.exp(log_loss_N), 100 * residual_N, z_N)
        fitted = dict(zip(whole.table.row.tolist(), zip(*(c.tolist() for c in columns), strict=True), strict=True))
    rows = data.where(data.eval_set == eval_set)
    out = []
    for k, row in enumerate(rows.row.tolist()):
        predicted, residual, z = fitted.get(row, (None, None, None))
        level, shape, seed, trunk = rows.level[k], rows.shape[k], rows.seed[k], rows.trunk[k]
        N, D, loss = float(rows.N[k]), float(rows.D[k]), float(rows.loss[k])
        repeated, used = bool(rows.repeated[k]), row in fitted
        out.append(Point(level, shape, seed, trunk, N, D, loss, repeated, used, predicted, residual, z))
    return tuple(out)
