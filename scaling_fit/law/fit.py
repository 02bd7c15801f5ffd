"""Fit one law to one table, alone or in groups: `fit(table, FitSettings(law="additive"))`.

Shape suffixes: N points, P global parameters.
"""

from dataclasses import replace

import numpy as np

from scaling_fit.checks import Fault, check
from scaling_fit.intervals import show
from scaling_fit.law import held
from scaling_fit.law.adequacy import along_ray, form, warnings
from scaling_fit.law.fitted import Fit
from scaling_fit.law.flags import flags, not_told_apart, sensitivity
from scaling_fit.law.groups import grouped
from scaling_fit.law.laws import Law, law_named
from scaling_fit.law.objectives import objective_named
from scaling_fit.law.spread import checkpoints_of_curves, spread
from scaling_fit.observations import Observations, observations
from scaling_fit.settings import FitSettings
from scaling_fit.wording import count

MOST_ROWS = 100_000  # fitted; of a larger table a random part
REPEAT_LAWS = ("repetition", "overfitting")
DEFAULTS = FitSettings()
CURVES = "runs of one size share their luck: read as checkpoints of one curve each, and so are the intervals"


def fit(table: object, settings: FitSettings = DEFAULTS) -> Fit:
    """Fit a law to a table of runs (anything `observations` reads).

    Errors: ValueError for tables no fit can use (see `check`) or fewer distinct points than parameters.
    """
    law, objective = law_named(settings.law), objective_named(settings.objective)
    if settings.fixed and (settings.groups or settings.intervals == "profile"):
        raise ValueError("fixed holds parameters of one law with intervals row, trunk or wild; leave groups and profile out")
    data, faults = _fitted_rows(observations(table), law, settings)
    labels = ["all"] * len(data) if settings.groups is None else getattr(data, settings.groups).tolist()
    _enough(law, data, labels, settings)
    alone = settings.groups is None and not settings.fixed
    pivot = held.pivot(law, data.inputs(), settings.fixed) if settings.fixed else None
    laid = grouped(law, data, labels, settings.sharing, baseline=settings.baseline or labels[0], pivot=pivot)
    found = laid.search(objective)
    if settings.fixed:
        free, free_theta_P = laid.problem, found.phi_MP[0]
        laid, found = held.search_held(laid, settings.fixed, objective)
        data = data.noted(held.tested(settings.fixed, laid.problem, found.phi_MP[0], free, free_theta_P))
    theta_P = found.phi_MP[0]
    curves = checkpoints_of_curves(laid, data, theta_P) if alone and data.trunk[0].startswith("row ") else None
    if curves is not None:
        laid, data = curves[0], curves[1].noted(CURVES)
    around = spread(laid, theta_P, objective, data, settings)
    if around.method != "none":
        around = around.without(not_told_apart(laid, data, theta_P))
    misfit, interaction = form(laid, data, theta_P)
    along = _along_ray(data, settings) if law.needs == "ND" and alone and along_ray(data) else ()
    return Fit(
        grouped=laid,
        theta_P=theta_P,
        objective=objective,
        objective_value=float(found.objective_M[0]),
        spread=around,
        certificate=found.certificate(),
        sensitivity=sensitivity(laid, theta_P),
        flags=(*along, *flags(laid, data, theta_P, around.theta_RP, found), *warnings(misfit, interaction)),
        faults=faults,
        notes=data.notes,
        lack_of_fit=misfit,
        interaction=interaction,
    )


def _fitted_rows(data: Observations, law: Law, settings: FitSettings) -> tuple[Observations, tuple[Fault, ...]]:
    """The rows that the law is of, and the table's faults. Errors: ValueError for a fault that no fit can pass over."""
    faults = check(data, len(law.names))
    fatal = [f"{fault.name}: {fault.message}" for fault in faults if fault.severity == "error"]
    if len(data.eval_sets) > 1:
        sets = ", ".join(data.eval_sets[:4])
        fatal.append(f"many-eval-sets: {len(data.eval_sets)} evaluation sets ({sets} ...): pick one with --eval-set")
    if fatal:
        raise ValueError("; ".join(fatal))
    if settings.law not in REPEAT_LAWS and data.repeated.any():
        data = data.where(~data.repeated).noted(f"{int(data.repeated.sum())} rows of repeated data left out")
    return data.thinned(MOST_ROWS, settings.seed), faults


def _along_ray(data: Observations, settings: FitSettings) -> tuple[str]:
    """In words the law along the ray, which is all that such runs show."""
    ray = fit(data, replace(settings, law="data"))
    values = [f"{n} {show(one.value)} [{show(one.low)}, {show(one.high)}]" for n, one in ray.intervals["all"].items()]
    return (f"N and D lie on one ray: these runs show only the law along it, {ray.law.formula} with {', '.join(values)}",)


def _enough(law: Law, data: Observations, labels: list[str], settings: FitSettings) -> None:
    """Errors: ValueError where the table varies too little for the law, or varies what the law has not."""
    for axis in law.needs:
        if len(np.unique(getattr(data, axis))) < 2:
            raise ValueError(
                f"law {law.name!r} needs at least two distinct {axis}; the table has one "
                f"({count(float(getattr(data, axis)[0]))}): use --law {'data' if axis == 'N' else 'size'} or vary {axis}"
            )
    for axis in sorted(set("ND") - set(law.needs)):
        values = getattr(data, axis)
        apart = any(np.ptp(np.log(values[np.array(labels) == label])) > 0.1 for label in dict.fromkeys(labels))
        if apart and not along_ray(data):
            raise ValueError(
                f"law {law.name!r} has no {axis}, but {axis} goes from {count(values.min())} to {count(values.max())} in these "
                f"runs: fit one {axis} at a time, or a law that has it (additive)"
            )
    points = len({*zip(labels, data.N, data.D, data.unique, strict=True)})
    n_groups = len(set(labels))
    n = sum(n_groups if settings.sharing.get(name) == "free" else 1 for name in law.names) - len(settings.fixed)
    if points < n:
        raise ValueError(f"{points} distinct points for {n} parameters of law {law.name!r}: add runs or fit a smaller law")
