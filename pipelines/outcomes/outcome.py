"""What the terminal shows of what came out: the losses after training, the verdict after the fit."""

from dataclasses import asdict
from typing import Any

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.engine.run_step import Context
from pipelines.engine.workdir import Manifest
from pipelines.report import law_tables, trust
from pipelines.report import verdict as words
from pipelines.report.facts import Facts
from pipelines.report.wording import eval_words
from pipelines.run_study import Trained
from pipelines.study.study import Study


def losses(context: Context, study: Study, trained: Trained) -> list[dict[str, Any]]:
    """Per shape and level: the mean loss over seeds at the longest D, on the set that the verdict is read from."""
    table = pl.DataFrame(context.workdir.read_table(trained.observations.files(".parquet")[0]))
    longest = table.filter((pl.col("eval_set") == study.fit.eval_set) & (pl.col("tokens") == max(study.ladder.tokens)))
    mean = longest.group_by("shape", "level", "tokens", maintain_order=True).agg(pl.col("loss").mean(), seeds=pl.len())
    return mean.to_dicts()


def show_losses(console: Console, study: Study, rows: list[dict[str, Any]]) -> None:
    """One row per level, one column per shape."""
    shapes = list(study.ladder.shapes)
    table = Table(box=None, header_style="bold")
    for column in ("level", *shapes):
        table.add_column(column, justify="left" if column == "level" else "right")
    found = {(row["level"], row["shape"]): f"{row['loss']:.4f}" for row in rows}
    for level in study.levels:
        table.add_row(level, *(found.get((level, shape), "") for shape in shapes))
    console.print(f"[italic]Loss at {max(study.ladder.tokens):,} tokens[/] (nats/token, mean over seeds)")
    console.print(table)


def verdict(context: Context, study: Study, fitted: Manifest) -> dict[str, Any]:
    """What a reader must know of a fit: the choice, what moved, each level against the baseline, and the cautions."""
    fit = context.workdir.read_json(fitted.files("fit.json")[0])
    levels: Any = [
        {"name": name, "kind": level.kind, "extends": level.extends, "declaration": level.model_dump(exclude_defaults=True)}
        for name, level in study.levels.items()
    ]
    known: Any = {"name": study.name, "title": study.name, "baseline": study.baseline, "provenance": {}, "steps": []}
    facts = Facts(**known, levels=levels, fit=fit, observations=[])
    sets = law_tables.eval_sets(facts)
    choice, moved = words.headline(facts)
    compared = bool(sets) and len(fit["levels"]) > 1
    return {
        "choice": choice,
        "moved": moved,
        "baseline": study.baseline,
        "judged_on": eval_words(sets[0]) if sets else "",
        "confidence": fit["settings"]["confidence"],
        "levels": [asdict(answer) for answer in words.answers(facts, sets[0])] if compared else [],
        "warnings": trust.warnings(facts, sets[0]) if sets else [],
    }


def show_verdict(console: Console, found: dict[str, Any]) -> None:
    """The choice, one row per level, the cautions."""
    console.print(f"\n[bold]{escape(found['choice'])}[/] {escape(found['moved'])}\n")
    if found["levels"]:
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
        for column in ("level", "loss", "a token is worth", "what moved"):
            table.add_column(column, overflow="fold")
        for one in found["levels"]:
            low, value, high = one["percent"]
            loss = f"{value:+.1f}% [{low:+.1f}, {high:+.1f}]"
            table.add_row(escape(one["level"]), escape(loss), one["big"] or "unknown", f"{one['direction']}; {one['word']}")
        console.print(table)
        sure = f"intervals hold with {found['confidence']:.0%} confidence"
        console.print(f"against {escape(found['baseline'])} on {escape(found['judged_on'])}; {sure}", style="dim")
    for warning in found["warnings"]:
        console.print(f"[yellow]caution[/] {escape(warning)}")


def show_fit(context: Context, study: Study, fitted: Manifest) -> None:
    """The verdict on standard output; sentences in full, parameters and remarks stand in the file that it names."""
    console = Console(highlight=False)
    show_verdict(console, verdict(context, study, fitted))
    path = fitted.files("summary.txt")[0]
    console.print(f"\nfit:    {context.workdir.full(path) if context.workdir.is_local else path}", markup=False, soft_wrap=True)
