"""Runs trained elsewhere are the study's own, to the byte; what is not its own is refused by name."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipelines import run_study
from pipelines.engine.step import read_manifest
from pipelines.runs import portable
from pipelines.runs.train import cells
from pipelines.runs.training_plan import TrainingData
from pipelines.study.study import StudyError, load
from training.certificate import certify
from training.plan import load_plan

ROOT = Path(__file__).resolve().parents[3]


def edited(made, tmp_path: Path, name: str, change) -> tuple[Path, Path]:
    """A copy of the runs in which every file `name` went through `change`: (the copy, the first stack's folder)."""
    runs = Path(shutil.copytree(made.runs, tmp_path / "runs"))
    for file in sorted(runs.glob(f"*/{name}")):
        change(file)
    return runs, sorted(path.parent for path in runs.glob("*/certificate.json"))[0]


def in_json(change):
    def edit(file: Path) -> None:
        body = json.loads(file.read_text(encoding="utf-8"))
        change(body)
        file.write_text(json.dumps(body), encoding="utf-8")

    return edit


def rehashed(change):
    """Change what was held equal, and the hash with it: what another machine would honestly have written."""

    def edit(body):
        import hashlib

        change(body["held_equal"])
        text = json.dumps(body["held_equal"], sort_keys=True, separators=(",", ":"))
        body["certificate"] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    return in_json(edit)


def test_runs_from_elsewhere_are_those_trained_here_to_the_byte(made, tmp_path):
    here, there = made.place(tmp_path), tmp_path / "there"
    shutil.copytree(made.folder / "curated", there)
    trained = run_study.train_levels(made.opened(here), made.study, made.curated)
    taken = made.take(there, made.runs)
    assert sorted(taken.imported) == sorted(trained.runs)
    assert (taken.missing, taken.unfinished) == ([], [])
    for name, manifest in trained.runs.items():
        assert (there / manifest.step.path / "manifest.json").read_bytes() == manifest.to_bytes(), name
    assert run_study.train_levels(made.opened(there), made.study, made.curated).observations == trained.observations
    assert made.take(there, made.runs).imported == []  # a second time nothing is left to take


def test_a_plan_holds_what_is_missing_and_the_certificate_of_the_whole_ladder(made, tmp_path):
    place = made.place(tmp_path)
    stack = next(path for path in made.runs.glob("a-*"))
    shutil.copytree(stack, tmp_path / "some" / stack.name)
    taken = made.take(place, tmp_path / "some")
    assert len(taken.imported) == len(taken.missing) == 5
    c = made.curated
    portable.export_plan(made.opened(place), made.study, TrainingData.of(c), tmp_path / "rest")
    rest, whole = load_plan(tmp_path / "rest" / "plan.json"), load_plan(made.plan / "plan.json")
    assert [(stack.shape, len(stack.runs)) for stack in rest.stacks] == [("b", 5), ("a", 0)]
    stacks = [(plan, next(stack for stack in plan.stacks if stack.shape == "b")) for plan in (rest, whole)]
    hexes = {certify(plan, stack, torch.device("cpu"), torch.float32)["certificate"] for plan, stack in stacks}
    assert len(hexes) == 1
    shutil.copytree(next(made.runs.glob("b-*")), tmp_path / "rest-runs" / "b")
    assert made.take(place, tmp_path / "rest-runs").missing == []
    with pytest.raises(StudyError, match="nothing is left to export"):
        portable.export_plan(made.opened(place), made.study, TrainingData.of(c), tmp_path / "none")


def test_the_folder_needs_nothing_of_the_study(made, tmp_path):
    """Every path of the plan lies in it, and what was damaged on the way is found before training."""
    copy = Path(shutil.copytree(made.plan, tmp_path / "moved"))
    plan = load_plan(copy / "plan.json")
    assert {dataset.path.parent for dataset in plan.datasets.values()} == {copy / "levels"}
    assert (copy / "tokenizer.json").read_bytes() == (made.plan / "tokenizer.json").read_bytes()
    shard = copy / "levels" / "raw" / "tokens-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    command = [sys.executable, "-m", "training", str(copy / "plan.json"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "levels/raw/tokens-00000.parquet has digest" in done.stderr


def test_a_folder_in_use_is_not_written_into(made):
    with pytest.raises(StudyError, match="is not empty; name a new folder"):
        made.export(made.plan)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "certificate.json",
            rehashed(lambda held: held.update(torch="1.0.0")),
            r'torch is "1\.0\.0" there, .* this version of torch',
        ),
        ("certificate.json", rehashed(lambda held: held.update(code="00")), r'code is "00" there, .* this version of Assay'),
        (
            "certificate.json",
            rehashed(lambda held: held["optimizer"].update(clip=9.0)),
            "optimizer is .* export the plan again",
        ),
        ("certificate.json", rehashed(lambda held: held.update(evaluation="e1")), 'evaluation is "e1" there'),
        ("certificate.json", in_json(lambda body: body["held_equal"].update(torch="1.0.0")), "hashes to .* it was changed"),
        (
            "certificate.json",
            in_json(lambda body: body["recorded"]["datasets"].update(raw="d1")),
            r'datasets\.raw is "d1" there, .* curated anew',
        ),
        (
            "certificate.json",
            in_json(lambda body: body["recorded"]["initial_weights"].update({"0": "w1"})),
            r"initial_weights\.0 is",
        ),
        ("certificate.json", in_json(lambda body: body["recorded"]["stack"].update(tokens=[1024, 2048])), "tokens is"),
        (
            "certificate.json",
            in_json(lambda body: body["recorded"]["stack"]["runs"][0].update(level="strict")),
            "the run strict/a/0 is not in the study",
        ),
        ("certificate.json", lambda file: file.write_text("{"), r"certificate\.json is damaged"),
        (
            "losses.parquet",
            lambda file: pq.write_table(pq.read_table(file).slice(1), file),
            r"losses\.parquet: level raw seed 0 has \d+ documents at 1024 tokens, the study evaluates",
        ),
        (
            "observations.parquet",
            lambda file: pq.write_table(pq.read_table(file).slice(1), file),
            r"observations\.parquet: .* copy the folder again",
        ),
        ("observations.parquet", lambda file: file.write_bytes(b"PAR1"), "cannot read its tables"),
    ],
)
def test_what_differs_is_named_and_nothing_of_it_is_taken(made, tmp_path, name, change, message):
    place = made.place(tmp_path)
    runs, first = edited(made, tmp_path, name, change)
    with pytest.raises(StudyError, match=message) as caught:
        made.take(place, runs)
    assert str(first) in str(caught.value)
    known = cells(made.study, TrainingData.of(made.curated))
    assert not any(read_manifest(made.opened(place).workdir, cell.step) for cell in known)


def test_a_gpu_in_the_study_is_one_in_the_runs(made, tmp_path):
    on_gpu = load(made.folder / "study.yaml", [*made.small, "ladder.gpus=1"])
    with pytest.raises(StudyError, match=r'device is "cpu" there, "cuda" in the study; set ladder\.gpus'):
        made.take(made.place(tmp_path), made.runs, on_gpu)


def test_runs_that_could_not_be_fitted_with_those_here_are_refused(made, tmp_path):
    """precision: auto may be bfloat16 on one machine and float32 on another."""
    place = made.place(tmp_path)
    some = Path(shutil.copytree(next(made.runs.glob("a-*")), tmp_path / "some" / "a")).parent
    made.take(place, some)
    other = {"bfloat16": "float32", "float32": "bfloat16"}
    runs, _ = edited(made, tmp_path, "certificate.json", rehashed(lambda held: held.update(dtype=other[held["dtype"]])))
    shutil.rmtree(next(runs.glob("a-*")))
    for file in runs.glob("*/observations.parquet"):
        table = pq.read_table(file).to_pylist()
        told = json.loads((file.parent / "certificate.json").read_text())["certificate"]
        schema = pq.read_schema(file)
        pq.write_table(pa.Table.from_pylist([row | {"certificate": told} for row in table], schema=schema), file)
    with pytest.raises(StudyError, match=r"dtype is .* there, .* runs/raw-a-s0 was trained so; train all on one kind"):
        made.take(place, runs)


def test_an_unfinished_stack_is_said_and_left(made, tmp_path):
    runs, first = edited(made, tmp_path, "nothing", None)
    (first / "observations.parquet").unlink()
    taken = made.take(made.place(tmp_path), runs)
    assert (len(taken.imported), len(taken.missing), taken.unfinished) == (5, 5, [first.name])


def test_a_folder_without_runs_is_no_plan_out(made, tmp_path):
    with pytest.raises(StudyError, match="no such folder"):
        made.take(made.place(tmp_path), tmp_path / "nowhere")
    with pytest.raises(StudyError, match=r"no stack in it has a certificate\.json"):
        made.take(tmp_path / "work", tmp_path)
