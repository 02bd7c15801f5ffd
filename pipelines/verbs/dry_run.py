"""What `assay run --dry-run` shows: levels, runs, FLOPs, and what of it all is cached."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipelines import run_study
from pipelines.engine.run import Context, StepMissingError
from pipelines.engine.workdir import JsonObject
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study


def dry_run(context: Context, study: Study, base: Path) -> JsonObject:
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


def show(console: Console, found: JsonObject) -> None:
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
