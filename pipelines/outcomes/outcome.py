"""What the terminal shows of what came out: the losses after training, the verdict after the fit."""

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.engine.run import Context
from pipelines.engine.step import Manifest
from pipelines.engine.workdir import JsonObject
from pipelines.report import verdict as layout
from pipelines.runs.ladder import rungs
from pipelines.runs.trained import Trained
from pipelines.study.study import Study
from scaling_fit import Result
from scaling_fit.courses.reading import Reading
from scaling_fit.encoding import Json, encode
from scaling_fit.levels.summary import RESOLUTION, resolution_rows
from scaling_fit.wording import eval_words


def losses(context: Context, study: Study, trained: Trained) -> list[JsonObject]:
    """Per shape and level: the mean loss over seeds at the longest D, on the set that the verdict is read from.

    `asked_tokens` is the D of the study, `tokens` the one that was trained: whole batches of the shape."""
    table = pl.DataFrame(context.workdir.read_table(trained.observations.files(".parquet")[0]))
    asked = max(study.ladder.tokens)
    longest = pl.DataFrame(
        [(rung.name, rung.reached(asked), asked) for rung in rungs(study)],
        {"shape": pl.String, "tokens": pl.Int64, "asked_tokens": pl.Int64}, orient="row",
    )  # fmt: skip
    rows = table.filter(eval_set=study.fit.eval_set).join(longest, on=["shape", "tokens"], maintain_order="left")
    mean = rows.group_by("shape", "level", "tokens", "asked_tokens", maintain_order=True)
    return mean.agg(pl.col("loss").mean(), seeds=pl.len()).to_dicts()


def show_losses(console: Console, study: Study, rows: list[JsonObject]) -> None:
    """One row per level and course, one column per shape."""
    shapes, asked = list(dict.fromkeys(row["shape"] for row in rows)), max(study.ladder.tokens)
    table = Table(box=None, header_style="bold")
    for column in ("level", *shapes):
        table.add_column(column, justify="left" if column == "level" else "right")
    found = {(row["level"], row["shape"]): f"{row['loss']:.4f}" for row in rows}
    for level in (*study.compared, *study.courses):
        table.add_row(level, *(found.get((level, shape), "") for shape in shapes))
    reached = {row["shape"]: row["tokens"] for row in rows if row["tokens"] != asked}
    whole = "; in whole batches " + ", ".join(f"{shape} {n:,}" for shape, n in reached.items()) if reached else ""
    console.print(f"[italic]Loss at {asked:,} tokens[/] (nats/token, mean over seeds{whole})")
    console.print(table)


def verdict(context: Context, fitted: Manifest) -> Result:
    return Result.from_json(context.workdir.read_bytes(fitted.files("fit.json")[0]))


def courses(context: Context, fitted: Manifest) -> list[str]:
    """What is said of the study's courses, a sentence or two on each; none where there are none."""
    found = fitted.files("courses.json")
    return list(Reading.from_json(context.workdir.read_bytes(found[0])).sentences) if found else []


def answer(result: Result) -> dict[str, Json]:
    """What a reader must know of a fit: the choice, what moved, each level against the baseline, and the cautions."""
    found = result.answer
    return {
        "recommended": found.recommended,
        "tied": list(found.tied),
        "choice": found.choice,
        "moved": found.moved,
        "planned": found.planned,
        "settling": encode(found.settling),
        "over_quality": encode(result.over_quality()),
        "baseline": result.baseline,
        "judged_on": eval_words(result.primary),
        "confidence": result.settings.confidence,
        "levels": [
            {"level": level, "kind": one.kind, "difference_percent": encode(one.gap.mean), "words": encode(found.words[level])}
            for level, one in found.verdicts.items()
        ],
        "warnings": list(found.warnings),
    }


def show_verdict(console: Console, result: Result) -> None:
    """The choice, one row per level, the cautions."""
    found = result.answer
    console.print(f"\n[bold]{escape(found.choice)}[/] {escape(found.moved)}\n")
    over = result.over_quality()
    if over is not None:
        console.print(f"[bold]Does better data change the exponent?[/] {escape(over.answer)}\n")
    rows = layout.rows(result, result.primary, list(found.verdicts))
    if rows:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
        for column in ("level", "loss", "a token is worth", "what moved"):
            table.add_column(column, overflow="fold")
        for row in rows:
            low, value, high = row.percent
            loss = f"{value:+.1f}% [{low:+.1f}, {high:+.1f}]"
            said = "; ".join(filter(None, [row.words.role, row.words.loss, row.words.badge]))
            table.add_row(escape(row.level), escape(loss), row.words.worth or "unknown", said)
        console.print(table)
        sure = f"intervals hold with {result.settings.confidence:.0%} confidence"
        console.print(f"against {escape(result.baseline)} on {escape(eval_words(result.primary))}; {sure}", style="dim")
    if sets := resolution_rows(result):
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
        for column in RESOLUTION:
            table.add_column(column, justify="left" if column == RESOLUTION[0] else "right")
        for cells in sets:
            table.add_row(*map(escape, cells))
        console.print()
        console.print(table)
        said = "signal: from the best level to the worst; noise: standard error of a difference; in percent of the loss"
        console.print(said, style="dim")
    if found.settling is not None:
        console.print(f"\n{escape(found.settling.said)}")
    for warning in found.warnings:
        console.print(f"[yellow]caution[/] {escape(warning)}")


def show_fit(context: Context, fitted: Manifest) -> None:
    """The verdict on standard output; sentences in full, parameters and remarks stand in the file that it names."""
    console = Console(highlight=False)
    show_verdict(console, verdict(context, fitted))
    for sentence in courses(context, fitted):
        console.print(f"• {sentence}", markup=False, soft_wrap=True)
    path = fitted.files("summary.txt")[0]
    console.print(f"\nfit:    {context.workdir.full(path) if context.workdir.is_local else path}", markup=False, soft_wrap=True)
