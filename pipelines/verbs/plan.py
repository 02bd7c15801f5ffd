"""`assay plan TABLE`: where a budget of training FLOPs is best spent, by the laws fitted to a table of runs."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.verbs.options import AsJson, Baseline, Columns, Confidence, EvalSet, Ignore, Parameters, Table, Where
from pipelines.verbs.tables import TableOptions, assignments, read_table
from pipelines.verbs.terminal import plain_errors, print_json

if TYPE_CHECKING:
    from scaling_fit.intervals import Interval
    from scaling_fit.levels.compare import Comparison


@dataclass(frozen=True)
class Expected:
    """The loss to expect of a level at N parameters and D tokens."""

    level: str
    N: float
    D: float
    loss: "Interval"

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "loss": self.loss.to_dict()}


@dataclass(frozen=True)
class Best(Expected):
    """The best N and D of a level for a budget of training FLOPs."""

    budget: float
    at_edge: bool
    """The best size is the largest or smallest that was tried."""
    beyond_tested: bool
    """The budget is larger than that of any run of the table."""


def plan(
    table: Table,
    budget: Annotated[list[float], typer.Option("--budget", "-b", help="Training FLOPs; may be repeated.")] = [],
    at: Annotated[
        list[str], typer.Option("--at", metavar="N,D", help="Forecast the loss at N parameters and D tokens; may be repeated.")
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
        from scaling_fit.levels.budget import budget_report, price

        points, pools = [_point(text) for text in at], assignments(unique, "--unique", "LEVEL=TOKENS")
        data = read_table(table, TableOptions(columns, parameters, eval_set, where, ignore))
        name = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
        comparison = prepare(data, Settings(baseline, name, confidence=confidence)).joint_fit(name)
        frontier = budget_report(comparison, confidence)
        best = best_runs(comparison, budget or frontier["observed_budget"][1:], pools, confidence)
        forecasts = forecast(comparison, points, confidence)
        crossings = frontier["finite" if "finite" in frontier else "endless"]["crossings"]
        source = price(comparison).source
    if as_json:
        rows = {"plan": [row.to_dict() for row in best], "forecast": [row.to_dict() for row in forecasts]}
        print_json({"price": source, **rows, "crossings": crossings})
        return
    typer.echo(f"FLOPs from {source}; {'tested shapes only' if comparison.by_shape else 'sizes continuous'}.\n")
    typer.echo("| budget | level | N | D | loss | interval |\n|---|---|---|---|---|---|")
    for row in best:
        _print_row(f"{row.budget:.3g}{' (beyond tested)' if row.beyond_tested else ''}", row)
    for row in forecasts:
        _print_row("at N, D", row)
    for level, crossing in crossings.items():
        text = f"no crossing with {comparison.baseline} in range"
        if crossing["at"]:
            interval = _interval(crossing["low"], crossing["high"])
            text = f"crosses {comparison.baseline} at {crossing['at']:.3g} FLOPs {interval}, {crossing['after']} ahead beyond"
        typer.echo(f"- {level}: {text}")


def _point(text: str) -> tuple[float, float]:
    try:
        N, D = (float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"--at {text!r}: write N,D as two numbers, e.g. 1e9,2e10") from None
    return N, D


def _print_row(place: str, row: Expected) -> None:
    from scaling_fit.intervals import show

    loss = f"{show(row.loss.value)} | {_interval(row.loss.low, row.loss.high)}"
    typer.echo(f"| {place} | {row.level} | {row.N:.3g} | {row.D:.3g} | {loss} |")


def _interval(low: float | None, high: float | None) -> str:
    from scaling_fit.intervals import show

    return f"[{show(low)}, {show(high)}]"


def best_runs(comparison: "Comparison", budgets: list[float], pools: dict[str, float], confidence: float) -> list[Best]:
    """One row per budget and level. `pools`: the unique tokens of the levels that have an end."""
    import numpy as np

    from scaling_fit.intervals import percentile
    from scaling_fit.levels.budget import plan as plan_budgets
    from scaling_fit.levels.budget import price

    unique = {level: pools.get(level, np.inf) for level in comparison.levels} if pools else None
    result = plan_budgets(comparison, np.array(budgets), unique=unique)
    largest = float((comparison.table.D * price(comparison).per_token(comparison.table.N)).max())
    rows = []
    for c, C in enumerate(result.budgets_C.tolist()):
        for level in comparison.levels:
            loss_RC = np.exp(result.loss[level])
            loss = percentile(float(loss_RC[0, c]), loss_RC[1:, c], confidence, corrected=False)
            size, tokens = float(result.size[level][0, c]), float(result.tokens[level][0, c])
            at_edge = bool(result.edge[level][0, c]) and not comparison.by_shape
            rows.append(Best(level, size, tokens, loss, C, at_edge, largest < C))
    return rows


def forecast(comparison: "Comparison", points: list[tuple[float, float]], confidence: float) -> list[Expected]:
    """The loss of every level at the points (N, D); intervals are as wide as past forecasts from this table were wrong."""
    from scaling_fit.levels.forecast import calibrate, loss_at

    calibration = calibrate(comparison)
    return [
        Expected(level, N, D, loss_at(comparison, calibration, level, N, D, confidence))
        for N, D in points
        for level in comparison.levels
    ]
