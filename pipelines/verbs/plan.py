"""`assay plan TABLE`: where a budget of training FLOPs is best spent, by the laws fitted to a table of runs."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.verbs.options import (
    AsJson,
    Baseline,
    Checkpoints,
    Columns,
    Confidence,
    EvalSet,
    Ignore,
    Parameters,
    Table,
    TokensPerStep,
    Where,
)
from pipelines.verbs.tables import TableOptions, assignments, read_table
from pipelines.verbs.terminal import plain_errors, print_json

if TYPE_CHECKING:
    from scaling_fit.intervals import Interval
    from scaling_fit.levels.beyond import Factors
    from scaling_fit.levels.calibrate import Calibration
    from scaling_fit.levels.compare import Comparison


@dataclass(frozen=True)
class Expected:
    """The loss to expect of a run of a level at N parameters and D tokens, and how far beyond the level's runs that is."""

    level: str
    N: float
    D: float
    loss: "Interval"
    beyond: "Factors"

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "loss": self.loss.to_dict()}


@dataclass(frozen=True)
class Best(Expected):
    """The best N and D of a level for a budget of training FLOPs."""

    budget: float
    at_edge: bool
    """The best size is the largest or smallest that was tried."""
    epochs: float | None
    """D over the level's unique tokens, where those are known."""


def plan(
    table: Table,
    budget: Annotated[list[float], typer.Option("--budget", "-b", help="Training FLOPs; may be repeated.")] = [],
    at: Annotated[
        list[str],
        typer.Option(
            "--at", metavar="N,D", help="Forecast the loss at N parameters and D tokens, or at every row of a CSV with N and D."
        ),
    ] = [],
    unique: Annotated[
        list[str],
        typer.Option("--unique", metavar="LEVEL=TOKENS", help="Unique tokens of a level: repeats past them are worth less."),
    ] = [],
    baseline: Baseline = "",
    eval_set: EvalSet = "",
    columns: Columns = [],
    parameters: Parameters = "auto",
    where: Where = [],
    ignore: Ignore = [],
    tokens_per_step: TokensPerStep = "",
    checkpoints: Checkpoints = 1,
    confidence: Confidence = 0.95,
    as_json: AsJson = False,
) -> None:
    """Find the best size and tokens for a budget, on every level.

    With the loss to expect there, and where levels cross.

    Example: `assay plan runs.csv --budget 1e21 --at 1e9,2e10`
    """
    with plain_errors():
        from scaling_fit import Settings
        from scaling_fit.levels.analysis import prepare
        from scaling_fit.levels.budget import BEYOND, spent, unique_tokens
        from scaling_fit.levels.calibrate import calibrate
        from scaling_fit.wording import listed, row_numbers

        points, pools = [point for text in at for point in points_of(text)], assignments(unique, "--unique", "LEVEL=TOKENS")
        _above_zero(budget, pools, points)
        data = read_table(table, TableOptions(columns, parameters, eval_set, where, ignore, tokens_per_step, checkpoints))
        if strange := [level for level in pools if level not in data.levels]:
            raise ValueError(f"--unique: no level {strange[0]!r} in the table; it has {', '.join(data.levels)}")
        name = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
        prepared = prepare(data, Settings(baseline, name, confidence=confidence))
        for fault in prepared.faults:
            typer.secho(f"{fault.severity}: {fault.name}: {fault.message}", fg="yellow", err=True)
        replicates = prepared.settings.replicates
        typer.echo(f"fitting {listed(list(data.levels))} on {name}, with {replicates:,} replicates: a minute or more", err=True)
        comparison = prepared.joint_fit(name)
        if len(comparison.wild):
            lie = f"rows {row_numbers(comparison.wild.tolist())} lie far off the law, and count little here"
            typer.secho(f"warning: stray-run: {lie}; `assay fit {table} --check` says how far", fg="yellow", err=True)
        calibration, pools = calibrate(comparison), unique_tokens(comparison) | pools
        low, high = spent(comparison, calibration)
        best = best_runs(comparison, calibration, budget or [high], pools, confidence)
        forecasts = forecast(comparison, calibration, points, confidence)
        span = min([low, *budget]), max([high * BEYOND, *budget])
        crossings = crossings_of(comparison, calibration, span, pools, confidence)
        source = calibration.cost.source
    if as_json:
        rows = {"plan": [row.to_dict() for row in best], "forecast": [row.to_dict() for row in forecasts]}
        print_json({"price": source, **rows, "crossings": crossings})
        return
    typer.echo(f"FLOPs from {source}; {'tested shapes only' if comparison.by_shape else 'sizes continuous'}.\n")
    typer.echo("| budget | level | N | D | loss of a run | interval | beyond the data |\n|---|---|---|---|---|---|---|")
    for row in best:
        edge = ", the end of the sizes that were tried" if row.at_edge else ""
        epochs = f" ({row.epochs:.2g} epochs)" if row.epochs and row.epochs > 1 else ""
        _print_row(f"{row.budget:.3g}", row, edge, epochs)
    for row in forecasts:
        _print_row("at N, D", row)
    for level, crossing in crossings.items():
        some = f" ({crossing['share']:.0%} of the replicates cross)" if crossing["share"] else ""
        text = f"no sure crossing with {comparison.baseline} between {span[0]:.3g} and {span[1]:.3g} FLOPs{some}"
        if crossing["at"]:
            interval = _interval(crossing["low"], crossing["high"])
            if crossing["low"] is None:
                interval = f"({crossing['share']:.0%} of the replicates cross, too few for an interval)"
            text = f"crosses {comparison.baseline} at {crossing['at']:.3g} FLOPs {interval}, {crossing['after']} ahead beyond"
        typer.echo(f"- {level}: {text}")


def _above_zero(budget: list[float], pools: dict[str, float], points: list[tuple[float, float]]) -> None:
    """Raises ValueError for a budget, a pool or a run that no one can train, naming the option and the value."""
    given = [("--budget", f"{C:g}", (C,)) for C in budget]
    given += [("--unique", f"{level}={tokens:g}", (tokens,)) for level, tokens in pools.items()]
    given += [("--at", f"{N:g},{D:g}", (N, D)) for N, D in points]
    for option, text, numbers in given:
        if not all(0 < number < float("inf") for number in numbers):
            raise ValueError(f"{option} {text}: give numbers above 0")


def points_of(text: str) -> list[tuple[float, float]]:
    """`N,D`, or the rows of a CSV file. Raises ValueError for what is no number, by row as a spreadsheet counts them."""
    if not text.lower().endswith(".csv"):
        try:
            N, D = (float(number) for number in text.split(","))
        except ValueError:
            raise ValueError(f"--at {text!r}: write N,D as two numbers, e.g. 1e9,2e10, or name a CSV file") from None
        return [(N, D)]
    with Path(text).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = []
    for number, row in enumerate(rows, start=2):
        try:
            points.append((float(row["N"]), float(row["D"])))
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"--at {text}, row {number}: {dict(row)} has no numbers N and D; its columns must be N and D"
            ) from None
    return points


def _print_row(place: str, row: Expected, edge: str = "", epochs: str = "") -> None:
    from scaling_fit.intervals import show
    from scaling_fit.wording import count

    loss = f"{show(row.loss.value)} | {_interval(row.loss.low, row.loss.high)}"
    typer.echo(f"| {place} | {row.level} | {count(row.N)}{edge} | {count(row.D)}{epochs} | {loss} | {row.beyond.words()} |")


def _interval(low: float | None, high: float | None) -> str:
    from scaling_fit.intervals import show

    return f"[{show(low)}, {show(high)}]"


def best_runs(
    comparison: "Comparison", calibration: "Calibration", budgets: list[float], pools: dict[str, float], confidence: float
) -> list[Best]:
    """One row per budget and level. `pools`: the unique tokens of every level."""
    import numpy as np

    from scaling_fit.levels.budget import plan as plan_budgets

    result = plan_budgets(comparison, calibration, np.array(budgets), unique=pools, confidence=confidence)
    rows = []
    for c, C in enumerate(budgets):
        for level, run in result.run.items():
            size, tokens = float(result.size[level][0, c]), float(result.tokens[level][0, c])
            at_edge = bool(result.edge[level][0, c]) and not comparison.by_shape
            epochs = tokens / pools[level] if np.isfinite(pools[level]) else None
            rows.append(Best(level, size, tokens, run.interval(c), run.beyond.rows()[c], C, at_edge, epochs))
    return rows


def crossings_of(
    comparison: "Comparison", calibration: "Calibration", span: tuple[float, float], pools: dict[str, float], confidence: float
) -> dict[str, dict]:
    """By level, where its best run and the baseline's change places over budgets of `span` (`budget.crossing`)."""
    import numpy as np

    from scaling_fit.levels.budget import crossing
    from scaling_fit.levels.budget import plan as plan_budgets

    budgets_C = np.geomspace(*span, 41)
    loss = plan_budgets(comparison, calibration, budgets_C, unique=pools, confidence=confidence).loss
    return {
        level: crossing(loss[level] - loss[comparison.baseline], np.log(budgets_C), confidence)
        for level in comparison.levels[1:]
    }


def forecast(
    comparison: "Comparison", calibration: "Calibration", points: list[tuple[float, float]], confidence: float
) -> list[Expected]:
    """The loss of a run of every level at the points (N, D), point by point."""
    import numpy as np

    from scaling_fit.levels.forecast import runs_at

    if not points:
        return []
    N, D = np.array(points).T
    runs = {level: runs_at(comparison, calibration, level, N, D, confidence) for level in comparison.levels}
    return [
        Expected(level, n, d, run.interval(k), run.beyond.rows()[k])
        for k, (n, d) in enumerate(points)
        for level, run in runs.items()
    ]
