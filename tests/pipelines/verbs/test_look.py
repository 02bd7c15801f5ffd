"""inspect, explain, diff: what they say is what the ledgers hold."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pipelines import run_study
from pipelines.cli import app
from pipelines.engine.executor import InProcess
from pipelines.engine.progress import Progress
from pipelines.engine.run import Context
from pipelines.engine.workdir import Workdir
from pipelines.outcomes.looking import ledger_files
from pipelines.study.study import load

runner = CliRunner()


@pytest.fixture(scope="module")
def curated(finished_study):
    workdir = Workdir(str(finished_study / "work"))
    context = Context(workdir, InProcess(), Progress(None))
    made = run_study.curate(context, load(finished_study / "study.yaml"), finished_study)
    return finished_study, workdir, made


def answer(folder: Path, *arguments: str):
    result = runner.invoke(
        app, [arguments[0], str(folder / "study.yaml"), *arguments[1:], "-w", str(folder / "work"), "--json"]
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_explain_agrees_with_every_ledger(curated):
    folder, workdir, made = curated
    ledgers = {
        name: pl.concat([pl.DataFrame(workdir.read_table(p)) for p in ledger_files(made, name)]) for name in made.ledgers
    }
    dropped = ledgers["clean"].filter(pl.col("reason").cast(pl.String).str.contains("n_words"))["doc_id"][0]
    copied = ledgers["dedup"].filter(pl.col("reason").cast(pl.String) == "near duplicate")["doc_id"][0]
    for doc_id in (dropped, copied, ledgers["top"].filter("keep")["doc_id"][0]):
        life = answer(folder, "explain", str(doc_id))
        for name, level in life["levels"].items():
            row = ledgers[name].filter(pl.col("doc_id") == doc_id).row(0, named=True)
            assert (level["kept"], level["reason"], level["tokens"]) == (row["keep"], row["reason"], row["tokens"])
            failing = [rule["rule"] for rule in level["rules"] if not rule["holds"]]
            assert failing == [rule for rule in row["failed"] if not rule.startswith("mixture")]
    assert answer(folder, "explain", str(copied))["cluster_size"] > 1


def test_inspect_shows_the_documents_nearest_to_a_threshold(curated):
    folder, _, _ = curated
    found = answer(folder, "inspect", "clean", "--rule", "n_words", "-n", "3")
    words = [len(row["text"].split()) for row in found]
    assert [row["passes"] for row in found] == [False] * 3 + [True] * 3
    assert all((n >= 60) == row["passes"] for n, row in zip(words, found, strict=True) if n < 70)
    assert [row["margin"] for row in found] == sorted(row["margin"] for row in found)


def test_inspect_shows_the_quality_of_one_level_and_of_all(curated):
    folder, workdir, made = curated
    found = answer(folder, "inspect")
    records = found["levels"]
    assert [row["set"] for row in found["evaluation_sets"]][:2] == ["heldout", "domain:essays"]
    assert records == {name: record.summary for name, record in made.quality.levels.items()}
    assert records["top"] == workdir.read_json(f"{made.levels['top'].step.path}/quality.json")
    for words, lines in (
        (("raw",), ["Quality of raw", "duplicates.near"]),
        ((), ["Quality of the levels", "quality.score.p50", "judged on"]),
    ):
        shown = runner.invoke(app, ["inspect", str(folder / "study.yaml"), *words, "-w", str(folder / "work")]).stdout
        assert all(line in shown for line in lines)
        assert f"{records['raw']['axes']['kept']['value']:.4g}" in shown


def test_diff_adds_up_to_the_pool(curated):
    folder, _, made = curated
    rows = answer(folder, "diff", "raw", "top")
    assert sum(row["documents"] for row in rows) == made.pool.documents.total("documents")
    kept = sum(row["documents"] for row in rows if row["b"] == "kept")
    assert kept == made.levels["top"].summary["documents"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "99999999999999"], "the pool has no shard"),
        (["inspect", "nolevel"], "'nolevel' is not a level of this study"),
        (["inspect", "clean", "--rule", "zzz"], "no rule has 'zzz' in it"),
        (["diff", "raw", "nolevel"], "'nolevel' is not a level"),
    ],
)
def test_mistakes_say_what_there_is(curated, arguments, message):
    folder, _, _ = curated
    result = runner.invoke(app, [arguments[0], str(folder / "study.yaml"), *arguments[1:], "-w", str(folder / "work")])
    assert result.exit_code == 2
    assert message in result.stderr.replace("\n", " ")


def test_looking_writes_nothing(curated):
    """Once it replaced the table and the cards at the top of the work directory by those of the study that was looked at."""
    folder, _, made = curated
    work = folder / "work"
    (work / "observations.parquet").write_bytes(b"another study's")
    (work / made.levels["top"].step.path / "dataset.json").write_bytes(b"kept by hand")
    (work / made.levels["top"].step.path / "quality.json").write_bytes(b"kept by hand")
    (work / "quality.csv").write_bytes(b"another study's")

    def state() -> dict[str, tuple[int, bytes]]:
        return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(work.rglob("*")) if p.is_file()}

    before = state()
    answer(folder, "explain", "0")
    answer(folder, "inspect", "clean", "--rule", "n_words", "-n", "1")
    answer(folder, "inspect")
    answer(folder, "diff", "raw", "top")
    assert answer(folder, "run", "--dry-run", "--set", "ladder.seeds=2")["to_be_made_from"]
    assert state() == before


def test_verify_names_the_one_shard_that_was_changed_and_no_level_is_made_from_it(curated):
    folder, workdir, made = curated
    asked = ["verify", str(folder / "study.yaml"), "-w", str(folder / "work"), "--executor", "in-process", "--json"]
    assert runner.invoke(app, asked).exit_code == 0
    name = made.pool.documents.files()[0]
    shard = Path(workdir.full(name))
    original = shard.read_bytes()
    try:
        shard.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        result = runner.invoke(app, asked)
        answer = json.loads(result.stdout)
        (problem,), made_from = answer["problems"], {path.split("/")[0] for path in answer["made_from_them"]}
        assert {"signals", "selections", "levels", "tokenizer"} <= made_from
        assert (result.exit_code, problem.split()[0], "other content" in problem) == (1, name, True)
        other = [*asked[1:-1], "--set", "duplicates.bands=19"]
        refused = runner.invoke(app, ["curate", *other])
        assert (refused.exit_code, name in refused.output.replace("\n", "")) == (2, True), refused.output
    finally:
        shard.write_bytes(original)
