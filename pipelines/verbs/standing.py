"""How far a study is, from its work directory alone: what is there, what runs, how long it will take, what went wrong last."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipelines import run_study
from pipelines.engine.lock import holder
from pipelines.engine.progress import events
from pipelines.engine.run import Context, StepMissingError
from pipelines.engine.step import read_manifest
from pipelines.engine.workdir import JsonObject
from pipelines.study.study import Study

LEVELS = ("selections", "edited", "copies", "counts", "ledgers", "levels")  # folders of the steps that make levels
LAST_EVENTS = 200_000  # bytes of events.jsonl that are read


def standing(context: Context, study: Study, base: Path) -> JsonObject:
    """`stages` (stage, steps there, steps in all, bytes), `held_by` (host, pid, since) and `now` (step, done, total, unit, left
    in seconds) of a run at work, `failed` (time, error) or `stopped` (time) where that came last,
    `missing`: the first step that is not there."""
    reading = context.only_reading("assay run" if study.trains else "assay curate")
    missing, runs = "", (0, 0)
    try:
        curated = run_study.curate(reading, study, base)
        if study.trains:
            from pipelines.runs import train
            from pipelines.runs.training_plan import TrainingData

            cells = train.cells(study, TrainingData.of(curated))
            runs = sum(read_manifest(context.workdir, cell.step) is not None for cell in cells), len(cells)
            trained = run_study.train_levels(reading, study, curated)
            run_study.fit_observations(reading, study, curated, trained)
    except StepMissingError as error:
        missing = error.step.name
    there = set(reading.progress.cached_steps)
    sizes = context.workdir.sizes("")

    def stage(name: str, wanted: Iterable[str], where: Callable[[str], bool]) -> JsonObject:
        steps = list(wanted)
        size = sum(n for path, n in sizes.items() if where(path))
        return {"stage": name, "there": sum(step in there for step in steps), "steps": len(steps), "bytes": size}

    trained_here = [f"classifiers/{name}" for name, declared in study.classifiers.items() if declared.positives]
    levels, always = list(study.levels), ("exact", "minhash", "sizes", "tokens")
    signals = [f"signals/{name}" for name in sorted({*study.signal_params, *always, *study.classifiers})]
    stages = [
        stage("pool", ["pool"], lambda path: path.startswith("pool/")),
        stage("signals", signals, lambda path: path.startswith("signals/") and "/duplicates" not in path),
        stage("duplicates", ["signals/duplicates"], lambda path: path.startswith("duplicates/") or "/duplicates" in path),
        stage("classifiers", trained_here, _in("classifiers")),
        stage("tokenizer", ["tokenizer"], _in("tokenizer")),
        stage("levels", [f"levels/{name}" for name in levels], _in(*LEVELS)),
        stage("quality", [f"quality/levels/{name}" for name in levels], _in("quality")),
    ]  # fmt: skip
    if study.trains:
        stages += [
            stage("evaluation", ["evaluation"], _in("evaluation")),
            stage("runs", [], _in("runs", "checks", "scratch")) | {"there": runs[0], "steps": runs[1] or _n_runs(study)},
            stage("observations", ["observations"], _in("observations")),
            stage("fit", ["fit"], _in("fit")),
        ]
    last = events(context.workdir, LAST_EVENTS)[::-1]
    held = holder(context.workdir) if context.workdir.is_local else _at_work(last)
    progress = next((event for event in last if event["event"] in ("progress", "started", "finished")), None)
    at_work = held is not None and progress is not None and progress["event"] != "finished"
    return {
        "study": study.name, "workdir": context.workdir.root, "bytes": sum(sizes.values()), "held_by": held, "stages": stages,
        "now": {key: progress.get(key) for key in ("step", "done", "total", "unit", "left")} if at_work and progress else None,
        "failed": {key: last[0][key] for key in ("time", "error")} if last and last[0]["event"] == "failed" else None,
        "stopped": {"time": last[0]["time"]} if last and last[0]["event"] == "stopped" else None,
        "missing": missing or None,
    }  # fmt: skip


def _at_work(last: Sequence[JsonObject]) -> dict[str, str] | None:
    """Who is at work on an object store, by the events alone, the newest first: who opened it last and has not closed it."""
    ends = next((event for event in last if event["event"] in ("opened", "closed", "failed", "stopped")), None)
    if ends is None or ends["event"] != "opened":
        return None
    return {"host": ends["host"], "pid": ends["pid"], "since": ends["time"], "heard": last[0]["time"]}


def _in(*folders: str) -> Callable[[str], bool]:
    return lambda path: path.partition("/")[0] in folders


def _n_runs(study: Study) -> int:
    of_shape = (len(study.compared) + len(study.courses)) * study.ladder.seeds + study.short_runs
    return of_shape * len(study.ladder.shapes)
