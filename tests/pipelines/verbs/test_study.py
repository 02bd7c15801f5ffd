"""run, curate, train, fit and report on a small study: what they say, and what is left when they are stopped."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.runs import prices
from pipelines.runs.prices import Speed
from pipelines.study.training import FitSection
from pipelines.verbs.fit_study import fit
from pipelines.verbs.fit_table import fit_table
from scaling_fit import Settings

PROGRAM = [sys.executable, "-c", "from pipelines.cli import app; app(prog_name='assay')"]


def assay(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def study(folder: Path) -> list[str]:
    return [str(folder / "study.yaml"), "--workdir", str(folder / "work")]


def test_run_tells_machines_the_verdict_and_where_the_report_is(finished_study: Path):
    answer = json.loads((finished_study / "answer.json").read_text())
    assert [level["level"] for level in answer["levels"]] == ["dedup", "clean", "top"]
    assert answer["choice"]
    assert Path(answer["report"]).exists()
    told = (finished_study / "told.txt").read_text()
    assert "Where the pool went" in told, "a table after curation"
    assert "Loss at 4,096 tokens" in told, "and one after training"


def test_a_second_look_says_the_same_to_people(finished_study: Path):
    answer = json.loads((finished_study / "answer.json").read_text())
    report = assay("report", *study(finished_study))
    assert answer["choice"][:30] in report.stdout
    assert "against raw on all held-out text" in report.stdout
    assert report.stdout.rstrip().endswith("report/index.html")
    assert json.loads(assay("report", *study(finished_study), "--json").stdout) == answer


def test_the_plan_as_data(finished_study: Path):
    plan = json.loads(assay("run", *study(finished_study), "--executor", "in-process", "--dry-run", "--json").stdout)
    assert plan["to_be_made_from"] is None
    assert [row["shape"] for row in plan["ladder"]] == ["a", "b"]
    assert plan["flops"] == pytest.approx(sum(row["flops"] for row in plan["ladder"]))
    more = assay("run", *study(finished_study), "--executor", "in-process", "--dry-run", "--set", "ladder.seeds=2")
    assert "to be made: runs/" in more.stdout


def test_the_plan_says_which_evaluation_sets_are_too_few_passages(finished_study: Path):
    """A third of the seeds' noise: 0.35 % over three by the root of one seed, and a passage scatters by 5 %."""
    plan = json.loads(assay("run", *study(finished_study), "--executor", "in-process", "--dry-run", "--json").stdout)
    sets = json.loads(next((finished_study / "work").glob("evaluation/*/manifest.json")).read_text())["summary"]
    assert {one["name"] for one in plan["evaluation"]} == {n for n, one in sets.items() if one["documents"] < (15 / 0.35) ** 2}
    for one in plan["evaluation"]:
        assert one["wanted"] == pytest.approx(sets[one["name"]]["tokens"] * (15 / 0.35) ** 2 / one["passages"], rel=0.01)
    said = assay("run", *study(finished_study), "--executor", "in-process", "--dry-run").stdout
    assert "sets are fewer passages than the seeds deserve" in " ".join(said.split())


def test_the_plan_says_where_a_run_is_mostly_warm_up(finished_study: Path):
    plan = ("run", *study(finished_study), "--executor", "in-process", "--dry-run")
    assert "warm-ups long" not in assay(*plan).stdout, "1,024 tokens after 256"
    said = assay(*plan, "--set", "ladder.warmup_tokens=512").stdout
    assert "a's first D is 2.0 warm-ups long" in said


def test_a_design_of_a_finished_study_rests_on_what_it_measured(finished_study: Path, monkeypatch):
    monkeypatch.setattr(
        prices, "speeds", lambda study, candidates, seconds: {n: Speed(1e-4, 1e-6 * s.width) for n, s in candidates.items()}
    )
    text = ["--set", "ladder.batch_tokens=32"]
    found = json.loads(assay("design", *study(finished_study), *text, "--minutes", 60, "--json").stdout)
    sets = json.loads(next((finished_study / "work").glob("evaluation/*/manifest.json")).read_text())["summary"]
    assert found["known"]["evaluation_tokens"] == sum(one["tokens"] for name, one in sets.items() if name != "heldout")
    assert set(found["known"]["unique"]) == {"raw", "dedup", "clean", "top"}
    assert max(found["best"]["tokens"]) <= min(found["known"]["unique"].values())


def test_curate_and_train_answer_in_json(finished_study: Path):
    made = json.loads(assay("curate", *study(finished_study), "--executor", "in-process", "--json").stdout)
    assert set(made["levels"]) == {"raw", "dedup", "clean", "top"}
    assert sum(row["documents"] for row in made["funnels"]["top"] if row["reason"] != "in") == 360
    rows = json.loads(assay("train", *study(finished_study), "--executor", "in-process", "--json").stdout)
    table = pl.read_parquet(next((finished_study / "work").rglob("observations.parquet")))
    for row in rows:
        same = table.filter(level=row["level"], shape=row["shape"], tokens=4096, eval_set="heldout")
        assert row["loss"] == pytest.approx(same["loss"].mean())
    assert len(rows) == 8


def test_an_option_of_fit_overrides_a_key_of_the_study(finished_study: Path):
    fit = json.loads(assay("fit", *study(finished_study), "--confidence", 0.8, "--baseline", "dedup", "--json").stdout)
    assert fit["settings"]["confidence"] == 0.8
    assert fit["levels"][0] == "dedup"
    assert "No such option" in assay("fit", *study(finished_study), "--law", "data", code=2).output
    faults = json.loads(assay("fit", *study(finished_study), "--check", "--json", code=0).stdout)
    assert all(fault.keys() == {"severity", "name", "message"} for fault in faults)


def test_fit_has_an_option_for_every_key_of_its_section():
    assert FitSection.model_fields.keys() <= inspect.signature(fit).parameters.keys()


def test_a_study_and_a_table_have_the_same_defaults():
    options = inspect.signature(fit_table).parameters
    for name in ("confidence", "margin", "seed", "replicates"):
        assert options[name].default == FitSection.model_fields[name].default == getattr(Settings(), name), name


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["in-process", "ray"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_who_is_stopped_says_how_to_go_on_and_the_same_command_does(study_folder: Path, executor: str, sent: signal.Signals):
    """While the ladder trains: SIGINT to the whole foreground group, as a terminal sends it, or a scheduler's SIGTERM."""
    command = [*PROGRAM, "run", *study(study_folder), "--executor", executor, "--set", "ladder.tokens=[1024, 2048, 16384]"]
    events = study_folder / "work/events.jsonl"
    stopped = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 240
    while '"event": "started", "step": "train"' not in (events.read_text() if events.exists() else ""):
        assert stopped.poll() is None, stopped.stderr.read() if stopped.stderr else ""
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(stopped.pid, sent) if sent == signal.SIGINT else os.kill(stopped.pid, sent)
    _, told = stopped.communicate(timeout=120)
    assert stopped.returncode == 130, told
    assert "run the same command again to go on" in told
    assert "Traceback" not in told
    before = len(events.read_text().splitlines())
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    later = [json.loads(line) for line in events.read_text().splitlines()[before:]]
    assert {"pool", "tokenizer"} <= {event["step"] for event in later if event["event"] == "cached"}
    assert not any(event["event"] == "finished" and event["step"] in ("pool", "tokenizer") for event in later)
