"""A study's missing runs as one folder that trains anywhere, and finished runs taken back as the study's own steps.

    DIR/plan.json                           every run that is missing, and what each file must be
    DIR/levels/<level>/                     token shards
    DIR/orders/<order>/values.parquet       signals that courses sort by
    DIR/evaluation/documents.parquet        and choices.parquet, where the study has tasks
    DIR/tokenizer.json                      for exports of trained models; training does not read it

`python -m training DIR/plan.json --out RUNS` trains it with torch, numpy, pyarrow and safetensors. What comes back is
compared with what the study would have trained: the certificate field by field, the digests of the data, the initial
weights, and the observations with the losses they are the sums of.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipelines.engine.output import Output
from pipelines.engine.run import Context
from pipelines.engine.step import commit_step, read_manifest
from pipelines.engine.workdir import JsonObject, Workdir
from pipelines.levels.evaluation import CHOICES
from pipelines.runs.stacking import Sizing
from pipelines.runs.train import Cell, as_stack, cells, check_tokens, stacks_of, trained_tokens, write_runs
from pipelines.runs.training_plan import Folders, TrainingData, training_plan
from pipelines.study.study import Study, StudyError
from training.certificate import certify
from training.choices import load_choices
from training.evaluate import load_documents
from training.observations import observation_rows
from training.plan import Plan, Run, Stack, file_digest, parse_plan


@dataclass(frozen=True)
class ImportedRuns:
    """What `import_runs` did: names of runs imported, of those that are still missing, and of folders not yet finished."""

    imported: list[str]
    missing: list[str]
    unfinished: list[str]


def export_plan(context: Context, study: Study, data: TrainingData, folder: Path) -> JsonObject:
    """Write the portable folder; returns the plan. Raises StudyError where nothing is to train or something in the way."""
    if folder.exists() and any(folder.iterdir()):
        raise StudyError(f"--export-plan {folder}: is not empty; name a new folder, or remove it first")
    check_tokens(study, data)
    missing = [cell for cell in cells(study, data) if read_manifest(context.workdir, cell.step) is None]
    if not missing:
        raise StudyError("every run of the study is there; nothing is left to export")
    stacks = stacks_of(missing, {cell.rung.name: Sizing(len(missing)) for cell in missing}, merged=False)
    stacks.sort(key=lambda stack: -stack[0].rung.flops_per_token(study) * trained_tokens(study, stack))
    copied = [("evaluation/documents.parquet", data.evaluation.files("documents.parquet")[0])]
    copied += [(f"evaluation/{CHOICES}", path) for path in data.evaluation.files(CHOICES)]
    copied.append(("tokenizer.json", data.tokenizer.files("tokenizer.json")[0]))
    phases = [phase for cell in missing for phase in cell.course]
    paths = {name: f"levels/{name}" for name in dict.fromkeys(phase.level for phase in phases)}
    orders = {by: data.orders[by] for by in dict.fromkeys(phase.by for phase in phases) if by is not None}
    copied += [(f"{made.step.path}/values.parquet", made.files(".parquet")[0]) for made in orders.values()]
    for name, path in paths.items():
        files = [*data.levels[name].files(), f"{data.levels[name].step.path}/dataset.json"]
        copied += [(f"{path}/{Path(file).name}", file) for file in files]
    for name, source in copied:
        context.workdir.bring(source, folder / name)
    folders = Folders(paths, "evaluation", {by: f"{made.step.path}/values.parquet" for by, made in orders.items()})
    plan = training_plan(study, list(map(as_stack, stacks)), data, folders) | {"keep_weights": "last"}
    listed = [name for name, _ in copied]
    plan["files"] = {n: {"bytes": (folder / n).stat().st_size, "blake2b": file_digest(folder / n)} for n in listed}
    parse_plan(plan, folder)
    (folder / "plan.json").write_text(json.dumps(plan, indent=1) + "\n", "utf-8")
    return plan


def import_runs(context: Context, study: Study, data: TrainingData, runs: Path) -> ImportedRuns:
    """Commit every finished run under `runs` that the study lacks. Raises StudyError at the first that is not the study's own,
    naming what differs; nothing of its stack is committed then."""
    if not runs.is_dir():
        raise StudyError(f"--import-runs {runs}: no such folder; name the --out of `python -m training`")
    workdir = context.workdir
    all_cells = {(c.level, c.rung.name, c.seed): c for c in cells(study, data)}
    missing = {key: cell for key, cell in all_cells.items() if read_manifest(workdir, cell.step) is None}
    folders = sorted(path.parent for path in runs.glob("*/certificate.json"))
    if not folders:
        raise StudyError(f"--import-runs {runs}: no stack in it has a certificate.json; name the --out of `python -m training`")
    imported, unfinished = [], []
    with _fetched(workdir, data.evaluation.step.path) as documents:
        for folder in folders:
            if not (folder / "observations.parquet").exists():
                unfinished.append(folder.name)
                continue
            certificate = _read_certificate(folder)
            stack = _stack(certificate)
            keys = [(run.level, stack.shape, run.seed) for run in stack.runs]
            wanted = [missing[key] for key in keys if key in missing]
            if not wanted:
                continue
            if strangers := [key for key in keys if key not in all_cells]:
                name = "/".join(map(str, strangers[0]))
                raise StudyError(f"{folder}: the run {name} is not in the study; import runs of its own plan")
            plan = _plan(study, stack, [all_cells[key] for key in keys], data)
            _compare(folder, certificate, plan, "cuda" if study.ladder.gpus else "cpu")
            _compare_tables(folder, stack, plan, documents, certificate["certificate"])
            _compare_with_study(workdir, folder, certificate, all_cells.values())
            outputs = [Output(workdir, cell.step.path, 0) for cell in wanted]
            records = write_runs(outputs, folder, [Run(cell.level, cell.seed) for cell in wanted])
            for cell, record in zip(wanted, records, strict=True):
                commit_step(workdir, cell.step, [record])
                context.begin(cell.step.path)
                del missing[cell.level, cell.rung.name, cell.seed]
                imported.append(cell.step.name)
    return ImportedRuns(imported, [cell.step.name for cell in missing.values()], unfinished)


def _read_certificate(folder: Path) -> JsonObject:
    try:
        certificate = json.loads((folder / "certificate.json").read_text("utf-8"))
        text = json.dumps(certificate["held_equal"], sort_keys=True, separators=(",", ":"))
        told = certificate["certificate"]
        certificate["recorded"]["stack"]["runs"]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{folder}/certificate.json is damaged ({error!r}); copy the folder again") from None
    if (found := hashlib.blake2b(text.encode(), digest_size=16).hexdigest()) != told:
        raise StudyError(f"{folder}/certificate.json says {told}, its list hashes to {found}: it was changed; copy it again")
    return certificate


def _stack(certificate: JsonObject) -> Stack:
    raw = certificate["recorded"]["stack"]
    lr = tuple(raw["lr"]) if isinstance(raw["lr"], list) else raw["lr"]
    return Stack(**{**raw, "runs": tuple(Run(**run) for run in raw["runs"]), "tokens": tuple(raw["tokens"]), "lr": lr})


def _plan(study: Study, stack: Stack, here: Sequence[Cell], data: TrainingData) -> Plan:
    """The study's own plan for the runs of a stack, under the stack's id."""
    return parse_plan(training_plan(study, [replace(as_stack(here), id=stack.id)], data), Path())


def _compare(folder: Path, theirs: JsonObject, plan: Plan, device: str) -> None:
    """Raise StudyError at the first field of the certificate, or of what is recorded beside it, that is not the study's."""
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(theirs["held_equal"]["dtype"], torch.float32)
    ours = json.loads(json.dumps(certify(plan, plan.stacks[0], torch.device("cpu"), dtype)))
    expected = ours["held_equal"] | {"device": device}
    if plan.precision != "auto":
        expected["dtype"] = plan.precision
    for name, value in expected.items():
        if theirs["held_equal"].get(name) != value:
            raise StudyError(_differs(folder, name, theirs["held_equal"].get(name), value, FIXES.get(name, FIX)))
    for name in ("shape", "tokens", "batch_tokens", "lr", "warmup_tokens"):
        found, wanted = (side["recorded"]["stack"][name] for side in (theirs, ours))
        if found != wanted:
            raise StudyError(_differs(folder, name, found, wanted, FIX))
    anew = "the level was curated anew: export and train again"
    for name, fix in (("datasets", anew), ("initial_weights", FIX), ("courses", FIX)):
        for key, value in ours["recorded"].get(name, {}).items():
            if (found := theirs["recorded"].get(name, {}).get(key)) != value:
                raise StudyError(_differs(folder, f"{name}.{key}", found, value, fix))


FIX = "export the plan again and train it"
FIXES = {
    "code": "train with this version of Assay, or import with that one",
    "torch": "train with this version of torch, or install that one here",
    "device": "set ladder.gpus to 1 for runs from a GPU, to 0 for runs from a CPU",
}


def _differs(folder: Path, name: str, theirs: object, ours: object, fix: str) -> str:
    return f"{folder}: {name} is {json.dumps(theirs)} there, {json.dumps(ours)} in the study; {fix}"


def _compare_tables(folder: Path, stack: Stack, plan: Plan, documents: Path, certificate: str) -> None:
    """Raise StudyError unless observations.parquet is what losses.parquet adds up to on the study's evaluation documents."""
    try:
        losses, observations = (pq.read_table(folder / f"{name}.parquet") for name in ("losses", "observations"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{folder}: cannot read its tables ({error}); copy the folder again") from None
    judged = load_documents(documents, plan.vocab_size)
    _compare_choices(folder, stack, plan, documents)
    rows = []
    for tokens in (stack.steps(d) * stack.batch_tokens for d in stack.tokens):
        nats = []
        for run in stack.runs:
            own = (pc.field("level") == run.level) & (pc.field("seed") == run.seed) & (pc.field("tokens") == tokens)
            scored = losses.filter(own)
            if scored["doc_id"].to_pylist() != judged.doc_id_Q.tolist():
                raise StudyError(
                    f"{folder}/losses.parquet: level {run.level} seed {run.seed} has {scored.num_rows} documents at {tokens} "
                    f"tokens, the study evaluates {len(judged.doc_id_Q)}, or others; copy the folder again"
                )
            nats.append(scored["nats"].to_numpy())
        rows += observation_rows(plan, plan.stack(stack.id), tokens, judged, np.stack(nats), certificate)
    by_key = {tuple(row[name] for name in KEY): row for row in observations.to_pylist()}
    for row in rows:
        key = tuple(row[name] for name in KEY)
        found = by_key.get(key, {})
        wrong = [name for name, value in row.items() if not _equal(found.get(name), value)]
        if wrong or len(by_key) != len(rows):
            name = wrong[0] if wrong else "rows"
            raise StudyError(
                f"{folder}/observations.parquet: {name} of {'/'.join(map(str, key))} is {found.get(name, len(by_key))}, "
                f"losses.parquet and the study give {row.get(name, len(rows))}; copy the folder again"
            )


def _compare_choices(folder: Path, stack: Stack, plan: Plan, documents: Path) -> None:
    """Raise StudyError unless choices.parquet has, for every run and D, the study's choices in their order."""
    asked = load_choices(documents, plan.vocab_size, plan.context)
    if asked is None:
        return
    try:
        scored = pq.read_table(folder / CHOICES)
    except (OSError, ValueError) as error:
        raise StudyError(f"{folder}: cannot read its table of choices ({error}); copy the folder again") from None
    for tokens in (stack.steps(d) * stack.batch_tokens for d in stack.tokens):
        for run in stack.runs:
            own = (pc.field("level") == run.level) & (pc.field("seed") == run.seed) & (pc.field("tokens") == tokens)
            given = scored.filter(own)
            finite = bool(np.isfinite(given["nats"].to_numpy()).all())
            if not finite or given.select(asked.key.column_names).to_pylist() != asked.key.to_pylist():
                raise StudyError(
                    f"{folder}/{CHOICES}: level {run.level} seed {run.seed} has {given.num_rows} choices at {tokens} tokens, "
                    f"the study asks {asked.key.num_rows}, or others; copy the folder again"
                )


KEY = ("level", "seed", "tokens", "eval_set")


def _equal(found: object, value: object) -> bool:
    if isinstance(value, float) and isinstance(found, float):
        return bool(np.isclose(found, value, rtol=1e-9, atol=0, equal_nan=True))
    return found == value


def _compare_with_study(workdir: Workdir, folder: Path, certificate: JsonObject, cells: Iterable[Cell]) -> None:
    """Raise StudyError where the study has runs that could not be fitted together with these."""
    for cell in cells:
        manifest = read_manifest(workdir, cell.step)
        if manifest is None or manifest.parts[0]["certificate"] == certificate["certificate"]:
            continue
        ours = workdir.read_json(f"{cell.step.path}/certificate.json")["held_equal"]
        theirs = certificate["held_equal"]
        name = next((name for name in sorted(ours) if ours[name] != theirs.get(name)), "code")
        raise StudyError(
            _differs(folder, name, theirs.get(name), ours.get(name), f"{cell.step.name} was trained so; train all on one kind")
        )


@contextmanager
def _fetched(workdir: Workdir, path: str) -> Iterator[Path]:
    """The folder `path` of the work directory, here."""
    if workdir.is_local:
        yield Path(workdir.full(path))
        return
    with TemporaryDirectory() as folder:
        workdir.bring(path, Path(folder, "there"))
        yield Path(folder, "there")
