"""One call from a table of runs to everything a report needs: `analyse("runs.csv", Settings(baseline="raw"))`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from scaling_fit.checks import Fault, check
from scaling_fit.instrument.repeats import trunk_noise
from scaling_fit.law.adequacy import checks as form_checks
from scaling_fit.law.robust import WILD
from scaling_fit.levels import doubts, draws
from scaling_fit.levels.adequacy import collapse
from scaling_fit.levels.answer import Answer, choice, doubts_of, moved, no_answer, not_shown
from scaling_fit.levels.budget import R_STAR
from scaling_fit.levels.compare import Comparison, comparable, compare, half_width
from scaling_fit.levels.decision import Decision, Order, decide
from scaling_fit.levels.draws import DrawLuck
from scaling_fit.levels.gap import Gap, gaps_of, order_of
from scaling_fit.levels.influence import carried
from scaling_fit.levels.over_quality import across_sets
from scaling_fit.levels.planned import planned
from scaling_fit.levels.quality import Axes
from scaling_fit.levels.resolution import Resolution, resolution, sampled
from scaling_fit.levels.saving import saving
from scaling_fit.levels.set_fit import points, set_fit
from scaling_fit.levels.settle import Settling, settling
from scaling_fit.levels.shift import adjusted, shift
from scaling_fit.levels.verdict import Verdict, judge
from scaling_fit.levels.weighing import ALIKE, POOLED, weights
from scaling_fit.levels.words import BADGE, DIRECTION, words
from scaling_fit.observations import Observations, observations
from scaling_fit.result import Result, SetFit, SetResult, Shape
from scaling_fit.settings import Settings
from scaling_fit.wording import listed

DEFAULTS = Settings()
MOST_ROWS = 4_000  # fitted of an evaluation set: thousands of simulated tables of it are refitted
FEW = 200  # replicates where no number of them could identify the law


@dataclass(frozen=True)
class Prepared:
    """A checked table and the settings with every default in place. `fresh`: the rows that are fitted; `closed`: why no law is
    fitted on an evaluation set."""

    data: Observations
    fresh: Observations
    settings: Settings
    axes: Axes | None
    faults: tuple[Fault, ...]
    closed: Mapping[str, str]
    notes: tuple[str, ...]

    def joint_fit(self, eval_set: str, measured: tuple[float, float] | None = None) -> Comparison:
        """The levels under one law on one evaluation set. `measured`: the trunks' noise, from runs repeated apart.

        Errors: ValueError where the rows are too few."""
        asked = self.settings
        return compare(
            self.fresh.where(self.fresh.eval_set == eval_set),
            asked.baseline,
            law=asked.law,
            replicates=asked.replicates,
            seed=asked.seed,
            trunk_noise=measured,
            objective=asked.objective,
        )


def analyse(
    table: object, settings: Settings = DEFAULTS, *, noise: object = None, quality: Axes | None = None, r_star: float = R_STAR,
    say: Callable[[str], None] = lambda text: None,
) -> Result:  # fmt: skip
    """Compare every level with the baseline on every evaluation set.

    table: anything `observations` reads. noise: a table of repeated runs (`assay noise`); where the table itself repeats no
    trunk, the trunks' noise is taken from it, set by set. quality: the measured quality of the levels, against which their laws
    are set (`scaling_fit.levels.quality`). r_star: repeats after which a token is worth 1/e of a fresh one, for plans of a
    finite pool (default: the published constant). say: told which evaluation set is at hand; each takes seconds to minutes.
    Errors: ValueError naming rows for data that no fit can use (see `check`), or a setting that names what is not there.
    """
    prepared = prepare(table, settings, quality)
    settings, data = prepared.settings, prepared.data
    measured = trunk_noise(noise) if noise is not None else {}
    fits: dict[str, SetFit] = {}
    verdicts: dict[str, dict[str, Verdict]] = {}
    runs, reasons, wild, drawn, orders = {}, {}, {}, {}, {}
    for number, name in enumerate(settings.eval_sets, 1):
        say(f"evaluation set {number} of {len(settings.eval_sets)}: {name}")
        try:
            if name in prepared.closed:
                raise ValueError(prepared.closed[name])
            whole = prepared.joint_fit(name, measured.get(name))
        except ValueError as error:
            runs[name], reasons[name] = points(data, name, None), str(error)
            continue
        if len(whole.wild):
            wild[name] = _without(prepared, whole, name)
        gaps, drawn[name] = gaps_of(whole, settings), whole.luck
        fits[name] = set_fit(whole, name, settings, prepared.axes, r_star)
        verdicts[name] = _verdicts(whole, fits[name], gaps, settings)
        orders[name] = order_of(whole, settings.confidence)
        runs[name] = points(data, name, whole)
    over = across_sets({name: one.quality for name, one in fits.items() if one.quality is not None}, settings)
    fits = {name: replace(one, quality=over.get(name)) for name, one in fits.items()}
    resolutions = {name: _resolution(prepared, name, fits[name], one) for name, one in verdicts.items()}
    enough, weighed = sampled(resolutions), weights(verdicts, settings)
    contenders = {name: settings.contenders(one.levels) for name, one in orders.items()}
    decisions = {name: decide(one, settings.baseline, contenders[name]) for name, one in orders.items()}
    sets = {}
    for name in settings.eval_sets:
        if name in fits:
            answer = _answer(name, fits[name], verdicts[name], orders[name], decisions, settings, drawn[name])
            told = _wild_runs(wild[name], verdicts[name]) if name in wild else ()
            luck = doubts.luck(fits[name].noise, name in measured)
            more = (enough,) if enough and name == settings.eval_set else ()
            if weighed is not None and name in (ALIKE, POOLED):
                more, told = (weighed[0], *more), (*told, *filter(None, weighed[1:]))
            if (rung := carried(fits[name].influence)) is not None:
                more = (rung, *more)
            if (documents := drawn[name]) is not None:
                more = (draws.told(documents), *more)
            answer = replace(answer, checks=(luck, *answer.checks, *more), warnings=(*told, *answer.warnings))
            if name == settings.eval_set:
                answer = replace(answer, settling=_settling(prepared, fits[name], verdicts[name]))
        else:
            answer = no_answer("No verdict: the law could not be fitted.", f"{reasons[name]}.")
        sets[name] = SetResult(
            runs[name], fits.get(name), reasons.get(name, ""), answer, resolutions.get(name), drawn.get(name)
        )
    shapes = {(float(N), shape) for shape, N in zip(data.shape, data.N, strict=True)}
    return Result(
        settings,
        (settings.baseline, *(level for level in data.levels if level != settings.baseline)),
        tuple(Shape(shape, N) for N, shape in sorted(shapes)),
        prepared.notes,
        prepared.faults,
        sets,
        prepared.axes,
    )


def prepare(table: object, settings: Settings, quality: Axes | None = None) -> Prepared:
    """Check the table, and put the defaults of the settings in place. Errors: as `analyse`."""
    data = observations(table)
    faults = check(data)
    baseline = settings.baseline or ("raw" if "raw" in data.levels else data.levels[0])
    primary = settings.eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
    closed = _closed(data, faults, primary)
    named = [(baseline, data.levels, "baseline"), (primary, data.eval_sets, "eval_set")]
    named += [(level, data.levels, "roles") for level in settings.roles]
    for value, known, what in named:
        if value not in known:
            raise ValueError(f"{what} {value!r} is not in the table; it has {', '.join(known)}")
    half_width(settings.objective)
    if settings.law != "auto":
        comparable(settings.law)
    sets = (primary, *(name for name in settings.eval_sets or data.eval_sets if name != primary))
    settings = replace(settings, baseline=baseline, eval_set=primary, eval_sets=sets)
    notes = list(data.notes)
    fresh = data.where(~data.repeated)
    if data.repeated.any():
        notes.append(f"{int(data.repeated.sum())} rows of repeated data are shown but not fitted: the law is of fresh data")
    fresh = fresh.thinned(MOST_ROWS * len(sets), settings.seed)
    notes += fresh.notes[len(data.notes) :]
    fewest = min(len(np.unique(fresh.D[fresh.level == level])) for level in fresh.levels) if len(fresh) else 0
    if fewest < 4 and settings.replicates > FEW:
        settings = replace(settings, replicates=FEW, test_replicates=min(settings.test_replicates, FEW // 2))
        notes.append(
            f"{fewest} distinct D in a level: floor, prefactor and exponent are saturated, so {FEW} replicates are made"
        )
    axes = quality.of(data.levels) if quality else None
    unmeasured = [level for level in data.levels if axes and level not in axes.levels]
    if unmeasured:
        notes.append(f"no quality is given of {listed(unmeasured)}, which the lines over quality leave out")
    return Prepared(data, fresh, settings, axes, faults, closed, tuple(notes))


def _closed(data: Observations, faults: tuple[Fault, ...], primary: str) -> dict[str, str]:
    """Evaluation sets on which no law can be fitted, and why: on text far from its own a level may get worse with every token.

    Errors: ValueError where the primary set is one of them, or the fault is one of the whole table."""
    set_of = dict(zip(data.row.tolist(), data.eval_set.tolist(), strict=True))
    closed = {}
    fatal = [fault for fault in faults if fault.severity == "error"]
    for fault in fatal:
        of = {set_of[row] for row in fault.rows}
        if fault.name != "loss-rises" or primary in of:
            raise ValueError("; ".join(f"{one.name}: {one.message}" for one in fatal))
        closed |= dict.fromkeys(of, fault.message)
    return closed


def _verdicts(whole: Comparison, fit: SetFit, gaps: dict[str, Gap], settings: Settings) -> dict[str, Verdict]:
    out = {}
    for level, test in fit.tests.items():
        verdict = judge(whole, level, test, gaps[level], settings)
        fitted = fit.against[level].fitted
        saved = saving(whole, level, settings.confidence)
        out[level] = replace(verdict, worth=fitted[-1] if fitted else None, saving=saved)
    return out


def _resolution(prepared: Prepared, eval_set: str, fit: SetFit, verdicts: dict[str, Verdict]) -> Resolution | None:
    run = float(np.hypot(fit.noise.row, fit.noise.trunk))
    rows = prepared.fresh.where(prepared.fresh.eval_set == eval_set)
    return resolution(verdicts, run, rows, prepared.settings.confidence)


def _settling(prepared: Prepared, fit: SetFit, verdicts: dict[str, Verdict]) -> Settling | None:
    rows, settings = prepared.fresh.where(prepared.fresh.eval_set == prepared.settings.eval_set), prepared.settings
    parameters = fit.levels[settings.baseline].parameters
    return settling(verdicts, fit.tests, parameters, fit.noise, fit.budget, rows, settings)


def _without(prepared: Prepared, whole: Comparison, eval_set: str) -> tuple[list[int], dict[str, Verdict]]:
    """The rows of wild runs, and the verdicts of the table without them (p values from the F distribution)."""
    settings, rows = prepared.settings, whole.wild.tolist()
    fresh = prepared.fresh.where(~np.isin(prepared.fresh.row, whole.wild))
    try:
        other = replace(prepared, fresh=fresh).joint_fit(eval_set)
    except ValueError:
        return rows, {}
    tests = adjusted({level: shift(other, level, settings, 0) for level in other.levels[1:]})
    gaps = gaps_of(other, settings)
    judged = {level: judge(other, level, test, gaps[level], settings) for level, test in tests.items()}
    return rows, judged


def _wild_runs(without: tuple[list[int], dict[str, Verdict]], verdicts: dict[str, Verdict]) -> tuple[str]:
    rows, others = without
    changed = [
        f"{level} is {DIRECTION[one.direction]}, {BADGE[one.kind]}"
        for level, one in others.items()
        if (one.kind, one.direction) != (verdicts[level].kind, verdicts[level].direction)
    ]
    named = ", ".join(map(str, rows[:8])) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
    result = "; ".join(changed) if changed else "every verdict is the same"
    if verdicts and not others:
        result = "the law cannot be fitted"
    lies = f"Row {named} lies" if len(rows) == 1 else f"Rows {named} lie"
    return (f"{lies} over {WILD:g} robust standard deviations off the law; left out, {result}.",)


def _answer(
    eval_set: str,
    fit: SetFit,
    verdicts: dict[str, Verdict],
    order: Order,
    decisions: dict[str, Decision],
    settings: Settings,
    luck: DrawLuck | None,
) -> Answer:
    """The verdicts in words, and the doubts about them. decisions: of every evaluation set."""
    drawn = luck.levels if luck else ()
    base, budget = settings.baseline, fit.budget
    largest = max(one.N[1] for one in fit.levels.values()), max(one.D[1] for one in fit.levels.values())
    pinned = {level: one.identifiability for level, one in fit.levels.items()}
    form = (*form_checks(fit.adequacy.lack_of_fit, fit.adequacy.interaction), collapse(fit.adequacy))
    checks = (*(check for check in form if check is not None), doubts.pinned_down(pinned))
    control_checks, control_warnings = doubts_of(verdicts, settings, drawn)
    flags = [f"{level}: {flag}" for level, one in pinned.items() for flag in one.flags]
    warnings = [fit.adequacy.warning] if fit.adequacy.warning else []
    if flags:
        first = f"{flags[0]} (and {len(flags) - 1} more, with the fitted parameters)" if len(flags) > 1 else flags[0]
        warnings.append(f"These runs do not pin down every parameter of the law, so read what moved with care. {first}.")
    if not verdicts:
        return replace(
            no_answer(f"One level, {base}: there is nothing to compare it with.", "The law fitted to it is below."),
            warnings=tuple(warnings),
            checks=(*checks, doubts.forecasts(fit.extrapolation)),
        )
    decided, choices = decisions[eval_set], {name: one.chosen for name, one in decisions.items()}
    return Answer(
        decided.chosen,
        decided.tied,
        choice(decided, verdicts, settings),
        moved(verdicts, budget, choices, eval_set, settings),
        planned(budget, decided.chosen or base),
        not_shown(verdicts, largest, settings),
        order,
        verdicts,
        {
            level: words(one, fit.tests[level], budget, base, random_part=level in settings.random_parts, drawn=level in drawn)
            for level, one in verdicts.items()
        },
        (*warnings, *control_warnings),
        (
            *checks,
            doubts.smallest_shift(list(verdicts.values()), base),
            doubts.forecasts(fit.extrapolation),
            *control_checks,
        ),
    )


def faults_of(table: object) -> tuple[Fault, ...]:
    """The design and data faults of a table, without fitting (`assay fit --check`)."""
    return check(observations(table))
