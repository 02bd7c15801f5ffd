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
        from scaling_fit.levels.budget import budget_report
        from scaling_fit.levels.calibrate import calibrate

        points, pools = [point for text in at for point in points_of(text)], assignments(unique, "--unique", "LEVEL=TOKENS")
        data = read_table(table, TableOptions(columns, parameters, eval_set, where, ignore, tokens_per_step, checkpoints))
        name = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
        prepared = prepare(data, Settings(baseline, name, confidence=confidence))
        for fault in prepared.faults:
            typer.secho(f"{fault.severity}: {fault.name}: {fault.message}", fg="yellow", err=True)
        comparison = prepared.joint_fit(name)
        calibration = calibrate(comparison)
        frontier = budget_report(comparison, calibration, confidence)
        best = best_runs(comparison, calibration, budget or frontier["observed_budget"][1:], pools, confidence)
        forecasts = forecast(comparison, calibration, points, confidence)
        crossings = frontier["finite" if "finite" in frontier else "endless"]["crossings"]
        source = calibration.cost.source
    if as_json:
        rows = {"plan": [row.to_dict() for row in best], "forecast": [row.to_dict() for row in forecasts]}
        print_json({"price": source, **rows, "crossings": crossings})
        return
    typer.echo(f"FLOPs from {source}; {'tested shapes only' if comparison.by_shape else 'sizes continuous'}.\n")
    typer.echo("| budget | level | N | D | loss of a run | interval | beyond the data |\n|---|---|---|---|---|---|---|")
    for row in best:
        _print_row(f"{row.budget:.3g}", row)
    for row in forecasts:
        _print_row("at N, D", row)
    for level, crossing in crossings.items():
        text = f"no crossing with {comparison.baseline} in range"
        if crossing["at"]:
            interval = _interval(crossing["low"], crossing["high"])
            text = f"crosses {comparison.baseline} at {crossing['at']:.3g} FLOPs {interval}, {crossing['after']} ahead beyond"
        typer.echo(f"- {level}: {text}")


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


def _print_row(place: str, row: Expected) -> None:
    from scaling_fit.intervals import show
    from scaling_fit.wording import count

    loss = f"{show(row.loss.value)} | {_interval(row.loss.low, row.loss.high)}"
    typer.echo(f"| {place} | {row.level} | {count(row.N)} | {count(row.D)} | {loss} | {row.beyond.words()} |")


def _interval(low: float | None, high: float | None) -> str:
    from scaling_fit.intervals import show

    return f"[{show(low)}, {show(high)}]"


def best_runs(
    comparison: "Comparison", calibration: "Calibration", budgets: list[float], pools: dict[str, float], confidence: float
) -> list[Best]:
    """One row per budget and level. `pools`: the unique tokens of the levels that have an end."""
    import numpy as np

    from scaling_fit.levels.budget import plan as plan_budgets

    unique = {level: pools.get(level, np.inf) for level in comparison.levels} if pools else None
    result = plan_budgets(comparison, calibration, np.array(budgets), unique=unique, confidence=confidence)
    rows = []
    for c, C in enumerate(budgets):
        for level, run in result.run.items():
            size, tokens = float(result.size[level][0, c]), float(result.tokens[level][0, c])
            at_edge = bool(result.edge[level][0, c]) and not comparison.by_shape
            rows.append(Best(level, size, tokens, run.interval(c), run.beyond.rows()[c], C, at_edge))
    return rows


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
