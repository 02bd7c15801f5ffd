"""What `--dry-run` shows: levels, a sample gone through them, runs, FLOPs, and what of it all is cached."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines import run_study
from pipelines.engine.run import Context, StepMissingError
from pipelines.engine.workdir import JsonObject
from pipelines.runs.courses import course_of
from pipelines.runs.designs import ASSUMED
from pipelines.runs.ladder import rungs
from pipelines.study.study import Study
from pipelines.verbs.rehearsal import rehearse
from scaling_fit.levels.resolution import SHARE
from scaling_fit.wording import eval_words

FEW_WARMUPS = 4  # a quarter of a run's tokens at a rising rate; the recipe takes a fifth at most
PASSAGE_SCATTER = 0.05
"""Of the difference between two levels over passages, as a share of the loss: the median of the first web study's sets, which
range from 0.01 to 0.25 (docs/log.md)."""


def dry_run(context: Context, study: Study, base: Path) -> JsonObject:
    """Levels, runs, tokens, FLOPs, what of it all is cached, and a sample of each source gone through the whole way; nothing is
    written. Raises StudyError for what would stop the study later."""
    context.progress.say("trying a sample of each source: read, measured, judged by every level")
    sampled, dropped = rehearse(study, base)
    reading = context.only_reading("assay run" if study.trains else "assay curate")
    missing, sets = "", {}
    try:
        curated = run_study.curate(reading, study, base)
        sets = curated.evaluation.summary if curated.evaluation else {}
        if study.trains:
            trained = run_study.train_levels(reading, study, curated)
            run_study.fit_observations(reading, study, curated, trained)
    except StepMissingError as error:
        missing = error.step.name
    ladder = []
    for rung in rungs(study) if study.trains else []:
        read = [course_of(study, name) for name in (*study.compared, *study.courses)]
        runs, tokens = len(read) * study.ladder.seeds + study.short_runs, rung.ladder_tokens(study, read)
        ladder.append(
            {
                "shape": rung.name, "params_body": rung.shape.params_body,
                "params_head": rung.shape.params_head(study.tokenizer.vocab_size), "lr": rung.lr,
                "batch_tokens": rung.batch_tokens, "longest": rung.tokens[-1], "runs": runs, "tokens": tokens,
                "flops": tokens * rung.flops_per_token(study),
                "warmups_to_the_first": rung.tokens[0] / rung.warmup_tokens if rung.warmup_tokens else None,
            }
        )  # fmt: skip
    levels = {name: level.model_dump(mode="json", exclude_defaults=True) for name, level in study.levels.items()}
    return {
        "study": study.name, "workdir": context.workdir.root, "levels": levels, "ladder": ladder,
        "courses": [_course(study, name) for name in study.courses] if study.trains else [],
        "flops": sum(row["flops"] for row in ladder), "cached": reading.progress.cached_steps,
        "sample": [asdict(one) for one in sampled], "sample_drops": [asdict(one) for one in dropped],
        "to_be_made_from": missing or None, "evaluation": [asdict(one) for one in coarse_sets(study, sets)],
    }  # fmt: skip


def _course(study: Study, name: str) -> JsonObject:
    """What a course reads, and what its runs cost beside those of the levels, over all shapes, D and seeds."""
    alone = [course_of(study, level) for level in study.compared]
    tokens = sum(
        rung.trained_tokens(study, [*alone, course_of(study, name)]) - rung.trained_tokens(study, alone)
        for rung in rungs(study)
    )
    read = [asdict(phase) for phase in course_of(study, name)]
    return {"course": name, "kind": study.courses[name].kind, "phases": read, "tokens": study.ladder.seeds * tokens}


@dataclass(frozen=True)
class CoarseSet:
    """An evaluation set whose passages scatter by more than a third of the seeds' noise; `sampling` and `noise` as shares of
    the loss; `wanted`: the `tokens_per_set` that would do."""

    name: str
    passages: int
    tokens: int
    sampling: float
    noise: float
    wanted: int


def coarse_sets(study: Study, sets: Mapping[str, Mapping[str, int]]) -> list[CoarseSet]:
    """The domains and references that are too few passages to tell levels apart as sharply as the seeds would let them."""
    noise = ASSUMED.luck.row / study.ladder.seeds**0.5
    found = []
    for name, one in sets.items():
        sampling = PASSAGE_SCATTER / one["documents"] ** 0.5
        if sampling > SHARE * noise:
            wanted = one["tokens"] * (sampling / (SHARE * noise)) ** 2
            found.append(CoarseSet(name, one["documents"], one["tokens"], sampling, noise, round(wanted)))
    return found


def show(console: Console, found: JsonObject) -> None:
    """The plan for a reader."""
    console.print(f"[bold]{found['study']}[/]: {len(found['levels'])} levels, in {found['workdir']}")
    for name, declared in found["levels"].items():
        console.print(
            f"  {name:<16} " + (", ".join(f"{k}: {v}" for k, v in declared.items()) or "the whole pool"), markup=False
        )
    for one in found["sample"]:
        size = f"{one['documents']} documents of {one['mean_bytes'] / 1e3:,.1f} KB, of {one['stored_megabytes']:,.1f} MB stored"
        bad = f"; {one['malformed']} records cannot be read: {one['reason']}" if one["malformed"] else ""
        console.print(f"sample of {one['source']}: {size}{bad}", markup=False, soft_wrap=True)
        for key, path in one["lacking"].items():
            there = f"; they have {', '.join(one['fields'])}" if one["fields"] else ""
            lack = f"none of them has the field {path!r} that `fields.{key}` of {one['source']} names{there}"
            lack += "; if no record of the pool has it, `assay curate` will stop there"
            console.print(f"[yellow]caution[/] {escape(lack)}", soft_wrap=True)
    for one in found["sample_drops"]:
        if one["failed"]:
            share = f"{one['failed']} of the {one['documents']} fail its rules, {one['by_rule']} of them {one['rule']}"
            console.print(f"sample in {one['level']}: {share}", markup=False, soft_wrap=True)
    if found["ladder"]:
        _show_ladder(console, found)
    console.print(f"cached: {', '.join(found['cached']) or 'nothing'}")
    missing = found["to_be_made_from"]
    console.print(f"to be made: {f'{missing} and what follows from it' if missing else 'nothing'}")


def _show_ladder(console: Console, found: JsonObject) -> None:
    """The runs and what they cost, and evaluation sets that are too small for them."""
    table = Table(box=None, header_style="bold")
    for column in ("shape", "body", "head", "lr", "batch", "longest D", "runs", "tokens trained", "FLOPs"):
        table.add_column(column, justify="left" if column == "shape" else "right")
    for row in found["ladder"]:
        counts = (f"{row[key]:,}" for key in ("params_body", "params_head"))
        sizes = (f"{row[key]:,}" for key in ("batch_tokens", "longest", "runs", "tokens"))
        table.add_row(row["shape"], *counts, f"{row['lr']:g}", *sizes, f"{row['flops']:.2e}")
    console.print(table)
    for one in found["courses"]:
        read = ", then ".join(f"{phase['level']} {phase['share']:.0%}" for phase in one["phases"])
        cost = f"{one['tokens']:,} tokens beside the levels' own runs"
        console.print(f"course {one['course']} ({one['kind']}): {read}; {cost}", markup=False, soft_wrap=True)
    console.print(f"training: {found['flops']:.2e} FLOPs in all")
    for row in found["ladder"]:
        if (warmups := row["warmups_to_the_first"]) is not None and warmups < FEW_WARMUPS:
            console.print(
                f"ladder: {row['shape']}'s first D is {warmups:.1f} warm-ups long; below {FEW_WARMUPS} its loss is that of the "
                "warm-up: begin later, or shorten ladder.warmup_tokens",
                soft_wrap=True,
            )
    if coarse := found["evaluation"]:
        worst = max(coarse, key=lambda one: one["sampling"])
        console.print(
            f"evaluation: {len(coarse)} sets are fewer passages than the seeds deserve; {eval_words(worst['name'])} has "
            f"{worst['passages']}, of which others would move a difference by some {100 * worst['sampling']:.1f} % (seeds: "
            f"{100 * worst['noise']:.2f} %). Shorter evaluation.passage_tokens make more of the same tokens; "
            f"evaluation.tokens_per_set of {worst['wanted']:,} would do",
            soft_wrap=True,
        )
