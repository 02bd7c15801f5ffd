"""`assay fit`, `assay plan`, `assay power`: the fitter on any table of runs, no study needed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import scaling_fit
from pipelines.verbs.fit_study import fit_study, list_faults, overrides_of
from pipelines.verbs.opening import Set, WorkdirOption
from scaling_fit import figures
from scaling_fit.instrument.repeats import measure
from scaling_fit.intervals import percentile, show
from scaling_fit.levels.budget import plan as plan_budget
from scaling_fit.levels.budget import price
from scaling_fit.levels.design import TRUTH, Candidate, Grid, assess, next_runs, simulate_power
from scaling_fit.levels.forecast import calibrate, loss_at

Table = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Runs: CSV, TSV, JSON lines or Parquet, a row per run (and evaluation set).")
]
TableOrStudy = Annotated[
    Path, typer.Argument(metavar="TABLE|STUDY", help="Runs (CSV, TSV, JSON lines, Parquet), or a trained study (YAML).")
]
Column = Annotated[
    list[str] | None, typer.Option("--column", "-c", metavar="OURS=THEIRS", help="Name a column, e.g. N='Model Size'.")
]
Parameters = Annotated[str, typer.Option(help="What N counts where the table splits it: body, body+head or total.")]
EvalSet = Annotated[str, typer.Option(help="Evaluation set to fit (default: heldout, else the first).")]
Baseline = Annotated[str, typer.Option(help="Level the others are compared with (default: raw, else the first).")]
Noise = Annotated[
    Path | None, typer.Option("--noise", metavar="TABLE", help="Repeated runs (`assay noise`) that say how far seeds scatter.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@contextmanager
def _told() -> Iterator[None]:
    """A user's mistake becomes one clear line and exit code 2."""
    try:
        yield
    except ValueError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise typer.Exit(2) from None


def _columns(pairs: list[str] | None) -> dict[str, str]:
    pairs = pairs or []
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValueError(f"--column {wrong[0]!r}: write OURS=THEIRS, e.g. N=params")
    return dict(pair.split("=", 1) for pair in pairs)


def _read(table: Path, column: list[str] | None, parameters: str, eval_set: str) -> scaling_fit.Observations:
    data = scaling_fit.observations(table, columns=_columns(column), parameters=parameters)
    for note in data.notes:
        typer.secho(f"note: {note}", fg="yellow", err=True)
    name = eval_set or ("heldout" if "heldout" in data.eval_sets else "")
    if name and name not in data.eval_sets:
        raise ValueError(f"--eval-set {name!r} is not in the table; it has {', '.join(data.eval_sets)}")
    return data.where(data.eval_set == name) if name else data


def _write(out: Path, name: str, text: str, summary: str, specs: dict[str, dict]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.json").write_text(text)
    (out / f"{name}.md").write_text(summary + "\n")
    for figure, spec in specs.items():
        for suffix in (".svg", ".png"):
            figures.render(spec, out / f"{figure}{suffix}")


def _given(context: typer.Context) -> dict[str, Any]:
    """What was said on the command line, but for what means the same for a study."""
    said = {name: value for name, value in context.params.items() if name not in HANDLED}
    sources = {name: context.get_parameter_source(name) for name in said}
    return {name: said[name] for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


HANDLED = {"table", "overrides", "workdir", "check", "out", "as_json"}
"""Parameters of `assay fit` that mean the same for a study."""


def fit(
    context: typer.Context,
    table: TableOrStudy,
    law: Annotated[str, typer.Option(help="auto, " + ", ".join(scaling_fit.LAWS))] = "auto",
    objective: Annotated[
        str, typer.Option(help="huber[:delta], lad, least-squares, linear or likelihood (one level).")
    ] = "huber",
    intervals: Annotated[str, typer.Option(help="auto, row, trunk, wild, profile or none (one level).")] = "auto",
    baseline: Baseline = "",
    eval_set: EvalSet = "",
    column: Column = None,
    parameters: Parameters = "auto",
    replicates: Annotated[int, typer.Option(help="Replicates behind the intervals.", min=0)] = 1000,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999)] = 0.95,
    margin: Annotated[float, typer.Option(help="Exponents closer than this count as equal.")] = 0.02,
    seed: int = 0,
    check: Annotated[bool, typer.Option("--check", help="List the table's design faults and stop.")] = False,
    noise: Noise = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for JSON, Markdown, SVG and PNG.")] = None,
    as_json: AsJson = False,
    overrides: Set = [],
    workdir: WorkdirOption = "",
) -> None:
    """Fit a scaling law to any table of runs; several levels are compared and the shift is named.

    A study file is fitted by its own `fit` section, from its work directory; an option such as --confidence overrides its
    key. --set and --workdir are for studies.

    Example: `assay fit runs.csv --baseline raw --out result`

    One level: the law's parameters with intervals, the exponent under every objective, and what the data cannot identify.
    Several: per level the verdict (exponent, multiplier, floor, none, or not identifiable with this design).
    """
    if table.suffix in (".yaml", ".yml"):
        with _told():
            wanted = overrides_of(_given(context))
        fit_study(table, overrides + wanted, workdir, check, out, as_json)
        return
    with _told():
        data = _read(table, column, parameters, eval_set if len(eval_set) or check else "")
        if check:
            list_faults(data, as_json)
        if len(data.levels) > 1:
            found = scaling_fit.analyse(
                data,
                baseline=baseline or None,
                eval_set=eval_set or None,
                law=law,
                replicates=max(replicates, 2),
                confidence=confidence,
                margin=margin,
                seed=seed,
                noise=noise,
            )
            specs = {"curves": figures.curves(found.content), "forest": figures.forest(found.content)}
        else:
            chosen = law if law != "auto" else _law_for(data)
            found = scaling_fit.fit(
                data,
                law=chosen,
                objective=objective,
                intervals=intervals if replicates else "none",
                replicates=replicates,
                confidence=confidence,
                seed=seed,
            )
            specs = {"fit": figures.fitted(found)}
        typer.echo(found.to_json() if as_json else found.summary())
        if out is not None:
            _write(out, "fit", found.to_json(), found.summary(), specs)
            typer.secho(f"wrote {out}/fit.json, fit.md and " + ", ".join(f"{s}.svg/.png" for s in specs), fg="green", err=True)


def _law_for(data: scaling_fit.Observations) -> str:
    sizes, tokens = len(np.unique(data.N)), len(np.unique(data.D))
    return "data" if sizes < 3 else "size" if tokens < 3 else "additive"


def plan(
    table: Table,
    budget: Annotated[list[float] | None, typer.Option("--budget", "-b", help="Training FLOPs; may be repeated.")] = None,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="N,D", help="Forecast the loss at N parameters and D tokens.")
    ] = None,
    unique: Annotated[
        list[str] | None,
        typer.Option("--unique", metavar="LEVEL=TOKENS", help="Unique tokens of a level: repeats past them are worth less."),
    ] = None,
    baseline: Baseline = "",
    eval_set: EvalSet = "",
    column: Column = None,
    parameters: Parameters = "auto",
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999)] = 0.95,
    as_json: AsJson = False,
) -> None:
    """The best size and tokens for a budget on every level, the loss to expect, and which level wins.

    Example: `assay plan runs.csv --budget 1e21 --at 1e9,2e10`
    """
    with _told():
        data = _read(table, column, parameters, eval_set)
        name = eval_set or ("heldout" if "heldout" in data.eval_sets else data.eval_sets[0])
        found = scaling_fit.analyse(
            data, baseline=baseline or None, eval_set=name, eval_sets=[name], confidence=confidence, test_replicates=0
        )
        if name not in found.comparisons:
            raise ValueError(found.content["sets"][name]["reason"])
        whole = found.comparisons[name]
        pools = dict(pair.split("=", 1) for pair in unique or [])
        endless = {level: float(pools.get(level, np.inf)) for level in whole.levels}
        made = plan_budget(
            whole,
            np.array(budget or found.content["sets"][name]["budget"]["observed_budget"][1:]),
            unique=endless if pools else None,
        )
        cost, rows = price(whole), []
        for c, C in enumerate(made.budgets_C):
            for level in whole.levels:
                loss = percentile(
                    float(np.exp(made.loss[level][0, c])), np.exp(made.loss[level][1:, c]), confidence, corrected=False
                )
                rows.append(
                    {
                        "budget": float(C),
                        "level": level,
                        "N": float(made.size[level][0, c]),
                        "D": float(made.tokens[level][0, c]),
                        "loss": loss.to_dict(),
                        "at_edge": bool(made.edge[level][0, c]) and not whole.by_shape,
                        "beyond_tested": bool((whole.table.D * cost.per_token(whole.table.N)).max() < C),
                    }
                )
        calibration = calibrate(whole)
        forecasts = []
        for pair in at or []:
            N, D = (float(x) for x in pair.split(","))
            forecasts += [
                {"N": N, "D": D, "level": level, "loss": loss_at(whole, calibration, level, N, D, confidence).to_dict()}
                for level in whole.levels
            ]
        crossings = found.content["sets"][name]["budget"][
            "finite" if "finite" in found.content["sets"][name]["budget"] else "endless"
        ]["crossings"]
        if as_json:
            typer.echo(
                json.dumps({"price": cost.source, "plan": rows, "forecast": forecasts, "crossings": crossings}, indent=2)
            )
            return
        typer.echo(f"FLOPs from {cost.source}; {'tested shapes only' if whole.by_shape else 'sizes continuous'}.\n")
        typer.echo("| budget | level | N | D | loss | interval |\n|---|---|---|---|---|---|")
        for row in rows:
            past = " (beyond tested)" if row["beyond_tested"] else ""
            typer.echo(
                f"| {row['budget']:.3g}{past} | {row['level']} | {row['N']:.3g} | {row['D']:.3g} | {_loss(row['loss'])} |"
            )
        for row in forecasts:
            typer.echo(f"| at N, D | {row['level']} | {row['N']:.3g} | {row['D']:.3g} | {_loss(row['loss'])} |")
        for level, one in crossings.items():
            text = f"no crossing with {whole.baseline} in range"
            if one["at"]:
                ends = f"[{show(one['low'])}, {show(one['high'])}]"
                text = f"crosses {whole.baseline} at {one['at']:.3g} FLOPs {ends}, {one['after']} ahead beyond"
            typer.echo(f"- {level}: {text}")


def _loss(interval: dict[str, Any]) -> str:
    return f"{show(interval['value'])} | [{show(interval['low'])}, {show(interval['high'])}]"


def _series(text: str, what: str) -> tuple[float, ...]:
    """ "1e6,2e6" or "1e6:1e8:5" (log-spaced, ends included)."""
    try:
        if ":" in text:
            low, high, count = text.split(":")
            return tuple(float(x) for x in np.geomspace(float(low), float(high), int(count)))
        return tuple(float(x) for x in text.split(","))
    except ValueError:
        raise ValueError(f"{what} {text!r}: write numbers with commas (1e6,2e6) or LOW:HIGH:COUNT (1e6:1e8:5)") from None


def power(
    sizes: Annotated[str, typer.Option(help="Sizes N: 1e6,4e6 or LOW:HIGH:COUNT.")],
    tokens: Annotated[str, typer.Option(help="Token counts D: the same forms.")],
    seeds: Annotated[int, typer.Option(min=1)] = 1,
    row: Annotated[float, typer.Option(help="Noise of log loss per run (0.003 = 0.3 %).")] = 0.003,
    trunk: Annotated[float, typer.Option(help="Noise of log loss shared by a trunk's branches.")] = 0.0,
    noise: Noise = None,
    delta: Annotated[float, typer.Option(help="Shift of beta to find.")] = 0.02,
    alpha: Annotated[float, typer.Option(help="Size of the test.")] = 0.05,
    truth: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Law to assume: E, A, B, alpha, beta (default Besiroglu 2024)."),
    ] = None,
    budget: Annotated[
        float, typer.Option(help="FLOPs to spend on more runs (6ND a run, both levels): names the best ones.")
    ] = 0.0,
    simulate: Annotated[int, typer.Option(help="Tables to simulate and refit as a check (0: none).")] = 1000,
    as_json: AsJson = False,
) -> None:
    """What a planned grid could show: the error of a difference in beta, the smallest shift it finds, its power.

    Example: `assay power --sizes 1e6:3e7:4 --tokens 2e7:2e9:6 --seeds 2 --delta 0.02`
    """
    with _told():
        law = TRUTH | {k: float(v) for k, v in (pair.split("=", 1) for pair in truth or [])}
        if set(law) != set(TRUTH):
            raise ValueError(f"--truth {sorted(set(law) - set(TRUTH))[0]}: the law has {', '.join(TRUTH)}")
        if noise is not None:
            measured = measure(noise)
            row, trunk = measured.row or row, measured.trunk
        grid = Grid(_series(sizes, "--sizes"), _series(tokens, "--tokens"), seeds, row, trunk)
        one = assess(grid, law)
        result: dict[str, Any] = {
            "runs_per_level": one.runs,
            "noise": {"row": row, "trunk": trunk},
            "se_delta_beta": one.se,
            "se_delta_beta_floor_shared": one.se_shared_floor,
            "detectable_80": one.detectable(alpha),
            "delta": delta,
            "power": one.power(delta, alpha),
            "condition": one.condition,
        }
        if simulate:
            result["power_simulated"] = simulate_power(grid, delta, law, alpha=alpha, replicates=simulate)
        if budget:
            D = np.geomspace(min(grid.tokens), max(grid.tokens) * 16, 12)  # below the grid, warm-up bends the law
            options = [Candidate(n, float(d), 12 * n * d) for n in grid.sizes for d in D]
            result["next_runs"] = next_runs(grid, options, budget, law)[:20]
        if as_json:
            typer.echo(json.dumps(result, indent=2))
            return
        typer.echo(f"Noise of log loss: {row:.4f} per run, {trunk:.4f} per trunk.")
        shared = f"{one.se_shared_floor:.4f} if they are equal"
        typer.echo(f"{one.runs} runs per level. Error of a difference in beta: {one.se:.4f} with floors free, {shared}.")
        simulated = f" (simulated {result['power_simulated']:.2f})" if simulate else ""
        typer.echo(f"Smallest shift found four times in five: {result['detectable_80']:.4f}.")
        typer.echo(f"Power to find {delta:g}: {result['power']:.2f}{simulated}.")
        for run in result.get("next_runs", []):
            where = f"N {run['N']:.3g}, D {run['D']:.3g} on both levels"
            typer.echo(f"- add {where} ({run['cost']:.2g} FLOPs): error {run['se']:.4f}")
