"""Courses put into a study that is finished: its levels' runs stay, and every answer on courses is there."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.cli import app

COURSES = {
    "on-raw": "{trunk: dedup, branch: raw}",
    "on-clean": "{trunk: dedup, branch: clean}",
    "on-top": "{trunk: dedup, branch: top}",
    "rising": "{level: dedup, order: {by: quality.score}}",
    "falling": "{level: dedup, order: {by: -quality.score, smooth: 0.2}}",
    "again": "{level: top, unique_tokens: 1024, epochs: 4}",
    "add": "{phases: [{level: raw, share: 0.7}, {level: top, share: 0.3, replay: 0.1}]}",
}
ALONE = ["raw", "dedup", "top"]  # clean is read by a course only
SETS = ["--set", f"ladder.levels={ALONE}"]
SETS += [text for name, course in COURSES.items() for text in ("--set", f"courses.{name}={course}")]


def assay(folder: Path, *words: str) -> str:
    command = [words[0], str(folder / "study.yaml"), *words[1:], "--workdir", str(folder / "work"), *SETS]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def with_courses(finished_study: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("courses")
    shutil.copytree(finished_study, folder, dirs_exist_ok=True)
    (folder / "before").mkdir()
    for name in ("events.jsonl", "observations.parquet"):
        shutil.move(folder / "work" / name, folder / "before" / name)
    (folder / "answer.json").write_text(assay(folder, "run", "--executor", "in-process", "--json"))
    return folder


def test_the_levels_runs_stay_as_they_were(with_courses):
    events = [json.loads(line) for line in (with_courses / "work" / "events.jsonl").read_text().splitlines()]
    made = {event["step"] for event in events if event["event"] == "finished"}
    assert {name for name in made if name.startswith("runs/")} == {
        f"runs/{name}-{shape}-s0" for name in COURSES for shape in "ab"
    }
    before, after = (pq.read_table(with_courses / place / "observations.parquet").to_pylist() for place in ("before", "work"))
    assert [row for row in after if row["level"] not in COURSES] == [row for row in before if row["level"] in ALONE]
    assert {row["certificate"] for row in after} == {before[0]["certificate"]}


def test_the_verdict_on_levels_is_what_it_was_and_courses_have_their_own(with_courses):
    before = json.loads((with_courses / "work" / "report" / "report.json").read_text())
    answer = json.loads((with_courses / "answer.json").read_text())
    assert "courses" in answer
    assert not set(COURSES) & {one["level"] for one in answer["levels"]}
    told = "\n".join(answer["courses"])
    for words in (
        "annealing dedup on raw and top would have chosen", "rising differs from dedup by", "falling differs from dedup",
        "again ", "Reading top after raw:",
    ):  # fmt: skip
        assert words in told, told
    assert before["words"]["courses"] == answer["courses"]
    assert {row["course"] for row in before["reads"]} == set(COURSES)
    again = next(row for row in before["reads"] if row["course"] == "again")
    assert again["times"] == 4


def test_the_page_has_a_section_and_its_charts(with_courses):
    page = (with_courses / "work" / "report" / "index.html").read_text()
    for words in (
        "Levels in time",
        "What each course does to the loss",
        "Does a cooldown predict the whole run?",
        "top after raw",
    ):
        assert words in page
    assert "Levels in time" in (with_courses / "work" / "report" / "report.md").read_text()
    assert (with_courses / "work" / "report" / "figures" / "annealing.svg").exists()


def test_explain_says_which_course_reads_a_document(with_courses):
    life = json.loads(assay(with_courses, "explain", "0", "--json"))
    assert list(life["courses"]) == list(COURSES)
    assert [phase["level"] for phase in life["courses"]["add"]] == ["raw", "top"]
    assert life["courses"]["on-clean"][1]["kept"] == life["levels"]["clean"]["kept"]
    (sorted_phase,) = life["courses"]["rising"]
    assert sorted_phase["by"] == "quality.score"
    assert 0 <= sorted_phase["value"] <= 1
    assert "course rising: dedup for 100% of a run" in assay(with_courses, "explain", "0")


def test_a_ledger_says_what_a_run_reads_and_explain_the_same_of_a_document(with_courses):
    """`again`: 1,024 tokens of top, four times through, in the longest run."""
    rows = json.loads(assay(with_courses, "ledger", "again", "--json", "--to", str(with_courses / "again.parquet")))
    assert [(row["phase"], row["level"], row["tokens"]) for row in rows] == [(1, "top", 4096)]
    ledger = pq.read_table(with_courses / "again.parquet").to_pylist()
    assert sum(row["tokens"] for row in ledger) == 4096
    assert all(row["tokens"] % 4 == 0 for row in ledger)
    assert max(row["times"] for row in ledger) == rows[0]["most"] <= 4
    most = max(ledger, key=lambda row: row["tokens"])
    (phase,) = json.loads(assay(with_courses, "explain", str(most["doc_id"]), "--json"))["courses"]["again"]
    assert (phase["tokens"], phase["times"]) == (most["tokens"], most["times"])
    words = f"again: top for 100% of a run reads {most['tokens']:,} tokens of it, {most['times']:.2f} times"
    assert words in assay(with_courses, "explain", str(most["doc_id"]))
    first, old, new = json.loads(assay(with_courses, "ledger", "add", "--shape", "b", "--tokens", "2048", "--json"))
    assert [(row["phase"], row["level"]) for row in (first, old, new)] == [(1, "raw"), (2, "raw"), (2, "top")]
    assert abs(old["tokens"] - 0.1 * (old["tokens"] + new["tokens"])) <= 32, "a tenth of replay, to a window"
    wrong = CliRunner().invoke(
        app, ["ledger", str(with_courses / "study.yaml"), "add", "--seed", "9", "-w", str(with_courses / "work"), *SETS]
    )
    assert "no run has seed 9; the ladder has 0" in wrong.output


def test_a_dry_run_says_what_each_course_costs(with_courses):
    plan = json.loads(assay(with_courses, "run", "--dry-run", "--json"))
    cost = {one["course"]: one["tokens"] for one in plan["courses"]}
    cooldowns, apart = 2 * 128 * (2 + 3 + 6), 2 * 128 * (8 + 16 + 32)
    assert cost["on-top"] == cooldowns, "the trunk is that of dedup"
    assert cost["rising"] == apart, "a curriculum shares no step"
    assert plan["to_be_made_from"] is None
    assert "course on-top (annealing): dedup 80%, then top 20%" in assay(with_courses, "run", "--dry-run")
