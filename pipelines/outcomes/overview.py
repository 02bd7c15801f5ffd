"""What the terminal shows of a study: the plan before, the funnel after curation."""

import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from curation.levels.ledger import IN, KEPT
from pipelines import run_study
from pipelines.engine.run import Context, StepMissingError
from pipelines.report.summaries import UNITS, since_parent
from pipelines.run_study import Curated
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study


def funnel(context: Context, study: Study, curated: Curated) -> None:
    """Where the documents, bytes and tokens of the pool went: one row per level and kind of reason.

    The rules of one signal are shown as one row, and so is all that the level extended drops in the same way; the level's
    ledger and the report have each rule.
    """
    table = Table(title="Where the pool went", title_justify="left", box=None, header_style="bold")
    for column in ("level", "reason"):
        table.add_column(column, overflow="fold")
    for column in ("documents", "MB", "tokens"):
        table.add_column(column, justify="right")
    funnels = {name: _by_kind(ledgers.summary["funnel"]) for name, ledgers in curated.ledgers.items()}
    for name, (pool, *rows) in funnels.items():
        shown, parent = name, study.levels[name].extends
        for row in [pool, *(since_parent(parent, rows, funnels[parent]) if parent else rows)]:
            style = {None: "bold", IN: "dim"}.get(row["reason"], "")
            counts = f"{row['documents']:,}", f"{row['bytes'] / 1e6:,.2f}", f"{row['tokens']:,}"
            table.add_row(shown, row["reason"] or KEPT, *counts, style=style)
            shown = ""
    context.progress.console.print(table)
    for name, reasons in curated.pool.documents.summary["unread"].items():
        if reasons:
            files = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
            context.progress.say(f"source {name}: {sum(reasons.values())} files are not read: {files}")
    malformed = sum(source["malformed"] for source in curated.pool.documents.summary["sources"].values())
    if malformed:
        context.progress.say(
            f"{malformed} malformed records in quarantine: {curated.pool.documents.step.path}/quarantine-*.jsonl"
        )


def _by_kind(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a funnel, what comes in first, the rules over one signal together; rows of nothing left out."""
    kinds: dict[str, dict[str, Any]] = {}
    for row in rows:
        signal = re.match(r"(?:not )?\(?([a-z]\w*)\.\w+ ", row["reason"])
        reason = f"{signal[1]} rules" if signal else re.sub(r"^mixture: .*", "no room in the mixture", row["reason"])
        if row["tokens"] or row["documents"]:
            kind = kinds.setdefault(reason, {"reason": None if reason == KEPT else reason, **dict.fromkeys(UNITS, 0)})
            kind |= {unit: kind[unit] + row[unit] for unit in UNITS}
    return list(kinds.values())


def plan(context: Context, study: Study, base: Path) -> dict[str, Any]:
    """Levels, runs, tokens, FLOPs, and what of it all is cached, without computing anything."""
    reading = context.only_reading("assay run")
    missing = ""
    try:
        curated = run_study.curate(reading, study, base)
        trained = run_study.train_levels(reading, study, curated)
        run_study.fit_observations(reading, study, trained)
    except StepMissingError as error:
        missing = error.step.name
    ladder = []
    for rung in rungs(study):
        runs = len(study.levels) * study.ladder.seeds
        tokens = runs * rung.trained_tokens(study)
        ladder.append(
            {
                "shape": rung.name, "params_body": rung.shape.params_body,
                "params_head": rung.shape.params_head(study.tokenizer.vocab_size), "lr": rung.lr,
                "batch_tokens": rung.batch_tokens, "longest": rung.tokens[-1], "runs": runs, "tokens": tokens,
                "flops": tokens * rung.flops_per_token(study),
            }
        )  # fmt: skip
    levels = {name: level.model_dump(mode="json", exclude_defaults=True) for name, level in study.levels.items()}
    return {
        "study": study.name, "workdir": context.workdir.root, "levels": levels, "ladder": ladder,
        "flops": sum(row["flops"] for row in ladder), "cached": reading.progress.cached_steps,
        "to_be_made_from": missing or None,
    }  # fmt: skip


def show_plan(console: Console, found: dict[str, Any]) -> None:
    """The plan for a reader."""
    console.print(f"[bold]{found['study']}[/]: {len(found['levels'])} levels, in {found['workdir']}")
    for name, declared in found["levels"].items():
        console.print(
            f"  {name:<16} " + (", ".join(f"{k}: {v}" for k, v in declared.items()) or "the whole pool"), markup=False
        )
    table = Table(box=None, header_style="bold")
    for column in ("shape", "body", "head", "lr", "batch", "longest D", "runs", "tokens trained", "FLOPs"):
        table.add_column(column, justify="left" if column == "shape" else "right")
    for row in found["ladder"]:
        counts = (f"{row[key]:,}" for key in ("params_body", "params_head"))
        sizes = (f"{row[key]:,}" for key in ("batch_tokens", "longest", "runs", "tokens"))
        table.add_row(row["shape"], *counts, f"{row['lr']:g}", *sizes, f"{row['flops']:.2e}")
    console.print(table)
    console.print(f"training: {found['flops']:.2e} FLOPs in all")
    console.print(f"cached: {', '.join(found['cached']) or 'nothing'}")
    missing = found["to_be_made_from"]
    console.print(f"to be made: {f'{missing} and what follows from it' if missing else 'nothing'}")
